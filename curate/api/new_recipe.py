"""A first recipe from paths and a ratio: formats and fields are found by looking at the files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from curate.api.inputs import sources_of
from curate.api.ratio import groups_of
from curate.errors import RecipeError
from curate.inspection import first_records
from curate.plan import build as planning
from curate.plan import registry
from curate.recipe import locate
from curate.recipe.languages import label_of, name_of
from curate.recipe.recipe import parse_recipe
from curate.sources import fields
from curate.sources.files import expand

#: Fields that are taken for an option of a source, in this order, and what their values are.
_LIKELY = {
    "text": ("text", "content", "body", "article", "document", "raw_content", "maintext"),
    "url": ("url", "uri", "link", "source_url", "webpage_url"),
    "date": ("date", "timestamp", "published", "crawl_date", "date_publish", "created"),
}

#: Fields of which any, or any of whose pairs, makes records conversations.
_TURNS = (
    ("messages",), ("conversations",), ("conversation",), ("turns",), ("instruction", "output"),
    ("prompt", "completion"), ("prompt", "response"), ("prompt", "chosen"),
)  # fmt: skip

_STAGES = """
# The stages, in order. `curate stages` lists all; `curate stage NAME {file} --dry-run` tries one.
[[stages]]
use = "repair"        # mojibake, Unicode form, controls, whitespace

[[stages]]
use = "identify"      # the language of each document

[[stages]]
use = "standardize"   # the fixes of the language, personal data

[[stages]]
use = "trim"          # lines that are no text: menus, notices of cookies

[[stages]]
use = "measure"       # the signals that the rules name

[[stages]]
use = "judge"         # the rules of filters/<language>.toml; a copy in ./filters is read first

[[stages]]
use = "exact_dedup"

[[stages]]
use = "fuzzy_dedup"   # MinHash-LSH; what is removed was verified
threshold = 0.8       # Jaccard similarity from which one of two documents is removed
recall = 0.97         # chance to find a pair at the threshold; more costs memory
"""


def new_recipe(
    name: str,
    paths: Sequence[str],
    *,
    ratio: str | None = None,
    unit: str = "tokens",
    budget: float | None = None,
    tokenizer: str | None = None,
    text: str | None = None,
) -> str:
    """Write a recipe for files, with comments, and check that it can be run.

    Parameters
    ----------
    name : str
        Name of the recipe.
    paths : sequence of str
        Files, folders, patterns or addresses, of any format; ``NAME=PATH`` names the source.
    ratio : str, optional
        Groups of languages with their weights, ``kk=3,ru+tr=1,en=3``; default: all that is kept.
    unit : {'tokens', 'bytes', 'documents'}, default 'tokens'
        What amounts count.
    budget : float, optional
        Amount in all, in ``unit``; default: as much as the ratio allows.
    tokenizer : str, optional
        What counts tokens; ``curate tokenizers`` lists them. Default: tekken.
    text : str, optional
        Field with the text; default: found by looking at the first records.

    Returns
    -------
    str
        The recipe, as TOML.

    Raises
    ------
    RecipeError
        If a path names no data, no field looks like text, or the recipe cannot be run.

    Examples
    --------
    >>> recipe = new_recipe("mine", ["books=sample_data/books.parquet"], ratio="kk=3,en=1")
    >>> [line for line in recipe.splitlines() if line.startswith("languages")]
    ['languages = ["kaz_Cyrl"]  # Kazakh', 'languages = ["eng_Latn"]  # English']
    """
    parts = [
        f"# Try it:  curate plan {name}.toml",
        f"# Run it:  curate run {name}.toml --output out/{name}",
        "# Every key: docs/recipe.md. Paths may be files, folders, patterns and addresses (s3://).",
        f"\nname = {_toml(name)}",
        "seed = 1              # of every random choice; the same seed gives the same bytes",
    ]
    for source, spec in sources_of(paths, {}).items():
        parts.append(_source(source, _looked_at(source, spec, text)))
    parts.append(_STAGES.format(file=f"{name}.toml"))
    if unit == "tokens":
        parts.append('[[stages]]\nuse = "count"')
        parts.append(
            f"tokenizer = {_toml(tokenizer or 'tekken')}  # `curate tokenizers` lists them"
        )
    parts.append(_mixture(ratio, unit, budget))
    recipe = "\n".join(parts) + "\n"
    plan = planning.build(parse_recipe(recipe, f"{name}.toml"))
    first_records.check(plan)
    return recipe


def _looked_at(source: str, spec: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """Add to a source what its first records show: the fields, or that they are conversations."""
    if spec["format"] not in ("jsonl", "parquet", "csv"):
        return dict(spec)
    reader: Any = registry.build("source", spec["format"], {})
    files = expand([locate.data_path(path) for path in spec["path"]], reader.suffixes)
    records = first_records.of_files(reader, files)
    values = _values(records)
    is_chat = any(values.keys() >= set(names) for names in _TURNS)
    if text is None and is_chat and spec["format"] == "jsonl":
        return {**spec, "format": "chat", "profile": "chat"}
    found = {"text": text} if text else {}
    for option, names in _LIKELY.items():
        likely = next(
            (n for n in names for n in _with_last(n, values) if _is_text(values[n])), None
        )
        if likely:
            found.setdefault(option, likely)
    if records and "text" not in found:
        texts = [name for name in values if _is_text(values[name])]
        if not texts:
            have = ", ".join(fields.shown(name) for name in islice(values, 20))
            raise RecipeError(
                f"no field of source '{source}' holds text",
                where=spec["path"][0],
                hint=f"the records have {have}",
            )
        found["text"] = max(texts, key=lambda name: _mean(values[name]))
    return {**spec, **found}


def _values(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of each field, and of the fields one table further in."""
    values: dict[str, list[Any]] = {}
    for record in records:
        for name, value in islice(record.items(), 200):
            values.setdefault(name, []).append(value)
            for inner, one in islice(value.items(), 200) if isinstance(value, dict) else ():
                values.setdefault(f"{name}.{inner}", []).append(one)
    return values


