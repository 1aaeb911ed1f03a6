"""The Parquet files of a shard: exact row groups, pinned writer options, checked after writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError
from curate.failpoint import reach
from curate.kernels.grouping import run_bounds
from curate.schema import conform
from curate.storage.store import Damaged, Store

Entry = dict[str, Any]

#: Text bytes per row group.
ROW_GROUP_BYTES = 4 << 20
#: What a row counts beside its text, where memory is bounded: ids, addresses, numbers.
ROW_BYTES = 200

_REPEATED = ("source", "origin", "license", "lang", "lang2", "dropped_by", "phase")


class ParquetSink:
    """Writes one dataset of one task as Parquet files.

    Tables are collected up to ``run_bytes`` of text (and `ROW_BYTES` per row), put in ``order`` (a
    function that gives a permutation; None keeps them as they come), and written as one file of exact
    row groups. ``flushed`` is shown each group before it is written, with the number of its first row.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        dataset: str,
        schema: pa.Schema,
        *,
        level: int = 1,
        run_bytes: int = 256 << 20,
        row_group_bytes: int = ROW_GROUP_BYTES,
        order: Callable[[pa.Table], pa.Array] | None = None,
        index: Callable[[pa.Table], list[int]] | None = None,
        flushed: Callable[[pa.Table, int], None] | None = None,
    ) -> None:
        self._store, self._folder, self._dataset, self._schema = store, folder, dataset, schema
        self._level, self._run_bytes, self._group_bytes = level, run_bytes, row_group_bytes
        self._order, self._index, self._flushed = order, index, flushed
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._rows = 0
        self.entries: list[Entry] = []

    def write(self, table: pa.Table) -> None:
        """Add rows in the sink's schema."""
        if table.num_rows:
            self._tables.append(conform(table, self._schema))
            self._bytes += pc.sum(pc.binary_length(table.column("text"))).as_py() or 0
            self._bytes += ROW_BYTES * table.num_rows
            if self._bytes >= self._run_bytes:
                self._flush()

    def close(self) -> list[Entry]:
        """Write what is left and give the files' entries for the commit."""
        if self._tables:
            self._flush()
        return self.entries

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables, self._bytes = [], 0
        order = None if self._order is None else self._order(table)
        name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.parquet"
        entry = write_groups(
            self._store,
            name,
            table.schema,
            self._shown(row_groups(table, self._group_bytes, order)),
            dataset=self._dataset,
            level=self._level,
            index=self._index,
        )
        self.entries.append(entry)

    def _shown(self, groups: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for group in groups:
            if self._flushed is not None:
                self._flushed(group, self._rows)
            self._rows += group.num_rows
            yield group


def write_parquet(
    store: Store,
    name: str,
    table: pa.Table,
    *,
    dataset: str,
    level: int,
    order: pa.Array | None = None,
) -> Entry:
    """Write a table, in the order given, as one file, re-open it, and give its entry for the commit."""
    groups = row_groups(table, order=order)
    return write_groups(store, name, table.schema, groups, dataset=dataset, level=level)


def write_groups(
    store: Store,
    name: str,
    schema: pa.Schema,
    groups: Iterable[pa.Table],
    *,
    dataset: str,
    level: int,
    index: Callable[[pa.Table], list[int]] | None = None,
) -> Entry:
    """Write tables as the row groups of one file, as they come; the rest is as `write_parquet`.

    With ``index`` the entry has ``keys``: what the function gives for each row group. Pages carry
    checksums, so that a reader learns of a flipped bit at no extra pass.
    """
    keys: list[list[int]] = []
    rows = 0
    with store.writing(name) as sink:
        reach("sink.opened")
        repeated = [column for column in _REPEATED if column in schema.names]
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
        entry: Entry = {
            "dataset": dataset,
            "path": name,
            "bytes": sink.bytes,
            "sha256": sink.sha256,
            "rows": rows,
        }
    reach("sink.closed")
    with store.open(name) as handle:
        if pq.ParquetFile(handle).metadata.num_rows != rows:
            raise InternalError("a file that was just written has other rows", where=name)
    reach("sink.checked")
    if index is not None:
        entry["keys"] = keys
    return entry


def stored_rows(
    store: Store,
    entries: Iterable[Entry],
    columns: list[str] | None = None,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.Table]:
    """Stream the row groups (all, or those named) of Parquet files that a commit names.

    Raises Damaged where a file is gone or a page isn't what was written.
    """
    for entry in entries:
        try:
            with store.open(entry["path"]) as handle:
                file = pq.ParquetFile(handle, page_checksum_verification=True)
                for group in range(file.num_row_groups) if groups is None else groups:
                    yield file.read_row_group(group, columns=columns, use_threads=False)
        except (OSError, pa.ArrowInvalid) as error:
            raise Damaged(entry["path"]) from error


def row_groups(
    table: pa.Table, target: int = ROW_GROUP_BYTES, order: pa.Array | None = None
) -> Iterator[pa.Table]:
    """Cut a table into row groups of about ``target`` bytes of text each; one where it has no text.

    With ``order``, a permutation, a group is taken when it is asked for: the whole is never copied.
    """
    if not table.num_rows:
        return
    sizes = np.zeros(table.num_rows, np.int64)
    if "text" in table.column_names:
        lengths = pc.fill_null(pc.binary_length(table.column("text")), 0)
        sizes = np.asarray(lengths).astype(np.int64) + 1
    if order is not None:
        sizes = sizes[order.to_numpy()]
    number = (np.cumsum(sizes) - 1) // target
    for start, end in run_bounds(number):
        yield (
            table.slice(start, end - start)
            if order is None
            else table.take(order.slice(start, end - start))
        )
