"""Continued byte-pair encoding: new tokens on top of a vocabulary that stays as it is.

The pieces of a text, counted, are encoded with the base. Then the pair of neighbours that occurs
most often becomes a token, its occurrences are joined, and so on (Sennrich et al. 2016, "Neural
machine translation of rare words with subword units"). Every pair knows its count and where it
occurs, so a step costs what it joins; a heap finds the next pair. Counts in the heap may be too
high, because joins nearby lower them: such a pair is entered again when it comes up.

A new token joins as in tiktoken, however it was cut: any two neighbours that are tokens and whose
joined bytes are the new token. Not made is a token that

* holds a part of a character and more than that: text could be cut there,
* its own bytes would not be encoded as, because other joins come first,
* has the bytes of a token of the base, which joins other halves to it.

Pieces lie one after another in one int32 array, a slot per token of the base's encoding. A joined
token stands in its first slot; its second and last have minus its number of slots, so that
neighbours are found in both directions. A piece ends with -(its number) - PIECE.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.hashing import hash_span, table_size
from curate.kernels.jit import kernel
from curate.tokens.merge import slot_of
from curate.tokens.token_tables import LONGEST, NEVER, Joins, Tokens, find, grown

#: What ends piece number n is -(n + PIECE).
PIECE = 1024

_NONE = np.int32(-1)

#: Why a pair became no token, in the order of the counts that `learn` returns.
REFUSALS = ("cuts_a_character", "not_reachable", "in_the_base")


class Learned(NamedTuple):
    """New tokens in the order in which they were learned."""

    tokens: list[bytes]
    occurrences: list[int]  #: of the joined pair, when it was joined
    refused: dict[str, int]  #: pairs that became no token, by reason


def lay_out(
    encoded: npt.NDArray[np.int32], ends: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return encoded pieces of more than one token as slots, and how often each piece occurs."""
    kept = np.flatnonzero(np.diff(ends) > 1)
    slots = np.empty(int(np.diff(ends)[kept].sum()) + len(kept), np.int32)
    _lay_out(encoded, ends, kept, slots)
    return slots, counts[kept]


def learn(
    slots: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int64],
    tokens: Tokens,
    joins: Joins,
    *,
    first: int,
    add: int,
    min_count: int,
    banned: frozenset[bytes] = frozenset(),
) -> Learned:
    """Learn up to ``add`` tokens from pieces as `lay_out` returns them; the slots change.

    New tokens have numbers from ``first`` on. A pair that occurs less than ``min_count`` times is
    not joined, nor one whose bytes are ``banned``. Of equal counts the pair of the lower numbers is
    joined first, so that the order of the pieces has no effect. Deterministic.
    """
    hashes = [_hash_of(token) for token in banned]
    content, offsets, numbers = _learn(
        slots, weights, *tokens, *joins, first, add, min_count,
        np.array(hashes, np.uint64),
    )  # fmt: skip
    made = [content[a:b].tobytes() for a, b in pairwise(offsets)]
    refused = dict(zip(REFUSALS, numbers[: len(REFUSALS)].tolist(), strict=True))
    return Learned(made, numbers[len(REFUSALS) :].tolist(), refused)


def _hash_of(token: bytes) -> int:
    return int(hash_span(np.frombuffer(token, np.uint8), 0, len(token)))


@kernel
def _lay_out(encoded: Any, ends: Any, kept: Any, slots: Any) -> None:
    at = 0
    for number in range(len(kept)):
        for i in range(ends[kept[number]], ends[kept[number] + 1]):
            slots[at] = encoded[i]
            at += 1
        slots[at] = -(number + PIECE)
        at += 1


@kernel
def _next(slots: Any, at: Any) -> Any:
    """Return the slot of the token behind the one at ``at``, or of the end of the piece."""
    after = at + 1
    if slots[after] < 0 and slots[after] > -PIECE:
        after = at - slots[after]
    return after


@kernel
def _previous(slots: Any, at: Any) -> Any:
    """Return the slot of the token before the one at ``at``, or -1."""
    before = at - 1
    if before < 0 or slots[before] <= -PIECE:
        return np.int64(-1)
    if slots[before] < 0:
        before += slots[before] + 1
    return np.int64(before)


@kernel
def _rehashed(keys: Any, count: Any, size: Any) -> Any:
    """Return a table of ``size`` slots with the number of each of ``count`` keys, and its keys."""
    found, numbers = np.full(size, np.int64(-1)), np.empty(size, np.int32)
    for number in range(count):
        slot = find(found, keys[number])
        found[slot], numbers[slot] = keys[number], number
    return found, numbers


