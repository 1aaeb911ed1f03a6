"""Which code page bytes are in, by their letters: pairs that some language writes often.

Single-byte code pages decode every byte, so that only the letters tell a right reading from a wrong
one. For each page and each language written in it, the pairs of adjacent characters with a byte
above 127 cost as many bits as they are rare in that language; letters that it does not have,
symbols inside words, and capitals after small letters cost most. The page that costs least is the
one. The frequencies (``letter_pairs.npz``) are counted by ``tests/generate/letter_pairs.py``.

Bound by one table look-up per different pair and language; only in doubt.
"""

from __future__ import annotations

import codecs
import threading
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int64, uint8

from curate.kernels.jit import kernel

PATH: Final = Path(__file__).with_name("letter_pairs.npz")

#: Costs are stored in eighths of a bit.
EIGHTHS: Final = 8

# Slots of a language's table: its letters, and the kinds of everything else.
BOUNDARY, FIRST_LETTER, SPECIAL, SLOTS = 0, 1, 80, 88
_LATIN, _MARK, _OPENS, _CLOSES, _FOREIGN, _ODD, _CONTROL, _UNDEFINED = range(SPECIAL, SLOTS)

_WESTERN = (
    "fra_Latn deu_Latn spa_Latn por_Latn ita_Latn nld_Latn swe_Latn dan_Latn nob_Latn nno_Latn"
    " fin_Latn isl_Latn fao_Latn cat_Latn eus_Latn glg_Latn ast_Latn oci_Latn gle_Latn est_Latn"
    " als_Latn afr_Latn ltz_Latn eng_Latn ind_Latn tgl_Latn grn_Latn"
)
_CENTRAL = "pol_Latn ces_Latn slk_Latn hun_Latn hrv_Latn slv_Latn ron_Latn deu_Latn als_Latn"
_BALTIC = "lit_Latn lvs_Latn est_Latn"
_TURKISH = "tur_Latn kmr_Latn crh_Latn"
_CYRILLIC = "rus_Cyrl ukr_Cyrl bel_Cyrl bul_Cyrl mkd_Cyrl srp_Cyrl"
_ASIAN = "kaz_Cyrl tat_Cyrl bak_Cyrl kir_Cyrl khk_Cyrl azj_Cyrl uzn_Cyrl tgk_Cyrl rus_Cyrl"

#: Page -> its languages, and how many bits the letters must save before it is taken for a commoner
#: one. Of two pages that read a text alike the first is taken.
PAGES: Final[dict[str, tuple[str, int]]] = {
    "cp1252": (_WESTERN, 0),
    "cp1251": (_CYRILLIC, 0),
    "cp1254": (_TURKISH, 0),
    "cp1250": (_CENTRAL, 0),
    "cp1256": ("arb_Arab pes_Arab urd_Arab", 0),
    "cp1253": ("ell_Grek", 0),
    "cp1255": ("heb_Hebr ydd_Hebr", 0),
    "cp874": ("tha_Thai", 0),
    "cp1257": (_BALTIC, 0),
    "cp1258": ("vie_Latn", 2),
    "kz1048": ("kaz_Cyrl rus_Cyrl", 2),
    "ptcp154": (_ASIAN, 3),
    "koi8_r": ("rus_Cyrl bul_Cyrl", 1),
    "koi8_u": ("ukr_Cyrl bel_Cyrl rus_Cyrl", 2),
    "koi8_t": ("tgk_Cyrl", 6),
    "iso8859_5": (_CYRILLIC, 3),
    "cp866": ("rus_Cyrl ukr_Cyrl bel_Cyrl bul_Cyrl", 4),
    "mac_cyrillic": (_CYRILLIC, 4),
    "cp855": (_CYRILLIC, 10),
    "iso8859_2": (_CENTRAL, 1),
    "iso8859_15": ("fra_Latn fin_Latn est_Latn", 9),
    "iso8859_7": ("ell_Grek", 1),
    "iso8859_6": ("arb_Arab", 2),
    "iso8859_8": ("heb_Hebr", 1),
    "iso8859_13": (_BALTIC, 5),
    "iso8859_4": (_BALTIC, 6),
    "iso8859_3": ("mlt_Latn epo_Latn", 8),
    "cp850": (_WESTERN, 12),
    "cp852": (_CENTRAL, 10),
    "cp857": (_TURKISH, 10),
    "cp737": ("ell_Grek", 10),
    "cp862": ("heb_Hebr", 16),
    "mac_roman": (_WESTERN, 12),
    "mac_latin2": (_CENTRAL, 12),
    "mac_turkish": (_TURKISH, 12),
    "mac_greek": ("ell_Grek", 12),
}

