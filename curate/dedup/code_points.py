"""From UTF-8 in an Arrow buffer to words or characters as 64-bit hashes, block by block.

A block of at most `BLOCK` code points is in flight, so a document of any size needs the same memory.
What a code point is and what it folds to is one table entry: `folded | kind << 24`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint8, uint32, uint64

from curate.text import unicode
from curate.text.jit import inline, kernel

BLOCK = 4096

#: Kinds of code points, for words. `SOLO` is a word by itself (Han, Kana, Thai ...); from `MARK` on
#: they are rare in most texts.
SEPARATOR, LETTER, DIGIT, SOLO, MARK, INVISIBLE = 0, 1, 2, 3, 4, 5
#: Set on Latin and Greek letters: a combining mark after one is dropped, as it is in `é`.
_LOSES_MARKS = 1 << 28
#: Set on digits that count as 0: a second one in a row says nothing new.
_REPEATS = 1 << 29
_FOLDED = np.uint32(0x1FFFFF)
_KIND = np.uint32(7)

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)

#: What a scan carries from block to block, in a uint64 array of this many fields.
POSITION, HAVE, HASH, PREVIOUS, NUMBER, N_FIELDS = 0, 1, 2, 3, 4, 5


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

    A run of digits is one 0 unless digits are kept.
    """
    kind = _kinds()
    table = unicode.BASE.astype(np.uint32) | (kind << np.uint32(24))
    latin_or_greek = np.isin(
        unicode.SCRIPT, [unicode.SCRIPTS.index("Latn"), unicode.SCRIPTS.index("Grek")]
    )
    table[latin_or_greek & (kind == LETTER)] |= np.uint32(_LOSES_MARKS)
    if not keep_digits:
        table[kind == DIGIT] = np.uint32(ord("0") | DIGIT << 24 | _REPEATS)
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


def text_buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Give bytes and offsets of a large_string array; a null text is an empty one."""
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    if len(texts) == 0:
        return np.frombuffer(b"", np.uint8), np.frombuffer(bytes(8), np.int64)
    _, offsets, data = texts.buffers()
    at = texts.offset
    return (
        np.frombuffer(data if data is not None else b"", np.uint8),
        np.frombuffer(offsets, np.int64)[at : at + len(texts) + 1],
    )


@inline
def mix(x: Any) -> Any:
    """Spread 64 bits over 64 bits (the finalizer of splitmix64), a bijection."""
    x = (x ^ (x >> uint64(30))) * _MIX1
    x = (x ^ (x >> uint64(27))) * _MIX2
    return x ^ (x >> uint64(31))


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
        # Not ASCII, or the end: the next 16 code points one by one.
        for _ in range(16):
            if at >= stop:
                break
            c = uint32(data[at])
            if c < 0x80:
                at += 1
            elif c < 0xE0:
                if at + 2 > stop:
                    at = stop
                    break
                c = ((c & uint32(31)) << uint32(6)) | (uint32(data[at + 1]) & uint32(63))
                at += 2
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


@kernel
def next_words(
    data: np.ndarray,
    stop: int,
    table: np.ndarray,
    entries: np.ndarray,
    state: np.ndarray,
    words: np.ndarray,
    numeric: np.ndarray,
) -> int:
    """Append the words of the next block to those that are there; give how many there are then.

    `numeric` tells words that are digits only. `state[HAVE]` words are there already, and the text
    is done when `state[POSITION]` is `stop`.
    """
    m, at = decode(data, int64(state[POSITION]), stop, table, entries)
    h, previous, number = state[HASH], uint32(state[PREVIOUS]), state[NUMBER]
    have = uint64(state[HAVE])
    n = have
    for i in range(m):
        entry = entries[i]
        kind = (entry >> uint32(24)) & _KIND
        if kind >= MARK and (kind == INVISIBLE or (previous & uint32(_LOSES_MARKS)) != 0):
            continue
        # No branches below: where words end is what a processor cannot foresee.
        before = (previous >> uint32(24)) & _KIND
        breaks = (kind == SEPARATOR) | (kind == SOLO) | ((before == SOLO) & (kind != MARK))
        words[n] = h
        numeric[n] = number
        n += uint64((before != SEPARATOR) & breaks)
        fresh = uint64((before == SEPARATOR) | breaks)
        again = uint64((entry & previous & uint32(_REPEATS)) != 0) * (uint64(1) - fresh)
        h &= fresh - uint64(1)
        h ^= uint64(entry & _FOLDED) & (again - uint64(1))
        h *= uint64(1) if again else _PRIME
        number = (number | fresh) & uint64(kind == DIGIT)
        # A mark belongs to what it stands on.
        previous = previous if (kind == MARK) & (before == SOLO) else entry
    if at >= stop and ((previous >> uint32(24)) & _KIND) != SEPARATOR:
        words[n] = h
        numeric[n] = number
        n += uint64(1)
        previous = uint32(0)
    state[POSITION], state[HASH], state[PREVIOUS], state[NUMBER] = (
        uint64(at),
        h,
        uint64(previous),
        number,
    )
    for i in range(have, n):
        words[i] = mix(words[i])
    return int(n)


@kernel
def next_characters(
    data: np.ndarray,
    stop: int,
    table: np.ndarray,
    entries: np.ndarray,
    state: np.ndarray,
    words: np.ndarray,
) -> int:
    """Append the characters of the next block, runs of white space as one space, none at the ends.

    Same shape as `next_words`: a character is hashed as a word of its own.
    """
    m, at = decode(data, int64(state[POSITION]), stop, table, entries)
    state[POSITION] = uint64(at)
    # PREVIOUS: whether a space waits; NUMBER: whether anything came before it.
    pending, started = state[PREVIOUS], state[NUMBER]
    have = uint64(state[HAVE])
    n = have
    for i in range(m):
        entry = entries[i]
        is_space = uint64((entry >> uint32(24)) & _KIND == SEPARATOR)
        words[n] = uint64(32)
        n += pending & (uint64(1) - is_space)
        words[n] = uint64(entry & _FOLDED)
        n += uint64(1) - is_space
        started |= uint64(1) - is_space
        pending = is_space & started
    state[PREVIOUS], state[NUMBER] = pending, started
    for i in range(have, n):
        words[i] = mix(words[i] * _PRIME)
    return int(n)
