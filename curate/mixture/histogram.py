"""Sketches and histograms: the tables that tasks exchange, and the counts that cuts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels import grouping
from curate.mixture.allocation import Available
from curate.mixture.cut_points import BIN_BITS, LeafCounts, bin_edges, bin_of
from curate.mixture.sampling import sample_key, validation_side
from curate.mixture.split import values_of
from curate.recipe.mixture import Leaf, Mixture, Range
from curate.schema import floats, text_bytes, whole

Int64 = npt.NDArray[np.int64]

_LEAF = tuple(Leaf._fields)
_COUNTS = {"documents": "sum", "amount": "sum", "tokens": "sum", "largest": "max", "once": "sum"}
LEAF_TYPES = [(name, pa.string()) for name in _LEAF]

#: A row per document; ``group`` is null where the mixture has none for it. Amount and tokens are of
#: all its ``copies``. ``held_out`` documents are for validation, and outside of all budgets.
SKETCH = pa.schema(
    [
        *LEAF_TYPES,
        ("u", pa.uint64()),
        ("amount", pa.int64()),
        ("tokens", pa.int64()),
        ("copies", pa.int64()),
        ("held_out", pa.bool_()),
    ]
)
#: A row per leaf and bin of u.
HISTOGRAM = pa.schema([*LEAF_TYPES, ("bin", pa.int32()), *((name, pa.int64()) for name in _COUNTS)])
#: Bins whose documents must be read one by one.
CUT_BINS = pa.schema([*LEAF_TYPES, ("bin", pa.int32())])
#: A row per leaf: what is held out of it.
HELD_OUT = pa.schema([*LEAF_TYPES, *((name, pa.int64()) for name in _COUNTS)])

#: Rows that are added up at a time; bounds a merging task's memory.
_MERGE_ROWS = 1 << 19


def sketch(mixture: Mixture, table: pa.Table) -> pa.Table:
    """Return each row's leaf, *u* and amount in the mixture's unit (null counts as 0)."""
    group = np.full(table.num_rows, None, object)
    value = np.full(table.num_rows, None, object)
    columns = {name: pa.nulls(table.num_rows, pa.string()) for name in _LEAF[1:-1]}
    copies = np.ones(table.num_rows, np.int64)
    for leaf, rows in leaves(mixture, table):
        group[rows] = leaf.group if leaf else None
        if leaf:
            value[rows] = leaf.value
            copies[rows] = copies_of(mixture, table, leaf, rows)
    for name in columns:
        if name in mixture.columns:
            columns[name] = _column(table, name, pa.string())
    tokens = _column(table, "n_tokens", pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if mixture.unit == "tokens":
        amount = tokens
    elif mixture.unit == "bytes":
        amount = text_bytes(table)
    else:
        amount = np.ones(table.num_rows, np.int64)
    validation = held_out(mixture, table)
    copies[validation] = 1
    return pa.table(
        [
            pa.array(group, pa.string()),
            *columns.values(),
            pa.array(value, pa.string()),
            sample_key(table.column("id"), mixture.seed),
            amount * copies,
            tokens * copies,
            copies,
            validation,
        ],
        schema=SKETCH,
    )


def copies_of(mixture: Mixture, table: pa.Table, leaf: Leaf, rows: Int64) -> Int64:
    """Return how many copies of each of a leaf's rows the mixture takes on one pass."""
    up = mixture.upsample
    if up is None or (up.groups and leaf.group not in up.groups):
        return np.ones(len(rows), np.int64)
    if up.by not in table.column_names:
        return np.ones(len(rows), np.int64)
    values = floats(table.column(up.by))[rows]
    steps = np.array([value for value, _ in up.copies])
    # Null is NaN here, which sorts above all numbers.
    step = np.where(np.isnan(values), 0, np.searchsorted(steps, values, side="right"))
    copies: Int64 = np.array([1, *(times for _, times in up.copies)], np.int64)[step]
    return copies


