"""Evidence for each language in a text: function words, endings, pairs of letters, foreign letters.

A naive Bayes model whose weights were set by reasoning and not counted, so that it is biased
towards no corpus. ``lexicon.toml`` holds the lists; this module turns them into one hash table and
adds up. All weights are hundredths of a natural logarithm, in integers.

* About a third of the words of running prose are function words, and a word of another language
  equals one of ours by chance about once in fifty: a hit is worth ln(0.3 / 0.015) = 3, a short word
  less, because short words match by chance more often. A word that is no hit costs -ln(0.7) = 0.35.
* An ending or a pair of letters is shared by more languages, and is worth less.
* A letter outside the language's alphabet occurs in names and quotations, about once in a thousand
  letters, and a dozen times as often in a language that uses it: it costs ln 12 = 2.5.
* A frequent letter of the language that is missing costs what a Poisson count of 0 does: as much as
  the expected number of letters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.kernels.jit import inline, kernel
from curate.kernels.unicode import CLASS, FOLD, LETTER, MARK, SCRIPT
from curate.kernels.utf8 import decode
from curate.langid.alphabets import ALPHABETS, both_cases
from curate.langid.scripts import Letters

Points = npt.NDArray[np.int64]  #: hundredths of a natural logarithm

#: Evidence is taken from this many words at the start of a text: more would not change it.
MAX_WORDS = 200

_WORD = {1: 80, 2: 180, 3: 250}  #: by letters; longer words are worth ...
_LONG_WORD = 300
_NO_WORD = -35
_ENDING = {2: 15, 3: 50}
_LONG_ENDING = 100
_PAIR = 40
_FOREIGN = -250
_MAX_FOREIGN = 8  #: more foreign letters cost no more: a text may quote a line

_LONGEST_ENDING = 7
# Above all code points, so that no ending has the hash of a word.
_AS_WORD, _AS_ENDING, _AS_PAIR = np.uint64(1 << 40), np.uint64(2 << 40), np.uint64(3 << 40)
_START, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_APOSTROPHE = np.uint32(0x27)


@dataclass(frozen=True, eq=False)
class Table:
    """The lists of all languages, as the hash table that the kernel reads."""

    labels: tuple[str, ...]
    keys: Any  #: uint64[2**k]: open addressing; 0 is empty
    begin: Any  #: int32[2**k]: where a slot's entries of ``which`` and ``points`` start
    end: Any
    which: Any  #: int16: number of the language
    points: Any  #: int16
    letters: tuple[frozenset[str], ...]  #: the alphabet of each language


@lru_cache(maxsize=1)
def table() -> Table:
    """Read ``lexicon.toml`` and build the table, once."""
    with Path(__file__).with_name("lexicon.toml").open("rb") as file:
        lists = tomllib.load(file)
    features: dict[int, dict[int, int]] = {}
    for number, entry in enumerate(lists.values()):
        for key, points in _features(entry):
            features.setdefault(key, {})[number] = points
    size = 1 << (2 * len(features)).bit_length()
    keys = np.zeros(size, np.uint64)
    begin, end = np.zeros(size, np.int32), np.zeros(size, np.int32)
    which: list[int] = []
    worth: list[int] = []
    for key, languages in features.items():
        at = key & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at], begin[at] = key, len(which)
        which += languages.keys()
        worth += languages.values()
        end[at] = len(which)
    letters = tuple(both_cases(_letters(label, entry)) for label, entry in lists.items())
    entries = np.array(which, np.int16), np.array(worth, np.int16)
    return Table(tuple(lists), keys, begin, end, *entries, letters)


def required_letter_sets() -> frozenset[frozenset[str]]:
    """Return every set of letters that ``score_letters`` needs counted."""
    return frozenset([*table().letters, *(group for _, group, _ in _usual())])


@lru_cache(maxsize=1)
def _usual() -> tuple[tuple[int, frozenset[str], int], ...]:
    """Return the groups of usual letters: number of the language, letters, how many per 1,000."""
    return tuple(
        (number, both_cases(group), per_mille)
        for number, label in enumerate(table().labels)
        if label in ALPHABETS
        for group, per_mille in ALPHABETS[label].usual
    )


#: Letters shared by all languages of a script.
_COMMON = {"Latn": "abcdefghijklmnopqrstuvwxyz", "Arab": "ابتثجحخدذرزسشصضطظعغفقلمنوهءآئ"}


def _letters(label: str, entry: dict[str, str]) -> str:
    if label in ALPHABETS:
        return ALPHABETS[label].letters
    letters = _COMMON.get(label[4:], "".join(entry.values())) + entry.get("extra", "")
    return "".join(c for c in letters if not c.isspace())


def _features(entry: dict[str, str]) -> Iterator[tuple[int, int]]:
    for word in entry.get("words", "").split():
        points = _points(word)
        yield _hash(points, int(_AS_WORD)), _WORD.get(len(points), _LONG_WORD)
    for ending in entry.get("endings", "").split():
        points = _points(ending)[::-1]
        if 2 <= len(points) <= _LONGEST_ENDING:
            yield _hash(points, int(_AS_ENDING)), _ENDING.get(len(points), _LONG_ENDING)
    for pair in entry.get("pairs", "").split():
        points = _points(pair)
        if len(points) == 2:
            yield _hash(points, int(_AS_PAIR)), _PAIR


def _points(word: str) -> list[int]:
    """Return a word's folded code points without marks, as the kernel reads them."""
    return [int(FOLD[ord(c)]) for c in word if not CLASS[ord(c)] & MARK]


