"""Folding for hash keys: tables of each code point's folded form and kind, applied to UTF-8.

A table entry is `folded | kind << 24`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import int64, uint8, uint32

from curate.kernels import unicode
from curate.kernels.jit import kernel

BLOCK = 4096

#: Kinds of code points, for words. `SOLO` is a word by itself (Han, Kana, Thai ...); `MARK` and
#: those after it are rare in most texts.
SEPARATOR, LETTER, DIGIT, SOLO, MARK, INVISIBLE = 0, 1, 2, 3, 4, 5
#: Set on Latin and Greek letters: a combining mark after one is dropped, as in `é`.
LOSES_MARKS = 1 << 28
#: Set on digits that fold to 0: a second one in a row is dropped.
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
    """Return the table for words: letters fold to their base, everything but words separates.

    Digits of all scripts fold to those of ASCII; a run of them is one 0 unless they are kept.
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
    """Return the table for characters: folded case, white space separates, the rest is kept."""
    space = (unicode.CLASS & unicode.SPACE) != 0
    kind = np.where(space, SEPARATOR, LETTER).astype(np.uint32)
    return unicode.FOLD.astype(np.uint32) | (kind << np.uint32(24))


@lru_cache(maxsize=1)
def visible_table() -> np.ndarray:
    """Return the table for whole texts: as for characters, and the invisible is dropped."""
    table = character_table().copy()
    hidden = _kinds() == INVISIBLE
    table[hidden] = np.uint32(INVISIBLE << 24)
    return table


@kernel
def decode_block(
    data: np.ndarray, at: int, stop: int, table: np.ndarray, entries: np.ndarray
) -> tuple[int, int]:
    """Fill `entries` with the table entries of the next code points; return count and position.

    A byte sequence that is cut off at `stop` ends the text; a code point above U+10FFFF is read as
    U+FFFD. This does not call `utf8.decode`: sixteen ASCII bytes in one test, and one and two bytes
    without a branch, are what makes folding fast.
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
        # two, because a processor cannot predict where words end.
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