LANGUAGES: Final = tuple(
    dict.fromkeys(name for names, _ in PAGES.values() for name in names.split())
)

#: Typographic characters of any language; every other symbol is odd beside letters.
_MARKS: Final = frozenset("\u00a0\u00ad«»“‘’–—―•·°№§©®™€×−،؛؟\u200c\u200d\u200e\u200f₪฿")
_OPENING: Final = frozenset("„‚‹¿¡")  # never behind a letter
_CLOSING: Final = frozenset("”›…")  # never before one

# Romanian code pages have the letters with a cedilla.
_ALIKE: Final = {"ș": "ş", "ț": "ţ", "İ": "i"}
TONES: Final = "\u0300\u0301\u0303\u0309\u0323"
# What pairs cost beside those of a language's own letters, in bits: to enter a slot; to enter it
# from a letter, or a letter from it, besides.
_ENTER: Final = {
    _LATIN: 5, _MARK: 6, _OPENS: 7, _CLOSES: 7, _FOREIGN: 12, _ODD: 10, _CONTROL: 20,
    _UNDEFINED: 31,
}  # fmt: skip
_FROM_LETTER: Final = {_LATIN: 12, _OPENS: 6, _FOREIGN: 4, _ODD: 4}
_TO_LETTER: Final = {_LATIN: 12, _CLOSES: 6, _FOREIGN: 4, _ODD: 4}
_AFTER: Final = 4  # a letter after one of those
_CASE: Final = 10  # a capital after a small letter
_SWITCH: Final = (0.25, 3)  # of a text in another script: bits a Latin letter, at most bits a pair

_ASCII_WEIGHT: Final = 0.25  # of pairs of ASCII letters, which are the same in every page


def fold(char: str) -> str:
    """Return a letter or mark in lower case, and a space for anything else."""
    if unicodedata.category(char)[0] not in "LM":
        return " "
    small = _ALIKE.get(char) or char.lower()
    return _ALIKE.get(small, small) if len(small) == 1 else char


@cache
def written_letters(label: str) -> tuple[str, ...]:
    """Return the letters of a language as Unicode text has them; empty for one without a table.

    >>> "ğ" in written_letters("tur_Latn")[0], written_letters("jpn_Jpan")
    (True, ())
    """
    if label not in LANGUAGES:
        return ()
    letters = alphabets()[label]
    composed = {unicodedata.normalize("NFC", a + b) for a in letters for b in letters if b in TONES}
    once = {letter for letter in {*letters, *composed} if len(letter) == 1}
    if label.endswith("_Latn"):
        once |= {*"abcdefghijklmnopqrstuvwxyzéèáóíñöüäçâîû", *("İı" if "ı" in once else "")}
        once |= {"ș", "ț"} if "ţ" in once else set()
    return ("".join(sorted(once)),)


@cache
def alphabets() -> dict[str, str]:
    """Return the small letters of each language, as its code pages have them."""
    with np.load(PATH) as stored:
        return dict(zip(stored["labels"].tolist(), stored["letters"].tolist(), strict=True))


def as_in_pages(text: str, label: str) -> str:
    """Return a text as code pages store it: Vietnamese tones are characters of their own there."""
    if label != "vie_Latn":
        return text
    return "".join(map(_with_tone, text))


@cache
def _with_tone(char: str) -> str:
    apart = unicodedata.normalize("NFD", char)
    tones = "".join(c for c in apart if c in TONES)
    if not tones:
        return char
    return unicodedata.normalize("NFC", "".join(c for c in apart if c not in TONES)) + tones


