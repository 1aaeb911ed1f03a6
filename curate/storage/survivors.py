"""The documents that a segment leaves: two files of blocks, one with the texts, one with the rest.

Both are exchange files whose ``part`` is the number of a *group* of some megabytes of text. The
file ``texts`` has the columns `TEXT_COLUMNS` and those of the input that pass through, the file
``survivors`` all others, `ROW`, the place of a document's text in the group of the same number, and
`TEXT_BYTES`, its size: what only counts bytes reads no text.
So a segment that changes no text writes only the narrow file, beside the texts of a segment before
it, whatever it dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.failpoint import reach
from curate.kernels.arrow import few_chunks
from curate.kernels.grouping import run_bounds
from curate.schema import TEXT_BYTES, conform, is_ours, passed_bytes, text_bytes, whole
from curate.storage.entries import FileEntry
from curate.storage.exchange import BlockFile, read_part
from curate.storage.parquet_sink import ROW_BYTES, ROW_GROUP_BYTES, group_bounds, row_groups
from curate.storage.store import Store

#: What a document's memory is mostly made of, and what only few stages change.
TEXT_COLUMNS = ("text", "messages", "rejected", "tools", "meta")

#: Bytes of text, plus `ROW_BYTES` per document, that are sorted at a time.
RUN_BYTES = 64 << 20

#: The place of a document's text in its group of texts.
ROW = "#row"


def beside_texts(column: str) -> bool:
    """Return whether a column is in the file of the texts."""
    return column in TEXT_COLUMNS or not is_ours(column)


class Survivors(NamedTuple):
    """The files of one shard; no files where no document is left."""

    narrow: tuple[FileEntry, ...]
    texts: tuple[FileEntry, ...]


class SurvivorsSink:
    """Writes the survivors of one task, group by group.

    `write` and `close` yield what is written, several small groups at a time, with the number of
    its first row among all rows of the sink; they write nothing until they are iterated over.
    ``index`` returns two numbers for each stretch of a table that is a group.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        schema: pa.Schema,
        *,
        group_bytes: int,
        order: Callable[[pa.Table], pa.Array],
        index: Callable[[pa.Table, list[tuple[int, int]]], list[list[int]]],
    ) -> None:
        self._schema, self._group_bytes = schema, group_bytes
        self._order, self._index = order, index
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._rows = 0
        self._groups = 0
        self._keys: list[list[int]] = []
        texts = [field for field in schema if beside_texts(field.name)]
        narrow = [field for field in schema if not beside_texts(field.name)]
        # Readers put the columns back into this order.
        order_of_columns = {"columns": json.dumps(schema.names)}
        self._texts = BlockFile(store, folder, "texts", pa.schema(texts))
        self._narrow = BlockFile(
            store,
            folder,
            "survivors",
            pa.schema(
                [*narrow, (ROW, pa.int32()), (TEXT_BYTES, pa.int64())], metadata=order_of_columns
            ),
        )

    def write(self, table: pa.Table) -> Iterator[tuple[pa.Table, int]]:
        """Sort documents into groups, in runs of bounded size; yield the groups."""
        if table.num_rows:
            self._tables.append(conform(table, self._schema))
            self._bytes += int(text_bytes(table).sum())
            self._bytes += ROW_BYTES * table.num_rows + passed_bytes(table)
            if self._bytes >= RUN_BYTES:
                yield from self.close()

    def close(self) -> Iterator[tuple[pa.Table, int]]:
        """Write the remaining documents; yield their groups."""
        if not self._tables:
            return
        run = few_chunks(self._tables)
        self._tables, self._bytes = [], 0
        most = max(self._group_bytes, ROW_GROUP_BYTES)
        for together in row_groups(run, most, self._order(run), ROW_BYTES):
            bounds = group_bounds(together, self._group_bytes, ROW_BYTES)
            groups = np.repeat(np.arange(len(bounds)), [end - start for start, end in bounds])
            starts = np.array([start for start, _ in bounds])
            texts = _batch(together, self._texts.schema)
            for number, (start, end) in enumerate(bounds, self._groups):
                self._texts.write(number, texts.slice(start, end - start))
            rows = np.arange(together.num_rows) - starts[groups]
            yield self._written(groups + self._groups, together, rows)

    def write_groups(
        self, groups: np.ndarray, table: pa.Table, rows: np.ndarray
    ) -> Iterator[tuple[pa.Table, int]]:
        """Write what is left of groups whose texts lie in an earlier file.

        ``groups`` and ``rows`` are the number of each document's group, ascending, and the place of
        its text there. The table may be without the texts, if it has their sizes.
        """
        if table.num_rows:
            fields = [*self._schema, pa.field(TEXT_BYTES, pa.int64())]
            present = pa.schema([each for each in fields if each.name in table.column_names])
            yield self._written(groups, conform(table, present), rows)

    def _written(
        self, groups: np.ndarray, table: pa.Table, rows: np.ndarray
    ) -> tuple[pa.Table, int]:
        added = [pa.array(rows, pa.int32()), pa.array(text_bytes(table))]
        columns = [table.column(name) for name in self._narrow.schema.names[: -len(added)]]
        narrow = pa.table([*columns, *added], schema=self._narrow.schema)
        batch = _batch(narrow, self._narrow.schema)
        bounds = run_bounds(groups)
        for start, end in bounds:
            self._narrow.write(int(groups[start]), batch.slice(start, end - start))
            reach("sink.flushed")
        self._keys += self._index(table, bounds)
        self._groups = int(groups[-1]) + 1
        first, self._rows = self._rows, self._rows + table.num_rows
        return table, first

    def files(self) -> list[FileEntry]:
        """Complete the files and return their entries."""
        narrow = [replace(entry, keys=self._keys) for entry in self._narrow.close()]
        return [*narrow, *self._texts.close()]


