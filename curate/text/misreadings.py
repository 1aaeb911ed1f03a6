"""Texts that were decoded in a wrong code page before they came here, read again in the right one.

ftfy mends UTF-8 that was read as a Western page. Here are the others: Turkish read as windows-1252,
Kazakh as windows-1251, KOI8-R as windows-1251, UTF-8 as windows-1251 or as a DOS page, and so on. A
text is touched only if the misreading can be undone exactly and the letters are then clearly those
of one language (``curate.text.encodings``), or if the bytes are UTF-8, which no chance makes.

A scan finds the texts in doubt (``curate.text.doubt``); a second one counts exactly in those, and
which pages could hold them. Others are never decoded.

A text that is in doubt by little (one odd letter among few, or capitals throughout, which KOI8-R
read as windows-1251 looks like) is read again only where the letters are as usual as in prose.

What passes (``tests/benchmarks/encoding.py`` counts it) is what the scan cannot doubt, since it
knows only which letters and neighbours occur, not how often they should:

- Hungarian read as windows-1252 whose wrong letters are õ and û alone, and without an ö. Portuguese
  and Vietnamese have all letters of such a text; that their commonest letters are missing would
  have to be counted, in the inner loop of the scan, for every text of any language. Slovene and
  Croatian whose only accents are è and æ: French and Danish have these.
- Texts of few accents that were written in a page of the Macintosh or of DOS, or read in one, and
  Polish or Czech read in the other one of windows-1250 and ISO 8859-2: two wrong letters of a
  hundred are no doubt, where clean texts have as many of a foreign name.
- Less than eight pairs of letters, and a few words behind a lone sign (``€ïðèâåò``): the letters
  are not clearly those of one language, and the sign would be another letter in each page.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, uint8, uint32, uint64

from curate.kernels.arrow import buffers, replace_rows
from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode
from curate.text import code_pages, doubt, encodings, mojibake_scan, multibyte, readings
from curate.text.homoglyphs import cyrillic_homoglyphs, greek_homoglyphs

#: Pages in which programs read what was written in another one.
_ASSUMED: Final = (
    "cp1252", "cp1251", "cp1250", "cp1254", "koi8_r", "cp866", "iso8859_2", "iso8859_5",
    "mac_roman", "cp850",
)  # fmt: skip

#: What is read in these was written in windows-1252, or is another language with their letters.
_WESTERN: Final = ("mac_roman", "cp850")

#: Pages in which they read UTF-8; ftfy mends what was read in windows-1252.
_ASSUMED_OF_UTF8: Final = (
    "cp1251", "cp1254", "cp1250", "cp866", "koi8_r", "kz1048", "ptcp154", "cp1253", "cp1255",
    "cp1256", "cp1257", "cp874", "iso8859_5", "iso8859_2", "mac_cyrillic", "mac_roman", "cp437",
    "cp850", "cp852", "cp857",
)  # fmt: skip

#: Pages of the Macintosh and of DOS are seldom what a misread Latin text was written in: each pair
#: must cost so much less.
_SELDOM: Final = ("mac_roman", "mac_latin2", "mac_turkish", "mac_greek", "cp850", "cp852", "cp862")
_SELDOM_BITS: Final = 4.0

#: The page of the Macintosh has the small letters of windows-1251: one sign that would be a capital
#: there is no evidence, several capitals are.
_NEIGHBOURS: Final = {"mac_cyrillic": "cp1251"}

#: How much better the letters must be: in bits, and for each pair that is read otherwise; and the
#: fewest pairs.
_CLEARLY: Final = (24.0, 0.3)
_FEWEST_PAIRS: Final = 8
#: Bits per pair of a reading of a text that is in doubt by little.
_CERTAIN: Final = 5.0
#: Fewer pairs, or pairs that cost more, are enough where the wrong ones cost so much more each.
_FEWEST_ODD_PAIRS: Final = 4
_ODD_BITS: Final = 8.0
_FEWEST_SEQUENCES: Final = 2  # of UTF-8
_FEWEST_DRAWN: Final = 4
_DOS: Final = ("cp437", "cp850", "cp852", "cp857", "cp866")

#: A text may have been misread this many times.
_ROUNDS: Final = 3

#: No reading makes signs of letters inside words; soft hyphens may be in long ones.
_SIGN_IN_WORD = re.compile(
    "(?<=[^\\W\\d_])[\u00a2-\u00a9\u00ab-\u00b1\u00b6\u00bb\u2020-\u2022\u20aa-\u20ac\u2122](?=[^\\W\\d_])"
)
#: Letters of windows-1251 that are ó and ñ of Spanish in windows-1252.
_ACCENTS_AS_LETTERS: Final = frozenset("уУсС")
_BEYOND_ASCII = re.compile("[^\\x00-\\x7f]+")
#: The first bytes in UTF-8 of letters from U+0340 to U+053F: of Greek and Cyrillic, which have
#: lookalikes among Latin letters.
_LEADS: Final = bytes(range(0xCD, 0xD5))


def mend(
    texts: pa.LargeStringArray, rows: npt.NDArray[np.int64] | None = None
) -> tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]:
    """Read misread texts again, and return which ones changed. Nulls must not occur.

    ``rows`` are those that a scan doubts (``mojibake_scan.scan``); without it, all are looked at.
    Where a whole text cannot be mended, its lines are tried one by one.

    >>> texts = ["Öðleden sonra rüzgâr güçlendi ve ýþýklar söndü.", "Þetta er gott."]
    >>> done, changed = mend(pa.array(texts, pa.large_string()))
    >>> done.to_pylist(), changed.tolist()
    (['Öğleden sonra rüzgâr güçlendi ve ışıklar söndü.', 'Þetta er gott.'], [True, False])
    """
    changed = np.zeros(len(texts), np.bool_)
    if rows is None:
        rows = np.arange(len(texts))
    if not len(rows):
        return texts, changed
    judged = _judged(texts, rows)
    possible = np.flatnonzero(judged & ~(_IN_DOUBT | _BY_LITTLE))
    mended: list[str] = []
    for row, pages in zip(rows[possible].tolist(), judged[possible].tolist(), strict=True):
        before = texts[row].as_py()
        after = _mend_text(before, pages)
        if after != before:
            changed[row] = True
            mended.append(after)
    if not mended:
        return texts, changed
    return replace_rows(
        texts, np.flatnonzero(changed), pa.array(mended, pa.large_string())
    ), changed


def _mend_text(text: str, pages: int) -> str:
    for _ in range(_ROUNDS):
        better = _read_again(text, pages)
        if better is None:
            break
        text, pages = better, _judge_text(better)
    lines = text.split("\n")
    if len(lines) > 1:
        for number, line in enumerate(lines):
            if not line.isascii():
                lines[number] = _read_again(line, _judge_text(line)) or line
    return "\n".join(lines)


def _read_again(text: str, pages: int) -> str | None:
    """Return a text as it was meant, if it was misread once; None where that is not certain.

    ``pages`` are those that can hold it, as ``_judge_one`` returns them.
    """
    if pages & _AS_UTF8:
        runs = _BEYOND_ASCII.findall(text)
        if pages & _IN_FTFYS_PAGE:
            western = _bytes_of(" ".join(runs), _FTFYS_PAGE)
            if western is not None and _is_utf8(western):
                return None  # ftfy mends that, and also what was damaged afterwards
        for number, page in enumerate(_ASSUMED_OF_UTF8):
            if pages >> len(_ASSUMED) + number & 1:
                found = _as_utf8(text, runs, page)
                if found is not None:
                    return found
    if _has_homoglyphs(text):
        return None
    written: dict[str, bytes] = {}
    right: set[bytes] = set()  # what no page reads better than it came
    for number, page in enumerate(_ASSUMED):
        if not pages >> number & 1 or (page in _WESTERN and written.get("cp1252") in right):
            continue  # what these pages held would be no prose in windows-1252
        data = _bytes_of(text, page)
        if data is not None:
            written[page] = data
            if data not in right and readings.holds(data, page):
                right.add(data)
    best: tuple[float, str] | None = None
    for page, data in written.items():
        if data in right:
            continue
        reading = _in_another_page(text, data, page, _CERTAIN if pages & _BY_LITTLE else 99.0)
        if reading is not None:
            best = min(best or reading, reading)
    return best[1] if best else None


def _in_another_page(text: str, data: bytes, page: str, most: float) -> tuple[float, str] | None:
    """Return what the bits of a better reading cost, and that, if a text was read in ``page``.

    ``most`` bits per pair may it cost, besides other limits.
    """
    meant, reading = encodings.cheapest_reading(
        data, markup=False, stated=page, clearly=(_CLEARLY[0], 0.0)
    )
    if meant is None or meant == page or (page in _WESTERN and meant != "cp1252"):
        return None
    try:
        found = data.decode(meant)
    except UnicodeError:
        return None
    if meant in multibyte.MULTIBYTE:
        return multibyte.multibyte_bits(found, meant), found
    if (
        reading is None
        or reading.mean > most
        or not _clearly_better(_own_reading(text, data, page), reading, text, found)
        or not _of_its_language(text, found, reading)
        or len(_SIGN_IN_WORD.findall(found)) > len(_SIGN_IN_WORD.findall(text)) + len(text) / 100
        or "ҝ" in found.lower()  # ї of Mongolian fonts: a convention, no misreading
        or _judge_text(found) & (_IN_DOUBT | _BY_LITTLE) == _IN_DOUBT
    ):
        return None
    near = readings.compare(data, _NEIGHBOURS.get(meant))[0]
    if near is not None and near.bits - reading.bits < _CLEARLY[0]:
        return None
    return reading.bits, found


def _has_homoglyphs(text: str) -> bool:
    """Return whether a text is in doubt only because letters look like those of another script.

    Accents of Western languages are Cyrillic letters in windows-1251, some of which look Latin. But
    of a misread text some words have others, except in Spanish, where these are n and o with an
    accent, and in a few words of Swedish or Italian.
    """
    if not _has_greek_or_cyrillic(text):
        return False
    plain = _without_homoglyphs(text)
    if plain != text:
        return _judge_text(plain) & (_IN_DOUBT | _BY_LITTLE) != _IN_DOUBT
    plain = cyrillic_homoglyphs(text, "und_Latn")
    if len(plain) == len(text):
        replaced = {a for a, b in zip(text, plain, strict=True) if a != b}
    else:  # a letter became one and its accent
        replaced = set(text) - set(plain)
    return bool(replaced - _ACCENTS_AS_LETTERS) and not _judge_text(plain)


def _without_homoglyphs(text: str) -> str:
    """Return a text with Cyrillic and Greek letters for Latin ones that look like them.

    In words that only these explain. A text in Latin letters comes back as it is: in these pages
    the accents of Western languages are Cyrillic letters, some of which look Latin.
    """
    if not _has_greek_or_cyrillic(text):
        return text
    plain = greek_homoglyphs(cyrillic_homoglyphs(text, "und_Cyrl"), "und_Grek")
    return plain if len(plain.encode()) > len(text.encode()) else text


def _has_greek_or_cyrillic(text: str) -> bool:
    data = text.encode("utf-8", "surrogatepass")
    return len(data.translate(None, _LEADS)) < len(data)


def _own_reading(text: str, data: bytes, page: str) -> readings.Reading | None:
    return readings.compare(_bytes_of(_without_homoglyphs(text), page) or data, page)[0]


def _clearly_better(
    own: readings.Reading | None, better: readings.Reading, text: str, found: str
) -> bool:
    """Return whether a reading leaves no doubt beside that of the page that the text came in.

    ``own`` is None where that page lacks one of the bytes. Only what they read in another way
    speaks for one of them: the pages of the Macintosh have most letters of their neighbours.
    """
    if own is None:
        return better.pairs >= _FEWEST_PAIRS and better.mean <= readings.PROSE
    worse = own.mean - better.mean
    if better.page in _SELDOM and worse < _SELDOM_BITS:
        return False
    if better.pairs < _FEWEST_PAIRS or better.mean > readings.PROSE:
        # A few umlauts that were Cyrillic in the midst of Latin words.
        latin = better.language.endswith("_Latn") and not own.language.endswith("_Latn")
        few = better.pairs >= _FEWEST_ODD_PAIRS and better.mean <= readings.FAIR
        if not (latin and few and worse >= _ODD_BITS):
            return False
    differ = 2 * sum(a != b for a, b in zip(text, found, strict=True))
    return own.bits - better.bits >= _CLEARLY[0] + differ * _CLEARLY[1]


def _of_its_language(text: str, found: str, better: readings.Reading) -> bool:
    """Return whether most letters that are read otherwise are of the language that it is read as.

    Else that language speaks for the reading, not what it changes: Luxembourgish with a ``ć``.
    """
    changed = [(a, b) for a, b in zip(text, found, strict=True) if a != b]
    letters = [b for _, b in changed if b.isalpha()]
    if not letters:
        return bool(changed) and not any(a.isalpha() for a, _ in changed)
    known = code_pages.alphabets()[better.language]
    return 2 * sum(code_pages.fold(b) in known for b in letters) >= len(letters)


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
    """Encode a text in a page as browsers do; None where it has other characters."""
    try:
        return codecs.charmap_encode(text, "strict", _charmap(page))[0]
    except UnicodeError:
        return None


@lru_cache(maxsize=32)
def _charmap(page: str) -> Any:
    return codecs.charmap_build(_characters(page))


def _characters(page: str) -> str:
    """Return the character of each byte; one that the page does not define is a C1 control."""
    return "".join(bytes([byte]).decode(page, "ignore") or chr(byte) for byte in range(256))


def in_doubt(texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
    """Return which texts look as if they had been read in a wrong code page.

    >>> in_doubt(pa.array(["iki takД±m vardД±", "iki takım vardı"], pa.large_string()))
    array([ True, False])
    """
    return _judged(texts, np.arange(len(texts))) > 0


#: What is known of a text in doubt, as bits of an integer; 0 for others. The pages that can hold
#: it; above them the pages in which it may be UTF-8, the last of which is ftfy's.
_FTFYS_PAGE: Final = "cp1252"
_IN_FTFYS_PAGE: Final = 1 << len(_ASSUMED) + len(_ASSUMED_OF_UTF8)
_AS_UTF8: Final = (_IN_FTFYS_PAGE << 1) - (1 << len(_ASSUMED))
_IN_DOUBT: Final = _IN_FTFYS_PAGE << 1
_BY_LITTLE: Final = _IN_DOUBT << 1  # right texts may be like that
_ONE_LINE: Final = _BY_LITTLE << 1  # some page can hold one of its lines


def _judged(texts: pa.LargeStringArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return what is known of each row."""
    data, offsets = buffers(texts)
    out = np.zeros(len(rows), np.int64)
    _judge(data, offsets, rows, out, *_tables(), *_scratch())
    return out


