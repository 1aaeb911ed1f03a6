"""Which rows a mixture takes: rows to leaves, leaves and *u* to phases and passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.mixture.cut_points import Interval
from curate.mixture.histogram import LEAF_TYPES, copies_of, held_out, leaves
from curate.mixture.sampling import UInt64, sample_key
from curate.recipe.mixture import VALIDATION, Leaf, Mixture

INTERVALS = pa.schema(
    [
        *LEAF_TYPES,
        ("phase", pa.string()),
        ("epoch", pa.int32()),
        ("first", pa.uint64()),
        ("last", pa.uint64()),
    ]
)
PLACEMENTS = pa.schema([("row", pa.int64()), ("phase", pa.string()), ("epoch", pa.int32())])


def as_table(intervals: Sequence[Interval]) -> pa.Table:
    """Return intervals as a table, one per row; ``first`` and ``last`` are both inclusive."""
    rows = [
        dict(zip(INTERVALS.names, (*i.leaf, i.phase, i.epoch, i.first, i.last), strict=True))
        for i in intervals
    ]
    return pa.Table.from_pylist(rows, schema=INTERVALS)


def placements(mixture: Mixture, table: pa.Table, intervals: pa.Table) -> pa.Table:
    """Return the rows that are taken, once for each phase, pass and copy, in order of the rows.

    A document of c copies has the epochs 1 to c on its first pass, c + 1 to 2 c on its second. A
    document that is held out is in ``validation``, once. Every row of the table counts; the caller
    leaves out those that have a verdict.
    """
    u = sample_key(table.column("id"), mixture.seed)
    by_leaf: dict[Leaf, list[tuple[str, int, int, int]]] = {}
    # Where nothing is taken there are no intervals, and the table has no columns of theirs.
    for interval in intervals.select(INTERVALS.names).to_pylist() if len(intervals) else ():
        *leaf_of, phase_name, number, first, last = interval.values()
        by_leaf.setdefault(Leaf(*leaf_of), []).append((phase_name, number, first, last))
    names = [*(phase.name for phase in mixture.schedule()), VALIDATION]
    order = {name: number for number, name in enumerate(names)}
    validation = held_out(mixture, table)
    row = [np.flatnonzero(validation)]
    phase = [np.full(len(row[0]), order[VALIDATION], np.int64)]
    epoch = [np.ones(len(row[0]), np.int64)]
    for leaf, rows in leaves(mixture, table):
        for name, number, first, last in by_leaf.get(leaf, ()) if leaf else ():
            hits = rows[_between(u[rows], first, last) & ~validation[rows]]
            copies = copies_of(mixture, table, leaf, hits) if leaf else hits
            ends = np.cumsum(copies)
            nth = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - copies, copies)
            row.append(np.repeat(hits, copies))
            phase.append(np.full(len(nth), order[name], np.int64))
            epoch.append(np.repeat((number - 1) * copies, copies) + nth + 1)
    taken, phases, epochs = (np.concatenate(column) for column in (row, phase, epoch))
    sort = np.lexsort((epochs, phases, taken))
    return pa.table(
        [
            taken[sort],
            pa.array(names, pa.string()).take(pa.array(phases[sort])),
            epochs[sort].astype(np.int32),
        ],
        schema=PLACEMENTS,
    )


def _between(u: UInt64, first: int, last: int) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (u >= np.uint64(first)) & (u <= np.uint64(last))
    return inside
