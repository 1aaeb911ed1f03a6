"""Shingles: a document as the set of its word n-grams (or character n-grams), 64 bits each.

Two documents are alike as far as these sets are: Jaccard = shared shingles / all shingles (Broder
1997, "On the resemblance and containment of documents"). Words are normalised first (case, Latin
diacritics, runs of digits, punctuation), so that copies which differ in those are still copies.

Three cases have rules of their own:

- A document shorter than one shingle is one shingle: its words, digits as they stand.
- A document without any word has no shingles.
- A shingle of numbers only keeps its digits; else every price list would be the same document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint64

from curate.dedup.code_points import (
    BLOCK,
    HAVE,
    N_FIELDS,
    POSITION,
    character_table,
    mix,
    next_characters,
    next_words,
    text_buffers,
    word_table,
)
from curate.dedup.options import Shingling
from curate.text.jit import inline, kernel

_STEP = np.uint64(0xD6E8FEB86659FD93)

#: Text whose shingles are in flight at a time (one text at least).
SLICE_BYTES = 1 << 20


def _read(
    texts: pa.LargeStringArray, shingling: Shingling
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Give bytes, offsets and code point tables as the kernel takes them."""
    if shingling.kind == "char":
        normal = pc.utf8_normalize(texts, "NFC")
        return *text_buffers(normal), (character_table(), character_table())
    return *text_buffers(texts), (word_table(keep_digits=False), word_table(keep_digits=True))


@inline
def joined(hashes: np.ndarray, start: int, n: int) -> Any:
    """Hash n hashes in their order."""
    x = uint64(0)
    for j in range(start, start + n):
        x = x * _STEP + hashes[j]
    return mix(x)


@kernel
def _windows(words: np.ndarray, n: int, ngram: int, out: np.ndarray) -> int:
    """Write the shingles of n words; give how many. Word by word of the window: that is vectorised."""
    made = max(0, n - ngram + 1)
    for i in range(made):
        out[i] = words[i]
    for j in range(1, ngram):
        later = words[j:]
        for i in range(made):
            out[i] = out[i] * _STEP + later[i]
    for i in range(made):
        out[i] = mix(out[i])
    return made


@kernel
def _number_windows(
    words: np.ndarray, numeric: np.ndarray, n: int, ngram: int, write: bool, out: np.ndarray
) -> int:
    """Count the shingles of nothing but numbers, and write them if asked to."""
    found, run = 0, 0
    for i in range(n):
        run = (run + 1) * int64(numeric[i])
        if run >= ngram:
            found += 1
            if write:
                out[i - ngram + 1] = joined(words, i - ngram + 1, ngram)
    return found


@kernel
def _shingles(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    digits_table: np.ndarray,
    is_word: bool,
    ngram: int,
    out: np.ndarray,
    out_offsets: np.ndarray,
) -> None:
    entries = np.empty(BLOCK, np.uint32)
    words = np.zeros(2 * BLOCK + ngram, np.uint64)
    numeric = np.zeros(2 * BLOCK + ngram, np.uint64)
    state = np.empty(N_FIELDS, np.uint64)
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        stop = offsets[d + 1]
        numbers = 0
        # A second reading, with digits, for the few texts that need it.
        for reading in range(2):
            at = out_offsets[d]
            state[:] = uint64(0)
            state[POSITION] = uint64(offsets[d])
            while True:
                if is_word:
                    codes = table if reading == 0 else digits_table
                    n = next_words(data, stop, codes, entries, state, words, numeric)
                    numbers += _number_windows(words, numeric, n, ngram, reading == 1, out[at:])
                else:
                    n = next_characters(data, stop, table, entries, state, words)
                made = (
                    _windows(words, n, ngram, out[at:]) if reading == 0 else max(0, n - ngram + 1)
                )
                at += made
                if int64(state[POSITION]) >= stop:
                    break
                # The last words of a block begin shingles that end in the next one.
                for j in range(made, n):
                    words[j - made] = words[j]
                    numeric[j - made] = numeric[j]
                state[HAVE] = uint64(n - made)
            short = at == out_offsets[d] and n > 0
            if short and (reading == 1 or not is_word):
                out[at] = joined(words, 0, n)
                at += 1
                break
            if numbers == 0 and not short:
                break
        out_offsets[d + 1] = at


