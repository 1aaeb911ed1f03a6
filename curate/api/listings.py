"""What there is to name in a recipe or on the command line: lists for people and for machines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curate.plan import registry
from curate.recipe import locate
from curate.recipe.languages import LABEL, NAMES, WIKIPEDIA, name_of


def recipes() -> list[dict[str, str]]:
    """Return the recipes that a name finds: ``name``, ``describes`` and ``file``.

    >>> [one["name"] for one in recipes()][:2]
    ['allam', 'demo']
    """
    found = []
    for name in locate.recipe_names():
        file = locate.recipe_file(name)
        found.append({"name": name, "describes": _describes(file), "file": str(file)})
    return found


def languages() -> list[dict[str, Any]]:
    """Return the languages with a profile, or that the language model knows, by label.

    ``label``, ``name``, ``codes`` (what else may be typed for it), ``profile`` (its file, or null)
    and ``clean_text`` (whether clean text of it is shipped, which ``curate check`` uses).

    >>> next(one for one in languages() if one["label"] == "kaz_Cyrl")["codes"]
    ['kk', 'kaz']
    """
    from curate.api.profiles import samples

    clean = set(samples())
    profiles = set(locate.language_profiles()) - {"_default"}
    labels = profiles | clean | set(_known())
    short: dict[str, list[str]] = {}
    for code, scripts in WIKIPEDIA.items():
        if len(code) == 2:
            short.setdefault(scripts[:3], []).append(code)
    return [
        {
            "label": label,
            "name": name_of(label),
            "codes": [*short.get(label[:3], ()), label[:3]] if _is_only(label, labels) else [],
            "profile": str(locate.profile_file(label)) if label in profiles else None,
            "clean_text": label in clean,
        }
        for label in sorted(labels)
    ]


def stages() -> list[dict[str, Any]]:
    """Return the stages: ``name``, ``describes`` and ``options``.

    >>> next(one for one in stages() if one["name"] == "count")["options"]
    ['tokenizer', 'min_tokens', 'max_tokens']
    """
    return [_entry("stage", name) for name in registry.STAGES]


def sources() -> list[dict[str, Any]]:
    """Return the formats of sources: ``name``, ``describes`` and ``options``.

    >>> [one["name"] for one in sources()][:3]
    ['warc', 'wet', 'commoncrawl']
    """
    return [_entry("source", name) for name in registry.SOURCE_FORMATS]


def tokenizers() -> list[dict[str, Any]]:
    """Return the kinds of tokenizers: ``name``, ``describes`` and whether it ``downloads``.

    >>> [one["name"] for one in tokenizers() if not one["downloads"]]
    ['tekken', 'FILE', 'bytes', 'characters', 'words']
    """
    from curate.tokens import KINDS

    return [
        {"name": name, "describes": describes, "downloads": ":" in name}
        for name, describes in KINDS.items()
    ]


def _describes(file: Path) -> str:
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8-sig")).get("describes", ""))
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"


def _entry(kind: str, name: str) -> dict[str, Any]:
    document = registry.entry(kind, name).__doc__ or ""
    first = " ".join(document.partition("\n\n")[0].split()).partition("; see ")[0].rstrip(".") + "."
    first = first.replace("``", "`")  # a terminal shows the signs as they are
    return {"name": name, "describes": first, "options": list(registry.options(kind, name))}


def _known() -> Iterable[str]:
    """Yield the labels of the languages that lid.176 knows in one script."""
    for scripts in WIKIPEDIA.values():
        code, *names = scripts.split()
        if code in NAMES and len(names) == 1 and names != ["Hani"]:
            yield f"{code}_{names[0]}"


def _is_only(label: str, labels: set[str]) -> bool:
    return [each[:3] for each in labels if LABEL.fullmatch(each)].count(label[:3]) == 1
