"""Code pages of single bytes: the languages written in each, and how rare their letter pairs are.

For each page and each language written in it, two characters side by side cost as many bits as they
are rare in that language; letters that it does not have, symbols inside words, and capitals after
small letters cost most. The frequencies (``letter_pairs.npz``) are counted by
``tests/generate/letter_pairs.py``; ``curate.text.readings`` adds them up.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.derived import derived

PATH: Final = Path(__file__).with_name("letter_pairs.npz")

#: Costs are stored in eighths of a bit.
EIGHTHS: Final = 8

# Slots of a language's table: its letters, and the kinds of everything else.
BOUNDARY, FIRST_LETTER, SPECIAL, SLOTS = 0, 1, 80, 88
_LATIN, _MARK, _OPENS, _CLOSES, _FOREIGN, _ODD, _CONTROL, UNDEFINED = range(SPECIAL, SLOTS)

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
    UNDEFINED: 31,
}  # fmt: skip
_FROM_LETTER: Final = {_LATIN: 12, _OPENS: 6, _FOREIGN: 4, _ODD: 4}
_TO_LETTER: Final = {_LATIN: 12, _CLOSES: 6, _FOREIGN: 4, _ODD: 4}
_AFTER: Final = 4  # a letter after one of those
CASE: Final = 10 * EIGHTHS  # a capital after a small letter, in eighths


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

    readings: npt.NDArray[np.int32]  #: [pages + 1], the first of each page, and their number
    language: npt.NDArray[np.int32]  #: of each reading
    slots: npt.NDArray[np.uint8]  #: [readings, 256]
    case: npt.NDArray[np.uint8]  #: [pages, 256]: 1 small, 2 capital
    costs: npt.NDArray[np.uint8]  #: [languages, SLOTS, SLOTS], eighths of a bit
    floors: npt.NDArray[np.uint8]  #: [65536, pages]: what each two bytes cost at least, eighths
    ascii_costs: npt.NDArray[np.uint8]  #: [1024, languages]: two of 32 classes, eighths; if Latin
    prior: npt.NDArray[np.int32]  #: of each page, bits
    latin: npt.NDArray[np.bool_]  #: of each language
    differs: npt.NDArray[np.uint64]  #: [pages, pages, 4], bits of the bytes that two read otherwise


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the frequencies, and the bytes of each page mapped to them."""
    return Tables(**derived(__name__, "tables", _tables))


def _tables() -> dict[str, np.ndarray]:
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
    case = np.zeros((len(PAGES), 256), np.uint8)
    floors = np.full((256, 256, len(PAGES)), 255, np.uint8)
    ascii_costs = np.zeros((32, 32, len(labels)), np.uint8)
    slots, languages, readings, chars = [], [], [0], []
    for p, (name, (spoken, _)) in enumerate(PAGES.items()):
        decoded = [bytes([byte]).decode(name, "ignore") for byte in range(256)]
        chars.append(decoded)
        case[p] = [char.islower() + 2 * char.isupper() for char in decoded]
        raised = CASE * ((case[p][:, None] == 1) & (case[p] == 2))
        for label in spoken.split():
            k = labels.index(label)
            known = {c: FIRST_LETTER + n for n, c in enumerate(letters[label])}
            slot = np.array([_slot(c, b, known, bool(latin[k])) for b, c in enumerate(decoded)])
            cost = np.minimum(costs[k][np.ix_(slot, slot)] + raised, 255).astype(np.uint8)
            floors[:, :, p] = np.minimum(floors[:, :, p], cost)
            if latin[k]:
                small = slot[[32, *range(97, 123)]]
                ascii_costs[:27, :27, k] = costs[k][np.ix_(small, small)]
            slots.append(slot.astype(np.uint8))
            languages.append(k)
        readings.append(len(languages))
    ascii_costs[0, 0] = 0
    return {
        "readings": np.array(readings, np.int32),
        "language": np.array(languages, np.int32),
        "slots": np.array(slots),
        "case": case,
        "costs": costs,
        "floors": floors.reshape(1 << 16, -1),
        "ascii_costs": ascii_costs.reshape(1 << 10, -1),
        "prior": np.array([prior for _, prior in PAGES.values()], np.int32),
        "latin": latin,
        "differs": _packed(np.array(chars)[:, None] != np.array(chars)),
    }


def _packed(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return np.packbits(flags, axis=-1, bitorder="little").view(np.uint64)


def _slot(char: str, byte: int, known: dict[str, int], latin: bool) -> int:
    if not char:
        return UNDEFINED
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
