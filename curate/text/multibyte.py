"""Encodings of two and more bytes, and what a text read in one costs by how common its signs are.

Most bytes that are no text of theirs do not decode, and what does is made of rare characters.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import uint8

from curate.kernels.jit import kernel
from curate.text.code_pages import EIGHTHS, PATH

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
    return _signs_and_bits(text, codec)[1]


def mean_bits(data: bytes, codec: str) -> float | None:
    """Return what bytes cost in an encoding, in bits for each ideograph or syllable.

    All encodings of MULTIBYTE have letters, kana and symbols besides: those speak for none. None
    where the bytes do not decode; 0 where they have too few ideographs to tell, or characters of
    four bytes, which only GB 18030 has.

    >>> data = "下午风越来越大，孩子们".encode("gb18030")
    >>> mean_bits(data, "gb18030") < 12 < mean_bits(data, "cp949")
    True
    """
    for size in _SAMPLES:
        text = _beginning(data[:size], codec)
        if text is None:
            return None
        codes = _codes(text)
        codes = codes[(codes >= _IDEOGRAPHS) & ((codes < _WIDE_FORMS) | (codes >= _HALF_KANA))]
        if len(codes) >= _ENOUGH_IDEOGRAPHS or len(data) <= size:
            break
    if len(codes) < _FEWEST_IDEOGRAPHS:
        return 0.0
    mean = float(_sign_bits(MULTIBYTE[codec])[codes].mean()) / EIGHTHS
    is_rare = mean > COMMON_SIGN
    return 0.0 if is_rare and codec == "gb18030" and _FOUR_BYTES.search(data) else mean


def _beginning(data: bytes, codec: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)("strict").decode(data[:SAMPLE], False)
    except UnicodeError:
        return None


def _codes(text: str) -> npt.NDArray[np.uint32]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.minimum(codes[codes > 127], 0xFFFF)


def _signs_and_bits(text: str, codec: str) -> tuple[int, float]:
    codes = _codes(text)
    return len(codes), float(_sign_bits(MULTIBYTE[codec])[codes].sum()) / EIGHTHS


@cache
def _sign_bits(label: str) -> npt.NDArray[np.uint8]:
    bits = np.full(0x10000, _RARE * EIGHTHS, np.uint8)
    with np.load(PATH) as stored:
        signs = str(stored["signs_" + label])
        common = np.frombuffer(signs.encode("utf-32-le"), np.uint32)
        inside = common < 0x10000
        bits[common[inside]] = stored["bits_" + label][inside]
    return bits


_FOUR_BYTES: Final = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]")

#: Longer texts are judged by their beginning.
SAMPLE: Final = 1 << 16
_FEWEST_SIGNS: Final = 3
_FEWEST_IDEOGRAPHS, _ENOUGH_IDEOGRAPHS = 5, 400
_SAMPLES: Final = (1 << 12, SAMPLE)
#: Bits per sign up to which a text is made of common ones.
COMMON_SIGN: Final = 13
#: Ideographs and syllables begin here; behind them are wide forms of ASCII, then narrow kana.
_IDEOGRAPHS, _WIDE_FORMS, _HALF_KANA = 0x3400, 0xFF00, 0xFF61


def best(data: bytes) -> tuple[float, str] | None:
    """Return the encoding that reads common characters out of bytes, behind what they cost in bits.

    None where none does.

    >>> best("下午风越来越大".encode("gb18030")), best("Öğleden sonra".encode("cp1254"))
    ((66.875, 'gb18030'), None)
    """
    found: list[tuple[float, str]] = []
    for codec in possible(data):
        text = _beginning(data, codec)
        if text is None:
            continue
        signs, bits = _signs_and_bits(text, codec)
        if signs >= _FEWEST_SIGNS and bits <= COMMON_SIGN * signs:
            found.append((bits, codec))
    return min(found, default=None)


def possible(data: bytes) -> list[str]:
    """Return the encodings whose structure bytes have, with three characters beyond ASCII.

    That saves the attempt to decode most pages of single bytes.

    >>> possible("un café, une idée, là".encode("cp1252"))
    []
    """
    bits = _possible(np.frombuffer(data, np.uint8)[:SAMPLE], *_structure())
    return [codec for number, codec in enumerate(MULTIBYTE) if bits >> number & 1]


#: Of each encoding the bytes that begin a character of two, and those that may follow them; what
#: else it has, characters of three and four bytes among that, is made of these and single bytes.
_BYTES: Final = {
    "gb18030": ("81-fe", "30-39 40-7e 80-fe"),
    "big5hkscs": ("81-fe", "40-7e a1-fe"),
    "cp932": ("81-9f e0-fc", "40-7e 80-fc"),
    "euc_jp": ("8e-8e a1-fe", "a1-fe"),
    "cp949": ("81-fe", "41-5a 61-7a 81-fe"),
}


@cache
def _structure() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which bytes lead and which follow in each encoding, bool[encodings, 256]."""
    both = np.zeros((2, len(MULTIBYTE), 256), np.bool_)
    for number, codec in enumerate(MULTIBYTE):
        for place, ranges in enumerate(_BYTES[codec]):
            for low, high in (part.split("-") for part in ranges.split()):
                both[place, number, int(low, 16) : int(high, 16) + 1] = True
    return both[0], both[1]


@kernel
def _possible(data: Any, leads: Any, follows: Any) -> Any:
    found = 0
    for number in range(len(leads)):
        signs = i = 0
        while i < len(data):
            if data[i] < uint8(128):
                i += 1
                continue
            signs += 1
            if leads[number, data[i]]:
                i += 1
                if i < len(data) and not follows[number, data[i]]:
                    signs = 0
                    break
            i += 1
        found |= (signs >= _FEWEST_SIGNS) << number
    return found
