"""Repeated n-grams of words, all lengths in little more than one pass."""

from __future__ import annotations

from typing import Any, Final

from numba import int32, int64, uint8, uint64

from curate.kernels.hashing import GOLDEN, fast_mix64, table_size
from curate.kernels.jit import inline, kernel
from curate.text.words import CHARS

_MOST_ENTRIES: Final = 2**31 - 1
_LOW: Final = 2**32 - 1


@inline
def first_of_each(keys: Any, n: Any, table: Any, base: Any, first: Any, count: Any) -> Any:
    """Write each key's position of the first equal one; return the next ``base`` and the best.

    ``count`` gets, at the first position of a key, its number of occurrences; elsewhere it is 0.
    The best is the highest count << 32, plus n minus the first position that has it. ``table``, of
    4 n entries or more, is shared by all calls and hardly ever cleared: an entry below ``base`` is
    old.

    Bound by mispredicted branches. So a new key takes the path of a known one, as equal to itself,
    and only a key whose slot has another key takes a second look.
    """
    if base + n > _MOST_ENTRIES:
        table[:] = 0
        base = int64(1)
    size = table_size(4 * n)
    mask = uint64(size - 1)
    best = int64(0)
    for j in range(uint64(n)):
        key = keys[j]
        slot = (key ^ (key >> uint64(32))) & mask
        entry = int64(table[slot])
        before = uint64(int64(j) if entry < base else entry - base)
        while keys[before] != key:
            slot = (slot + uint64(1)) & mask
            entry = int64(table[slot])
            before = uint64(int64(j) if entry < base else entry - base)
        table[slot] = base + int64(before)
        first[j] = before
        count[j] = 0
        times = int64(count[before]) + 1
        count[before] = times
        best = max(best, times << int64(32) | int64(n) - int64(before))
    return base + n, best


@kernel
def count_repetition(
    hashes: Any, flags: Any, n: Any, table: Any, base: Any, room: Any, out: Any
) -> Any:
    """Count repeated n-grams of n words into one row; return the next ``base``.

    An n-gram can only be repeated where both its (n-1)-grams are. So each length examines the few
    places left by the one before, and from 4 on its key is the pair of their exact identities: two
    places of one key have the same words unless 64-bit hashes of words, pairs or triples collide.

    Bound in most languages by the two passes over all pairs; in Japanese, where a character is a
    word and a quarter of all triples repeat, by as much again for the lengths above.
    """
    pairs, keys, seen, at, first, count = room
    for length in range(2, 11):
        out[length - 2] = int64(0) if length > 4 else _top_chars(flags, n, 0, 1, length)
    size = table_size(4 * n)
    seen = seen[:size]
    last = uint64(max(n - 1, 0))
    most = _count_pairs(hashes, last, seen, pairs)
    if most < uint8(2):
        return base
    place, times = _one_of_the_fullest(pairs, last, seen, most)
    if times < most or most == uint8(255):
        # Others share its slot, or 255 stands for more. A more frequent pair has as high a count
        # there.
        m = _pairs_seen(pairs, last, seen, uint8(max(times, 2)), keys, at)
        base, best = first_of_each(keys, m, table, base, first, count)
        place, times = int64(at[m - uint64(best & _LOW)]), best >> int64(32)
    if times > 1:
        out[0] = _top_chars(flags, n, place, times, 2)
    m = _triples(pairs, last, seen, keys, at)
    for length in range(3, 11):
        if m < uint64(2):
            break
        base, best = first_of_each(keys, m, table, base, first, count)
        times = best >> int64(32)
        if times < 2:
            break
        if length <= 4:
            out[length - 2] = _top_chars(flags, n, at[m - uint64(best & _LOW)], times, length)
        else:
            out[length - 2] = _repeated_chars(flags, length, m, first, count, at)
        m = _neighbours(first, count, m, keys, at)
    return base


