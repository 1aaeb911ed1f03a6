"""Shingles: a document as the set of its word n-grams (or character n-grams), 64 bits each.

Two documents are as similar as these sets are: Jaccard = shared shingles / all shingles (Broder
1997, "On the resemblance and containment of documents"). What the options name is folded first
(case, width and punctuation by default), so that copies which differ in those are still copies.

Three cases have rules of their own:

- In a document of fewer than twice `ngram` words all signs are words.
- A document shorter than one shingle is one shingle: its words and signs.
- Where numbers are folded, a short document and a shingle of numbers only keep their digits; else
  every price list would be the same document.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numba import int64, uint64

from curate.dedup.options import Shingling
from curate.dedup.word_hashes import (
    DIGITS,
    LOWER,
    SIGNS,
    SYMBOLS,
    fold,
    hash_characters,
    hash_words,
    room,
)
from curate.kernels.arrow import buffers, merged
from curate.kernels.folding import BLOCK, character_table, mark_orders, nfc, rewritten, word_table
from curate.kernels.hashing import DEGSKI, mix64
from curate.kernels.jit import inline, kernel

#: Bytes of text whose shingles are in memory at a time (one text at least).
SLICE_BYTES = 1 << 20
#: Words that are copied aside before shingles replace them.
_AHEAD = 2048
#: Values that are sorted by insertion.
_FEW = 32


@inline
def joined(hashes: np.ndarray, start: int, n: int) -> Any:
    """Return the hash of n hashes in their order: the hash of one shingle.

    Must equal what `_windows` computes for the same n hashes. MinHash takes the upper 32 bits and
    `_sort` expects evenly spread values, so the last step mixes all bits.
    """
    x = uint64(0)
    for j in range(start, start + n):
        x = x * DEGSKI + hashes[j]
    return mix64(x)


@kernel
def _windows(hashes: np.ndarray, n: int, ngram: int, ahead: np.ndarray) -> int:
    """Replace n words by their shingles; return how many shingles there are.

    A block at a time, word by word of the window, which is vectorised. Must equal `joined` of each
    window: nearly all shingles are made here, short texts and numbers there.
    """
    count = max(0, n - ngram + 1)
    block = ahead.shape[0] - ngram
    for first in range(0, count, block):
        here = min(block, count - first)
        for i in range(min(here + ngram - 1, n - first)):
            ahead[i] = hashes[first + i]
        out = hashes[first:]
        for i in range(here):
            out[i] = ahead[i]
        for j in range(1, ngram):
            later = ahead[j:]
            for i in range(here):
                out[i] = out[i] * DEGSKI + later[i]
        for i in range(here):
            out[i] = mix64(out[i])
    return count


@kernel
def _has_run(numeric: np.ndarray, n: int, ngram: int) -> bool:
    """Return whether `ngram` numbers or more follow one another."""
    run = 0
    for i in range(n):
        run = (run + 1) * int64(numeric[i])
        if run >= ngram:
            return True
    return False


@kernel
def _keep_numbers(
    words: np.ndarray, numeric: np.ndarray, n: int, ngram: int, out: np.ndarray
) -> None:
    """Overwrite the shingles of nothing but numbers with those that keep the digits."""
    run = 0
    for i in range(n):
        run = (run + 1) * int64(numeric[i])
        if run >= ngram:
            out[i - ngram + 1] = joined(words, i - ngram + 1, ngram)


@kernel
def _word_shingles(
    data: np.ndarray,
    offsets: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    rules: tuple[int, int, int, int],
    orders: np.ndarray,
    ngram: int,
    longest: int,
    out: np.ndarray,
    out_offsets: np.ndarray,
    rewrite: np.ndarray,
) -> None:
    """Write the shingles of texts; those to rewrite first are marked, and get none."""
    entries = np.empty(BLOCK, np.uint32)
    folded = np.empty(room(longest), np.uint64)
    units = folded.view(np.uint16)
    numeric = np.empty(longest + 2, np.uint8)
    ahead = np.empty(_AHEAD + ngram, np.uint64)
    words, words_kept, signs, signs_kept = tables
    counts_signs = (rules[2] & SIGNS) != 0
    folds_numbers = (rules[0] & DIGITS) == 0
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        at, start, stop = out_offsets[d], offsets[d], offsets[d + 1]
        here = out[at:]
        size, flagged = fold(data, start, stop, words, orders, rules[0], entries, units)
        if flagged and not rewrite[d]:
            rewrite[d] = True
            out_offsets[d + 1] = at
            continue
        rewrite[d] = False
        n, numbers = hash_words(folded, size, here, numeric)
        kept_table, kept_rule, whole = words_kept, rules[1], n < ngram
        if counts_signs and n < 2 * ngram:
            # A second reading, with signs, for the short texts that it may tell apart.
            size, _ = fold(data, start, stop, signs, orders, rules[2], entries, units)
            n, numbers = hash_words(folded, size, here, numeric)
            kept_table, kept_rule = signs_kept, rules[3]
        whole |= n < ngram
        if folds_numbers and (whole or (numbers >= ngram and _has_run(numeric, n, ngram))):
            kept = np.empty(n + 1, np.uint64)
            size, _ = fold(data, start, stop, kept_table, orders, kept_rule, entries, units)
            hash_words(folded, size, kept, numeric)
            if whole:
                here[:n] = kept[:n]
                count = _windows(here, n, ngram, ahead) if n >= ngram else min(n, 1)
            else:
                count = _windows(here, n, ngram, ahead)
                _keep_numbers(kept, numeric, n, ngram, here)
        else:
            count = _windows(here, n, ngram, ahead) if n >= ngram else min(n, 1)
        if 0 < n < ngram:
            here[0] = joined(here, 0, n)
        out_offsets[d + 1] = at + count


@kernel
def _character_shingles(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    ngram: int,
    out: np.ndarray,
    out_offsets: np.ndarray,
    rewrite: np.ndarray,
) -> None:
    entries = np.empty(BLOCK, np.uint32)
    ahead = np.empty(_AHEAD + ngram, np.uint64)
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        at = out_offsets[d]
        here = out[at:]
        n, flagged = hash_characters(data, offsets[d], offsets[d + 1], table, entries, here)
        if flagged and not rewrite[d]:
            rewrite[d] = True
            out_offsets[d + 1] = at
            continue
        rewrite[d] = False
        count = _windows(here, n, ngram, ahead)
        if 0 < n < ngram:
            here[0] = joined(here, 0, n)
            count = 1
        out_offsets[d + 1] = at + count


@lru_cache(maxsize=4)
def _word_tables(fold: tuple[str, ...]) -> tuple[Any, Any]:
    """Return tables of words and of words and signs, each also with digits kept; their rules."""
    signs = "symbols" not in fold
    only_signs = signs and "punctuation" not in fold
    lower = "case" in fold or "diacritics" in fold  # a base letter is small
    common = (LOWER if lower else 0) | (SYMBOLS if signs else 0)
    tables, rules = [], []
    for with_signs in (only_signs, signs):
        for values in (False, True):
            tables.append(word_table(fold, signs=with_signs, values=values))
            digits = DIGITS if values or "numbers" not in fold else 0
            rules.append(common | digits | (SIGNS if with_signs else 0))
    return tuple(tables), tuple(rules)


def shingles(
    texts: pa.LargeStringArray, shingling: Shingling
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the shingles of texts in their order, repeats included: hashes and the texts' offsets.

    A slice of text at a time, so that the hashes are used while they are in the cache; the next
    slice overwrites them. The longest text takes some twelve times its bytes of memory.
    """
    by_word = shingling.kind == "word"
    texts = texts if by_word else nfc(texts)
    data, offsets = buffers(texts)
    out = np.empty(0, np.uint64)
    start = 0
    while start < len(texts):
        stop = int(np.searchsorted(offsets, offsets[start] + SLICE_BYTES, side="right")) - 1
        stop = min(max(stop, start + 1), len(texts))
        here = offsets[start : stop + 1]
        # Only pages that are written use memory.
        most = int(here[-1] - here[0]) + len(here)
        out = out if len(out) >= most else np.empty(most, np.uint64)
        rewrite = np.zeros(stop - start, np.bool_)
        out_offsets = _shingles(data, here, shingling, out, rewrite)
        rows = np.flatnonzero(rewrite)
        if len(rows):
            chosen = rewritten(
                texts.slice(start, stop - start).take(pa.array(rows)), shingling.fold
            )
            later_data, later = buffers(chosen)
            more = np.empty(int(later[-1] - later[0]) + len(later), np.uint64)
            more_offsets = _shingles(later_data, later, shingling, more, rewrite[rows])
            yield merged(out, out_offsets, more, more_offsets, rows)
        else:
            yield out[: out_offsets[-1]], out_offsets
        start = stop


