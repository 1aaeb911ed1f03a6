"""The subword n-grams of a fastText model: hashed side by side, looked up, and their rows summed.

New words of a text are written one behind the other, one character per place, so that one loop adds
the next byte to the n-grams of all of them and the compiler vectorizes it. Then each n-gram costs a
look-up in a table of bits, because most were pruned, and each of the others a row.

Speed limit: waiting for the bits and the rows, which are in the CPU's second and third cache. The
rows of all new words are looked up before the first is added, so that these waits overlap.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint32, uint64

from curate.kernels.jit import kernel
from curate.kernels.utf8 import width
from curate.langid.fasttext.dictionary import HASH_PRIME, HASH_START

# The columns of a new word's note: the place of its sum, its first character, the one behind the
# last whose n-grams are summed, the one behind its last, whether it begins with <, ends with >.
_SLOT, _BEGIN, _STOP, _END, _OPENED, _CLOSED = 0, 1, 2, 3, 4, 5
NOTES = 6


@kernel
def note_word(
    data: Any,
    start: Any,
    stop: Any,
    chars: Any,
    n: Any,
    widest: Any,
    noted: Any,
    new: Any,
    slot: Any,
) -> Any:
    """Write the word data[start:stop] as <word> from ``chars[n]`` on, with a note for sum_words.

    The caller checks that it fits. Return the place behind its last character and the largest size
    of a character so far.
    """
    noted[new, _SLOT], noted[new, _BEGIN], noted[new, _OPENED], noted[new, _CLOSED] = slot, n, 1, 1
    chars[n] = 60
    _, n, widest = _spell(data, start, stop, chars, n + 1, len(chars), widest)
    chars[n] = 62
    noted[new, _STOP] = noted[new, _END] = n + 1
    return n + 1, widest


@kernel
def sum_long_word(
    data: Any,
    start: Any,
    stop: Any,
    rows: Any,
    bucket_rows: Any,
    kept: Any,
    min_chars: Any,
    chars: Any,
    room: Any,
    noted: Any,
    state: Any,
    grams: Any,
    picked: Any,
    sums: Any,
    counts: Any,
    slot: Any,
) -> None:
    """Do the same as note_word and sum_words for a word of any length, piece by piece."""
    noted[0, _SLOT], noted[0, _BEGIN], noted[0, _OPENED], noted[0, _CLOSED] = slot, 0, 1, 0
    chars[0] = 60
    i, n, widest = start, int64(1), int64(1)
    while not noted[0, _CLOSED]:
        i, n, widest = _spell(data, i, stop, chars, n, room, widest)
        noted[0, _STOP] = n - len(grams)  # n-grams of the last characters are the next piece's
        if i == stop and n < room:
            chars[n] = 62
            n += 1
            noted[0, _CLOSED], noted[0, _STOP] = 1, n
        noted[0, _END] = n
        sum_words(
            rows, bucket_rows, kept, min_chars, chars, n, widest, noted, int64(1), state, grams,
            picked, sums, counts,
        )  # fmt: skip
        for k in range(len(grams)):
            chars[k] = chars[n - len(grams) + k]
        n = int64(len(grams))
        noted[0, _OPENED] = 0


@kernel
def _spell(data: Any, start: Any, stop: Any, chars: Any, n: Any, room: Any, widest: Any) -> Any:
    """Write the characters of data[start:stop] to ``chars[n:room]``, each the integer of its bytes.

    Return the next byte, the place behind the last character, and the largest size of one so far.
    """
    i = start
    while i < stop and n < room:
        byte = data[uint64(i)]
        size = width(byte)
        char = uint32(byte)
        for k in range(1, size):
            char |= uint32(uint32(data[uint64(i + k)]) << uint32(8 * k))
        chars[uint64(n)] = char
        widest = max(widest, size)
        i += size
        n += 1
    return i, n, widest


@kernel
def _hash_grams(chars: Any, n: Any, widest: Any, buckets: Any, state: Any, grams: Any) -> None:
    """Write the bucket of each n-gram: grams[c, k] is that of c + 1 characters from chars[k] on.

    ``chars`` has len(grams) more characters behind ``n``. Others than a word's own are not used.
    """
    # gram % buckets: a product is cheaper than a division, and at most one too small.
    size = uint64(buckets)
    inverse = uint64(0x100000000) // size
    for k in range(n):
        state[k] = HASH_START
    for c in range(len(grams)):
        for shift in range(0, 8 * widest, 8):
            for k in range(n):
                byte = uint32(uint32(chars[uint64(k) + uint64(c)] >> uint32(shift)) & uint32(255))
                # fastText hashes signed chars: bytes from 128 on are extended with ones.
                wide = uint32(byte | (uint32(0xFFFFFF00) if byte >= uint32(128) else uint32(0)))
                prime = HASH_PRIME if byte != uint32(0) else uint32(1)
                state[k] = uint32(uint32(state[k] ^ wide) * prime)
        for k in range(n):
            gram = uint64(state[k])
            rest = uint32(gram - ((gram * inverse) >> uint64(32)) * size)
            grams[uint64(c), uint64(k)] = min(rest, uint32(rest - uint32(size)))


@kernel
def _pick(
    grams: Any, kept: Any, begin: Any, stop: Any, end: Any, min_chars: Any, picked: Any, n: Any
) -> Any:
    """Write the buckets of a word's n-grams that were not pruned, in fastText's order."""
    for k in range(begin, stop):
        for c in range(min_chars - 1, len(grams)):
            # Without a branch: whether an n-gram was pruned is unpredictable.
            bucket = grams[uint64(c), uint64(k)]
            picked[uint64(n)] = bucket
            bit = (kept[bucket >> uint32(6)] >> uint64(bucket & uint32(63))) & uint64(1)
            n += int64(bit) & int64(c < end - k)
    return n


@kernel
def add_rows(rows: Any, picked: Any, first: Any, last: Any, sums: Any, at: Any) -> None:
    """Add the rows picked[first:last] to sums[at], in order, sixteen columns at a time."""
    a = uint64(at)
    for block in range(rows.shape[1]):
        b = uint64(block)
        s0, s1, s2, s3 = sums[a, b, 0], sums[a, b, 1], sums[a, b, 2], sums[a, b, 3]
        s4, s5, s6, s7 = sums[a, b, 4], sums[a, b, 5], sums[a, b, 6], sums[a, b, 7]
        s8, s9, s10, s11 = sums[a, b, 8], sums[a, b, 9], sums[a, b, 10], sums[a, b, 11]
        s12, s13, s14, s15 = sums[a, b, 12], sums[a, b, 13], sums[a, b, 14], sums[a, b, 15]
        for k in range(first, last):
            r = uint64(picked[uint64(k)])
            s0 += rows[r, b, 0]
            s1 += rows[r, b, 1]
            s2 += rows[r, b, 2]
            s3 += rows[r, b, 3]
            s4 += rows[r, b, 4]
            s5 += rows[r, b, 5]
            s6 += rows[r, b, 6]
            s7 += rows[r, b, 7]
            s8 += rows[r, b, 8]
            s9 += rows[r, b, 9]
            s10 += rows[r, b, 10]
            s11 += rows[r, b, 11]
            s12 += rows[r, b, 12]
            s13 += rows[r, b, 13]
            s14 += rows[r, b, 14]
            s15 += rows[r, b, 15]
        sums[a, b, 0], sums[a, b, 1], sums[a, b, 2], sums[a, b, 3] = s0, s1, s2, s3
        sums[a, b, 4], sums[a, b, 5], sums[a, b, 6], sums[a, b, 7] = s4, s5, s6, s7
        sums[a, b, 8], sums[a, b, 9], sums[a, b, 10], sums[a, b, 11] = s8, s9, s10, s11
        sums[a, b, 12], sums[a, b, 13], sums[a, b, 14], sums[a, b, 15] = s12, s13, s14, s15


@kernel
def sum_words(
    rows: Any,
    bucket_rows: Any,
    kept: Any,
    min_chars: Any,
    chars: Any,
    n_chars: Any,
    widest: Any,
    noted: Any,
    n_words: Any,
    state: Any,
    grams: Any,
    picked: Any,
    sums: Any,
    counts: Any,
) -> None:
    """Add the rows of all noted words' n-grams to their sums, and their numbers to ``counts``."""
    buckets = len(bucket_rows)
    if n_words == 0 or buckets == 0 or len(grams) == 0:
        return
    _hash_grams(chars, n_chars, widest, buckets, state, grams)
    least = max(min_chars, int64(1))
    if least == 1:  # neither < nor > alone is an n-gram: the bit behind the last is never set
        for w in range(n_words):
            if noted[w, _OPENED]:
                grams[0, uint64(noted[w, _BEGIN])] = buckets
            if noted[w, _CLOSED]:
                grams[0, uint64(noted[w, _END] - 1)] = buckets
    n = int64(0)
    for w in range(n_words):
        first = n
        begin, stop, end = noted[w, _BEGIN], noted[w, _STOP], noted[w, _END]
        n = _pick(grams, kept, begin, stop, end, least, picked, n)
        counts[uint64(noted[w, _SLOT])] += n - first
        noted[w, _END] = n  # from here on an index into ``picked``
    for k in range(n):
        picked[k] = bucket_rows[uint64(picked[k])]
    first = int64(0)
    for w in range(n_words):
        add_rows(rows, picked, first, noted[w, _END], sums, noted[w, _SLOT])
        first = noted[w, _END]
