"""Files that one step of a barrier writes and the next reads by part.

A file is a sequence of blocks: each is one record batch of one ``part``, compressed, with a
checksum. The commit has the schema and the offset of each block, so a reader of one part reads its
blocks and nothing else, however many parts there are. A task writes one file per dataset; so the
number of files is that of the tasks, never tasks times parts.

A reader of a part needs its blocks in the files of all tasks, but must not read all their commits.
So the driver, which reads each commit once, writes an *index* of each dataset: an exchange file
whose rows are blocks (`BlockIndex`). A task gets a `Listing`: the index's blocks for its part.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.grouping import run_bounds
from curate.paths.remote import in_order
from curate.storage.entries import FileEntry
from curate.storage.store import Damaged, HashingWriter, Store

#: Bytes that one task collects at most before it writes them by part, and bytes per block.
RUN_BYTES = 64 << 20
BATCH_BYTES = 4 << 20

_CODEC = "lz4_raw"


class Block(NamedTuple):
    """One record batch in a file: where it lies, its size stored and as Arrow IPC, its checksum."""

    path: str
    offset: int
    stored: int
    bytes: int
    crc32: int


class BlockFile:
    """A file of blocks, opened when the first is written."""

    def __init__(self, store: Store, folder: str, dataset: str, schema: pa.Schema) -> None:
        self._path = f"{folder}/{dataset}.exchange"
        self._store, self._dataset, self.schema = store, dataset, schema
        self._open = ExitStack()
        self._sink: HashingWriter | None = None
        self._has_dictionaries = any(_is_coded(field.type) for field in schema)
        self._blocks: list[list[int]] = []
        self._rows = 0

    def write(self, part: int, rows: pa.RecordBatch) -> None:
        """Write a batch of the file's schema as one block."""
        if self._sink is None:
            self._sink = self._open.enter_context(self._store.writing(self._path))
        raw = _with_dictionaries(rows) if self._has_dictionaries else rows.serialize()
        stored = pa.compress(raw, _CODEC, asbytes=True)
        self._blocks.append([part, self._sink.bytes, len(stored), raw.size, zlib.crc32(stored)])
        self._sink.write(stored)
        self._rows += rows.num_rows

    def close(self) -> list[FileEntry]:
        """Complete the file and return its entry; none where nothing was written."""
        if self._sink is None:
            return []
        self._open.close()
        return [
            FileEntry(
                self._dataset,
                self._path,
                self._sink.bytes,
                self._sink.sha256,
                self._rows,
                schema=base64.b64encode(self.schema.serialize()).decode(),
                blocks=self._blocks,
            )
        ]


