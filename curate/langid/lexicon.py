"""Evidence for each language in a text: function words, endings, pairs of letters, foreign letters.

A naive Bayes model whose weights were set by reasoning and not counted, so that it leans towards no
corpus. ``lexicon.toml`` holds the lists; this file turns them into one hash table and adds up. All
weights are hundredths of a natural logarithm, in integers.

* About a third of the words of running prose are function words, and a word of another language is
  one of ours by chance perhaps once in fifty: a hit is worth ln(0.3 / 0.015) = 3, a short word less,
  because short words meet by chance more often. A word that is no hit costs -ln(0.7) = 0.35.
* An ending or a pair of letters is shared by more languages, and is worth less.
* A letter that the language does not write occurs in names and quotations, about once in a thousand
  letters, where a language that writes it has it a dozen times as often: it costs ln 12 = 2.5.
* A letter that is frequent in the language and missing costs what a Poisson count of 0 does: as much
  as the number of letters that were to be expected.
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

#: Evidence is taken from the first words of a text: more would not change what they say.
MAX_WORDS = 200

_WORD = {1: 80, 2: 180, 3: 250}  #: by letters; longer words are worth ...
_LONG_WORD = 300
_NO_WORD = -35
_ENDING = {2: 15, 3: 50}
_LONG_ENDING = 100
_PAIR = 40
_FOREIGN = -250
_MAX_FOREIGN = 8  #: more foreign letters say no more: a text may quote a line

_LONGEST_ENDING = 7
# Above all code points, so that no ending has the hash of a word.
_AS_WORD, _AS_ENDING, _AS_PAIR = np.uint64(1 << 40), np.uint64(2 << 40), np.uint64(3 << 40)
_START, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_APOSTROPHES = (0x27, 0x60, 0xB4, 0x2018, 0x2019, 0x2BB, 0x2BC, 0x2BF)
_APOSTROPHE = np.uint32(0x27)


@dataclass(frozen=True, eq=False)
class Table:
    """The lists of all languages, as the kernel reads them."""

    labels: tuple[str, ...]
    keys: Any  #: uint64[2**k]: open addressing; 0 is empty
    begin: Any  #: int32[2**k]: where the points of a slot start
    end: Any
    which: Any  #: int16: number of the language
    points: Any  #: int16
    letters: tuple[frozenset[str], ...]  #: what each language writes


@lru_cache(maxsize=1)
def table() -> Table:
    """Read ``lexicon.toml`` and build the table, once."""
    with Path(__file__).with_name("lexicon.toml").open("rb") as file:
        lists = tomllib.load(file)
    found: dict[int, dict[int, int]] = {}
    for number, said in enumerate(lists.values()):
        for key, points in _features(said):
            found.setdefault(key, {})[number] = points
    size = 1 << (2 * len(found)).bit_length()
    keys = np.zeros(size, np.uint64)
    begin, end = np.zeros(size, np.int32), np.zeros(size, np.int32)
    which: list[int] = []
    worth: list[int] = []
    for key, languages in found.items():
        at = key & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at], begin[at] = key, len(which)
        which += languages.keys()
        worth += languages.values()
        end[at] = len(which)
    return Table(
        tuple(lists),
        keys,
        begin,
        end,
        np.array(which, np.int16),
        np.array(worth, np.int16),
        tuple(both_cases(_letters(label, said)) for label, said in lists.items()),
    )


def asked() -> frozenset[frozenset[str]]:
    """Give every set of letters that must be counted for it."""
    return frozenset([*table().letters, *(group for _, group, _ in _usual())])


@lru_cache(maxsize=1)
def _usual() -> tuple[tuple[int, frozenset[str], int], ...]:
    """Give the groups of usual letters: the number of the language, the letters, how many in 1,000."""
    return tuple(
        (number, both_cases(group), per_mille)
        for number, label in enumerate(table().labels)
        if label in ALPHABETS
        for group, per_mille in ALPHABETS[label].usual
    )


#: What all languages of a script write.
_COMMON = {"Latn": "abcdefghijklmnopqrstuvwxyz", "Arab": "ابتثجحخدذرزسشصضطظعغفقلمنوهءآئ"}


def _letters(label: str, said: dict[str, str]) -> str:
    if label in ALPHABETS:
        return ALPHABETS[label].letters
    letters = _COMMON.get(label[4:], "".join(said.values())) + said.get("extra", "")
    return "".join(c for c in letters if not c.isspace())


def _features(said: dict[str, str]) -> Iterator[tuple[int, int]]:
    for word in said.get("words", "").split():
        points = _points(word)
        yield _hash(points, int(_AS_WORD)), _WORD.get(len(points), _LONG_WORD)
    for ending in said.get("endings", "").split():
        points = _points(ending)[::-1]
        if 2 <= len(points) <= _LONGEST_ENDING:
            yield _hash(points, int(_AS_ENDING)), _ENDING.get(len(points), _LONG_ENDING)
    for pair in said.get("pairs", "").split():
        points = _points(pair)
        if len(points) == 2:
            yield _hash(points, int(_AS_PAIR)), _PAIR


def _points(word: str) -> list[int]:
    """Give a word's folded code points as the kernel sees them: without marks."""
    return [int(FOLD[ord(c)]) for c in word if not CLASS[ord(c)] & MARK]


