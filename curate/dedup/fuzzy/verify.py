"""The rule of removal: which documents are removed, and which kept document is the witness.

Two documents are candidates when they share a band key. The documents are processed in keeper
order; one is removed when a document already kept is its candidate and its verified near duplicate:
Jaccard of the exact shingle sets (or the share of its own set that the kept one has) at least the
threshold. It is compared, band by band, with the kept documents of its bucket, of which a bucket
remembers the first `max_witnesses`. The signatures' estimate may reject a pair, never accept one.

So every removed document has a kept witness, and similarity is not inherited through a chain. A
later document never changes what was decided on an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import int64

from curate.dedup.fuzzy.minhash import agree
from curate.dedup.shingles import shared
from curate.errors import InternalError
from curate.kernels.jit import kernel

#: Yields the shingle sets of given members: which members, their values, and offsets into these.
ReadSets = Callable[[np.ndarray], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class RemovalRule:
    """The numbers of the rule: `min_equal` equal values make a pair worth an exact comparison.

    With `contained` the measure is the share of a document's shingles that its witness has.
    """

    threshold: float
    min_equal: int
    max_witnesses: int = 64
    contained: bool = False


class Verdicts(NamedTuple):
    """The verdict on each member, in keeper order."""

    witness: np.ndarray  #: -1 where the member is kept
    similarity: np.ndarray  #: to the witness
    capped: np.ndarray  #: kept, although a bucket of it already remembered `max_witnesses`
    compared: np.ndarray  #: the number of candidate pairs that the signatures did not reject


@kernel
def _similarity(
    values: np.ndarray,
    offsets: np.ndarray,
    i: int,
    witness_values: np.ndarray,
    witness_offsets: np.ndarray,
    j: int,
    threshold: float,
    contained: bool,
) -> float:
    """Return the similarity of set i to its witness j; -1 if sizes alone rule it out."""
    a, a_end = offsets[i], offsets[i + 1]
    b, b_end = witness_offsets[j], witness_offsets[j + 1]
    n, m = a_end - a, b_end - b
    larger = n if contained else max(n, m)
    if (m if contained else min(n, m)) < threshold * larger - 1e-9 * larger:
        return -1.0
    both = shared(values, a, a_end, witness_values, b, b_end)
    return float(both / (n if contained else n + m - both))


@kernel
def _search(values: np.ndarray, x: int) -> int:
    """Return the position of x in sorted values."""
    low, high = 0, values.shape[0]
    while low < high:
        middle = (low + high) // 2
        if values[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _verify_block(
    start: int,
    stop: int,
    always_kept: int,
    buckets: np.ndarray,
    slots: np.ndarray,
    filled: np.ndarray,
    remembered: np.ndarray,
    signatures: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    earlier_pairs: np.ndarray,
    earlier_similarity: np.ndarray,
    threshold: float,
    min_equal: int,
    contained: bool,
    seen: np.ndarray,
    witness: np.ndarray,
    similarities: np.ndarray,
    capped: np.ndarray,
    compared: np.ndarray,
) -> None:
    """Decide the members of a block [start, stop), in keeper order; write the last four arrays.

    A member is compared, band by band, with the witnesses that its buckets remember, each once; the
    first that verifies is its witness. Without one it is kept, and its buckets with room remember
    it: bucket b has the places slots[b] to slots[b + 1] in `remembered`, the first filled[b] in
    use. Similarities to witnesses of earlier blocks are looked up in the sorted `earlier_pairs`.
    """
    members = buckets.shape[0]
    for d in range(start, stop):
        met = False
        for band in range(buckets.shape[1] if d >= always_kept else 0):
            bucket = buckets[d, band]
            if bucket < 0:
                continue
            first = slots[bucket]
            met |= first + filled[bucket] == slots[bucket + 1]
            for at in range(first, first + filled[bucket]):
                w = remembered[at]
                if seen[w] == d:
                    continue
                seen[w] = d
                if not agree(signatures, d, w, min_equal):
                    continue
                if w >= start:
                    i, j = d - start, w - start
                    similarity = _similarity(
                        values, offsets, i, values, offsets, j, threshold, contained
                    )
                else:
                    similarity = earlier_similarity[_search(earlier_pairs, int64(d) * members + w)]
                compared[d] += 1
                if similarity >= threshold:
                    witness[d] = w
                    similarities[d] = similarity
                    break
            if witness[d] >= 0:
                break
        if witness[d] >= 0:
            continue
        capped[d] = met
        for band in range(buckets.shape[1]):
            bucket = buckets[d, band]
            if bucket >= 0 and slots[bucket] + filled[bucket] < slots[bucket + 1]:
                remembered[slots[bucket] + filled[bucket]] = d
                filled[bucket] += 1


@kernel
def _earlier_pairs(
    start: int,
    stop: int,
    always_kept: int,
    buckets: np.ndarray,
    slots: np.ndarray,
    filled: np.ndarray,
    remembered: np.ndarray,
    signatures: np.ndarray,
    min_equal: int,
    seen: np.ndarray,
    pairs: np.ndarray,
) -> int:
    """Write a block's pairs with witnesses of earlier blocks; only count when `pairs` is empty."""
    members = buckets.shape[0]
    n = 0
    for d in range(max(start, always_kept), stop):
        for band in range(buckets.shape[1]):
            bucket = buckets[d, band]
            if bucket < 0:
                continue
            for at in range(slots[bucket], slots[bucket] + filled[bucket]):
                w = remembered[at]
                if seen[w] == d:
                    continue
                seen[w] = d
                if agree(signatures, d, w, min_equal):
                    if n < pairs.shape[0]:
                        pairs[n] = int64(d) * members + w
                    n += 1
    return n