def _judge_text(text: str) -> int:
    """Return what is known of one text, without its lines."""
    data = np.frombuffer(text.encode(), np.uint8)
    return int(_judge_one(data, 0, len(data), *_tables(), *_scratch()))


def _tables() -> Any:
    entry = mojibake_scan.tables().entry
    return entry, doubt.odd_pairs(), doubt.alphabets(), *_pages()


def _scratch() -> Any:
    """Return what a kernel counts in: letters, those seen, letters by language, UTF-8 by page."""
    letters, languages = doubt.alphabets().shape
    counts, covered = np.zeros((2, letters), np.int32), np.zeros(languages, np.int32)
    return counts[0], counts[1], covered, np.zeros(len(_ASSUMED_OF_UTF8) + 1, np.int64)


@lru_cache(maxsize=1)
def _pages() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return bits of the pages that have a character; and where it begins or continues UTF-8."""
    single, first, later = (np.zeros(0x10000, np.uint32) for _ in range(3))
    for number, page in enumerate(_ASSUMED):
        single[[ord(char) for char in _characters(page)]] |= np.uint32(1 << number)
    for number, page in enumerate((*_ASSUMED_OF_UTF8, _FTFYS_PAGE)):
        for byte, char in enumerate(_characters(page)):
            if byte > 127:
                first[ord(char)] |= np.uint32(byte >= 0xC2) << np.uint32(number)
                later[ord(char)] |= np.uint32(byte < 0xC0) << np.uint32(number)
    return single, first, later


@kernel
def _judge(
    data: Any, offsets: Any, rows: Any, out: Any, entry: Any, odd_pairs: Any, has: Any,
    single: Any, first: Any, later: Any, counts: Any, seen: Any, covered: Any, right: Any,
) -> None:  # fmt: skip
    """Judge some texts, and the lines of those that no page can hold."""
    for r in range(len(rows)):
        begin, end = offsets[rows[r]], offsets[rows[r] + 1]
        known = _judge_one(
            data, begin, end, entry, odd_pairs, has, single, first, later, counts, seen, covered,
            right,
        )  # fmt: skip
        out[r] = known
        if known == 0 or known & ~(_IN_DOUBT | _BY_LITTLE):
            continue
        lines = int64(0)
        for byte in data[begin:end]:  # without a branch, the compiler makes vectors of it
            lines += int64(byte == uint8(10))
        line = begin
        for i in range(begin, end if lines else begin):
            if data[i] == 10 or i + 1 == end:
                known = _judge_one(
                    data, line, i + 1, entry, odd_pairs, has, single, first, later, counts, seen,
                    covered, right,
                )  # fmt: skip
                if known & ~(_IN_DOUBT | _BY_LITTLE):
                    out[r] |= _ONE_LINE
                    break
                line = i + 1


@kernel
def _judge_one(
    data: Any, i: Any, end: Any, entry: Any, odd_pairs: Any, has: Any, single: Any, first: Any,
    later: Any, counts: Any, seen: Any, covered: Any, right: Any,
) -> Any:  # fmt: skip
    """Return what is known of a text."""
    kinds = uint64(0)
    odd = high = distinct = run = int64(0)
    pages = ~uint32(0)  # that have every character
    utf8 = uint32(0)  # pages in which the run so far may be UTF-8
    began = uint32(0)  # pages in which the last character began a sequence
    right[:] = 0
    while i < end:
        code, length = decode(data, i)
        i += length
        kind = entry[code] >> 12
        kinds = (kinds << uint64(4) | uint64(kind)) & uint64(doubt.THREE)
        odd += odd_pairs[kinds]
        if code > 127:
            high += 1
            if doubt.LETTERS <= kind < doubt.BEYOND and code < len(has):
                if counts[code] == 0:
                    seen[distinct] = code
                    distinct += 1
                counts[code] += 1
            begins = first[code] if code < len(first) else uint32(0)
            goes_on = later[code] if code < len(first) else uint32(0)
            pages &= single[code] if code < len(first) else uint32(0)
            utf8 = begins if run == 0 else utf8 & (goes_on | (begins & ~began))
            began = begins
            run += 1
        if run and (code < 128 or i >= end):
            utf8 &= ~began  # a sequence has an end
            if utf8:
                for page in range(len(right)):
                    right[page] += run * int64(utf8 >> uint32(page) & uint32(1))
            run = 0
        elif code < 128:
            # ASCII beside ASCII is not odd: only its last character matters.
            ahead = uint64(i)
            while ahead < uint64(end) and data[ahead] < uint8(128):
                ahead += uint64(1)
            kinds = uint64(entry[data[ahead - uint64(1)]] >> 12)
            i = int64(ahead)
    covered[:] = 0
    letters = int64(0)
    for k in range(distinct):
        code = seen[k]
        letters += counts[code]
        for number in range(has.shape[1]):
            covered[number] += counts[code] * has[code, number]
        counts[code] = 0
    most = int64(0)
    for number in range(len(covered)):
        most = max(most, int64(covered[number]))
    known = int64(_IN_DOUBT)
    if not doubt.many(odd, letters - most, high):
        if not doubt.few(odd, letters - most, high):
            return int64(0)
        known |= int64(_BY_LITTLE)
    known |= int64(pages) & ((1 << len(_ASSUMED)) - 1)
    for page in range(len(right)):  # nine in ten characters must be UTF-8: see _as_utf8
        known |= int64(10 * right[page] >= 9 * high) << len(_ASSUMED) + page
    return known
