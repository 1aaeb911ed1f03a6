"""Find all pairs of documents whose shingle sets have a Jaccard similarity of a threshold or more.

The result is exact, without hashing into bands: a prefix filter (Chaudhuri et al. 2006, Bayardo et
al. 2007). Two sets with Jaccard at least t share an element among the first n - ceil(t n) + 1 of
each, in one order of elements, here the rarest first; so only those need an index. The sets are
those of the product, which tests compare with a plain Python implementation.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pyarrow as pa

from curate.dedup.options import Shingling
from curate.dedup.shingles import shingle_sets


def sets_of(texts: pa.LargeStringArray, shingling: Shingling | None = None) -> list[np.ndarray]:
    """Return the sorted shingle hashes of each text."""
    found: list[np.ndarray] = []
    for start in range(0, len(texts), 2_000):
        values, offsets = shingle_sets(texts.slice(start, 2_000), shingling or Shingling())
        found += [values[a:b].copy() for a, b in itertools.pairwise(offsets)]
    return found


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two sorted sets."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both) if len(a) or len(b) else 0.0


def pairs(sets: list[np.ndarray], threshold: float) -> dict[tuple[int, int], float]:
    """Return the similarity of every pair (i < j) that reaches the threshold."""
    all_hashes = np.concatenate([*sets, np.empty(0, np.uint64)])
    values, counts = np.unique(all_hashes, return_counts=True)
    index: dict[int, list[int]] = defaultdict(list)
    found: dict[tuple[int, int], float] = {}
    for document in sorted(range(len(sets)), key=lambda d: len(sets[d])):
        hashes = sets[document]
        size = len(hashes)
        if not size:
            continue
        rarest = hashes[np.lexsort((hashes, counts[np.searchsorted(values, hashes)]))]
        prefix = rarest[: size - math.ceil(threshold * size) + 1].tolist()
        candidates = {
            other
            for value in prefix
            for other in index[value]
            if len(sets[other]) >= threshold * size
        }
        for other in candidates:
            jaccard = similarity(hashes, sets[other])
            if jaccard >= threshold:
                found[min(document, other), max(document, other)] = jaccard
        for value in prefix:
            index[value].append(document)
    return found
