"""Documents of a finished run of curate, with all that it measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.kernels.arrow import buffers
from curate.kernels.blake2b import digests
from curate.sources import parquet_rows
from curate.sources.base import Damage, DocumentTable, InputFile, Piece, Record, Skip
from curate.sources.columns import Columns, common, field_type
from curate.sources.parquet_rows import RowBatch

#: The folder of a run that holds its product.
PRODUCT = "mixture"
#: Columns of a product that tell of the run and not of the document.
_OF_THE_RUN = ("dropped_by", "dropped_value", "duplicate_of", "jaccard", "cuts", "phase", "epoch")


@dataclass(frozen=True)
class CuratedRun:
    """Read the documents that a finished run kept: all of them, each once.

    They are those of its product and those for which its mixture had no room, so that another
    mixture can take them. Ids, sources, origins and licenses are kept, and so are languages,
    signals, token counts, what is known of their duplicates, and columns of the input. A stage
    whose options and profiles are those of that run does nothing to them (counted as ``carried``);
    one that differs from there on, or has none before it, works on the texts as the run left them.
    The path is the folder of the run.

    Skips: ``another_copy``, the other copies of a document in a product that repeats it. Damage is
    that of Parquet.
    """

    license: str | None = None
    brought: bytes = field(default=b"", metadata={"planned": True})
    """The columns of ours that stages wrote and that still hold, as an Arrow schema."""
    done: tuple[str, ...] = field(default=(), metadata={"planned": True})
    """The stages of the recipe that have nothing left to do on the rows."""
    sources: tuple[str, ...] = field(default=(), metadata={"planned": True})
    """The sources that the rows come from."""
    counted_with: tuple[tuple[str, str], ...] = field(default=(), metadata={"planned": True})
    """The tokenizer of ``n_tokens``, as in the run's manifest."""
    phases: tuple[tuple[str, int], ...] = field(default=(), metadata={"planned": True})
    """Names and sizes of the files of a product of several phases, which may share documents."""
    passed: Columns | None = field(default=None, metadata={"planned": True})
    as_json: tuple[str, ...] = field(default=(), metadata={"planned": True})

    columns: ClassVar[tuple[str, ...]] = ("*",)
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    @property
    def brought_schema(self) -> pa.Schema:
        """The columns of ours that stages wrote, which the rows bring along."""
        return pa.ipc.read_schema(pa.py_buffer(self.brought)) if self.brought else pa.schema([])

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file between row groups."""
        return parquet_rows.split(file, target_bytes)

    def typed_columns(self, files: Iterable[InputFile]) -> dict[str, pa.DataType | None]:
        """Return the columns that passed through the run, with their types."""
        found: dict[str, pa.DataType | None] = {}
        for file in files:
            for one in stored_schema(file):
                if not schema.is_ours(one.name):
                    kind = field_type(one)
                    found[one.name] = common(found.get(one.name, kind), kind)
        return found

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield tables of documents, skips and damages of the piece's row groups, in file order."""
        passed = [name for name, _ in self.passed.names] if self.passed else []
        ours = [*schema.SOURCE_COLUMNS, *self.brought_schema.names, "epoch"]
        wanted = frozenset((*ours, *passed))
        earlier = _earlier(self.phases, file)
        for batch in parquet_rows.records(file, piece, wanted, False):
            if not isinstance(batch, RowBatch):
                yield batch
                continue
            try:
                documents = self._documents(batch.table, earlier)
            except (pa.ArrowException, KeyError) as error:
                rows = f"rows from {batch.first_row} on of row group {batch.group}"
                yield batch.opened.damage("corrupt", batch.group, f"{rows}: {error}")
                continue
            if copies := batch.table.num_rows - documents.num_rows:
                yield Skip("another_copy", copies)
            if documents.num_rows:
                yield DocumentTable(documents)

    def _documents(self, table: pa.Table, earlier: np.ndarray) -> pa.Table:
        """Return the rows of a product that are the first of their documents.

        Raise ArrowException or KeyError where they are no rows of a product.
        """
        if "epoch" in table.column_names:
            first = np.asarray(pc.fill_null(pc.equal(table.column("epoch"), 1), False))
            if len(earlier):
                first &= ~np.isin(_keys(table.column("id")), earlier)
            table = table.filter(pa.array(first)).drop_columns(["epoch"])
        target = [*schema.SOURCE_COLUMNS.items()]
        target += [(one.name, one.type) for one in self.brought_schema]
        target += [(one.name, one.type) for one in (self.passed.carried if self.passed else ())]
        documents = schema.conform(table, pa.schema(target))
        if documents.column("id").null_count or documents.column("source").null_count:
            raise pa.ArrowInvalid("a row has no id or no source")
        return documents


def _earlier(phases: tuple[tuple[str, int], ...], file: InputFile) -> np.ndarray:
    """Return the keys of the documents that phases before that of a file have."""
    phase = file.name.split("/")[1] if file.name.startswith(f"{PRODUCT}/") else ""
    root = file.path.removesuffix(file.name)
    before = [(name, size) for name, size in phases if name.split("/")[1] < phase]
    keys = [_keys_of(root + name, name, size) for name, size in before]
    return np.concatenate(keys) if keys else np.empty(0, np.uint64)


@lru_cache(maxsize=4096)
def _keys_of(path: str, name: str, size: int) -> np.ndarray:
    whole = Piece(0, 1 << 62)
    found = parquet_rows.records(InputFile(path, name, size), whole, frozenset(["id"]), False)
    keys = [_keys(batch.table.column("id")) for batch in found if isinstance(batch, RowBatch)]
    return np.concatenate(keys) if keys else np.empty(0, np.uint64)


def _keys(ids: pa.ChunkedArray) -> np.ndarray:
    """Return 64 bits of the hash of each id."""
    return digests(*buffers(schema.whole(ids.cast(pa.large_string()))))[:, 0]


def stored_schema(file: InputFile) -> pa.Schema:
    """Return the schema of a file; the empty one where it cannot be read, as its reader reports."""
    with file.open() as handle:
        opened = parquet_rows.open_parquet(handle, file.size)
        return pa.schema([]) if isinstance(opened, Damage) else opened.reader.schema_arrow


def brought_columns(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of ours that stages wrote to files of a run."""
    found: dict[str, pa.DataType] = {}
    for one in schemas:
        for each in one:
            name = each.name
            if schema.is_ours(name) and name not in (*schema.SOURCE_COLUMNS, *_OF_THE_RUN):
                found.setdefault(name, schema.column_type(name) or each.type)
    return pa.schema(list(found.items()))
