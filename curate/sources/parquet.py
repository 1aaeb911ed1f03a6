"""Documents of untrusted Parquet files, one row group at a time.

A Parquet footer may name Arrow extension types, and a process that has registered such a type (Ray
Data does) may run code of the file's choice while the schema is built. So the footer is searched
before pyarrow reads it, and a file that names any is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import nearest
from curate.schema import whole
from curate.sources import fields
from curate.sources.base import Damage, DocumentTable, InputFile, Piece, Record, Skip
from curate.sources.parquet_footer import names_extension_types, row_group_extents

_MAGIC = b"PAR1"
_MAX_FOOTER = 256 * 1024 * 1024
#: Rows that are decoded at a time.
_ROWS = 256
_MAX_COLUMNS = 10_000
_DATE = pa.timestamp("us", tz="UTC")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class OpenParquet:
    """An open file, and its footer as stored."""

    reader: pq.ParquetFile
    footer: bytes
    size: int

    @cached_property
    def _extents(self) -> list[tuple[int, int]]:
        return row_group_extents(self.footer, self.size)

    def damage(self, reason: str, group: int, error: str) -> Damage:
        """Return damage of a row group, or of the whole file if the footer has no place for it."""
        known = group < len(self._extents)
        offset, length = self._extents[group] if known else (0, self.size)
        return Damage(reason, offset, length, error)


class RowBatch(NamedTuple):
    """Some rows of a row group."""

    opened: OpenParquet
    group: int
    first_row: int
    table: pa.Table


@dataclass(frozen=True)
class Parquet:
    """Read a text column, and a few others, of Parquet files.

    Options name columns: by their names, or in dotted steps into structs (``content.body``).
    ``meta`` lists columns to keep as JSON, ``["*"]`` all that no option names and the keys of
    partitioned folders (``year=2024/``); none by default, because here each costs reading. The
    text may be of any string type, plain or dictionary encoded, or binary that contains UTF-8. The
    locator is ``<row group>:<row>``. A piece is a range of row group numbers, not of bytes.

    Skips: ``null_text``. Damage of the file: ``truncated``, ``bad_footer``, ``extension_type``,
    ``missing_text``, ``missing_column``, ``duplicate_column``, ``text_not_string``,
    ``too_many_columns``; of a row group: ``corrupt``, ``row_count``; of a row: ``invalid_utf8``.
    """

    text: str = "text"
    """The column of the text. Example: "content.body"."""
    id: str | None = None
    """The column of the row's own id; the ids of the run then end in ``~<own id>``.
    Example: "doc_id"."""
    url: str | None = None
    """The column of the address. Example: "url"."""
    date: str | None = None
    """The column of the date. Example: "crawled_at"."""
    license: str | None = None
    meta: tuple[str, ...] = ()
    """Columns to keep as JSON. Example: ["title"]."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        return (".parquet", ".pq")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file between row groups."""
        return split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield tables of documents, skips and damages of the piece's row groups, in file order."""
        optional = [name for name in (self.id, self.url, self.date, self.license) if name]
        paths = dict.fromkeys((self.text, *optional, *self.meta))
        partitions = fields.partitions(file.name) if self._keeps_all else {}
        for batch in batches(file, piece, tuple(paths), self.text):
            if isinstance(batch, Damage):
                yield batch
            else:
                yield from self._records(batch, partitions)

    @property
    def _keeps_all(self) -> bool:
        return "*" in self.meta

    def _records(self, batch: RowBatch, partitions: dict[str, object]) -> Iterator[Record]:
        table = batch.table
        text, invalid = _decoded(column(table, self.text))
        for row in invalid:
            what = f"row {batch.group}:{batch.first_row + row} is not UTF-8"
            yield batch.opened.damage("invalid_utf8", batch.group, what)
        rows = range(batch.first_row, batch.first_row + table.num_rows)
        locators = [f"{batch.group}:{row}" for row in rows]
        if self.id:
            own = to_rows(column(table, self.id))
            locators = list(map(fields.with_own_id, locators, own))
        columns: dict[str, Any] = {
            "locator": pa.array(locators, pa.string()),
            "text": text,
        }
        for name, path in (("url", self.url), ("license", self.license)):
            if path:
                columns[name] = _as_text(column(table, path))
        if self.date:
            columns["date"] = as_date(column(table, self.date))
        if self._keeps_all:
            columns["meta"] = self._all_other(table, columns, partitions)
        elif self.meta:
            values = [to_rows(column(table, path)) for path in self.meta]
            meta = [fields.leftovers(dict(zip(self.meta, row))) for row in zip(*values)]
            columns["meta"] = pa.array(meta, pa.large_string())
        documents = pa.table(columns)
        if text.null_count:
            nulls = text.null_count - len(invalid)
            if nulls:
                yield Skip("null_text", nulls)
            documents = documents.filter(pc.is_valid(text))
        if documents.num_rows:
            yield DocumentTable(documents)

    def _all_other(
        self, table: pa.Table, columns: dict[str, Any], partitions: dict[str, object]
    ) -> pa.Array:
        """Return what no column of a document holds, as JSON: values that were not understood too.

        A column of the file goes before a key of its folders that has the same name.
        """
        taken = {"url": self.url, "date": self.date, "license": self.license}
        understood = {
            path: pc.is_valid(columns[name]).to_pylist() for name, path in taken.items() if path
        }
        names = [name for name in table.column_names if name != self.text]
        names = [name for name in names if not all(understood.get(name, (False,)))]
        values = zip(*(to_rows(column(table, name)) for name in names)) if names else ()
        nested = "." in self.text and self.text not in table.column_names
        meta = []
        for row, found in enumerate(values):
            record = partitions | dict(zip(names, found))
            for path, known in understood.items():
                if known[row]:
                    fields.take(record, path)
            if nested:
                fields.take(record, self.text)
            meta.append(fields.leftovers(record))
        if not names:
            meta = [fields.leftovers(partitions)] * table.num_rows
        return pa.array(meta, pa.large_string())


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a Parquet file into runs of row groups of about ``target_bytes`` of the file each."""
    with file.open() as handle:
        opened = _open(handle, file.size)
        if isinstance(opened, Damage):
            return [Piece(0, file.size)]
        metadata = opened.reader.metadata
        sizes = [
            max(1, metadata.row_group(i).total_byte_size) for i in range(metadata.num_row_groups)
        ]
    total = sum(sizes)
    edges, piece_bytes = [0], 0
    for group, plain in enumerate(sizes):
        stored = plain * file.size // total  # its share of the file is its share before compression
        if piece_bytes and piece_bytes + stored > target_bytes:
            edges.append(group)
            piece_bytes = 0
        piece_bytes += stored
    return [Piece(start, end) for start, end in pairwise([*edges, max(len(sizes), 1)])]


def batches(
    file: InputFile, piece: Piece, columns: tuple[str, ...] | None, text: str | None
) -> Iterator[RowBatch | Damage]:
    """Yield the rows of a piece's row groups, fully validated.

    ``columns`` None means all of them, and ``*`` among its names these and all others.
    ``text`` names the column that must exist and contain strings.
    """
    with file.open() as handle:
        opened = _open(handle, file.size)
        if isinstance(opened, Damage):
            if not piece.start:
                yield opened
            return
        problem = _refusal(opened.reader.schema_arrow, columns, text)
        if problem:
            if not piece.start:
                yield Damage(problem[0], 0, file.size, problem[1])
            return
        for group in range(piece.start, min(piece.end, opened.reader.metadata.num_row_groups)):
            yield from _group(opened, group, columns)


def _open(handle: IO[bytes], size: int) -> OpenParquet | Damage:
    if size < 12:
        return Damage("truncated", 0, size, f"{size} bytes are no Parquet file")
    handle.seek(size - 8)
    tail = handle.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC:
        return Damage("truncated", 0, size, "the file does not end like a Parquet file", tail)
    if length > min(size - 12, _MAX_FOOTER):
        return Damage("bad_footer", size - 8, 8, f"a footer of {length} bytes", tail)
    handle.seek(size - 8 - length)
    footer = handle.read(length)
    if names_extension_types(footer):
        what = "the schema names Arrow extension types, which may run code"
        return Damage("extension_type", 0, size, what)
    handle.seek(0)
    try:
        return OpenParquet(pq.ParquetFile(handle, page_checksum_verification=True), footer, size)
    except Exception as error:
        return Damage("bad_footer", size - 8 - length, length, _one_line(error), footer[:4096])


def _refusal(
    schema: pa.Schema, columns: tuple[str, ...] | None, text: str | None
) -> tuple[str, str] | None:
    """Return the reason and the error why the file cannot be read, or None."""
    if len(schema) > _MAX_COLUMNS:
        return "too_many_columns", f"{len(schema)} columns, more than {_MAX_COLUMNS}"
    named = [name for name in columns or () if name != "*"]
    every = schema.names if columns is None or "*" in columns else []
    for path in dict.fromkeys((*named, *every)):
        kind = _type(schema, path)
        if kind is None:
            reason = "missing_text" if path == text else "missing_column"
            return reason, f"no column '{path}': {_nearest(path, schema.names)}"
        if len(schema.get_all_field_indices(path.partition(".")[0])) > 1:
            return "duplicate_column", f"two columns are named '{path}'"
        if path == text and not is_text(kind):
            return "text_not_string", f"column '{path}' is {str(kind)[:200]}"
    return None


def _nearest(path: str, names: list[str]) -> str:
    return nearest(path, map(fields.shown, names[:1000]))[:300] if names else "there are no columns"


def _type(schema: pa.Schema, path: str) -> pa.DataType | None:
    if path in schema.names:
        return schema.field(schema.get_all_field_indices(path)[0]).type
    first, _, rest = path.partition(".")
    if not rest or first not in schema.names:
        return None
    kind = schema.field(schema.get_all_field_indices(first)[0]).type
    for step in rest.split("."):
        if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
            return None
        kind = kind.field(kind.get_field_index(step)).type
    return kind


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of a type may contain text: strings of any kind, or their bytes."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _group(
    opened: OpenParquet, group: int, columns: tuple[str, ...] | None
) -> Iterator[RowBatch | Damage]:
    declared = opened.reader.metadata.row_group(group)
    row_count = 0
    try:
        stream = opened.reader.iter_batches(
            # A dictionary makes a row as large as its largest value, whatever the encoded size is.
            batch_size=max(1, min(_ROWS, declared.num_rows)),
            row_groups=[group],
            columns=None if columns is None or "*" in columns else list(columns),
            use_threads=False,
        )
        for part in stream:
            table = pa.Table.from_batches([part])
            table.validate()
            yield from _valid_rows(RowBatch(opened, group, row_count, table))
            row_count += part.num_rows
    except Exception as error:
        what = f"row group {group}, from row {row_count} on: {_one_line(error)}"
        yield opened.damage("corrupt", group, what)
        return
    if row_count != declared.num_rows:
        what = f"row group {group} holds {row_count} rows and claims {declared.num_rows}"
        yield opened.damage("row_count", group, what)


def _valid_rows(batch: RowBatch) -> Iterator[RowBatch | Damage]:
    """Validate a batch fully. An invalid string costs its row: the rows around it are yielded."""
    opened, group, first, table = batch
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        begin = 0
        for row in range(table.num_rows):
            try:
                table.slice(row, 1).validate(full=True)
            except pa.ArrowInvalid as error:
                if row > begin:
                    yield RowBatch(opened, group, first + begin, table.slice(begin, row - begin))
                what = f"row {group}:{first + row}: {_one_line(error)}"
                yield opened.damage("invalid_utf8", group, what)
                begin = row + 1
        if begin < table.num_rows:
            yield RowBatch(opened, group, first + begin, table.slice(begin))
        return
    if table.num_rows:
        yield batch


def column(table: pa.Table, path: str) -> Any:
    """Return one column of a batch as an array, following dotted steps into structs."""
    if path in table.column_names:
        return whole(table.column(path))
    first, _, rest = path.partition(".")
    return pc.struct_field(whole(table.column(first)), rest.split("."))


def _decoded(values: Any) -> tuple[Any, list[int]]:
    """Return a text column as large_string, and the rows whose bytes are no UTF-8 (null there)."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        return values.cast(pa.large_string()), []
    except pa.ArrowInvalid:
        invalid, texts = [], []
        for row, value in enumerate(values.to_pylist()):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                invalid.append(row)
        return pa.array(texts, pa.large_string()), invalid