def _hash(points: list[int], kind: int) -> int:
    state = int(_START) ^ kind
    for point in points:
        state = (state ^ point) * int(_PRIME) & (1 << 64) - 1
    return state or 1


def weigh(data: Any, offsets: Any, rows: Points, script: Points) -> Points:
    """Add up what the words of some texts say: points[rows, languages].

    Only words in the row's script are read: English names say nothing about a page in Mongolian.
    """
    lists = table()
    points = np.zeros((len(rows), len(lists.labels)), np.int64)
    _weigh(
        data, offsets, rows, script, CLASS, SCRIPT, FOLD, lists.keys, lists.begin, lists.end,
        lists.which, lists.points, points,
    )  # fmt: skip
    return points


def of_letters(letters: Letters, rows: Points) -> Points:
    """Give what the letters say against each language: points[rows, languages], none above 0.

    A language of another script than the text's gets what all its letters are worth: enough to lose.
    """
    said = np.zeros((len(rows), len(table().labels)), np.int64)
    own = np.array([letters.columns[mine] for mine in table().letters], np.int64)
    usual = np.array(
        [(number, letters.columns[group], per_mille) for number, group, per_mille in _usual()],
        np.int64,
    )
    _of_letters(letters.sets, rows, letters.of_script[rows], own, usual, said)
    return said


@kernel
def _of_letters(sets: Any, rows: Any, size: Any, own: Any, usual: Any, said: Any) -> None:
    for k in range(len(rows)):
        for label in range(len(own)):
            foreign = size[k] - sets[rows[k], own[label]]
            said[k, label] = _FOREIGN * min(max(foreign, 0), _MAX_FOREIGN)
        for group in range(len(usual)):
            if sets[rows[k], usual[group, 1]] == 0:
                # Alphabets say what there is at least; two and a half times as much is common.
                said[k, usual[group, 0]] -= min(size[k], 200) * usual[group, 2] // 4


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
def _weigh(
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
    letters = np.zeros(64, np.uint32)  # of the word that is being read; its rest is ignored
    for k in range(len(rows)):
        i = offsets[rows[k]]
        stop = offsets[rows[k] + 1]
        size: Any = np.int64(0)
        words: Any = np.int64(0)
        mine = True
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
                    mine = scripts[np.uint64(point)] == script[k]
                if size < 64:
                    letters[size] = fold[np.uint64(point)]
                    size += 1
                continue
            if kind & MARK:
                continue
            while size > 0 and letters[size - 1] == _APOSTROPHE:
                size -= 1  # a closing quotation mark
            if size > 0 and mine:
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
    """Add what one word says. Its longest known ending counts where the word itself is not known."""
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
