"""Which rows a mixture takes: rows to leaves, leaves and *u* to phases and passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.mixture.cuts import Interval
from curate.mixture.histogram import leaves
from curate.mixture.recipe import Leaf, Mixture
from curate.mixture.sampling import UInt64, sample_key

INTERVALS = pa.schema(
    [
        ("group", pa.string()),
        ("source", pa.string()),
        ("lang", pa.string()),
        ("origin", pa.string()),
        ("phase", pa.string()),
        ("epoch", pa.int32()),
        ("first", pa.uint64()),
        ("last", pa.uint64()),
    ]
)
PLACEMENTS = pa.schema([("row", pa.int64()), ("phase", pa.string()), ("epoch", pa.int32())])


def as_table(intervals: Sequence[Interval]) -> pa.Table:
    """Write intervals down, one per row; ``first`` and ``last`` are both inclusive."""
    rows = [
        dict(zip(INTERVALS.names, (*i.leaf, i.phase, i.epoch, i.first, i.last), strict=True))
        for i in intervals
    ]
    return pa.Table.from_pylist(rows, schema=INTERVALS)


def placements(mixture: Mixture, table: pa.Table, intervals: pa.Table) -> pa.Table:
    """Give the rows that are taken, once for each phase and pass, in order of the rows.

    Every row of the table counts; the caller leaves out those that have a verdict.
    """
    u = sample_key(table.column("id"), mixture.seed)
    wanted: dict[Leaf, list[tuple[str, int, int, int]]] = {}
    for said in intervals.select(INTERVALS.names).to_pylist():
        key = Leaf(said["group"], said["source"], said["lang"], said["origin"])
        wanted.setdefault(key, []).append(
            (said["phase"], said["epoch"], said["first"], said["last"])
        )
    order = {phase.name: number for number, phase in enumerate(mixture.schedule())}
    row, phase, epoch = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for leaf, rows in leaves(mixture, table):
        for name, number, first, last in wanted.get(leaf, ()) if leaf else ():
            hits = rows[_between(u[rows], first, last)]
            row.append(hits)
            phase.append(np.full(len(hits), order[name], np.int64))
            epoch.append(np.full(len(hits), number, np.int32))
    taken, phases, epochs = (np.concatenate(column) for column in (row, phase, epoch))
    sort = np.lexsort((epochs, phases, taken))
    names = pa.array(list(order), pa.string())
    return pa.table(
        [taken[sort], names.take(pa.array(phases[sort])), epochs[sort]], schema=PLACEMENTS
    )


def _between(u: UInt64, first: int, last: int) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (u >= np.uint64(first)) & (u <= np.uint64(last))
    return inside
