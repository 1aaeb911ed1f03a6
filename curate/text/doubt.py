"""What speaks for a text that was read in a wrong code page: the facts that a scan looks up.

Three things are counted. *Odd* pairs of characters that no language writes: letters of two scripts
side by side, capitals after small letters, signs inside words. *Foreign* letters, which the
language with most letters of the text does not have. And pairs of Cyrillic *capitals*: a text of
them is a headline, or KOI8-R that was read as windows-1251, or the reverse.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from unicodedata import combining, normalize

import numpy as np
import numpy.typing as npt
from numba import int64

from curate.errors import InternalError
from curate.kernels import unicode
from curate.kernels.jit import inline
from curate.text import code_pages

#: A text is in doubt with this share of odd and foreign among its characters beyond ASCII, or with
#: this share of odd ones; and at least two.
_DOUBT: Final = 0.03
_ODD: Final = 0.01

#: Or with so many pairs of capitals, which are half of the characters beyond ASCII.
_CAPITALS: Final = 16
_CAPITAL_PAIR: Final = 1 << 32  # in a sum of odd pairs
_ODD_PAIRS: Final = _CAPITAL_PAIR - 1

SIZE: Final = 0x600  # letters beyond are of scripts without code pages, or of their own
LAST: Final = SIZE - 1  # the letters beyond, which count as nobody's and everybody's
THREE: Final = 0xFFF  # the kinds of three characters, four bits each

# Kinds of characters: those of small letters are odd, of capitals one more.
_NONE, _SIGN, ASCII = range(3)
_SCRIPTS: Final = {"Latn": 3, "Cyrl": 5, "Grek": 7, "Hebr": 9, "Arab": 11}
_OTHER: Final = 13
LETTERS: Final = 3  # the first kind of letters beyond ASCII
BEYOND: Final = 13  # the first kind of letters without code pages
_CONTROL: Final = 15  # those of C1, which no text has; many pages make them of UTF-8
_SIGNS: Final = 0x2600  # no signs beyond

#: Their counted letters have the accents of other languages; their own are below.
_NOISY: Final = ("grn_Latn",)

#: Letters of languages beside those of the code pages, beyond a to z: clean texts in no doubt.
_OTHERS: Final = (
    "çəğıöşüâ", "çğıöşüâîûéèêôáíóàëïāīūġż", "áàéèíìóòúùńǹ", "àéëóñŋ", "ɓɗƙƴ", "ɛɔŋáàéèúùíìóòâêîôû",
    "áčđŋšŧžåäöøæ",
    "äçňöşüýž", "âêîôûŵŷáéíóúàèäëïöü", "âêñùûüçàéèô", "āēīōū", "āèìòùǎǐǒǔǚéíóúáǹńḿ",
    "čćđšž", "ăâîșț", "àèìòùâêîôûç", "ñáéíóúüãẽĩõũỹ", "ḍḥṣṭāīūḫġčžš", "ąįųęǫłńáéíóú",
)  # fmt: skip


@inline
def many(pairs: Any, foreign: Any, high: Any) -> Any:
    """Return whether a text with this sum of ``odd_pairs`` and so many foreign letters is in doubt.

    ``high`` are its characters beyond ASCII.
    """
    odd = int64(pairs) & _ODD_PAIRS
    foreign = odd + int64(foreign)
    return foreign >= 2 and (
        float(foreign) >= _DOUBT * float(high) or (odd >= 2 and float(odd) >= _ODD * float(high))
    )


@inline
def few(pairs: Any, foreign: Any, high: Any) -> Any:
    """Return whether a text should be looked at, though right texts may be like it.

    That are capitals throughout, or one odd or foreign character among few beyond ASCII.
    """
    capitals = int64(pairs) >> 32
    one = (int64(pairs) & _ODD_PAIRS) + int64(foreign) >= 1
    return (one and _DOUBT * float(high) <= 1.0) or (
        capitals >= _CAPITALS and 2 * capitals >= int64(high)
    )


@lru_cache(maxsize=1)
def alphabets() -> npt.NDArray[np.int32]:
    """Return which languages have each letter, int32[SIZE, languages].

    Alphabets that are a part of another one are left out.
    """
    known = []
    counted = (own for label, own in code_pages.alphabets().items() if label not in _NOISY)
    for letters in (*counted, *_OTHERS):
        accented = [normalize("NFC", a + b) for a in letters for b in letters if combining(b)]
        shapes = {s for c in [*letters, *accented] for s in (c, c.upper()) if len(s) == 1}
        shapes |= {"İ"} if "ı" in shapes else set()
        shapes |= set("șțȘȚ") if "ţ" in shapes else set()
        known.append(frozenset(ord(s) for s in shapes if 127 < ord(s) < SIZE))
    kept = [one for one in dict.fromkeys(known) if not any(one < other for other in known)]
    has = np.zeros((SIZE, len(kept)), np.int32)
    for number, codes in enumerate(kept):
        has[sorted(codes), number] = 1
    return has


@lru_cache(maxsize=1)
def shared_alphabets() -> npt.NDArray[np.uint64]:
    """Return the bits of the languages with each letter, uint64[SIZE]; all for what is none."""
    has = alphabets()
    if has.shape[1] > 64:
        raise InternalError("more alphabets than bits of an integer")
    bits = has.astype(np.uint64) @ (np.uint64(1) << np.arange(has.shape[1], dtype=np.uint64))
    own = kinds()[:SIZE]
    bits[(own < LETTERS) | (own >= BEYOND)] = ~np.uint64(0)
    bits[LAST] = ~np.uint64(0)
    return bits


@lru_cache(maxsize=1)
def kinds() -> npt.NDArray[np.uint16]:
    """Return the kind of each code point, below 16.

    Words mix scripts by right in Japanese, not in those that have code pages of single bytes.
    """
    kind = np.zeros(0x110000, np.uint16)
    scripts, classes = unicode.SCRIPT[:_SIGNS], unicode.CLASS[:_SIGNS]
    letters = classes & unicode.LETTER > 0
    known = np.full(_SIGNS, _OTHER, np.uint16)
    for name, number in _SCRIPTS.items():
        known[scripts == unicode.SCRIPTS.index(name)] = number
    kind[:_SIGNS][letters] = (known + (classes & unicode.UPPER > 0))[letters]
    kind[:128][letters[:128]] = ASCII
    for code in (*range(0x80, 0xC0), *range(0x2500, 0x2600), *map(ord, "×÷ƒ†‡‰€ˆ˜‚„")):
        if chr(code) not in "\u00a0\u00ad«»·´ªº" and not kind[code]:
            kind[code] = _SIGN
    kind[0x80:0xA0] = _CONTROL
    kind[0x800:0x2000] = 0  # scripts that no code page of single bytes has
    return kind


@lru_cache(maxsize=1)
def odd_pairs() -> npt.NDArray[np.int64]:
    """Return how odd each three kinds in a row are by the last two, int64[4096].

    Pairs of Cyrillic capitals are counted in the upper half.
    """
    odd = np.zeros(THREE + 1, np.int64)
    for number in range(THREE + 1):
        before, last, this = number >> 8, number >> 4 & 15, number & 15
        if this < ASCII or last == _CONTROL:
            continue
        if this == _CONTROL:
            odd[number] = 1
        elif last == _SIGN:
            odd[number] = before != _NONE
        elif last >= ASCII:
            scripts = [(max(kind, LETTERS) - 1) // 2 for kind in (last, this)]
            if scripts[0] != scripts[1]:
                odd[number] = max(last, this) < _OTHER
            elif this >= LETTERS and this % 2 == 0 and last >= LETTERS and last % 2 == 1:
                # Capitals after one small letter count twice: KOI8-R read as 1251.
                odd[number] = 1 + (before == _NONE)
            elif last == this == _SCRIPTS["Cyrl"] + 1:
                odd[number] = _CAPITAL_PAIR
    return odd
