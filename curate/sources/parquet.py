"""Documents of untrusted Parquet files, one row group at a time.

A Parquet footer may name Arrow extension types, and a process that has registered such a type (Ray
Data does) may run code of the file's choice while the schema is built. So pyarrow gets a footer
that names none: such a column is read in the type in which it is stored, if anybody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property
from itertools import pairwise
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import RecipeError, nearest
from curate.schema import COLUMNS, whole
from curate.sources import fields
from curate.sources.base import Damage, DocumentTable, InputFile, Note, Piece, Record, Skip
from curate.sources.columns import Columns, common, field_type
from curate.sources.columns import plain as plain_type
from curate.sources.parquet_footer import row_group_extents, without_extension_types

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
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
    partitioned folders (``year=2024/``); none by default, because here each costs reading.
    ``columns`` lists those to keep as columns of the product, with their types: see
    :mod:`curate.sources.columns`. The text may be of any string type, plain or dictionary encoded,
    binary that contains UTF-8, or of the type null: writers store a column so where no row has a
    value. A column other than the text that a file does not have is null there, and its rows are
    noted as ``missing_column``. One whose bytes cannot be read is null as well
    (``damaged_column``, ``damaged_fields``). The locator is ``<row group>:<row>``. A piece is a
    range of row group numbers, not of bytes.

    Skips: ``null_text``. Damage of the file: ``truncated``, ``bad_footer``, ``encrypted``,
    ``missing_text``, ``duplicate_column``, ``text_not_string``, ``too_many_columns``; of a row
    group: ``corrupt``, ``encrypted``, ``row_count``; of a row: ``invalid_utf8``.
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
    columns: tuple[str, ...] = ()
    """Columns to keep as columns of the product, with their types; ["*"]: all but the text, and the
    keys of partitioned folders as text. One with a name of curate's own is called ``input_<name>``.
    One that has several types in the files, of which none holds all values, is kept as JSON in
    ``meta``. Example: ["score", "embedding"]."""
    passed: Columns | None = default(default=None, metadata={"planned": True})
    as_json: tuple[str, ...] = default(default=(), metadata={"planned": True})

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
        every = self._keeps_all or "*" in self.columns
        partitions = fields.partitions(file.name) if every else {}
        passed = [name for name, _ in self.passed.names] if self.passed else []
        present = frozenset((*passed, *self.as_json))
        for batch in batches(file, piece, tuple(paths), self.text, present):
            if isinstance(batch, RowBatch):
                yield from self._records(batch, partitions)
            else:
                yield batch

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
        elif self.meta or self.as_json:
            columns["meta"], count = self._listed(table, partitions)
            if count:
                yield Note("column_as_json", count)
        for name, ours in self.passed.names if self.passed else ():
            if _type(table.schema, name) is not None:
                columns[ours] = self._without_text(name, column(table, name))
            elif name in partitions:
                columns[ours] = pa.repeat(pa.scalar(partitions[name], pa.string()), table.num_rows)
        documents = pa.table(columns)
        if text.null_count:
            nulls = text.null_count - len(invalid)
            if nulls:
                yield Skip("null_text", nulls)
            documents = documents.filter(pc.is_valid(text))
        if documents.num_rows:
            yield DocumentTable(documents)

    def typed_columns(self, files: Iterable[InputFile]) -> dict[str, pa.DataType | None]:
        """Return the type of each column to keep; None where the files' types have none in common.

        Files that cannot be read are left to whoever reads them. Raise RecipeError where no file
        has a column that is named.
        """
        found: dict[str, pa.DataType | None] = {}
        names: dict[str, None] = {}
        for file in files:
            with file.open() as handle:
                opened = _open(handle, file.size)
                if isinstance(opened, Damage):
                    continue
                schema = opened.reader.schema_arrow
            names |= dict.fromkeys(schema.names[:_MAX_COLUMNS])
            types = {
                path: kind
                for path in (schema.names if "*" in self.columns else self.columns)
                if (kind := self._kept_type(schema, path)) is not None
            }
            if "*" in self.columns:
                keys = dict.fromkeys(fields.partitions(file.name), pa.string())
                types = keys | types
            for path, kind in types.items():
                found[path] = common(found[path], kind) if path in found else kind
        for path in self.columns:
            if path != "*" and path not in found and names:
                what = f"no file has the column '{fields.shown(path)}' of columns"
                raise RecipeError(what, hint=_nearest(path, list(names)))
        return found

    def _kept_type(self, schema: pa.Schema, path: str) -> pa.DataType | None:
        """Return the type of a column to keep; None where a column of ours holds the same."""
        if path == self.text or _type(schema, path) is None:
            return None
        kind = _type(schema, path)
        if path in schema.names:
            kind = field_type(schema.field(schema.get_all_field_indices(path)[0]))
        if path in ("url", "date", "license") and path == getattr(self, path):
            return None if kind == COLUMNS[path].type else kind
        if not self.text.startswith(f"{path}."):
            return kind
        rest = self._without_text(path, pa.nulls(0, plain_type(kind))).type
        return None if pa.types.is_null(rest) else rest

    def _without_text(self, name: str, values: Any) -> Any:
        """Return a column without the text, where that is a field of its structs."""
        if not self.text.startswith(f"{name}.") or not pa.types.is_struct(values.type):
            return values
        return _without(values, self.text.removeprefix(f"{name}.").split("."))

    def _listed(self, table: pa.Table, partitions: dict[str, object]) -> tuple[pa.Array, int]:
        """Return the columns named to be JSON, and how many values are so for want of a type."""
        missing = [path for path in self.as_json if _type(table.schema, path) is None]
        names = dict.fromkeys((*self.meta, *self.as_json))
        names = {path: None for path in names if path in self.meta or path not in missing}
        keys = {path: partitions[path] for path in missing if path in partitions}
        values = [to_rows(column(table, path)) for path in names]
        rows = zip(*values) if values else [()] * table.num_rows
        meta = [fields.leftovers(keys | dict(zip(names, row))) for row in rows]
        count = (len(self.as_json) - len(missing) + len(keys)) * table.num_rows
        return pa.array(meta, pa.large_string()), count

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
        passed = [name for name, _ in self.passed.names] if self.passed else []
        names = [name for name in table.column_names if name not in (self.text, *passed)]
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
    file: InputFile,
    piece: Piece,
    columns: tuple[str, ...],
    text: str,
    present: frozenset[str] = frozenset(),
) -> Iterator[RowBatch | Damage | Note]:
    """Yield the rows of a piece's row groups, fully validated.

    ``*`` among ``columns`` means all others too. ``text`` names the column that must exist and
    contain strings. Other columns that the file does not have, or whose bytes cannot be read, are
    left out, and their rows noted. Those of ``present`` are read where the file has them.
    """
    needed = frozenset((text, text.partition(".")[0]))
    yield from _batches(file, piece, columns, text, needed, present)


def records(
    file: InputFile, piece: Piece, needed: frozenset[str], others: bool
) -> Iterator[RowBatch | Damage | Note]:
    """Yield rows as :func:`batches` does, of those columns of ``needed`` that the file has.

    With ``others`` all other columns are read too; where one cannot be, its rows are noted.
    """
    yield from _batches(file, piece, None if others else needed, None, needed)


def _batches(
    file: InputFile,
    piece: Piece,
    columns: tuple[str, ...] | frozenset[str] | None,
    text: str | None,
    needed: frozenset[str],
    present: frozenset[str] = frozenset(),
) -> Iterator[RowBatch | Damage | Note]:
    """Read columns in their order, all that a set of names has, or (None) all."""
    with file.open() as handle:
        opened = _open(handle, file.size)
        if isinstance(opened, Damage):
            if not piece.start:
                yield opened
            return
        if isinstance(columns, frozenset):
            columns = tuple(name for name in opened.reader.schema_arrow.names if name in columns)
        elif columns is not None and present:
            found = opened.reader.schema_arrow
            also = [name for name in sorted(present) if _type(found, name) is not None]
            columns = tuple(dict.fromkeys((*columns, *also)))
        problem = _refusal(opened.reader.schema_arrow, columns, text)
        if problem:
            if not piece.start:
                yield Damage(problem[0], 0, file.size, problem[1])
            return
        for group in range(piece.start, min(piece.end, opened.reader.metadata.num_row_groups)):
            yield from _group(opened, group, columns, needed)


def _open(handle: IO[bytes], size: int) -> OpenParquet | Damage:
    if size < 12:
        return Damage("truncated", 0, size, f"{size} bytes are no Parquet file")
    handle.seek(size - 8)
    tail = handle.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] == _ENCRYPTED:
        what = "the file is encrypted: decrypt it first, with the key of its owner"
        return Damage("encrypted", 0, size, what, tail)
    if tail[4:] != _MAGIC:
        return Damage("truncated", 0, size, "the file does not end like a Parquet file", tail)
    if length > min(size - 12, _MAX_FOOTER):
        return Damage("bad_footer", size - 8, 8, f"a footer of {length} bytes", tail)
    handle.seek(size - 8 - length)
    footer = handle.read(length)
    try:
        plain = without_extension_types(footer)
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + plain + tail))
        # Types of Parquet itself (UUID, JSON) would become extension types, too.
        reader = pq.ParquetFile(
            handle,
            metadata=metadata,
            page_checksum_verification=True,
            arrow_extensions_enabled=False,
        )
        return OpenParquet(reader, footer, size)
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
        if kind is None and path == text:
            return "missing_text", f"no column '{path}': {_nearest(path, schema.names)}"
        if len(schema.get_all_field_indices(path.partition(".")[0])) > 1:
            return "duplicate_column", f"two columns are named '{path}'"
        if path == text and kind is not None and not is_text(kind):
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
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_null(kind)
    )


def _group(
    opened: OpenParquet, group: int, columns: tuple[str, ...] | None, needed: frozenset[str]
) -> Iterator[RowBatch | Damage | Note]:
    schema = opened.reader.schema_arrow
    named = [name for name in columns or () if name != "*"]
    every = schema.names if columns is None or "*" in columns else []
    names = dict.fromkeys((*named, *every))
    row_count = opened.reader.metadata.row_group(group).num_rows
    left_out = [name for name in names if _type(schema, name) is None]
    if left_out and row_count:
        yield Note("missing_column", row_count)
    done = 0
    while True:
        readable = [name for name in names if name not in left_out]
        try:
            for table in _tables(opened, group, readable, done):
                first, done = done, done + table.num_rows
                yield from _valid_rows(RowBatch(opened, group, first, table), needed)
            break
        except Exception as error:
            broken = [name for name in readable if not _can_be_read(opened, group, name)]
            if not broken or needed.intersection(broken):
                # Where only the owner of a key can read a column, pyarrow says so in many ways.
                reason = "encrypted" if "ecrypt" in str(error) else "corrupt"
                what = f"row group {group}, from row {done} on: {_one_line(error)}"
                yield opened.damage(reason, group, what)
                return
            yield Note("damaged_column", row_count - done)
            left_out += broken
    if done != row_count:
        what = f"row group {group} holds {done} rows and claims {row_count}"
        yield opened.damage("row_count", group, what)


def _tables(
    opened: OpenParquet, group: int, columns: list[str], skipped_rows: int
) -> Iterator[pa.Table]:
    views: list[tuple[int, pa.DataType]] | None = None  # of which Arrow cannot take rows
    stream = opened.reader.iter_batches(
        # A dictionary makes a row as large as its largest value, whatever the encoded size is.
        batch_size=max(1, min(_ROWS, opened.reader.metadata.row_group(group).num_rows)),
        row_groups=[group],
        columns=columns,
        use_threads=False,
    )
    for part in stream:
        table = pa.Table.from_batches([part])
        table.validate()
        if views is None:
            kinds = enumerate(table.schema.types)
            views = [(place, plain_type(kind)) for place, kind in kinds if "_view" in str(kind)]
        for place, kind in views:
            table = table.set_column(
                place, table.column_names[place], table.column(place).cast(kind)
            )
        if table.num_rows > skipped_rows:
            yield table.slice(skipped_rows)
        skipped_rows = max(0, skipped_rows - table.num_rows)


def _can_be_read(opened: OpenParquet, group: int, name: str) -> bool:
    try:
        for _ in _tables(opened, group, [name], 0):
            pass
    except Exception:
        return False
    return True


def _valid_rows(batch: RowBatch, needed: frozenset[str]) -> Iterator[RowBatch | Damage | Note]:
    """Validate a batch fully. An invalid string costs its row if it is in a column needed."""
    if _is_valid(batch.table):
        if batch.table.num_rows:
            yield batch
        return
    batch, note = _without_invalid(batch, needed)
    if note.count:
        yield note
    opened, group, first, table = batch
    begin = 0
    for row in range(table.num_rows):
        if not _is_valid(table.take([row])):
            if row > begin:
                yield RowBatch(opened, group, first + begin, table.slice(begin, row - begin))
            what = f"row {group}:{first + row} has a string that is not UTF-8"
            yield opened.damage("invalid_utf8", group, what)
            begin = row + 1
    if begin < table.num_rows:
        yield RowBatch(opened, group, first + begin, table.slice(begin))


def _is_valid(values: Any) -> bool:
    # A slice of a struct does not do: what it contains is validated as a whole.
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _without_invalid(batch: RowBatch, needed: frozenset[str]) -> tuple[RowBatch, Note]:
    """Return a batch in which invalid values outside of columns needed are null, and a count."""
    table, count = batch.table, 0
    for place, name in enumerate(table.column_names):
        values = table.column(place)
        if name in needed or _is_valid(values):
            continue
        valid = [_is_valid(values.take([row])) for row in range(len(values))]
        count += valid.count(False)
        nulls = pa.scalar(None, values.type)
        table = table.set_column(place, name, pc.if_else(pa.array(valid), values, nulls))
    return batch._replace(table=table), Note("damaged_fields", count)


def _without(values: Any, steps: list[str]) -> Any:
    """Return structs without the field at a path of names."""
    kept = {}
    for place in range(values.type.num_fields):
        name, inner = values.type.field(place).name, values.field(place)
        if name == steps[0]:
            if len(steps) == 1 or not pa.types.is_struct(inner.type):
                continue
            inner = _without(inner, steps[1:])
        kept[name] = inner
    if not kept:
        return pa.nulls(len(values))
    return pa.StructArray.from_arrays(list(kept.values()), list(kept), mask=values.is_null())


def column(table: pa.Table, path: str) -> Any:
    """Return one column of a batch as an array, following dotted steps into structs.

    A column that the batch does not have is null.
    """
    if _type(table.schema, path) is None:
        return pa.nulls(table.num_rows)
    if path in table.column_names:
        return whole(table.column(path))
    first, _, rest = path.partition(".")
    return pc.struct_field(whole(table.column(first)), rest.split("."))


def _decoded(values: Any) -> tuple[Any, list[int]]:
    """Return a text column as large_string, and the rows whose bytes are no UTF-8 (null there)."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_fixed_size_binary(values.type) or pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_binary())
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
