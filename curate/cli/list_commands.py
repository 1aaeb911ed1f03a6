"""`curate recipes`, `languages`, `stages`, `sources`, `tokenizers`: what there is to name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from curate.cli.options import Json


def recipes(json: Json = False) -> int:
    """List the recipes that a name finds.

    Example: curate recipes
    """
    from curate.api import listings

    found = listings.recipes()
    return _show(
        found, json, ("recipe", "what"), ((one["name"], one["describes"]) for one in found)
    )


def languages(json: Json = False) -> int:
    """List the languages and the codes that mean them.

    A language without a profile is judged by the rules of _default.

    Example: curate languages
    """
    from curate.api import listings

    found = listings.languages()
    rows = (
        (
            one["label"],
            one["name"],
            " ".join(one["codes"]),
            "yes" if one["profile"] else "",
            "yes" if one["clean_text"] else "",
        )
        for one in found
    )
    return _show(found, json, ("label", "language", "codes", "profile", "clean text"), rows)


def stages(json: Json = False) -> int:
    """List the stages that a recipe may have.

    Example: curate stages
    """
    from curate.api import listings

    return _entries(listings.stages(), json, "stage")


def sources(json: Json = False) -> int:
    """List the formats of sources.

    Example: curate sources
    """
    from curate.api import listings

    return _entries(listings.sources(), json, "format")


def tokenizers(json: Json = False) -> int:
    """List the tokenizers that can count.

    Example: curate tokenizers
    """
    from curate.api import listings

    found = listings.tokenizers()
    rows = ((one["name"], one["describes"]) for one in found)
    return _show(found, json, ("tokenizer", "what"), rows)


def _entries(found: Sequence[dict[str, Any]], json: bool, kind: str) -> int:
    return _show(found, json, (kind, "what"), ((one["name"], one["describes"]) for one in found))


def _show(
    found: Sequence[dict[str, Any]], json: bool, head: Sequence[str], rows: Iterable[Sequence[str]]
) -> int:
    from curate.cli.terminal import answer, as_json, table

    if json:
        answer(as_json(found))
    else:
        table(head, list(rows))
    return 0
