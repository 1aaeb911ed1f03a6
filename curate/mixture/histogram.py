"""Sketches and histograms: tables that travel between tasks, and the counts that cuts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.mixture.available import Stock
from curate.mixture.cut_points import BIN_BITS, Counts, bin_edges, bin_of
from curate.mixture.sampling import held_out, sample_key
from curate.recipe.mixture import Leaf, Mixture
from curate.schema import whole

Int64 = npt.NDArray[np.int64]

_LEAF = tuple(Leaf._fields)
_COUNTS = {
    "documents": "sum",
    "amount": "sum",
    "tokens": "sum",
    "largest": "max",
    "once": "sum",
}
_LEAF_TYPES = [(name, pa.string()) for name in _LEAF]

#: A row per document; ``group`` is null where the mixture has none for it. Amount and tokens are of
#: all its ``copies``. ``held`` documents are for validation, and stand outside of all budgets.
SKETCH = pa.schema(
    [
        *_LEAF_TYPES,
        ("u", pa.uint64()),
        ("amount", pa.int64()),
        ("tokens", pa.int64()),
        ("copies", pa.int64()),
        ("held", pa.bool_()),
    ]
)
#: A row per leaf and bin of u.
HISTOGRAM = pa.schema(
    [*_LEAF_TYPES, ("bin", pa.int32()), *((name, pa.int64()) for name in _COUNTS)]
)
#: Bins whose documents must be seen one by one.
CUT_BINS = pa.schema([*_LEAF_TYPES, ("bin", pa.int32())])
#: A row per leaf: what is held out of it.
HELD = pa.schema([*_LEAF_TYPES, *((name, pa.int64()) for name in _COUNTS)])

#: Rows that are added up at a time; bounds a merging task's memory.
_MERGE_ROWS = 1 << 19


def sketch(mixture: Mixture, table: pa.Table) -> pa.Table:
    """Give each row its leaf, its *u* and its amount in the mixture's unit (null counts as 0)."""
    group = np.full(table.num_rows, None, object)
    columns = {name: pa.nulls(table.num_rows, pa.string()) for name in _LEAF[1:]}
    copies = np.ones(table.num_rows, np.int64)
    for leaf, rows in leaves(mixture, table):
        group[rows] = leaf.group if leaf else None
        if leaf:
            copies[rows] = copies_of(mixture, table, leaf, rows)
    for name in columns:
        if name in mixture.columns:
            columns[name] = _column(table, name, pa.string())
    tokens = _column(table, "n_tokens", pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if mixture.unit == "tokens":
        amount = tokens
    elif mixture.unit == "bytes":
        lengths = pc.binary_length(whole(table.column("text")))
        amount = lengths.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    else:
        amount = np.ones(table.num_rows, np.int64)
    out = held(mixture, table)
    copies[out] = 1
    return pa.table(
        [
            pa.array(group, pa.string()),
            *columns.values(),
            sample_key(table.column("id"), mixture.seed),
            amount * copies,
            tokens * copies,
            copies,
            out,
        ],
        schema=SKETCH,
    )


def copies_of(mixture: Mixture, table: pa.Table, leaf: Leaf, rows: Int64) -> Int64:
    """Give how many copies of each of a leaf's rows the mixture takes on one pass."""
    up = mixture.upsample
    if up is None or (up.groups and leaf.group not in up.groups):
        return np.ones(len(rows), np.int64)
    values = _column(table, up.by, pa.float64()).to_numpy(zero_copy_only=False)[rows]
    steps = np.array([value for value, _ in up.copies])
    # Null is NaN here, which sorts above all numbers.
    step = np.where(np.isnan(values), 0, np.searchsorted(steps, values, side="right"))
    copies: Int64 = np.array([1, *(times for _, times in up.copies)], np.int64)[step]
    return copies


def held(mixture: Mixture, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Tell which rows are held out for validation: none of a group that no phase takes from."""
    if mixture.validation is None or not table.num_rows:
        return np.zeros(table.num_rows, bool)
    out = held_out(
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
    """Count a sketch's documents per leaf and bin; rows in no group and held ones are left out."""
    rows = sketched.filter(
        pc.and_(pc.is_valid(sketched.column("group")), pc.invert(sketched.column("held")))
    )
    bins = pc.shift_right(rows.column("u"), pa.scalar(64 - BIN_BITS, pa.uint64()))
    keys = [*(rows.column(name) for name in _LEAF), bins.cast(pa.int32())]
    return add_up([pa.table(keys + _amounts(rows), schema=HISTOGRAM)])


def count_held(sketched: pa.Table) -> pa.Table:
    """Count what a sketch holds out, per leaf."""
    rows = sketched.filter(sketched.column("held"))
    keys = [rows.column(name) for name in _LEAF]
    return add_held([pa.table(keys + _amounts(rows), schema=HELD)])


def add_held(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up what is held out."""
    added = HELD.empty_table()
    for table in tables:
        both = pa.concat_tables([added, table.select(HELD.names)]).group_by(list(_LEAF))
        added = pa.table(both.aggregate(list(_COUNTS.items())).columns, schema=HELD)
    return added


def held_stock(table: pa.Table) -> dict[Leaf, Stock]:
    """Read what is held out of each leaf."""
    return {
        Leaf(*(row[name] for name in _LEAF)): Stock(**{name: row[name] for name in _COUNTS})
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
    """Add histograms up in bounded memory: the sum, and to how many bits bins were thrown together.

    With hundreds of languages there are too many bins to be held. Then each four neighbours become one,
    named by the first, until there are at most ``most`` rows; more documents are looked at one by one
    for it. How far it goes depends on nothing but the sum.
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


def by_leaf(histogram: pa.Table, shift: int = 0) -> dict[Leaf, Counts]:
    """Read a histogram as one run of documents per bin; ``shift`` is as :func:`gather` gives it."""
    counted = {}
    for values, rows in alike(histogram, _LEAF):
        mine = histogram.take(pa.array(rows))
        first, last = bin_edges(_numbers(mine, "bin"), shift)
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
        copies = _numbers(mine, "copies")
        counted[Leaf(*_group_first(values))] = Counts(
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
    """Read which bins of each leaf are wanted."""
    table = pa.concat_tables([CUT_BINS.empty_table(), *(t.select(CUT_BINS.names) for t in tables)])
    bins = _numbers(table, "bin")
    return {Leaf(*_group_first(values)): bins[rows] for values, rows in alike(table, _LEAF)}


def write_bins(bins: dict[Leaf, Int64], shift: int = 0) -> pa.Table:
    """Write down which bins of each leaf are wanted, all that were thrown together."""
    inside = np.arange(1 << shift)
    tables = [CUT_BINS.empty_table()]
    for leaf, found in bins.items():
        numbers = np.add.outer(found, inside).ravel()
        columns = [pa.repeat(pa.scalar(name, pa.string()), len(numbers)) for name in leaf]
        tables.append(pa.table([*columns, pa.array(numbers, pa.int32())], schema=CUT_BINS))
    return pa.concat_tables(tables).combine_chunks()


def in_bins(rows: pa.Table, wanted: dict[Leaf, Int64]) -> pa.Table:
    """Keep the sketch rows that lie in a wanted bin of their leaf."""
    bins = bin_of(np.asarray(rows.column("u")))
    keep = np.zeros(rows.num_rows, bool)
    for values, numbers in alike(rows, _LEAF):
        if values[0] is not None:
            none = np.empty(0, np.int64)
            keep[numbers] = np.isin(bins[numbers], wanted.get(Leaf(*_group_first(values)), none))
    return rows.filter(pa.array(keep & ~np.asarray(rows.column("held"))))


def _group_first(values: tuple[str | None, ...]) -> tuple[str, str | None, str | None, str | None]:
    group, source, lang, origin = values
    return group or "", source, lang, origin


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    return table.column(name).cast(kind).combine_chunks()


def _numbers(table: pa.Table, name: str) -> Int64:
    return np.asarray(table.column(name)).astype(np.int64)
