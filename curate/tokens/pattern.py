r"""The pattern that Tekken splits text with, as a scanner that reads every text in linear time.

::

    [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+   end in lower case
    [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*   in capitals
    \p{N}                                                                          one digit
     ?[^\s\p{L}\p{N}]+[\r\n/]*                                                     punctuation
    \s*[\r\n]+                                                                     to a last newline
    \s+(?!\S)                                                                      spaces but one
    \s+                                                                            one space

A backtracking engine needs a stack as deep as a run of spaces is long; tiktoken 0.14 crashes on a
million spaces. Here each alternative looks ahead over a run once.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode, width

TEKKEN_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

#: RAISED and LOWERED are the two bracketed classes of the pattern; they share Lm, Lo and M.
RAISED, LOWERED, LETTER, NUMBER, SPACE, NEWLINE, SLASH = 1, 2, 4, 8, 16, 32, 64


@lru_cache(maxsize=1)
def classes() -> npt.NDArray[np.uint8]:
    """Load the class bits of every code point, as the tokenizers' regex engine has them."""
    with resources.as_file(resources.files("curate.tokens") / "classes.npz") as path:
        table: npt.NDArray[np.uint8] = np.load(path)["classes"]
    return table


@kernel
def _class_at(data: Any, at: Any, end: Any, table: Any) -> Any:
    """Return a code point's class bits, 0 in bad UTF-8, and where the next begins."""
    first = np.int64(data[at])
    if first < 0x80:
        return np.int64(table[first]), at + 1
    if first < 0xC0 or at + width(data[at]) > end:
        return np.int64(0), at + 1
    code, size = decode(data, at)
    return np.int64(table[min(np.int64(code), 0x10FFFF)]), at + size


@kernel
def _word(data: Any, at: int, end: int, table: Any) -> tuple[int, int]:
    """Match ``RAISED*LOWERED+``: return the end or -1, and the end of the run of RAISED alone."""
    here, lowered = at, -1
    bits, after = 0, at
    while here < end:
        bits, after = _class_at(data, here, end, table)
        if not bits & RAISED:
            break
        here = after
        if bits & LOWERED:
            lowered = here
    raised = here
    if here < end and bits & LOWERED:
        while here < end:
            bits, after = _class_at(data, here, end, table)
            if not bits & LOWERED:
                break
            here = after
        return here, raised
    # The engine backs up to the last character that is in both classes.
    return lowered, raised


@kernel
def piece_end(data: Any, at: int, end: int, table: Any) -> Any:
    """Return the end of the piece that begins at byte ``at``, which is before ``end``."""
    bits, after = _class_at(data, at, end, table)
    leads = not bits & (LETTER | NUMBER | NEWLINE)
    capitals = -1
    if leads and after < end:
        stop, raised = _word(data, after, end, table)
        if stop > 0:
            return stop
        if raised > after:
            capitals = raised
    if bits & (RAISED | LOWERED):
        stop, raised = _word(data, at, end, table)
        if stop > 0:
            return stop
        if capitals < 0 and raised > at:
            capitals = raised
    if capitals > 0:
        return capitals
    if bits & NUMBER:
        return after
    return _unworded_end(data, at, end, table)


@kernel
def _unworded_end(data: Any, at: int, end: int, table: Any) -> int:
    """Return the end of a match of the alternatives for punctuation and whitespace."""
    bits, after = _class_at(data, at, end, table)
    here = at
    if data[at] == 32 and after < end:
        bits, after = _class_at(data, after, end, table)
        here = at + 1
    if not bits & (SPACE | LETTER | NUMBER):
        while here < end and not bits & (SPACE | LETTER | NUMBER):
            here = after
            if here < end:
                bits, after = _class_at(data, here, end, table)
        while here < end and bits & (NEWLINE | SLASH):
            here = after
            if here < end:
                bits, after = _class_at(data, here, end, table)
        return here
    newline, last, here = -1, at, at
    while here < end:
        bits, after = _class_at(data, here, end, table)
        if not bits & SPACE:
            break
        last, here = here, after
        if bits & NEWLINE:
            newline = here
    if newline > 0:
        return newline
    return last if here < end and last > at else here
