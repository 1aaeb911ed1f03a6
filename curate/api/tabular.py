"""What a table may be: whatever speaks Arrow, and plain Python; and its way to a Document table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import RecipeError, nearest
from curate.sources import columns, fields, parquet
from curate.sources.parquet_rows import is_text


class ArrowTable(Protocol):
    """A table or column of any library that exports the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class ArrowArray(Protocol):
    """A batch or column of any library that exports the Arrow C array interface."""

    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...


#: A table, or a column or list of texts: Arrow, Polars, pandas, DuckDB, a datasets.Dataset, a
#: mapping of columns, a list of rows, an iterable of texts. No type of pyarrow's is named: it has
#: none for type checkers, so the union would accept everything.
TableLike: TypeAlias = "ArrowTable | ArrowArray | Mapping[str, Sequence[object]] | Iterable[Any]"

_KNOWN = (
    "an Arrow, Polars, pandas or DuckDB table or column, a datasets.Dataset, a mapping of columns,"
    " a list of rows, or texts"
)


def as_table(given: TableLike) -> pa.Table:
    """Return what is given as an Arrow table; texts alone become the column ``text``.

    Nothing is copied where the library exports the Arrow C data interface. Raise RecipeError where
    it is no table.

    >>> as_table(["a", None]).column_names, as_table([{"text": "a", "n": 1}]).column_names
    (['text'], ['text', 'n'])
    """
    if isinstance(given, pa.Table):
        return _with_plain_layouts(given)
    if isinstance(given, str | bytes):
        raise _no_table("one text", "give a list: [text]")
    if hasattr(given, "collect") and hasattr(given, "lazy"):
        raise _no_table("a lazy table", "call .collect() on it")
    try:
        return _with_plain_layouts(_imported(given))
    except (TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        what = f"{type(given).__name__}: {str(error).partition(chr(10))[0][:200]}"
        raise _no_table(what, _KNOWN) from None


def _with_plain_layouts(table: pa.Table) -> pa.Table:
    """Decode runs, and cast dictionaries of views (a Polars Categorical): Arrow casts neither.

    Raise RecipeError where two columns have one name.
    """
    twice = next((n for n, count in Counter(table.column_names).items() if count > 1), None)
    if twice is not None:
        shown = fields.shown(twice)
        raise RecipeError(f"two columns of the table are called '{shown}'", hint="rename one")
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_run_end_encoded(kind):
            chunks = [pc.run_end_decode(chunk) for chunk in table.column(place).chunks]
            column = pa.chunked_array(chunks, kind.value_type)
            table = table.set_column(place, field.name, column)
        elif pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
            chunks = [
                pa.DictionaryArray.from_arrays(
                    chunk.indices, chunk.dictionary.cast(pa.large_string()), ordered=kind.ordered
                )
                for chunk in table.column(place).chunks
            ]
            wide = pa.dictionary(kind.index_type, pa.large_string(), kind.ordered)
            table = table.set_column(place, field.name, pa.chunked_array(chunks, wide))
    return table


def _imported(given: Any) -> pa.Table:
    if isinstance(given, pa.RecordBatch | Mapping):
        return pa.table(given)
    if isinstance(given, pa.Array | pa.ChunkedArray):
        return _texts(given)
    if hasattr(given, "with_format") and hasattr(given, "cache_files"):  # datasets.Dataset
        return given.with_format("arrow")[:]
    if hasattr(given, "__arrow_c_stream__"):
        try:
            return pa.table(given)
        except (TypeError, ValueError, pa.ArrowException):
            return _texts(pa.chunked_array(given))  # a column
    if hasattr(given, "__arrow_c_array__"):
        array = pa.array(given)
        return pa.table(array) if pa.types.is_struct(array.type) else _texts(array)
    if hasattr(given, "__dataframe__"):
        return pa.table(given)
    rows = list(given)
    if any(isinstance(row, Mapping) for row in rows):
        names = {str(name): None for row in rows for name in row}
        return pa.table({name: _column_of_rows(name, rows) for name in names})
    return _texts(pa.array(rows, pa.large_string()))


def _column_of_rows(name: str, rows: Sequence[Mapping[str, object]]) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except pa.ArrowException as error:
        raise pa.ArrowInvalid(f"column '{fields.shown(name)}': {error}") from None


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Table:
    if pa.types.is_struct(column.type):
        return pa.Table.from_struct_array(column)
    return pa.table({"text": column})


def _no_table(what: str, hint: str) -> RecipeError:
    return RecipeError(f"this is no table: {what}", hint=hint)


def text_of(table: pa.Table) -> pa.ChunkedArray:
    """Return the column ``text``; raise RecipeError where there is none, or no text in it."""
    if "text" not in table.column_names:
        names = table.column_names
        raise RecipeError(
            "the table has no column 'text'",
            hint=f"rename the column with the text, {nearest('text', names)}" if names else None,
        )
    return _converted("text", table.column("text"), pa.large_string())


def documents_of(table: TableLike) -> tuple[pa.Table, pa.Table]:
    """Return a table as Arrow has it, and with Document columns.

    Missing ones are null, but ids are generated. Other columns have plain types, of which kernels
    can take rows.
    """
    given = documents = as_table(table)
    rows = documents.num_rows
    text_of(documents)
    required = schema.SOURCE_COLUMNS | schema.VERDICT_COLUMNS
    for name, kind in (required | schema.STAGE_COLUMNS).items():
        if name in documents.column_names:
            position = documents.column_names.index(name)
            converted = _converted(name, documents.column(name), kind)
            documents = documents.set_column(position, name, converted)
        elif name == "id":
            ids = pa.array([schema.make_id("table", row) for row in range(rows)], pa.string())
            documents = documents.append_column(name, ids)
        elif name == "source":
            documents = documents.append_column(name, pa.array([""] * rows, pa.string()))
        elif name in required:
            documents = documents.append_column(name, pa.nulls(rows, kind))
    ids = documents.column("id")
    if ids.null_count or pc.count_distinct(ids).as_py() < rows:
        raise RecipeError(
            "the column 'id' must name each row, once",
            hint="without such a column, rows are named by their numbers",
        )
    for place, name in enumerate(documents.column_names):
        kind = documents.schema.field(place).type
        if not schema.is_ours(name) and columns.plain(kind) != kind:
            plain = documents.column(place).cast(columns.plain(kind))
            documents = documents.set_column(place, name, plain)
    return given, documents


def as_given(
    result: pa.Table, given: pa.Table, rows: pa.Array | pa.ChunkedArray | None = None
) -> pa.Table:
    """Return a result in which columns of the input that are not ours are as they were given."""
    for field in given.schema:
        name, kind = field.name, field.type
        if schema.is_ours(name):
            continue
        column = given.column(name)
        if rows is not None:
            column = column.cast(columns.plain(kind)).take(rows).cast(columns.writable(kind))
            field = field.with_type(column.type)
        result = result.set_column(result.column_names.index(name), field, column)
    return result


def _converted(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Convert a column to its type: dates in any notation, metadata of any type to JSON.

    Raise RecipeError for a column that has no such values.
    """
    if column.type == kind:
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if name == "date":
        values = schema.whole(column)
        dates = parquet.as_date(values)
        missed = pc.indices_nonzero(pc.and_(pc.is_valid(values), pc.is_null(dates))).to_pylist()
        wrong = next((row for row in missed if values[row].as_py() not in ("", b"")), None)
        if wrong is not None:
            shown = fields.shown(str(values[wrong].as_py()))
            raise RecipeError(
                f"'{shown}' in row {wrong} of the column 'date' is no date that can be read",
                hint="ISO 8601 such as 2026-01-31, a timestamp, or a number since 1970",
            )
        return pa.chunked_array([dates])
    try:
        if name in ("text", "lang") and not is_text(column.type):
            raise pa.ArrowInvalid("no text")
        if pa.types.is_floating(column.type) and pa.types.is_integer(kind):
            column = pc.if_else(pc.is_nan(column), None, column)  # what pandas has for null
        if name == "meta" and not is_text(column.type):
            rows = parquet.to_rows(schema.whole(column))
            return pa.chunked_array([pa.array(map(fields.as_json, rows), kind)])
        return column.cast(kind)
    except pa.ArrowException:
        what = f"the column '{name}' is {str(column.type)[:200]} and should be"
        what += " text" if is_text(kind) else f" {kind}"
        if is_text(kind) and is_text(column.type):
            what = f"the column '{name}' has bytes that are no UTF-8"
        raise RecipeError(what, hint="rename it, or convert it") from None
