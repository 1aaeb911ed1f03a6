"""The dictionary of a fastText model: reading its entries and looking up a word.

Words are looked up by ``hash_span``; n-grams have fastText's hash (32-bit FNV-1a, signed bytes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from curate.kernels.hashing import hash_span
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import eight_bytes

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
    """Fill the open-addressing table of a dictionary: the hash of a word, and size and number.

    All of ``slots``, int64[2**k, 2], is -1 at first.
    """
    mask = uint64(len(slots) - 1)
    for word in range(len(begin)):
        size = end[word] - begin[word]
        if size == 0:
            continue
        hashed = hash_span(spelling, begin[word], end[word])
        at = hashed & mask
        while slots[at, 1] >= 0:
            at = (at + uint64(1)) & mask
        slots[at, 0], slots[at, 1] = int64(hashed), size << 32 | word


@kernel
def find_word(
    spelling: Any, begin: Any, slots: Any, data: Any, start: int, stop: int, hashed: Any
) -> int:
    """Return the number of the word ``data[start:stop]`` of hash ``hashed``; -1 if unknown."""
    mask = uint64(len(slots) - 1)
    at, size = uint64(hashed) & mask, stop - start
    while slots[at, 1] >= 0:
        if slots[at, 0] == int64(hashed) and slots[at, 1] >> 32 == size:
            word = slots[at, 1] & 0xFFFFFFFF
            # Words of up to eight bytes are the same if their hashes are.
            if size <= 8 or same_bytes(spelling, begin[word], data, start, size):
                return int(word)
        at = (at + uint64(1)) & mask
    return -1


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
