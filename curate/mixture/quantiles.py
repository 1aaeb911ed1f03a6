"""Weighted quantiles of scores within groups: exact, in bounded memory, the same for all shards.

A score is rounded to float32, whose bits, put in order, are an integer of 32 bits. A histogram over
its upper half shows in which bin each cut lies; a second one, over the lower half within those bins
alone, is the cut. So no task holds more than 65,536 counts per group and cut, whatever the number
of documents, and sums of integers do not depend on who adds them.

The bucket of a score is the number of cuts below it. Cut *i* of *n* is the smallest score at which
the documents up to it, it included, have at least *i / n* of the group's weight. So the first
bucket has the lowest scores, and equal scores have one bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.grouping import run_bounds
from curate.mixture.sampling import sample_key
from curate.protocol.routing import undecided
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

Outputs = Iterator[tuple[str, pa.Table]]
Int64 = npt.NDArray[np.int64]

#: What a signal's column in the sketch is named, before its name.
KEY = "key:"
_HALF = 16
_NULL = -1
_COUNTS = pa.schema([("group", pa.string()), ("key", pa.int64()), ("weight", pa.int64())])
_TARGETS = pa.schema(
    [("group", pa.string()), ("cut", pa.int32()), ("bin", pa.int64()), ("rank", pa.int64())]
)
_OPEN = pa.schema([("group", pa.string()), ("bin", pa.int64())])
#: The decisions: the cuts of each group, as keys.
CUTS = pa.schema([("group", pa.string()), ("cut", pa.int32()), ("key", pa.int64())])
_NO_CUTS: Int64 = np.empty(0, np.int64)


def keys(scores: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return scores as integers in the same order, -1 for null.

    >>> low, zero, high, null = keys(pa.array([-1.5, -0.0, 1e-9, None])).to_pylist()
    >>> low < zero < high, zero == keys(pa.array([0])).to_pylist()[0], null
    (True, True, -1)
    """
    values = np.asarray(scores.cast(pa.float64()).fill_null(np.nan))
    with np.errstate(over="ignore"):
        bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.int64)
    ordered = np.where(bits >> 31, 0xFFFFFFFF - bits, bits | 1 << 31)
    return pa.array(np.where(np.isnan(values), _NULL, ordered))


def groups(table: pa.Table, by: Sequence[str], signal: str) -> pa.Array:
    """Return the group of each row: the signal and the values of columns, null as the empty text.

    >>> groups(pa.table({"lang": ["kaz_Cyrl", None]}), ["lang"], "edu").to_pylist()
    ['edu kaz_Cyrl', 'edu ']
    """
    values = [pc.fill_null(whole(table.column(name)).cast(pa.string()), "") for name in by]
    named = pa.repeat(pa.scalar(signal, pa.string()), table.num_rows)
    joined: pa.Array = pc.binary_join_element_wise(named, *values, " ")
    return joined


def steps(signals: Sequence[str], by: Sequence[str], parts: int) -> tuple[Step, ...]:
    """Return the steps from sketches (``by``, ``weight``, keys of signals) to the cuts."""
    count, look = (partial(run, tuple(signals), tuple(by)) for run in (_count, _look))
    return (
        Step("count", "shard", ("sketch", "decided"), ("upper", "shards"), count),
        Step("find", "partition", ("upper", "shards"), ("open", "targets"), partial(_find, parts)),
        Step("look", "shard", ("sketch", "decided", "open"), ("lower",), look),
        Step("cut", "partition", ("lower", "targets"), ("cuts",), _cut),
        Step("gather", "one", ("cuts",), ("decisions",), _gather),
    )


def cuts_of(decisions: pa.Table) -> dict[str, Int64]:
    """Return the cuts of each group, rising."""
    found = whole(decisions.column("group")).dictionary_encode()
    values = np.asarray(whole(decisions.column("key")))
    bounds = run_bounds(np.asarray(found.indices)) if len(found) else []
    names = found.dictionary.to_pylist()
    codes = np.asarray(found.indices)
    return {names[codes[first]]: values[first:last] for first, last in bounds}


def buckets(of: pa.Array, scores: pa.ChunkedArray, cuts: Mapping[str, Int64]) -> pa.Array:
    """Return the bucket of each score in its group, from 0; null where the score is."""
    found, ordered = of.dictionary_encode(), np.asarray(keys(scores))
    codes, out = np.asarray(found.indices), np.zeros(len(ordered), np.int64)
    for code, name in enumerate(found.dictionary.to_pylist()):
        rows = np.flatnonzero(codes == code)
        out[rows] = np.searchsorted(cuts.get(name, _NO_CUTS), ordered[rows], side="left")
    return pa.array(out, mask=ordered == _NULL)


def _count(signals: tuple[str, ...], by: tuple[str, ...], inputs: Inputs) -> Outputs:
    def upper() -> Iterator[pa.Table]:
        for rows in undecided(inputs):
            for signal in signals:
                key = np.asarray(whole(rows.column(KEY + signal)))
                yield _counts(groups(rows, by, signal), key >> _HALF, rows, key >= 0)

    counted = _add_up(upper())
    yield "upper", _to_partition(counted, inputs.partitions)
    shard = pa.array(np.full(inputs.partitions, inputs.index, np.int32))
    parts = pa.array(np.arange(inputs.partitions, dtype=np.int32))
    yield "shards", pa.table({"shard": shard, "part": parts})


