"""Which documents hold text of an evaluation set, and where.

The rule of GPT-3 (Brown et al. 2020, arXiv:2005.14165, section 4 and appendix C): a run of 13 words that a
document shares with an example gives it away, and so does a whole example that is shorter. Words are those
of the fuzzy dedup: case folded, accents of Latin and Greek letters and punctuation gone, a run of digits
one 0. Where a script writes no spaces a word is a character, and twice as many in a row are asked for.

An *example* is a row of a set. Each of its strings is looked for by itself, by its runs or as a whole. What
has fewer than 8 words is not looked for (GPT-3's limit as well): "Yes", "4" or a name stands everywhere. An
example that has nothing longer is *too short*; it is counted, for nothing can be said of it.
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

from curate.dedup.options import Shingling
from curate.dedup.shingles import shingles
from curate.errors import RecipeError, nearest
from curate.kernels.grouping import first_of_runs

#: A text with more words than this per character is written without spaces.
_UNSPACED = 0.5
#: A run that more examples of a set share is of their form, and tells of no single one.
TELLING = 64


@dataclass(frozen=True)
class Search:
    """What is looked for: files of each set; fields of its rows (all, where none are named); how much.

    ``ngram`` words in a row, ``min_matches`` times; what is too short for that as a whole, if it has
    ``min_words`` words.
    """

    files: tuple[tuple[str, tuple[str, ...]], ...]
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ngram: int = 13
    min_words: int = 8
    min_matches: int = 1

    def limits(self, unspaced: bool) -> tuple[int, int, int]:
        """Give the words of a run, the fewest looked for, and the fewest that are looked for by runs."""
        times = 2 if unspaced else 1
        run = times * self.ngram
        return run, times * min(self.min_words, self.ngram), run + self.min_matches - 1


class Told(NamedTuple):
    """What is known of a set before any document is."""

    examples: int
    too_short: list[int]  #: the rows, from 0, that have nothing long enough
    looked_for: int  #: different runs and whole strings


class Hashes(NamedTuple):
    """Different hashes, sorted; of most others a small table tells that they are not among them."""

    values: np.ndarray
    seen: np.ndarray  #: of each value of the high bits, whether some hash has it

    @classmethod
    def of(cls, values: np.ndarray) -> Hashes:
        """Index sorted, different hashes."""
        bits = min(24, len(values).bit_length() + 4)
        seen = np.zeros(1 << bits, np.bool_)
        seen[values >> np.uint64(64 - bits)] = True
        return cls(values, seen)

    def find(self, asked: np.ndarray) -> np.ndarray:
        """Give where each stands, or -1."""
        found = np.full(len(asked), -1, np.int64)
        bits = len(self.seen).bit_length() - 1
        maybe = np.flatnonzero(self.seen[asked >> np.uint64(64 - bits)])
        if len(maybe) and len(self.values):
            at = np.searchsorted(self.values, asked[maybe])
            at = np.minimum(at, len(self.values) - 1)
            same = self.values[at] == asked[maybe]
            found[maybe[same]] = at[same]
        return found


class Grams(NamedTuple):
    """Rows of so many words, and which examples have each."""

    size: int
    whole: bool  #: whether each is all of a string, and one is enough
    known: Hashes
    starts: np.ndarray  #: of each hash in `examples`, and the end
    examples: np.ndarray

    @classmethod
    def of(
        cls, size: int, whole: bool, hashes: np.ndarray, examples: np.ndarray, sets: np.ndarray
    ) -> Grams:
        """Index pairs of hash and example; too many of one set are one, which stands for the set."""
        order = np.lexsort((examples, hashes))
        hashes, examples = hashes[order], examples[order]
        new = first_of_runs(hashes, examples)
        hashes, examples = hashes[new], examples[new]
        own = sets[examples]
        first = first_of_runs(hashes, own)
        group = np.cumsum(first) - 1
        many = np.bincount(group)[group] > TELLING
        kept = first | ~many
        examples = np.where(many, len(sets) - (sets[-1] + 1) + own, examples)[kept]
        values, starts = np.unique(hashes[kept], return_index=True)
        return cls(size, whole, Hashes.of(values), np.append(starts, len(examples)), examples)

    def examples_of(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give pairs: a number among those found, and an example that has it."""
        counts = self.starts[found + 1] - self.starts[found]
        number = np.repeat(np.arange(len(found)), counts)
        place = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
        return number, self.examples[self.starts[found][number] + place]


