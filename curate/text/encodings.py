"""Which encoding bytes are in, by their letters and signs, and whether one that is stated may be.

The pages of single bytes are compared first (``curate.text.readings``); where none of them reads
prose, the encodings of two and more bytes (``curate.text.multibyte``).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint8

from curate.kernels.jit import kernel
from curate.text import multibyte
from curate.text.code_pages import PAGES
from curate.text.readings import FAIR, PROSE, Reading, compare, holds

#: The encodings that are compared: a stated one of these may be another.
COMPARED: Final = frozenset((*PAGES, *multibyte.MULTIBYTE))

#: Bits per pair up to which a reading may be a text of few accents.
_POSSIBLE: Final = 10.0

#: How much better, in bits and bits per pair, another page must be than the one that is stated.
CLEARLY: Final = (12.0, 0.05)


def likely(
    data: bytes,
    *,
    markup: bool = False,
    stated: str | None = None,
    clearly: tuple[float, float] = CLEARLY,
) -> str | None:
    """Return the encoding that the letters speak for, as Python's codec; None for none.

    One that is ``stated`` is kept unless another one is better by ``clearly``: so many bits, and so
    many for each pair with a byte above 127; one of several bytes unless it reads rare signs where
    another one reads common ones.

    >>> likely("Балықшылар таң ата ауларын жинап алды".encode("kz1048"), stated="cp1251")
    'kz1048'
    """
    if stated in PAGES and holds(data, stated):
        return stated
    if stated in multibyte.MULTIBYTE:
        return _instead_of(stated, data, markup)
    return cheapest_reading(data, markup=markup, stated=stated, clearly=clearly)[0]


def cheapest_reading(
    data: bytes, *, markup: bool, stated: str | None, clearly: tuple[float, float]
) -> tuple[str | None, Reading | None]:
    """Return what ``likely`` returns, and the best reading in a page of single bytes.

    That a page that is stated may hold (``curate.text.readings``) is left to the caller to ask.
    """
    own, single = compare(data, stated, markup=markup)
    if own and not (single and single.bits < own.bits - clearly[0] - own.pairs * clearly[1]):
        fair = FAIR if own.language.endswith("_Latn") else PROSE
        return (own.mean > fair and _multibyte(data, own)) or stated, single
    if single is None or single.mean > PROSE:
        if several := _multibyte(data, single):
            return several, single
        if single is None or single.mean > _POSSIBLE or not mostly_ascii(data):
            return stated, single
    return single.page, single


def _multibyte(data: bytes, single: Reading | None) -> str | None:
    """Return the encoding of several bytes that reads common characters, if it reads them best."""
    found = multibyte.best(data)
    if found is None:
        return None
    bits, codec = found
    whole = len(data) <= multibyte.SAMPLE
    return None if single and whole and single.bits < 1.05 * bits else codec


#: Pairs from which a page of single bytes is taken against a stated encoding of several bytes: in
#: other letters, and in Latin ones.
_FEWEST_PAIRS: Final = (16, 8)
#: How many bits rarer than another one's the signs of a stated encoding of several bytes must be.
_RARER: Final = 1.5


def _instead_of(stated: str, data: bytes, markup: bool) -> str:
    """Return a stated encoding of several bytes, or one that reads common signs where it does not.

    GB 18030 reads nearly any bytes, as rare ideographs.
    """
    own = multibyte.mean_bits(data, stated)
    if own is None or own <= multibyte.COMMON_SIGN:
        return stated
    codec, single = cheapest_reading(data, markup=markup, stated=None, clearly=CLEARLY)
    if codec is None or codec == stated:
        return stated
    if codec in PAGES and single:
        latin = single.language.endswith("_Latn")
        fits = single.mean <= (FAIR if latin else PROSE) and (latin or not mostly_ascii(data))
        return codec if fits and single.pairs >= _FEWEST_PAIRS[latin] else stated
    mean = multibyte.mean_bits(data, codec)
    return codec if mean and mean + _RARER < own else stated


def reads_best(data: bytes, page: str) -> bool:
    r"""Return whether a page reads bytes, but for those that it lacks, better than any reads all.

    >>> data = "Балықшылар таң ата ауларын жинап алды".encode("kz1048")
    >>> reads_best(data + b"\x98", "kz1048"), reads_best(data + b"\x98", "cp1251")
    (True, False)
    """
    lacking = bytes(b for b in range(128, 256) if not bytes([b]).decode(page, "ignore"))
    kept = data.translate(None, lacking)
    if not holds(kept, page):
        return False
    (own, _), (_, best) = compare(kept, page), compare(data)
    return own is not None and (best is None or own.bits + CLEARLY[0] < best.bits)


def mostly_ascii(data: bytes) -> bool:
    """Return whether at most a third of the bytes are above 127."""
    return len(data.translate(None, bytes(range(128, 256)))) * 3 >= len(data) * 2


def may_be_utf8(data: bytes) -> bool:
    r"""Return False for bytes that certainly hold less than ten UTF-8 characters per wrong place.

    A sequence cut at the very end is no wrong place. Decoding with replacement characters, which
    tells exactly, takes ten times as long as this count on a page of Cyrillic.

    >>> may_be_utf8("Алматы".encode()), may_be_utf8("Алматы".encode("kz1048"))
    (True, False)
    """
    first, later = _utf8_bytes(np.frombuffer(data, np.uint8))
    return bool(min(first, later) >= 10 * max(first - later - 1, later - 3 * first, 0))


@kernel
def _utf8_bytes(data: Any) -> Any:
    """Count the bytes that begin a sequence of UTF-8, and those that continue one."""
    first = later = 0
    for byte in data:
        first += byte >= uint8(0xC0)
        later += (byte & uint8(0xC0)) == uint8(0x80)
    return first, later
