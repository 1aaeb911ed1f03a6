"""Which documents contain text of an evaluation set, and where.

The rule of GPT-3 (Brown et al. 2020, arXiv:2005.14165, section 4 and appendix C): a document is
contaminated by a run of 13 words that it shares with an example, or by a whole example that is
shorter. Words are those of the fuzzy dedup: case folded, accents of Latin and Greek letters and
punctuation removed, a run of digits read as one 0. In a script without spaces a word is a
character, and a run is twice as long.

An *example* is a row of a set. Each of its strings is searched by itself, by its runs or as a
whole. A string of fewer than 8 words is not searched (GPT-3's limit as well): "Yes", "4" or a name
occurs everywhere. An example without a longer string is *too short*; it is counted, because the
search can decide nothing about it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.options import FOLDS, Shingling
from curate.dedup.shingles import shingles
from curate.errors import RecipeError, nearest
from curate.kernels.grouping import find_sorted, first_of_runs
from curate.paths import open_filesystem

#: A text with more words than this per character is written without spaces.
_UNSPACED = 0.5
#: A run that more examples of a set share belongs to their form, and identifies none of them.
MAX_SHARING = 64


@dataclass(frozen=True)
class Search:
    """What is searched: files of each set; fields of its rows (all, if none are named); how much.

    ``ngram`` words in a row, ``min_matches`` times; a string too short for that as a whole, if it
    has ``min_words`` words.
    """

    files: tuple[tuple[str, tuple[str, ...]], ...]
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ngram: int = 13
    min_words: int = 8
    min_matches: int = 1

    def limits(self, unspaced: bool) -> tuple[int, int, int]:
        """Return the words of a run, of the shortest string, and of the shortest in runs."""
        times = 2 if unspaced else 1
        run = times * self.ngram
        return run, times * min(self.min_words, self.ngram), run + self.min_matches - 1


class SetFacts(NamedTuple):
    """The facts of a set that do not depend on documents."""

    examples: int
    too_short: list[int]  #: the rows, from 0, without a string that is long enough
    looked_for: int  #: different runs and whole strings


class Hashes(NamedTuple):
    """Different hashes, sorted; a small table excludes most other hashes without a search."""

    values: np.ndarray
    seen: np.ndarray  #: for each value of the high bits, whether a hash has it

    @classmethod
    def of(cls, values: np.ndarray) -> Hashes:
        """Index sorted, different hashes."""
        bits = min(24, len(values).bit_length() + 4)
        seen = np.zeros(1 << bits, np.bool_)
        seen[values >> np.uint64(64 - bits)] = True
        return cls(values, seen)

    def find(self, hashes: np.ndarray) -> np.ndarray:
        """Return the position of each hash, or -1."""
        position = np.full(len(hashes), -1, np.int64)
        bits = len(self.seen).bit_length() - 1
        maybe = np.flatnonzero(self.seen[hashes >> np.uint64(64 - bits)])
        at, found = find_sorted(self.values, hashes[maybe])
        position[maybe[found]] = at[found]
        return position


class Grams(NamedTuple):
    """Sequences of `size` words, and which examples have each."""

    size: int
    whole: bool  #: whether each is an entire string, of which one is enough
    known: Hashes
    starts: np.ndarray  #: where the examples of each hash begin, and the end
    examples: np.ndarray

    @classmethod
    def of(
        cls, size: int, whole: bool, hashes: np.ndarray, examples: np.ndarray, sets: np.ndarray
    ) -> Grams:
        """Index pairs of hash and example; too many of one set become the set's own number."""
        order = np.lexsort((examples, hashes))
        hashes, examples = hashes[order], examples[order]
        new = first_of_runs(hashes, examples)
        hashes, examples = hashes[new], examples[new]
        own = sets[examples]
        first = first_of_runs(hashes, own)
        group = np.cumsum(first) - 1
        many = np.bincount(group)[group] > MAX_SHARING
        kept = first | ~many
        examples = np.where(many, len(sets) - (sets[-1] + 1) + own, examples)[kept]
        values, starts = np.unique(hashes[kept], return_index=True)
        return cls(size, whole, Hashes.of(values), np.append(starts, len(examples)), examples)

    def examples_of(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs: an index into `found`, and an example that has that hash."""
        counts = self.starts[found + 1] - self.starts[found]
        number = np.repeat(np.arange(len(found)), counts)
        place = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
        return number, self.examples[self.starts[found][number] + place]


class Prefilter(NamedTuple):
    """All sequences of a few words: a text that has none of them has no longer one either."""

    size: int
    known: Hashes

    def passing(self, texts: pa.LargeStringArray) -> np.ndarray:
        """Return the numbers of the texts that have one."""
        return np.unique(_places(texts, self.size, self.known)[0])


class WritingKind(NamedTuple):
    """What is searched in text with spaces, or without; `prefilter` None is the common one."""

    prefilter: Prefilter | None
    grams: tuple[Grams, ...]


@dataclass(frozen=True)
class Benchmarks:
    """Evaluation sets, indexed for the search.

    Examples are numbered through all sets; after them each set has a number for all of its
    examples.
    """

    names: tuple[str, ...]
    facts: tuple[SetFacts, ...]
    sets: np.ndarray  #: the set of each number
    prefilter: Prefilter
    kinds: tuple[WritingKind, ...]
    min_matches: int

    @property
    def firsts(self) -> np.ndarray:
        """The number of each set's first example, and that of the first set."""
        return np.cumsum([0, *(facts.examples for facts in self.facts)])


def digest(search: Search) -> str:
    """Return a digest of the contents of the files."""
    hasher = hashlib.blake2b(digest_size=16)
    for name, paths in search.files:
        hasher.update(name.encode() + b"\0")
        for path in paths:
            hasher.update(hashlib.blake2b(_bytes(path)).digest())
    return hasher.hexdigest()


@lru_cache(maxsize=2)
def load(search: Search, expected_digest: str) -> Benchmarks:
    """Read evaluation sets: JSON lines (plain or .gz) or Parquet, the strings in their rows.

    A long-lived process reads a changed file again, because its digest differs; raise RecipeError
    for one that changed since the run was planned.
    """
    if digest(search) != expected_digest:
        raise RecipeError(
            "the evaluation sets are no longer what the run was planned with",
            where=", ".join(path for _, paths in search.files for path in paths),
        )
    facts: list[SetFacts] = []
    common = search.limits(False)[1]
    prefilters: dict[int, list[np.ndarray]] = defaultdict(list)
    pairs: dict[tuple[bool, int, bool], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    base = 0
    for name, paths in search.files:
        strings, rows, examples = _strings_of(name, paths, dict(search.fields).get(name, ()))
        texts = pa.array(strings, pa.large_string())
        words, searched, different = word_counts(texts), np.zeros(len(texts), np.bool_), 0
        apart = words > _UNSPACED * pc.utf8_length(texts).to_numpy(zero_copy_only=False)
        for unspaced in (False, True):
            run, least, enough = search.limits(unspaced)
            chosen = (apart == unspaced) & (words >= least)
            searched |= chosen
            for size in {least, common}:
                prefilters[size].append(_grams(texts, rows, chosen, size)[0])
            searches = [(run, False, chosen & (words >= enough))]
            searches += [(size, True, chosen & (words == size)) for size in range(least, enough)]
            for size, whole, which in searches:
                hashes, owners = _grams(texts, rows, which, size)
                if len(hashes):
                    pairs[unspaced, size, whole].append((hashes, base + owners))
                    different += len(np.unique(hashes))
        short = np.setdiff1d(np.arange(examples), rows[searched])
        facts.append(SetFacts(examples, short.tolist(), different))
        base += examples
    sets = np.repeat(np.arange(len(facts)), [one.examples for one in facts])
    sets = np.append(sets, np.arange(len(facts)))
    known = {
        size: Prefilter(size, Hashes.of(np.unique(np.concatenate(hashes))))
        for size, hashes in prefilters.items()
    }
    kinds = []
    for unspaced in (False, True):
        grams = []
        for (apart_too, size, whole), found in sorted(pairs.items()):
            if apart_too == unspaced:
                hashes, owners = (np.concatenate(parts) for parts in zip(*found, strict=True))
                grams.append(Grams.of(size, whole, hashes, owners, sets))
        if grams:
            least = search.limits(unspaced)[1]
            kinds.append(WritingKind(known[least] if least > common else None, tuple(grams)))
    names = tuple(name for name, _ in search.files)
    return Benchmarks(names, tuple(facts), sets, known[common], tuple(kinds), search.min_matches)


def _grams(
    texts: pa.LargeStringArray, rows: np.ndarray, which: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of all sequences of `size` words of some texts, and the row of each."""
    chosen, text_rows = texts.filter(pa.array(which)), rows[which]
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    done = 0
    for values, offsets in shingles(chosen, Shingling("word", size, FOLDS)):
        hashes.append(values.copy())
        owners.append(np.repeat(text_rows[done : done + len(offsets) - 1], np.diff(offsets)))
        done += len(offsets) - 1
    return np.concatenate(hashes), np.concatenate(owners)


def word_counts(texts: pa.LargeStringArray) -> np.ndarray:
    """Return the number of words of each text, in order."""
    counts = [np.diff(offsets) for _, offsets in shingles(texts, Shingling("word", 1, FOLDS))]
    return np.concatenate([np.empty(0, np.int64), *counts])


class Matches(NamedTuple):
    """What documents contain of the sets."""

    runs: np.ndarray  #: documents × sets: places where something of the set occurs
    enough: np.ndarray  #: whether each document has enough of any set
    examples: np.ndarray  #: (document, number of an example that it has), each once


def matches(texts: pa.LargeStringArray, benchmarks: Benchmarks) -> Matches:
    """Search texts for the sets.

    Bound by the hashes of the prefilter's sequences of words, as signatures are; few texts pass it.
    """
    count = len(benchmarks.names)
    runs = np.zeros((len(texts), count), np.int64)
    places, whole = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    pairs = [np.empty((0, 2), np.int64)]
    passed = benchmarks.prefilter.passing(texts)
    for kind in benchmarks.kinds:
        part, rows = texts.take(pa.array(passed)), passed
        if kind.prefilter:
            inner = kind.prefilter.passing(part)
            part, rows = part.take(pa.array(inner)), passed[inner]
        for grams in kind.grams:
            text, _, found = _places(part, grams.size, grams.known)
            document = rows[text]
            np.add.at(places, document, 1)
            whole[document] |= grams.whole
            number, example = grams.examples_of(found)
            own = np.unique(number * count + benchmarks.sets[example])
            np.add.at(runs, (document[own // count], own % count), 1)
            pairs.append(np.stack([document[number], example], axis=1))
    enough = whole | (places >= benchmarks.min_matches)
    every = np.concatenate(pairs)
    return Matches(runs, enough, np.unique(every[enough[every[:, 0]]], axis=0))


def _places(
    texts: pa.LargeStringArray, size: int, known: Hashes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return text, word and hash of each place where a known sequence of `size` words begins."""
    places: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    done = 0
    for values, offsets in shingles(texts, Shingling("word", size, FOLDS)):
        at = known.find(values)
        hit = np.flatnonzero(at >= 0)
        own = np.searchsorted(offsets, hit, "right") - 1
        places.append((done + own, hit - offsets[own], at[hit]))
        done += len(offsets) - 1
    none = (np.empty(0, np.int64),) * 3
    text, word, which = (np.concatenate(one) for one in zip(none, *places, strict=True))
    return text, word, which


def lines_hit(text: str, benchmarks: Benchmarks) -> list[tuple[int, int]]:
    """Return the spans, in bytes, of the lines of a text that contain something of a set.

    A match may begin in one line and end in another: all of these lines count, with their line
    ends.
    """
    lines = text.split("\n")
    ends = np.cumsum(word_counts(pa.array(lines, pa.large_string())))
    sizes = np.array([len(line.encode()) + 1 for line in lines])
    limits = np.concatenate([[0], np.cumsum(sizes)])
    whole, total = pa.array([text], pa.large_string()), int(limits[-1]) - 1
    spans: list[tuple[int, int]] = []
    for kind in benchmarks.kinds:
        for grams in kind.grams:
            _, words, _ = _places(whole, grams.size, grams.known)
            first = np.searchsorted(ends, words, "right")
            last = np.searchsorted(ends, words + grams.size - 1, "right")
            stops = np.minimum(limits[last + 1], total)
            spans += zip(limits[first].tolist(), stops.tolist(), strict=True)
    return spans


def _strings_of(
    name: str, paths: tuple[str, ...], fields: tuple[str, ...]
) -> tuple[list[str], np.ndarray, int]:
    """Return the strings of a set, the row of each, and the number of rows."""
    strings: list[str] = []
    rows: list[int] = []
    count = 0
    seen: set[str] = set()
    for path in paths:
        for row in _rows(path):
            if fields and isinstance(row, Mapping):
                seen.update(row)
                row = [row.get(field) for field in fields]
            values = list(_strings(row))
            strings += values
            rows += [count] * len(values)
            count += 1
    for field in fields:
        if field not in seen:
            raise RecipeError(
                f"no row of the evaluation set '{name}' has a field '{field}'",
                where=", ".join(paths),
                hint=nearest(field, seen),
            )
    return strings, np.array(rows, np.int64), count


def _bytes(path: str) -> bytes:
    files, inner = open_filesystem(path)
    try:
        data: bytes = files.cat_file(inner)
    except OSError as error:
        raise RecipeError(f"an evaluation set cannot be read: {error}", where=path) from None
    return data


def _rows(path: str) -> Iterator[Any]:
    data = _bytes(path)
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        yield from pq.ParquetFile(io.BytesIO(data)).read(use_threads=False).to_pylist()
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