def _find(parts: int, inputs: Inputs) -> Outputs:
    """Find the bin of each cut, and the weight that the cut has to reach within its bin."""
    targets = [_TARGETS.empty_table()]
    for group, bins, below, weights in _cumulated(_add_up(inputs.stream("upper"))):
        total = int(below[-1] + weights[-1])
        if total == 0:
            continue
        ranks = np.array([-(-cut * total // parts) for cut in range(1, parts)], np.int64)
        at = np.searchsorted(below + weights, ranks, side="left")
        number = np.arange(1, parts, dtype=np.int32)
        columns = [pa.repeat(group, len(ranks)), number, bins[at], ranks - below[at]]
        targets.append(pa.table(columns, schema=_TARGETS))
    found = pa.concat_tables(targets).combine_chunks()
    yield "targets", _with_part(found, inputs.index)
    opened = found.select(_OPEN.names).group_by(_OPEN.names, use_threads=False).aggregate([])
    for shards in inputs.stream("shards"):
        for shard in shards.column("shard").to_pylist():
            yield "open", _with_part(opened, shard)


def _look(signals: tuple[str, ...], by: tuple[str, ...], inputs: Inputs) -> Outputs:
    opened: dict[str, list[int]] = {}
    for table in inputs.stream("open"):
        for group, bin_ in zip(*(table.column(name).to_pylist() for name in _OPEN.names)):
            opened.setdefault(group, []).append(bin_)
    bins = {group: np.array(found, np.int64) for group, found in opened.items()}

    def lower() -> Iterator[pa.Table]:
        for rows in undecided(inputs):
            for signal in signals:
                key = np.asarray(whole(rows.column(KEY + signal)))
                of = groups(rows, by, signal).dictionary_encode()
                codes, wanted = np.asarray(of.indices), np.zeros(len(key), np.bool_)
                for code, group in enumerate(of.dictionary.to_pylist()):
                    own = np.flatnonzero(codes == code)
                    wanted[own] = np.isin(key[own] >> _HALF, bins.get(group, _NO_CUTS))
                yield _counts(of.dictionary_decode(), key, rows, wanted & (key >= 0))

    yield "lower", _to_partition(_add_up(lower()), inputs.partitions)


def _cut(inputs: Inputs) -> Outputs:
    """Find each cut among the scores of its bin."""
    counted = {group: found for group, *found in _cumulated(_add_up(inputs.stream("lower")))}
    cuts = [CUTS.empty_table()]
    for targets in inputs.stream("targets"):
        names = whole(targets.column("group")).dictionary_encode()
        codes = np.asarray(names.indices)
        for code, group in enumerate(names.dictionary.to_pylist()):
            own = targets.take(pa.array(np.flatnonzero(codes == code)))
            key, below, weights = counted[group]
            bins, ranks = (np.asarray(whole(own.column(name))) for name in ("bin", "rank"))
            first = np.searchsorted(key, bins << _HALF)
            at = np.searchsorted(below + weights, ranks + below[first], side="left")
            columns = [own.column("group"), own.column("cut"), pa.array(key[at])]
            cuts.append(pa.table(columns, schema=CUTS))
    yield "cuts", _with_part(pa.concat_tables(cuts), 0)


def _gather(inputs: Inputs) -> Outputs:
    tables = [CUTS.empty_table(), *(table.select(CUTS.names) for table in inputs.stream("cuts"))]
    found = pa.concat_tables(tables).sort_by([("group", "ascending"), ("cut", "ascending")])
    yield "decisions", _with_part(found, 0)


def _counts(of: pa.Array, key: Int64, rows: pa.Table, chosen: npt.NDArray[np.bool_]) -> pa.Table:
    table = pa.table([of, pa.array(key), rows.column("weight")], schema=_COUNTS)
    return table.filter(pa.array(chosen))


#: Rows that are added up at a time; bounds a task's memory.
_TOGETHER = 1 << 19


def _add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """Add weights up by group and key, in their order."""
    merged, many = _COUNTS.empty_table(), 0
    waiting: list[pa.Table] = []

    def added() -> pa.Table:
        both = pa.concat_tables([merged, *waiting]).group_by(["group", "key"], use_threads=False)
        return both.aggregate([("weight", "sum")]).rename_columns(_COUNTS.names).cast(_COUNTS)

    for table in tables:
        waiting.append(table.select(_COUNTS.names))
        many += table.num_rows
        if many > _TOGETHER:
            merged, waiting, many = added(), [], 0
    return added().sort_by([("group", "ascending"), ("key", "ascending")])


def _cumulated(counted: pa.Table) -> Iterator[tuple[str, Int64, Int64, Int64]]:
    """Yield each group with its keys, rising, the weight before each, and that of each."""
    names = whole(counted.column("group")).dictionary_encode()
    codes = np.asarray(names.indices)
    key, weight = (np.asarray(whole(counted.column(name))) for name in ("key", "weight"))
    for first, last in run_bounds(codes) if len(codes) else []:
        own = weight[first:last]
        yield (
            names.dictionary[int(codes[first])].as_py(),
            key[first:last],
            np.cumsum(own) - own,
            own,
        )


def _to_partition(counted: pa.Table, partitions: int) -> pa.Table:
    hashed = sample_key(counted.column("group"), 0) % np.uint64(partitions)
    return counted.append_column("part", pa.array(hashed.astype(np.int32)))


def _with_part(table: pa.Table, part: int) -> pa.Table:
    return table.append_column("part", pa.array(np.full(table.num_rows, part, np.int32)))
