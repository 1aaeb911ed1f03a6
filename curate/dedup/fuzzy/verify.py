"""The rule of removal: who goes, who stays, and which kept document is the witness.

Two documents are candidates when they share a band key. Walk the documents in keeper order; one is
removed when a document already kept is its candidate and its verified near duplicate: Jaccard of the
exact shingle sets (or the share of its own set that the kept one has) at least the threshold. It is
compared, band by band, with the kept documents of
its bucket, of which a bucket remembers the first `max_witnesses`. The signatures' estimate may
reject a pair, never accept one.

So every removed document has a kept witness, and nothing is removed for being like something that
is like something. A later document never changes what happened to an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import int64

from curate.dedup.shingles import shared
from curate.errors import InternalError
from curate.kernels.jit import inline, kernel

#: Streams the shingle sets of asked members: which members, their values, and offsets into these.
ReadSets = Callable[[np.ndarray], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule: `fewest` equal values make a pair worth an exact comparison.

    With `contained` the measure is the share of a document's shingles that its witness has.
    """

    threshold: float
    fewest: int
    max_witnesses: int = 64
    contained: bool = False


@dataclass(frozen=True)
class Verdicts:
    """For each member, in keeper order: its witness (-1 = kept), how alike they are, whether it is
    kept although it met a bucket that remembers no more witnesses, and with how many members it was
    compared exactly.
    """

    witness: np.ndarray
    similarity: np.ndarray
    capped: np.ndarray
    compared: np.ndarray


@inline
def _too_small(n: int, m: int, threshold: float, contained: bool) -> bool:
    """Tell whether sizes alone put a set of n below the threshold with a witness of m."""
    larger = n if contained else max(n, m)
    return bool((m if contained else min(n, m)) < threshold * larger - 1e-9 * larger)


@kernel
def _similarity(
    values: np.ndarray,
    a: int,
    a_end: int,
    b: int,
    b_end: int,
    threshold: float,
    contained: bool,
) -> float:
    """Say how alike a set is to its witness, or -1 where sizes alone put it below the threshold."""
    n, m = a_end - a, b_end - b
    if _too_small(n, m, threshold, contained):
        return -1.0
    both = shared(values, a, a_end, b, b_end)
    return both / (n if contained else n + m - both)


@kernel
def _agree(signatures: np.ndarray, x: int, y: int, fewest: int) -> bool:
    equal = 0
    for p in range(signatures.shape[1]):
        equal += signatures[x, p] == signatures[y, p]
    return equal >= fewest


