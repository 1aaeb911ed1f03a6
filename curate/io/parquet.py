"""Documents out of Parquet files from strangers, one row group at a time.

A Parquet footer may name Arrow extension types, and a process that has registered such a type (Ray
Data does) may run code of the file's choice while the schema is built. So the footer is searched
before pyarrow sees it, and a file that names any is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import nearest
from curate.io import fields
from curate.io.records import Damage, InputFile, Piece, Record, Rows, Skip

_MAGIC = b"PAR1"
_MAX_FOOTER = 256 * 1024 * 1024
#: Rows are given out in tables of about this many bytes of text.
_BATCH = 64 * 1024 * 1024
_MAX_COLUMNS = 10_000


class Batch(NamedTuple):
    """Some rows of a row group; ``offset`` and ``length`` say where the group lies in the file."""

    group: int
    first_row: int
    offset: int
    length: int
    table: pa.Table


@dataclass(frozen=True)
class Parquet:
    """Read a text column, and a few others, of Parquet files.

    Options name columns: as they stand, or in dotted steps into structs (``content.body``). ``meta``
    lists columns to keep as JSON; unlike in JSON lines they cost reading, so none is kept unasked.
    The text may be of any string type, plain or dictionary encoded, or binary holding UTF-8.
    The locator is ``<row group>:<row>``; a piece is the byte range in which its row groups begin.

    Skips: ``null_text``. Damage of the file: ``truncated``, ``bad_footer``, ``extension_type``,
    ``missing_text``, ``missing_column``, ``duplicate_column``, ``text_not_string``,
    ``too_many_columns``; of a row group: ``corrupt``, ``row_count``; of a row: ``invalid_utf8``.
    """

    text: str = "text"
    url: str | None = None
    date: str | None = None
    license: str | None = None
    meta: tuple[str, ...] = ()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a directory is searched for."""
        return (".parquet", ".pq")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file between row groups."""
        return split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield tables of documents, skips and damages of the piece's row groups, in file order."""
        optional = [name for name in (self.url, self.date, self.license) if name]
        wanted = dict.fromkeys((self.text, *optional, *self.meta))
        for batch in batches(file, piece, tuple(wanted), self.text):
            if isinstance(batch, Damage):
                yield batch
            else:
                yield from self._records(batch)

    def _records(self, batch: Batch) -> Iterator[Record]:
        table = batch.table
        text, broken = _decoded(column(table, self.text))
        for row in broken:
            what = f"row {batch.group}:{batch.first_row + row} is not UTF-8"
            yield Damage("invalid_utf8", batch.offset, batch.length, what)
        rows = range(batch.first_row, batch.first_row + table.num_rows)
        columns: dict[str, Any] = {
            "locator": pa.array([f"{batch.group}:{row}" for row in rows], pa.string()),
            "text": text,
        }
        for name, path in (("url", self.url), ("license", self.license)):
            if path:
                columns[name] = _as_text(column(table, path))
        if self.date:
            columns["date"] = _as_date(column(table, self.date))
        if self.meta:
            kept = {path: column(table, path) for path in self.meta}
            written = [fields.leftovers(row) for row in pa.table(kept).to_pylist()]
            columns["meta"] = pa.array(written, pa.large_string())
        documents = pa.table(columns)
        if text.null_count:
            nulls = text.null_count - len(broken)
            if nulls:
                yield Skip("null_text", nulls)
            documents = documents.filter(pc.is_valid(text))
        if documents.num_rows:
            yield Rows(documents)


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a Parquet file into byte ranges in which about ``target_bytes`` of row groups begin."""
    with file.open() as handle:
        opened = _open(handle, file.size)
        if isinstance(opened, Damage):
            return [Piece(0, file.size)]
        groups = sorted(_extent(opened.metadata, group, file.size) for group in _groups(opened))
    edges, held = [0], 0
    for offset, length in groups:
        if held and held + length > target_bytes and offset > edges[-1]:
            edges.append(offset)
            held = 0
        held += length
    return [Piece(start, end) for start, end in zip(edges, [*edges[1:], file.size], strict=True)]


def batches(
    file: InputFile, piece: Piece, columns: tuple[str, ...] | None, text: str | None
) -> Iterator[Batch | Damage]:
    """Yield the rows of a piece's row groups, checked in full; ``columns`` None means all of them.

    ``text`` names the column that has to be there and to hold strings.
    """
    with file.open() as handle:
        opened = _open(handle, file.size)
        if isinstance(opened, Damage):
            if not piece.start:
                yield opened
            return
        problem = _refusal(opened.schema_arrow, columns, text)
        if problem:
            if not piece.start:
                yield Damage(problem[0], 0, file.size, problem[1])
            return
        for group in _groups(opened):
            offset, length = _extent(opened.metadata, group, file.size)
            if piece.start <= offset < piece.end:
                yield from _group(opened, group, offset, length, columns)


def _open(handle: IO[bytes], size: int) -> pq.ParquetFile | Damage:
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
        return pq.ParquetFile(handle, page_checksum_verification=True)
    except Exception as error:
        return Damage("bad_footer", size - 8 - length, length, _said(error), footer[:4096])


def names_extension_types(footer: bytes) -> bool:
    """Tell whether a Parquet footer names Arrow extension types, without building its schema.

    They stand in the column metadata or in the Arrow schema that writers put under the key
    ``ARROW:schema``, in base64. What cannot be decoded is taken for a yes.

    >>> names_extension_types(b"...ARROW:extension:name...")
    True
    """
    if b"ARROW:extension" in footer:
        return True
    at = footer.find(b"ARROW:schema")
    while at >= 0:
        encoded = _compact_string(footer, at + len(b"ARROW:schema"))
        if encoded is None:
            return True
        try:
            schema = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return True
        if b"ARROW:extension" in schema:
            return True
        at = footer.find(b"ARROW:schema", at + 1)
    return False


def _compact_string(footer: bytes, at: int) -> bytes | None:
    """Read the string field behind a key, in Thrift's compact protocol; b"" where there is none."""
    if footer[at : at + 1] != b"\x18":
        return b""
    length = shift = 0
    for start, byte in enumerate(footer[at + 1 : at + 6], at + 2):
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return footer[start : start + length] if start + length <= len(footer) else None
    return None


