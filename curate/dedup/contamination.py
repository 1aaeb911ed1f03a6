"""Which documents hold runs of words of an evaluation set, and where.

The rule of GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix C): a run of 13 words that a document
shares with an example gives it away. Words are those of the fuzzy dedup: case folded, accents of Latin and
Greek letters and punctuation gone, a run of digits one 0. Where a script writes no spaces a word is a
character, and twice as many in a row are asked for.

An example with fewer words than a run matches nothing: tell such sets apart and give them a smaller
``ngram``, or look for them by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.options import Shingling
from curate.dedup.shingles import shingles
from curate.errors import RecipeError

#: A text with more words than this per character is written without spaces.
_UNSPACED = 0.5
#: Bits of the table that is asked first: most runs of most documents are in no benchmark.
_BITS = 24


@dataclass(frozen=True)
class Runs:
    """The runs of all benchmarks, sorted by hash, with the number of the first benchmark that has each."""

    hashes: np.ndarray
    benchmark: np.ndarray
    seen: np.ndarray  #: of each value of the high bits, whether some run has it

    def find(self, values: np.ndarray) -> np.ndarray:
        """Give the benchmark of each value, or -1."""
        found = np.full(len(values), -1, np.int64)
        maybe = np.flatnonzero(self.seen[values >> np.uint64(64 - _BITS)])
        if len(maybe) and len(self.hashes):
            asked = values[maybe]
            at = np.minimum(np.searchsorted(self.hashes, asked), len(self.hashes) - 1)
            same = self.hashes[at] == asked
            found[maybe[same]] = self.benchmark[at[same]]
        return found


@dataclass(frozen=True)
class Benchmarks:
    """Evaluation sets: their names, and their runs in texts with and without spaces."""

    names: tuple[str, ...]
    spaced: Runs
    unspaced: Runs
    ngram: int

    def runs_of(self, unspaced: bool) -> tuple[Runs, int]:
        """Give the runs, and their number of words, for a text of one kind."""
        return (self.unspaced, 2 * self.ngram) if unspaced else (self.spaced, self.ngram)


def load(files: Mapping[str, Sequence[str]], ngram: int, held: str) -> Benchmarks:
    """Read evaluation sets: JSON lines (plain or .gz) or Parquet, every string in a row.

    ``held`` is the digest of what they hold: a process that lives on reads a changed file again.
    """
    return _load(tuple((name, tuple(paths)) for name, paths in files.items()), ngram, held)


@lru_cache(maxsize=4)
def _load(files: tuple[tuple[str, tuple[str, ...]], ...], ngram: int, held: str) -> Benchmarks:
    kinds: dict[bool, tuple[list[np.ndarray], list[np.ndarray]]] = {True: ([], []), False: ([], [])}
    for number, (_, paths) in enumerate(files):
        strings = [text for path in paths for row in _rows(path) for text in _strings(row)]
        texts = pa.array(strings, pa.large_string())
        apart = without_spaces(texts)
        for unspaced in (False, True):
            part = texts.filter(pa.array(apart == unspaced))
            size = 2 * ngram if unspaced else ngram
            part = part.filter(pa.array(word_counts(part) >= size))
            for values, _ in shingles(part, Shingling("word", size)):
                kinds[unspaced][0].append(values.copy())
                kinds[unspaced][1].append(np.full(len(values), number))
    names = tuple(name for name, _ in files)
    return Benchmarks(names, _runs(*kinds[False]), _runs(*kinds[True]), ngram)


def _runs(hashes: list[np.ndarray], numbers: list[np.ndarray]) -> Runs:
    every = np.concatenate([np.empty(0, np.uint64), *hashes])
    first, at = np.unique(every, return_index=True)
    seen = np.zeros(1 << _BITS, np.bool_)
    seen[first >> np.uint64(64 - _BITS)] = True
    return Runs(first, np.concatenate([np.empty(0, np.int64), *numbers])[at], seen)


def word_counts(texts: pa.LargeStringArray) -> np.ndarray:
    """Give the number of words of each text, in order."""
    counts = [np.diff(offsets) for _, offsets in shingles(texts, Shingling("word", 1))]
    return np.concatenate([np.empty(0, np.int64), *counts])


def without_spaces(texts: pa.LargeStringArray) -> np.ndarray:
    """Tell which texts are mostly written without spaces."""
    characters = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    apart: np.ndarray = word_counts(texts) > _UNSPACED * characters
    return apart


def matches(texts: pa.LargeStringArray, benchmarks: Benchmarks) -> np.ndarray:
    """Count the runs of each text (rows) that each benchmark (columns) has.

    Bound by the words' hashes, as signatures are; what is looked up fits a cache.
    """
    counts = np.zeros((len(texts), len(benchmarks.names)), np.int64)
    apart = without_spaces(texts)
    for unspaced in (False, True):
        rows = np.flatnonzero(apart == unspaced)
        part = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
        runs, size = benchmarks.runs_of(unspaced)
        if not len(rows) or not len(runs.hashes):
            continue
        done = 0
        for values, offsets in shingles(part, Shingling("word", size)):
            found = runs.find(values)
            hit = np.flatnonzero(found >= 0)
            owner = rows[done + np.searchsorted(offsets, hit, "right") - 1]
            np.add.at(counts, (owner, found[hit]), 1)
            done += len(offsets) - 1
    return counts


def lines_hit(text: str, benchmarks: Benchmarks) -> list[tuple[int, int]]:
    """Give the spans, in bytes, of the lines of a text that a run of a benchmark touches.

    A run may begin in one line and end in another: all of them are given, with their line ends.
    """
    whole = pa.array([text], pa.large_string())
    runs, size = benchmarks.runs_of(bool(without_spaces(whole)[0]))
    hits = [runs.find(values) >= 0 for values, _ in shingles(whole, Shingling("word", size))]
    lines = text.split("\n")
    ends = np.cumsum(word_counts(pa.array(lines, pa.large_string())))
    sizes = np.array([len(line.encode()) + 1 for line in lines])
    limits = np.concatenate([[0], np.cumsum(sizes)])
    spans: list[tuple[int, int]] = []
    for word in np.flatnonzero(np.concatenate(hits)).tolist():
        first, last = np.searchsorted(ends, [word, word + size - 1], "right")
        spans.append((int(limits[first]), int(limits[min(last + 1, len(lines))])))
    total = int(limits[-1]) - 1
    return [(start, min(end, total)) for start, end in spans]


def digest(files: Mapping[str, Sequence[str]]) -> str:
    """Give a digest of what the files hold."""
    taken = hashlib.blake2b(digest_size=16)
    for name, paths in files.items():
        taken.update(name.encode() + b"\0")
        for path in paths:
            taken.update(hashlib.blake2b(_bytes(path)).digest())
    return taken.hexdigest()


def _bytes(path: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(path, "rb") as handle:
            data: bytes = handle.read()
    except OSError as error:
        raise RecipeError(f"an evaluation set cannot be read: {error}", where=path) from None
    return data


def _rows(path: str) -> Iterator[Any]:
    data = _bytes(path)
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        yield from pq.read_table(io.BytesIO(data)).to_pylist()
        return
    text = gzip.decompress(data) if path.endswith(".gz") else data
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RecipeError(
                    f"an evaluation set is JSON lines or Parquet: {error}", where=f"{path}:{number}"
                ) from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
