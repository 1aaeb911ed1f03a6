"""Texts as language models were trained on them: composed, in usual letters, and not in capitals.

A model has seen few texts in capitals, in full-width or shaped letters, or decomposed, and takes
them for other languages. So it is shown such a text in its usual form; the document keeps its own.
One pass finds the few texts that need it.

Speed limit: one look-up per character beyond ASCII; ASCII is read eight bytes at a time.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels.arrow import buffers, replace_rows
from curate.kernels.jit import kernel
from curate.kernels.unicode import CLASS, LETTER, UPPER
from curate.kernels.utf8 import HIGHEST, LOWER_CASE, ONES, decode, eight_bytes
from curate.text.mojibake import normalize

#: What a text may need: usual letters for others, composition, lower case.
RESHAPE, COMPOSE, LOWER = 4, 8, 16

_IS_LETTER, _IS_UPPER = 1, 2  # of a character, which may be RESHAPE or COMPOSE too

# 0x80 - "A", 0x80 - "Z" - 1, and the same for small letters, in each of eight bytes.
_FROM_A, _PAST_Z = np.uint64(0x3F3F3F3F3F3F3F3F), np.uint64(0x2525252525252525)
_FROM_SMALL_A, _PAST_SMALL_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)

#: Letters in the form of others: ligatures, Hebrew and Arabic forms, half and full width,
#: mathematical alphabets; and the soft hyphen, which stands in words and is not seen.
_FORMS = (
    *((0xFB00, 0xFB07), (0xFB13, 0xFB18), (0xFB1D, 0xFBB2), (0xFBD3, 0xFD3E), (0xFD50, 0xFDD0)),
    *((0xFE70, 0xFEFD), (0xFF10, 0xFF1A), (0xFF21, 0xFF3B), (0xFF41, 0xFF5B), (0xFF66, 0xFFDD)),
    *((0x1D400, 0x1D800), (0x2F00, 0x2FD6), (0x2E80, 0x2EF4), (0xAD, 0xAE)),
)
#: What composes with the character before, or is never in NFC (the more frequent of them).
_COMPOSING = (
    *((0x300, 0x346), (0x653, 0x656), (0x1161, 0x1176), (0x11A8, 0x11C3)),
    *((0x3099, 0x309B), (0xF900, 0xFAFF), (0x212A, 0x212C), (0x1F71, 0x1F72), (0x340, 0x345)),
)

#: Languages whose capital I is ı in small letters, by ISO 639-3.
DOTLESS = frozenset(["tur", "azj", "crh", "tat", "gag", "kaz"])


@lru_cache(maxsize=1)
def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.where(CLASS & LETTER, _IS_LETTER, 0) | np.where(CLASS & UPPER, _IS_UPPER, 0)
    kinds[0x1C90:0x1CC0] |= _IS_LETTER | _IS_UPPER  # Georgian capitals
    for ranges, kind in ((_FORMS, RESHAPE), (_COMPOSING, COMPOSE)):
        for begin, end in ranges:
            kinds[begin:end] |= kind
    return np.asarray(kinds, np.uint8)


@lru_cache(maxsize=1)
def _usual() -> dict[int, str]:
    forms = (code for begin, end in _FORMS for code in range(begin, end))
    usual = {code: unicodedata.normalize("NFKC", chr(code)).lstrip(" ") for code in forms}
    usual[0xAD] = ""
    return {code: text for code, text in usual.items() if text != chr(code)}


def needs(data: Any, offsets: Any) -> npt.NDArray[np.uint8]:
    """Return what each text in Arrow's layout may need, as bits.

    A text is in capitals if more than half of its letters are.
    """
    found = np.zeros(len(offsets) - 1, np.uint8)
    _needs(data, offsets, _kinds(), found)
    return found


@kernel
def _needs(data: Any, offsets: Any, kinds: Any, found: Any) -> None:
    for text in range(len(offsets) - 1):
        i, end = offsets[text], offsets[text + 1]
        letters = np.uint64(0)
        capitals = np.uint64(0)
        unusual = np.uint8(0)
        while i < end:
            if data[i] < 128 and i + 8 <= end:
                block = eight_bytes(data, i)
                if (block & HIGHEST) == 0:
                    upper = (block + _FROM_A) & ~(block + _PAST_Z) & HIGHEST
                    small = block | LOWER_CASE
                    either = (small + _FROM_SMALL_A) & ~(small + _PAST_SMALL_Z) & HIGHEST
                    letters += ((either >> np.uint64(7)) * ONES) >> np.uint64(56)
                    capitals += ((upper >> np.uint64(7)) * ONES) >> np.uint64(56)
                    i += 8
                    continue
            code, size = decode(data, i)
            i += size
            kind = kinds[code]
            letters += np.uint64(kind & 1)
            capitals += np.uint64((kind >> 1) & 1)
            unusual |= kind
        found[text] = unusual & (RESHAPE | COMPOSE)
        if capitals + capitals > letters:
            found[text] |= LOWER


def reshape(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, npt.NDArray[np.int64]]:
    """Return the texts as a model knows them, and the rows that were put into lower case.

    >>> texts = pa.array(["ＨＥＬＬＯ", "Ün\u00adlü", "u\u0308", "ﺍﻟﺴﻼﻡ"], pa.large_string())
    >>> done, lowered = reshape(texts)
    >>> done.to_pylist(), lowered
    (['hello', 'Ünlü', 'ü', 'السلام'], array([0]))
    """
    found = needs(*buffers(texts))
    rows, usual = [], []
    for row in np.flatnonzero(found & (RESHAPE | COMPOSE)).tolist():
        text = texts[row].as_py()
        if found[row] & RESHAPE or not unicodedata.is_normalized("NFC", text):
            rows.append(row)
            usual.append(normalize(text.translate(_usual()) if found[row] & RESHAPE else text))
    if rows:
        reshaped = pa.array(usual, pa.large_string())
        texts = replace_rows(texts, np.array(rows), reshaped)
        found[rows] |= needs(*buffers(reshaped)) & LOWER
    lowered = np.flatnonzero(found & LOWER)
    if len(lowered):
        small = [lower(texts[row].as_py()) for row in lowered.tolist()]
        texts = replace_rows(texts, lowered, pa.array(small, pa.large_string()))
    return texts, lowered


def lower(text: str, *, dotless: bool = False) -> str:
    """Return a text in lower case, with a small i or ı for the capital I.

    >>> lower("IŞIK İÇİN"), lower("IŞIK İÇİN", dotless=True)
    ('işik için', 'ışık için')
    """
    return (text.replace("I", "ı") if dotless else text).replace("İ", "i").lower()
