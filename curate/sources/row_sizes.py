"""How large the values of a table become as Python objects, counted before they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: One number for each value, or one that all have.
Each = npt.NDArray[np.int64] | int


def parts(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return how many lists, objects and other values each value consists of, itself included.

    No value is converted: offsets of lists are enough. ``values`` contains no views.

    >>> parts(pa.array([[1, 2, 3], None, [{"a": 1}]][:2] + [[]])).tolist()
    [4, 1, 1]
    >>> parts(pa.array([{"a": [1, 2]}, {"a": []}])).tolist()
    [4, 2]
    """
    return _for_each(_sums(values, 1, lambda _: 1), len(values))


def text_bytes(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return how many bytes of strings and of binary each value contains, at any depth.

    >>> text_bytes(pa.array([["ab", "c"], None, [""]])).tolist()
    [3, 0, 0]
    """
    return _for_each(_sums(values, 0, _lengths), len(values))


def _for_each(each: Each, count: int) -> npt.NDArray[np.int64]:
    return np.full(count, each, np.int64) if isinstance(each, int) else each


def _sums(values: Any, own: int, leaf: Callable[[Any], Each]) -> Each:
    """Return the sum of ``leaf`` over what each value contains, and ``own`` for each nesting."""
    types = pa.types
    kind = values.type
    if types.is_struct(kind):
        total: Each = own
        for place in range(kind.num_fields):
            total = total + _sums(values.field(place), own, leaf)
        return total
    if types.is_fixed_size_list(kind):
        size = kind.list_size
        inner = _sums(values.values.slice(values.offset * size, len(values) * size), own, leaf)
        if isinstance(inner, int):
            return int(own + size * inner)
        return np.asarray(own + inner.reshape(len(values), size).sum(axis=1))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        offsets = np.asarray(values.offsets).astype(np.int64)
        inner = _sums(values.values, own, leaf)
        if isinstance(inner, int):
            return np.asarray(own + inner * np.diff(offsets))
        before = np.concatenate([[0], np.cumsum(inner)])
        return np.asarray(own + np.diff(before[offsets]))
    return leaf(values)


def _lengths(values: Any) -> Each:
    types = pa.types
    kind = values.type
    if types.is_dictionary(kind):
        of_each = _lengths(values.dictionary)
        if isinstance(of_each, int):
            return of_each
        lengths = pa.array(of_each).take(values.indices)
        taken: npt.NDArray[np.int64] = np.asarray(pc.fill_null(lengths, 0))
        return taken
    if types.is_fixed_size_binary(kind):
        return int(kind.byte_width)
    if any(is_kind(kind) for is_kind in _WITH_LENGTH):
        lengths = pc.fill_null(pc.binary_length(values), 0)
        each: npt.NDArray[np.int64] = np.asarray(lengths.cast(pa.int64()))
        return each
    return 0


_WITH_LENGTH = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)
