"""Anchors: the hash by which the windows of a text are looked up in other texts (winnowing).

Equal windows have equal anchors, and neighbouring windows mostly share one: Schleimer, Wilkerson
and Aiken 2003, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD. See
`curate.dedup.substring.repeated_spans`.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from curate.kernels.hashing import GOLDEN, mix64, spread
from curate.kernels.jit import kernel

#: The base of rolling hashes of symbols.
BASE = int(GOLDEN)
_MOST = 0xFFFFFFFFFFFFFFFF

#: Capacity for runs: a minimum, and the expected runs per stretch of windows (two on average).
#: Where it is too small the kernel returns the capacity that it needs, and is run again.
_MIN_CAPACITY, _DENSITY = 1024, 3


def anchor_size(window: int) -> int:
    """Return k: an anchor is the smallest hash of the k-grams of a window."""
    return window // 2


@kernel
def _anchors(
    data: np.ndarray,
    offsets: np.ndarray,
    window: int,
    k: int,
    counts: np.ndarray,
    found: np.ndarray,
    starts: np.ndarray,
) -> int:
    """Write anchor and first window of each run of windows with one anchor; count runs per text.

    The smallest hash of every window in one pass (van Herk's blocks), however the text repeats.
    Bound by the rolling hash and its finalizer. Return the number of runs, whether or not they all
    fit.
    """
    w = window - k + 1
    base = uint64(BASE)
    top = uint64(1)
    for _ in range(k):
        top *= base
    block = np.empty(w, np.uint64)
    suffix = np.empty(w + 1, np.uint64)
    capacity = len(found)
    n = 0
    for d in range(offsets.shape[0] - 1):
        begin = offsets[d]
        size = offsets[d + 1] - begin
        counts[d] = 0
        if size < window:
            continue
        first = n
        last = uint64(0)
        h = uint64(0)
        for i in range(k - 1):
            h = h * base + uint64(data[begin + i]) + uint64(1)
        prefix = uint64(_MOST)
        suffix[w] = uint64(_MOST)
        place = 0
        for j in range(size - k + 1):
            h = h * base + uint64(data[begin + j + k - 1]) + uint64(1)
            if j > 0:
                h -= (uint64(data[begin + j - 1]) + uint64(1)) * top
            g = mix64(h)
            prefix = min(prefix, g)
            block[place] = g
            place += 1
            if j >= w - 1:
                least = prefix if place == w else min(prefix, suffix[place])
                if n == first or least != last:
                    last = least
                    if n < capacity:
                        found[n] = least
                        starts[n] = j - w + 1
                    n += 1
            if place == w:
                for i in range(w - 1, -1, -1):
                    suffix[i] = min(block[i], suffix[i + 1])
                prefix = uint64(_MOST)
                place = 0
        counts[d] = n - first
    return n


def anchors(
    data: np.ndarray, offsets: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return anchors, the windows where their runs begin, and the number of runs of each text."""
    counts = np.empty(len(offsets) - 1, np.int64)
    k = anchor_size(window)
    capacity = _MIN_CAPACITY + _DENSITY * int(offsets[-1] - offsets[0]) // (window - k + 2)
    while True:
        found, starts = np.empty(capacity, np.uint64), np.empty(capacity, np.int64)
        n = _anchors(data, offsets, window, k, counts, found, starts)
        if n <= capacity:
            break
        capacity = n
    # The smallest hashes are all small: spread again, they are distributed evenly over partitions.
    return spread(found[:n]), starts[:n], counts