class Tables(NamedTuple):
    """What the kernel reads; a reading is a page under one of its languages."""

    pages: tuple[str, ...]
    page: npt.NDArray[np.int64]  #: of each reading
    language: npt.NDArray[np.int64]  #: of each reading
    slots: npt.NDArray[np.uint8]  #: [readings, 256]
    case: npt.NDArray[np.uint8]  #: [pages, 256]: 1 small, 2 capital
    costs: npt.NDArray[np.uint8]  #: [languages, SLOTS, SLOTS], eighths of a bit
    prior: npt.NDArray[np.float64]  #: of each page, bits
    latin: npt.NDArray[np.bool_]  #: of each language
    defined: npt.NDArray[np.bool_]  #: [pages, 256]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Read the frequencies, and map the bytes of each page to them."""
    with np.load(PATH) as stored:
        labels = stored["labels"].tolist()
        letters = dict(zip(labels, stored["letters"].tolist(), strict=True))
        own = stored["costs"]
    costs = np.full((len(labels), SLOTS, SLOTS), _AFTER, np.uint8)
    for kind, bits in _ENTER.items():
        costs[:, kind, BOUNDARY] = 1
        costs[:, :, kind] = bits
    outside = [*range(FIRST_LETTER, SPECIAL), _FOREIGN]
    for kind, bits in _FROM_LETTER.items():
        costs[:, outside, kind] += bits
    for kind, bits in _TO_LETTER.items():
        costs[:, kind, outside] += bits
    costs = np.minimum(costs, 31) * np.uint8(EIGHTHS)
    costs[:, :SPECIAL, :SPECIAL] = own
    latin = np.array([label.endswith("_Latn") for label in labels])
    pages = tuple(PAGES)
    decoded = np.zeros((len(pages), 256), "U1")
    case = np.zeros((len(pages), 256), np.uint8)
    for p, name in enumerate(pages):
        for byte in range(256):
            char = bytes([byte]).decode(name, "ignore")
            decoded[p, byte] = char
            case[p, byte] = char.islower() + 2 * char.isupper()
    readings = [
        (p, language) for p, name in enumerate(pages) for language in PAGES[name][0].split()
    ]
    slots = np.zeros((len(readings), 256), np.uint8)
    for r, (p, language) in enumerate(readings):
        known = {c: FIRST_LETTER + k for k, c in enumerate(letters[language])}
        slots[r] = [
            _slot(str(char), byte, known, bool(latin[labels.index(language)]))
            for byte, char in enumerate(decoded[p])
        ]
    return Tables(
        pages,
        np.array([p for p, _ in readings]),
        np.array([labels.index(language) for _, language in readings]),
        slots,
        case,
        costs,
        np.array([float(prior) for _, prior in PAGES.values()]),
        latin,
        decoded != "",
    )


def _slot(char: str, byte: int, known: dict[str, int], latin: bool) -> int:
    if not char:
        return _UNDEFINED
    if byte < 128:
        if not char.isalpha():
            return BOUNDARY
        return known.get(fold(char), _FOREIGN if latin else _LATIN)
    small = fold(char)
    if small != " ":
        return known.get(small, _FOREIGN)
    if char in _MARKS:
        return _MARK
    if char in _OPENING or char in _CLOSING:
        return _OPENS if char in _OPENING else _CLOSES
    return _CONTROL if unicodedata.category(char) == "Cc" else _ODD


@kernel
def _count_pairs(data: Any, markup: Any, grid: Any, met: Any) -> Any:
    """Count pairs of adjacent bytes outside tags and entities, and list those met.

    ``grid`` is int32[65536], zeros; ``met`` int32[65536]. Returns how many different ones there
    are. Spaces, digits and signs of ASCII count as a space.
    """
    listed = 0
    before = 32
    i = 0
    n = len(data)
    while i <= n:
        byte = int64(data[i]) if i < n else int64(32)
        if markup and byte == 60:
            stop = min(n, i + 4096)
            j = i + 1
            while j < stop and data[j] != 62:
                j += 1
            if j < stop:
                i = j
            byte = 32
        elif markup and byte == 38:
            j = i + 1
            while j < n and j < i + 10 and data[j] != 59 and data[j] < 128:
                j += 1
            if j < n and data[j] == 59:
                i = j
            byte = 32
        elif byte < 128 and not (65 <= byte <= 90 or 97 <= byte <= 122):
            byte = 32
        pair = before * 256 + byte
        if grid[pair] == 0:
            met[listed] = pair
            listed += 1
        grid[pair] += 1
        before = byte
        i += 1
    return listed


@kernel
def _pairs(grid: Any, met: Any, pairs: Any, ascii_pairs: Any) -> Any:
    """List the pairs with a byte above 127 and their counts, and count those of ASCII letters.

    ``pairs`` is int64[n, 3]; ``ascii_pairs`` int64[27, 27], a space first. Returns how many were
    listed, the sum of their counts, and the number of ASCII letters. ``grid`` is zeros afterwards.
    """
    listed = total = letters = 0
    for pair in met:
        first, second, count = pair >> 8, pair & 255, grid[pair]
        grid[pair] = 0
        if first < 128 and second < 128:
            small = 0 if first == 32 else (first | 32) - 96
            ascii_pairs[small, 0 if second == 32 else (second | 32) - 96] += count
        else:
            pairs[listed, 0] = first
            pairs[listed, 1] = second
            pairs[listed, 2] = count
            listed += 1
            total += count
        if 65 <= second <= 122:
            letters += count
    ascii_pairs[0, 0] = 0
    return listed, total, letters


