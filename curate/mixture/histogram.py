"""Sketches and histograms: tables that travel between tasks, and the counts that cuts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.mixture.cuts import BIN_BITS, Counts, bin_edges, bin_of
from curate.mixture.recipe import Leaf, Mixture
from curate.mixture.sampling import sample_key

Int64 = npt.NDArray[np.int64]

_LEAF = tuple(Leaf._fields)
_COUNTS = {"documents": "sum", "amount": "sum", "tokens": "sum", "largest": "max"}
_LEAF_TYPES = [(name, pa.string()) for name in _LEAF]

#: A row per document; ``group`` is null where the mixture has none for it.
SKETCH = pa.schema(
    [*_LEAF_TYPES, ("u", pa.uint64()), ("amount", pa.int64()), ("tokens", pa.int64())]
)
#: A row per leaf and bin of u.
HISTOGRAM = pa.schema(
    [*_LEAF_TYPES, ("bin", pa.int32()), *((name, pa.int64()) for name in _COUNTS)]
)
#: Bins whose documents must be seen one by one.
CUT_BINS = pa.schema([*_LEAF_TYPES, ("bin", pa.int32())])

#: Rows that are added up at a time; bounds a merging task's memory.
_MERGE_ROWS = 1 << 21


def sketch(mixture: Mixture, table: pa.Table) -> pa.Table:
    """Give each row its leaf, its *u* and its amount in the mixture's unit (null counts as 0)."""
    group = np.full(table.num_rows, None, object)
    columns = {name: pa.nulls(table.num_rows, pa.string()) for name in _LEAF[1:]}
    for leaf, rows in leaves(mixture, table):
        group[rows] = leaf.group if leaf else None
    for name in columns:
        if name in mixture.columns:
            columns[name] = _column(table, name, pa.string())
    tokens = _column(table, "n_tokens", pa.int64()).fill_null(0)
    if mixture.unit == "tokens":
        amount = tokens
    elif mixture.unit == "bytes":
        lengths = pc.binary_length(table.column("text").combine_chunks())
        amount = lengths.cast(pa.int64()).fill_null(0)
    else:
        amount = pa.array(np.ones(table.num_rows, np.int64))
    u = sample_key(table.column("id"), mixture.seed)
    return pa.table(
        [pa.array(group, pa.string()), *columns.values(), u, amount, tokens], schema=SKETCH
    )


def leaves(mixture: Mixture, table: pa.Table) -> Iterator[tuple[Leaf | None, Int64]]:
    """Split the rows of a Document table by leaf, each with its row numbers; None for no group."""
    outside = [np.empty(0, np.int64)]
    for values, rows in alike(table, mixture.columns):
        row = dict(zip(mixture.columns, values, strict=True))
        source, lang, origin = row["source"], row.get("lang"), row["origin"]
        group = mixture.group_of(source, lang, origin)
        if group is None:
            outside.append(rows)
        else:
            yield Leaf(group, source, lang, origin), rows
    if len(outside) > 1:
        yield None, np.sort(np.concatenate(outside))


def alike(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[str | None, ...], Int64]]:
    """Split rows by the values of a few string columns: the values, and the row numbers in order."""
    codes = np.zeros(table.num_rows, np.int64)
    for name in names:
        column = _column(table, name, pa.string()).dictionary_encode()
        code = column.indices.fill_null(len(column.dictionary))
        # Renumbered at each column, so that the codes stay below rows x values.
        codes = np.unique(codes, return_inverse=True)[1] * (len(column.dictionary) + 1)
        codes = codes + np.asarray(code)
    found, first, which = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(found) + 1))
    for number, row in enumerate(first.tolist()):
        values = tuple(table.column(name)[row].as_py() for name in names)
        yield values, order[ends[number] : ends[number + 1]]


def count_bins(sketched: pa.Table) -> pa.Table:
    """Count a sketch's documents per leaf and bin; rows in no group are left out."""
    rows = sketched.filter(pc.is_valid(sketched.column("group")))
    bins = pc.shift_right(rows.column("u"), pa.scalar(64 - BIN_BITS, pa.uint64()))
    return add_up(
        [
            pa.table(
                [*(rows.column(name) for name in _LEAF), bins.cast(pa.int32())]
                + [pa.array(np.ones(rows.num_rows, np.int64))]
                + [rows.column(name) for name in ("amount", "tokens", "amount")],
                schema=HISTOGRAM,
            )
        ]
    )


