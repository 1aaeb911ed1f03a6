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

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint64

from curate.dedup.code_points import (
    BLOCK,
    N_FIELDS,
    POSITION,
    character_table,
    mix,
    next_characters,
    next_words,
    text_buffers,
    word_table,
)
from curate.errors import RecipeError, nearest
from curate.text.jit import inline, kernel

_STEP = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Shingling:
    """What a shingle is: `ngram` words in a row, or `ngram` characters.

    Words suit running text in every script (a code point is a word in Han, Kana, Thai, Lao, Khmer
    and Myanmar). Characters also match where words were split differently, and find many more
    pairs that a reader would not call copies.
    """

    kind: Literal["word", "char"] = "word"
    ngram: int = 5

    def __post_init__(self) -> None:
        if self.kind not in ("word", "char"):
            raise RecipeError(
                f"no shingle '{self.kind}'", hint=nearest(self.kind, ["word", "char"])
            )
        if not 1 <= self.ngram <= 64:
            raise RecipeError(f"ngram = {self.ngram}", hint="give a number from 1 to 64")

    def buffers(
        self, texts: pa.LargeStringArray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """Give bytes, offsets, code point table and whether words are read, as the kernels take them."""
        if self.kind == "char":
            data, offsets = text_buffers(pc.utf8_normalize(texts, "NFC"))
            return data, offsets, character_table(), False
        data, offsets = text_buffers(texts)
        return data, offsets, word_table(), True


@inline
def joined(hashes: np.ndarray, start: int, n: int) -> Any:
    """Hash n hashes in their order."""
    x = uint64(0)
    for j in range(start, start + n):
        x = x * _STEP + hashes[j]
    return mix(x)


@kernel
def shingles_of(
    words: np.ndarray,
    raws: np.ndarray,
    numeric: np.ndarray,
    n: int,
    ngram: int,
    out: np.ndarray,
    at: int,
) -> int:
    """Write the shingles of n words to `out[at:]`; give how many."""
    numbers = 0
    for i in range(n):
        if i < ngram - 1:
            numbers = numbers + 1 if numeric[i] else 0
            continue
        start = i - ngram + 1
        out[at + start] = joined(words, start, ngram)
        if numeric[i]:
            numbers += 1
            if numbers >= ngram:
                out[at + start] = joined(raws, start, ngram)
        else:
            numbers = 0
    return max(0, n - ngram + 1)


@inline
def begin(state: np.ndarray, position: int) -> None:
    """Set a scan's state to the start of a document."""
    state[:] = uint64(0)
    state[POSITION] = uint64(position)


@kernel
def _sets(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    is_word: bool,
    ngram: int,
    out: np.ndarray,
    out_offsets: np.ndarray,
) -> None:
    entries = np.empty(BLOCK, np.uint32)
    words = np.empty(2 * BLOCK + ngram + 1, np.uint64)
    raws = np.empty(2 * BLOCK + ngram + 1, np.uint64)
    numeric = np.empty(2 * BLOCK + ngram + 1, np.bool_)
    state = np.empty(N_FIELDS, np.uint64)
    at = 0
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        first = at
        stop = offsets[d + 1]
        begin(state, offsets[d])
        have = 0
        while True:
            if is_word:
                n = next_words(data, stop, table, entries, state, words, raws, numeric, have)
            else:
                n = next_characters(data, stop, table, entries, state, words, raws, numeric, have)
            made = shingles_of(words, raws, numeric, n, ngram, out, at)
            at += made
            done = int64(state[POSITION]) >= stop
            if done:
                if at == first and n > 0:
                    out[at] = joined(raws, 0, n)
                    at += 1
                break
            for j in range(made, n):
                words[j - made] = words[j]
                raws[j - made] = raws[j]
                numeric[j - made] = numeric[j]
            have = n - made
        out[first:at].sort()
        kept = first
        for i in range(first, at):
            if i == first or out[i] != out[kept - 1]:
                out[kept] = out[i]
                kept += 1
        at = kept
        out_offsets[d + 1] = at


def shingle_sets(texts: pa.LargeStringArray, shingling: Shingling) -> tuple[np.ndarray, np.ndarray]:
    """Give each text's set of shingles, sorted, as one uint64 array and the offsets of the texts.

    A text without words (or, for characters, with nothing but white space) has the empty set.

    >>> values, offsets = shingle_sets(
    ...     pa.array(["one two three four five six", "short", "!"], pa.large_string()), Shingling()
    ... )
    >>> offsets.tolist()
    [0, 2, 3, 3]
    """
    data, offsets, table, is_word = shingling.buffers(texts)
    # A word and its separator are two bytes at least; only pages that are written to cost memory.
    n_bytes = int(offsets[-1] - offsets[0])
    bound = (n_bytes // 2 if is_word else n_bytes) + len(texts) + 2 * BLOCK
    out = np.empty(bound, np.uint64)
    out_offsets = np.empty(len(texts) + 1, np.int64)
    _sets(data, offsets, table, is_word, shingling.ngram, out, out_offsets)
    return out[: out_offsets[-1]].copy(), out_offsets


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
