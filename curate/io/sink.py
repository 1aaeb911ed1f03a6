"""The Parquet files of a shard: exact row groups, pinned writer options, checked after writing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError
from curate.failpoint import reach
from curate.io.store import Store
from curate.schema import conform

Entry = dict[str, Any]

#: Text bytes per row group.
ROW_GROUP_BYTES = 4 << 20

_REPEATED = ("source", "origin", "license", "lang", "lang2", "dropped_by", "phase")


class ParquetSink:
    """Writes one dataset of one task as Parquet files.

    Tables are collected up to ``run_bytes`` of text, put in ``order`` (a function that gives a
    permutation; None keeps them as they come), and written as one file of exact row groups.
    ``flushed`` is shown each run after ordering, with the number of its first row.
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
        order: Callable[[pa.Table], pa.Array] | None = None,
        index: Callable[[pa.Table], list[int]] | None = None,
        flushed: Callable[[pa.Table, int], None] | None = None,
    ) -> None:
        self._store, self._folder, self._dataset, self._schema = store, folder, dataset, schema
        self._level, self._run_bytes = level, run_bytes
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
            if self._bytes >= self._run_bytes:
                self._flush()

    def close(self) -> list[Entry]:
        """Write what is left and give the files' entries for the commit."""
        if self._tables:
            self._flush()
        return self.entries

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables)
        self._tables, self._bytes = [], 0
        if self._order is not None:
            table = table.take(self._order(table))
        table = table.combine_chunks()
        if self._flushed is not None:
            self._flushed(table, self._rows)
        self._rows += table.num_rows
        name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.parquet"
        self.entries.append(
            write_parquet(
                self._store,
                name,
                table,
                dataset=self._dataset,
                level=self._level,
                index=self._index,
            )
        )


def write_parquet(
    store: Store,
    name: str,
    table: pa.Table,
    *,
    dataset: str,
    level: int,
    index: Callable[[pa.Table], list[int]] | None = None,
) -> Entry:
    """Write a table as one file, re-open it, and give its entry for the commit.

    With ``index`` the entry has ``keys``: what the function gives for each row group.
    """
    keys: list[list[int]] = []
    with store.writing(name) as sink:
        reach("sink.opened")
        repeated = [column for column in _REPEATED if column in table.column_names]
        with pq.ParquetWriter(
            sink,
            table.schema,
            version="2.6",
            compression="zstd",
            compression_level=level,
            use_dictionary=repeated or False,
            write_statistics=True,
            write_page_index=False,
            store_schema=True,
        ) as writer:
            for group in row_groups(table):
                # One combined batch is one row group, whatever the writer's own limits are.
                writer.write_table(group.combine_chunks(), row_group_size=group.num_rows)
                if index is not None:
                    keys.append(index(group))
                reach("sink.flushed")
        entry: Entry = {
            "dataset": dataset,
            "path": name,
            "bytes": sink.bytes,
            "sha256": sink.sha256,
            "rows": table.num_rows,
        }
    reach("sink.closed")
    with store.open(name) as handle:
        if pq.ParquetFile(handle).metadata.num_rows != table.num_rows:
            raise InternalError("a file that was just written has other rows", where=name)
    reach("sink.checked")
    if index is not None:
        entry["keys"] = keys
    return entry


def row_groups(table: pa.Table, target: int = ROW_GROUP_BYTES) -> list[pa.Table]:
    """Cut a table into row groups of about ``target`` bytes of text each; one where it has no text."""
    if not table.num_rows:
        return []
    if "text" not in table.column_names:
        return [table]
    sizes = pc.cumulative_sum(pc.add(pc.fill_null(pc.binary_length(table.column("text")), 0), 1))
    number = pc.divide(pc.subtract(sizes, 1), target).combine_chunks().to_numpy()
    starts = [0, *(i for i in range(1, len(number)) if number[i] != number[i - 1]), len(number)]
    return [table.slice(a, b - a) for a, b in pairwise(starts)]
