"""The literal dictionaries of stages and source formats, and how an entry is built from options.

Entries name their class by path, so that listing them imports neither numba nor a model.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import JsonValue, TypeAdapter, ValidationError

from curate.errors import RecipeError, nearest
from curate.recipe.recipe import SourceSpec, StageSpec
from curate.recipe.section import quoted, wrong_value

STAGES = {
    "repair": "curate.stages.repair:Repair",
    "identify": "curate.stages.identify:Identify",
    "standardize": "curate.stages.standardize:Standardize",
    "trim": "curate.stages.trim:Trim",
    "rewrite": "curate.stages.rewrite:Rewrite",
    "url_filter": "curate.stages.url_filter:UrlFilter",
    "rights": "curate.stages.rights:Rights",
    "robots_txt": "curate.stages.robots_txt:RobotsTxt",
    "measure": "curate.stages.measure:Measure",
    "judge": "curate.stages.judge:Judge",
    "exact_dedup": "curate.stages.exact_dedup:ExactDedup",
    "fuzzy_dedup": "curate.stages.fuzzy_dedup:FuzzyDedup",
    "embed_dedup": "curate.stages.embed_dedup:EmbedDedup",
    "rank": "curate.stages.bucket:Rank",
    "bucket": "curate.stages.bucket:Bucket",
    "cap": "curate.stages.cap:Cap",
    "line_dedup": "curate.stages.line_dedup:LineDedup",
    "substring_dedup": "curate.stages.substring_dedup:SubstringDedup",
    "decontaminate": "curate.stages.decontaminate:Decontaminate",
    "count": "curate.stages.count:Count",
    "mix": "curate.stages.mix:Mix",
    "datatrove": "curate.stages.datatrove_block:DatatroveBlock",
}

#: What a word in the name of a step of datatrove, dolma, NeMo Curator or Data-Juicer is here.
_WORDS = {
    "minhash": "fuzzy_dedup",
    "fuzzy": "fuzzy_dedup",
    "semantic": "embed_dedup",
    "sentence_dedup": "line_dedup",
    "paragraph": "line_dedup",
    "suffix": "substring_dedup",
    "exact": "exact_dedup",
    "dup": "exact_dedup or fuzzy_dedup",
    "lang": "identify, and the languages of a group",
    "token": "count",
    "url": "url_filter",
    "unicode": "repair or standardize",
    "ftfy": "repair",
    "pii": "standardize, with mask in a profile",
    "quality": "measure and judge",
    "filter": "measure and judge",
}
#: What a word in the name of a format means.
_FORMAT_WORDS = {
    "hug": 'parquet or jsonl, with path = "hf://datasets/OWNER/NAME/..."',
    "hf": 'parquet or jsonl, with path = "hf://datasets/OWNER/NAME/..."',
    "json": "jsonl",
    "tsv": "csv",
    "zim": "wikipedia_html",
    "crawl": "warc or commoncrawl",
    "html": "warc",
}

#: A stage that no recipe names: the plan puts it first where a dedup store knows of takedowns.
KNOWN_TAKEDOWNS = "curate.stages.known_takedowns:KnownTakedowns"

#: The stage that joins sidecars, which no recipe names either: it comes before all others.
SIDECARS = "curate.stages.sidecars:Sidecars"

#: The dictionary of all signals, by name.
SIGNALS = "curate.signals:SIGNALS"

SOURCE_FORMATS = {
    "warc": "curate.sources.web.warc:Warc",
    "wet": "curate.sources.web.wet:Wet",
    "commoncrawl": "curate.sources.web.commoncrawl:CommonCrawl",
    "wikipedia": "curate.sources.wiki.wikipedia:Wikipedia",
    "wikipedia_html": "curate.sources.wiki.wikipedia_html:WikipediaHtml",
    "jsonl": "curate.sources.jsonl:Jsonl",
    "parquet": "curate.sources.parquet:Parquet",
    "csv": "curate.sources.delimited:Csv",
    "text": "curate.sources.plain_text:PlainText",
    "run": "curate.sources.finished_run:CuratedRun",
    "chat": "curate.sources.chat.conversations:Chat",
}


#: Fields of stages that the plan fills in, which no recipe may set.
FROM_PLAN = {"profiles", "mixture", "seed", "name", "language_model", "clustered", "counted"}


def options(kind: str, name: str) -> dict[str, dataclasses.Field[Any]]:
    """Return the options of a registered stage or source: the fields that a recipe may set."""
    hidden = FROM_PLAN if kind == "stage" else set()
    return {
        field.name: field
        for field in dataclasses.fields(entry(kind, name))
        if field.name not in hidden and not field.metadata.get("planned")
    }


def entry(kind: str, name: str, where: str | None = None) -> Any:
    """Return the class of a registered stage or source."""
    known = STAGES if kind == "stage" else SOURCE_FORMATS
    if name not in known:
        raise RecipeError(f"no {kind} '{name}'", where=where, hint=_meant(kind, name, known))
    return load(known[name])


def _meant(kind: str, name: str, known: Collection[str]) -> str:
    """Return a hint: a name misspelt, what other tools call by that word, or the nearest name.

    >>> [_meant("stage", name, STAGES) for name in ("fuzy_dedup", "MinhashDedupFilter")]
    ["did you mean 'fuzzy_dedup'?", 'it may be fuzzy_dedup; `curate stages` lists them']
    """
    lowered = name.casefold()
    if not difflib.get_close_matches(lowered, known, n=1, cutoff=0.8):
        for word, meant in (_WORDS if kind == "stage" else _FORMAT_WORDS).items():
            if word in lowered:
                return f"it may be {meant}; `curate {kind}s` lists them"
    return nearest(name, known)


def load(path: str) -> Any:
    """Return the class that is named by its path."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def signals() -> Collection[str]:
    """Return the names of all signals."""
    names: Collection[str] = load(SIGNALS)
    return names


def build(
    kind: str,
    name: str,
    settings: Mapping[str, JsonValue],
    *,
    given: Mapping[str, Any] | None = None,
    where: str | None = None,
) -> Any:
    """Build a registered stage or source from a recipe's options.

    ``given`` are values of the plan (profiles, mixture, seed, label); those that the class has a
    field for are passed.
    """
    cls = entry(kind, name, where)
    fields = {field.name for field in dataclasses.fields(cls)}
    own = set((StageSpec if kind == "stage" else SourceSpec).model_fields)
    public = set(options(kind, name))
    types = get_type_hints(cls, include_extras=True)
    unknown = next((key for key in settings if key not in public), None)
    if unknown is not None:
        raise RecipeError(
            f"{kind} '{name}' has no option '{unknown}'",
            where=where,
            hint=nearest(unknown, public | own),
        )
    checked: dict[str, Any] = {k: value for k, value in (given or {}).items() if k in fields}
    for key, value in settings.items():
        try:
            checked[key] = TypeAdapter(types[key]).validate_python(value)
        except ValidationError as error:
            wrong = wrong_value(key, error.errors()[0])
        else:
            wrong = next(quoted(key, value, checked[key]), "")
        if wrong:
            at = f"{where}.{key}" if where else None
            raise RecipeError(f"{kind} '{name}': {wrong}", where=at)
    try:
        return cls(**checked)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{kind} '{name}': {error}", where=where) from None