def held_out(mixture: Mixture, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows are held out for validation: none of a group that no phase takes from."""
    if mixture.validation is None or not table.num_rows:
        return np.zeros(table.num_rows, bool)
    out = validation_side(
        _column(table, "cluster", pa.string()),
        whole(table.column("text")),
        mixture.validation.share,
        mixture.seed,
    )
    for leaf, rows in leaves(mixture, table):
        if leaf is None or leaf.group not in mixture.weighed:
            out[rows] = False
    return out


def leaves(mixture: Mixture, table: pa.Table) -> Iterator[tuple[Leaf | None, Int64]]:
    """Yield the leaves of a Document table, with row numbers; None for no group.

    A leaf comes several times where its rows differ in conditions of groups.
    """
    outside = [np.empty(0, np.int64)]
    met = {name: _meets(table, each.where) for name, each in mixture.groups.items() if each.where}
    keys = [*(_column(table, name, pa.string()) for name in mixture.columns), *met.values()]
    for rows in grouping.alike(keys):
        first = int(rows[0])
        row = {name: table.column(name)[first].as_py() for name in mixture.columns}
        source, lang, origin = row["source"], row.get("lang"), row["origin"]
        unmet = {name for name, rows_that in met.items() if not rows_that[first].as_py()}
        group = mixture.group_of(source, lang, origin, unmet)
        if group is None:
            outside.append(rows)
        elif (by := mixture.groups[group].split_by) is None:
            yield Leaf(group, source, lang, origin), rows
        else:
            column = whole(table.column(by).take(pa.array(rows)))
            values = values_of(mixture.groups[group], column)
            for (value,), which in alike(pa.table({"value": values}), ("value",)):
                yield Leaf(group, source, lang, origin, value), rows[which]
    if len(outside) > 1:
        yield None, np.sort(np.concatenate(outside))


def _meets(table: pa.Table, where: Mapping[str, tuple[str, ...] | Range]) -> pa.BooleanArray:
    """Return which rows meet all conditions; a null meets none."""
    met = np.ones(table.num_rows, bool)
    for name, wanted in where.items():
        if name not in table.column_names:
            met[:] = False
        elif isinstance(wanted, Range):
            values = floats(table.column(name))
            met &= values >= (-np.inf if wanted.min is None else wanted.min)
            met &= values <= (np.inf if wanted.max is None else wanted.max)
        else:
            values = _column(table, name, pa.string())
            met &= np.asarray(pc.is_in(values, value_set=pa.array(wanted, pa.string())))
    return pa.array(met)


def alike(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[str | None, ...], Int64]]:
    """Yield each combination of a few string columns' values, with its row numbers in order."""
    for rows in grouping.alike([_column(table, name, pa.string()) for name in names]):
        yield tuple(table.column(name)[int(rows[0])].as_py() for name in names), rows


def count_bins(sketched: pa.Table) -> pa.Table:
    """Count a sketch's documents per leaf and bin, without those in no group and those held out."""
    rows = sketched.filter(
        pc.and_(pc.is_valid(sketched.column("group")), pc.invert(sketched.column("held_out")))
    )
    bins = pc.shift_right(rows.column("u"), pa.scalar(64 - BIN_BITS, pa.uint64()))
    keys = [*(rows.column(name) for name in _LEAF), bins.cast(pa.int32())]
    return add_up([pa.table(keys + _amounts(rows), schema=HISTOGRAM)])


def count_held_out(sketched: pa.Table) -> pa.Table:
    """Count the documents that a sketch holds out, per leaf."""
    rows = sketched.filter(sketched.column("held_out"))
    keys = [rows.column(name) for name in _LEAF]
    return add_held_out([pa.table(keys + _amounts(rows), schema=HELD_OUT)])


def add_held_out(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up counts of documents that are held out."""
    added = HELD_OUT.empty_table()
    for table in tables:
        both = pa.concat_tables([added, table.select(HELD_OUT.names)]).group_by(list(_LEAF))
        added = pa.table(both.aggregate(list(_COUNTS.items())).columns, schema=HELD_OUT)
    return added


def held_out_by_leaf(table: pa.Table) -> dict[Leaf, Available]:
    """Return the counts of documents that are held out, by leaf."""
    return {
        Leaf(*(row[name] for name in _LEAF)): Available(**{name: row[name] for name in _COUNTS})
        for row in table.to_pylist()
    }


def _amounts(rows: pa.Table) -> list[pa.ChunkedArray]:
    once = pc.divide(rows.column("amount"), rows.column("copies"))
    names = ("copies", "amount", "tokens", "amount")
    return [*(rows.column(name) for name in names), once]


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


def gather(histograms: Iterable[pa.Table], most: int) -> tuple[pa.Table, int]:
    """Add histograms up in bounded memory: the sum, and by how many bits bins were merged.

    With hundreds of languages there are too many bins for memory. Then every four neighbours become
    one, named by the first, until there are at most ``most`` rows; in return more documents are
    read one by one. The number of bits depends only on the sum.
    """
    merged, waiting, shift = HISTOGRAM.empty_table(), [], 0
    for table in chain(histograms, (None,)):
        if table is not None:
            waiting.append(_coarser(table, shift))
        if table is None or sum(rows.num_rows for rows in waiting) > _MERGE_ROWS:
            merged, waiting = add_up([merged, *waiting]), []
            while merged.num_rows > most and shift < BIN_BITS:
                shift += 2
                merged = add_up([_coarser(merged, shift)])
    return merged, shift


def _coarser(histogram: pa.Table, shift: int) -> pa.Table:
    bins = _numbers(histogram, "bin") >> shift << shift
    at = histogram.column_names.index("bin")
    return histogram.set_column(at, "bin", pa.array(bins, pa.int32())).select(HISTOGRAM.names)


def by_leaf(histogram: pa.Table, shift: int = 0) -> dict[Leaf, LeafCounts]:
    """Read a histogram as one run of documents per bin; ``shift`` as :func:`gather` returns it."""
    counted = {}
    for values, rows in alike(histogram, _LEAF):
        bins = histogram.take(pa.array(rows))
        first, last = bin_edges(_numbers(bins, "bin"), shift)
        counted[_leaf(values)] = LeafCounts(
            first, last, *(_numbers(bins, name) for name in _COUNTS)
        )
    return counted


def documents_by_leaf(rows: pa.Table) -> dict[Leaf, LeafCounts]:
    """Read sketch rows one by one, in order of u; documents with the same u are one run."""
    counted = {}
    for values, numbers in alike(rows, _LEAF):
        ordered = rows.take(pa.array(numbers)).sort_by("u")
        u, starts = np.unique(np.asarray(ordered.column("u")), return_index=True)
        amount, tokens = _numbers(ordered, "amount"), _numbers(ordered, "tokens")
        copies = _numbers(ordered, "copies")
        counted[_leaf(values)] = LeafCounts(
            first=u,
            last=u,
            documents=np.add.reduceat(copies, starts),
            amount=np.add.reduceat(amount, starts),
            tokens=np.add.reduceat(tokens, starts),
            largest=np.maximum.reduceat(amount, starts),
            once=np.add.reduceat(amount // copies, starts),
        )
    return counted


def bins_by_leaf(tables: Iterable[pa.Table]) -> dict[Leaf, Int64]:
    """Read the cut bins of each leaf."""
    table = pa.concat_tables([CUT_BINS.empty_table(), *(t.select(CUT_BINS.names) for t in tables)])
    bins = _numbers(table, "bin")
    return {_leaf(values): bins[rows] for values, rows in alike(table, _LEAF)}


def write_bins(bins: dict[Leaf, Int64], shift: int = 0) -> pa.Table:
    """Return the cut bins of each leaf as a table: all bins that were merged into one."""
    inside = np.arange(1 << shift)
    tables = [CUT_BINS.empty_table()]
    for leaf, first in bins.items():
        numbers = np.add.outer(first, inside).ravel()
        columns = [pa.repeat(pa.scalar(name, pa.string()), len(numbers)) for name in leaf]
        tables.append(pa.table([*columns, pa.array(numbers, pa.int32())], schema=CUT_BINS))
    return pa.concat_tables(tables).combine_chunks()


def in_bins(rows: pa.Table, cut_bins: dict[Leaf, Int64]) -> pa.Table:
    """Return the sketch rows that lie in a cut bin of their leaf."""
    bins = bin_of(np.asarray(rows.column("u")))
    keep = np.zeros(rows.num_rows, bool)
    for values, numbers in alike(rows, _LEAF):
        if values[0] is not None:
            none = np.empty(0, np.int64)
            keep[numbers] = np.isin(bins[numbers], cut_bins.get(_leaf(values), none))
    return rows.filter(pa.array(keep & ~np.asarray(rows.column("held_out"))))


def _leaf(values: tuple[str | None, ...]) -> Leaf:
    group, *others = values
    return Leaf(group or "", *others)


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    return whole(table.column(name)).cast(kind)


def _numbers(table: pa.Table, name: str) -> Int64:
    return np.asarray(table.column(name)).astype(np.int64)
