"""Stages on tables in memory: anything that speaks Arrow goes in, an Arrow table comes out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.api.ratio import groups_of
from curate.errors import RecipeError, nearest
from curate.recipe import locate
from curate.recipe.profile import Profile, Profiles


def identify(texts: Any, *, model: str | None = None, segments: bool = False) -> pa.Table:
    """Tell languages: a table of lang, lang_score, lang2, lang2_score, one row per text.

    ``segments`` adds lang_spans: which bytes of each text are in which language.
    """
    from curate.langid.identify import identify as identify_texts

    return identify_texts(texts, model=model, profiles=_all_profiles(), segments=segments)


def standardize(table: Any, *, profile: str | None = None) -> pa.Table:
    """Repair texts (ftfy, NFC), apply the fixes and masks of each row's profile; adds ``pii_spans``."""
    return _through(table, ("repair", "standardize"), profile)


def judge(table: Any, *, profile: str | Profile | None = None) -> pa.Table:
    """Measure and judge: adds ``signal_*``, ``dropped_by`` and ``dropped_value``.

    The profile is that of the row's ``lang`` unless one is given.
    """
    return _through(table, ("measure", "judge"), profile)


def deduplicate(table: Any, **options: Any) -> pa.Table:
    """Find exact and near duplicates: adds ``dropped_by``, ``cluster``, ``duplicate_of``, ``jaccard``.

    ``options`` are those of the stage fuzzy_dedup: threshold, recall, shingle, ngram, keep ...
    """
    from curate.protocol import in_memory
    from curate.stages.exact_dedup import ExactDedup
    from curate.stages.fuzzy_dedup import FuzzyDedup

    order = {key: options[key] for key in ("keep", "source_priority") if key in options}
    out = in_memory.apply(ExactDedup(**order), _documents(table))
    from curate.dedup.witness_chain import reassign_within

    return reassign_within(in_memory.apply(FuzzyDedup(**options), out))


def mix(table: Any, *, ratio: str, unit: str = "tokens", seed: int = 0, **options: Any) -> pa.Table:
    """Take a mixture: the rows that it has, with ``phase`` and ``epoch``.

    ``ratio`` is as for ``curate mix``, ``options`` are those of ``[mixture]``. The table needs ``lang``, and
    ``n_tokens`` for tokens; raises RecipeError where it lacks a column that the mixture reads.
    """
    from curate.protocol import in_memory
    from curate.recipe.mixture import parse_mixture
    from curate.stages.mix import Mix

    asked = {"unit": unit, "seed": seed, **options, "groups": groups_of(ratio)}
    documents = _documents(table)
    stage = Mix(parse_mixture(asked), clustered="cluster" in documents.column_names)
    for column in stage.reads:
        if column not in documents.column_names:
            known = nearest(column, documents.column_names)
            raise RecipeError(f"the mixture reads a column '{column}': {known}", where="curate.mix")
    placed = stage.placements(documents, in_memory.resolve(stage, documents)["decisions"])
    taken = documents.take(placed.column("row"))
    return taken.append_column("phase", placed.column("phase")).append_column(
        "epoch", placed.column("epoch")
    )


def _through(table: Any, stages: tuple[str, ...], profile: str | Profile | None) -> pa.Table:
    from curate.plan import registry

    documents = _documents(table)
    for name in stages:
        given = {"profiles": _all_profiles(profile), "name": name}
        documents = registry.build("stage", name, {}, given=given).apply(documents, Counter())
    return documents


def _all_profiles(chosen: str | Profile | None = None) -> Profiles:
    from curate.recipe import profile

    loaded = {n: profile.load_profile(n, locate.profile_text) for n in locate.language_profiles()}
    name = chosen.name if isinstance(chosen, Profile) else chosen
    if isinstance(chosen, Profile):
        loaded[chosen.name] = chosen
    elif name is not None and name not in loaded:
        loaded[name] = profile.load_profile(name, locate.profile_text)
    return Profiles(loaded, always=name)


def _documents(table: Any) -> pa.Table:
    """Take anything that speaks Arrow; columns that the contract has and the table has not are null."""
    given = pa.table(table)
    rows = given.num_rows
    if "text" not in given.column_names:
        raise RecipeError(
            "the table has no column 'text'", hint=nearest("text", given.column_names)
        )
    if "id" in given.column_names:
        ids = given.column("id")
        if ids.null_count or pc.count_distinct(ids).as_py() < rows:
            raise RecipeError("the column 'id' must name each row, once")
    for name, kind in (schema.SOURCE_COLUMNS | schema.VERDICT_COLUMNS).items():
        if name in given.column_names:
            at = given.column_names.index(name)
            given = given.set_column(at, name, given.column(name).cast(kind))
        elif name == "id":
            ids = pa.array([schema.make_id("table", row) for row in range(rows)])
            given = given.append_column(name, ids)
        elif name == "source":
            given = given.append_column(name, pa.array([""] * rows, pa.string()))
        else:
            given = given.append_column(name, pa.nulls(rows, kind))
    return given