_IMPOSSIBLE: Final = -1  # the page does not have all bytes
_DEAR: Final = -2  # more than the limit


@kernel
def _cost(
    pairs: Any, defined: Any, slots: Any, page: Any, language: Any, case: Any, costs: Any,
    capital: Any, chosen: Any, limits: Any, out: Any,
) -> None:  # fmt: skip
    """Add up what chosen readings cost, in eighths of a bit, as far as their limits."""
    for n in range(len(chosen)):
        r = chosen[n]
        total = int64(0)
        slot, kind, cost, has = slots[r], case[page[r]], costs[language[r]], defined[page[r]]
        for k in range(len(pairs)):
            a, b = pairs[k, 0], pairs[k, 1]
            if not (has[a] and has[b]):
                total = _IMPOSSIBLE
                break
            bits = int64(cost[slot[a], slot[b]])
            if kind[a] == 1 and kind[b] == 2:
                bits += capital
            total += pairs[k, 2] * bits
            if total > limits[n]:
                total = _DEAR
                break
        out[n] = total


#: What certainly fits a page: so many bits for each pair with a byte above 127, in Latin and in
#: other scripts, less so many. And beyond 9 bits of single pairs so many for each pair, at most
#: these: a foreign letter inside a word costs more.
_FITS_LATIN, _FITS_OTHER, _FITS_LESS = 4.8, 4.3, 12.0
_DEAR_PAIR, _DEAR_RATE, _DEAR_MOST = 9, 0.03, 12.0
_FITS_SAMPLE: Final = 1 << 12  # bytes at the beginning and in the middle
_FIRST_PAIRS: Final = 64  # the language is the one that these cost least in


@kernel
def _fits(
    data: Any, readings: Any, slots: Any, language: Any, case: Any, costs: Any, capital: Any,
    dear: Any,
) -> Any:  # fmt: skip
    """Return the pairs with a byte above 127, their eighths of a bit, and those that are too many.

    Those of the language, one of ``readings``, that the first pairs speak for. Markup counts as
    words: few bytes above 127 are there.
    """
    n = len(data)
    pairs = np.empty((2 * n + 2, 2), np.uint8)
    listed = 0
    before = uint8(32)
    i = 0
    while i <= n:
        if before < 128 and i + 16 <= n:
            block = data[i : i + 16]
            high = uint8(0)
            for k in range(16):
                high |= block[k]
            if high < 128:
                i += 16
                before = block[15]
                continue
        byte = data[i] if i < n else uint8(32)
        if before > 127 or byte > 127:
            pairs[listed, 0], pairs[listed, 1] = before, byte
            listed += 1
        before = byte
        i += 1
    best, least = readings[0], int64(1) << 62
    for r in readings:
        slot, cost = slots[r], costs[language[r]]
        total = int64(0)
        for k in range(min(listed, _FIRST_PAIRS)):
            total += cost[slot[pairs[k, 0]], slot[pairs[k, 1]]]
        if total < least:
            best, least = r, total
    slot, cost = slots[best], costs[language[best]]
    total = excess = int64(0)
    for k in range(listed):
        a, b = pairs[k, 0], pairs[k, 1]
        bits = int64(cost[slot[a], slot[b]])
        if case[a] == 1 and case[b] == 2:
            bits += capital
        total += bits
        excess += max(0, bits - dear)
    return listed, total, excess


def fits(data: bytes, page: str) -> bool:
    """Return whether bytes are so clearly one of the page's languages that no other can be better.

    Nearly all pages that state their code page rightly need no comparison.

    >>> text = "Балықшылар таң ата ауларын жинап алды".encode("kz1048")
    >>> fits(text, "kz1048"), fits(text, "cp1251")
    (True, False)
    """
    known = tables()
    readings = _readings_of(page)
    pairs, cost, excess = _fits(
        np.frombuffer(_sample(data, _FITS_SAMPLE), np.uint8), readings, known.slots, known.language,
        known.case[known.page[readings[0]]], known.costs, _CASE * EIGHTHS, _DEAR_PAIR * EIGHTHS,
    )  # fmt: skip
    each = _FITS_LATIN if known.latin[known.language[readings[0]]] else _FITS_OTHER
    return bool(
        cost <= (each * pairs - _FITS_LESS) * EIGHTHS
        and excess <= min(_DEAR_RATE * pairs, _DEAR_MOST) * EIGHTHS
    )


