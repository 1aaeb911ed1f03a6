"""Files that one step of a barrier writes and the next reads by part.

One Arrow IPC file holds record batches ordered by ``part``, each batch of one part only; its index
says which batches are whose. A task that has more than a run's worth of rows writes several files.
So the number of files is the number of tasks, never tasks times parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from curate.io.store import Store

#: Bytes that one task collects before it writes a file, and bytes per batch in it.
RUN_BYTES = 128 << 20
BATCH_BYTES = 4 << 20

#: A file's entry in a commit: its dataset, path, size, digest, rows and index.
Entry = dict[str, Any]


class ExchangeSink:
    """Collects the tables of one dataset and writes them ordered by part."""

    def __init__(self, store: Store, folder: str, dataset: str) -> None:
        self._store, self._folder, self._dataset = store, folder, dataset
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self.entries: list[Entry] = []

    def write(self, table: pa.Table) -> None:
        """Add rows; ``part`` says which task of the reading step gets each."""
        if table.num_rows:
            self._tables.append(table)
            self._bytes += table.nbytes
            if self._bytes >= RUN_BYTES:
                self._flush()

    def close(self) -> list[Entry]:
        """Write what is left and give the files' entries."""
        if self._tables:
            self._flush()
        return self.entries

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables)
        self._tables, self._bytes = [], 0
        parts = table.column("part").to_numpy()
        order = np.argsort(parts, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            table = table.take(pa.array(order))
        table = table.combine_chunks()
        parts = parts[order]
        cuts = np.flatnonzero(np.diff(parts)) + 1
        starts = np.concatenate([[0], cuts, [len(parts)]])
        per_row = max(1, table.nbytes // max(1, table.num_rows))
        step = max(1, BATCH_BYTES // per_row)
        name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.arrow"
        index: list[list[int]] = []
        written = 0
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with self._store.writing(name) as sink:
            with pa.ipc.new_file(sink, table.schema, options=options) as writer:
                for start, end in pairwise(starts):
                    batches = 0
                    for at in range(int(start), int(end), step):
                        rows = table.slice(at, min(step, int(end) - at)).combine_chunks()
                        writer.write_table(rows, max_chunksize=max(1, rows.num_rows))
                        batches += 1
                    index.append([int(parts[start]), written, batches])
                    written += batches
            entry: Entry = {
                "dataset": self._dataset,
                "path": name,
                "bytes": sink.bytes,
                "sha256": sink.sha256,
                "rows": table.num_rows,
                "parts": index,
            }
        self.entries.append(entry)


def read_part(store: Store, entries: Iterable[Entry], part: int | None) -> Iterator[pa.Table]:
    """Stream the rows of one part (all parts where None) from files, in the order of the entries."""
    for entry in entries:
        wanted = [
            (first, count)
            for number, first, count in entry["parts"]
            if part is None or number == part
        ]
        if not wanted:
            continue
        with store.open(entry["path"]) as handle, pa.ipc.open_file(handle) as reader:
            for first, count in wanted:
                for number in range(first, first + count):
                    yield pa.Table.from_batches([reader.get_batch(number)])