@kernel
def _count_pairs(slots: Any, weights: Any, min_count: Any) -> Any:
    """Count neighbours; return table, keys, counts, offsets and places of the frequent ones."""
    table, numbers = np.full(1 << 16, np.int64(-1)), np.empty(1 << 16, np.int32)
    keys, counts = np.empty(1 << 15, np.int64), np.empty(1 << 15, np.int64)
    places = np.empty(1 << 15, np.int64)
    pairs = start = 0
    for at in range(len(slots)):
        if slots[at] >= 0:
            continue
        weight = weights[-slots[at] - PIECE]
        for i in range(start, at - 1):
            key = np.int64(slots[i]) << 32 | np.int64(slots[i + 1])
            slot = find(table, key)
            if table[slot] < 0:
                if pairs == len(keys):
                    keys, counts = grown(keys, 2 * pairs), grown(counts, 2 * pairs)
                    places = grown(places, 2 * pairs)
                if 2 * pairs >= len(table):
                    table, numbers = _rehashed(keys, pairs, 2 * len(table))
                    slot = find(table, key)
                table[slot], numbers[slot] = key, pairs
                keys[pairs], counts[pairs], places[pairs] = key, 0, 0
                pairs += 1
            counts[numbers[slot]] += weight
            places[numbers[slot]] += 1
        start = at + 1
    # Only pairs that can be joined keep their places; others cannot become more frequent.
    kept = 0
    offsets = np.zeros(pairs + 1, np.int64)
    for pair in range(pairs):
        if counts[pair] >= min_count:
            keys[kept], counts[kept] = keys[pair], counts[pair]
            offsets[kept + 1] = offsets[kept] + places[pair]
            kept += 1
    table, numbers = _rehashed(keys, kept, table_size(4 * kept))
    filled = offsets[:kept].copy()
    occurrences = np.empty(offsets[kept], np.int32)
    for at in range(len(slots) - 1):
        if slots[at] >= 0 and slots[at + 1] >= 0:
            slot = find(table, np.int64(slots[at]) << 32 | np.int64(slots[at + 1]))
            if table[slot] >= 0:
                occurrences[filled[numbers[slot]]] = at
                filled[numbers[slot]] += 1
    return (
        table,
        numbers,
        keys[:kept].copy(),
        counts[:kept].copy(),
        offsets[: kept + 1],
        occurrences,
    )


@kernel
def _before(counts: Any, keys: Any, a: Any, b: Any) -> Any:
    """Return whether entry ``a`` of the heap comes before ``b``: more often, or lower numbers."""
    return counts[a] > counts[b] or (counts[a] == counts[b] and keys[a] < keys[b])


@kernel
def _push(counts: Any, keys: Any, size: Any, count: Any, key: Any) -> Any:
    """Enter a pair into the heap; return its arrays, which may have grown, and its new size."""
    counts, keys = grown(counts, size + 1), grown(keys, size + 1)
    counts[size], keys[size] = count, key
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if not _before(counts, keys, at, up):
            break
        counts[at], counts[up] = counts[up], counts[at]
        keys[at], keys[up] = keys[up], keys[at]
        at = up
    return counts, keys, size + 1


@kernel
def _sift_down(counts: Any, keys: Any, at: Any, size: Any) -> None:
    while True:
        best = at
        for down in range(2 * at + 1, min(2 * at + 3, size)):
            if _before(counts, keys, down, best):
                best = down
        if best == at:
            break
        counts[at], counts[best] = counts[best], counts[at]
        keys[at], keys[best] = keys[best], keys[at]
        at = best


@kernel
def _cuts_a_character(data: Any, size: Any) -> Any:
    """Return whether bytes of UTF-8 hold a part of a character beside other bytes."""
    at = 0
    while at < size and data[at] & 0xC0 == 0x80:
        at += 1
    if at > 0:
        return at < size
    while at < size:
        width = 1 if data[at] < 0x80 else 2 if data[at] < 0xE0 else 3 if data[at] < 0xF0 else 4
        if at + width > size:
            return at > 0
        for i in range(at + 1, at + width):
            if data[i] & 0xC0 != 0x80:
                return True
        at += width
    return False


