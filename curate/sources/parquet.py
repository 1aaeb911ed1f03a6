"""Documents of Parquet files: a column of texts, columns that are ours, and the rest as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field as default
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.schema import COLUMNS, whole
from curate.sources import fields, parquet_rows
from curate.sources.base import Damage, DocumentTable, InputFile, Note, Piece, Record, Skip
from curate.sources.columns import Chosen, Columns, common, field_type, fields_of
from curate.sources.columns import plain as plain_type
from curate.sources.parquet_rows import RowBatch, as_objects, batches, column_type, is_text

#: Footers that are read at the same time, to learn the columns.
_FOOTERS = 16
_DATE = pa.timestamp("us", tz="UTC")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


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
    group: ``corrupt``, ``encrypted``, ``row_count``, ``bomb`` (past 64 MiB, more than 250 bytes
    out for one in, 8 counted per row); of a row: ``invalid_utf8``, and, where columns become JSON,
    ``too_complex`` (2,000,000 lists, objects and values) and ``too_large`` (64 MiB of text).
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
    columns: Chosen = ()
    """Columns to keep as columns of the product, with their types; ["*"]: all but the text, and the
    keys of partitioned folders as text. One with a name of curate's own is called ``input_<name>``.
    One that has several types in the files, of which none holds all values, is kept as JSON in
    ``meta``. A table gives columns names of your choice: { quality = "meta.score" }. Example:
    ["score", "embedding"]."""
    passed: Columns | None = default(default=None, metadata={"planned": True})
    as_json: tuple[str, ...] = default(default=(), metadata={"planned": True})

    @property
    def suffixes(self) -> tuple[str, ...]:
        return (".parquet", ".pq")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file between row groups."""
        return parquet_rows.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield tables of documents, skips and damages of the piece's row groups, in file order."""
        optional = [name for name in (self.id, self.url, self.date, self.license) if name]
        paths = dict.fromkeys((self.text, *optional, *self.meta))
        every = self._keeps_all or "*" in self.columns
        partitions = fields.partitions(file.name) if every else {}
        passed = [name for name, _ in self.passed.names] if self.passed else []
        present = frozenset((*passed, *self.as_json))
        for batch in batches(file, piece, tuple(paths), self.text, present):
            if not isinstance(batch, RowBatch):
                yield batch
                continue
            others = self._as_objects(batch.table.column_names)
            for part in as_objects(batch, others):
                yield from self._records(part, partitions) if isinstance(part, RowBatch) else [part]

    def _as_objects(self, names: list[str]) -> list[str]:
        """Return the columns that are read as Python objects: all that become JSON, and ids."""
        if self._keeps_all:
            passed = [name for name, _ in self.passed.names] if self.passed else []
            return [name for name in names if name not in (self.text, *passed)]
        paths = filter(None, (self.id, self.date, *self.meta, *self.as_json))
        steps = {name for path in paths for name in (path, path.partition(".")[0])}
        return [name for name in names if name in steps and name != self.text]

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
            own = map(_own_id, to_rows(column(table, self.id)))
            locators = list(map(fields.with_own_id, locators, own))
        columns: dict[str, Any] = {
            "locator": pa.array(locators, pa.string()),
            "text": text,
        }
        for name, path in (("url", self.url), ("license", self.license)):
            if path:
                columns[name], lost = _as_text(column(table, path))
                if lost:
                    yield Note("damaged_fields", lost)
        if self.date:
            columns["date"] = as_date(column(table, self.date))
        if self._keeps_all:
            columns["meta"] = self._all_other(table, columns, partitions)
        elif self.meta or self.as_json:
            columns["meta"], count = self._listed(table, partitions)
            if count:
                yield Note("column_as_json", count)
        for name, ours in self.passed.names if self.passed else ():
            if column_type(table.schema, name) is not None:
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
        wanted = fields_of(self.columns)
        with ThreadPoolExecutor(_FOOTERS) as pool:
            schemas = pool.map(_schema_of, files := list(files))
        for file, schema in zip(files, schemas, strict=True):
            if schema is None:
                continue
            names |= dict.fromkeys(schema.names[: parquet_rows.MAX_COLUMNS])
            every = {name: name for name in schema.names} if "*" in self.columns else {}
            types = {
                name: kind
                for name, path in (every | wanted).items()
                if (kind := self._kept_type(schema, path)) is not None
            }
            if "*" in self.columns:
                keys = dict.fromkeys(fields.partitions(file.name), pa.string())
                types = keys | types
            for name, kind in types.items():
                found[name] = common(found[name], kind) if name in found else kind
        for name, path in wanted.items():
            if name not in found and names:
                what = f"no file has the column '{fields.shown(path)}' of columns"
                raise RecipeError(what, hint=parquet_rows.nearest_column(path, list(names)))
        return found

    def _kept_type(self, schema: pa.Schema, path: str) -> pa.DataType | None:
        """Return the type of a column to keep; None where a column of ours holds the same."""
        if path == self.text or column_type(schema, path) is None:
            return None
        kind = column_type(schema, path)
        if path in schema.names:
            kind = field_type(schema.field(schema.get_all_field_indices(path)[0]))
        by_name = not isinstance(self.columns, dict)
        if by_name and path in ("url", "date", "license") and path == getattr(self, path):
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
        missing = [path for path in self.as_json if column_type(table.schema, path) is None]
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


def _schema_of(file: InputFile) -> pa.Schema | None:
    with file.open() as handle:
        opened = parquet_rows.open_parquet(handle, file.size)
        return None if isinstance(opened, Damage) else opened.reader.schema_arrow


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
    if column_type(table.schema, path) is None:
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


def _as_text(values: Any) -> tuple[Any, int]:
    """Return a column as strings, and how many of its values are null since they are not UTF-8."""
    if not is_text(values.type):
        return pa.nulls(len(values), pa.string()), 0
    texts, invalid = _decoded(values)
    return texts.cast(pa.string()), len(invalid)


def _own_id(value: object) -> object:
    """Return what a row's id is in others' files: bytes as text or hexadecimal, 5.0 as 5.

    >>> _own_id(b"doc-7"), _own_id(bytes([255, 16])), _own_id(5.0), _own_id(0.5)
    ('doc-7', 'ff10', 5, 0.5)
    """
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, float | Decimal) and value == value // 1:
        return int(value)
    return value


def as_date(values: Any) -> Any:
    """Return dates as timestamps; those outside of the years 1 to 9999 are null, not an error."""
    kind = values.type
    if is_text(kind):  # old writers declare no type for strings
        values = _decoded(values)[0]
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
