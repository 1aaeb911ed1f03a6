"""From records to Document tables: ids, stamps, byte-bounded batches, and counts for each file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import ResourceError
from curate.paths.remote import in_order
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.protocol.ledger import FileCounts
from curate.sources.base import (
    Damage,
    Document,
    DocumentTable,
    InputFile,
    Located,
    Note,
    Record,
    Skip,
)
from curate.sources.columns import Columns
from curate.sources.files import identity

#: The first bytes of damaged input that quarantine keeps, and the characters of an error message.
HEAD_BYTES, ERROR_CHARACTERS = 64 << 10, 1000


class Batch(NamedTuple):
    """Documents of bounded size, with the damage and the counts of the same records."""

    documents: pa.Table
    quarantined: pa.Table
    counts: dict[str, FileCounts]


#: Bytes counted per row besides its strings: short lines must not make a batch of millions of rows.
ROW_BYTES = 400


class _Collector:
    def __init__(self, source: SourcePlan) -> None:
        self.source = source
        self.schema = pa.schema([*document_schema(source.columns), *source.brought])
        self.rows: list[dict[str, Any]] = []
        self.tables: list[pa.Table] = []
        self.damage: list[dict[str, Any]] = []
        self.counts: dict[str, FileCounts] = {}
        self.bytes = 0

    def take(self, file: str, record: Record) -> None:
        if isinstance(record, Located):
            file, record = record
        key = schema.file_key(self.source.name, file)
        counts = self.counts.get(key)
        if counts is None:  # made once for a file, not for each record
            counts = self.counts[key] = FileCounts()
        if isinstance(record, Document):
            counts.records += 1
            counts.documents += 1
            # A string's size in memory is near that of its UTF-8, and is known without encoding it.
            self.bytes += sys.getsizeof(record.text) + sys.getsizeof(record.meta) + ROW_BYTES
            if record.messages:  # whose rendering, with the tools, is the text
                self.bytes += sys.getsizeof(record.text)
            if record.rejected:
                self.bytes += sum(
                    sys.getsizeof(turn[name])
                    for turn in record.rejected
                    for name in ("content", "reasoning_content", "tool_calls")
                    if turn[name]
                )
            row = record._asdict()
            if passed := row.pop("columns"):
                self.bytes += _size(passed)
                row |= passed
            row["id"] = schema.make_id(key, row.pop("locator"))
            self.rows.append(row)
        elif isinstance(record, DocumentTable):
            self._flush_rows()
            table = record.table
            if "id" in table.column_names:
                self._count_by_id(table)
            else:
                counts.records += table.num_rows
                counts.documents += table.num_rows
                ids = schema.make_ids(key, table.column("locator"))
                table = table.append_column("id", ids)
            self.tables.append(self._stamp(table))
            self.bytes += record.table.nbytes + ROW_BYTES * record.table.num_rows
        elif isinstance(record, Skip):
            counts.records += record.count
            counts.skipped[record.reason] += record.count
        elif isinstance(record, Note):
            counts.noted[record.what] += record.count
        else:
            self._quarantine(file, counts, record)

    def _count_by_id(self, table: pa.Table) -> None:
        """Count documents that have ids already under the files that these name."""
        for row in pc.value_counts(schema.file_of(table.column("id"))).to_pylist():
            counts = self.counts.setdefault(row["values"], FileCounts())
            counts.records += row["counts"]
            counts.documents += row["counts"]

    def _quarantine(self, file: str, counts: FileCounts, damage: Damage) -> None:
        counts.records += 1
        counts.quarantined[damage.reason] += 1
        row = {**damage._asdict(), "source": self.source.name, "file": file}
        row |= {"error": damage.error[:ERROR_CHARACTERS], "head": damage.head[:HEAD_BYTES]}
        self.damage.append(row)
        self.bytes += ROW_BYTES + len(row["error"]) + len(row["head"])

    def _flush_rows(self) -> None:
        if self.rows:
            ours = ("id", *Document._fields)
            fields = [
                field
                for field in self.schema
                if field.name in ours or not schema.is_ours(field.name)
            ]
            self.tables.append(
                self._stamp(pa.Table.from_pylist(self.rows, schema=pa.schema(fields)))
            )
            self.rows = []

    def _stamp(self, table: pa.Table) -> pa.Table:
        """Add the source's values from the recipe, where the record itself has none."""
        table = schema.conform(table, self.schema)
        stamps = {
            "source": self.source.name,
            "origin": self.source.origin,
            "license": self.source.license,
        }
        for name, value in stamps.items():
            if value is not None:
                at = table.column_names.index(name)
                filled = pc.coalesce(table.column(name), pa.scalar(value, pa.string()))
                table = table.set_column(at, name, filled)
        return table

    def batch(self) -> Batch:
        self._flush_rows()
        documents = (
            pa.concat_tables(self.tables).combine_chunks()
            if self.tables
            else self.schema.empty_table()
        )
        batch = Batch(
            documents,
            pa.Table.from_pylist(self.damage, schema=schema.QUARANTINE_SCHEMA),
            self.counts,
        )
        self.tables, self.damage, self.counts, self.bytes = [], [], {}, 0
        return batch


