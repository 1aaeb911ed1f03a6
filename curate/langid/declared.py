"""The language that a record states: a crawler's guess, an edition of Wikipedia, a field."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.recipe.languages import code_of
from curate.schema import INPUT_LABELS, whole

#: Fields of ``meta``, the first that a record has; ``languages`` is that of WET, most text first.
_FIELDS = ("lang", "language", "languages")
_HAS_ONE = r'"lang(uages?)?"'


def declared_codes(table: pa.Table) -> pa.Array:
    """Return the ISO 639-3 code that each row declares; null where it declares no language.

    Columns of the input go before fields of ``meta``. Scripts and regions are not compared.

    >>> rows = ['{"language": "kk-KZ"}', '{"languages": "rus,kaz"}', '{"lang": "klingon"}', None]
    >>> declared_codes(pa.table({"meta": pa.array(rows)})).to_pylist()
    ['kaz', 'rus', None, None]
    """
    found: list[str | None] = [None] * len(table)
    for name in INPUT_LABELS:
        if name not in table.column_names:
            continue
        column = whole(table.column(name))
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        if name == "meta":
            for row in pc.indices_nonzero(pc.match_substring_regex(column, _HAS_ONE)).to_pylist():
                found[row] = found[row] or _code(_stated(column[row].as_py()))
        else:
            found = [code or _code((v or "")[:40]) for code, v in zip(found, column.to_pylist())]
    return pa.array(found, pa.string())


def _stated(meta: str) -> str:
    try:
        record = json.loads(meta)
    except (ValueError, RecursionError):  # a table of somebody else's
        return ""
    values = [record.get(name) for name in _FIELDS] if isinstance(record, dict) else []
    return next((value[:40] for value in values if isinstance(value, str)), "")


@lru_cache(maxsize=8192)
def _code(stated: str) -> str | None:
    first = stated.split(",")[0].strip()
    for name in (first, re.split("[-_]", first)[0]):
        try:
            return code_of(name)
        except RecipeError:
            continue
    return None
