"""Words between whitespace, counted on UTF-8 bytes: the unit of fertility."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels.arrow import buffers
from curate.kernels.jit import inline, kernel

#: What a byte can begin: 0 no whitespace, 1 whitespace of one byte, 2 perhaps a longer whitespace.
_FIRST = np.zeros(256, np.uint8)
_FIRST[[*range(0x09, 0x0E), *range(0x1C, 0x21)]] = 1
_FIRST[[0xC2, 0xE1, 0xE2, 0xE3]] = 2


@inline
def _wide(data: Any, at: Any, end: Any) -> Any:
    """Return the bytes of a White_Space character beyond ASCII; 0 if none is at ``at``."""
    first = data[at]
    if first == 0xC2:
        return 2 if at + 1 < end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if at + 2 >= end:
        return 0
    second, third = data[at + 1], data[at + 2]
    if first == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if first == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x81:
        return 3 if third == 0x9F else 0
    if second != 0x80:
        return 0
    return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0


@kernel
def _count(data: Any, offsets: Any, begins: Any, out: Any) -> None:
    # Speed limit: one look-up and one branch per byte.
    for i in range(len(offsets) - 1):
        at, end = offsets[i], offsets[i + 1]
        words = 0
        before = 1  # whether the preceding character separates words
        while at < end:
            kind = begins[data[at]]
            if kind == 0:
                words += before
                before = 0
                at += 1
                continue
            width = 1
            if kind == 2:
                width = _wide(data, at, end)
            if width == 0:
                words += before
                before = 0
                at += 1
            else:
                before = 1
                at += width
        out[i] = words


def count_words(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    r"""Count each text's words; null and empty have 0.

    >>> count_words(pa.array(["бір екі\u3000үш", " ", None], pa.large_string()))
    array([3, 0, 0])
    """
    out = np.zeros(len(texts), np.int64)
    _count(*buffers(texts), _FIRST, out)
    return out