def _groups(opened: pq.ParquetFile) -> range:
    return range(opened.metadata.num_row_groups)


def _extent(metadata: Any, group: int, size: int) -> tuple[int, int]:
    """Give where a row group begins in the file and how long it is; a footer may lie about both."""
    row_group = metadata.row_group(group)
    starts, length = [], 0
    for i in range(row_group.num_columns):
        chunk = row_group.column(i)
        first = chunk.data_page_offset
        if chunk.has_dictionary_page and chunk.dictionary_page_offset:
            first = min(first, chunk.dictionary_page_offset)
        starts.append(first)
        length += max(0, chunk.total_compressed_size)
    offset = min(max(min(starts, default=0), 0), size - 1)
    return offset, min(length, size - offset)


def _refusal(
    schema: pa.Schema, columns: tuple[str, ...] | None, text: str | None
) -> tuple[str, str] | None:
    """Say why the file cannot be read as asked, or None."""
    if len(schema) > _MAX_COLUMNS:
        return "too_many_columns", f"{len(schema)} columns, more than {_MAX_COLUMNS}"
    for path in columns or schema.names:
        kind = _type(schema, path)
        if kind is None:
            reason = "missing_text" if path == text else "missing_column"
            return reason, f"no column '{path}': {nearest(path, schema.names)}"
        if len(schema.get_all_field_indices(path.partition(".")[0])) > 1:
            return "duplicate_column", f"two columns are named '{path}'"
        if path == text and not _is_text(kind):
            return "text_not_string", f"column '{path}' is {str(kind)[:200]}"
    return None


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


def _is_text(kind: pa.DataType) -> bool:
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
    opened: pq.ParquetFile, group: int, offset: int, length: int, columns: tuple[str, ...] | None
) -> Iterator[Batch | Damage]:
    declared = opened.metadata.row_group(group)
    rows = max(1, declared.num_rows)
    per_row = max(1, declared.total_byte_size // rows)
    seen = 0
    try:
        stream = opened.iter_batches(
            batch_size=max(1, min(rows, _BATCH // per_row)),
            row_groups=[group],
            columns=None if columns is None else list(columns),
            use_threads=False,
        )
        for part in stream:
            table = pa.Table.from_batches([part])
            table.validate()
            yield from _sound_rows(Batch(group, seen, offset, length, table))
            seen += part.num_rows
    except Exception as error:
        what = f"row group {group}, from row {seen} on: {_said(error)}"
        yield Damage("corrupt", offset, length, what)
        return
    if seen != declared.num_rows:
        what = f"row group {group} holds {seen} rows and claims {declared.num_rows}"
        yield Damage("row_count", offset, length, what)


def _sound_rows(batch: Batch) -> Iterator[Batch | Damage]:
    """Check a batch in full. One bad string costs its row: the rows around it are given out."""
    group, first, offset, length, table = batch
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        begin = 0
        for row in range(table.num_rows):
            try:
                table.slice(row, 1).validate(full=True)
            except pa.ArrowInvalid as error:
                if row > begin:
                    yield Batch(
                        group, first + begin, offset, length, table.slice(begin, row - begin)
                    )
                what = f"row {group}:{first + row}: {_said(error)}"
                yield Damage("invalid_utf8", offset, length, what)
                begin = row + 1
        if begin < table.num_rows:
            yield Batch(group, first + begin, offset, length, table.slice(begin))
        return
    if table.num_rows:
        yield batch


def column(table: pa.Table, path: str) -> Any:
    """Give one column of a batch as an array, following dotted steps into structs."""
    if path in table.column_names:
        return table.column(path).combine_chunks()
    first, _, rest = path.partition(".")
    return pc.struct_field(table.column(first).combine_chunks(), rest.split("."))


def _decoded(values: Any) -> tuple[Any, list[int]]:
    """Give a text column as large_string, and the rows whose bytes are no UTF-8, null in it."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        return values.cast(pa.large_string()), []
    except pa.ArrowInvalid:
        broken, texts = [], []
        for row, value in enumerate(values.to_pylist()):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                broken.append(row)
        return pa.array(texts, pa.large_string()), broken


def _as_text(values: Any) -> Any:
    if not _is_text(values.type):
        return pa.nulls(len(values), pa.string())
    return _decoded(values)[0].cast(pa.string())


def _as_date(values: Any) -> Any:
    kind = pa.timestamp("us", tz="UTC")
    if pa.types.is_timestamp(values.type) and values.type.unit != "ns":
        return (
            values.cast(pa.timestamp("us")).cast(kind)
            if values.type.tz is None
            else values.cast(kind)
        )
    return pa.array([fields.microseconds(value) for value in values.to_pylist()], kind)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