def _size(value: Any) -> int:
    """Return about how much memory a value of JSON takes."""
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(map(_size, value.values()))
    if isinstance(value, list):
        return sys.getsizeof(value) + sum(map(_size, value))
    return sys.getsizeof(value)


def document_schema(columns: Columns | None) -> pa.Schema:
    """Return the schema of documents as they are read."""
    passed = () if columns is None else columns.carried
    return pa.schema([*schema.DOCUMENT_SCHEMA, *passed])


#: Remote files up to this size are read whole, so many at a time: the requests for one take longer
#: than its bytes.
SMALL, AT_ONCE = 1 << 20, 8


def _fetched(planned: PlannedPiece) -> tuple[InputFile, str | None]:
    """Return a file, where it is small and remote with its content and its identity now."""
    file = planned.file
    if not file.is_remote or file.size > SMALL:
        return file, None
    with file.open() as handle:
        content = handle.read()
    if len(content) != file.size:  # pieces are cut by what was listed: the rest would be lost
        raise ResourceError(
            f"the store lists a file of {file.size} bytes and gives {len(content)}",
            where=file.path,
            hint="when its listing is right, run again with --resume",
        )
    return replace(file, content=content), _identity_now(planned)


def _identity_now(planned: PlannedPiece) -> str:
    return planned.identity and identity(planned.file, listed=False)


def _parts(record: Record, most: int) -> Iterator[Record]:
    """Yield a table of documents in parts of about ``most`` bytes: short lines are very many."""
    if not isinstance(record, DocumentTable):
        yield record
        return
    table = record.table
    size = table.nbytes + ROW_BYTES * table.num_rows
    rows = max(1, table.num_rows * most // max(size, 1))
    for start in range(0, table.num_rows, rows):
        yield DocumentTable(table.slice(start, rows))


def read_shard(source: SourcePlan, shard: Shard, batch_bytes: int) -> Iterator[Batch]:
    """Read a shard's pieces as batches of about ``batch_bytes`` of text.

    Raise ResourceError where a file is missing, cannot be read, or has changed since the run was
    planned: rows of two versions of a file are never mixed.
    """
    collector = _Collector(source)
    remote = any(planned.file.is_remote for planned in shard.pieces)
    fetched = in_order(_fetched, shard.pieces, AT_ONCE if remote else 1)
    for planned in shard.pieces:
        collector.counts.setdefault(schema.file_key(source.name, planned.file.name), FileCounts())
        try:
            file, now = next(fetched)
            for record in source.reader.read(file, planned.piece):
                for part in _parts(record, batch_bytes):
                    collector.take(planned.file.name, part)
                    if collector.bytes >= batch_bytes:
                        yield collector.batch()
            now = _identity_now(planned) if now is None else now
        except OSError as error:
            raise ResourceError(
                f"an input file cannot be read: {error.strerror or error}",
                where=planned.file.path,
                hint="put it back, then run the same command again: it resumes",
            ) from error
        if now != planned.identity:
            raise ResourceError(
                "an input file changed while the run was reading it",
                where=planned.file.path,
                hint="when it is complete, run again with --resume",
            )
    yield collector.batch()