def _shingles(
    data: np.ndarray,
    offsets: np.ndarray,
    shingling: Shingling,
    out: np.ndarray,
    rewrite: np.ndarray,
) -> np.ndarray:
    """Write the shingles of texts; return their offsets. Texts to rewrite are marked if not yet."""
    out_offsets = np.empty(len(offsets), np.int64)
    if shingling.kind == "word":
        tables, longest = _word_tables(shingling.fold), int(np.diff(offsets).max())
        orders, ngram = mark_orders(), shingling.ngram
        _word_shingles(data, offsets, *tables, orders, ngram, longest, out, out_offsets, rewrite)
    else:
        table = character_table(shingling.fold)
        _character_shingles(data, offsets, table, shingling.ngram, out, out_offsets, rewrite)
    return out_offsets


@kernel
def _written(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    rule: int,
    orders: np.ndarray,
    longest: int,
    hashes: np.ndarray,
    rewrite: np.ndarray,
) -> None:
    # Where numbers are folded, words of digits only are left out.
    entries = np.empty(BLOCK, np.uint32)
    folded = np.empty(room(longest), np.uint64)
    numeric, words = np.empty(longest + 2, np.uint8), np.empty(longest + 2, np.uint64)
    for d in range(offsets.shape[0] - 1):
        start, stop = offsets[d], offsets[d + 1]
        size, flagged = fold(
            data, start, stop, table, orders, rule, entries, folded.view(np.uint16)
        )
        rewrite[d] = flagged
        n, _ = hash_words(folded, size, words, numeric)
        kept = 0
        for i in range(n):
            words[kept] = words[i]
            kept += int64((rule & DIGITS) != 0 or not numeric[i])
        hashes[d] = joined(words, 0, kept)