class Gate(NamedTuple):
    """All rows of a few words: a text that has none of them has nothing longer either."""

    size: int
    known: Hashes

    def passing(self, texts: pa.LargeStringArray) -> np.ndarray:
        """Give the numbers of the texts that have one."""
        return np.unique(_places(texts, self.size, self.known)[0])


class Kind(NamedTuple):
    """What is looked for in writing with spaces, or without, behind a gate of its own or the common one."""

    gate: Gate | None
    grams: tuple[Grams, ...]


@dataclass(frozen=True)
class Benchmarks:
    """Evaluation sets as they are looked for.

    Examples are numbered through all sets; behind them a number for each set stands for all of its own.
    """

    names: tuple[str, ...]
    told: tuple[Told, ...]
    sets: np.ndarray  #: the set of each number
    gate: Gate
    kinds: tuple[Kind, ...]
    min_matches: int

    @property
    def firsts(self) -> np.ndarray:
        """The number of each set's first example, and that of the first set."""
        return np.cumsum([0, *(told.examples for told in self.told)])


def digest(search: Search) -> str:
    """Give a digest of what the files hold."""
    taken = hashlib.blake2b(digest_size=16)
    for name, paths in search.files:
        taken.update(name.encode() + b"\0")
        for path in paths:
            taken.update(hashlib.blake2b(_bytes(path)).digest())
    return taken.hexdigest()


@lru_cache(maxsize=2)
def load(search: Search, held: str) -> Benchmarks:
    """Read evaluation sets: JSON lines (plain or .gz) or Parquet, the strings in their rows.

    ``held`` is the digest of what they hold: a process that lives on reads a changed file again, and one
    that changed since the run was planned is refused.
    """
    if digest(search) != held:
        raise RecipeError(
            "the evaluation sets are no longer what the run was planned with",
            where=", ".join(path for _, paths in search.files for path in paths),
        )
    told: list[Told] = []
    common = search.limits(False)[1]
    gates: dict[int, list[np.ndarray]] = defaultdict(list)
    pairs: dict[tuple[bool, int, bool], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    base = 0
    for name, paths in search.files:
        strings, rows, examples = _strings_of(name, paths, dict(search.fields).get(name, ()))
        texts = pa.array(strings, pa.large_string())
        words, looked, different = word_counts(texts), np.zeros(len(texts), np.bool_), 0
        apart = words > _UNSPACED * pc.utf8_length(texts).to_numpy(zero_copy_only=False)
        for unspaced in (False, True):
            run, least, enough = search.limits(unspaced)
            mine = (apart == unspaced) & (words >= least)
            looked |= mine
            for size in {least, common}:
                gates[size].append(_grams(texts, rows, mine, size)[0])
            ways = [(run, False, mine & (words >= enough))]
            ways += [(size, True, mine & (words == size)) for size in range(least, enough)]
            for size, whole, which in ways:
                hashes, owners = _grams(texts, rows, which, size)
                if len(hashes):
                    pairs[unspaced, size, whole].append((hashes, base + owners))
                    different += len(np.unique(hashes))
        short = np.setdiff1d(np.arange(examples), rows[looked])
        told.append(Told(examples, short.tolist(), different))
        base += examples
    sets = np.repeat(np.arange(len(told)), [one.examples for one in told])
    sets = np.append(sets, np.arange(len(told)))
    known = {size: Gate(size, Hashes.of(_different(found))) for size, found in gates.items()}
    kinds = []
    for unspaced in (False, True):
        grams = tuple(
            Grams.of(
                size,
                whole,
                np.concatenate([hashes for hashes, _ in found]),
                np.concatenate([examples for _, examples in found]),
                sets,
            )
            for (apart_too, size, whole), found in sorted(pairs.items())
            if apart_too == unspaced
        )
        if grams:
            least = search.limits(unspaced)[1]
            kinds.append(Kind(known[least] if least > common else None, grams))
    names = tuple(name for name, _ in search.files)
    return Benchmarks(names, tuple(told), sets, known[common], tuple(kinds), search.min_matches)


def _different(hashes: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty(0, np.uint64), *hashes]))


