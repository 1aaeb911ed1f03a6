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

from curate.failpoint import reach
from curate.kernels.arrow import few_chunks
from curate.schema import TEXT_BYTES, conform, is_ours, passed_bytes, text_bytes, whole
from curate.storage.entries import FileEntry
from curate.storage.exchange import BlockFile, read_part
from curate.storage.parquet_sink import ROW_BYTES, row_groups
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

    `write` and `close` yield each group once it is written, with the number of its first row among
    all rows of the sink; they write nothing until they are iterated over.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        schema: pa.Schema,
        *,
        group_bytes: int,
        order: Callable[[pa.Table], pa.Array],
        index: Callable[[pa.Table], list[int]],
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
        for group in row_groups(run, self._group_bytes, self._order(run), ROW_BYTES):
            number = self._groups
            self._texts.write(number, _batch(group, self._texts.schema))
            yield self._written(number, group, np.arange(group.num_rows))

    def write_group(
        self, number: int, group: pa.Table, rows: np.ndarray
    ) -> Iterator[tuple[pa.Table, int]]:
        """Write what is left of a group whose texts lie in an earlier file, at these rows.

        The group may be without its texts, if it has their sizes.
        """
        if group.num_rows:
            fields = [*self._schema, pa.field(TEXT_BYTES, pa.int64())]
            present = pa.schema([each for each in fields if each.name in group.column_names])
            yield self._written(number, conform(group, present), rows)

    def _written(self, number: int, group: pa.Table, rows: np.ndarray) -> tuple[pa.Table, int]:
        added = [pa.array(rows, pa.int32()), pa.array(text_bytes(group))]
        columns = [group.column(name) for name in self._narrow.schema.names[: -len(added)]]
        narrow = pa.table([*columns, *added], schema=self._narrow.schema)
        self._narrow.write(number, _batch(narrow, self._narrow.schema))
        self._keys.append(self._index(group))
        self._groups = number + 1
        first, self._rows = self._rows, self._rows + group.num_rows
        reach("sink.flushed")
        return group, first

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
    """Yield the groups of a shard's documents, or some of their columns."""
    texts = columns is None or any(map(beside_texts, columns))
    for _, narrow, text in read_groups(store, survivors, texts=texts):
        yield joined(narrow, text, columns)


def read_groups(
    store: Store, survivors: Survivors, *, texts: bool = True
) -> Iterator[tuple[int, pa.Table, pa.Table | None]]:
    """Yield groups: number, narrow columns, and the group of texts that `ROW` refers to."""
    narrow = read_part(store, survivors.narrow, None)
    numbers = [block[0] for entry in survivors.narrow for block in entry.blocks or ()]
    beside: Iterable[pa.Table | None] = repeat(None, len(numbers))
    if texts:
        of_these = set(numbers)
        beside = read_part(store, [_only(entry, of_these) for entry in survivors.texts], None)
    yield from zip(numbers, narrow, beside, strict=True)


def texts_of_group(store: Store, survivors: Survivors, number: int) -> pa.Table:
    """Return one group of texts."""
    entries = [_only(entry, {number}) for entry in survivors.texts]
    (texts,) = read_part(store, entries, None)
    return texts


def _only(entry: FileEntry, groups: set[int]) -> FileEntry:
    return replace(entry, blocks=[block for block in entry.blocks or () if block[0] in groups])


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
