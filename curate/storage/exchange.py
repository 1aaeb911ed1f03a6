"""Files that one step of a barrier writes and the next reads by part.

A file is the schema, then blocks ordered by ``part``: each is one record batch of one part,
compressed, with a checksum. The index in the commit gives the offset of each block, so a reader of
one part seeks to its blocks and reads nothing else, however many parts there are. A task writes one
file per RUN_BYTES of rows; so the number of files is about the number of tasks, never tasks times
parts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from curate.kernels.grouping import run_bounds
from curate.storage.entries import FileEntry
from curate.storage.store import Damaged, Store

#: Bytes that one task collects before it writes a file, and bytes per block in it.
RUN_BYTES = 128 << 20
BATCH_BYTES = 4 << 20

_CODEC = "lz4_raw"


class ExchangeSink:
    """Collects the tables of one dataset and writes them ordered by part."""

    def __init__(self, store: Store, folder: str, dataset: str) -> None:
        self._store, self._folder, self._dataset = store, folder, dataset
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self.entries: list[FileEntry] = []

    def write(self, table: pa.Table) -> None:
        """Add rows; ``part`` is the number of the task of the reading step that gets the row."""
        if table.num_rows:
            self._tables.append(table)
            self._bytes += table.nbytes
            if self._bytes >= RUN_BYTES:
                self._flush()

    def close(self) -> list[FileEntry]:
        """Write the remaining rows and return the files' entries."""
        if self._tables:
            self._flush()
        return self.entries

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables, self._bytes = [], 0
        parts = table.column("part").to_numpy()
        if (np.diff(parts) < 0).any():
            order = np.argsort(parts, kind="stable")
            table, parts = table.take(pa.array(order)).combine_chunks(), parts[order]
        rows = table.to_batches()[0]
        step = max(1, BATCH_BYTES * rows.num_rows // max(1, rows.nbytes))
        name = f"{self._folder}/{self._dataset}-{len(self.entries):05d}.exchange"
        blocks: list[list[int]] = []
        with self._store.writing(name) as sink:
            sink.write(table.schema.serialize())
            head = sink.bytes
            for start, end in run_bounds(parts):
                for at in range(start, end, step):
                    raw = rows.slice(at, min(step, end - at)).serialize()
                    stored = pa.compress(raw, _CODEC, asbytes=True)
                    part = int(parts[start])
                    blocks.append([part, sink.bytes, len(stored), raw.size, zlib.crc32(stored)])
                    sink.write(stored)
            size, digest = sink.bytes, sink.sha256
        self.entries.append(
            FileEntry(self._dataset, name, size, digest, table.num_rows, head=head, blocks=blocks)
        )


def read_part(store: Store, entries: Iterable[FileEntry], part: int | None) -> Iterator[pa.Table]:
    """Yield the rows of one part (all parts where None) from files, in the order of the entries.

    Raise Damaged where a file is missing or a block is not what was written.
    """
    for entry in entries:
        blocks = [block for block in entry.blocks or () if part is None or block[0] == part]
        if blocks:
            yield from _read(store, entry, blocks)


def _read(store: Store, entry: FileEntry, blocks: list[list[int]]) -> Iterator[pa.Table]:
    path = entry.path
    try:
        with store.open(path) as handle:
            schema = pa.ipc.read_schema(pa.py_buffer(handle.read(entry.head)))
            for _, offset, stored, size, checksum in blocks:
                handle.seek(offset)
                body = handle.read(stored)
                if len(body) != stored or zlib.crc32(body) != checksum:
                    raise Damaged(path)
                raw = pa.decompress(body, size, _CODEC)
                yield pa.Table.from_batches([pa.ipc.read_record_batch(raw, schema)])
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise Damaged(path) from error