def _grams(
    texts: pa.LargeStringArray, rows: np.ndarray, which: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give the hashes of all rows of `size` words of some texts, and the row that each text is of."""
    chosen, owners = texts.filter(pa.array(which)), rows[which]
    hashes, of = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    done = 0
    for values, offsets in shingles(chosen, Shingling("word", size)):
        hashes.append(values.copy())
        of.append(np.repeat(owners[done : done + len(offsets) - 1], np.diff(offsets)))
        done += len(offsets) - 1
    return np.concatenate(hashes), np.concatenate(of)


def word_counts(texts: pa.LargeStringArray) -> np.ndarray:
    """Give the number of words of each text, in order."""
    counts = [np.diff(offsets) for _, offsets in shingles(texts, Shingling("word", 1))]
    return np.concatenate([np.empty(0, np.int64), *counts])


class Found(NamedTuple):
    """What documents hold of the sets."""

    runs: np.ndarray  #: documents × sets: places where something of the set stands
    enough: np.ndarray  #: which documents have enough of any
    examples: np.ndarray  #: (document, number) of what each has, each once


def matches(texts: pa.LargeStringArray, benchmarks: Benchmarks) -> Found:
    """Look for the sets in texts.

    Bound by the hashes of the gate's rows of words, as signatures are; few texts pass it.
    """
    count = len(benchmarks.names)
    runs = np.zeros((len(texts), count), np.int64)
    places, whole = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    pairs = [np.empty((0, 2), np.int64)]
    passed = benchmarks.gate.passing(texts)
    for kind in benchmarks.kinds:
        part, rows = texts.take(pa.array(passed)), passed
        if kind.gate:
            inner = kind.gate.passing(part)
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
    return Found(runs, enough, np.unique(every[enough[every[:, 0]]], axis=0))


def _places(
    texts: pa.LargeStringArray, size: int, known: Hashes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give text, word and hash of each place where a known row of `size` words begins."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    done = 0
    for values, offsets in shingles(texts, Shingling("word", size)):
        at = known.find(values)
        hit = np.flatnonzero(at >= 0)
        own = np.searchsorted(offsets, hit, "right") - 1
        found.append((done + own, hit - offsets[own], at[hit]))
        done += len(offsets) - 1
    none = (np.empty(0, np.int64),) * 3
    text, word, which = (np.concatenate(one) for one in zip(none, *found, strict=True))
    return text, word, which


def lines_hit(text: str, benchmarks: Benchmarks) -> list[tuple[int, int]]:
    """Give the spans, in bytes, of the lines of a text that something of a set touches.

    It may begin in one line and end in another: all of them are given, with their line ends.
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
    """Give the strings of a set, the row that each is of, and how many rows there are."""
    strings: list[str] = []
    rows: list[int] = []
    count = 0
    seen: set[str] = set()
    for path in paths:
        for row in _rows(path):
            if fields and isinstance(row, Mapping):
                seen.update(row)
                row = [row.get(field) for field in fields]
            mine = list(_strings(row))
            strings += mine
            rows += [count] * len(mine)
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
