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

from curate.langid.dictionary import HASH_PRIME, HASH_START, find_word, mix
from curate.text.jit import inline, kernel

#: Columns are summed sixteen at a time, in registers; matrices are padded to a multiple of it.
LANES = 16

#: How scores come out of the output layer.
TREE, SOFTMAX, SIGMOID = 0, 1, 2

_EOS_HASH = np.uint32(3617362777)  # FNV of "</s>"
_PREFIX = (95, 95, 108, 97, 98, 101, 108, 95, 95)  # __label__
_CHUNK = 256  # rows gathered before they are summed
_CACHE_BYTES = 2 << 20


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
    kept: Any  #: uint64[n_buckets / 64]: a bit for each that was not; small enough for the CPU's cache
    min_chars: int
    max_chars: int
    word_ngrams: int
    eos: int  #: the row of the end of the text, -1 without one
    output: int
    n_labels: int


@inline
def _is_space(byte: Any) -> Any:
    return byte <= 32 and (byte == 32 or (9 <= byte <= 13) or byte == 0)


@kernel
def _add_buckets(bucket_rows: Any, rows: Any, picked: Any, n: int, sums: Any, at: int) -> None:
    """Add the rows of ``n`` buckets to ``sums[at]``, in order, sixteen columns at a time."""
    for k in range(n):
        picked[k] = bucket_rows[picked[k]]
    for c in range(0, rows.shape[1], 16):
        s0, s1, s2, s3 = sums[at, c], sums[at, c + 1], sums[at, c + 2], sums[at, c + 3]
        s4, s5, s6, s7 = sums[at, c + 4], sums[at, c + 5], sums[at, c + 6], sums[at, c + 7]
        s8, s9, s10, s11 = sums[at, c + 8], sums[at, c + 9], sums[at, c + 10], sums[at, c + 11]
        s12, s13, s14, s15 = sums[at, c + 12], sums[at, c + 13], sums[at, c + 14], sums[at, c + 15]
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
        sums[at, c], sums[at, c + 1], sums[at, c + 2], sums[at, c + 3] = s0, s1, s2, s3
        sums[at, c + 4], sums[at, c + 5], sums[at, c + 6], sums[at, c + 7] = s4, s5, s6, s7
        sums[at, c + 8], sums[at, c + 9], sums[at, c + 10], sums[at, c + 11] = s8, s9, s10, s11
        sums[at, c + 12], sums[at, c + 13], sums[at, c + 14], sums[at, c + 15] = s12, s13, s14, s15


@kernel
def _sum_word(
    rows: Any,
    kept: Any,
    bucket_rows: Any,
    min_chars: int,
    max_chars: int,
    spelled: Any,
    size: int,
    word: int,
    picked: Any,
    sums: Any,
    at: int,
) -> int:
    """Sum the rows of one word and of its n-grams into ``sums[at]``; return how many there were.

    ``spelled`` holds the word's bytes between < and >, extended for hashing, and a zero behind.
    """
    found = np.int64(word >= 0)
    for c in range(sums.shape[1]):
        sums[at, c] = rows[word, c] if word >= 0 else np.float32(0)
    n: Any = np.int64(0)  # not 0: numba would compile what is called for the literal, too
    buckets = np.int64(len(bucket_rows))
    part = 1.0 / (buckets + (buckets == 0))
    first = size if max_chars <= 0 or buckets == 0 else 0
    for i in range(first, size):
        if (spelled[i] & np.uint32(0xC0)) == 0x80:
            continue
        gram = HASH_START
        j = i
        for chars in range(1, max_chars + 1):
            gram = np.uint32((gram ^ spelled[j]) * HASH_PRIME)
            j += 1
            while (spelled[j] & np.uint32(0xC0)) == 0x80:
                gram = np.uint32((gram ^ spelled[j]) * HASH_PRIME)
                j += 1
            if chars >= min_chars and not (chars == 1 and (i == 0 or j == size)):
                # gram % buckets: a product and a correction are cheaper than a division.
                bucket = np.int64(gram) - np.int64(np.float64(gram) * part) * buckets
                bucket += buckets if bucket < 0 else 0
                bucket -= buckets if bucket >= buckets else 0
                # Without a branch: whether an n-gram was pruned is hard to foresee.
                picked[n] = bucket
                n += int(kept[bucket >> 6] >> np.uint64(bucket & 63) & np.uint64(1))
            if j >= size:
                break
        if n > _CHUNK:
            _add_buckets(bucket_rows, rows, picked, n, sums, at)
            found += n
            n = np.int64(0)
    _add_buckets(bucket_rows, rows, picked, n, sums, at)
    return int(found + n)