def _with_last(name: str, values: Iterable[str]) -> list[str]:
    return [each for each in values if each == name or each.endswith(f".{name}")]


def _is_text(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) and value.strip() for value in values)


def _mean(values: Sequence[Any]) -> float:
    return sum(len(value) for value in values if isinstance(value, str)) / len(values)


def _source(name: str, spec: Mapping[str, Any]) -> str:
    notes = {"text": "the field with the text", "profile": "rules for turns, not for prose"}
    lines = [f"\n[sources.{name}]"]
    for key, value in spec.items():
        shown = value[0] if key == "path" and len(value) == 1 else value
        note = f"  # {notes[key]}" if key in notes else ""
        lines.append(f"{key} = {_toml(shown)}{note}")
    return "\n".join(lines)


def _mixture(ratio: str | None, unit: str, budget: float | None) -> str:
    lines = ["\n[mixture]", f"unit = {_toml(unit)}"]
    if budget is not None:
        lines.append(f"budget = {budget:g}")
    if ratio is None:
        lines.append("# Everything that is kept is taken. A ratio has groups with weights:")
        lines.append('#   [mixture.groups.kazakh]\n#   languages = ["kaz_Cyrl"]\n#   weight = 3')
        lines.append("[mixture.groups.all]")
        return "\n".join(lines)
    lines.append('shortage = "shrink"   # the ratio is kept; "repeat" takes documents again')
    for given, group in groups_of(ratio).items():
        languages = [label_of(one, locate.language_profiles()) for one in given.split("+")]
        names = [name_of(label) for label in languages]
        key = given.replace("+", "_")
        lines.append(
            f"\n[mixture.groups.{key if re.fullmatch('[A-Za-z0-9_-]+', key) else _toml(key)}]"
        )
        lines.append(f"languages = {_toml(languages)}  # {', '.join(names)}")
        lines.append(f"weight = {group['weight']:g}")
    return "\n".join(lines)


def _toml(value: object) -> str:
    """Return a text or a list of texts as TOML: JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
