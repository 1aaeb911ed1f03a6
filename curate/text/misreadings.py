"""Texts that were decoded in a wrong code page before they came here, read again in the right one.

ftfy mends UTF-8 that was read as a Western page. Here are the others: Turkish read as windows-1252,
Kazakh as windows-1251, KOI8-R as windows-1251, UTF-8 as windows-1251 or as a DOS page, and so on. A
text is touched only if the misreading can be undone exactly and the letters are then clearly those
of one language (``curate.text.code_pages``), or if the bytes are UTF-8, which no chance makes.

A scan finds the texts in doubt: letters that no one language has, letters of two scripts side by
side, capitals after small letters, signs inside words. Others are never decoded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from unicodedata import combining, normalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, uint8

from curate.kernels import unicode
from curate.kernels.arrow import buffers, replace_rows
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import decode
from curate.text import code_pages

#: Pages in which programs read what was written in another one.
_ASSUMED: Final = ("cp1252", "cp1251", "cp1250", "cp1254", "koi8_r", "cp866")

#: Pages in which they read UTF-8; ftfy mends what was read in windows-1252.
_ASSUMED_OF_UTF8: Final = (
    "cp1251", "cp1254", "cp1250", "cp866", "koi8_r", "kz1048", "ptcp154", "cp1253", "cp1255",
    "cp1256", "cp1257", "cp874", "iso8859_5", "iso8859_2", "mac_cyrillic", "mac_roman", "cp437",
    "cp850", "cp852", "cp857",
)  # fmt: skip

#: Pages of the Macintosh and of DOS are seldom what a misread Latin text was written in.
_SELDOM: Final = ("mac_roman", "mac_latin2", "mac_turkish", "mac_greek", "cp850", "cp852", "cp862")

#: How much better the letters must be, in bits and in bits per pair; and the fewest such pairs.
_CLEARLY: Final = (24.0, 0.3)
_FEWEST_PAIRS: Final = 8
_FEWEST_SEQUENCES: Final = 2  # of UTF-8
_FEWEST_DRAWN: Final = 4
_DOS: Final = ("cp437", "cp850", "cp852", "cp857", "cp866")

#: A text is in doubt with this share of odd characters among those beyond ASCII, and at least two.
_DOUBT: Final = 0.03

#: A text may have been misread this many times.
_ROUNDS: Final = 3

_BEYOND_ASCII = re.compile("[^\\x00-\\x7f]+")


def mend(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]:
    """Read misread texts again, and return which ones changed. Nulls must not occur.

    Where a whole text cannot be mended, its lines are tried one by one.

    >>> texts = ["Öðleden sonra rüzgâr güçlendi ve ýþýklar söndü.", "Þetta er gott."]
    >>> done, changed = mend(pa.array(texts, pa.large_string()))
    >>> done.to_pylist(), changed.tolist()
    (['Öğleden sonra rüzgâr güçlendi ve ışıklar söndü.', 'Þetta er gott.'], [True, False])
    """
    changed = np.zeros(len(texts), np.bool_)
    rows = np.flatnonzero(in_doubt(texts))
    if not len(rows):
        return texts, changed
    mended: list[str] = []
    for row in rows.tolist():
        before = texts[row].as_py()
        after = _mend_text(before)
        if after != before:
            changed[row] = True
            mended.append(after)
    if not mended:
        return texts, changed
    return replace_rows(
        texts, np.flatnonzero(changed), pa.array(mended, pa.large_string())
    ), changed


def _mend_text(text: str) -> str:
    for _ in range(_ROUNDS):
        better = _read_again(text)
        if better is None:
            break
        text = better
    lines = text.split("\n")
    if len(lines) > 1:
        for number in np.flatnonzero(in_doubt(pa.array(lines, pa.large_string()))).tolist():
            lines[number] = _read_again(lines[number]) or lines[number]
    return "\n".join(lines)


def _read_again(text: str) -> str | None:
    """Return a text as it was meant, if it was misread once; None where that is not certain."""
    western = _bytes_of(text, "cp1252")
    if western is not None and _is_utf8(western):
        return None  # ftfy mends that, and also what was damaged afterwards
    runs = _BEYOND_ASCII.findall(text)
    for page in _ASSUMED_OF_UTF8:
        if (found := _as_utf8(text, runs, page)) is not None:
            return found
    best: tuple[float, str] | None = None
    for page in _ASSUMED:
        if (reading := _in_another_page(text, page)) is not None:
            best = min(best or reading, reading)
    return best[1] if best else None


def _in_another_page(text: str, page: str) -> tuple[float, str] | None:
    """Return what the bits of a better reading cost, and that, if a text was read in ``page``."""
    data = _bytes_of(text, page)
    if data is None:
        return None
    meant = code_pages.likely(data, stated=page, clearly=_CLEARLY)
    if meant is None or meant == page or meant in _SELDOM:
        return None
    try:
        found = data.decode(meant)
    except UnicodeError:
        return None
    if meant in code_pages.MULTIBYTE:
        return code_pages.multibyte_bits(found, meant), found
    reading = code_pages.Readings(data).of(meant)
    if (
        reading is None
        or reading.pairs < _FEWEST_PAIRS
        or reading.mean > code_pages.LIKELY
        or "ҝ" in found.lower()  # ї of Mongolian fonts: a convention, no misreading
        or in_doubt(pa.array([found], pa.large_string()))[0]
    ):
        return None
    return reading.bits, found


def _as_utf8(text: str, runs: list[str], page: str) -> str | None:
    """Read what is beyond ASCII as UTF-8, if nearly all of it is: quotes may be right already."""
    readings: dict[str, str] = {}
    left = 0.1 * sum(map(len, runs))
    sequences = 0
    for run in runs:
        data = _bytes_of(run, page)
        try:
            readings[run] = data.decode() if data else ""
        except UnicodeError:
            data = None
        if data:
            sequences += len(readings[run])
        elif (left := left - len(run)) < 0:
            return None
    # Line art of DOS pages may be UTF-8 by chance, but not that of many characters.
    fewest = _FEWEST_DRAWN if page in _DOS else _FEWEST_SEQUENCES
    if sequences < fewest or (page in _DOS and len(set().union(*readings.values())) < fewest):
        return None
    return _BEYOND_ASCII.sub(lambda run: readings.get(run[0]) or run[0], text)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeError:
        return False
    return True


def _bytes_of(text: str, page: str) -> bytes | None:
    """Encode a text in a page as browsers do: bytes that it does not define are C1 controls."""
    try:
        return text.encode(page)
    except UnicodeError:
        pass
    known = _encoding(page)
    return bytes([known[char] for char in text]) if known.keys() >= set(text) else None


@lru_cache(maxsize=32)
def _encoding(page: str) -> dict[str, int]:
    known = {chr(byte): byte for byte in range(256) if byte < 128 or not _defines(page, byte)}
    known |= {bytes([b]).decode(page): b for b in range(128, 256) if _defines(page, b)}
    return known


def _defines(page: str, byte: int) -> bool:
    return bool(bytes([byte]).decode(page, "ignore"))


def in_doubt(texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
    """Return which texts look as if they had been read in a wrong code page.

    >>> in_doubt(pa.array(["iki takД±m vardД±", "iki takım vardı"], pa.large_string()))
    array([ True, False])
    """
    data, offsets = buffers(texts)
    doubt = np.zeros(len(texts), np.bool_)
    _scan(data, offsets, *_tables(), doubt)
    return doubt


_SIZE: Final = 0x600  # letters beyond are of scripts without code pages, or of their own

#: Letters of languages beside those of the code pages, beyond a to z: clean texts in no doubt.
_OTHERS: Final = (
    "çəğıöşüâ", "çğıöşüâîûéèêôáíóàëïāīūġż", "áàéèíìóòúùńǹ", "àéëóñŋ", "ɓɗƙƴ", "ɛɔŋáàéèúùíìóòâêîôû",
    "áčđŋšŧžåäöøæ",
    "äçňöşüýž", "âêîôûŵŷáéíóúàèäëïöü", "âêñùûüçàéèô", "āēīōū", "āèìòùǎǐǒǔǚéíóúáǹńḿ",
    "čćđšž", "ăâîșț", "ñáéíóúüãẽĩõũỹ", "ḍḥṣṭāīūḫġčžš", "ąįųęǫłńáéíóú",
)  # fmt: skip


@lru_cache(maxsize=1)
def _tables() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return which languages have each letter, and the traits of each character.

    Words mix scripts by right in Japanese, not in those that have code pages of single bytes.
    """
    known = [*code_pages.alphabets().values(), *_OTHERS]
    has = np.zeros((_SIZE, len(known)), np.int64)
    for number, letters in enumerate(known):
        accented = [normalize("NFC", a + b) for a in letters for b in letters if combining(b)]
        shapes = {s for c in [*letters, *accented] for s in (c, c.upper()) if len(s) == 1}
        shapes |= {"İ"} if "ı" in shapes else set()
        shapes |= set("șțȘȚ") if "ţ" in shapes else set()
        has[[ord(shape) for shape in shapes if ord(shape) < _SIZE], number] = 1
    traits = np.zeros(_SIGNS, np.uint8)
    for number, name in enumerate(("Latn", "Cyrl", "Grek", "Hebr", "Arab"), start=1):
        traits[unicode.SCRIPT[:_SIGNS] == unicode.SCRIPTS.index(name)] = number
    classes = unicode.CLASS[:_SIGNS]
    traits[classes & unicode.LETTER == 0] = 0
    traits[classes & unicode.LETTER > 0] |= _LETTER
    traits[classes & unicode.UPPER > 0] |= _UPPER
    odd = [*range(0x80, 0xC0), *range(0x2500, 0x2600), *map(ord, "×÷ƒ†‡‰€ˆ˜‚„")]
    for code in odd:
        if chr(code) not in "\u00a0\u00ad«»·´ªº" and not traits[code]:
            traits[code] = _SIGN
    return has, traits