@inline
def _count_pairs(hashes: Any, last: Any, seen: Any, keys: Any) -> Any:
    """Write the key of each pair of words and count it at its slot; return the highest count.

    Pairs may share a slot, and 255 stands for more: below it no pair is more frequent than the
    count of its slot. So most are excluded without a branch, in a table that fits the nearest
    cache.
    """
    seen[:] = 0
    mask = uint64(len(seen) - 1)
    for i in range(last):
        keys[i] = fast_mix64(hashes[i] * GOLDEN + hashes[i + uint64(1)])
    for i in range(last):
        times = seen[keys[i] & mask]
        seen[keys[i] & mask] = uint8(times + uint8(times < uint8(255)))
    most = uint8(0)
    for slot in range(uint64(len(seen))):
        most = max(most, seen[slot])
    return most


@inline
def _one_of_the_fullest(pairs: Any, last: Any, seen: Any, most: Any) -> Any:
    """Return the place of the first pair that counted ``most``, and its frequency, at most 255."""
    mask = uint64(len(seen) - 1)
    i = uint64(0)
    while seen[pairs[i] & mask] != most:
        i += uint64(1)
    one = pairs[i]
    times = int64(0)
    for j in range(last):
        times += int64(pairs[j] == one)
    return int64(i), min(times, int64(255))


@inline
def _pairs_seen(pairs: Any, last: Any, seen: Any, least: Any, keys: Any, at: Any) -> Any:
    """Write key and place of each pair that counted ``least`` or more; return their number."""
    mask = uint64(len(seen) - 1)
    m = uint64(0)
    for i in range(last):
        keys[m] = pairs[i]
        at[m] = i
        m += uint64(seen[pairs[i] & mask] >= least)
    return m


@inline
def _triples(pairs: Any, last: Any, seen: Any, keys: Any, at: Any) -> Any:
    """Write key and place of each triple whose pairs both counted 2 or more; return how many."""
    mask = uint64(len(seen) - 1)
    m = uint64(0)
    again = seen[pairs[0] & mask] > uint8(1)
    for i in range(last - uint64(1)):
        following = pairs[i + uint64(1)]
        follows = seen[following & mask] > uint8(1)
        at[m] = i
        m += uint64(again & follows)
        again = follows
    for j in range(m):
        place = uint64(at[j])
        keys[j] = pairs[place] * GOLDEN + pairs[place + uint64(1)]
    return m


@inline
def _neighbours(first: Any, count: Any, m: Any, keys: Any, at: Any) -> Any:
    """Write key and place of each repeated n-gram that a repeated one follows; return their number.

    No branches, because what repeats is hard to predict.
    """
    longer = uint64(0)
    f, place = uint64(first[0]), at[0]
    again = count[f] != int32(1)
    for j in range(uint64(1), m):
        g, following = uint64(first[j]), at[j]
        follows = count[g] != int32(1)
        keys[longer] = (f << uint64(32) | g) * GOLDEN
        at[longer] = place
        longer += uint64(again & follows & (following == place + int32(1)))
        f, place, again = g, following, follows
    return longer


@inline
def _repeated_chars(flags: Any, length: Any, m: Any, first: Any, count: Any, at: Any) -> Any:
    """Sum the characters of n-grams that occurred before, none twice; a minus marks the seen.

    No branches either.
    """
    repeated = resume = int64(0)
    for j in range(m):
        f, place = uint64(first[j]), int64(at[j])
        times = count[f]
        considered = int64(times != int32(1)) & int64(place >= resume)
        seen = considered & int64(times < int32(0))
        count[f] = -abs(times) if considered else times
        chars = (flags[uint64(place + length)] >> CHARS) - (flags[uint64(place)] >> CHARS)
        repeated += chars * seen
        resume += (place + length - resume) * seen
    return repeated


@inline
def _top_chars(flags: Any, n: Any, at: Any, times: Any, length: Any) -> Any:
    """Return an n-gram's characters, with spaces, times its count; -1 in texts of fewer words."""
    if n < length:
        return int64(-1)
    chars = (flags[uint64(at) + uint64(length)] >> CHARS) - (flags[uint64(at)] >> CHARS)
    return times * (chars + length - 1)
