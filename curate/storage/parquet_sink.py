"""The Parquet files of a shard: exact row groups, pinned writer options, checked after writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError
from curate.failpoint import reach
from curate.kernels.grouping import run_bounds
from curate.schema import conform, passed_bytes
from curate.storage.entries import FileEntry
from curate.storage.store import Damaged, Store

#: Text bytes per row group.
ROW_GROUP_BYTES = 4 << 20
#: Bytes counted per row besides its text, where memory is bounded: ids, addresses, numbers.
ROW_BYTES = 200

_REPEATED = ("source", "origin", "license", "lang", "lang2", "dropped_by", "phase")


class ParquetSink:
    """Writes one dataset of one task as Parquet files.

    Tables are collected up to ``run_bytes`` of the column ``measured`` (and `ROW_BYTES` per row),
    put in ``order`` (a function that returns a permutation; None keeps the order of arrival), and
    written as one file of exact row groups. `write` and `close` yield each group once it is
    written, with the number of its first row among all rows of the sink; they write nothing until
    they are iterated over.
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
        row_group_bytes: int = ROW_GROUP_BYTES,
        order: Callable[[pa.Table], pa.Array] | None = None,
        index: Callable[[pa.Table], list[int]] | None = None,
    ) -> None:
        self._store, self._folder, self._dataset, self._schema = store, folder, dataset, schema
        self._measured, self._run_bytes, self._group_bytes = measured, run_bytes, row_group_bytes
        self._order, self._index = order, index
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._rows = 0
        self.entries: list[FileEntry] = []  #: of the files that are complete

    def write(self, table: pa.Table) -> Iterator[tuple[pa.Table, int]]:
        """Add rows in the sink's schema; yield the row groups that are written."""
        if table.num_rows:
            self._tables.append(conform(table, self._schema))
            self._bytes += pc.sum(pc.binary_length(table.column(self._measured))).as_py() or 0
            self._bytes += ROW_BYTES * table.num_rows
            if self._measured == "text":
                self._bytes += passed_bytes(table)
            if self._bytes >= self._run_bytes:
                yield from self.close()

    def close(self) -> Iterator[tuple[pa.Table, int]]:
        """Write the remaining rows; yield their row groups."""
        if not self._tables:
            return
        columns = pa.concat_tables(self._tables).columns
        self._tables, self._bytes = [], 0
        for number in range(len(columns)):  # one by one, so that only one is there twice
            columns[number] = columns[number].combine_chunks()
        table = pa.table(columns, schema=self._schema)
        order = None if self._order is None else self._order(table)
        name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.parquet"
        groups = _written(
            self._store,
            name,
            table.schema,
            row_groups(table, self._group_bytes, order),
            self.entries,
            dataset=self._dataset,
            level=1,
            index=self._index,
        )
        for group in groups:
            yield group, self._rows
            self._rows += group.num_rows


def write_groups(
    store: Store, name: str, schema: pa.Schema, groups: Iterable[pa.Table], *, dataset: str
) -> FileEntry:
    """Write tables as the row groups of one file; check it and return its entry."""
    entries: list[FileEntry] = []
    drain(_written(store, name, schema, groups, entries, dataset=dataset, level=3))
    return entries[0]


def drain(written: Iterator[object]) -> None:
    """Write everything, where the row groups are needed by nothing else."""
    deque(written, maxlen=0)


def _written(
    store: Store,
    name: str,
    schema: pa.Schema,
    groups: Iterable[pa.Table],
    entries: list[FileEntry],
    *,
    dataset: str,
    level: int,
    index: Callable[[pa.Table], list[int]] | None = None,
) -> Iterator[pa.Table]:
    """Write tables as the row groups of one file, yield each, check the file, append its entry.

    With ``index`` the entry has ``keys``: what the function returns for each row group. Pages carry
    checksums, so that a reader notices a flipped bit without another pass.
    """
    keys: list[list[int]] = []
    rows = 0
    with store.writing(name) as sink:
        reach("sink.opened")
        repeated = [column for column in _REPEATED if column in schema.names]
        repeated += [field.name for field in schema if pa.types.is_dictionary(field.type)]
        with pq.ParquetWriter(
            sink,
            schema,
            version="2.6",
            compression="zstd",
            compression_level=level,
            use_dictionary=repeated or False,
            write_statistics=True,
            write_page_index=False,
            write_page_checksum=True,
            store_schema=True,
        ) as writer:
            for group in groups:
                # One combined batch is one row group, whatever the writer's own limits are.
                writer.write_table(group.combine_chunks(), row_group_size=max(1, group.num_rows))
                rows += group.num_rows
                if index is not None:
                    keys.append(index(group))
                reach("sink.flushed")
                yield group
        size, digest = sink.bytes, sink.sha256
    reach("sink.closed")
    with store.open(name) as handle:
        if pq.ParquetFile(handle).metadata.num_rows != rows:
            raise InternalError("a file that was just written has other rows", where=name)
    reach("sink.checked")
    entries.append(
        FileEntry(dataset, name, size, digest, rows, keys=None if index is None else keys)
    )


def stored_rows(
    store: Store,
    entries: Iterable[FileEntry],
    columns: list[str] | None = None,
) -> Iterator[pa.Table]:
    """Yield the row groups of Parquet files that a commit names.

    Raise Damaged where a file is missing or a page is not what was written.
    """
    for entry in entries:
        yield from file_rows(store, entry.path, columns)


def file_rows(
    store: Store,
    path: str,
    columns: list[str] | None = None,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.Table]:
    """Yield the row groups (all, or those numbered) of one Parquet file; raise Damaged."""
    try:
        with store.open(path) as handle:
            file = pq.ParquetFile(handle, page_checksum_verification=True)
            for group in range(file.num_row_groups) if groups is None else groups:
                yield file.read_row_group(group, columns=columns, use_threads=False)
    except (OSError, pa.ArrowInvalid) as error:
        raise Damaged(path) from error


def row_groups(
    table: pa.Table, target: int = ROW_GROUP_BYTES, order: pa.Array | None = None
) -> Iterator[pa.Table]:
    """Yield row groups of about ``target`` bytes of text each; one if the table has no text.

    With ``order``, a permutation, each group is taken on request: the whole table is never copied.
    """
    if not table.num_rows:
        return
    sizes = np.zeros(table.num_rows, np.int64)
    if "text" in table.column_names:
        lengths = pc.fill_null(pc.binary_length(table.column("text")), 0)
        sizes = np.asarray(lengths).astype(np.int64) + 1
        sizes += passed_bytes(table) // table.num_rows
    if order is not None:
        sizes = sizes[order.to_numpy()]
    number = (np.cumsum(sizes) - 1) // target
    for start, end in run_bounds(number):
        yield (
            table.slice(start, end - start)
            if order is None
            else table.take(order.slice(start, end - start))
        )