@kernel
def _compare(
    lefts: np.ndarray,
    rights: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    witness_values: np.ndarray,
    witness_offsets: np.ndarray,
    threshold: float,
    contained: bool,
    out: np.ndarray,
) -> None:
    """Write the similarity of each pair (left, right) to `out`; -1 if sizes alone rule it out."""
    for n in range(lefts.shape[0]):
        i, j = lefts[n], rights[n]
        out[n] = _similarity(
            values, offsets, i, witness_values, witness_offsets, j, threshold, contained
        )


def greedy_verify(
    buckets: np.ndarray,
    counts: np.ndarray,
    signatures: np.ndarray,
    sizes: np.ndarray,
    read: ReadSets,
    rule: RemovalRule,
    *,
    block_values: int,
    always_kept: int = 0,
) -> Verdicts:
    """Apply the rule to the members of one component (or several), given in keeper order.

    `buckets` and `counts` are those of `minhash.buckets_of`, `sizes` the sizes of the members'
    shingle sets, and `read` yields the sets of given members, in any order and in any pieces. The
    first `always_kept` members are kept without a comparison. Where all sets fit in `block_values`
    shingles they are read once. Else the members are processed in blocks, block j against the kept
    members of the blocks before it, which are read again for each block: same answer, more time.
    """
    members = len(buckets)
    slots = np.concatenate([[0], np.cumsum(np.minimum(counts, rule.max_witnesses))])
    slots = slots.astype(np.int64)
    filled = np.zeros(len(counts), np.int64)
    remembered = np.empty(slots[-1], np.int64)
    seen = np.full(members, -1, np.int64)
    verdicts = Verdicts(
        np.full(members, -1, np.int64),
        np.full(members, np.nan),
        np.zeros(members, np.bool_),
        np.zeros(members, np.int32),
    )
    signatures = np.ascontiguousarray(signatures)
    for start, stop in _blocks(sizes, block_values):
        values, offsets = _gather(read, np.arange(start, stop), sizes)
        pairs, similarities = np.empty(0, np.int64), np.empty(0, np.float64)
        block = (start, stop, always_kept, buckets, slots, filled, remembered, signatures)
        if start:
            count = _earlier_pairs(*block, rule.min_equal, np.full(members, -1, np.int64), pairs)
            pairs = np.empty(count, np.int64)
            _earlier_pairs(*block, rule.min_equal, np.full(members, -1, np.int64), pairs)
            pairs.sort()
            similarities = _verify_earlier(
                pairs, members, start, values, offsets, sizes, read, rule, block_values
            )
        numbers = rule.threshold, rule.min_equal, rule.contained
        _verify_block(*block, values, offsets, pairs, similarities, *numbers, seen, *verdicts)
    return verdicts


def _blocks(sizes: np.ndarray, block_values: int) -> list[tuple[int, int]]:
    """Cut members into runs of at most `block_values` shingles, at least one member each."""
    blocks, start, total = [], 0, 0
    for i, size in enumerate(sizes.tolist()):
        if i > start and total + size > block_values:
            blocks.append((start, i))
            start, total = i, 0
        total += size
    return [*blocks, (start, len(sizes))] if len(sizes) else []


def _gather(
    read: ReadSets, members: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Read the sets of members (ascending) and lay them side by side in that order."""
    offsets = np.concatenate([[0], np.cumsum(sizes[members])]).astype(np.int64)
    values = np.empty(offsets[-1], np.uint64)
    wrong = InternalError(
        "the shingle sets that were read are not those that were asked for",
        where="fuzzy_dedup verify",
    )
    received = [np.empty(0, np.int64)]
    for owners, owner_values, starts in read(members):
        place = np.searchsorted(members, owners)
        requested = members[np.minimum(place, len(members) - 1)] == owners
        if not requested.all() or not np.array_equal(np.diff(starts), sizes[owners]):
            raise wrong
        _copy_sets(owner_values, starts.astype(np.int64), offsets[place], values)
        received.append(owners)
    if not np.array_equal(np.sort(np.concatenate(received)), members):
        raise wrong
    return values, offsets


@kernel
def _copy_sets(values: np.ndarray, starts: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    for i in range(places.shape[0]):
        for j in range(starts[i + 1] - starts[i]):
            out[places[i] + j] = values[starts[i] + j]


def _verify_earlier(
    pairs: np.ndarray,
    members: int,
    start: int,
    values: np.ndarray,
    offsets: np.ndarray,
    sizes: np.ndarray,
    read: ReadSets,
    rule: RemovalRule,
    block_values: int,
) -> np.ndarray:
    """Return the similarity of each pair of a block's member with a witness of an earlier block."""
    similarities = np.empty(len(pairs), np.float64)
    left, right = pairs // members, pairs % members
    witnesses = np.unique(right)
    for first, last in _blocks(sizes[witnesses], block_values):
        chosen = witnesses[first:last]
        witness_sets = _gather(read, chosen, sizes)
        rows = np.flatnonzero((right >= chosen[0]) & (right <= chosen[-1]))
        out = np.empty(len(rows), np.float64)
        places = left[rows] - start, np.searchsorted(chosen, right[rows])
        _compare(*places, values, offsets, *witness_sets, rule.threshold, rule.contained, out)
        similarities[rows] = out
    return similarities