@cache
def _readings_of(page: str) -> npt.NDArray[np.int64]:
    """Return the readings in a page, one for each of its languages."""
    return np.flatnonzero(tables().page == tables().pages.index(page))


class Reading(NamedTuple):
    """A page, and what reading the bytes in it costs."""

    page: str
    bits: float  #: of all pairs with a byte above 127, and of the page itself
    mean: float  #: bits per such pair, without the page
    pairs: int  #: how many there are
    language: str


class Readings:
    """What bytes cost in the pages that decode them all."""

    def __init__(self, data: bytes, *, markup: bool = False) -> None:
        sample = np.frombuffer(_sample(data), np.uint8)
        sample.flags.writeable = False
        grid, met = _scratch()
        met = met[: _count_pairs(sample, markup, grid, met)]
        pairs = np.empty((len(met), 3), np.int64)
        ascii_pairs = np.zeros((27, 27), np.int64)
        listed, self.pairs, latin = _pairs(grid, met, pairs, ascii_pairs)
        self._pairs = pairs[:listed]
        known = tables()
        # What a reading costs beside its pairs with a byte above 127.
        beside = (_ascii_bits(ascii_pairs) * _ASCII_WEIGHT)[known.language]
        beside += known.prior[known.page]
        each, most = _SWITCH
        beside[~known.latin[known.language]] += min(each * latin, most * self.pairs)
        self._beside: npt.NDArray[np.float64] = beside

    def _costs(
        self, chosen: npt.NDArray[np.int64], limits: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        known = tables()
        out = np.empty(len(chosen), np.int64)
        _cost(
            self._pairs, known.defined, known.slots, known.page, known.language, known.case,
            known.costs, _CASE * EIGHTHS, chosen, limits, out,
        )  # fmt: skip
        return out

    def _best(self, chosen: npt.NDArray[np.int64]) -> Reading | None:
        costs = self._costs(chosen, np.full(len(chosen), np.iinfo(np.int64).max))
        total = costs / EIGHTHS + self._beside[chosen]
        total[costs == _IMPOSSIBLE] = np.inf
        best = int(total.argmin())
        if costs[best] == _IMPOSSIBLE:
            return None
        known = tables()
        return Reading(
            known.pages[known.page[chosen[best]]],
            float(total[best]),
            float(costs[best] / EIGHTHS / max(1, self.pairs)),
            self.pairs,
            LANGUAGES[known.language[chosen[best]]],
        )

    def best(self) -> Reading | None:
        """Return the reading that costs least; None where no page decodes all bytes."""
        return self._best(np.arange(len(tables().slots)))

    def of(self, page: str) -> Reading | None:
        """Return the best reading in one page; None where it does not decode all bytes."""
        return self._best(_readings_of(page))

    def any_below(self, bits: float) -> bool:
        """Return whether any reading costs less than so many bits."""
        limits = np.floor((bits - self._beside) * EIGHTHS).astype(np.int64)
        chosen = np.flatnonzero(limits >= 0)
        costs = self._costs(chosen, limits[chosen])
        within = costs >= 0
        return bool((costs[within] / EIGHTHS + self._beside[chosen[within]] < bits).any())


_LOCAL: Final = threading.local()


def _scratch() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the grid in which this thread counts pairs, zeros, and room for those it meets."""
    if not hasattr(_LOCAL, "grid"):
        _LOCAL.grid, _LOCAL.met = np.zeros((2, 1 << 16), np.int32)
    return _LOCAL.grid, _LOCAL.met


def _ascii_bits(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return what the pairs of ASCII letters cost in each language; the least for other scripts."""
    known = tables()
    bits: npt.NDArray[np.float64] = _ascii_costs() @ pairs.reshape(-1).astype(np.float64)
    bits[~known.latin] = bits[known.latin].min()
    return bits


@lru_cache(maxsize=1)
def _ascii_costs() -> npt.NDArray[np.float64]:
    """Return the bits of each pair of a space and 26 letters (27 x 27) in each Latin language."""
    known = tables()
    costs = np.zeros((len(known.latin), 27 * 27))
    for reading, number in enumerate(known.language.tolist()):
        if known.latin[number]:
            slots = known.slots[reading][[32, *range(97, 123)]].astype(np.int64)
            costs[number] = known.costs[number][np.ix_(slots, slots)].reshape(-1) / EIGHTHS
    return costs


#: A longer text is judged by its beginning and its middle.
_SAMPLE: Final = 1 << 14


def _sample(data: bytes, size: int = _SAMPLE) -> bytes:
    if len(data) <= 2 * size:
        return data
    middle = len(data) // 2
    return data[:size] + data[middle : middle + size]


#: Encodings of two and more bytes, and whose characters they hold.
MULTIBYTE: Final[dict[str, str]] = {
    "gb18030": "zho_Hans",
    "big5hkscs": "zho_Hant",
    "cp932": "jpn_Jpan",
    "euc_jp": "jpn_Jpan",
    "cp949": "kor_Hang",
}
_RARE: Final = 17  # bits of a character that is not among a language's common ones


def multibyte_bits(text: str, codec: str) -> float:
    """Return what a text read in an encoding of MULTIBYTE costs, in bits, beyond its ASCII.

    >>> multibyte_bits("的一是", "gb18030") < 24 < multibyte_bits("锟斤拷", "gb18030")
    True
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes[codes > 127], 0xFFFF)
    return float(_sign_bits(MULTIBYTE[codec])[codes].sum()) / EIGHTHS


@cache
def _sign_bits(label: str) -> npt.NDArray[np.uint8]:
    bits = np.full(0x10000, _RARE * EIGHTHS, np.uint8)
    with np.load(PATH) as stored:
        signs = str(stored["signs_" + label])
        common = np.frombuffer(signs.encode("utf-32-le"), np.uint32)
        inside = common < 0x10000
        bits[common[inside]] = stored["bits_" + label][inside]
    return bits


#: Bits per pair up to which a reading is prose, and up to which it may be a text of few accents.
LIKELY: Final = 6.0
_POSSIBLE: Final = 10.0

#: How much better, in bits and bits per pair, another page must be than the one that is stated.
CLEARLY: Final = (12.0, 0.05)

_FEWEST_SIGNS, _COMMON_SIGN = 3, 13


def likely(
    data: bytes,
    *,
    markup: bool = False,
    stated: str | None = None,
    clearly: tuple[float, float] = CLEARLY,
    readings: Readings | None = None,
) -> str | None:
    """Return the encoding that the letters speak for, as Python's codec; None for none.

    One that is ``stated`` is kept unless another one is better by ``clearly``: so many bits, and so
    many for each pair with a byte above 127. ``readings`` are those of the data, if known.

    >>> likely("Балықшылар таң ата ауларын жинап алды".encode("kz1048"), stated="cp1251")
    'kz1048'
    """
    if stated in PAGES and fits(data, stated):
        return stated
    readings = readings or Readings(data, markup=markup)
    own = readings.of(stated) if stated in PAGES else None
    if own and not readings.any_below(own.bits - clearly[0] - own.pairs * clearly[1]):
        # Nearly always, and then the others need not be added up.
        return (own.mean > LIKELY and _multibyte(data, own)) or stated
    single = readings.best()
    if single is None or single.mean > LIKELY:
        if several := _multibyte(data, single):
            return several
        if single is None or single.mean > _POSSIBLE or not mostly_ascii(data):
            return stated
    return single.page


def mostly_ascii(data: bytes) -> bool:
    """Return whether at most a third of the bytes are above 127."""
    return len(data.translate(None, bytes(range(128, 256)))) * 3 >= len(data) * 2


def _multibyte(data: bytes, single: Reading | None) -> str | None:
    """Return the multi-byte encoding that reads common characters out of the bytes, if one does."""
    sample = data[: 1 << 16]
    best: tuple[float, str] | None = None
    for codec in MULTIBYTE:
        try:
            text = codecs.getincrementaldecoder(codec)("strict").decode(sample, False)
        except UnicodeError:
            continue
        signs = sum(char > "\x7f" for char in text)
        bits = multibyte_bits(text, codec)
        if signs >= _FEWEST_SIGNS and bits <= _COMMON_SIGN * signs:
            best = min(best or (bits, codec), (bits, codec))
    if best is None or (single and len(data) == len(sample) and single.bits < 1.05 * best[0]):
        return None
    return best[1]