#: What is folded for the two hashes of a text's words: all signs, and numbers as well.
_WORDS = "case", "width", "punctuation", "symbols"
_LETTERS = (*_WORDS, "numbers")


def written(texts: pa.LargeStringArray) -> np.ndarray:
    """Return hashes of each text's words, without and with their numbers: (texts, 2) uint64.

    Where the first differs, words do; where only the second differs, numbers do.

    >>> a, b, c = written(pa.array(["In 5 days!", "in 6 days", "in 6 weeks"], pa.large_string()))
    >>> (a == b).tolist(), (b == c).tolist()
    ([True, False], [False, False])
    """
    data, offsets = buffers(texts)
    hashes, longest = np.zeros((len(texts), 2), np.uint64), int(np.diff(offsets).max(initial=0))
    for column, fold_names in enumerate((_LETTERS, _WORDS)):
        rule = LOWER | (0 if "numbers" in fold_names else DIGITS)
        one, rewrite = np.empty(len(texts), np.uint64), np.empty(len(texts), np.bool_)
        read = word_table(fold_names), rule, mark_orders()
        _written(data, offsets, *read, longest, one, rewrite)
        rows = np.flatnonzero(rewrite)
        if len(rows):
            later_data, later = buffers(rewritten(texts.take(pa.array(rows)), fold_names))
            again, longer = np.empty(len(rows), np.uint64), int(np.diff(later).max())
            _written(later_data, later, *read, longer, again, np.empty(len(rows), np.bool_))
            one[rows] = again
        hashes[:, column] = one
    return hashes


