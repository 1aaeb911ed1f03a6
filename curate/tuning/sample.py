"""A fair sample of a finished run, to read and to label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.inspection.finished_rows import FinishedRun, Part
from curate.mixture.sampling import sample_key
from curate.signals import column
from curate.tuning.limits import Decider
from curate.tuning.selection import Smallest


class Place(NamedTuple):
    """Where a chosen document stands."""

    path: str
    group: int
    row: int


def sample(
    run: FinishedRun,
    n: int,
    *,
    rule: str | None = None,
    kept: bool = False,
    edge: str | None = None,
    lang: str | None = None,
    by_source: bool = False,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Choose documents by the smallest hash of (seed, id) and return them, in that order.

    With ``edge`` the choice is by the distance to the limits of that signal, half of it on each
    side, among the documents that no other rule drops. Memory: the chosen documents and a row
    group.
    """
    population, columns, decider = "all", ["source", "lang", "dropped_by"], None
    dropped: tuple[str, ...] = ()
    if rule is not None:
        dropped = _rules(run, rule)
        population = f"rule {rule}"
    elif edge is not None:
        decider = Decider(run, edge)
        columns += decider.columns
        if not any(decider.limit(name).rules for name in run.profiles.by_name):
            raise RecipeError(
                f"no rule of this run's profiles limits '{edge}'",
                where=run.store.address,
                hint=f"curate sweep {run.store.address} --signal {edge}",
            )
        population = f"edge {edge}"
    elif kept:
        population = "kept"
    label = run.language(lang) if lang else None
    chosen: dict[str, Smallest[Place]] = {}
    for part in run.documents(columns):
        for stratum, rows, distances in _candidates(run, part, dropped, kept, label, decider):
            sources = part.table.column("source").to_numpy(zero_copy_only=False)[rows]
            keys = sample_key(part.table.column("id").take(pa.array(rows)), seed)
            for source in sorted(set(sources)) if by_source else [""]:
                here = np.flatnonzero(sources == source) if source else np.arange(len(rows))
                places = part.rows[rows[here]]

                def place(at: int, part: Part = part, places: Any = places) -> Place:
                    return Place(part.path, part.group, int(places[at]))

                into = chosen.setdefault(f"{source}\0{stratum}", Smallest(n))
                into.offer(distances[here], keys[here], place)
    places = _share({name: one.rows() for name, one in sorted(chosen.items())}, n)
    if not places:
        raise RecipeError(
            f"no document of this run is in the sample ({population}"
            + (f", {label})" if label else ")"),
            where=run.store.address,
            hint=f"curate report {run.store.address} shows what each rule dropped",
        )
    sampled = {"population": population, "by_source": by_source, "seed": seed}
    return list(_rows(run, places, sampled))


def _rules(run: FinishedRun, given: str) -> tuple[str, ...]:
    """Return the ``stage:rule`` that a rule's name means, with or without its stage."""
    found = tuple(name for name in run.rules if given in (name, name.partition(":")[2]))
    if found:
        return found
    known = {name for full in run.rules for name in (full, full.partition(":")[2])}
    of_profiles = {rule for profile in run.profiles.by_name.values() for rule in profile.rules}
    idle = given.rpartition(":")[2] in of_profiles
    raise RecipeError(
        f"the rule '{given}' dropped nothing in this run"
        if idle
        else f"no rule '{given}' dropped a document in this run",
        where=run.store.address,
        hint=nearest(given, {name.partition(":")[2] for name in run.rules} if idle else known)
        if known
        else "no rule dropped anything; --kept samples what was kept",
    )


def _candidates(
    run: FinishedRun,
    part: Part,
    dropped: tuple[str, ...],
    kept: bool,
    lang: str | None,
    decider: Decider | None,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (stratum, rows, distances) of a part's documents that belong to the population."""
    table = part.table
    wanted = np.ones(table.num_rows, np.bool_)
    if dropped:
        found = pc.is_in(table.column("dropped_by"), pa.array(dropped))
        wanted &= np.asarray(pc.fill_null(found, False))
    if kept:
        wanted &= run.is_kept(table.column("dropped_by"))
    if lang:
        wanted &= np.asarray(pc.fill_null(pc.equal(table.column("lang"), lang), False))
    if decider is None:
        rows = np.flatnonzero(wanted)
        yield "", rows, np.zeros(len(rows))
        return
    found = decider.split(table)
    to_limit = np.minimum(np.abs(found.values - found.low), np.abs(found.high - found.values))
    wanted &= found.alone & np.isfinite(to_limit)
    inside = (found.values >= found.low) & (found.values <= found.high)
    for stratum, side in (("inside", inside), ("outside", ~inside)):
        rows = np.flatnonzero(wanted & side)
        yield stratum, rows, to_limit[rows]


def _share(strata: Mapping[str, list[Place]], n: int) -> list[Place]:
    """Take the same number from each stratum; what small ones lack comes from the others."""
    taken: list[Place] = []
    depth = 0
    while len(taken) < n and any(len(places) > depth for places in strata.values()):
        taken += [places[depth] for places in strata.values() if len(places) > depth]
        depth += 1
    return taken[:n]


def _rows(
    run: FinishedRun, places: list[Place], sampled: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a label file, reading each row group that has one of them once."""
    groups: dict[tuple[str, int], list[Place]] = {}
    for place in places:
        groups.setdefault((place.path, place.group), []).append(place)
    found: dict[Place, dict[str, Any]] = {}
    signals = [column(name) for name in run.signals]
    for (path, group), inside in groups.items():
        table = run.rows(path, group, [place.row for place in inside])
        kept = np.ones(len(inside), np.bool_)
        if "dropped_by" in table.column_names:
            kept = run.is_kept(table.column("dropped_by"))
        for place, row, is_kept in zip(inside, table.to_pylist(), kept.tolist()):
            values = {name: row.get(name) for name in signals}
            measured = any(value is not None for value in values.values())
            found[place] = {
                **{name: row.get(name) for name in ("id", "source", "lang", "url", "text")},
                "outcome": "kept" if is_kept else "dropped",
                "dropped_by": None if is_kept else row["dropped_by"],
                "dropped_value": None if is_kept else row["dropped_value"],
                "signals": {k[len("signal_") :]: v for k, v in values.items()} if measured else {},
                "sampled": dict(sampled),
                "label": None,
            }
    for place in places:
        yield found[place]
