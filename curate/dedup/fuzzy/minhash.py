"""MinHash signatures that datasketch can read: its `affine32` permutations on our shingles.

The share of equal values in two signatures estimates the Jaccard similarity of the two sets
(Broder 1997); with P values its standard deviation is sqrt(J (1 - J) / P).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numba import uint32, uint64

from curate.dedup.options import Shingling
from curate.dedup.shingles import shingles
from curate.kernels.grouping import first_of_runs
from curate.kernels.hashing import GOLDEN, mix64
from curate.kernels.jit import inline, kernel
from curate.schema import whole

#: Every value of the signature of a document without shingles, as in datasketch.
EMPTY = np.uint32(0xFFFFFFFF)


@lru_cache(maxsize=8)
def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b of datasketch 2.0's `affine32` scheme: v = a * h + b mod 2**32.

    >>> a, b = permutations(128, 1)
    >>> bool((a % 2 == 1).all()), b.dtype.name
    (True, 'uint32')
    """
    random = np.random.RandomState(seed)
    a = random.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = random.randint(0, 1 << 32, count, dtype=np.uint32)
    return a, b


@inline
def short_hash(shingle: Any) -> Any:
    """Return the upper 32 bits of a shingle, mixed as datasketch does before it permutes."""
    h = uint32(shingle >> uint64(32))
    h = uint32(h ^ (h >> uint32(16)))
    h = uint32(h * uint32(0x85EBCA6B))
    h = uint32(h ^ (h >> uint32(13)))
    h = uint32(h * uint32(0xC2B2AE35))
    return uint32(h ^ (h >> uint32(16)))


@kernel
def _lower(hashes: np.ndarray, n: int, a: np.ndarray, b: np.ndarray, signature: np.ndarray) -> None:
    # Four permutations at a time over all hashes: the inner loop is a vector minimum.
    count = a.shape[0]
    whole = count - count % 4
    for p in range(0, whole, 4):
        a0, a1, a2, a3 = a[p], a[p + 1], a[p + 2], a[p + 3]
        b0, b1, b2, b3 = b[p], b[p + 1], b[p + 2], b[p + 3]
        m0, m1, m2, m3 = signature[p], signature[p + 1], signature[p + 2], signature[p + 3]
        for i in range(n):
            x = hashes[i]
            v0 = uint32(a0 * x + b0)
            v1 = uint32(a1 * x + b1)
            v2 = uint32(a2 * x + b2)
            v3 = uint32(a3 * x + b3)
            m0 = v0 if v0 < m0 else m0
            m1 = v1 if v1 < m1 else m1
            m2 = v2 if v2 < m2 else m2
            m3 = v3 if v3 < m3 else m3
        signature[p], signature[p + 1], signature[p + 2], signature[p + 3] = m0, m1, m2, m3
    for p in range(whole, count):
        lowest = signature[p]
        for i in range(n):
            v = uint32(a[p] * hashes[i] + b[p])
            lowest = v if v < lowest else lowest
        signature[p] = lowest


@kernel
def _sign(
    values: np.ndarray, offsets: np.ndarray, a: np.ndarray, b: np.ndarray, signatures: np.ndarray
) -> None:
    longest = 0
    for d in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    hashes = np.empty(longest, np.uint32)
    for d in range(offsets.shape[0] - 1):
        n = offsets[d + 1] - offsets[d]
        for i in range(n):
            hashes[i] = short_hash(values[offsets[d] + i])
        signatures[d, :] = EMPTY
        _lower(hashes, n, a, b, signatures[d])