@kernel
def _scan(data: Any, offsets: Any, has: Any, traits: Any, doubt: Any) -> None:
    """Mark the texts with characters that do not belong together."""
    counts = np.zeros(len(has), np.int64)
    seen = np.zeros(len(has), np.int64)
    covered = np.zeros(has.shape[1], np.int64)
    for d in range(len(offsets) - 1):
        i, end = offsets[d], offsets[d + 1]
        odd = high = int64(0)  # pairs that no language writes; characters beyond ASCII
        distinct = 0
        last = before_last = uint8(0)
        ascii_last = True
        while i < end:
            byte = data[i]
            if byte < 128:  # of a run of ASCII only the last character matters
                while ascii_last and i + 8 < end and ascii_block(data, i):
                    i += 8
                    last = uint8(0)
            elif byte >= 0xE0 and byte != 0xE2:  # scripts that no code page of single bytes has
                i += 4 if byte >= 0xF0 else 3
                high += 1
                before_last, last, ascii_last = last, uint8(0), False
                continue
            code, length = decode(data, i)
            i += length
            this = traits[code] if code < len(traits) else uint8(0)
            if this & _LETTER:
                odd += (last & _SIGN) != 0 and before_last != 0
                if code > 127:
                    high += 1
                    if this & _SCRIPT and code < len(has):
                        if counts[code] == 0:
                            seen[distinct] = code
                            distinct += 1
                        counts[code] += 1
                if last & _LETTER and not (ascii_last and code < 128):
                    if (last ^ this) & _SCRIPT:
                        odd += (last & _SCRIPT) != 0 and (this & _SCRIPT) != 0
                    elif this & ~last & _UPPER and not ascii_last and code > 127:
                        # Capitals after one small letter count twice: KOI8-R read as 1251.
                        odd += 2 if before_last == 0 else 1
            elif this:
                high += 1
            before_last, last, ascii_last = last, this, code < 128
        covered[:] = 0
        letters = int64(0)
        for k in range(distinct):
            code = seen[k]
            letters += counts[code]
            for number in range(has.shape[1]):
                covered[number] += counts[code] * has[code, number]
            counts[code] = 0
        foreign = odd + letters - covered.max()
        doubt[d] = foreign >= 2 and (foreign >= _DOUBT * high or (odd >= 2 and 100 * odd >= high))


@inline
def ascii_block(data: Any, i: Any) -> Any:
    """Return whether the next 8 bytes are ASCII, and so is the one behind them."""
    block = data[i : i + 9]
    above = uint8(0)
    for k in range(9):
        above |= block[k]
    return above < 128


_SIGNS: Final = 0x2600
_SCRIPT, _LETTER, _UPPER, _SIGN = 7, 8, 16, 32  #: traits of a character
