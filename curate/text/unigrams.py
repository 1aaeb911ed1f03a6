"""The log probability of a text's words, by a table of word counts."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import int64, uint64

from curate.errors import RecipeError
from curate.kernels import unicode
from curate.kernels.arrow import buffers
from curate.kernels.hashing import GOLDEN, fast_mix64
from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode
from curate.paths import local_path
from curate.text.words import HAS_LETTER, find_words

#: Logarithms are stored in millionths, so that sums are exact.
SCALE: Final = 1_000_000


class Frequencies(NamedTuple):
    """Log probabilities of words, in millionths; ``unknown`` is that of every other word."""

    keys: Any  #: uint64[2**k]: open addressing of hashes of folded words; 0 is an empty slot
    values: Any  #: int64[2**k]
    unknown: int


def digest(address: str) -> str:
    """Return the blake2b-128 of a file of word counts, in hex."""
    return hashlib.blake2b(_read(address), digest_size=16).hexdigest()


@lru_cache(maxsize=4)
def load(address: str) -> Frequencies:
    """Read word counts: on each line of a UTF-8 file a word, white space and a whole number.

    Words that differ only in letter case are one word. Probabilities are (count + 1) / (all counts
    + words + 1); a word that is not in the file has a count of 0.
    """
    spelled, counts = [], []
    for number, line in enumerate(_read(address).decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        word, count = (*line.rsplit(None, 1), "")[:2]
        if not (count.isascii() and count.isdigit()):
            raise RecipeError(
                f"line {number} is no word and its count: '{line[:60]}'",
                where=address,
                hint="a word, a tab and a whole number on each line",
            )
        spelled.append(word.strip())
        counts.append(int(count))
    hashes = np.zeros(len(spelled), np.uint64)
    data, offsets = buffers(pa.array(spelled, pa.large_string()))
    _hash_folded(data, offsets, unicode.FOLD, hashes)
    known, which = np.unique(hashes, return_inverse=True)
    total = np.bincount(which, np.array(counts, np.float64), len(known))
    everything = total.sum() + len(known) + 1
    logs = np.rint(np.log((total + 1) / everything) * SCALE).astype(np.int64)
    size = max(64, 1 << (3 * len(known) - 1).bit_length())
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    _fill(known, logs, keys, values)
    for array in (keys, values):
        array.setflags(write=False)
    return Frequencies(keys, values, round(float(np.log(1 / everything)) * SCALE))


def _read(address: str) -> bytes:
    try:
        return local_path(address).read_bytes()
    except OSError as error:
        raise RecipeError(
            f"cannot read the word frequencies: {error}",
            where=address,
            hint="give the path of a file with a word, a tab and its count on each line",
        ) from None


@kernel
def _hash_word(data: Any, start: Any, end: Any, fold: Any) -> Any:
    h = uint64(0)
    i = start
    while i < end:
        code, size = decode(data, i)
        h = (h + uint64(fold[code]) + uint64(1)) * GOLDEN
        i += size
    return fast_mix64(h) | uint64(1)  # 0 is an empty slot


@kernel
def _hash_folded(data: Any, offsets: Any, fold: Any, out: Any) -> None:
    for d in range(len(out)):
        out[d] = _hash_word(data, offsets[d], offsets[d + 1], fold)


@kernel
def _fill(known: Any, logs: Any, keys: Any, values: Any) -> None:
    mask = uint64(len(keys) - 1)
    for k in range(len(known)):
        slot = (known[k] >> uint64(8)) & mask
        while keys[slot] != uint64(0):
            slot = (slot + uint64(1)) & mask
        keys[slot] = known[k]
        values[slot] = logs[k]


@kernel
def count_unigrams(
    data: Any,
    starts: Any,
    ends: Any,
    role: Any,
    fold: Any,
    keys: Any,
    values: Any,
    unknown: Any,
    most: Any,
    out: Any,
) -> None:
    """Fill two columns: the sum of the logarithms of words with a letter, and their number."""
    hashes = np.empty(most, np.uint64)
    word_starts = np.empty(most, np.int64)
    word_ends = np.empty(most, np.int64)
    flags = np.empty(most, np.int64)
    mask = uint64(len(keys) - 1)
    for d in range(len(starts)):
        n = find_words(data, starts[d], ends[d], role, hashes, word_starts, word_ends, flags)
        total = scored = int64(0)
        for k in range(n):
            if not flags[k] & HAS_LETTER:
                continue
            key = _hash_word(data, word_starts[k], word_ends[k], fold)
            slot = (key >> uint64(8)) & mask
            while keys[slot] != uint64(0) and keys[slot] != key:
                slot = (slot + uint64(1)) & mask
            total += values[slot] if keys[slot] == key else int64(unknown)
            scored += 1
        out[0, d] = total
        out[1, d] = scored
