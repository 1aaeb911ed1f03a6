"""Code points in UTF-8: what each is and what it folds to, read from and written to bytes.

Both are one table entry: `folded | kind << 24`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.jit import inline, kernel

BLOCK = 4096

#: Kinds of code points, for words. `SOLO` is a word by itself (Han, Kana, Thai ...); from `MARK` on
#: they are rare in most texts.
SEPARATOR, LETTER, DIGIT, SOLO, MARK, INVISIBLE = 0, 1, 2, 3, 4, 5
#: Set on Latin and Greek letters: a combining mark after one is dropped, as it is in `é`.
LOSES_MARKS = 1 << 28
#: Set on digits that count as 0: a second one in a row says nothing new.
REPEATS = 1 << 29
FOLDED, KIND = 0x1FFFFF, 7


def _kinds() -> np.ndarray:
    classes = unicode.CLASS
    kind = np.zeros(len(classes), np.uint32)
    kind[(classes & unicode.CONTROL) != 0] = INVISIBLE
    kind[(classes & unicode.LETTER) != 0] = LETTER
    kind[(classes & unicode.UNSPACED) != 0] = SOLO
    kind[(classes & unicode.DIGIT) != 0] = DIGIT
    kind[(classes & unicode.MARK) != 0] = MARK
    kind[(classes & unicode.SPACE) != 0] = SEPARATOR
    return kind


@lru_cache(maxsize=2)
def word_table(*, keep_digits: bool) -> np.ndarray:
    """Give the table for words: letters fold to their base, anything but words separates.

    Digits of all scripts fold to those of ASCII, and a run of them is one 0 unless they are kept.
    """
    kind = _kinds()
    table = np.where(kind == SEPARATOR, 0, unicode.BASE.astype(np.uint32) | (kind << np.uint32(24)))
    table = table.astype(np.uint32)
    latin_or_greek = np.isin(
        unicode.SCRIPT, [unicode.SCRIPTS.index("Latn"), unicode.SCRIPTS.index("Grek")]
    )
    table[latin_or_greek & (kind == LETTER)] |= np.uint32(LOSES_MARKS)
    digits = np.flatnonzero(kind == DIGIT)
    if keep_digits:  # each run of Nd begins with a zero, by Unicode's stability policy
        new = np.flatnonzero(np.diff(digits, prepend=-2) != 1)
        value = (digits - np.repeat(digits[new], np.diff(new, append=len(digits)))) % 10
        table[digits] = (ord("0") + value).astype(np.uint32) | np.uint32(DIGIT << 24)
    else:
        table[digits] = np.uint32(ord("0") | DIGIT << 24 | REPEATS)
    return table


@lru_cache(maxsize=1)
def character_table() -> np.ndarray:
    """Give the table for characters: folded case, white space separates, nothing else is lost."""
    space = (unicode.CLASS & unicode.SPACE) != 0
    kind = np.where(space, SEPARATOR, LETTER).astype(np.uint32)
    return unicode.FOLD.astype(np.uint32) | (kind << np.uint32(24))


@lru_cache(maxsize=1)
def visible_table() -> np.ndarray:
    """Give the table for whole texts: as for characters, and what cannot be seen is dropped."""
    table = character_table().copy()
    hidden = _kinds() == INVISIBLE
    table[hidden] = np.uint32(INVISIBLE << 24)
    return table


@inline
def put(out: np.ndarray, n: Any, c: Any) -> Any:
    """Write a code point at `n`; give the place behind it."""
    if c < 0x80:
        out[n] = uint8(c)
        return n + uint64(1)
    if c < 0x800:
        out[n] = uint8(uint32(0xC0) | (c >> uint32(6)))
        out[n + uint64(1)] = uint8(uint32(0x80) | (c & uint32(63)))
        return n + uint64(2)
    if c < 0x10000:
        out[n] = uint8(uint32(0xE0) | (c >> uint32(12)))
        out[n + uint64(1)] = uint8(uint32(0x80) | ((c >> uint32(6)) & uint32(63)))
        out[n + uint64(2)] = uint8(uint32(0x80) | (c & uint32(63)))
        return n + uint64(3)
    out[n] = uint8(uint32(0xF0) | (c >> uint32(18)))
    out[n + uint64(1)] = uint8(uint32(0x80) | ((c >> uint32(12)) & uint32(63)))
    out[n + uint64(2)] = uint8(uint32(0x80) | ((c >> uint32(6)) & uint32(63)))
    out[n + uint64(3)] = uint8(uint32(0x80) | (c & uint32(63)))
    return n + uint64(4)


@inline
def stretch(data: np.ndarray, at: Any, n_bytes: int, stop: Any) -> Any:
    """Give the end of the next so many bytes of a text, or up to three more: not into a character."""
    near = min(at + uint64(n_bytes), stop)
    for _ in range(3):
        near += uint64(near < stop and (data[near] & uint8(0xC0)) == uint8(0x80))
    return near


@kernel
def decode(
    data: np.ndarray, at: int, stop: int, table: np.ndarray, entries: np.ndarray
) -> tuple[int, int]:
    """Fill `entries` with the table's entries of the next code points; give count and position.

    A byte sequence that is cut off at `stop` ends the text; a byte that starts nothing is passed
    over as if it were U+FFFD.
    """
    m = 0
    while at < stop and m + 16 <= BLOCK:
        if at + 16 <= stop:
            seen = uint8(0)
            for j in range(16):
                seen |= data[at + j]
            if seen < 128:
                for j in range(16):
                    entries[m + j] = table[data[at + j]]
                m += 16
                at += 16
                continue
        # Not ASCII, or the end: the next 16 code points one by one. No branch between one byte and
        # two: where words end is what a processor cannot foresee.
        for _ in range(16):
            if at >= stop:
                break
            c = uint32(data[at])
            if c < 0xE0:
                two = int64(c >= 0x80)
                if at + 1 + two > stop:
                    at = stop
                    break
                pair = ((c & uint32(31)) << uint32(6)) | (uint32(data[at + two]) & uint32(63))
                c = pair if two else c
                at += 1 + two
            elif c < 0xF0:
                if at + 3 > stop:
                    at = stop
                    break
                c = (
                    ((c & uint32(15)) << uint32(12))
                    | ((uint32(data[at + 1]) & uint32(63)) << uint32(6))
                    | (uint32(data[at + 2]) & uint32(63))
                )
                at += 3
            else:
                if at + 4 > stop:
                    at = stop
                    break
                c = (
                    ((c & uint32(7)) << uint32(18))
                    | ((uint32(data[at + 1]) & uint32(63)) << uint32(12))
                    | ((uint32(data[at + 2]) & uint32(63)) << uint32(6))
                    | (uint32(data[at + 3]) & uint32(63))
                )
                at += 4
                if c > 0x10FFFF:
                    c = uint32(0xFFFD)
            entries[m] = table[c]
            m += 1
    return m, at