def _is_coded(kind: pa.DataType) -> bool:
    """Return whether values of a type refer to a dictionary, which a batch alone does not have."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return pa.types.is_dictionary(kind) or any(map(_is_coded, inner))


def _with_dictionaries(rows: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return sink.getvalue()


class ExchangeSink:
    """Collects the tables of one dataset and writes them by part, in runs of bounded size."""

    def __init__(
        self, store: Store, folder: str, dataset: str, run_bytes: int | None = None
    ) -> None:
        self._store, self._folder, self._dataset = store, folder, dataset
        self._run_bytes = run_bytes or RUN_BYTES
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._parts: list[int] = []  #: the lowest and the highest of the tables
        self._file: BlockFile | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows; ``part`` is the number of the task of the reading step that gets the row."""
        if not table.num_rows:
            return
        self._tables.append(table)
        self._bytes += table.nbytes
        ends = pc.min_max(table.column("part")).values()
        self._parts = [*self._parts, *(end.as_py() for end in ends)]
        self._parts = [min(self._parts), max(self._parts)]
        # No reader gains from a run in which each part has a block already.
        whole_blocks = BATCH_BYTES * (self._parts[1] - self._parts[0] + 1)
        if self._bytes >= min(self._run_bytes, whole_blocks):
            self._flush()

    def close(self) -> list[FileEntry]:
        """Write the remaining rows and return the file's entry; none where there were no rows."""
        if self._tables:
            self._flush()
        return self._file.close() if self._file is not None else []

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables, self._bytes, self._parts = [], 0, []
        parts = table.column("part").to_numpy()
        if (np.diff(parts) < 0).any():
            order = np.argsort(parts, kind="stable")
            table, parts = table.take(pa.array(order)).combine_chunks(), parts[order]
        if self._file is None:
            self._file = BlockFile(self._store, self._folder, self._dataset, table.schema)
        rows = table.to_batches()[0]
        step = max(1, BATCH_BYTES * rows.num_rows // max(1, rows.nbytes))
        for start, end in run_bounds(parts):
            for at in range(start, end, step):
                self._file.write(int(parts[start]), rows.slice(at, min(step, end - at)))


class Listing(NamedTuple):
    """One task's part of a dataset: the schemas of its files, and the index's blocks to read."""

    schemas: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


#: Bytes of an index's rows that are in memory while it is written.
INDEX_BYTES = 32 << 20
#: Rows of it that become a table together.
INDEXED_ROWS = 4096


class Index:
    """A table whose rows are routed to the tasks that will read them, written by the driver.

    Its own size in memory is that of one run of rows and of a few numbers per part.
    """

    def __init__(self, store: Store, folder: str, name: str, schema: pa.Schema) -> None:
        self._sink = ExchangeSink(store, folder, name, INDEX_BYTES)
        self._store, self._schema = store, schema
        self._by_part: dict[int, list[Block]] = {}
        self.schemas: dict[str, int] = {}  #: of the files that are listed, numbered

    def write(self, columns: Sequence[pa.Array]) -> None:
        """Add rows; the first column is ``part``."""
        self._sink.write(pa.table(list(columns), schema=self._schema))

    def close(self) -> None:
        """Write what is still in memory."""
        for entry in self._sink.close():
            for part, *numbers in entry.blocks or ():
                self._by_part.setdefault(part, []).append(Block(entry.path, *numbers))

    def part(self, number: int | None) -> Listing:
        """Return what a task needs to read one part (all of them where None)."""
        parts = sorted(self._by_part) if number is None else [number]
        blocks = tuple(block for part in parts for block in self._by_part.get(part, ()))
        return Listing(tuple(self.schemas), blocks)


_NUMBERS = ("offset", "stored", "bytes", "crc32")
_BLOCKS_SCHEMA = pa.schema(
    [
        ("part", pa.int32()),
        ("path", pa.string()),
        ("schema", pa.int32()),
        *((name, pa.int64()) for name in _NUMBERS),
    ]
)


class BlockIndex(Index):
    """Where the blocks of a dataset lie, by the part that they were routed to."""

    def __init__(
        self, store: Store, folder: str, dataset: str, schema: pa.Schema = _BLOCKS_SCHEMA
    ) -> None:
        super().__init__(store, folder, dataset, schema)
        # Many files have one block, and a table of one row takes the memory of one of hundreds.
        self._paths: list[str] = []
        self._rows: list[np.ndarray] = []  #: of each file: all columns but the path
        self._count = 0

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add the blocks of files; readers get them in the order in which they were added."""
        for entry in entries:
            self.add_rows(entry, _numbers(entry))

    def add_rows(self, entry: FileEntry, rows: np.ndarray) -> None:
        """Add rows of a file: ``part``, the numbers of a block, and more columns if it has some."""
        schema = self.schemas.setdefault(entry.schema or "", len(self.schemas))
        self._paths.append(entry.path)
        ours = np.full(len(rows), schema)
        self._rows.append(np.column_stack([rows[:, 0], ours, rows[:, 1:]]))
        self._count += len(rows)
        if max(self._count, len(self._rows)) >= INDEXED_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is still in memory."""
        self._flush()
        super().close()

    def _flush(self) -> None:
        if self._count:
            part, *numbers = map(pa.array, np.concatenate(self._rows).T)
            counts = [len(rows) for rows in self._rows]
            paths = pa.array(self._paths).take(pa.array(np.repeat(np.arange(len(counts)), counts)))
            columns = zip([part, paths, *numbers], self._schema.types, strict=True)
            self.write([column.cast(kind) for column, kind in columns])
        self._paths, self._rows, self._count = [], [], 0


def _numbers(entry: FileEntry) -> np.ndarray:
    return np.array(entry.blocks, np.int64).reshape(-1, 5)


#: The first and the last shuffle key of a group.
ENDS = ("first", "last")

_GROUPS_SCHEMA = pa.schema([*_BLOCKS_SCHEMA, *((name, pa.int64()) for name in ("group", *ENDS))])


class GroupIndex(BlockIndex):
    """Where all blocks of a dataset of survivors lie, with their keys, in the order of shards."""

    def __init__(self, store: Store, folder: str, dataset: str) -> None:
        super().__init__(store, folder, dataset, _GROUPS_SCHEMA)
        self._shard = 0

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add the files of the next shard."""
        for entry in entries:
            blocks = _numbers(entry)
            keys = entry.keys or np.zeros((len(blocks), 2), np.uint64)
            group = self._shard << 32 | blocks[:, :1]
            blocks[:, 0] = 0  # all are read by one reader
            keys = np.array(keys, np.uint64).reshape(-1, 2).view(np.int64)
            self.add_rows(entry, np.hstack([blocks, group, keys]))
        self._shard += 1

    def tables(self) -> Iterator[pa.Table]:
        """Yield the blocks: those of `Listing`, ``group``, and its ``first`` and ``last`` key.

        Groups are numbered through all shards, in their order; keys have the bits of uint64.
        """
        yield from read_index(self._store, self.part(None), self._schema)


def read_index(store: Store, listing: Listing, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of an index that a listing names."""
    return _tables(store, ((block, schema) for block in listing.blocks))


def read_listed(store: Store, listings: Sequence[Listing]) -> Iterator[pa.Table]:
    """Yield the rows that listings name, in order. Raise Damaged as `read_part` does."""
    for listing in listings:
        schemas = [_schema_from(schema) for schema in listing.schemas]
        for index in read_index(store, listing, _BLOCKS_SCHEMA):
            columns = [index.column(name).to_pylist() for name in ("path", *_NUMBERS, "schema")]
            rows = zip(*columns, strict=True)
            yield from _tables(store, ((Block(*row[:-1]), schemas[row[-1]]) for row in rows))


def read_part(store: Store, entries: Iterable[FileEntry], part: int | None) -> Iterator[pa.Table]:
    """Yield the rows of one part (all parts where None) from files, in the order of the entries.

    Raise Damaged where a file is missing or a block is not what was written.
    """
    yield from _tables(
        store,
        (
            (Block(entry.path, *numbers), _schema_from(entry.schema or ""))
            for entry in entries
            for number, *numbers in entry.blocks or ()
            if part is None or number == part
        ),
    )


@lru_cache(maxsize=64)
def _schema_from(encoded: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded)))