def _batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    columns = [whole(table.column(field.name)) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_survivors(
    store: Store, survivors: Survivors, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield a shard's documents, or some of their columns, in the order of their groups."""
    texts = columns is None or any(map(beside_texts, columns))
    for batch in read_batches(store, survivors, texts=texts):
        yield joined(batch.narrow, batch.texts, columns)


class Batch(NamedTuple):
    """Groups that are worked on together: what each table costs does not grow with their number."""

    groups: np.ndarray  #: int64[rows], the number of each document's group, ascending
    firsts: np.ndarray  #: int64[rows], the place in ``texts`` of the first text of that group
    narrow: pa.Table  #: `ROW` is the place in ``texts``, or in the group where there are none
    texts: pa.Table | None


def read_batches(store: Store, survivors: Survivors, *, texts: bool = True) -> Iterator[Batch]:
    """Yield the groups of a shard, with their texts or without."""
    narrow = read_part(store, survivors.narrow, None)
    numbers = [block[0] for entry in survivors.narrow for block in entry.blocks or ()]
    beside: Iterable[pa.Table | None] = repeat(None, len(numbers))
    if texts:
        beside = texts_of_groups(store, survivors, numbers)
    yield from batches(zip(numbers, narrow, beside, strict=True))


def batches(groups: Iterable[tuple[int, pa.Table, pa.Table | None]]) -> Iterator[Batch]:
    """Put groups (number, narrow columns, texts) together, up to about `ROW_GROUP_BYTES`."""
    waiting: list[tuple[int, pa.Table, pa.Table | None]] = []
    size = 0
    for group in groups:
        _, narrow, texts = group
        waiting.append(group)
        counted = pc.sum(narrow.column(TEXT_BYTES)).as_py() or 0
        size += ROW_BYTES * narrow.num_rows + max(counted, 0 if texts is None else texts.nbytes)
        if size >= ROW_GROUP_BYTES:
            yield _together(waiting)
            waiting, size = [], 0
    if waiting:
        yield _together(waiting)


def _together(groups: Sequence[tuple[int, pa.Table, pa.Table | None]]) -> Batch:
    numbers, narrow, texts = zip(*groups, strict=True)
    lengths = [table.num_rows for table in narrow]
    of_rows, firsts = np.repeat(numbers, lengths), np.zeros(sum(lengths), np.int64)
    if len(groups) == 1:
        return Batch(of_rows, firsts, narrow[0], texts[0])
    table, together = few_chunks(narrow), None
    if texts[0] is not None:
        together = few_chunks(texts)
        firsts = np.repeat(np.cumsum([0, *(each.num_rows for each in texts)])[:-1], lengths)
        places = pa.array(table.column(ROW).to_numpy() + firsts, pa.int32())
        table = table.set_column(table.column_names.index(ROW), ROW, places)
    return Batch(of_rows, firsts, table, together)


def some_with_texts(store: Store, survivors: Survivors, batch: Batch, rows: np.ndarray) -> pa.Table:
    """Return some rows of a batch with their texts, which are read if the batch has none."""
    narrow = batch.narrow.take(pa.array(rows))
    if batch.texts is None:
        groups = batch.groups[rows]
        bounds = run_bounds(groups)
        numbers = [int(groups[start]) for start, _ in bounds]
        pieces = (narrow.slice(start, end - start) for start, end in bounds)
        texts = texts_of_groups(store, survivors, numbers)
        batch = _together(list(zip(numbers, pieces, texts, strict=True)))
        narrow = batch.narrow
    return joined(narrow, batch.texts)


def texts_of_groups(
    store: Store, survivors: Survivors, numbers: Iterable[int]
) -> Iterator[pa.Table]:
    """Yield the texts of some groups, in the order of their numbers."""
    wanted = set(numbers)
    yield from read_part(
        store,
        [
            replace(entry, blocks=[block for block in entry.blocks or () if block[0] in wanted])
            for entry in survivors.texts
        ],
        None,
    )


def joined(
    narrow: pa.Table, texts: pa.Table | None, columns: Iterable[str] | None = None
) -> pa.Table:
    """Put the texts beside the other columns, in the order of the documents' schema.

    Without texts and without a choice of columns, the sizes of the texts are the last column.
    """
    order = json.loads(narrow.schema.metadata[b"columns"])
    chosen = set([*order, TEXT_BYTES] if columns is None else columns)
    names = [name for name in order if name in chosen]
    if texts is not None:
        narrow = with_texts(narrow, texts, narrow.column(ROW).to_numpy(), chosen)
    elif columns is None:
        names.append(TEXT_BYTES)
    return narrow.select([name for name in names if name in narrow.column_names])


def with_texts(
    table: pa.Table, texts: pa.Table, rows: np.ndarray, columns: Container[str] | None = None
) -> pa.Table:
    """Put what lies at these rows of a group of texts beside a table, in place of the sizes."""
    names = [name for name in texts.column_names if columns is None or name in columns]
    texts = texts.select(names)
    if not np.array_equal(rows, np.arange(texts.num_rows)):
        texts = texts.take(pa.array(rows))
    if TEXT_BYTES in table.column_names:
        table = table.drop_columns([TEXT_BYTES])
    for name, column in zip(names, texts.columns, strict=True):
        table = table.append_column(name, column)
    return table
