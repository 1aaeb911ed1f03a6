"""The scan in front of the fixes: one pass finds which of them could change each text.

A fix is named by characters, or by pairs of neighbours, that every text has which it could change
(HINTS of curate.text.fixes). They become one table: the
class of each code point, and for each two classes the fixes that their neighbourhood suggests. The
scan can see too much, but misses nothing; texts without a hint are never decoded.

Speed limit: two look-ups per character beyond ASCII; ASCII is read eight bytes at a time.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curate.kernels.arrow import buffers
from curate.kernels.grouping import first_of_runs
from curate.kernels.jit import kernel
from curate.kernels.utf8 import HIGHEST, decode, eight_bytes

#: What hints at a fix: pairs of the characters before, "" for any, and the characters themselves,
#: both as in the brackets of a regular expression (letters and ranges only).
Hints = tuple[tuple[str, str], ...]

_SIZE = 0x110000
#: A run of more combining marks than this is no writing.
LONGEST_RUN = 8


class Tables(NamedTuple):
    """What the kernel reads."""

    classes: np.ndarray  #: uint8[0x110000]
    pairs: np.ndarray  #: uint64[classes, classes]: the fixes that two neighbours hint at, as bits
    marks: np.ndarray  #: bool[classes]: combining marks
    flood: np.uint64  #: what a run of more than LONGEST_RUN marks hints at


def members(characters: str) -> Iterator[tuple[int, int]]:
    """Yield the first code point of each range and the one behind its last.

    >>> list(members("a-cx"))
    [(97, 100), (120, 121)]
    """
    at = 0
    while at < len(characters):
        size = 3 if characters[at + 1 : at + 2] == "-" and at + 2 < len(characters) else 1
        yield ord(characters[at]), ord(characters[at + size - 1]) + 1
        at += size


def build(hints: Mapping[str, Hints], flood: str) -> Tables:
    """Build the tables; the fix at place n of ``hints`` is bit n, ``flood`` names one of them."""
    sets = dict.fromkeys(
        part for pairs in hints.values() for pair in pairs for part in pair if part
    )
    bits = np.zeros(_SIZE, np.uint64)
    for number, characters in enumerate(sets):
        for begin, end in members(characters):
            bits[begin:end] |= np.uint64(1 << number)
    is_mark = np.uint64(1 << len(sets))
    for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code)) in ("Mn", "Me"):
            bits[code] |= is_mark
    starts = np.flatnonzero(first_of_runs(bits))
    kinds, which = np.unique(bits[starts], return_inverse=True)
    classes = np.repeat(which.astype(np.uint8), np.diff(np.append(starts, _SIZE)))
    within = {part: (kinds >> np.uint64(k)) & np.uint64(1) > 0 for k, part in enumerate(sets)}
    within[""] = np.ones(len(kinds), bool)
    pairs = np.zeros((len(kinds), len(kinds)), np.uint64)
    for number, of_fix in enumerate(hints.values()):
        for before, this in of_fix:
            pairs[np.ix_(within[before], within[this])] |= np.uint64(1 << number)
    flooded = np.uint64(1 << list(hints).index(flood))
    return Tables(classes, pairs, kinds & is_mark > 0, flooded)


def scan(texts: pa.LargeStringArray, tables: Tables) -> np.ndarray:
    """Return for each text the fixes that could change it, as bits; 0 for null."""
    data, offsets = buffers(texts)
    found = np.zeros(len(texts), np.uint64)
    _scan(data, offsets, *tables, found)
    return found


@kernel
def _scan(
    data: np.ndarray,
    offsets: np.ndarray,
    classes: np.ndarray,
    pairs: np.ndarray,
    marks: np.ndarray,
    flood: np.uint64,
    found: np.ndarray,
) -> None:
    newline = classes[10]
    for text in range(len(offsets) - 1):
        i, end = offsets[text], offsets[text + 1]
        seen = np.uint64(0)
        before = newline
        run = 0
        while i < end:
            if data[i] < 128 and i + 8 <= end and (eight_bytes(data, i) & HIGHEST) == 0:
                seen |= pairs[before, classes[data[i]]]
                i += 8
                before = classes[data[i - 1]]
                run = 0
                continue
            code, size = decode(data, i)
            i += size
            this = classes[code]
            seen |= pairs[before, this]
            before = this
            run = run + 1 if marks[this] else 0
            if run > LONGEST_RUN:
                seen |= flood
        found[text] = seen
