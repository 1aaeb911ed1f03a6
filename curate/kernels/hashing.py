"""The 64-bit hashes of kernels, side by side. None is cryptographic.

Their values choose samples, band keys, partitions and repeated words, so they reach what is stored:
changing a constant or a shift changes the data set. All are the same on every machine.

* `mix64`: splitmix64's finalizer, the strongest: keys of samples, shingles, bands, lines and words
  of dedup.
* `fast_mix64`: one multiplication: hash tables, and hashes of the words and lines of one text.
* `spread`: for whole arrays of document numbers, which are consecutive: numpy, without a compiler.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import uint64

from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import eight_bytes, first_bytes

#: 2**64 divided by the golden ratio, odd: a product with it is well spread over 64 bits.
GOLDEN: Final = uint64(0x9E3779B97F4A7C15)
#: The multiplier of the mixer degski64, odd: where GOLDEN is already used.
DEGSKI: Final = uint64(0xD6E8FEB86659FD93)


@inline
def mix64(x: Any) -> Any:
    """Mix 64 bits, a bijection: the finalizer of splitmix64.

    Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA; the constants
    are those of Stafford's variant 13.
    """
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@kernel
def fast_mix64(x: Any) -> Any:
    """Mix 64 bits with one multiplication, a bijection."""
    x = (x ^ (x >> uint64(32))) * DEGSKI
    return x ^ (x >> uint64(29))


def spread(numbers: np.ndarray) -> npt.NDArray[np.uint64]:
    """Spread integers evenly over 64 bits, so that their high bits can number partitions."""
    x: npt.NDArray[np.uint64] = numbers.astype(np.uint64) * GOLDEN
    x = (x ^ (x >> np.uint64(32))) * DEGSKI
    return x ^ (x >> np.uint64(32))


@kernel
def hash_span(data: Any, start: Any, end: Any) -> Any:
    """Hash data[start:end], not empty; equal bytes have equal hashes wherever they are."""
    h = uint64(end - start) * DEGSKI
    i = start
    if end - i > 32:
        # Two chains side by side: a product need not wait for the other.
        g = h
        while end - i > 16:
            h = (h ^ eight_bytes(data, i)) * GOLDEN
            g = (g ^ eight_bytes(data, i + 8)) * DEGSKI
            h ^= h >> uint64(29)
            g ^= g >> uint64(31)
            i += 16
        h = fast_mix64(h) ^ g
    while end - i > 8:
        h = (h ^ eight_bytes(data, i)) * GOLDEN
        h ^= h >> uint64(29)
        i += 8
    if i + 8 <= len(data):
        block = eight_bytes(data, i) & first_bytes(end - i)
    else:
        block = uint64(0)
        for k in range(end - i):
            block |= uint64(data[i + k]) << uint64(8 * k)
    return fast_mix64((h ^ block) * GOLDEN)


@kernel
def hash_block(block: Any, size: Any) -> Any:
    """Hash the first ``size`` bytes of eight, 1 to 8, the others 0, as `hash_span` does."""
    return fast_mix64(((uint64(size) * DEGSKI) ^ block) * GOLDEN)


@kernel
def table_size(slots: Any) -> Any:
    """Return the smallest power of two at least ``slots`` and 16: the size of a hash table."""
    size = 16
    while size < slots:
        size *= 2
    return size
