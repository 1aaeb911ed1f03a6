"""The literal dictionaries of stages and source formats, and how an entry is built from options.

Entries name their class by path, so that listing them imports neither numba nor a model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from curate.errors import RecipeError, nearest

STAGES = {
    "repair": "curate.stages.repair:Repair",
    "identify": "curate.stages.identify:Identify",
    "standardize": "curate.stages.standardize:Standardize",
    "trim": "curate.stages.trim:Trim",
    "rewrite": "curate.stages.rewrite:Rewrite",
    "url_filter": "curate.stages.url_filter:UrlFilter",
    "measure": "curate.stages.measure:Measure",
    "judge": "curate.stages.judge:Judge",
    "exact_dedup": "curate.stages.exact_dedup:ExactDedup",
    "fuzzy_dedup": "curate.stages.fuzzy_dedup:FuzzyDedup",
    "embed_dedup": "curate.stages.embed_dedup:EmbedDedup",
    "cap": "curate.stages.cap:Cap",
    "line_dedup": "curate.stages.line_dedup:LineDedup",
    "substring_dedup": "curate.stages.substring_dedup:SubstringDedup",
    "decontaminate": "curate.stages.decontaminate:Decontaminate",
    "count": "curate.stages.count:Count",
    "mix": "curate.stages.mix:Mix",
    "datatrove": "curate.stages.datatrove_block:DatatroveBlock",
}

FORMATS = {
    "warc": "curate.sources.web.warc:Warc",
    "wet": "curate.sources.web.wet:Wet",
    "wikipedia": "curate.sources.wiki.wikipedia:Wikipedia",
    "jsonl": "curate.sources.jsonl:Jsonl",
    "parquet": "curate.sources.parquet:Parquet",
    "text": "curate.sources.plain_text:PlainText",
    "chat": "curate.sources.chat.conversations:Chat",
}


def build(
    kind: str,
    name: str,
    options: Mapping[str, Any],
    *,
    given: Mapping[str, Any] | None = None,
    where: str | None = None,
) -> Any:
    """Build a registered stage or source from a recipe's options.

    ``given`` are values that the plan knows (profiles, mixture, seed, label); those that the class
    has a field for are passed, the others are not its business.
    """
    known = STAGES if kind == "stage" else FORMATS
    if name not in known:
        raise RecipeError(f"no {kind} '{name}'", where=where, hint=nearest(name, known))
    module, _, attribute = known[name].partition(":")
    made = getattr(import_module(module), attribute)
    fields = {field.name: field for field in dataclasses.fields(made)}
    mine = {key: value for key, value in (given or {}).items() if key in fields}
    # What the plan fills in is no option of a recipe.
    planned = {name for name, field in fields.items() if field.metadata.get("planned")}
    public = set(fields) - set(given or {}) - planned
    own = (
        {"format", "path", "origin", "license", "profile"} if kind == "source" else {"name", "use"}
    )
    for key in options:
        if key not in public:
            raise RecipeError(
                f"{kind} '{name}' has no option '{key}'",
                where=where,
                hint=nearest(key, public | own),
            )
    hints = get_type_hints(made)
    checked: dict[str, Any] = {}
    for key, value in options.items():
        try:
            checked[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise RecipeError(f"{kind} '{name}': {key}: {said}", where=where) from None
    try:
        return made(**mine, **checked)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{kind} '{name}': {error}", where=where) from None
