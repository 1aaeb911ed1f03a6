"""Columns of texts as kernels read them, and rewritten texts put back among the others with one copy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Give an array's bytes and its offsets into them, both read-only and without a copy."""
    _, offsets, data = texts.buffers()
    first = texts.offset
    if len(texts) == 0 or data is None:
        data, offsets, first = b"", bytes(8 * (len(texts) + 1)), 0
    arrays = np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64)
    for array in arrays:  # a writable array would be another type to numba, and compiled again
        array.flags.writeable = False
    return arrays[0], arrays[1][first : first + len(texts) + 1]


def replace_rows(
    texts: pa.LargeStringArray, rows: np.ndarray, new: pa.LargeStringArray
) -> pa.LargeStringArray:
    """Give the texts with ``new`` in the given rows, which are in rising order.

    Untouched stretches are sliced and joined: half the memory traffic of gathering row by row.

    >>> old = pa.array(["a", "b", "c", "d"], pa.large_string())
    >>> replace_rows(old, np.array([1, 2]), pa.array(["B", "C"], pa.large_string())).to_pylist()
    ['a', 'B', 'C', 'd']
    """
    if len(rows) == 0:
        return texts
    if len(rows) == len(texts):
        return new
    starts = np.concatenate([[0], np.flatnonzero(np.diff(rows) != 1) + 1])
    ends = np.append(starts[1:], len(rows))
    pieces: list[pa.LargeStringArray] = []
    done = 0
    for start, end in zip(starts.tolist(), ends.tolist()):
        first, last = int(rows[start]), int(rows[end - 1]) + 1
        pieces += [texts.slice(done, first - done), new.slice(start, end - start)]
        done = last
    return pa.concat_arrays([*pieces, texts.slice(done)])
