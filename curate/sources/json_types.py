"""Types for the fields of JSON records, found from some of them, and the values that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

#: Fields of a source that get a type, fields of one object, and levels of lists and objects.
_COLUMNS, _FIELDS, _DEPTH = 1000, 100, 8
#: Up to here a double holds every integer.
_EXACT = 2**53


def types_of(records: Iterable[Mapping[str, object]]) -> dict[str, pa.DataType | None]:
    """Return the type of each field of some records; None where no type holds all its values.

    >>> types_of([{"n": 1, "tags": ["a"]}, {"n": 2.5, "tags": None}, {"x": 1}, {"x": "one"}])
    {'n': DataType(double), 'tags': ListType(list<item: string>), 'x': None}
    """
    found: dict[str, pa.DataType | None] = {}
    for record in records:
        for name, value in record.items():
            if name in found:
                found[name] = _joined(found[name], _type(value, _DEPTH))
            elif len(found) < _COLUMNS:
                found[name] = _type(value, _DEPTH)
    return found


def _type(value: object, depth: int) -> pa.DataType | None:
    if value is None:
        return pa.null()
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64() if -(2**63) <= value < 2**63 else None
    if isinstance(value, float):
        return pa.float64()
    if isinstance(value, str):
        return pa.string()
    if not depth:
        return None
    if isinstance(value, list):
        inner: pa.DataType | None = pa.null()
        for item in value:
            inner = _joined(inner, _type(item, depth - 1))
        return None if inner is None else pa.list_(inner)
    if isinstance(value, dict) and 0 < len(value) <= _FIELDS:
        return _struct({name: _type(item, depth - 1) for name, item in value.items()})
    return None


def _struct(kinds: Mapping[str, pa.DataType | None]) -> pa.DataType | None:
    if len(kinds) > _FIELDS or any(kind is None for kind in kinds.values()):
        return None
    return pa.struct(list(kinds.items()))


def _joined(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    if one is None or other is None:
        return None
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        inner = _joined(one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        kinds: dict[str, pa.DataType | None] = {field.name: field.type for field in one}
        for field in other:
            name = field.name
            kinds[name] = _joined(kinds[name], field.type) if name in kinds else field.type
        return _struct(kinds)
    # JSON has one kind of number; an integer that a double does not hold does not fit.
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else None


def fits(kind: pa.DataType) -> Callable[[object], bool]:
    """Return a function that tells whether a type holds a value of JSON without loss.

    >>> holds = fits(pa.struct([("a", pa.int64())]))
    >>> holds({"a": 1}), holds({}), holds({"a": 1, "b": 2}), holds({"a": True})
    (True, True, False, False)
    """
    types = pa.types
    if types.is_boolean(kind):
        return lambda value: value is None or isinstance(value, bool)
    if types.is_integer(kind):
        return lambda value: value is None or (type(value) is int and -(2**63) <= value < 2**63)
    if types.is_floating(kind):
        return lambda value: (
            value is None
            or isinstance(value, float)
            or (type(value) is int and -_EXACT <= value <= _EXACT)
        )
    if types.is_string(kind) or types.is_large_string(kind):
        return lambda value: value is None or isinstance(value, str)
    if types.is_list(kind) or types.is_large_list(kind):
        inner = fits(kind.value_type)
        return lambda value: value is None or (isinstance(value, list) and all(map(inner, value)))
    if types.is_struct(kind):
        parts = {field.name: fits(field.type) for field in kind}
        return lambda value: (
            value is None
            or (
                isinstance(value, dict)
                and value.keys() <= parts.keys()
                and all(parts[name](item) for name, item in value.items())
            )
        )
    return lambda value: value is None
