"""Byte-pair merging: count the tokens of a piece of text.

The rule is tiktoken's: a piece that is a token is one token; else the adjacent pair whose joined
bytes have the lowest rank is joined, the leftmost of equals first, until no pair is a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.errors import InternalError
from curate.kernels.hashing import fast_mix64, hash_span, table_size
from curate.kernels.jit import kernel
from curate.tokens.pattern import piece_end

#: Ranks have 18 bits, so that a pair and the token it joins to fit one word: left, right, joined.
_RANK_BITS = 18
_RANK_MASK = (1 << _RANK_BITS) - 1
_EMPTY = np.int64(-1)
#: The rank of a pair that does not join.
_NEVER = 1 << _RANK_BITS
#: Longer pieces are merged with a heap; for shorter ones a scan of all pairs is faster.
_SHORT = 256
#: Pieces of up to this many bytes are cached: with their length they fill four words.
_CACHED = 31


class Vocabulary(NamedTuple):
    """Byte strings by rank, as the tables that the kernels read."""

    content: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int32]  #: hash of a byte string -> its rank, or -1
    pairs: npt.NDArray[np.int64]  #: hash of two ranks -> these and the joined rank, or -1
    maybe: npt.NDArray[np.uint8]  #: a bit per hash of two ranks, unset where no such pair joins
    singles: npt.NDArray[np.int32]  #: byte -> rank
    doubles: npt.NDArray[np.int32]  #: two bytes -> rank, or _NEVER
    longest: int

    @classmethod
    def build(cls, tokens: Sequence[bytes]) -> Vocabulary:
        """Index byte strings that are in order of rank; all 256 single bytes must be among them."""
        content = np.frombuffer(b"".join(tokens), np.uint8)
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum([len(token) for token in tokens], out=offsets[1:])
        slots = np.full(table_size(2 * len(tokens)), -1, np.int32)
        _index(content, offsets, slots)
        # A token of n bytes has n - 1 pairs at most; few of these are of two tokens.
        pairs = np.full(table_size(8 * len(tokens)), _EMPTY, np.int64)
        maybe = np.zeros(1 << 18, np.uint8)
        singles, doubles = np.full(256, -1, np.int32), np.full(1 << 16, _NEVER, np.int32)
        n_pairs = _index_pairs(content, offsets, slots, pairs, maybe, singles, doubles)
        if len(tokens) > _RANK_MASK or n_pairs > len(pairs) // 2 or singles.min() < 0:
            raise InternalError(f"a vocabulary of {len(tokens)} tokens does not fit the tables")
        return cls(
            content, offsets, slots, pairs, maybe, singles, doubles, int(np.diff(offsets).max())
        )


@kernel
def slot_of(data: Any, start: int, stop: int, content: Any, offsets: Any, slots: Any) -> Any:
    """Return the slot that holds a byte string, or the empty one where it belongs."""
    mask = np.uint64(len(slots) - 1)
    slot = hash_span(data, start, stop) & mask
    while slots[slot] >= 0:
        first = offsets[slots[slot]]
        if offsets[slots[slot] + 1] - first == stop - start:
            i = 0
            while i < stop - start and content[first + i] == data[start + i]:
                i += 1
            if i == stop - start:
                break
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _index(content: Any, offsets: Any, slots: Any) -> None:
    for rank in range(len(offsets) - 1):
        slots[slot_of(content, offsets[rank], offsets[rank + 1], content, offsets, slots)] = rank


@kernel
def _index_pairs(
    content: Any, offsets: Any, slots: Any, pairs: Any, maybe: Any, singles: Any, doubles: Any
) -> int:
    """Enter every way to cut a token in two; stop when half full and return how many there are."""
    count = 0
    mask = np.uint64(len(pairs) - 1)
    for rank in range(len(offsets) - 1):
        start, stop = offsets[rank], offsets[rank + 1]
        if stop - start == 1:
            singles[content[start]] = rank
        if stop - start == 2:
            doubles[np.int64(content[start]) << 8 | np.int64(content[start + 1])] = rank
        for cut in range(start + 1, stop):
            left = np.int64(slots[slot_of(content, start, cut, content, offsets, slots)])
            if left < 0:
                continue
            right = np.int64(slots[slot_of(content, cut, stop, content, offsets, slots)])
            if right < 0:
                continue
            key = left << _RANK_BITS | right
            slot = fast_mix64(np.uint64(key)) & mask
            while pairs[slot] != _EMPTY:
                slot = (slot + np.uint64(1)) & mask
            state = fast_mix64(np.uint64(key))
            maybe[state >> np.uint64(46)] |= np.uint8(
                1 << ((state >> np.uint64(43)) & np.uint64(7))
            )
            pairs[slot] = key << _RANK_BITS | rank
            count += 1
            if 2 * count > len(pairs):
                return count
    return count


@kernel
def _join(left: Any, right: Any, pairs: Any, maybe: Any) -> Any:
    mask = np.uint64(len(pairs) - 1)
    key = np.int64(left) << _RANK_BITS | np.int64(right)
    state = fast_mix64(np.uint64(key))
    rank = np.int64(_NEVER)
    # Most pairs do not join; 256 kB of bits fit the cache of a core, the table does not.
    bits = maybe[state >> np.uint64(46)]
    if not bits >> ((state >> np.uint64(43)) & np.uint64(7)) & np.uint64(1):
        return rank
    slot = state & mask
    while pairs[slot] != _EMPTY:
        if pairs[slot] >> _RANK_BITS == key:
            rank = pairs[slot] & _RANK_MASK
            break
        slot = (slot + np.uint64(1)) & mask
    return rank


@kernel
def _merge_short(
    data: Any,
    start: int,
    stop: int,
    singles: Any,
    doubles: Any,
    pairs: Any,
    maybe: Any,
    part: Any,
    queue: Any,
) -> int:
    """Merge by scanning all pairs each time; ``part`` and ``queue`` are scratch space.

    ``queue`` holds rank and position of each pair in one number; the compiler vectorizes the search
    for its minimum. In ``part`` a token that was joined to the one before it is -1.
    """
    n = stop - start
    for i in range(n - 1):
        part[i] = singles[data[start + i]]
        double = doubles[np.int64(data[start + i]) << 8 | np.int64(data[start + i + 1])]
        queue[i] = np.int32(double << 8 | i)
    part[n - 1] = singles[data[stop - 1]]
    never = np.int32(_NEVER << 8)
    remaining = n
    while True:
        best = never
        for i in range(n - 1):
            best = min(best, queue[i])
        if best >= never:
            return remaining
        at = np.int64(best & 255)
        right = at + 1
        while part[right] < 0:
            right += 1
        part[at], part[right] = best >> 8, -1
        if right < n - 1:
            queue[right] = never
        remaining -= 1
        after = right + 1
        while after < n and part[after] < 0:
            after += 1
        if after < n:
            queue[at] = np.int32(_join(part[at], part[after], pairs, maybe) << 8 | at)
        else:
            queue[at] = never
        before = at - 1
        while before >= 0 and part[before] < 0:
            before -= 1
        if before >= 0:
            queue[before] = np.int32(_join(part[before], part[at], pairs, maybe) << 8 | before)


@kernel
def _push(heap: Any, size: int, item: int) -> int:
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if heap[up] <= item:
            break
        heap[at] = heap[up]
        at = up
    heap[at] = item
    return size + 1


@kernel
def _pop(heap: Any, size: int) -> int:
    """Remove ``heap[0]``; return the new size."""
    size -= 1
    item = heap[size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and heap[down + 1] < heap[down]:
            down += 1
        if heap[down] >= item:
            break
        heap[at] = heap[down]
        at = down
    heap[at] = item
    return size


@kernel
def _merge_long(data: Any, start: int, stop: int, singles: Any, pairs: Any, maybe: Any) -> int:
    """Merge with a heap of rank and position: a megabyte without a space takes a second."""
    n = stop - start
    part, rank = np.empty(n, np.int64), np.empty(n, np.int64)
    following, previous = np.empty(n, np.int64), np.empty(n, np.int64)
    heap = np.empty(3 * n, np.int64)
    size = 0
    for i in range(n):
        part[i] = singles[data[start + i]]
        following[i], previous[i] = i + 1, i - 1
    rank[n - 1] = _NEVER
    for i in range(n - 1):
        rank[i] = _join(part[i], part[i + 1], pairs, maybe)
        if rank[i] != _NEVER:
            size = _push(heap, size, rank[i] << 32 | i)
    remaining = n
    while size > 0:
        best, at = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        size = _pop(heap, size)
        if rank[at] != best:  # joined since, or its neighbour was
            continue
        right = following[at]
        part[at] = best
        remaining -= 1
        rank[right] = rank[at] = _NEVER
        following[at] = following[right]
        if following[at] < n:
            previous[following[at]] = at
            rank[at] = _join(part[at], part[following[at]], pairs, maybe)
            if rank[at] != _NEVER:
                size = _push(heap, size, rank[at] << 32 | at)
        before = previous[at]
        if before >= 0:
            rank[before] = _join(part[before], part[at], pairs, maybe)
            if rank[before] != _NEVER:
                size = _push(heap, size, rank[before] << 32 | before)
    return remaining


@kernel
def count_pieces(
    data: Any,
    ends: Any,
    table: Any,
    content: Any,
    offsets: Any,
    slots: Any,
    pairs: Any,
    maybe: Any,
    singles: Any,
    doubles: Any,
    longest: int,
    cached: Any,
    cached_counts: Any,
    out: Any,
) -> None:
    """Split each text by the pattern and count the tokens of its pieces.

    The counts of short pieces are cached in a table where a new piece replaces another of the same
    slot; the piece itself is compared, so a hit is always exact.
    """
    part, queue = np.empty(_SHORT, np.int32), np.empty(_SHORT, np.int32)
    word = np.empty(4, np.uint64)
    for row in range(len(ends) - 1):
        at, end = ends[row], ends[row + 1]
        total = 0
        while at < end:
            start, at = at, piece_end(data, at, end, table)
            size = at - start
            if size == 1:
                total += 1
                continue
            slot = np.uint64(0)
            if size <= _CACHED:
                word[0], word[1], word[2] = np.uint64(0), np.uint64(0), np.uint64(0)
                word[3] = np.uint64(size) << np.uint64(56)
                for i in range(size):
                    word[i >> 3] |= np.uint64(data[start + i]) << np.uint64(8 * (i & 7))
                state = fast_mix64(fast_mix64(fast_mix64(word[0]) ^ word[1]) ^ word[2]) ^ word[3]
                slot = fast_mix64(state) & np.uint64(len(cached_counts) - 1)
                if (
                    cached[slot, 0] == word[0]
                    and cached[slot, 1] == word[1]
                    and cached[slot, 2] == word[2]
                    and cached[slot, 3] == word[3]
                ):
                    total += cached_counts[slot]
                    continue
            if size <= longest and slots[slot_of(data, start, at, content, offsets, slots)] >= 0:
                tokens = 1
            elif size <= _SHORT:
                tokens = _merge_short(data, start, at, singles, doubles, pairs, maybe, part, queue)
            else:
                tokens = _merge_long(data, start, at, singles, pairs, maybe)
            total += tokens
            if size <= _CACHED:
                for i in range(4):
                    cached[slot, i] = word[i]
                cached_counts[slot] = tokens
        out[row] = total
