"""Rows with equal keys: runs in sorted arrays, a row's place in its run, groups of a few values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def first_of_runs(*keys: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return for each row whether it is the first of a run of rows that are equal in all keys.

    >>> first_of_runs(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 6])).tolist()
    [True, False, True, True]
    """
    first = np.ones(len(keys[0]), np.bool_)
    first[1:] = keys[0][1:] != keys[0][:-1]
    for key in keys[1:]:
        first[1:] |= key[1:] != key[:-1]
    return first


def run_bounds(keys: np.ndarray) -> list[tuple[int, int]]:
    """Return the first row of each run of equal keys, and the row after its last.

    >>> run_bounds(np.array([7, 7, 3]))
    [(0, 2), (2, 3)]
    """
    return list(pairwise([*np.flatnonzero(first_of_runs(keys)).tolist(), len(keys)]))


def place_in_run(first: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the place of each row in its run, from 0; ``first`` marks the beginnings of runs.

    >>> place_in_run(np.array([True, False, False, True])).tolist()
    [0, 1, 2, 0]
    """
    rows = np.arange(len(first))
    return np.asarray(rows - np.maximum.accumulate(np.where(first, rows, 0)))


def find_sorted(
    sorted_keys: np.ndarray, keys: np.ndarray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the position of each key in sorted, different keys, and whether it occurs there.

    >>> [part.tolist() for part in find_sorted(np.array([2, 5]), np.array([5, 3, 2, 9]))]
    [[1, 1, 0, 1], [True, False, True, False]]
    """
    if not len(sorted_keys):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return at, sorted_keys[at] == keys


def alike(columns: Sequence[pa.Array | pa.ChunkedArray]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the numbers of the rows that are equal in all columns, group by group, each in order.

    For columns of few different values; null is a value. Arrow's ``group_by`` starts threads, which
    takes longer than the work on a batch.

    >>> columns = pa.array(["b", "a", "b", "a"]), pa.array([None, None, "x", None])
    >>> [rows.tolist() for rows in alike(columns)]
    [[2], [0], [1, 3]]
    """
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        coded = column.dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.chunk(0) if coded.num_chunks == 1 else coded.combine_chunks()
        values = len(coded.dictionary)
        if values + bool(coded.null_count) > 1:
            # Renumbered at each column, so that the codes stay below rows x values.
            codes = np.unique(codes, return_inverse=True)[1] * (values + 1)
            codes = codes + coded.indices.fill_null(values).to_numpy()
    if not codes.any():
        yield from [np.arange(len(codes))] if len(codes) else []
        return
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(first) + 1))
    for number in range(len(first)):
        yield order[ends[number] : ends[number + 1]]
