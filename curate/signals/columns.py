"""The counts of a column of texts by name; each kernel runs when first needed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.kernels import unicode
from curate.kernels.arrow import buffers
from curate.signals import page_model, perplexity
from curate.signals.formula import PHRASES, Categories, Floats, Integers
from curate.signals.page_model import SHIPPED, Measure
from curate.text import pii
from curate.text.counts import (
    BYTES,
    CHARACTERS,
    HIRAGANA,
    LETTER_RUNS,
    OUTSIDE,
    REPETITION,
    SCRIPT_SHARE,
    STOP_WORDS,
    VARIETY,
    WORDS,
    character_entries,
    count_bytes,
    count_characters,
    count_words,
    unmixed,
)
from curate.text.line_counts import LINES, count_lines
from curate.text.phrases import compiled, count_phrases
from curate.text.unigrams import SCALE, count_unigrams
from curate.text.unigrams import load as load_frequencies
from curate.text.words import roles, word_hashes

#: Counts of letters by script, and their scripts; ``hiragana_letters`` is HIRAGANA.
BY_SCRIPT: Final = {
    HIRAGANA: "Hira",
    "katakana_letters": "Kana",
    "han_letters": "Hani",
    "hangul_letters": "Hang",
    "latin_letters": "Latn",
    "cyrillic_letters": "Cyrl",
    "arabic_letters": "Arab",
}
MAIN_SCRIPT: Final = "main_script_letters"
_OF_CHARACTERS: Final = {*CHARACTERS, SCRIPT_SHARE, MAIN_SCRIPT, *BY_SCRIPT, *LETTER_RUNS, OUTSIDE}
UNIGRAMS: Final = ("log_probabilities", "scored_words")
PAGES: Final = "page_scores"

_URL: Final = r"""(?i)(?:https?://|www\.)[^\s<>"]+"""
_LOREM: Final = np.frombuffer(b"lorem ipsum", np.uint8)


@lru_cache(maxsize=1)
def _leads() -> npt.NDArray[np.bool_]:
    """Return whether the UTF-8 of a mark that ends sentences begins with each pair of bytes.

    Row 256 holds the same for each first byte alone.
    """
    leads = np.zeros((257, 256), np.bool_)
    for code in np.flatnonzero(unicode.CLASS & unicode.TERMINAL).tolist():
        written = chr(code).encode()
        leads[256, written[0]] = True
        leads[written[0], written[1] if code >= 0x80 else slice(None)] = True
    return leads.reshape(-1)


@lru_cache(maxsize=64)
def _outside(alphabet: str) -> npt.NDArray[np.bool_]:
    """Return which code points are letters of an alphabet's scripts, but none of its own."""
    if not alphabet:
        return np.zeros(0, np.bool_)
    own = [ord(c) for letter in alphabet for c in (letter, letter.upper()) if len(c) == 1]
    scripts = np.unique(unicode.SCRIPT[own])
    scripts = scripts[unmixed()[scripts]]
    outside: npt.NDArray[np.bool_] = np.isin(unicode.SCRIPT, scripts)
    outside &= unicode.CLASS & unicode.LETTER > 0
    outside[own] = False
    return outside


@lru_cache(maxsize=64)
def _stop_words(stop_words: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """Return the hashes of the stop words, each once."""
    hashes: dict[int, None] = {}
    for word in stop_words:
        of_word = word_hashes(word)
        if len(of_word) != 1:
            raise RecipeError(
                f"'{word}' in the list stop_words is {len(of_word)} words, not one",
                where="a profile's [lists]",
                hint="write it as the words that curate.text.words.words gives",
            )
        hashes[int(of_word[0])] = None
    table = np.array(list(hashes), np.uint64)
    table.setflags(write=False)
    return table


class TextCounts(Mapping[str, Integers | Floats | Categories]):
    """The counts of a column of texts by name. A kernel runs when one of its counts is first read.

    ``lists`` gives what a profile binds: word lists, ``scripts`` (ISO 15924), ``word_frequencies``
    (a path). The counts that need one exist only where it is given and not empty. Of ``wanted``
    counts, those of words are made in one pass.
    """

    def __init__(
        self,
        texts: pa.LargeStringArray,
        lists: Mapping[str, Sequence[str]] | None = None,
        *,
        wanted: Iterable[str] = (),
        measure: Measure | None = None,
    ) -> None:
        self._texts = texts
        data, offsets = buffers(texts)
        #: The bytes of all texts, and where each begins and ends.
        self._documents = data, offsets[:-1], offsets[1:]
        self._lists = lists or {}
        self._wanted = frozenset(wanted)
        self._measure = measure
        self._known: dict[str, Integers | Floats | Categories] = {}
        self._names = frozenset(self)

    def __getitem__(self, name: str) -> Integers | Floats | Categories:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            if name in BYTES:
                self._bytes()
            elif name in LINES:
                self._lines()
            elif name in _OF_CHARACTERS:
                self._characters()
            elif name in UNIGRAMS:
                self._unigrams()
            elif name in perplexity.LISTS:
                self._known |= perplexity.counts(self._texts, self._lists)
            elif name == PAGES:
                self._known[name] = _page_scores(
                    self._texts, str(SHIPPED), self._lists, self._measure
                )
            elif name in PHRASES:
                self._known[name] = self._phrases(name)
            elif name in _PLAIN:
                self._known[name] = _PLAIN[name](self._texts)
            else:
                self._words(self._wanted | {name})
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*BYTES, *CHARACTERS, MAIN_SCRIPT, *BY_SCRIPT, *LETTER_RUNS)
        yield from (*LINES, *WORDS, *VARIETY, *REPETITION)
        yield from _PLAIN
        yield from STOP_WORDS if self._lists.get("stop_words") else ()
        yield from (name for name, list_ in PHRASES.items() if self._lists.get(list_))
        if self._lists.get("scripts"):
            yield SCRIPT_SHARE
        if self._lists.get("alphabet"):
            yield OUTSIDE
        yield from UNIGRAMS if self._lists.get("word_frequencies") else ()
        yield from (name for name, list_ in perplexity.LISTS.items() if self._lists.get(list_))
        yield PAGES

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _add(self, names: Iterable[str], table: Iterable[Integers]) -> None:
        self._known |= dict(zip(names, table))

    def _room(self, columns: int) -> Integers:
        return np.zeros((columns, len(self._texts)), np.int64)

    def _bytes(self) -> None:
        out = self._room(len(BYTES))
        count_bytes(*self._documents, _LOREM, out)
        self._add(BYTES, out)

    def _characters(self) -> None:
        out, by_script = self._room(len(CHARACTERS)), self._room(len(unicode.SCRIPTS))
        runs, outside = self._room(len(LETTER_RUNS)), self._room(1)
        tables = *character_entries(), _outside("".join(self._lists.get("alphabet", ())))
        count_characters(*self._documents, *tables, out, by_script, runs, outside)
        self._add((*CHARACTERS, *LETTER_RUNS, OUTSIDE), (*out, *runs, *outside))
        numbers = {script: by_script[i] for i, script in enumerate(unicode.SCRIPTS)}
        self._known |= {name: numbers[script] for name, script in BY_SCRIPT.items()}
        named = [numbers[script] for script in unicode.SCRIPTS if script != "Zyyy"]
        self._known[MAIN_SCRIPT] = np.max(named, axis=0)
        scripts = self._lists.get("scripts", ())
        for script in scripts:
            if script not in numbers:
                raise RecipeError(f"no script '{script}'", hint=nearest(script, unicode.SCRIPTS))
        if scripts:
            self._known[SCRIPT_SHARE] = np.sum([numbers[s] for s in dict.fromkeys(scripts)], axis=0)

    def _phrases(self, name: str) -> Integers:
        out = np.zeros(len(self._texts), np.int64)
        phrases = compiled(tuple(self._lists[PHRASES[name]]), whole_words=name == "blocked_hits")
        count_phrases(*self._documents, *phrases, unicode.CLASS, out)
        return out

    def _unigrams(self) -> None:
        out = self._room(len(UNIGRAMS))
        most = int(self["n_chars"].max(initial=0)) + 1
        known = load_frequencies(self._lists["word_frequencies"][0])
        count_unigrams(*self._documents, roles(), unicode.FOLD, *known, most, out)
        self._add(UNIGRAMS, out)

    def _lines(self) -> None:
        out = self._room(len(LINES))
        most = int(self["newlines"].max(initial=0)) + 2
        count_lines(*self._documents, unicode.CLASS, _leads(), most, out)
        self._add(LINES, out)

    def _words(self, wanted: Set[str]) -> None:
        with_repetition, with_variety = (not wanted.isdisjoint(of) for of in (REPETITION, VARIETY))
        most = int(self["n_chars"].max(initial=0)) + 1
        times = np.arange(most + 1 if with_variety else 0)
        information = np.rint(times * np.log(np.maximum(times, 1)) * SCALE).astype(np.int64)
        stop_words = _stop_words(tuple(self._lists.get("stop_words", ())))
        out, stops = self._room(len(WORDS)), self._room(len(STOP_WORDS))
        variety = self._room(len(VARIETY) if with_variety else 0)
        repetition = self._room(len(REPETITION) if with_repetition else 0)
        columns = out, stops, variety, repetition
        lists = stop_words, information
        count_words(*self._documents, roles(), most, *lists, with_repetition, *columns)
        for names, found in zip((WORDS, STOP_WORDS, VARIETY, REPETITION), columns):
            self._add(names, found)


def _kana_at_start(texts: pa.LargeStringArray) -> Integers:
    start = pc.utf8_slice_codeunits(texts, 0, 50)
    return _integers(pc.count_substring_regex(start, "[\u3041-\u3093\u30a1-\u30f3]"))


def _zlib_bytes(texts: pa.LargeStringArray) -> Integers:
    written = (memoryview(text.as_buffer()) if text.is_valid else b"" for text in texts)
    return np.fromiter((len(zlib.compress(text, 9)) for text in written), np.int64, len(texts))


def _zstd_bytes(texts: pa.LargeStringArray) -> Integers:
    import zstandard

    # One context for all texts: pyarrow makes one for each, which takes twice as long as its work.
    compress = zstandard.ZstdCompressor(level=3).compress
    data, offsets = buffers(texts)
    view, bounds = data.data, pairwise(offsets.tolist())
    sizes = (len(compress(view[start:end])) if end > start else 0 for start, end in bounds)
    return np.fromiter(sizes, np.int64, len(texts))


def _url_chars(texts: pa.LargeStringArray) -> Integers:
    without = pc.replace_substring_regex(texts, _URL, "")
    return _integers(pc.utf8_length(texts)) - _integers(pc.utf8_length(without))


def _found(texts: pa.LargeStringArray, kind: str) -> Integers:
    """Count the matches of a kind of mask, searching only texts that its hint matches."""
    counts = np.zeros(len(texts), np.int64)
    for row in pii.hinted(texts, (kind,))[kind].tolist():
        counts[row] = len(pii.KINDS[kind](texts[row].as_py()))
    return counts


def _page_scores(
    texts: pa.LargeStringArray,
    address: str,
    lists: Mapping[str, Sequence[str]],
    measure: Measure | None,
) -> Floats:
    assert measure is not None
    lang = next(iter(lists.get("language", ())), "")
    return page_model.load(address).scores(texts, lists, lang, measure)


def _integers(counted: pa.Array) -> Integers:
    return np.asarray(pc.fill_null(counted, 0)).astype(np.int64)


#: Counts that need no kernel.
_PLAIN: Final[Mapping[str, Callable[[pa.LargeStringArray], Integers]]] = {
    "kana_at_start": _kana_at_start,
    "kuten": lambda texts: _integers(pc.count_substring(texts, "\u3002")),
    "zlib_bytes": _zlib_bytes,
    "zstd_bytes": _zstd_bytes,
    "url_chars": _url_chars,
    "emails": lambda texts: _found(texts, "email"),
    "phones": lambda texts: _found(texts, "phone"),
}