@kernel
def _spell(data: Any, start: int, stop: int, spelled: Any) -> None:
    """Write a word as the units of its hashes: signed bytes, < before and > behind, then a zero."""
    spelled[0] = 60
    for i in range(start, stop):
        byte = np.uint32(data[i])
        spelled[i - start + 1] = byte | (np.uint32(0xFFFFFF00) if byte >= 128 else np.uint32(0))
    spelled[stop - start + 1] = 62
    spelled[stop - start + 2] = 0


@kernel
def _add_word_ngrams(
    rows: Any, bucket_rows: Any, size: int, recent: Any, seen: int, total: Any
) -> int:
    """Add the rows of the word n-grams that end at the newest word; return how many."""
    found = 0
    buckets = np.uint64(len(bucket_rows))
    for first in range(max(0, seen - size + 1), seen):
        # int32 hashes are extended with their sign before they enter the 64-bit product.
        gram = np.uint64(np.int64(recent[first % size]))
        for k in range(first + 1, seen + 1):
            gram = gram * np.uint64(116049371) + np.uint64(np.int64(recent[k % size]))
        row = bucket_rows[np.int64(gram % buckets)]
        if row >= 0:
            found += 1
            for c in range(len(total)):
                total[c] += rows[row, c]
    return found


@inline
def _dot(heads: Any, head: Any, mean: Any) -> Any:
    # Four sums side by side, always the same four: the CPU need not wait for each addition.
    a = b = c = d = np.float32(0)
    for k in range(0, len(mean), 4):
        a += heads[head, k] * mean[k]
        b += heads[head, k + 1] * mean[k + 1]
        c += heads[head, k + 2] * mean[k + 2]
        d += heads[head, k + 3] * mean[k + 3]
    return np.float64((a + b) + (c + d))


@inline
def _sigmoid(x: Any) -> Any:
    # fastText looks it up in a table of 32 steps per unit between -8 and 8.
    step = np.floor((min(max(x, -8.0), 8.0) + 8.0) * 32.0)
    return 0.0 if x < -8.0 else (1.0 if x > 8.0 else 1.0 / (1.0 + np.exp(8.0 - step / 32.0)))


@kernel
def _best_two(net: Any, mean: Any, reach: Any, open_nodes: Any, labels: Any, scores: Any) -> None:
    """Write the two labels of the highest score. fastText adds 1e-5 to each probability it multiplies."""
    best = second = -np.inf
    winner = runner = -1
    if net.output == 0:  # TREE: the likelier child first, so that most of the tree is never entered
        leaves = net.n_labels
        open_nodes[0] = 2 * leaves - 2
        reach[2 * leaves - 2] = 1.0
        n_open = 1
        while n_open > 0:
            n_open -= 1
            node = open_nodes[n_open]
            score = reach[node]
            if score <= second:
                continue
            if node < leaves:
                if score > best:
                    second, runner = best, winner
                    best, winner = score, node
                else:
                    second, runner = score, node
                continue
            p = 1.0 / (1.0 + np.exp(-_dot(net.heads, node - leaves, mean)))
            left, right = net.left[node], net.right[node]
            reach[left] = score * (1.0 - p + 1e-5)
            reach[right] = score * (p + 1e-5)
            open_nodes[n_open] = left if p >= 0.5 else right
            open_nodes[n_open + 1] = right if p >= 0.5 else left
            n_open += 2
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
            best, second = _sigmoid(best) + 1e-5, _sigmoid(second) + 1e-5
    labels[0], labels[1] = winner, runner
    scores[0] = min(best, 1.0) if winner >= 0 else 0.0
    scores[1] = min(second, 1.0) if runner >= 0 else 0.0


