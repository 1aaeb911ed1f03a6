"""Samples of long texts: pieces spread over their length, enough to identify most of them.

Where a sample leaves doubt, the whole text is read (curate.langid.identify).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import uint8, uint64

from curate.kernels.arrow import buffers, from_buffers
from curate.kernels.jit import kernel

#: A longer text is sampled. Smaller samples changed the labels of a few real texts.
MOST_BYTES: Final = 1536
PIECES: Final = 8
PIECE_BYTES: Final = 96

#: A piece begins and ends at a space, if one follows within this many bytes, else at a character.
_REACH: Final = 48


def sample(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, npt.NDArray[np.int64]]:
    """Return the texts, those of more than MOST_BYTES bytes as samples, and the rows of these.

    The pieces of a sample are in order, on lines of their own; the first begins the text and the
    last ends it.
    """
    data, offsets = buffers(texts)
    sizes = np.diff(offsets)
    rows = np.flatnonzero(sizes > MOST_BYTES)
    if not len(rows):
        return texts, rows
    sizes[rows] = PIECES * (PIECE_BYTES + _REACH + 4)  # at most: a newline, part of a character
    shown = np.empty(int(sizes.sum()), np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    _sample(data, offsets, shown, ends)
    return from_buffers(shown, ends), rows


@kernel
def _sample(data: Any, offsets: Any, out: Any, ends: Any) -> None:
    n = uint64(0)
    for d in range(len(offsets) - 1):
        start, stop = uint64(offsets[d]), uint64(offsets[d + 1])
        if stop - start <= uint64(MOST_BYTES):
            n = _copy(data, start, stop, out, n)
        else:
            for piece in range(uint64(PIECES)):
                step = (stop - start - uint64(PIECE_BYTES)) * piece // uint64(PIECES - 1)
                i = _cut(data, start + step, stop) if piece else start
                end = _cut(data, min(i + uint64(PIECE_BYTES), stop), stop)
                if piece:
                    out[n] = uint8(10)
                    n += uint64(1)
                n = _copy(data, i, end, out, n)
        ends[d + 1] = n


@kernel
def _copy(data: Any, at: Any, stop: Any, out: Any, n: Any) -> Any:
    """Append bytes to those in ``out``; return how many there are. Slices compile slowly."""
    for i in range(at, stop):
        out[n] = data[i]
        n += uint64(1)
    return n


@kernel
def _cut(data: Any, at: Any, stop: Any) -> Any:
    """Return the place of the next ASCII space, if one is near, else of the next character."""
    for i in range(at, min(at + uint64(_REACH), stop)):
        if data[i] <= uint8(32):
            return i
    while at < stop and (data[at] & uint8(0xC0)) == uint8(0x80):
        at += uint64(1)
    return at
