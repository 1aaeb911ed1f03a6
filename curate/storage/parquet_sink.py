"""The Parquet files of a shard: exact row groups, pinned writer options, checked after writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError
from curate.failpoint import reach
from curate.kernels.arrow import LARGE_COLUMN, take_values
from curate.kernels.grouping import run_bounds
from curate.schema import conform, passed_bytes, whole
from curate.storage.entries import FileEntry
from curate.storage.store import Damaged, HashingWriter, Store

#: Text bytes per row group.
ROW_GROUP_BYTES = 4 << 20
#: Bytes counted per row besides its text, where memory is bounded: ids, addresses, numbers.
ROW_BYTES = 200

_REPEATED = ("source", "origin", "license", "lang", "lang2", "dropped_by", "phase")


class ParquetSink:
    """Writes one dataset of one task as Parquet files of exact row groups, in order of arrival.

    A row group is written once it has `ROW_GROUP_BYTES` of text; a file ends after ``run_bytes`` of
    the column ``measured`` (and `ROW_BYTES` per row).
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        dataset: str,
        schema: pa.Schema,
        *,
        measured: str = "text",
        run_bytes: int = 128 << 20,
    ) -> None:
        self._store, self._folder, self._dataset, self._schema = store, folder, dataset, schema
        self._measured, self._run_bytes = measured, run_bytes
        self._file: _File | None = None
        self._waiting = schema.empty_table()
        self._grouped = 0  #: bytes of the file's row groups
        self._bytes = 0
        self.entries: list[FileEntry] = []  #: of the files that are complete

    def write(self, table: pa.Table) -> None:
        """Add rows in the sink's schema."""
        if not table.num_rows:
            return
        if self._file is None:
            name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.parquet"
            self._file = _File(self._store, name, self._schema, self._dataset, level=1)
        self._waiting = pa.concat_tables([self._waiting, conform(table, self._schema)])
        self._bytes += pc.sum(pc.binary_length(table.column(self._measured))).as_py() or 0
        self._bytes += ROW_BYTES * table.num_rows
        if self._measured == "text":
            self._bytes += passed_bytes(table)
        if self._bytes >= self._run_bytes:
            self.close()
            return
        sizes = np.cumsum(_sizes(self._waiting)) + self._grouped
        *whole, last = run_bounds((sizes - 1) // ROW_GROUP_BYTES)
        for start, end in whole:
            self._file.write(self._waiting.slice(start, end - start))
            self._grouped = int(sizes[end - 1])
        self._waiting = self._waiting.slice(last[0])

    def close(self) -> None:
        """Write the remaining rows."""
        if self._file is not None:
            sizes = np.cumsum(_sizes(self._waiting)) + self._grouped
            for start, end in run_bounds((sizes - 1) // ROW_GROUP_BYTES):
                self._file.write(self._waiting.slice(start, end - start))
            self.entries.append(self._file.close())
        self._file, self._waiting = None, self._schema.empty_table()
        self._grouped = self._bytes = 0


def write_groups(
    store: Store,
    name: str,
    schema: pa.Schema,
    groups: Iterable[pa.Table],
    *,
    dataset: str,
    level: int = 3,
) -> FileEntry:
    """Write tables as the row groups of one file; check it and return its entry."""
    file = _File(store, name, schema, dataset, level=level)
    with file.open:
        for group in groups:
            file.write(group)
        return file.close()


class _File:
    """A Parquet file being written. Pages carry checksums: a reader notices a flipped bit."""

    def __init__(
        self, store: Store, name: str, schema: pa.Schema, dataset: str, *, level: int
    ) -> None:
        self._store, self._name, self._dataset = store, name, dataset
        self._rows = 0
        self.open = ExitStack()
        self._sink: HashingWriter = self.open.enter_context(store.writing(name))
        reach("sink.opened")
        repeated = [column for column in _REPEATED if column in schema.names]
        repeated += [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._writer = self.open.enter_context(
            pq.ParquetWriter(
                self._sink,
                schema,
                version="2.6",
                compression="zstd",
                compression_level=level,
                use_dictionary=repeated or False,
                write_statistics=True,
                write_page_index=False,
                write_page_checksum=True,
                store_schema=True,
            )
        )

    def write(self, group: pa.Table) -> None:
        """Write one row group."""
        # One combined batch is one row group, whatever the writer's own limits are.
        columns = [whole(column) for column in group.columns]
        group = pa.table(columns, schema=group.schema)
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        self._rows += group.num_rows
        reach("sink.flushed")

    def close(self) -> FileEntry:
        """Complete the file, check it and return its entry."""
        self.open.close()
        reach("sink.closed")
        with self._store.open(self._name) as handle:
            if pq.ParquetFile(handle).metadata.num_rows != self._rows:
                raise InternalError("a file that was just written has other rows", where=self._name)
        reach("sink.checked")
        return FileEntry(self._dataset, self._name, self._sink.bytes, self._sink.sha256, self._rows)


def stored_rows(
    store: Store,
    entries: Iterable[FileEntry],
    columns: list[str] | None = None,
) -> Iterator[pa.Table]:
    """Yield the row groups of Parquet files that a commit names.

    Raise Damaged where a file is missing or a page is not what was written.
    """
    for entry in entries:
        try:
            with store.open(entry.path) as handle:
                file = pq.ParquetFile(handle, page_checksum_verification=True)
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, columns=columns, use_threads=False)
        except (OSError, pa.ArrowInvalid) as error:
            raise Damaged(entry.path) from error


def row_groups(
    table: pa.Table,
    target: int = ROW_GROUP_BYTES,
    order: pa.Array | None = None,
    row_bytes: int = 1,
) -> Iterator[pa.Table]:
    """Yield row groups of about ``target`` bytes of text, plus ``row_bytes`` per row, each.

    A table without text is one. With ``order``, a permutation, large columns of a group are taken
    on request: they are never copied as a whole, nor put together.
    """
    if not table.num_rows:
        return
    sizes = _sizes(table, row_bytes)
    ordered: dict[str, pa.ChunkedArray] = {}
    if order is not None:
        sizes = sizes[order.to_numpy()]
        ordered = {
            name: column.take(order)
            for name, column in zip(table.column_names, table.columns, strict=True)
            if column.nbytes <= LARGE_COLUMN
        }
    number = (np.cumsum(sizes) - 1) // target
    for start, end in run_bounds(number):
        if order is None:
            yield table.slice(start, end - start)
            continue
        rows = order.slice(start, end - start).to_numpy()
        columns = [
            ordered[name].slice(start, end - start)
            if name in ordered
            else take_values(column, rows)
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        yield pa.table(columns, schema=table.schema)


def group_bounds(table: pa.Table, target: int, row_bytes: int) -> list[tuple[int, int]]:
    """Return where stretches of about ``target`` bytes begin and end, as `row_groups` cuts them."""
    return run_bounds((np.cumsum(_sizes(table, row_bytes)) - 1) // target)


def _sizes(table: pa.Table, row_bytes: int = 1) -> np.ndarray:
    """Return what each row counts for in its row group: nothing in a table without text."""
    if "text" not in table.column_names:
        return np.zeros(table.num_rows, np.int64)
    lengths = pc.fill_null(pc.binary_length(table.column("text")), 0)
    passed = passed_bytes(table) // max(1, table.num_rows)
    sizes: np.ndarray = np.asarray(lengths, np.int64) + (row_bytes + passed)
    return sizes