@kernel
def _place(values: np.ndarray, x: int) -> int:
    """Give the place of x in sorted values."""
    low, high = 0, values.shape[0]
    while low < high:
        middle = (low + high) // 2
        if values[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _walk(
    start: int,
    stop: int,
    settled: int,
    buckets: np.ndarray,
    room: np.ndarray,
    filled: np.ndarray,
    remembered: np.ndarray,
    signatures: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    known: np.ndarray,
    known_similarity: np.ndarray,
    threshold: float,
    fewest: int,
    contained: bool,
    seen: np.ndarray,
    witness: np.ndarray,
    similarities: np.ndarray,
    capped: np.ndarray,
    compared: np.ndarray,
) -> None:
    members = buckets.shape[0]
    for d in range(start, stop):
        met = False
        for band in range(buckets.shape[1] if d >= settled else 0):
            bucket = buckets[d, band]
            if bucket < 0:
                continue
            first = room[bucket]
            met |= first + filled[bucket] == room[bucket + 1]
            for at in range(first, first + filled[bucket]):
                w = remembered[at]
                if seen[w] == d:
                    continue
                seen[w] = d
                if not _agree(signatures, d, w, fewest):
                    continue
                if w >= start:
                    i, j = d - start, w - start
                    similarity = _similarity(
                        values,
                        offsets[i],
                        offsets[i + 1],
                        offsets[j],
                        offsets[j + 1],
                        threshold,
                        contained,
                    )
                else:
                    similarity = known_similarity[_place(known, int64(d) * members + w)]
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
            if bucket >= 0 and room[bucket] + filled[bucket] < room[bucket + 1]:
                remembered[room[bucket] + filled[bucket]] = d
                filled[bucket] += 1


@kernel
def _earlier_pairs(
    start: int,
    stop: int,
    settled: int,
    buckets: np.ndarray,
    room: np.ndarray,
    filled: np.ndarray,
    remembered: np.ndarray,
    signatures: np.ndarray,
    fewest: int,
    seen: np.ndarray,
    pairs: np.ndarray,
) -> int:
    """Write the pairs of a block with witnesses of earlier blocks; only count when `pairs` is empty."""
    members = buckets.shape[0]
    n = 0
    for d in range(max(start, settled), stop):
        for band in range(buckets.shape[1]):
            bucket = buckets[d, band]
            if bucket < 0:
                continue
            for at in range(room[bucket], room[bucket] + filled[bucket]):
                w = remembered[at]
                if seen[w] == d:
                    continue
                seen[w] = d
                if _agree(signatures, d, w, fewest):
                    if n < pairs.shape[0]:
                        pairs[n] = int64(d) * members + w
                    n += 1
    return n


@kernel
def _compare(
    lefts: np.ndarray,
    rights: np.ndarray,
    left_values: np.ndarray,
    left_offsets: np.ndarray,
    right_values: np.ndarray,
    right_offsets: np.ndarray,
    threshold: float,
    contained: bool,
    out: np.ndarray,
) -> None:
    for i in range(lefts.shape[0]):
        a, a_end = left_offsets[lefts[i]], left_offsets[lefts[i] + 1]
        b, b_end = right_offsets[rights[i]], right_offsets[rights[i] + 1]
        n, m = a_end - a, b_end - b
        if _too_small(n, m, threshold, contained):
            out[i] = -1.0
            continue
        both = 0
        while a < a_end and b < b_end:
            x, y = left_values[a], right_values[b]
            both += int64(x == y)
            a += int64(x <= y)
            b += int64(y <= x)
        out[i] = both / (n if contained else n + m - both)


def walk(
    buckets: np.ndarray,
    counts: np.ndarray,
    signatures: np.ndarray,
    sizes: np.ndarray,
    read: ReadSets,
    rule: Rule,
    *,
    block_values: int,
    settled: int = 0,
) -> Verdicts:
    """Apply the rule to the members of one component (or several), given in keeper order.

    `buckets` and `counts` are those of `signatures.buckets_of`, `sizes` the sizes of the members' shingle sets,
    and `read` streams the sets of asked members, in any order and any cut. The first `settled` members
    are kept whatever they are like. Where all sets fit in `block_values` shingles they are read once.
    Else the members are walked in blocks, block j against the kept of the blocks before it, which
    are streamed again for each block: same answer, more time.
    """
    members = len(buckets)
    room = np.concatenate([[0], np.cumsum(np.minimum(counts, rule.max_witnesses))]).astype(np.int64)
    filled = np.zeros(len(counts), np.int64)
    remembered = np.empty(room[-1], np.int64)
    seen = np.full(members, -1, np.int64)
    verdicts = Verdicts(
        np.full(members, -1, np.int64),
        np.full(members, np.nan),
        np.zeros(members, np.bool_),
        np.zeros(members, np.int32),
    )
    signatures = np.ascontiguousarray(signatures)
    for start, stop in _blocks(sizes, block_values):
        asked = np.arange(start, stop)
        values, offsets = _gather(read, asked, sizes)
        known, known_similarity = np.empty(0, np.int64), np.empty(0, np.float64)
        if start:
            state = (
                start,
                stop,
                settled,
                buckets,
                room,
                filled,
                remembered,
                signatures,
                rule.fewest,
            )
            count = _earlier_pairs(*state, np.full(members, -1, np.int64), known)
            known = np.empty(count, np.int64)
            _earlier_pairs(*state, np.full(members, -1, np.int64), known)
            known.sort()
            known_similarity = _verify_earlier(
                known, members, start, values, offsets, sizes, read, rule, block_values
            )
        _walk(
            start,
            stop,
            settled,
            buckets,
            room,
            filled,
            remembered,
            signatures,
            values,
            offsets,
            known,
            known_similarity,
            rule.threshold,
            rule.fewest,
            rule.contained,
            seen,
            verdicts.witness,
            verdicts.similarity,
            verdicts.capped,
            verdicts.compared,
        )
    return verdicts


def _blocks(sizes: np.ndarray, block_values: int) -> list[tuple[int, int]]:
    """Cut members into runs of at most `block_values` shingles, at least one member each."""
    blocks, start, held = [], 0, 0
    for i, size in enumerate(sizes.tolist()):
        if i > start and held + size > block_values:
            blocks.append((start, i))
            start, held = i, 0
        held += size
    return [*blocks, (start, len(sizes))] if len(sizes) else []


def _gather(read: ReadSets, asked: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the sets of asked members (ascending) and lay them side by side in that order."""
    offsets = np.concatenate([[0], np.cumsum(sizes[asked])]).astype(np.int64)
    values = np.empty(offsets[-1], np.uint64)
    wrong = InternalError(
        "the shingle sets that were read are not those that were asked for",
        where="fuzzy_dedup solve",
    )
    found = [np.empty(0, np.int64)]
    for who, theirs, starts in read(asked):
        place = np.searchsorted(asked, who)
        known = asked[np.minimum(place, len(asked) - 1)] == who
        if not known.all() or not np.array_equal(np.diff(starts), sizes[who]):
            raise wrong
        _lay(theirs, starts.astype(np.int64), offsets[place], values)
        found.append(who)
    if not np.array_equal(np.sort(np.concatenate(found)), asked):
        raise wrong
    return values, offsets


@kernel
def _lay(values: np.ndarray, starts: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
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
    rule: Rule,
    block_values: int,
) -> np.ndarray:
    similarities = np.empty(len(pairs), np.float64)
    left, right = pairs // members, pairs % members
    witnesses = np.unique(right)
    for first, last in _blocks(sizes[witnesses], block_values):
        asked = witnesses[first:last]
        their_values, their_offsets = _gather(read, asked, sizes)
        which = np.flatnonzero((right >= asked[0]) & (right <= asked[-1]))
        out = np.empty(len(which), np.float64)
        _compare(
            left[which] - start,
            np.searchsorted(asked, right[which]),
            values,
            offsets,
            their_values,
            their_offsets,
            rule.threshold,
            rule.contained,
            out,
        )
        similarities[which] = out
    return similarities