@kernel
def _unique(values: np.ndarray, offsets: np.ndarray) -> int:
    """Sort each text's shingles and drop repeats, in place; return how many are left in all."""
    longest = 0
    for d in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    spare = np.empty(longest, np.uint64)
    starts = np.empty(max(longest, 256) + 1, np.int64)
    at, begin = 0, offsets[0]
    for d in range(offsets.shape[0] - 1):
        end = offsets[d + 1]
        _sort(values[begin:end], spare, starts)
        first = at
        for i in range(begin, end):
            if at == first or values[i] != values[at - 1]:
                values[at] = values[i]
                at += 1
        begin = end
        offsets[d + 1] = at
    return at


@kernel
def _sort(values: np.ndarray, spare: np.ndarray, starts: np.ndarray) -> None:
    """Sort hashes, which are spread evenly: into buckets of a few by their first bits, then those.

    Bound by one scattered write per value. Values that are not spread (repeats, or a text designed
    to be slow) are sorted digit by digit: linear in any case.
    """
    n = values.shape[0]
    if n <= _FEW:
        _insert(values)
        return
    bits = uint64(1)
    while int64(4) << int64(bits) < n:
        bits += uint64(1)
    shift, buckets = uint64(64) - bits, int64(1) << int64(bits)
    starts[: buckets + 1] = 0
    for i in range(n):
        starts[int64(values[i] >> shift) + 1] += 1
    for k in range(buckets):
        starts[k + 1] += starts[k]
    for i in range(n):
        k = int64(values[i] >> shift)
        spare[starts[k]] = values[i]
        starts[k] += 1
    values[:] = spare[:n]
    first, crowded = 0, 0
    for k in range(buckets):
        last = starts[k]  # where the bucket began, until all its values were written
        if last - first <= _FEW:
            _insert(values[first:last])
        else:
            crowded += 1
        first = last
    if crowded:
        _sort_by_digits(values, spare, starts)


@kernel
def _insert(values: np.ndarray) -> None:
    for i in range(1, values.shape[0]):
        x = values[i]
        j = i - 1
        while j >= 0 and values[j] > x:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = x


@kernel
def _sort_by_digits(values: np.ndarray, spare: np.ndarray, starts: np.ndarray) -> None:
    n = values.shape[0]
    for digit in range(8):
        shift = uint64(8 * digit)
        starts[:257] = 0
        for i in range(n):
            source = values[i] if digit % 2 == 0 else spare[i]
            starts[int64((source >> shift) & uint64(255)) + 1] += 1
        for k in range(256):
            starts[k + 1] += starts[k]
        for i in range(n):
            source = values[i] if digit % 2 == 0 else spare[i]
            k = int64((source >> shift) & uint64(255))
            if digit % 2 == 0:
                spare[starts[k]] = source
            else:
                values[starts[k]] = source
            starts[k] += 1


def shingle_sets(texts: pa.LargeStringArray, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    """Return each text's set of shingles, sorted, as one uint64 array and the offsets of the texts.

    A text without words and signs (or, for characters, with nothing but white space) has the empty
    set.

    >>> values, offsets = shingle_sets(
    ...     pa.array(["one two three four five six", "short", "!"], pa.large_string()), Shingling()
    ... )
    >>> offsets.tolist()
    [0, 2, 3, 4]
    """
    values, lengths = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    for part, offsets in shingles(texts, shingling):
        kept = _unique(part, offsets)
        values.append(part[:kept].copy())
        lengths.append(np.diff(offsets))
    return np.concatenate(values), np.cumsum(np.concatenate(lengths))


@kernel
def shared(values: np.ndarray, a: int, a_end: int, others: np.ndarray, b: int, b_end: int) -> int:
    """Count the common values of two sorted sets, given as ranges of arrays."""
    both = 0
    while a < a_end and b < b_end:
        x, y = values[a], others[b]
        both += int64(x == y)
        a += int64(x <= y)
        b += int64(y <= x)
    return both


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two sorted sets; 0 for two empty sets.

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = shared(a, 0, len(a), b, 0, len(b))
    union = len(a) + len(b) - both
    return float(both / union) if union else 0.0
