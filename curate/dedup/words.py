"""A text as the hashes of its words, or of its characters: what shingles are made of.

Words are folded first, into bytes that end in zeros: letters to their base, a run of digits to one 0,
everything between words to nothing. Then each word is hashed, eight bytes at a time. The same word in
the same letters has the same hash in every text, whatever stood around it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint8, uint32, uint64
from numba.cpython.unsafe.numbers import trailing_zeros

from curate.dedup.code_points import (
    FOLDED,
    INVISIBLE,
    KIND,
    LOSES_MARKS,
    MARK,
    REPEATS,
    SEPARATOR,
    SOLO,
    mix,
    point,
    put,
)
from curate.text.jit import inline, kernel

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_UPPER_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
_DIGITS = np.uint64(0x3030303030303030)

#: Bytes of plain text that are folded at once.
_STEP = 32


@inline
def room(n_bytes: int) -> int:
    """Give the 64-bit words that the folded form of any text of so many bytes fits into.

    A character between unspaced ones gets a zero beside it, and nothing grows by more; then what a
    step writes ahead, and the zeros of the end.
    """
    return n_bytes // 4 + 8


@kernel
def fold(
    data: np.ndarray,
    start: int,
    stop: int,
    table: np.ndarray,
    keep_digits: bool,
    out: np.ndarray,
) -> int:
    """Write the words of a text, each folded and ended by zeros; give the bytes written.

    Sixteen zeros stand behind the last byte. Bound by memory in plain text: the inner loop is
    vectorised; one character at a time where it is not plain (not ASCII, controls, runs of digits).
    """
    n, at, end = uint64(0), uint64(start), uint64(stop)
    previous = uint32(0)
    while at < end:
        if at + uint64(_STEP) < end:
            # What the table says of ASCII, as arithmetic; a test holds the two together.
            odd = uint8((previous & table[data[at]] & uint32(REPEATS)) != 0)
            for j in range(_STEP):
                c, following = data[at + uint64(j)], data[at + uint64(j) + uint64(1)]
                low = uint8(c | uint8(32))
                letter = uint8(low - uint8(97)) < uint8(26)
                digit = uint8(c - uint8(48)) < uint8(10)
                run = digit & (uint8(following - uint8(48)) < uint8(10)) & (not keep_digits)
                space = (uint8(c - uint8(9)) < uint8(5)) | (uint8(c - uint8(28)) < uint8(5))
                odd |= uint8((c >= uint8(127)) | ((c < uint8(32)) & (not space)) | run)
                zero = c if keep_digits else uint8(48)
                out[n + uint64(j)] = low if letter else (zero if digit else uint8(0))
            if odd == 0:
                if (previous >> uint32(24)) & uint32(KIND) == SOLO:
                    # The first byte would join what stands alone: again, one place further on.
                    out[n] = uint8(0)
                    n += uint64(1)
                    previous = uint32(0)
                    continue
                n += uint64(_STEP)
                at += uint64(_STEP)
                previous = table[data[at - uint64(1)]]
                continue
        near = min(at + uint64(_STEP), end)
        while at < near:
            c, width = point(data, at, end)
            at += width
            entry = table[c]
            kind = (entry >> uint32(24)) & uint32(KIND)
            before = (previous >> uint32(24)) & uint32(KIND)
            if kind == SEPARATOR:
                out[n] = uint8(0)
                n += uint64(1)
            elif kind == INVISIBLE or (kind == MARK and (previous & uint32(LOSES_MARKS)) != 0):
                continue
            elif (entry & previous & uint32(REPEATS)) == 0:
                if kind == SOLO or (before == SOLO and kind != MARK):
                    out[n] = uint8(0)
                    n += uint64(1)
                n = put(out, n, entry & uint32(FOLDED))
            # A mark belongs to what it stands on.
            previous = previous if (kind == MARK) & (before == SOLO) else entry
    for j in range(16):
        out[n + uint64(j)] = uint8(0)
    return int(n)


@inline
def _eight(folded: np.ndarray, at: Any) -> Any:
    """Give the eight bytes at any place of an array of aligned 64-bit words."""
    i, shift = at >> uint64(3), (at & uint64(7)) << uint64(3)
    later = (folded[i + uint64(1)] << uint64(1)) << (uint64(63) - shift)
    return (folded[i] >> shift) | later


@kernel
def hash_words(
    folded: np.ndarray, n_bytes: int, hashes: np.ndarray, numeric: np.ndarray
) -> tuple[int, int]:
    """Hash the words of folded bytes, given as 64-bit words; tell which are digits only.

    Gives how many words there are and how many of those are numbers. Bound by the branch to a word's
    end: some twenty cycles a word.
    """
    at, stop = uint64(0), uint64(n_bytes)
    n, numbers = uint64(0), uint64(0)
    while at < stop:
        x = _eight(folded, at)
        h, number = uint64(0), uint64(1)
        ends = (x - _ONES) & ~x & _HIGHS
        while ends == 0:
            number &= uint64((x & _UPPER_HALVES) == _DIGITS)
            h = (h ^ x) * _PRIME
            h ^= h >> uint64(32)
            at += uint64(8)
            x = _eight(folded, at)
            ends = (x - _ONES) & ~x & _HIGHS
        length = uint64(trailing_zeros(ends)) >> uint64(3)
        mask = (uint64(1) << (length << uint64(3))) - uint64(1)
        x &= mask
        word = uint64((h | x) != 0)
        number &= uint64((x & _UPPER_HALVES) == (_DIGITS & mask)) & word
        hashes[n] = (h ^ x) * _PRIME
        numeric[n] = uint8(number)
        n += word
        numbers += number
        at += length + uint64(1)
    for i in range(n):
        hashes[i] = mix(hashes[i])
    return int(n), int(numbers)


@kernel
def hash_characters(
    data: np.ndarray, start: int, stop: int, table: np.ndarray, hashes: np.ndarray
) -> int:
    """Hash the characters of a text, runs of white space as one space, none at the ends; give how many."""
    at, end = uint64(start), uint64(stop)
    n, pending = uint64(0), uint64(0)
    while at < end:
        c, width = point(data, at, end)
        at += width
        entry = table[c]
        visible = uint64((entry >> uint32(24)) & uint32(KIND) != SEPARATOR)
        hashes[n] = uint64(32)
        n += pending & visible
        hashes[n] = uint64(entry & uint32(FOLDED))
        n += visible
        pending = (uint64(1) - visible) & uint64(n > uint64(0))
    for i in range(n):
        hashes[i] = mix(hashes[i] * _PRIME)
    return int(n)