@kernel
def _joined(
    left: Any, right: Any, content: Any, offsets: Any, slots: Any, keys: Any, ranks: Any,
    products: Any, first: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Return rank and product of two tokens in the vocabulary so far; rank NEVER if they stay two.

    The base's merges come first, then the joins of a new token to an old one, then those to new
    tokens in their order.
    """
    slot = find(keys, np.int64(left) << 32 | np.int64(right))
    if keys[slot] >= 0:
        return np.int64(ranks[slot]), products[slot]
    size = 0
    for number in (left, right):
        for i in range(offsets[number], offsets[number + 1]):
            if size == LONGEST:
                return NEVER, _NONE
            scratch[size] = content[i]
            size += 1
    number = slots[slot_of(scratch, 0, size, content, offsets, slots)]
    if number >= first:
        return (np.int64(1) << 32) + number, number
    if number >= 0 and (left >= first or right >= first):
        return np.int64(1) << 31, number
    return NEVER, _NONE


@kernel
def _parts(
    data: Any, size: Any, content: Any, offsets: Any, slots: Any, singles: Any, keys: Any,
    ranks: Any, products: Any, first: Any, part: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Encode bytes with the vocabulary so far; return how many tokens they are, in ``part``."""
    n = size
    for i in range(n):
        part[i] = singles[data[i]]
    while n > 1:
        best, at, product = NEVER, 0, _NONE
        for i in range(n - 1):
            rank, joined = _joined(
                part[i], part[i + 1], content, offsets, slots, keys, ranks, products, first, scratch
            )
            if rank < best:
                best, at, product = rank, i, joined
        if best == NEVER:
            break
        part[at] = product
        n -= 1
        for i in range(at + 1, n):
            part[i] = part[i + 1]
    return n


@kernel
def _changed(change: Any, pending: Any, waiting: Any, side: Any, weight: Any, at: Any) -> Any:
    """Note that a pair with the joined token occurs more or less often, and where it may stand."""
    change[side] += weight
    pending[waiting] = np.int64(side) << 32 | np.int64(at)
    return waiting + 1


@kernel
def _learn(
    slots: Any, weights: Any, content: Any, starts: Any, index: Any, singles: Any, merge_keys: Any,
    merge_ranks: Any, merge_products: Any, first: Any, add: Any, min_count: Any, banned: Any,
) -> Any:  # fmt: skip
    table, numbers, keys, counts, offsets, occurrences = _count_pairs(slots, weights, min_count)
    pairs = len(keys)
    begin, end = offsets[:-1].copy(), offsets[1:].copy()
    used = len(occurrences)
    heap_counts, heap_keys, heap = counts.copy(), keys.copy(), pairs
    for i in range((heap >> 1) - 1, -1, -1):
        _sift_down(heap_counts, heap_keys, i, heap)

    # The vocabulary grows: numbers from the old ones' end to `first` are empty.
    offsets_of = np.full(first + add + 1, len(content), np.int64)
    offsets_of[: len(starts)] = starts
    content = grown(content, len(content) + 16 * add)
    joined_counts = np.zeros(len(REFUSALS) + add, np.int64)
    text, scratch = np.empty(LONGEST, np.uint8), np.empty(LONGEST, np.uint8)
    part = np.empty(LONGEST, np.int32)

    # What a step adds to pairs with the joined token: by the other token, left of it and right.
    change = np.zeros(2 * (first + add), np.int64)
    pending = np.empty(1024, np.int64)
    made = 0
    while made < add and heap > 0:
        count, key = heap_counts[0], heap_keys[0]
        heap -= 1
        heap_counts[0], heap_keys[0] = heap_counts[heap], heap_keys[heap]
        _sift_down(heap_counts, heap_keys, 0, heap)
        pair = numbers[find(table, key)]
        if counts[pair] != count:
            if min_count <= counts[pair] < count:
                heap_counts, heap_keys, heap = _push(
                    heap_counts, heap_keys, heap, counts[pair], key
                )
            continue
        left, right = np.int32(key >> 32), np.int32(key & 0xFFFFFFFF)
        size = 0
        for number in (left, right):
            for i in range(offsets_of[number], offsets_of[number + 1]):
                if size < LONGEST:
                    text[size] = content[i]
                size += 1
        if size > LONGEST:
            counts[pair] = 0
            continue
        slot = slot_of(text, 0, size, content, offsets_of, index)
        joined = index[slot]
        refusal: Any = -1
        if joined >= 0 and joined < first and left < first and right < first:
            refusal = 2
        elif joined < 0 and _cuts_a_character(text, size):
            refusal = 0
        elif joined < 0:
            n = _parts(
                text, size, content, offsets_of, index, singles, merge_keys, merge_ranks,
                merge_products, first, part, scratch,
            )  # fmt: skip
            if n != 2 or np.any(banned == hash_span(text, 0, size)):
                refusal = 1
        if refusal >= 0:
            joined_counts[refusal] += 1
            counts[pair] = 0
            continue
        if joined < 0:
            joined = np.int32(first + made)
            joined_counts[len(REFUSALS) + made] = count
            made += 1
            content = grown(content, offsets_of[joined] + size)
            for i in range(size):
                content[offsets_of[joined] + i] = text[i]
            offsets_of[joined + 1] = offsets_of[joined] + size
            index[slot] = joined

        waiting = 0
        for cut in range(1, size):
            a = index[slot_of(text, 0, cut, content, offsets_of, index)]
            b = index[slot_of(text[cut:], 0, size - cut, content, offsets_of, index)]
            if a < 0 or b < 0 or (joined < first and a < first and b < first):
                continue
            slot = find(table, np.int64(a) << 32 | np.int64(b))
            if table[slot] < 0:
                continue
            pair = numbers[slot]
            for occurrence in range(begin[pair], end[pair]):
                at = np.int64(occurrences[occurrence])
                if slots[at] != a:
                    continue
                behind = np.int64(_next(slots, at))
                if slots[behind] != b:
                    continue
                after = np.int64(_next(slots, behind))
                until = after
                while slots[until] > -PIECE:
                    until = _next(slots, until)
                weight = weights[-slots[until] - PIECE]
                before = _previous(slots, at)
                width = np.int32(after - at)
                slots[at], slots[behind] = joined, -width
                slots[at + 1] = slots[after - 1] = -width
                pending = grown(pending, waiting + 4)
                if before >= 0:
                    # The pair (other, a) is gone, and (other, joined) there.
                    other = slots[before]
                    if other == joined:
                        waiting = _changed(change, pending, waiting, 2 * a + 1, -weight, before)
                    else:
                        slot = find(table, np.int64(other) << 32 | np.int64(a))
                        if table[slot] >= 0:
                            counts[numbers[slot]] -= weight
                    waiting = _changed(change, pending, waiting, 2 * other, weight, before)
                if slots[after] >= 0:
                    other = slots[after]
                    side = 2 * other + 1
                    if other == joined:
                        waiting = _changed(change, pending, waiting, 2 * b, -weight, at)
                        side = 2 * joined
                    else:
                        slot = find(table, np.int64(b) << 32 | np.int64(other))
                        if table[slot] >= 0:
                            counts[numbers[slot]] -= weight
                    waiting = _changed(change, pending, waiting, side, weight, at)
            counts[pair] = 0

        pending[:waiting].sort()
        here: Any = 0
        while here < waiting:
            side = pending[here] >> 32
            stop = here
            while stop < waiting and pending[stop] >> 32 == side:
                stop += 1
            more = change[side]
            change[side] = 0
            other = side >> 1
            key = (
                other << 32 | np.int64(joined) if side & 1 == 0 else np.int64(joined) << 32 | other
            )
            slot = find(table, key)
            old = table[slot] >= 0
            if not old and more >= min_count:
                if 2 * pairs >= len(table):
                    table, numbers = _rehashed(keys, pairs, 2 * len(table))
                    slot = find(table, key)
                keys, counts = grown(keys, pairs + 1), grown(counts, pairs + 1)
                begin, end = grown(begin, pairs + 1), grown(end, pairs + 1)
                table[slot], numbers[slot] = key, pairs
                keys[pairs], counts[pairs] = key, 0
                begin[pairs] = end[pairs] = used
                pairs += 1
            if old or more >= min_count:
                pair = numbers[slot]
                earlier = end[pair] - begin[pair]
                occurrences = grown(occurrences, used + earlier + stop - here)
                for i in range(earlier):
                    occurrences[used + i] = occurrences[begin[pair] + i]
                for i in range(stop - here):
                    occurrences[used + earlier + i] = pending[here + i] & 0xFFFFFFFF
                begin[pair], end[pair] = used, used + earlier + stop - here
                used = end[pair]
                counts[pair] += more
                if counts[pair] >= min_count:
                    heap_counts, heap_keys, heap = _push(
                        heap_counts, heap_keys, heap, counts[pair], key
                    )
            here = stop
    return (
        content, offsets_of[first : first + made + 1], joined_counts[: len(REFUSALS) + made],
    )  # fmt: skip
