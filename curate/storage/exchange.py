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
        self.path = f"{folder}/{dataset}.exchange"
        self._store, self._dataset, self.schema = store, dataset, schema
        self._open = ExitStack()
        self._sink: HashingWriter | None = None
        self._has_dictionaries = any(_is_coded(field.type) for field in schema)
        self._blocks: list[list[int]] = []
        self._rows = 0

    def write(self, part: int, rows: pa.RecordBatch) -> None:
        """Write a batch of the file's schema as one block."""
        if self._sink is None:
            self._sink = self._open.enter_context(self._store.writing(self.path))
        raw = _with_dictionaries(rows) if self._has_dictionaries else rows.serialize()
        stored = pa.compress(raw, _CODEC, asbytes=True)
        self._blocks.append([part, self._sink.bytes, len(stored), raw.size, zlib.crc32(stored)])
        self._sink.write(stored)
        self._rows += rows.num_rows

    def take_blocks(self) -> list[list[int]]:
        """Return the blocks that were written since the last call; the entry will not have them."""
        taken, self._blocks = self._blocks, []
        return taken

    def close(self) -> list[FileEntry]:
        """Complete the file and return its entry; none where nothing was written."""
        if self._sink is None:
            return []
        self._open.close()
        return [
            FileEntry(
                self._dataset,
                self.path,
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
    """Collects the tables of one dataset and writes them by part, in runs of bounded size.

    Where ``together`` is more than 1, the part of a block is that of its rows divided by it.
    """

    def __init__(self, store: Store, folder: str, dataset: str, together: int = 1) -> None:
        self._store, self._folder, self._dataset = store, folder, dataset
        self._together = together
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
        parts = (self._parts[1] - self._parts[0]) // self._together + 1
        if self._bytes >= min(RUN_BYTES, BATCH_BYTES * parts):
            self._flush()

    def close(self) -> list[FileEntry]:
        """Write the remaining rows and return the file's entry; none where there were no rows."""
        if self._tables:
            self._flush()
        return self._file.close() if self._file is not None else []

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables, self._bytes, self._parts = [], 0, []
        parts = table.column("part").to_numpy() // self._together
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
    part: int | None = None  #: of whose rows it wants; None: all


_NUMBERS = ("offset", "stored", "bytes", "crc32")
#: A row of an index in memory: a block, in the file with this number, for the reader of ``part``.
_BLOCK = np.dtype(
    [("part", "i4"), ("file", "i4"), ("schema", "i4"), ("offset", "i8")]
    + [(name, "u4") for name in _NUMBERS[1:]]
)
#: The first and the last shuffle key of a group.
ENDS = ("first", "last")
#: That of an index of survivors: the number of the group, and its keys.
_GROUP = np.dtype([*_BLOCK.descr, ("group", "i8"), *((name, "u8") for name in ENDS)])


def _stored_as(row: np.dtype) -> pa.Schema:
    """Return the schema of an index's file, which has paths of files instead of numbers."""
    kinds = {name: pa.from_numpy_dtype(row[name]) for name in row.names or ()}
    return pa.schema(
        [("path", pa.string()) if name == "file" else (name, kinds[name]) for name in kinds]
    )


#: Bytes of an index's rows that are in memory while it is written, and the most rows of a block.
INDEX_BYTES, INDEX_ROWS = 16 << 20, 1 << 15
#: Where a run has more parts than the first, a block has the rows of several: at least so many.
MANY_PARTS, LEAST_ROWS = 1024, 256
#: Bytes counted per file that is listed: its path, and an array.
_FILE_BYTES = 300


class BlockIndex:
    """Where the blocks of a dataset lie, by the part that they were routed to.

    The driver writes it, for as many shards and parts as a run has. Its size in memory is that of
    one run of rows, and 28 bytes for each block that was written: of 256 rows where parts are many.
    """

    _row = _BLOCK

    def __init__(self, store: Store, folder: str, dataset: str) -> None:
        self._store = store
        self.schemas: dict[str, int] = {}  #: of the files that are listed, numbered
        self._file = BlockFile(store, folder, dataset, _stored_as(self._row))
        self._paths: list[str] = []
        self._rows = np.empty(0, self._row)  #: memory is used as it fills
        self._used = 0
        #: first and last part of each block, sorted, and the blocks
        self._runs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add the blocks of files; readers get them in the order in which they were added."""
        for entry in entries:
            self.write([entry.path], self._rows_of(entry))

    def _rows_of(self, entry: FileEntry) -> np.ndarray:
        blocks = np.array(entry.blocks, np.int64).reshape(-1, 5)
        rows = np.zeros(len(blocks), self._row)
        rows["schema"] = self.schemas.setdefault(entry.schema or "", len(self.schemas))
        for name, column in zip(("part", *_NUMBERS), blocks.T, strict=True):
            rows[name] = column
        return rows

    def write(self, paths: Sequence[str], rows: np.ndarray) -> None:
        """Add rows, whose ``file`` is a place in ``paths``."""
        used = self._used * self._row.itemsize + _FILE_BYTES * len(self._paths)
        if self._used + len(rows) > len(self._rows) or used >= INDEX_BYTES:
            self._flush()
        if len(rows) > len(self._rows):
            self._rows = np.empty(max(len(rows), INDEX_BYTES // self._row.itemsize), self._row)
        added = self._rows[self._used : self._used + len(rows)]
        added[:] = rows
        added["file"] += len(self._paths)
        self._used += len(rows)
        self._paths += paths

    def _flush(self) -> None:
        """Write the rows in memory by part."""
        if not self._used:
            return
        parts = self._rows["part"][: self._used].copy()
        order = np.argsort(parts, kind="stable")
        many = len(run_bounds(parts[order])) > MANY_PARTS
        lasts: list[int] = []
        paths = pa.array(self._paths, pa.string())
        for at in range(0, len(order), INDEX_ROWS):
            piece = self._rows[order[at : at + INDEX_ROWS]]
            columns = {name: pa.array(piece[name]) for name in self._row.names or ()}
            columns["file"] = paths.take(columns["file"])
            batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=self._file.schema)
            start = 0
            for _, end in run_bounds(piece["part"]):
                if end - start >= LEAST_ROWS or not many or end == len(piece):
                    self._file.write(int(piece["part"][start]), batch.slice(start, end - start))
                    lasts.append(int(piece["part"][end - 1]))
                    start = end
        self._paths, self._used = [], 0
        blocks = np.array(self._file.take_blocks(), np.int64)
        kept = np.zeros(len(blocks), [(name, _BLOCK[name]) for name in _NUMBERS])
        for name, column in zip(_NUMBERS, blocks.T[1:], strict=True):
            kept[name] = column
        self._runs.append((blocks[:, 0].astype(np.int32), np.array(lasts, np.int32), kept))

    def close(self) -> None:
        """Write what is still in memory."""
        self._flush()
        self._rows = np.empty(0, self._row)
        self._file.close()

    def part(self, number: int | None) -> Listing:
        """Return what a task needs to read one part.

        Where None, all of them, in their order if they are at most `MANY_PARTS`.
        """
        found = []
        for firsts, lasts, blocks in self._runs:
            if number is None:
                found.append((firsts, blocks))
            else:
                ends = slice(lasts.searchsorted(number), firsts.searchsorted(number, "right"))
                found.append((np.zeros_like(firsts[ends]), blocks[ends]))
        if not found:
            return Listing()
        parts, blocks = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.argsort(parts, kind="stable")
        named = tuple(Block(self._file.path, *row) for row in blocks[order].tolist())
        return Listing(tuple(self.schemas), named, number)


class GroupIndex(BlockIndex):
    """Where all blocks of a dataset of survivors lie, with their keys, in the order of shards."""

    _row = _GROUP

    def __init__(self, store: Store, folder: str, dataset: str) -> None:
        super().__init__(store, folder, dataset)
        self._shard = 0

    def add(self, entries: Iterable[FileEntry]) -> None:
        """Add the files of the next shard."""
        for entry in entries:
            rows = self._rows_of(entry)
            rows["group"] = self._shard << 32 | rows["part"].astype(np.int64)
            rows["part"] = 0  # one reader reads all
            if entry.keys is not None:
                keys = np.array(entry.keys, np.uint64).reshape(-1, 2)
                rows["first"], rows["last"] = keys.T
            self.write([entry.path], rows)
        self._shard += 1

    def tables(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield what `BlockIndex.write` takes: paths, and rows with ``group``, ``first``, ``last``.

        Groups are numbered through all shards, in their order.
        """
        for table in read_index(self._store, self.part(None), _stored_as(_GROUP)):
            paths = table.column("path").combine_chunks().dictionary_encode()
            rows = np.zeros(len(table), _GROUP)
            for name in table.column_names:
                if name != "path":
                    rows[name] = table.column(name).to_numpy()
            rows["file"] = paths.indices.to_numpy()
            yield paths.dictionary.to_pylist(), rows


def rows_of_blocks(groups: np.ndarray) -> np.ndarray:
    """Return rows of a `GroupIndex` as those of a `BlockIndex`."""
    rows = np.zeros(len(groups), _BLOCK)
    for name in _BLOCK.names or ():
        rows[name] = groups[name]
    return rows


def read_index(store: Store, listing: Listing, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of an index that a listing names."""
    return _tables(store, ((block, schema) for block in listing.blocks))


def read_listed(store: Store, listings: Sequence[Listing]) -> Iterator[pa.Table]:
    """Yield the rows that listings name, in order. Raise Damaged as `read_part` does."""
    for listing in listings:
        schemas = [_schema_from(schema) for schema in listing.schemas]
        for index in read_index(store, listing, _stored_as(_BLOCK)):
            if listing.part is not None:
                index = index.filter(pc.equal(index.column("part"), listing.part))
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