def shingles(
    texts: pa.LargeStringArray, shingling: Shingling
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the shingles of texts in their order, repeats included: hashes and the texts' offsets.

    A few megabytes of text at a time, so that the hashes are used while they are in the cache.
    """
    data, offsets, tables = _read(texts, shingling)
    is_word = shingling.kind == "word"
    start = 0
    while start < len(texts):
        stop = int(np.searchsorted(offsets, offsets[start] + SLICE_BYTES, side="right")) - 1
        stop = min(max(stop, start + 1), len(texts))
        here = offsets[start : stop + 1]
        # A word and its separator are two bytes at least; only pages that are written cost memory.
        n_bytes = int(here[-1] - here[0])
        out = np.empty((n_bytes // 2 if is_word else n_bytes) + len(here), np.uint64)
        out_offsets = np.empty(len(here), np.int64)
        _shingles(data, here, *tables, is_word, shingling.ngram, out, out_offsets)
        yield out[: out_offsets[-1]], out_offsets
        start = stop


@kernel
def _unique(values: np.ndarray, offsets: np.ndarray) -> int:
    """Sort each text's shingles and drop repeats, in place; give how many are left in all."""
    longest = 0
    for d in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    spare = np.empty(longest, np.uint64)
    starts = np.empty(257, np.int64)
    at, begin = 0, offsets[0]
    for d in range(offsets.shape[0] - 1):
        end = offsets[d + 1]
        _sort(values, begin, end - begin, spare, starts)
        first = at
        for i in range(begin, end):
            if at == first or values[i] != values[at - 1]:
                values[at] = values[i]
                at += 1
        begin = end
        offsets[d + 1] = at
    return at


@kernel
def _sort(values: np.ndarray, begin: int, n: int, spare: np.ndarray, starts: np.ndarray) -> None:
    """Sort `values[begin:begin + n]`: by insertion when short, else by eight digits of one byte."""
    if n <= 48:
        for i in range(begin + 1, begin + n):
            x = values[i]
            j = i - 1
            while j >= begin and values[j] > x:
                values[j + 1] = values[j]
                j -= 1
            values[j + 1] = x
        return
    for digit in range(8):
        shift = uint64(8 * digit)
        starts[:] = 0
        for i in range(n):
            source = values[begin + i] if digit % 2 == 0 else spare[i]
            starts[int64((source >> shift) & uint64(255)) + 1] += 1
        for k in range(256):
            starts[k + 1] += starts[k]
        for i in range(n):
            source = values[begin + i] if digit % 2 == 0 else spare[i]
            k = int64((source >> shift) & uint64(255))
            if digit % 2 == 0:
                spare[starts[k]] = source
            else:
                values[begin + starts[k]] = source
            starts[k] += 1


def shingle_sets(texts: pa.LargeStringArray, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    """Give each text's set of shingles, sorted, as one uint64 array and the offsets of the texts.

    A text without words (or, for characters, with nothing but white space) has the empty set.

    >>> values, offsets = shingle_sets(
    ...     pa.array(["one two three four five six", "short", "!"], pa.large_string()), Shingling()
    ... )
    >>> offsets.tolist()
    [0, 2, 3, 3]
    """
    values, lengths = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    for part, offsets in shingles(texts, shingling):
        kept = _unique(part, offsets)
        values.append(part[:kept].copy())
        lengths.append(np.diff(offsets))
    return np.concatenate(values), np.cumsum(np.concatenate(lengths))


@kernel
def shared(values: np.ndarray, a: int, a_end: int, b: int, b_end: int) -> int:
    """Count what two sorted sets, given as ranges of one array, have in common."""
    both = 0
    while a < a_end and b < b_end:
        x, y = values[a], values[b]
        both += int64(x == y)
        a += int64(x <= y)
        b += int64(y <= x)
    return both


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Give the Jaccard similarity of two sorted sets; two empty sets have nothing in common: 0.

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    values = np.concatenate([a, b])
    both = shared(values, 0, len(a), len(a), len(values))
    union = len(values) - both
    return float(both / union) if union else 0.0
