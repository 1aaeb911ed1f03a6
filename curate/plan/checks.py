"""Checks of a plan that need more than one of its parts: columns, groups, conversations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa

from curate import schema
from curate.errors import RecipeError, nearest
from curate.plan import registry
from curate.plan.model import Segment
from curate.protocol.stage import Stage
from curate.recipe.mixture import Mixture
from curate.recipe.profile import Profile, Profiles
from curate.recipe.recipe import Recipe

#: The stage that writes a column, for the hint; columns of signals are written by measure.
_WRITERS = {
    "n_tokens": "count",
    "cluster_size": "fuzzy_dedup",
    "n_cluster_sources": "fuzzy_dedup",
    "lang": "identify",
    "signal_license": "rights",
    "signal_license_group": "rights",
    "signal_license_from": "rights",
    "signal_robots": "rights",
}


def check_columns(segments: Sequence[Segment], where: str, brought: Collection[str] = ()) -> None:
    """Raise RecipeError where a stage reads a column that nothing before it writes.

    ``brought`` are columns of stages that every source brings.
    """
    have = {*schema.SOURCE_COLUMNS, *schema.VERDICT_COLUMNS, *brought}
    for segment in segments:
        for stage in (*segment.stages, *segment.barriers):
            for column in stage.reads:
                if column not in have:
                    name = column.removeprefix("signal_")
                    signals = registry.signals()
                    numbered = "bucket" if name.endswith("_bucket") else ""
                    measured = "measure" if name in signals else numbered
                    measured = measured if name != column else ""
                    first = _WRITERS.get(column, "" if f"signal_{name}" in have else measured)
                    known = (*signals, *schema.NUMBERS, *brought)
                    known = (f"signal_{name}",) if f"signal_{name}" in have else known
                    raise RecipeError(
                        f"stage '{stage.name}' reads column '{column}', "
                        "which nothing before it writes",
                        where=where,
                        hint=f"put '{first}' before it" if first else nearest(name, known),
                    )
            have |= set(stage.adds)
            if stage.removes_text:
                # What was measured on the text before the cut does not describe the text after it.
                have -= {name for name in have if name.startswith("signal_")}
                have -= set(schema.MEASURED_COLUMNS)


def check_shares(profile: Profile, where: str) -> None:
    """Raise RecipeError for a limit of a share above 1, a percentage: it drops all or nothing."""
    for name, rule in profile.rules.items():
        if rule.signal.endswith("_share") and rule.signal in registry.signals():
            for key, limit in (("min", rule.min), ("max", rule.max)):
                if limit is not None and limit > 1:
                    raise RecipeError(
                        f"rules.{name}.{key} = {limit:g}, and {rule.signal} is a share from 0 to 1",
                        where=where,
                        hint=f"if it is a percentage, write {key} = {limit / 100:g}",
                    )


def check_ranks(profiles: Profiles, stages: Collection[Stage], where: str) -> None:
    """Raise RecipeError where classifiers are measured, and no stage averages the ranks of some."""
    added = {name for stage in stages for name in stage.adds}
    for profile in profiles.by_name.values():
        for name, one in profile.classifiers.items():
            missing = f"signal_{name}" not in added
            if one.mean_rank and missing and f"signal_{one.mean_rank[0]}" in added:
                raise RecipeError(
                    f"the classifier '{name}' is a mean of ranks, and no stage computes it",
                    where=where,
                    hint='put use = "rank" behind measure',
                )


def types_added(stages: Iterable[Stage], where: str) -> dict[str, pa.DataType]:
    """Return the types of the columns that stages add.

    Raise RecipeError where two stages write one with different types: cut points of a profile and
    the stage ``bucket`` both number perplexity.
    """
    types: dict[str, pa.DataType] = {}
    writers: dict[str, str] = {}
    for stage in stages:
        for name, kind in stage.added_types.items():
            if types.setdefault(name, kind) != kind:
                raise RecipeError(
                    f"stage '{stage.name}' writes the column '{name}', and so does stage"
                    f" '{writers[name]}', with other values",
                    where=where,
                    hint="leave it to one: of perplexity, leave head and middle out of profiles, or"
                    " perplexity out of the stage",
                )
            writers.setdefault(name, stage.name)
    return types


def check_groups(
    mixture: Mixture, recipe: Recipe, where: str, types: Mapping[str, pa.DataType]
) -> None:
    """Raise RecipeError where a group names a source that does not exist, or cannot be split.

    Without this check the mistake would show after hours, or never. ``types`` are those of columns
    that the contract does not name; the others are known.
    """
    for name, group in mixture.groups.items():
        at = f"{where}: mixture.groups.{name}"
        if group.split_by is not None:
            kind = types.get(group.split_by) or schema.column_type(group.split_by) or pa.float64()
            group.check_type(kind, at)
        for source in group.sources:
            if source not in recipe.sources:
                hint = nearest(source, recipe.sources)
                raise RecipeError(f"the recipe has no source '{source}'", where=at, hint=hint)


def check_conversations(
    recipe: Recipe,
    profiles: Profiles,
    segments: Sequence[Segment],
    where: str,
    runs: Collection[str] = (),
) -> None:
    """Raise RecipeError where a stage would cut lines or spans out of conversations.

    A conversation has turns, not lines. Packed, it needs a chat template. ``runs`` are sources that
    may bring some: line rules leave those out.
    """
    cutting = [s.name for segment in segments for s in segment.stages if s.refuses_chat]
    spans = [b.name for segment in segments for b in segment.barriers if b.refuses_chat]
    for name, spec in recipe.sources.items():
        if not spec.is_read or (spec.format != "chat" and name not in runs):
            continue
        if "packed" in recipe.output.formats and recipe.output.template is None:
            raise RecipeError(
                f"the conversations of '{name}' are packed by a chat template, and none is named",
                where=f"{where}: output",
                hint="template = 'llama-3', 'chatml', 'mistral', or 'tokenizer' for its own",
            )
        if spans:
            raise RecipeError(
                f"stage '{spans[0]}' would cut spans out of the conversations of '{name}'",
                where=f"{where}: sources.{name}",
                hint="give the conversations a recipe of their own",
            )
        if name in runs:
            continue
        own = profiles.by_name[spec.profile] if spec.profile else None
        if cutting and (own is None or own.trim.rules or own.rewrite.steps):
            raise RecipeError(
                f"stage '{cutting[0]}' would cut lines out of the conversations of '{name}'",
                where=f"{where}: sources.{name}",
                hint="give the source a profile without [trim] rules and [rewrite] steps: "
                'profile = "chat"',
            )