def _tables(store: Store, blocks: Iterable[tuple[Block, pa.Schema]]) -> Iterator[pa.Table]:
    def read(run: list[tuple[Block, pa.Schema]]) -> list[pa.Table]:
        first, last = run[0][0], run[-1][0]
        try:
            body = store.read_range(first.path, first.offset, last.offset + last.stored)
        except FileNotFoundError as error:
            raise Damaged(first.path) from error
        return [_table(body, block, block.offset - first.offset, schema) for block, schema in run]

    for tables in in_order(read, _neighbours(blocks), store.readers):
        yield from tables


def _neighbours(
    blocks: Iterable[tuple[Block, pa.Schema]],
) -> Iterator[list[tuple[Block, pa.Schema]]]:
    """Group blocks that lie one after the other in a file and are small: one request reads them."""
    run: list[tuple[Block, pa.Schema]] = []
    for block, schema in blocks:
        if run:
            first, last = run[0][0], run[-1][0]
            end = last.offset + last.stored
            small = block.offset + block.stored - first.offset <= BATCH_BYTES
            if not (block.path == last.path and block.offset == end and small):
                yield run
                run = []
        run.append((block, schema))
    if run:
        yield run


def _table(body: bytes, block: Block, at: int, schema: pa.Schema) -> pa.Table:
    stored = memoryview(body)[at : at + block.stored]
    if len(stored) != block.stored or zlib.crc32(stored) != block.crc32:
        raise Damaged(block.path)
    try:
        raw = pa.decompress(stored, block.bytes, _CODEC)
        if pa.ipc.read_message(raw).type == "schema":
            return pa.ipc.open_stream(raw).read_all()
        return pa.Table.from_batches([pa.ipc.read_record_batch(raw, schema)])
    except pa.ArrowInvalid as error:
        raise Damaged(block.path) from error