def _hash(points: list[int], kind: int) -> int:
    state = int(_START) ^ kind
    for point in points:
        state = (state ^ point) * int(_PRIME) & (1 << 64) - 1
    return state or 1


def score_words(data: Any, offsets: Any, rows: Points, script: Points) -> Points:
    """Return the points of some texts' words for each language: points[rows, languages].

    Only words in the row's script count: English names are no evidence about a page in Mongolian.
    """
    lists = table()
    points = np.zeros((len(rows), len(lists.labels)), np.int64)
    _score_words(
        data, offsets, rows, script, CLASS, SCRIPT, FOLD, lists.keys, lists.begin, lists.end,
        lists.which, lists.points, points,
    )  # fmt: skip
    return points


def score_letters(letters: Letters, rows: Points) -> Points:
    """Return the evidence of letters against each language: points[rows, languages], none above 0.

    For a language of another script than the text's all letters are foreign, and it cannot win.
    """
    points = np.zeros((len(rows), len(table().labels)), np.int64)
    own = np.array([letters.columns[alphabet] for alphabet in table().letters], np.int64)
    usual = np.array(
        [(number, letters.columns[group], per_mille) for number, group, per_mille in _usual()],
        np.int64,
    )
    _score_letters(letters.sets, rows, letters.of_script[rows], own, usual, points)
    return points


@kernel
def _score_letters(sets: Any, rows: Any, size: Any, own: Any, usual: Any, points: Any) -> None:
    for k in range(len(rows)):
        for label in range(len(own)):
            foreign = size[k] - sets[rows[k], own[label]]
            points[k, label] = _FOREIGN * min(max(foreign, 0), _MAX_FOREIGN)
        for group in range(len(usual)):
            if sets[rows[k], usual[group, 1]] == 0:
                # ``usual`` is the least number; two and a half times as many are common.
                points[k, usual[group, 0]] -= min(size[k], 200) * usual[group, 2] // 4


@inline
def _find(keys: Any, key: Any) -> Any:
    mask = np.int64(len(keys) - 1)
    at = np.int64(key) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) & mask
    return at if keys[at] == key else np.int64(-1)


@kernel
def _add(begin: Any, end: Any, which: Any, worth: Any, slot: Any, points: Any, row: Any) -> None:
    for k in range(begin[slot], end[slot]):
        points[row, which[k]] += worth[k]


@kernel
def _score_words(
    data: Any,
    offsets: Any,
    rows: Any,
    script: Any,
    classes: Any,
    scripts: Any,
    fold: Any,
    keys: Any,
    begin: Any,
    end: Any,
    which: Any,
    worth: Any,
    points: Any,
) -> None:
    letters = np.zeros(64, np.uint32)  # of the current word; its rest is ignored
    for k in range(len(rows)):
        i = offsets[rows[k]]
        stop = offsets[rows[k] + 1]
        size: Any = np.int64(0)
        words: Any = np.int64(0)
        in_script = True
        while i <= stop and words < MAX_WORDS:
            point, width = np.uint32(32), np.int64(1)  # the end of the text ends its last word
            if i < stop:
                point, width = decode(data, i)
            i += width
            if _is_apostrophe(point):
                if 0 < size < 64:
                    letters[size] = _APOSTROPHE
                    size += 1
                continue
            kind = classes[np.uint64(point)]
            if kind & LETTER:
                if size == 0:
                    in_script = scripts[np.uint64(point)] == script[k]
                if size < 64:
                    letters[size] = fold[np.uint64(point)]
                    size += 1
                continue
            if kind & MARK:
                continue
            while size > 0 and letters[size - 1] == _APOSTROPHE:
                size -= 1  # a closing quotation mark
            if size > 0 and in_script:
                words += 1
                _add_word(letters, size, keys, begin, end, which, worth, points, k)
            size = np.int64(0)
        for language in range(points.shape[1]):
            points[k, language] += words * _NO_WORD


@inline
def _is_apostrophe(point: Any) -> Any:
    return (
        point == 0x27 or point == 0x60 or point == 0xB4 or point == 0x2018 or point == 0x2019
        or point == 0x2BB or point == 0x2BC or point == 0x2BF
    )  # fmt: skip


@kernel
def _add_word(
    letters: Any,
    size: Any,
    keys: Any,
    begin: Any,
    end: Any,
    which: Any,
    worth: Any,
    points: Any,
    row: Any,
) -> None:
    """Add the points of one word. Its longest known ending counts if the word itself is unknown."""
    state = _START ^ _AS_WORD
    for c in range(size):
        state = (state ^ np.uint64(letters[c])) * _PRIME
    slot = _find(keys, state)
    if slot >= 0:
        _add(begin, end, which, worth, slot, points, row)
        for k in range(begin[slot], end[slot]):
            points[row, which[k]] -= _NO_WORD
    else:
        longest: Any = np.int64(-1)
        state = _START ^ _AS_ENDING
        for c in range(min(_LONGEST_ENDING, size - 2)):
            state = (state ^ np.uint64(letters[size - 1 - c])) * _PRIME
            if c > 0:
                slot = _find(keys, state)
                longest = slot if slot >= 0 else longest
        if longest >= 0:
            _add(begin, end, which, worth, longest, points, row)
    for c in range(size - 1):
        state = (_START ^ _AS_PAIR ^ np.uint64(letters[c])) * _PRIME
        slot = _find(keys, (state ^ np.uint64(letters[c + 1])) * _PRIME)
        if slot >= 0:
            _add(begin, end, which, worth, slot, points, row)
