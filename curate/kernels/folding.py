"""Folding for hash keys: tables of each code point's folded form and kind, applied to UTF-8.

A table entry is `folded | kind << 24 | flags`. Tables map one code point to one. What they cannot
do (compose letters and marks, expand ligatures) they flag, and `rewritten` does it to the few texts
that have it, which are then read again. Tables have two rows: the second is for texts with Turkish
letters, where the small I is ı. A kernel that meets such a letter begins again with that row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.arrow import replace_rows
from curate.kernels.derived import Arrays, derived
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import width

BLOCK = 4096
_STRETCH = 64  #: bytes that are decoded in one way

#: Kinds of code points, for words. `SOLO` is a word by itself (Han, Kana, Thai, a symbol ...);
#: `MARK` and those after it are rare in most texts.
SEPARATOR, LETTER, DIGIT, SOLO, MARK, INVISIBLE = 0, 1, 2, 3, 4, 5
#: Set on letters that NFC may join with a mark or letter after them, and on those.
LEADS, COMPOSES = 1 << 21, 1 << 22
#: Set on a code point that becomes several, or others than the table says: see `rewritten`.
REWRITES = 1 << 23
#: Set on ß, which is two letters s.
DOUBLED = 1 << 27
#: Set on Latin and Greek letters whose accents are folded: a combining mark after one is dropped.
LOSES_MARKS = 1 << 28
#: Set on digits that fold to 0: a second one in a row is dropped.
REPEATS = 1 << 29
#: Set in the first row on letters of languages with ı: the second row is to be used.
TURKIC = 1 << 30
#: Set on line ends.
LINE = 1 << 31
FOLDED, KIND = 0x1FFFFF, 7
#: The folded form of separators that may be the sign of what follows: a minus, a negation.
MINUS, NOT = 0x10000 | ord("-"), 0x10000 | ord("!")

#: Signs that are typed in several ways; and letters that are apostrophes.
_TYPED = {
    "'": "\u2018\u2019\u201a\u201b\u2032`\u00b4",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
}
_APOSTROPHES = "\u02b9\u02bb\u02bc\u02bd\u02c8\ua78c\u07f4\u07f5"
#: ASCII that Unicode calls punctuation and people use as symbols.
_OPERATORS = "#%&*/@\\"
#: Marks of vowels that are written or left out: Arabic short vowels and Hebrew points.
_VOWELS = ((0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x0652), (0x0670, 0x0670))


@lru_cache(maxsize=1)
def _stored() -> dict[str, np.ndarray]:
    with np.load(unicode.PATH) as stored:
        return dict(stored)


@lru_cache(maxsize=1)
def mark_orders() -> np.ndarray:
    """Return each code point's canonical combining class, uint8: the order of marks in NFC."""
    order = np.zeros(len(unicode.CLASS), np.uint8)
    order[_stored()["order_of"]] = _stored()["order"]
    return order


def _mapped(name: str) -> dict[int, str]:
    sources, targets = _stored()[f"{name}_from"].tolist(), _stored()[f"{name}_to"].tolist()
    return dict(
        zip(sources, [to if isinstance(to, str) else chr(to) for to in targets], strict=True)
    )


def _long_forms(expand: tuple[str, ...]) -> dict[int, str]:
    """Return the code points that become several, or that NFC may join once they are replaced."""
    stored, forms = _stored(), {}
    if "width" in expand:
        joins = np.isin(stored["width_to"], stored["composes"])
        joins |= (stored["width_to"] >= 0x1100) & (stored["width_to"] < 0x1200)
        joining = set(stored["width_from"][joins].tolist())
        forms = {code: form for code, form in _mapped("width").items() if code in joining}
        forms |= _mapped("width_long")
    if "case" in expand:  # but ß, which the tables double
        forms |= {code: form for code, form in _mapped("case_long").items() if form != "ss"}
    return forms