def sign_texts(
    texts: pa.LargeStringArray, shingling: Shingling, count: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the signatures of texts (rows of `count` uint32) and each text's number of shingles.

    Repeats are counted. A text without shingles has a count of 0 and a signature of `EMPTY`, which
    nothing may be compared with.

    >>> texts = pa.array(["a b c d e f", ""], pa.large_string())
    >>> signatures, counts = sign_texts(texts, Shingling(), 8)
    >>> signatures.shape, counts.tolist()
    ((2, 8), [2, 0])
    """
    a, b = permutations(count, seed)
    signatures = np.empty((len(texts), count), np.uint32)
    counts = np.empty(len(texts), np.int64)
    at = 0
    for values, offsets in shingles(texts, shingling):
        here = slice(at, at + len(offsets) - 1)
        _sign(values, offsets, a, b, signatures[here])
        counts[here] = np.diff(offsets)
        at = here.stop
    return signatures, counts


def sign_sets(values: np.ndarray, offsets: np.ndarray, count: int, seed: int = 1) -> np.ndarray:
    """Return the signatures of shingle sets: those of the texts that they come from."""
    a, b = permutations(count, seed)
    signatures = np.empty((len(offsets) - 1, count), np.uint32)
    _sign(values, offsets, a, b, signatures)
    return signatures


def min_equal_values(threshold: float, count: int) -> int:
    """Return how many equal values two signatures need to be worth an exact comparison.

    That is an estimate of at least threshold - 4 standard deviations: of the pairs at the threshold
    about 3 in 100,000 are missed.

    >>> min_equal_values(0.8, 160)
    108
    """
    sigma = math.sqrt(threshold * (1 - threshold) / count)
    return max(0, math.ceil((threshold - 4 * sigma) * count - 1e-9))


@kernel
def agree(signatures: np.ndarray, x: int, y: int, min_equal: int) -> bool:
    """Return whether two signatures are equal in at least `min_equal` values."""
    equal = 0
    for p in range(signatures.shape[1]):
        equal += signatures[x, p] == signatures[y, p]
    return equal >= min_equal


@kernel
def _band_keys(signatures: np.ndarray, first: int, rows: int, keys: np.ndarray) -> None:
    for d in range(signatures.shape[0]):
        for band in range(first, first + keys.shape[1]):
            high = mix64(uint64(band) + uint64(0x243F6A8885A308D3))
            low = mix64(uint64(band) + uint64(0x13198A2E03707344))
            for row in range(rows):
                value = uint64(signatures[d, band * rows + row])
                high = mix64(high ^ value)
                low = mix64((low ^ value) * GOLDEN)
            keys[d, band - first, 0] = high
            keys[d, band - first, 1] = low


def band_keys(signatures: np.ndarray, bands: int, rows: int, first: int = 0) -> np.ndarray:
    """Return the keys of bands, (documents, bands, 2) uint64: 128 bits, with the band number.

    64 bits would join unrelated documents by chance once there are billions of keys. `first` is the
    number of the first band to compute.
    """
    keys = np.empty((len(signatures), bands, 2), np.uint64)
    _band_keys(signatures, first, rows, keys)
    return keys


def buckets_of(signatures: np.ndarray, bands: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the band keys that two members or more share: (members, bands) with -1 elsewhere.

    Also return the size of each bucket. A band key includes its band's number, so equal keys are
    always in the same band, and only one band's keys are in memory at a time.
    """
    buckets = np.full((len(signatures), bands), -1, np.int32)
    counts, first = [np.zeros(0, np.int64)], 0
    for band in range(bands):
        keys = band_keys(signatures, 1, rows, band)[:, 0, :]
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        run = np.cumsum(first_of_runs(*keys[order].T)) - 1
        sizes = np.bincount(run, minlength=1)
        several = sizes >= 2
        number = np.where(several, first + np.cumsum(several) - 1, -1).astype(np.int32)
        buckets[order, band] = number[run]
        counts.append(sizes[several])
        first += int(several.sum())
    return buckets, np.concatenate(counts)


@kernel
def _mark(keys: np.ndarray, shift: int, seen: np.ndarray, again: np.ndarray) -> None:
    for i in range(keys.shape[0]):
        k = keys[i] >> uint64(shift)
        bit = uint64(1) << (k & uint64(63))
        word = k >> uint64(6)
        again[word] |= seen[word] & bit
        seen[word] |= bit


@kernel
def _marked(keys: np.ndarray, shift: int, again: np.ndarray, out: np.ndarray) -> None:
    for i in range(keys.shape[0]):
        k = keys[i] >> uint64(shift)
        out[i] = (again[k >> uint64(6)] >> (k & uint64(63))) & uint64(1)


def maybe_shared(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return whether each key, given in parts, may occur more than once.

    True for all that do, and for at most one in sixteen others: keys are hashes, and those with the
    same first bits are considered equal. Bound by the scattered reads of two tables of 2 to 4 bytes
    a key each, which take a fraction of a sort.
    """
    bits = max(10, (16 * sum(map(len, parts))).bit_length())
    seen, again = np.zeros((2, 1 << (bits - 6)), np.uint64)
    shared = [np.empty(len(keys), np.bool_) for keys in parts]
    for keys in parts:
        _mark(keys, 64 - bits, seen, again)
    for keys, flags in zip(parts, shared, strict=True):
        _marked(keys, 64 - bits, again, flags)
    return shared


def signature_column(signatures: np.ndarray) -> pa.FixedSizeListArray:
    """Return signatures as an Arrow column of fixed-size lists."""
    flat = pa.array(signatures.reshape(-1), pa.uint32())
    return pa.FixedSizeListArray.from_arrays(flat, signatures.shape[1])


def signature_array(table: pa.Table) -> np.ndarray:
    """Return the signatures of a table as a matrix."""
    column = whole(table.column("signature"))
    count = column.type.list_size
    return np.ascontiguousarray(column.flatten().to_numpy().reshape(-1, count))
