"""fastText's prediction, compiled: tokens, subword n-grams, the mean of their rows, the best two labels.

The numbers are fastText's (Joulin et al. 2016, arXiv:1607.01759; the format and the arithmetic are
those of facebookresearch/fastText 0.9). What is ours is the order of additions: first the rows of a
word, then the words of a text. So the sum of a word can be remembered, and remembering changes no bit.

One thing differs on purpose. fastText stops reading at a word ``</s>``; a page that says so in its
first line would hide the rest, so here such a word is passed over.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from curate.text.jit import inline, kernel

#: Columns are summed sixteen at a time, in registers; matrices are padded to a multiple of it.
LANES = 16

#: How scores come out of the output layer.
TREE, SOFTMAX, SIGMOID = 0, 1, 2

_FNV_START = np.uint32(2166136261)
_FNV_PRIME = np.uint32(16777619)
_EOS_HASH = np.uint32(3617362777)  # FNV of "</s>"
_PREFIX = (95, 95, 108, 97, 98, 101, 108, 95, 95)  # __label__
_CHUNK = 256  # rows gathered before they are summed
_CACHE_BYTES = 4 << 20


class Network(NamedTuple):
    """The arrays of a model, as the kernels read them."""

    rows: Any  #: float32[n_words + n_buckets, width]: a row for each word, then for each n-gram
    heads: Any  #: float32[n_heads, width]: a row for each inner node of the tree, or for each label
    left: Any  #: int32[nodes]: the tree's children; empty without a tree
    right: Any
    spelling: Any  #: uint8: the bytes of all known words
    begin: Any  #: int64[n_words]: where each starts in it
    end: Any
    slots: Any  #: int32[2**k]: open addressing from a word's hash to its number
    bucket_rows: Any  #: int32[n_buckets]: the row of an n-gram's hash, -1 where it was pruned
    min_chars: int
    max_chars: int
    word_ngrams: int
    eos: int  #: the row of the end of the text, -1 without one
    output: int
    n_labels: int


@inline
def _is_space(byte: Any) -> Any:
    return byte == 32 or (9 <= byte <= 13) or byte == 0


@inline
def _mix(state: Any, byte: Any) -> Any:
    # fastText hashes signed chars: bytes from 128 on are extended with ones.
    wide = np.uint32(byte) | (np.uint32(0xFFFFFF00) if byte >= 128 else np.uint32(0))
    return np.uint32((state ^ wide) * _FNV_PRIME)


@kernel
def place_words(spelling: Any, begin: Any, end: Any, slots: Any) -> None:
    """Fill the open-addressing table of a dictionary; ``slots`` comes full of -1."""
    mask = len(slots) - 1
    for word in range(len(begin)):
        state = _FNV_START
        for i in range(begin[word], end[word]):
            state = _mix(state, spelling[i])
        at = np.int64(state) & mask
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = word


@kernel
def read_entries(data: Any, at: int, begin: Any, end: Any, counts: Any, kinds: Any) -> int:
    """Read dictionary entries (word, NUL, int64 count, int8 kind); -1 when the bytes run out."""
    size = len(data)
    for entry in range(len(begin)):
        begin[entry] = at
        while at < size and data[at] != 0:
            at += 1
        end[entry] = at
        at += 1
        if at + 9 > size:
            return -1
        count = np.int64(0)
        for k in range(8):
            count |= np.int64(data[at + k]) << np.int64(8 * k)
        counts[entry] = count
        kinds[entry] = data[at + 8]
        at += 9
    return at


@kernel
def _known_word(net: Any, data: Any, start: int, stop: int, state: Any) -> int:
    mask = len(net.slots) - 1
    at = np.int64(state) & mask
    while net.slots[at] >= 0:
        word = net.slots[at]
        begin = net.begin[word]
        if net.end[word] - begin == stop - start:
            same = True
            for i in range(stop - start):
                if net.spelling[begin + i] != data[start + i]:
                    same = False
                    break
            if same:
                return int(word)
        at = (at + 1) & mask
    return -1


@kernel
def _add_rows(rows: Any, picked: Any, n: int, total: Any) -> None:
    """Add ``n`` rows to ``total``, in order, sixteen columns at a time."""
    for c in range(0, rows.shape[1], 16):
        s0, s1, s2, s3 = total[c], total[c + 1], total[c + 2], total[c + 3]
        s4, s5, s6, s7 = total[c + 4], total[c + 5], total[c + 6], total[c + 7]
        s8, s9, s10, s11 = total[c + 8], total[c + 9], total[c + 10], total[c + 11]
        s12, s13, s14, s15 = total[c + 12], total[c + 13], total[c + 14], total[c + 15]
        for k in range(n):
            r = picked[k]
            s0 += rows[r, c]
            s1 += rows[r, c + 1]
            s2 += rows[r, c + 2]
            s3 += rows[r, c + 3]
            s4 += rows[r, c + 4]
            s5 += rows[r, c + 5]
            s6 += rows[r, c + 6]
            s7 += rows[r, c + 7]
            s8 += rows[r, c + 8]
            s9 += rows[r, c + 9]
            s10 += rows[r, c + 10]
            s11 += rows[r, c + 11]
            s12 += rows[r, c + 12]
            s13 += rows[r, c + 13]
            s14 += rows[r, c + 14]
            s15 += rows[r, c + 15]
        total[c], total[c + 1], total[c + 2], total[c + 3] = s0, s1, s2, s3
        total[c + 4], total[c + 5], total[c + 6], total[c + 7] = s4, s5, s6, s7
        total[c + 8], total[c + 9], total[c + 10], total[c + 11] = s8, s9, s10, s11
        total[c + 12], total[c + 13], total[c + 14], total[c + 15] = s12, s13, s14, s15


@kernel
def _sum_word(
    net: Any, data: Any, start: int, stop: int, state: Any, picked: Any, total: Any
) -> int:
    """Sum the rows of one word and of its n-grams into ``total``; return how many there were."""
    total[:] = 0
    found = 0
    n = 0
    word = _known_word(net, data, start, stop, state)
    if word >= 0:
        picked[0] = word
        n = 1
    size = stop - start + 2  # with the < before and the > behind
    buckets = np.uint32(len(net.bucket_rows))
    first = size if net.max_chars <= 0 or buckets == 0 else 0
    for i in range(first, size):
        if 0 < i < size - 1 and (data[start + i - 1] & 0xC0) == 0x80:
            continue
        gram = _FNV_START
        j = i
        for chars in range(1, net.max_chars + 1):
            if j >= size:
                break
            if j == 0:
                gram = _mix(gram, np.uint8(60))
            elif j == size - 1:
                gram = _mix(gram, np.uint8(62))
            else:
                gram = _mix(gram, data[start + j - 1])
            j += 1
            while j < size - 1 and (data[start + j - 1] & 0xC0) == 0x80:
                gram = _mix(gram, data[start + j - 1])
                j += 1
            if chars >= net.min_chars and not (chars == 1 and (i == 0 or j == size)):
                row = net.bucket_rows[gram % buckets]
                if row >= 0:
                    picked[n] = row
                    n += 1
        if n > _CHUNK:
            _add_rows(net.rows, picked, n, total)
            found += n
            n = 0
    _add_rows(net.rows, picked, n, total)
    return found + n


@kernel
def _add_word_ngrams(net: Any, recent: Any, seen: int, total: Any) -> int:
    """Add the rows of the word n-grams that end at the newest word; return how many."""
    found = 0
    size = net.word_ngrams
    buckets = np.uint64(len(net.bucket_rows))
    for first in range(max(0, seen - size + 1), seen):
        # int32 hashes are extended with their sign before they enter the 64-bit product.
        gram = np.uint64(np.int64(recent[first % size]))
        for k in range(first + 1, seen + 1):
            gram = gram * np.uint64(116049371) + np.uint64(np.int64(recent[k % size]))
        row = net.bucket_rows[np.int64(gram % buckets)]
        if row >= 0:
            found += 1
            for c in range(len(total)):
                total[c] += net.rows[row, c]
    return found


@inline
def _dot(heads: Any, head: Any, mean: Any) -> Any:
    total = np.float32(0)
    for c in range(len(mean)):
        total += heads[head, c] * mean[c]
    return np.float64(total)


@kernel
def _best_two(net: Any, mean: Any, reach: Any, labels: Any, scores: Any) -> None:
    """Write the two labels of the highest score. fastText adds 1e-5 within each logarithm."""
    best = second = -np.inf
    winner = runner = -1
    if net.output == 0:  # TREE: children have smaller numbers than their parents
        leaves = net.n_labels
        root = 2 * leaves - 2
        reach[root] = 0.0
        for node in range(root, -1, -1):
            score = reach[node]
            if score <= second:
                if node >= leaves:
                    reach[net.left[node]] = -np.inf
                    reach[net.right[node]] = -np.inf
                continue
            if node < leaves:
                if score > best:
                    second, runner = best, winner
                    best, winner = score, node
                else:
                    second, runner = score, node
                continue
            p = 1.0 / (1.0 + np.exp(-_dot(net.heads, node - leaves, mean)))
            reach[net.left[node]] = score + np.log(1.0 - p + 1e-5)
            reach[net.right[node]] = score + np.log(p + 1e-5)
        best, second = np.exp(best), np.exp(second)
    else:
        for label in range(net.n_labels):
            score = _dot(net.heads, label, mean)
            reach[label] = score
            if score > best:
                second, runner = best, winner
                best, winner = score, label
            elif score > second:
                second, runner = score, label
        if net.output == 1:  # SOFTMAX
            total = 0.0
            for label in range(net.n_labels):
                total += np.exp(reach[label] - best)
            second = np.exp(second - best) / total + 1e-5
            best = 1.0 / total + 1e-5
        else:
            best = 1.0 / (1.0 + np.exp(-best)) + 1e-5
            second = 1.0 / (1.0 + np.exp(-second)) + 1e-5
    labels[0], labels[1] = winner, runner
    scores[0] = min(best, 1.0)
    scores[1] = min(second, 1.0) if runner >= 0 else 0.0


@kernel
def predict(net: Any, data: Any, offsets: Any, capacity: int, labels: Any, scores: Any) -> None:
    r"""Write the best two labels and their scores for each text; -1 and 0 where there is nothing.

    Text ``d`` is ``data[offsets[d]:offsets[d + 1]]``, UTF-8. A newline is a space, as in
    ``model.predict(text.replace("\n", " "))``. ``capacity`` is the number of words remembered.
    """
    width = net.rows.shape[1]
    mask = capacity - 1
    known_at = np.empty(capacity, np.int64)
    known_size = np.zeros(capacity, np.int64)
    known_rows = np.empty(capacity, np.int64)
    known_sum = np.empty((capacity, width), np.float32)
    picked = np.empty(_CHUNK + 2 + net.max_chars, np.int64)
    recent = np.zeros(max(1, net.word_ngrams), np.int32)
    mean = np.empty(width, np.float32)
    reach = np.empty(2 * net.n_labels, np.float64)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        mean[:] = 0
        found = 0
        seen = 0
        while True:
            while i < stop and _is_space(data[i]):
                i += 1
            if i >= stop:
                break
            start = i
            state = _FNV_START
            while i < stop and not _is_space(data[i]):
                state = _mix(state, data[i])
                i += 1
            size = i - start
            if _is_reserved(data, start, size):
                continue
            at = np.int64(state ^ (state >> np.uint32(15))) & mask
            same = known_size[at] == size
            if same:
                before = known_at[at]
                for k in range(size):
                    if data[before + k] != data[start + k]:
                        same = False
                        break
            if not same:
                known_size[at] = size
                known_rows[at] = _sum_word(net, data, start, i, state, picked, known_sum[at])
            known_at[at] = start  # the newest occurrence is the likeliest to be in the CPU's cache
            found += known_rows[at]
            for c in range(width):
                mean[c] += known_sum[at, c]
            if net.word_ngrams > 1:
                recent[seen % net.word_ngrams] = np.int32(state)
                found += _add_word_ngrams(net, recent, seen, mean)
                seen += 1
        if net.eos >= 0:
            found += 1
            for c in range(width):
                mean[c] += net.rows[net.eos, c]
        if net.word_ngrams > 1:
            recent[seen % net.word_ngrams] = np.int32(_EOS_HASH)
            found += _add_word_ngrams(net, recent, seen, mean)
        if found == 0:
            labels[d, 0] = labels[d, 1] = -1
            scores[d, 0] = scores[d, 1] = 0.0
            continue
        share = np.float32(1.0 / found)
        for c in range(width):
            mean[c] *= share
        _best_two(net, mean, reach, labels[d], scores[d])


@kernel
def _is_reserved(data: Any, start: int, size: int) -> bool:
    """Tell ``</s>`` and words that start with ``__label__``: fastText counts neither as text."""
    if size == 4 and data[start] == 60:
        return bool(data[start + 1] == 47 and data[start + 2] == 115 and data[start + 3] == 62)
    if size < 9 or data[start] != 95 or data[start + 1] != 95:
        return False
    same = True
    for k in range(9):
        same &= data[start + k] == _PREFIX[k]
    return same


def capacity(width: int) -> int:
    """Give how many words a call remembers: as many as four megabytes of sums hold.

    >>> capacity(16), capacity(256)
    (65536, 4096)
    """
    return 1 << ((_CACHE_BYTES // (4 * width)).bit_length() - 1)