@kernel
def predict(net: Any, data: Any, offsets: Any, capacity: int, labels: Any, scores: Any) -> None:
    r"""Write the best two labels and their scores for each text; -1 and 0 where there is nothing.

    Text ``d`` is ``data[offsets[d]:offsets[d + 1]]``, UTF-8. A newline is a space, as in
    ``model.predict(text.replace("\n", " "))``. ``capacity`` is the number of words remembered.
    """
    # Taken out of the tuple once: a call that is given a tuple counts references to each array in it.
    rows, bucket_rows, kept = net.rows, net.bucket_rows, net.kept
    spelling, begin, end, slots = net.spelling, net.begin, net.end, net.slots
    min_chars, max_chars, word_ngrams = net.min_chars, net.max_chars, net.word_ngrams
    width = rows.shape[1]
    mask = capacity - 1
    known = np.zeros((capacity, 4), np.int64)  # where, how many bytes, how many rows
    known_sum = np.empty((capacity, width), np.float32)
    picked = np.empty(_CHUNK + 2 + max_chars, np.int64)
    spelled = np.empty(256, np.uint32)
    recent = np.zeros(max(1, word_ngrams), np.int32)
    mean = np.empty(width, np.float32)
    reach = np.empty(2 * net.n_labels, np.float64)
    open_nodes = np.empty(2 * net.n_labels, np.int64)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        mean[:] = 0
        found = 0
        seen: Any = np.int64(0)
        while True:
            while i < stop and _is_space(data[i]):
                i += 1
            if i >= stop:
                break
            start = i
            state = HASH_START
            while i < stop and not _is_space(data[i]):
                state = mix(state, data[i])
                i += 1
            size = i - start
            if _is_reserved(data, start, size):
                continue
            at: Any = np.int64(state ^ (state >> np.uint32(15))) & mask
            same = known[at, 1] == size
            if same:
                before = known[at, 0]
                for k in range(size):
                    if data[before + k] != data[start + k]:
                        same = False
                        break
            if not same:
                known[at, 1] = size
                if size + 3 > len(spelled):
                    spelled = np.empty(2 * size, np.uint32)
                _spell(data, start, i, spelled)
                word = find_word(spelling, begin, end, slots, data, start, i, state)
                known[at, 2] = _sum_word(
                    rows,
                    kept,
                    bucket_rows,
                    min_chars,
                    max_chars,
                    spelled,
                    size + 2,
                    word,
                    picked,
                    known_sum,
                    at,
                )
            known[at, 0] = start  # the newest occurrence is the likeliest to be in the CPU's cache
            found += known[at, 2]
            for c in range(width):
                mean[c] += known_sum[at, c]
            if word_ngrams > 1:
                recent[seen % word_ngrams] = np.int32(state)
                found += _add_word_ngrams(rows, bucket_rows, word_ngrams, recent, seen, mean)
                seen += 1
        if net.eos >= 0:
            found += 1
            for c in range(width):
                mean[c] += rows[net.eos, c]
        if word_ngrams > 1:
            recent[seen % word_ngrams] = np.int32(_EOS_HASH)
            found += _add_word_ngrams(rows, bucket_rows, word_ngrams, recent, seen, mean)
        if found == 0:
            labels[d, 0] = labels[d, 1] = -1
            scores[d, 0] = scores[d, 1] = 0.0
            continue
        share = np.float32(1.0 / found)
        for c in range(width):
            mean[c] *= share
        _best_two(net, mean, reach, open_nodes, labels[d], scores[d])


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
    """Give how many words a call remembers: as many as two megabytes of sums hold.

    >>> capacity(16), capacity(256)
    (32768, 2048)
    """
    return 1 << ((_CACHE_BYTES // (4 * width)).bit_length() - 1)
