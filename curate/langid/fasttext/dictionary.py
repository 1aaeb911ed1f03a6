"""The dictionary of a fastText model: reading its entries and looking up a word.

Words are looked up by ``hash_span``; n-grams have fastText's hash (32-bit FNV-1a, signed bytes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from curate.kernels.hashing import hash_span
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import eight_bytes, first_bytes

HASH_START = np.uint32(2166136261)
HASH_PRIME = np.uint32(16777619)


@inline
def mix(state: Any, byte: Any) -> Any:
    """Add one byte to a fastText hash."""
    # fastText hashes signed chars: bytes from 128 on are extended with ones.
    wide = np.uint32(byte) | (np.uint32(0xFFFFFF00) if byte >= 128 else np.uint32(0))
    return np.uint32((state ^ wide) * HASH_PRIME)


@kernel
def read_entries(data: Any, at: int, begin: Any, end: Any, counts: Any, kinds: Any) -> int:
    """Read entries (word, NUL, int64 count, int8 kind); return the end, -1 if the bytes run out."""
    size = len(data)
    for entry in range(len(begin)):
        begin[entry] = at
        while at < size and data[at] != 0:
            at += 1
        end[entry] = at
        at += 1
        if at + 9 > size:
            return -1
        count = np.int64(0)
        for k in range(8):
            count |= np.int64(data[at + k]) << np.int64(8 * k)
        counts[entry] = count
        kinds[entry] = data[at + 8]
        at += 9
    return at


@kernel
def place_words(spelling: Any, begin: Any, end: Any, slots: Any) -> None:
    """Fill the open-addressing table of a dictionary; all of ``slots`` is -1 at first."""
    mask = len(slots) - 1
    for word in range(len(begin)):
        if begin[word] == end[word]:
            continue
        at = np.int64(hash_span(spelling, begin[word], end[word])) & mask
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = word


@kernel
def find_word(
    spelling: Any, begin: Any, end: Any, slots: Any, data: Any, start: int, stop: int, hashed: Any
) -> int:
    """Return the number of the word ``data[start:stop]`` of hash ``hashed``; -1 if unknown."""
    mask = len(slots) - 1
    at = np.int64(hashed) & mask
    while slots[at] >= 0:
        word = slots[at]
        first = begin[word]
        if end[word] - first == stop - start and _same(spelling, first, data, start, stop - start):
            return int(word)
        at = (at + 1) & mask
    return -1


@kernel
def _same(one: Any, first: Any, other: Any, start: Any, size: Any) -> Any:
    """Return whether ``size`` bytes at two places are the same; eight at a time where they fit."""
    if size >= 8:
        return same_bytes(one, first, other, start, size)
    if first + 8 <= len(one) and start + 8 <= len(other):
        differing = eight_bytes(one, first) ^ eight_bytes(other, start)
        return differing & first_bytes(size) == uint64(0)
    same = True
    for i in range(size):
        same &= one[first + i] == other[start + i]
    return same


@kernel
def same_bytes(one: Any, first: Any, other: Any, start: Any, size: Any) -> Any:
    """Return whether the eight or more bytes at two places are the same."""
    k = int64(0)
    while k < size:
        at = min(k, size - 8)
        if eight_bytes(one, first + at) != eight_bytes(other, start + at):
            return False
        k += 8
    return True
