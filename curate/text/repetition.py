"""Repeated n-grams of words, all lengths in little more than one pass."""

from __future__ import annotations

from typing import Any, Final

from numba import int32, int64, uint8, uint64

from curate.text.jit import kernel
from curate.text.view import CHARS, mixed

_K1: Final = uint64(0x9E3779B97F4A7C15)
_MOST_ENTRIES: Final = 2**31 - 1


@kernel
def first_of_each(keys: Any, n: Any, table: Any, base: Any, first: Any, count: Any) -> Any:
    """Write, for each of n keys, the position of the first equal one; return the next ``base``.

    ``count`` gets, at the first position of a key, how many there are; elsewhere it is 0.
    ``table`` is shared by all calls and hardly ever cleared: an entry below ``base`` is an old one.
    """
    if base + n > _MOST_ENTRIES:
        table[:] = 0
        base = int64(1)
    size = 16
    while size < 2 * n:
        size *= 2
    mask = uint64(size - 1)
    for j in range(uint64(n)):
        key = keys[j]
        slot = (key ^ (key >> uint64(32))) & mask
        while True:
            entry = int64(table[slot])
            if entry < base:
                table[slot] = base + int64(j)
                first[j] = j
                count[j] = 1
                break
            before = uint64(entry - base)
            if keys[before] == key:
                first[j] = before
                count[j] = 0
                count[before] += 1
                break
            slot = (slot + uint64(1)) & mask
    return base + n


@kernel
def count_repetition(
    hashes: Any,
    facts: Any,
    n: Any,
    table: Any,
    base: Any,
    room: Any,
    keys: Any,
    seen: Any,
    out: Any,
) -> Any:
    """Count repeated n-grams of n words into one row; return the next ``base``.

    An n-gram can only be repeated where both (n-1)-grams in it are. So after the pairs each length
    looks at the few places that are left, and its key is the pair of their exact identities: two
    places of one key hold the same words unless 64-bit hashes of words or pairs collide.
    """
    at, live, first, count, identity, prefix = room
    prefix[0] = 0
    for i in range(uint64(n)):
        prefix[i + uint64(1)] = prefix[i] + (facts[i] >> CHARS)
        identity[i] = -1
    # Two thirds of all pairs occur once. They are sorted out by counting in a small table in which
    # others may share their place, for that takes no branch and misses no repetition.
    size = 16
    while size < 4 * n:
        size *= 2
    mask = uint64(size - 1)
    seen[:size] = 0
    for i in range(uint64(max(n - 1, 0))):
        key = mixed(hashes[i] * _K1 + hashes[i + uint64(1)])
        keys[i] = key
        met = seen[key & mask]
        seen[key & mask] = uint8(met + uint8(met < uint8(2)))
    m = int64(0)
    for i in range(uint64(max(n - 1, 0))):
        key = keys[i]
        keys[uint64(m)] = key
        at[uint64(m)] = i
        m += int64(seen[key & mask] > uint8(1))
    for length in range(2, 11):
        base = first_of_each(keys, m, table, base, first, count)
        alive = 0
        for j in range(uint64(m)):  # without a branch: what repeats is hard to foresee
            f = uint64(first[j])
            place = at[j]
            repeats = count[f] > 1
            identity[uint64(place)] = at[f] if repeats else int32(-1)
            live[uint64(alive)] = place
            alive += int64(repeats)
        if length <= 4:
            best = int32(1)
            for j in range(uint64(m)):
                best = max(best, count[j])
            place = int32(0)
            if best > 1:
                j = uint64(0)
                while count[j] != best:  # the earliest of the most frequent, as Counter.most_common
                    j += uint64(1)
                place = at[j]
            chars = -1
            if n >= length:
                chars = best * (prefix[place + length] - prefix[place] + length - 1)
            out[length - 2] = chars
        else:
            repeated = 0
            resume = 0
            for j in range(m):
                f = first[j]
                if count[f] == 1 or at[j] < resume:
                    continue
                if count[f] < 0:
                    repeated += prefix[at[j] + length] - prefix[at[j]]
                    resume = at[j] + length
                else:
                    count[f] = -1
            out[length - 2] = repeated
        m = 0
        for j in range(uint64(alive)):
            p = uint64(live[j])
            following = identity[p + uint64(1)]  # of the last place too: there is room behind
            keys[uint64(m)] = mixed(uint64(identity[p]) << uint64(32) | uint64(following))
            at[uint64(m)] = p
            m += int64((int64(p) + length < n) & (following >= 0))
        for j in range(uint64(alive)):
            identity[uint64(live[j])] = -1
    return base
