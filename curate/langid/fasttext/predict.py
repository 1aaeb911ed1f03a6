"""fastText's prediction: words, subword n-grams, the mean of their rows, the best two labels.

The numbers are fastText's (Joulin et al. 2016, arXiv:1607.01759; the format and the arithmetic are
those of facebookresearch/fastText 0.9). Only the order of additions differs: first the rows of a
word, then the words of a text. The sum of a word can then be cached, and the cache changes no bit.

One difference is intended. fastText stops reading at a word ``</s>``, so that one in the first line
would hide the rest of a page; here such a word is skipped.

Classifiers without subwords take another way: where there are fewer heads than dimensions, a row is
replaced, when the model is read, by what the heads make of it. That is all that scores need, and
rows of eight bytes in the place of four hundred are mostly in the CPU's cache.

Speed limit: words that are not cached, which are all words of a script without spaces, cost half of
the time, most of it waiting for their n-grams in the CPU's cache (curate.langid.fasttext.subwords).
They are collected and looked up together, so that the waits overlap.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from curate.kernels.hashing import hash_block, hash_span
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import HIGHEST, LOW_SEVEN, bytes_before, eight_bytes, first_bytes
from curate.langid.fasttext.dictionary import HASH_START, find_word, mix, same_bytes
from curate.langid.fasttext.subwords import NOTES, add_rows, note_word, sum_long_word, sum_words

#: Columns are summed sixteen at a time, in registers; matrices are padded to a multiple of it.
LANES = 16

#: The kinds of output layer.
TREE, SOFTMAX, SIGMOID = 0, 1, 2

_EOS_HASH = np.uint32(3617362777)  # FNV of "</s>"
_PREFIX = (95, 95, 108, 97, 98, 101, 108, 95, 95)  # __label__
_CACHE_BYTES = 2 << 20
_TOGETHER = 256  # words whose rows are added together
_WORDS = 1 << 13  # words that are remembered with their rows
_ROOM = 2048  # characters of new words, and words, that are looked up together

# The columns of a cached word besides its sum: its hash, its size, its last position and batch.
_HASH, _SIZE, _WHERE, _BATCH = 0, 1, 2, 3
# And of a word whose row and n-grams are added: its state, its row.
_STATE, _ROW = 3, 4

_PAST_SPACE = uint64(0x5F5F5F5F5F5F5F5F)  # 0x7F - " "


class Network(NamedTuple):
    """The arrays of a model, as the kernels read them."""

    #: float32[n_words + n_buckets, width / 16, 16]: of each word, then of each n-gram. Without
    #: subwords float32[..., 1, n_heads] where that is less: what the heads make of each row.
    rows: Any
    heads: Any  #: float32[width, n_heads]: a column for each inner node of the tree, or each label
    left: Any  #: int32[nodes]: the tree's children; empty without a tree
    right: Any
    spelling: Any  #: uint8: the bytes of all known words
    begin: Any  #: int64[n_words]: the start of each in it
    slots: Any  #: int64[2**k, 2]: open addressing: a word's hash, its size << 32 | its number
    first_bucket: int  #: the row of the first n-gram's hash where none was pruned, else -1
    bucket_rows: Any  #: int32[n_buckets]: the row of an n-gram's hash, -1 where it was pruned
    kept: Any  #: uint64[n_buckets // 64 + 1]: a bit for each that was not; fits the CPU's cache
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
def _word_end(data: Any, start: Any, stop: Any) -> Any:
    """Return the first space of data[start:stop], or ``stop``; reads eight bytes at a time."""
    i = start
    while i < stop:
        if i + 8 <= len(data):
            block = eight_bytes(data, i)
            low = ~(((block & LOW_SEVEN) + _PAST_SPACE) | block) & HIGHEST  # bytes up to " "
            i = min(i + (bytes_before(low) if low else int64(8)), stop)
            if low == uint64(0) or i == stop:
                continue
        if _is_space(data[uint64(i)]):
            return i
        i += 1
    return i


@kernel
def _next_word(data: Any, start: Any, stop: Any) -> Any:
    """Return start, end and hash of the first word of data[start:stop]; 0 bytes where it has none.

    The hash is `hash_span`'s.
    """
    i = start
    while i < stop and _is_space(data[uint64(i)]):
        i += 1
    if i + 8 <= stop:
        # Most words end within eight bytes, and are hashed as they were read.
        block = eight_bytes(data, i)
        low = ~(((block & LOW_SEVEN) + _PAST_SPACE) | block) & HIGHEST  # bytes up to " "
        if low:
            size = int64(bytes_before(low))
            if _is_space(data[uint64(i + size)]):
                return i, i + size, hash_block(block & first_bytes(size), size)
    end = _word_end(data, i, stop)
    return i, end, hash_span(data, i, end) if end > i else uint64(0)


@kernel
def _add_words(
    net: Any, data: Any, start: Any, stop: Any, total: Any, plain: Any, spans: Any, hashes: Any,
    states: Any, picked: Any, known: Any,
) -> Any:  # fmt: skip
    """Add the rows of the word n-grams of data[start:stop] to total[0]; return how many.

    ``plain``: those of the words, too, which have no subwords. Words are taken together: first all
    are hashed, then looked up, then their rows added, so that the waits for memory overlap.
    ``known``: words of this call's data, by hash, with their row and state; most words are there.
    """
    rows, bucket_rows, slots = net.rows, net.bucket_rows, net.slots
    spelling, begin = net.spelling, net.begin
    many = net.word_ngrams
    buckets, grams = uint64(len(bucket_rows)), many > 1 and len(bucket_rows) > 0
    mask = uint64(len(known) - 1)
    before, count, zero = int64(0), int64(0), int64(0)  # ``before``: states of earlier words
    i, ended = start, False
    while not ended:
        words, new, n = int64(0), int64(0), int64(0)
        while words < _TOGETHER and not ended:
            first, i, hashed = _next_word(data, i, stop)
            size = i - first
            ended = size == 0
            if ended:
                # int32 hashes are extended with their sign before they enter the 64-bit product.
                states[before + words], picked[words] = int64(np.int32(_EOS_HASH)), -1
                words += 1
                continue
            at = hashed >> uint64(32) & mask
            same = known[at, _SIZE] == size and known[at, _HASH] == int64(hashed)
            # Words of up to eight bytes are the same if their hashes are.
            if same and size > 8:
                same = same_bytes(data, known[at, _WHERE], data, first, size)
            if same:
                states[before + words], picked[words] = known[at, _STATE], known[at, _ROW]
                words += 1
            elif not _is_reserved(data, first, size):
                spans[new, 0], spans[new, 1], spans[new, 2] = first, i, words
                hashes[new] = hashed
                new += 1
                words += 1
        for k in range(new):
            first, last, w = spans[k, 0], spans[k, 1], spans[k, 2]
            state = HASH_START
            for at in range(first, last):
                state = mix(state, data[uint64(at)])
            row = int64(-1)
            if plain:
                row = find_word(spelling, begin, slots, data, first, last, hashes[k])
            states[before + w], picked[w] = int64(np.int32(state)), row
            at = hashes[k] >> uint64(32) & mask
            known[at, _HASH], known[at, _SIZE], known[at, _WHERE] = (
                int64(hashes[k]),
                last - first,
                first,
            )
            known[at, _STATE], known[at, _ROW] = states[before + w], row
        for w in range(words):
            picked[n] = picked[w]
            n += int64(picked[w] >= 0)
        if grams:
            for newest in range(before, before + words):
                for oldest in range(max(zero, newest - many + 1), newest):
                    gram = uint64(states[oldest])
                    for k in range(oldest + 1, newest + 1):
                        gram = gram * uint64(116049371) + uint64(states[k])
                    bucket = gram % buckets
                    whole = net.first_bucket >= 0
                    row = net.first_bucket + int64(bucket) if whole else int64(bucket_rows[bucket])
                    picked[n] = row
                    n += int64(row >= 0)
            known_states = min(many - 1, before + words)
            for k in range(known_states):
                states[k] = states[before + words - known_states + k]
            before = known_states
        if rows.shape[2] == LANES:
            add_rows(rows, picked, zero, n, total, zero)
        else:
            _add_narrow(rows, picked, n, total)
        count += n
    return count


@kernel
def _add_narrow(rows: Any, picked: Any, n: Any, total: Any) -> None:
    """Add the rows picked[:n], of a few numbers each, in order."""
    for k in range(n):
        row = uint64(picked[k])
        for column in range(rows.shape[2]):
            total[0, 0, column] += rows[row, 0, column]


@kernel
def project(rows: Any, heads: Any, out: Any) -> None:
    """Write the product of each row of a matrix with each head, rounded once, to ``out``."""
    for row in range(len(rows)):
        for head in range(len(heads)):
            a = b = c = d = 0.0
            width = rows.shape[1]
            for k in range(0, width - 3, 4):
                a += float(rows[row, k]) * float(heads[head, k])
                b += float(rows[row, k + 1]) * float(heads[head, k + 1])
                c += float(rows[row, k + 2]) * float(heads[head, k + 2])
                d += float(rows[row, k + 3]) * float(heads[head, k + 3])
            for k in range(width - width % 4, width):
                a += float(rows[row, k]) * float(heads[head, k])
            out[row, head] = np.float32((a + b) + (c + d))


@kernel
def _products(heads: Any, mean: Any, sums: Any, dots: Any) -> None:
    """Multiply a mean with each column of ``heads``: dots[head]."""
    many = heads.shape[1]
    # Always the same four sums side by side, of all heads at once: the compiler vectorizes this.
    sums[:] = 0
    for k in range(0, len(mean), 4):
        row = uint64(k)
        for side in range(4):
            at, weight = row + uint64(side), mean[row + uint64(side)]
            for head in range(many):
                sums[side, head] += heads[at, head] * weight
    for head in range(many):
        dots[head] = np.float64((sums[0, head] + sums[1, head]) + (sums[2, head] + sums[3, head]))


@inline
def _sigmoid(x: Any) -> Any:
    # fastText uses a table of 32 steps per unit between -8 and 8.
    step = np.floor((min(max(x, -8.0), 8.0) + 8.0) * 32.0)
    return 0.0 if x < -8.0 else (1.0 if x > 8.0 else 1.0 / (1.0 + np.exp(8.0 - step / 32.0)))


@kernel
def _best_two(net: Any, dots: Any, reach: Any, open_nodes: Any, labels: Any, scores: Any) -> None:
    """Write the two labels of the highest score. Like fastText, add 1e-5 to each probability."""
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
            p = 1.0 / (1.0 + np.exp(-dots[node - leaves]))
            left, right = net.left[node], net.right[node]
            reach[left] = score * (1.0 - p + 1e-5)
            reach[right] = score * (p + 1e-5)
            open_nodes[n_open] = left if p >= 0.5 else right
            open_nodes[n_open + 1] = right if p >= 0.5 else left
            n_open += 2
    else:
        for label in range(net.n_labels):
            score = dots[label]
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
def _score_of(net: Any, dots: Any, label: Any, parent: Any, path: Any) -> Any:
    """Return the score of any label, the same bits as ``_best_two`` gives where it is of them."""
    if net.output == 0:  # TREE
        root = 2 * net.n_labels - 2
        length = int64(0)
        node = int64(label)
        while node != root:
            path[length] = node
            length += 1
            node = int64(parent[node])
        score = 1.0
        for k in range(length - 1, -1, -1):
            p = 1.0 / (1.0 + np.exp(-dots[node - net.n_labels]))
            taken = path[k]
            score *= p + 1e-5 if net.right[node] == taken else 1.0 - p + 1e-5
            node = taken
        return min(score, 1.0)
    if net.output != 1:  # SIGMOID
        return min(_sigmoid(dots[label]) + 1e-5, 1.0)
    best = -np.inf
    for other in range(net.n_labels):
        best = max(best, dots[other])
    total = 0.0
    for other in range(net.n_labels):
        total += np.exp(dots[other] - best)
    return min(np.exp(dots[label] - best) / total + 1e-5, 1.0)


@kernel
def predict(
    net: Any,
    data: Any,
    offsets: Any,
    capacity: int,
    labels: Any,
    scores: Any,
    wanted: Any,
    parent: Any,
    of_wanted: Any,
) -> None:
    r"""Write the best two labels and their scores for each text; -1 and 0 where it has none.

    Text ``d`` is ``data[offsets[d]:offsets[d + 1]]``, UTF-8. A newline is a space, as in
    ``model.predict(text.replace("\n", " "))``. ``capacity`` is the number of cached words.
    ``of_wanted[d]`` gets the scores of the labels ``wanted``; a text without any has NaN.
    ``parent`` are those of the tree's nodes.
    """
    # Taken out of the tuple once: a call with a tuple counts references to all its arrays.
    rows, bucket_rows, kept, heads = net.rows, net.bucket_rows, net.kept, net.heads
    spelling, begin, slots = net.spelling, net.begin, net.slots
    min_chars, max_chars = net.min_chars, net.max_chars
    mask = capacity - 1
    known = np.zeros((capacity, 4), np.int64)  # _HASH, _SIZE, _WHERE, _BATCH
    lanes = rows.shape[2]
    sums = np.empty((capacity, rows.shape[1], lanes), np.float32)
    counts = np.empty(capacity, np.int64)
    # The words of a text in order, by their place in ``known``, and the notes of the new ones.
    order = np.empty(_ROOM, np.int64)
    noted = np.empty((_ROOM, NOTES), np.int64)
    chars = np.zeros(_ROOM + max_chars, np.uint32)
    state = np.empty(_ROOM, np.uint32)
    grams = np.empty((max_chars, _ROOM), np.uint32)
    picked = np.empty(_ROOM * max_chars + 1, np.int64)
    total = np.empty((1, rows.shape[1], lanes), np.float32)
    mean = total.reshape(rows.shape[1] * lanes)
    sides = np.empty((4, heads.shape[1]), np.float32)
    dots = np.empty(heads.shape[1], np.float64)
    reach = np.empty(2 * net.n_labels, np.float64)
    open_nodes = np.empty(2 * net.n_labels, np.int64)
    subwords = max_chars > 0 and len(bucket_rows) > 0
    plain = not subwords
    spans = np.empty((_TOGETHER, 3), np.int64)
    together_known = np.zeros((_WORDS if plain or net.word_ngrams > 1 else 1, 8), np.int64)
    hashes = np.empty(_TOGETHER, np.uint64)
    states = np.empty(_TOGETHER + net.word_ngrams, np.int64)
    together = np.empty(_TOGETHER * (net.word_ngrams + 1), np.int64)
    # Typed, because numba would compile the called kernels for literals too.
    batch, zero, room = int64(0), int64(0), int64(_ROOM)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        mean[:] = 0
        summed = int64(0)
        batch += 1
        words, new, n, widest = int64(0), int64(0), int64(0), int64(1)
        while subwords:
            while i < stop and _is_space(data[uint64(i)]):
                i += 1
            start = i
            i = _word_end(data, start, stop)
            size = i - start
            if size > 0 and _is_reserved(data, start, size):
                continue
            at, same, hashed = int64(0), False, uint64(0)
            if size > 0:
                hashed = hash_span(data, start, i)
                at = int64(hashed >> uint64(32)) & mask
                # Words of up to eight bytes are the same if their hashes are.
                same = known[at, _SIZE] == size and known[at, _HASH] == int64(hashed)
                same = same and (
                    size <= 8 or same_bytes(data, known[at, _WHERE], data, start, size)
                )
            full = words == _ROOM or (not same and n + size + 2 > _ROOM)
            if full or size == 0 or (not same and known[at, _BATCH] == batch):
                sum_words(
                    rows, bucket_rows, kept, min_chars, chars, n, widest, noted, new, state, grams,
                    picked, sums, counts,
                )  # fmt: skip
                for k in range(words):
                    summed += counts[order[k]]
                add_rows(sums, order, zero, words, total, zero)
                batch += 1
                words, new, n, widest = int64(0), int64(0), int64(0), int64(1)
                if size == 0:
                    break
            if not same:
                known[at, _HASH], known[at, _SIZE] = int64(hashed), size
                word = find_word(spelling, begin, slots, data, start, i, hashed)
                counts[at] = word >= 0
                for b in range(rows.shape[1]):
                    for c in range(lanes):
                        sums[at, b, c] = rows[word, b, c] if word >= 0 else np.float32(0)
                if size + 2 > _ROOM:
                    sum_long_word(
                        data, start, i, rows, bucket_rows, kept, min_chars, chars, room, noted,
                        state, grams, picked, sums, counts, at,
                    )  # fmt: skip
                else:
                    n, widest = note_word(data, start, i, chars, n, widest, noted, new, at)
                    new += 1
            known[at, _WHERE] = start  # the newest occurrence is likeliest to be in the CPU's cache
            known[at, _BATCH] = batch
            order[words] = at
            words += 1
        if net.eos >= 0:
            summed += 1
            for c in range(len(mean)):
                mean[c] += rows[net.eos, c // lanes, c % lanes]
        if plain or net.word_ngrams > 1:
            summed += _add_words(
                net, data, offsets[d], stop, total, plain, spans, hashes, states, together,
                together_known,
            )  # fmt: skip
        if summed == 0:
            labels[d, 0] = labels[d, 1] = -1
            scores[d, 0] = scores[d, 1] = 0.0
            of_wanted[d] = np.nan
            continue
        share = np.float32(1.0 / summed)
        for c in range(len(mean)):
            mean[c] *= share
        if lanes == LANES:
            _products(heads, mean, sides, dots)
        else:
            for head in range(len(dots)):
                dots[head] = mean[head]
        _best_two(net, dots, reach, open_nodes, labels[d], scores[d])
        for k in range(len(wanted)):
            of_wanted[d, k] = _score_of(net, dots, wanted[k], parent, open_nodes)


@kernel
def _is_reserved(data: Any, start: int, size: int) -> bool:
    """Return whether a word is ``</s>`` or starts with ``__label__``: neither counts as text."""
    if size == 4 and data[start] == 60:
        return bool(data[start + 1] == 47 and data[start + 2] == 115 and data[start + 3] == 62)
    if size < 9 or data[start] != 95 or data[start + 1] != 95:
        return False
    same = True
    for k in range(9):
        same &= data[start + k] == _PREFIX[k]
    return same


def capacity(width: int) -> int:
    """Return how many words a call caches: as many as fit two megabytes of sums.

    >>> capacity(16), capacity(256)
    (32768, 2048)
    """
    return 1 << ((_CACHE_BYTES // (4 * width)).bit_length() - 1)
