"""The scan in front of the masks: one pass finds the signs that all personal data of a kind has.

Arrow's RE2 then reads only the texts with such signs: it takes some 3 ns per byte, and hardly a
text has an address or a long number. The scan can see too much, but misses nothing.

Speed limit: memory. Blocks without a digit and an at sign are skipped by a vectorised loop.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numba import int64, uint8, uint64

from curate.kernels.arrow import buffers
from curate.kernels.jit import kernel

#: The signs, as bits: an at sign; nine digits with at most one space or hyphen between two; four
#: runs of digits with one point between two; a digit and other hexadecimal ones before colons.
AT, LONG_NUMBER, POINTS, COLONS, DIGIT = 1, 2, 4, 8, 16

_BLOCK: Final = 32
_LONG: Final = 9


def scan(texts: pa.LargeStringArray) -> np.ndarray:
    """Return the signs in each text, as bits; 0 for null.

    >>> scan(pa.array(["a@b", "1 to 3", "123-45-6789", "10.0.0.1"], pa.large_string())).tolist()
    [1, 16, 18, 20]
    """
    data, offsets = buffers(texts)
    found = np.zeros(len(texts), np.uint8)
    _scan(data, offsets, found)
    return found


@kernel
def _is_digit(byte: Any) -> Any:
    return uint8(byte - uint8(48)) < uint8(10)


@kernel
def _is_hex(byte: Any) -> Any:
    letter = uint8((byte | uint8(32)) - uint8(97)) < uint8(6)
    return letter | (uint8(byte - uint8(48)) < uint8(10))


@kernel
def _before_colons(data: Any, at: Any, end: Any) -> Any:
    """Return whether one to four hexadecimal digits, the first a decimal one, precede a colon."""
    i = at
    while i < end and i < at + uint64(4) and _is_hex(data[i]):
        i += uint64(1)
    return i < end and data[i] == uint8(58)


@kernel
def _scan(data: Any, offsets: Any, found: Any) -> None:
    for text in range(len(offsets) - 1):
        i, end = uint64(offsets[text]), uint64(offsets[text + 1])
        seen = 0
        digits = points = int64(0)  # of the number until here
        last = uint8(0)  # the byte before
        while i < end:
            stop = min(i + uint64(_BLOCK), end)
            if stop == i + uint64(_BLOCK):
                any_sign = uint8(0)
                for k in range(_BLOCK):
                    byte = data[i + uint64(k)]
                    any_sign |= uint8((uint8(byte - uint8(48)) < uint8(10)) | (byte == uint8(64)))
                if any_sign == uint8(0):
                    # A number goes on behind the block only if it has no byte of this one.
                    digits = points = int64(0)
                    i, last = stop, uint8(0)
                    continue
            while i < stop:
                byte = data[i]
                if _is_digit(byte):
                    seen |= DIGIT
                    digits += 1
                    if digits >= _LONG:
                        seen |= LONG_NUMBER
                    if points == 3:
                        seen |= POINTS
                    if (seen & COLONS) == 0 and _before_colons(data, i, end):
                        seen |= COLONS
                elif _is_digit(last) and byte == uint8(46):
                    digits = int64(0)
                    points += 1
                elif _is_digit(last) and (byte == uint8(32) or byte == uint8(45)):
                    points = int64(0)
                else:
                    digits = points = int64(0)
                    if byte == uint8(64):
                        seen |= AT
                last = byte
                i += uint64(1)
        found[text] = seen