def _as_text(values: Any) -> Any:
    if not is_text(values.type):
        return pa.nulls(len(values), pa.string())
    return _decoded(values)[0].cast(pa.string())


def as_date(values: Any) -> Any:
    """Return dates as timestamps; those outside of the years 1 to 9999 are null, not an error."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
    elif pa.types.is_date64(kind):
        per_second = 1000
    elif pa.types.is_date32(kind):
        values, per_second = pc.multiply(values.cast(pa.int32()).cast(pa.int64()), 86_400), 1
    else:
        return pa.array([fields.microseconds(value) for value in to_rows(values)], _DATE)
    units = values.cast(pa.int64())
    in_range = pc.and_(
        pc.greater_equal(units, max(fields.FIRST * per_second, -(2**63))),
        pc.less_equal(units, min(fields.LAST * per_second, 2**63 - 1)),
    )
    units = pc.if_else(in_range, units, pa.scalar(None, pa.int64()))
    if per_second <= 10**6:
        units = pc.multiply(units, 10**6 // per_second)
    else:
        units = pc.divide(units, per_second // 10**6)
    return units.cast(_DATE)


def to_rows(values: Any) -> list[Any]:
    """Return a column as Python values; as text, or null, where Python has no such value.

    Nanoseconds without pandas, dates before the year 1 and the like have none.
    """
    for form in (values, None):
        try:
            rows: list[Any] = (values.cast(pa.string()) if form is None else form).to_pylist()
        except Exception:
            continue  # each type has its own way to fail
        return rows
    return [None] * len(values)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
