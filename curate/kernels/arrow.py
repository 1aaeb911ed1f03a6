"""Arrow columns as numpy arrays for kernels, and back: packed pairs, texts with some replaced."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def buffers(
    column: pa.LargeStringArray | pa.LargeBinaryArray,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return a column's bytes and its rows' offsets into them; a null is empty.

    Without a copy where nothing is null, so the first offset of a slice is not 0. Both are
    read-only: numba would take a writable array for another type and compile again.
    """
    if column.null_count:
        column = pc.fill_null(column, "")
    _, offsets, data = column.buffers()
    first = column.offset
    if len(column) == 0 or data is None:
        data, offsets, first = b"", bytes(8 * (len(column) + 1)), 0
    arrays = np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64)
    for array in arrays:
        array.flags.writeable = False
    return arrays[0], arrays[1][first : first + len(column) + 1]


def from_buffers(data: np.ndarray | pa.Buffer, offsets: np.ndarray) -> pa.LargeStringArray:
    """Return the texts that ``data`` has between consecutive int64 ``offsets``, without a copy."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def fixed_width_values(column: pa.FixedSizeBinaryArray, dtype: npt.DTypeLike) -> np.ndarray:
    r"""Return a fixed-width binary column as a matrix of numbers, a row of it per row; no nulls.

    >>> fixed_width_values(pa.array([b"\0\1\0\2", b"\0\3\0\4"], pa.binary(4)), ">u2").tolist()
    [[1, 2], [3, 4]]
    """
    width = column.type.byte_width
    data = np.frombuffer(column.buffers()[1] or b"", np.uint8)
    data = data[column.offset * width : (column.offset + len(column)) * width]
    return data.view(dtype).reshape(-1, width // np.dtype(dtype).itemsize)


def pack_pairs(pairs: np.ndarray, counts: np.ndarray) -> pa.LargeBinaryArray:
    """Store pairs of uint64 as binary values of 16 bytes each, ``counts`` of them per row."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) * 16
    stored = pa.py_buffer(np.ascontiguousarray(pairs))
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(counts), [None, pa.py_buffer(offsets), stored]
    )


def unpack_pairs(column: pa.LargeBinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `pack_pairs` stored: all pairs, and how many each row has.

    >>> stored = pack_pairs(np.array([[1, 2], [3, 4]], np.uint64), np.array([0, 2]))
    >>> pairs, counts = unpack_pairs(stored)
    >>> pairs.tolist(), counts.tolist()
    ([[1, 2], [3, 4]], [0, 2])
    """
    data, offsets = buffers(column)
    return data[offsets[0] : offsets[-1]].view(np.uint64).reshape(-1, 2), np.diff(offsets) // 16


def replace_rows(
    texts: pa.LargeStringArray, rows: np.ndarray, new: pa.LargeStringArray
) -> pa.LargeStringArray:
    """Return the texts with ``new`` in the given rows, which are in ascending order.

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


def merged(
    values: np.ndarray,
    offsets: np.ndarray,
    more: np.ndarray,
    more_offsets: np.ndarray,
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return lists of values with those of ``more`` in the given empty rows (ascending).

    >>> lists = np.array([1, 2, 5]), np.array([0, 2, 2, 3])
    >>> values, offsets = merged(*lists, np.array([3, 4]), np.array([0, 2]), np.array([1]))
    >>> values.tolist(), offsets.tolist()
    ([1, 2, 3, 4, 5], [0, 2, 4, 5])
    """
    lengths = np.diff(more_offsets)
    places = np.repeat(offsets[rows], lengths)
    added = np.zeros(len(offsets), np.int64)
    added[rows + 1] = lengths
    new = np.insert(values[: offsets[-1]], places, more[: more_offsets[-1]])
    return new, offsets + np.cumsum(added)


#: A column below this is put together as one array; above it, one more copy is too much memory.
LARGE_COLUMN = 8 << 20


def few_chunks(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables together: small columns as one array, large ones in the arrays that they are."""
    together = pa.concat_tables(tables)
    columns = [
        column if column.nbytes > LARGE_COLUMN else column.combine_chunks()
        for column in together.columns
    ]
    return pa.table(columns, schema=together.schema)


def take_values(column: pa.ChunkedArray, rows: np.ndarray) -> pa.Array:
    """Return values of a column as one array, in the order of ``rows``.

    ``ChunkedArray.take`` puts all chunks together for it.
    """
    if column.num_chunks <= 1:
        return column.take(pa.array(rows)).combine_chunks()
    rows = rows.astype(np.int64)  # Arrow sorts into uint64, and numpy has no type for both
    starts = np.cumsum([0, *map(len, column.chunks)])
    chunk = np.searchsorted(starts, rows, side="right") - 1
    by_chunk = np.argsort(chunk, kind="stable")
    bounds = np.searchsorted(chunk[by_chunk], np.arange(column.num_chunks + 1))
    parts = [
        column.chunk(number).take(pa.array(rows[by_chunk[start:end]] - starts[number]))
        for number, (start, end) in enumerate(pairwise(bounds))
        if end > start
    ]
    place = np.empty(len(rows), np.int64)
    place[by_chunk] = np.arange(len(rows))
    return pa.concat_arrays([column.chunk(0)[:0], *parts]).take(pa.array(place))
