"""What a table may be: whatever speaks Arrow, and plain Python; and its way to an Arrow table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from curate.errors import RecipeError


class ArrowTable(Protocol):
    """A table or column of any library that exports the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


#: A table, or a column or list of texts: Arrow, Polars, pandas, DuckDB, a datasets.Dataset, a
#: mapping of columns, a list of rows, an iterable of texts.
TableLike: TypeAlias = (
    "ArrowTable | pa.Array | pa.ChunkedArray | Mapping[str, Sequence[object]] | Iterable[Any]"
)

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
        return given
    if isinstance(given, str | bytes):
        raise _no_table("one text", "give a list: [text]")
    if hasattr(given, "collect") and hasattr(given, "lazy"):
        raise _no_table("a lazy table", "call .collect() on it")
    try:
        return _converted(given)
    except (TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        what = f"{type(given).__name__}: {str(error).partition(chr(10))[0][:200]}"
        raise _no_table(what, _KNOWN) from None


def _converted(given: Any) -> pa.Table:
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
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    return _texts(pa.array(rows, pa.large_string()))


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Table:
    if pa.types.is_struct(column.type):
        return pa.Table.from_struct_array(column)
    return pa.table({"text": column})


def _no_table(what: str, hint: str) -> RecipeError:
    return RecipeError(f"this is no table: {what}", hint=hint)