def add_up(histograms: Iterable[pa.Table]) -> pa.Table:
    """Add histograms up, in order of leaf and bin."""
    keys = list(CUT_BINS.names)
    sums = [f"{name}_{how}" for name, how in _COUNTS.items()]
    merged, waiting = HISTOGRAM.empty_table(), []
    for table in chain(histograms, (None,)):
        if table is not None:
            waiting.append(table.select(HISTOGRAM.names))
        if table is None or sum(rows.num_rows for rows in waiting) > _MERGE_ROWS:
            grouped = pa.concat_tables([merged, *waiting]).group_by(keys)
            added = grouped.aggregate(list(_COUNTS.items())).select([*keys, *sums])
            merged, waiting = added.rename_columns(HISTOGRAM.names).cast(HISTOGRAM), []
    return merged.sort_by([(key, "ascending") for key in keys])


def by_leaf(histogram: pa.Table) -> dict[Leaf, Counts]:
    """Read a histogram as one run of documents per bin."""
    counted = {}
    for values, rows in alike(histogram, _LEAF):
        mine = histogram.take(pa.array(rows))
        first, last = bin_edges(_numbers(mine, "bin"))
        counted[Leaf(*_group_first(values))] = Counts(
            first, last, *(_numbers(mine, name) for name in _COUNTS)
        )
    return counted


def documents_by_leaf(rows: pa.Table) -> dict[Leaf, Counts]:
    """Read sketch rows one by one, in order of u; documents with the same u are one run."""
    counted = {}
    for values, numbers in alike(rows, _LEAF):
        mine = rows.take(pa.array(numbers)).sort_by("u")
        u, starts = np.unique(np.asarray(mine.column("u")), return_index=True)
        amount, tokens = _numbers(mine, "amount"), _numbers(mine, "tokens")
        counted[Leaf(*_group_first(values))] = Counts(
            first=u,
            last=u,
            documents=np.diff(starts, append=len(amount)),
            amount=np.add.reduceat(amount, starts),
            tokens=np.add.reduceat(tokens, starts),
            largest=np.maximum.reduceat(amount, starts),
        )
    return counted


def bins_by_leaf(tables: Iterable[pa.Table]) -> dict[Leaf, Int64]:
    """Read which bins of each leaf are wanted."""
    table = pa.concat_tables([CUT_BINS.empty_table(), *(t.select(CUT_BINS.names) for t in tables)])
    bins = _numbers(table, "bin")
    return {Leaf(*_group_first(values)): bins[rows] for values, rows in alike(table, _LEAF)}


def write_bins(bins: dict[Leaf, Int64]) -> pa.Table:
    """Write down which bins of each leaf are wanted."""
    leaf_of = [leaf for leaf, numbers in bins.items() for _ in numbers]
    numbers = np.concatenate([np.empty(0, np.int64), *bins.values()])
    columns = [pa.array([leaf[i] for leaf in leaf_of], pa.string()) for i in range(len(_LEAF))]
    return pa.table([*columns, pa.array(numbers, pa.int32())], schema=CUT_BINS)


def in_bins(rows: pa.Table, wanted: dict[Leaf, Int64]) -> pa.Table:
    """Keep the sketch rows that lie in a wanted bin of their leaf."""
    bins = bin_of(np.asarray(rows.column("u")))
    keep = np.zeros(rows.num_rows, bool)
    for values, numbers in alike(rows, _LEAF):
        if values[0] is not None:
            none = np.empty(0, np.int64)
            keep[numbers] = np.isin(bins[numbers], wanted.get(Leaf(*_group_first(values)), none))
    return rows.filter(pa.array(keep))


def _group_first(values: tuple[str | None, ...]) -> tuple[str, str | None, str | None, str | None]:
    group, source, lang, origin = values
    return group or "", source, lang, origin


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    return table.column(name).cast(kind).combine_chunks()


def _numbers(table: pa.Table, name: str) -> Int64:
    return np.asarray(table.column(name)).astype(np.int64)