@lru_cache(maxsize=8)
def _rewriter(expand: tuple[str, ...]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    forms = _long_forms(expand) | (_mapped("width") if "width" in expand else {})
    characters = {chr(code): form for code, form in forms.items()}
    return re.compile(f"[{''.join(characters)}]") if forms else None, characters


#: A letter whose marks NFC did not join to it, though it may join them to its small form.
_MARKED = re.compile("[^\\W\\d_][\u0300-\u036f]+")


def nfc(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    r"""Return texts in NFC, with runs of more than 30 combining marks cut to 30 before.

    The normalizer sorts a run by insertion: 128 kB of marks took 3 s, and twice as many four times
    as long. No script stacks more; 30 is the limit of UAX #15 for stream-safe text.

    >>> len(nfc(pa.array(["e" + "\u0316" * 10_000], pa.large_string()))[0].as_py())
    31
    """
    if pc.any(pc.match_substring_regex(texts, r"\p{M}{31}")).as_py():
        texts = pc.replace_substring_regex(texts, r"(\p{M}{30})\p{M}+", r"\1")
    return pc.utf8_normalize(texts, "NFC")


def rewritten(
    texts: pa.LargeStringArray, fold: tuple[str, ...], *, expand: bool = True
) -> pa.LargeStringArray:
    """Return texts in NFC, with I as ı where ı, İ, ğ or ş occur; what `fold` expands expanded."""
    texts = nfc(texts)
    pattern, forms = _rewriter(_expanding(fold) if expand else ())
    if pattern is not None:
        texts = _substituted(texts, pattern, pattern.pattern, lambda found: forms[found[0]])
    if "case" not in fold:
        return texts
    if "diacritics" not in fold:
        dotless = pc.replace_substring(texts, "I", "ı")
        turkic = pc.match_substring_regex(texts, f"[{unicode.TURKIC_LETTERS}]")
        texts = pc.if_else(turkic, dotless, texts)
    texts = pc.replace_substring(texts, "i\u0307", "i")
    sharp = "ss" if expand else "ß"
    return _substituted(texts, _MARKED, "[\u0300-\u036f]", lambda found: _small(found[0], sharp))


def _small(text: str, sharp: str) -> str:
    return text.replace("İ", "i").lower().replace("ß", sharp)


def _substituted(
    texts: pa.LargeStringArray,
    pattern: re.Pattern[str],
    occurs: str,
    form: Callable[[re.Match[str]], str],
) -> pa.LargeStringArray:
    """Return texts with a pattern replaced, in NFC; only those where `occurs` matches are read."""
    rows = np.flatnonzero(pc.fill_null(pc.match_substring_regex(texts, occurs), False))
    if not len(rows):
        return texts
    new = [pattern.sub(form, text) for text in texts.take(pa.array(rows)).to_pylist()]
    return replace_rows(texts, rows, nfc(pa.array(new, pa.large_string())))


def _expanding(fold: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in ("case", "width") if name in fold)


def _kinds() -> np.ndarray:
    classes = unicode.CLASS
    kind = np.zeros(len(classes), np.uint32)
    kind[(classes & unicode.CONTROL) != 0] = INVISIBLE
    kind[(classes & unicode.LETTER) != 0] = LETTER
    kind[_stored()["numbers"]] = LETTER  # a superscript or a Roman number is part of a word
    kind[(classes & unicode.UNSPACED) != 0] = SOLO
    kind[(classes & unicode.DIGIT) != 0] = DIGIT
    kind[(classes & unicode.MARK) != 0] = MARK
    kind[(classes & unicode.SPACE) != 0] = SEPARATOR
    return kind


def _flags(fold: tuple[str, ...], *, expand: bool = True) -> np.ndarray:
    flags = np.zeros(len(unicode.CLASS), np.uint32)
    flags[_stored()["leads"]] |= np.uint32(LEADS)
    flags[_stored()["composes"]] |= np.uint32(COMPOSES)
    flags[_stored()["recomposed"]] |= np.uint32(REWRITES)
    for name in _expanding(fold) if expand else ("case",):
        sources, targets = _stored()[f"{name}_from"], _stored()[f"{name}_to"]
        flags[sources[np.isin(targets, _stored()["leads"])]] |= np.uint32(LEADS)
    if expand:
        flags[list(_long_forms(_expanding(fold)))] |= np.uint32(REWRITES)
    if "case" in fold and "diacritics" not in fold:
        flags[[ord(c) for c in unicode.TURKIC_LETTERS]] |= np.uint32(TURKIC)
    return flags


def _two_rows(entries: np.ndarray, written: np.ndarray, fold: tuple[str, ...]) -> np.ndarray:
    """Return a table, uint32 (2, code points), from entries and what they are without case."""
    # Most code points are no characters: pages of memory that stay zero are never allocated.
    table = np.zeros((2, len(entries)), np.uint32)
    used = np.flatnonzero(entries)
    table[0, used] = entries[used]
    table[1, used] = entries[used] & ~np.uint32(TURKIC)
    if "case" in fold and "diacritics" not in fold:
        capital = written == ord("I")
        table[1, capital] = (table[1, capital] & ~np.uint32(FOLDED)) | np.uint32(ord("ı"))
    return table


def _case() -> np.ndarray:
    lower = np.arange(len(unicode.CLASS), dtype=np.uint32)
    lower[_stored()["case_from"]] = _stored()["case_to"]
    return lower


@lru_cache(maxsize=8)
def word_table(fold: tuple[str, ...], *, signs: bool = False, values: bool = False) -> np.ndarray:
    """Return the table for words, after what `fold` names; what is no word separates.

    Symbols are words. With `signs` all signs are; with `values` digits stay that `fold` makes one.
    A run reads six tables, which take a fifth of a second to make.
    """

    def entries() -> Arrays:
        table = _word_table(fold, signs=signs, values=values)
        used = np.flatnonzero(table.any(axis=0)).astype(np.uint32)
        return {"used": used, "entries": table[:, used]}

    stored = derived(__name__, f"words {fold} {signs} {values}", entries)
    table = np.zeros((2, len(unicode.CLASS)), np.uint32)
    table[:, stored["used"]] = stored["entries"]
    table.setflags(write=False)
    return table


def _word_table(fold: tuple[str, ...], *, signs: bool, values: bool) -> np.ndarray:
    every = np.arange(len(unicode.CLASS), dtype=np.uint32)
    kind, form = _kinds(), every.copy()
    if "width" in fold:
        form[_stored()["width_from"]] = _stored()["width_to"]
    for sign, others in _TYPED.items():
        form[[ord(c) for c in others]] = ord(sign)
    form[[ord(c) for c in _APOSTROPHES]] = ord("'")
    symbol = np.isin(every, _stored()["symbols"])
    symbol[[ord(c) for c in "".join(_TYPED.values())]] = False
    symbol[[ord(c) for c in _OPERATORS]] = True
    kind[(unicode.CLASS & unicode.PUNCTUATION) != 0] = SOLO if signs else SEPARATOR
    kind[symbol] = SEPARATOR if "symbols" in fold else SOLO
    kind[[0x0640, 0x07FA]] = INVISIBLE  # tatweel and its like in N'Ko
    kind[0xFE00:0xFE10] = kind[0xE0100:0xE01F0] = INVISIBLE  # variation selectors
    kind = kind[form]
    flags = _flags(fold)
    if "diacritics" in fold:
        names = [unicode.SCRIPTS.index(name) for name in ("Latn", "Grek")]
        latin_or_greek = np.isin(unicode.SCRIPT[form], names)
        accented = latin_or_greek | (unicode.BASE[form] == ord("е"))
        form = np.where(accented, unicode.BASE[form], form)
        flags[latin_or_greek & (kind == LETTER)] |= np.uint32(LOSES_MARKS)
        for first, last in _VOWELS:
            marks = kind[first : last + 1]
            marks[marks == MARK] = INVISIBLE
    written = form
    if "case" in fold:
        form = _case()[form]
        flags[[ord("ß"), ord("ẞ")]] |= np.uint32(DOUBLED | LEADS)
        form[[ord("ß"), ord("ẞ")]] = ord("s")
    table = np.where(kind == SEPARATOR, 0, form | (kind << np.uint32(24))).astype(np.uint32)
    digits = np.flatnonzero(kind == DIGIT)
    if "numbers" in fold:
        new = np.flatnonzero(np.diff(digits, prepend=-2) != 1)
        # Each run of Nd begins with a zero, by Unicode's stability policy.
        value = (digits - np.repeat(digits[new], np.diff(new, append=len(digits)))) % 10
        value = value if values else np.zeros_like(value)
        repeats = np.uint32(0 if values else REPEATS)
        table[digits] = (ord("0") + value).astype(np.uint32) | np.uint32(DIGIT << 24) | repeats
    if "symbols" not in fold and not signs:
        minus = form == ord("-")
        minus[0x2014:0x2016] = False  # a dash, not a minus: the speech of novels begins with it
        table[minus] = np.uint32(MINUS)
        table[form == ord("!")] = np.uint32(NOT)
    table[(unicode.CLASS & unicode.NEWLINE) != 0] |= np.uint32(LINE)
    return _two_rows(table | flags, written, fold)


@lru_cache(maxsize=4)
def character_table(fold: tuple[str, ...]) -> np.ndarray:
    """Return the table for characters: case and width folded, white space separates.

    Marks are those that NFC moves, or joins past others to their letter.
    """
    space = (unicode.CLASS & unicode.SPACE) != 0
    visible = np.where(mark_orders() != 0, MARK, LETTER)
    kind = np.where(space, SEPARATOR, visible).astype(np.uint32)
    form = np.arange(len(unicode.CLASS), dtype=np.uint32)
    flags = _flags(fold)
    if "width" in fold:
        form[_stored()["width_from"]] = _stored()["width_to"]
    written = form
    if "case" in fold:
        form = _case()[form]
        flags[[ord("ß"), ord("ẞ")]] |= np.uint32(DOUBLED | LEADS)
        form[[ord("ß"), ord("ẞ")]] = ord("s")
    return _two_rows(form | (kind << np.uint32(24)) | flags, written, fold)


@lru_cache(maxsize=1)
def visible_table() -> np.ndarray:
    """Return the table for whole texts: case folded letter by letter, the invisible dropped.

    Joiners stay, and the tags of flags: they change what is seen.
    """
    hidden = _kinds() == INVISIBLE
    hidden[[0x200C, 0x200D]] = hidden[0xE0020:0xE0080] = False
    space = (unicode.CLASS & unicode.SPACE) != 0
    mark = (unicode.CLASS & unicode.MARK) != 0
    visible = np.where(mark, MARK, LETTER)
    kind = np.where(space, SEPARATOR, np.where(hidden, INVISIBLE, visible)).astype(np.uint32)
    form = _case()
    form[ord("ẞ")] = ord("ß")
    entries = form | (kind << np.uint32(24)) | _flags(("case",), expand=False)
    table = _two_rows(entries, np.arange(len(form)), ("case",))
    table.setflags(write=False)  # all tables alike, so that kernels are compiled once
    return table


@inline
def _one_or_two(data: Any, at: Any, table: Any, entries: Any, m: Any) -> Any:
    """Write the entry of a code point of one or two bytes; return the place behind it.

    No branch, because a processor cannot predict where words end.
    """
    lead = uint32(data[at])
    two = uint64(lead >= uint32(0x80))
    pair = ((lead & uint32(31)) << uint32(6)) | (uint32(data[at + two]) & uint32(63))
    entries[m] = table[pair if two else lead]
    return at + uint64(1) + two


@kernel
def decode_block(
    data: np.ndarray, at: int, stop: int, table: np.ndarray, entries: np.ndarray
) -> tuple[int, int]:
    """Fill `entries` with the table entries of the next code points; return count and position.

    A byte sequence that is cut off at `stop` ends the text; a code point above U+10FFFF is read as
    U+FFFD. This does not call `utf8.decode`: what makes folding fast is that ASCII is read without
    a test of each byte, and that text of one and two bytes is read from both ends of a stretch at
    once, because each code point waits for the width of the one before it.
    """
    i, end, m = uint64(at), uint64(stop), uint64(0)
    while i < end and m + uint64(2 * _STRETCH) <= uint64(BLOCK):
        near = min(i + uint64(_STRETCH), end)
        highest = uint8(0)
        for k in range(i, near):
            highest = max(highest, data[k])
        if highest < uint8(0x80):
            for k in range(near - i):
                entries[m + k] = table[data[i + k]]
            m += near - i
            i = near
            continue
        if highest < uint8(0xE0):
            near -= uint64(data[near - uint64(1)] >= uint8(0xC0))  # not inside a code point
            if near == i:
                i = end
                break
            half = (i + near) >> uint64(1)
            half += uint64((data[half] & uint8(0xC0)) == uint8(0x80))
            second, apart = half, m + uint64(_STRETCH)
            n = apart
            while i < half and second < near:
                i = _one_or_two(data, i, table, entries, m)
                second = _one_or_two(data, second, table, entries, n)
                m += uint64(1)
                n += uint64(1)
            while i < half:
                i = _one_or_two(data, i, table, entries, m)
                m += uint64(1)
            while second < near:
                second = _one_or_two(data, second, table, entries, n)
                n += uint64(1)
            for k in range(n - apart):
                entries[m + k] = entries[apart + k]
            m += n - apart
            i = near
            continue
        while i < near:
            c = uint32(data[i])
            if i + uint64(4) > end and i + uint64(width(data[i])) > end:
                i = end
                break
            if c < 0x80:
                entries[m] = table[c]
                i += uint64(1)
            elif c < 0xE0:
                pair = ((c & uint32(31)) << uint32(6)) | (uint32(data[i + uint64(1)]) & uint32(63))
                entries[m] = table[pair]
                i += uint64(2)
            elif c < 0xF0:
                three = (
                    ((c & uint32(15)) << uint32(12))
                    | ((uint32(data[i + uint64(1)]) & uint32(63)) << uint32(6))
                    | (uint32(data[i + uint64(2)]) & uint32(63))
                )
                entries[m] = table[three]
                i += uint64(3)
            else:
                four = (
                    ((c & uint32(7)) << uint32(18))
                    | ((uint32(data[i + uint64(1)]) & uint32(63)) << uint32(12))
                    | ((uint32(data[i + uint64(2)]) & uint32(63)) << uint32(6))
                    | (uint32(data[i + uint64(3)]) & uint32(63))
                )
                entries[m] = table[four if four <= 0x10FFFF else uint32(0xFFFD)]
                i += uint64(4)
            m += uint64(1)
    return int64(m), int64(i)
