"""What reading bytes in each single-byte code page costs, by the pairs of letters in them.

These pages decode every byte, so that only the letters tell a right reading from a wrong one: the
page in which the pairs of adjacent characters with a byte above 127 cost least is the one. Pairs of
ASCII letters, which are the same in every page, tell the language.

Bound by one pass over the bytes (3 ns each) and one row of ``Tables.floors`` per different pair;
only the pages that may still be the cheapest one are added up language by language. Pages that
state their code page rightly take less: ``holds`` skips ASCII in blocks.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int32, int64, uint8, uint64

from curate.kernels.jit import inline, kernel
from curate.text.code_pages import CASE, EIGHTHS, PAGES, UNDEFINED, tables


@kernel
def _behind(data: Any, i: Any) -> Any:
    """Return the last byte of the tag or entity that begins at ``i``; ``i`` where none does."""
    if data[i] == 60:
        stop = min(len(data), i + 4096)
        for j in range(i + 1, stop):
            if data[j] == 62:
                return j
        return i
    for j in range(i + 1, min(len(data), i + 11)):
        if data[j] == 59:
            return j
        if data[j] > 127:
            break
    return i


@kernel
def _count_pairs(data: Any, markup: Any, counted: Any) -> Any:
    """Count the pairs of adjacent bytes outside tags and entities: see ``_scratch``.

    Spaces, digits and signs of ASCII count as a space. Returns how many different pairs were met.
    """
    grid, met, counts = counted
    listed = uint64(0)
    before = uint64(32)
    i, n = uint64(0), uint64(len(data))
    while i <= n:
        byte = data[i] if i < n else uint8(32)
        if markup and (byte == 60 or byte == 38):
            i = uint64(_behind(data, int64(i)))
        small = (byte | uint8(32)) - uint8(97) < uint8(26)
        this = uint64(byte) if small or byte > 127 else uint64(32)
        pair = before << uint64(8) | this
        place = pair ^ (before & uint64(15)) << uint64(4)  # spreads the rows over a CPU's cache
        count = grid[place]
        met[listed] = pair
        listed += uint64(count == 0)
        grid[place] = count + 1
        before = this
        i += uint64(1)
    for k in range(listed):
        place = uint64(met[k] ^ (met[k] >> 4 & 0xF0))
        counts[k] = grid[place]
        grid[place] = 0
    return int64(listed)


#: The kernel adds up in 32nds of a bit: pairs cost eighths, and those of ASCII letters, which are
#: the same in every page, count a quarter.
_PARTS: Final = 32
_PER_EIGHTH: Final = 4
_NEVER: Final = 1 << 60

#: A text in another script costs so much for each Latin letter, at most so much for each pair.
_SWITCH: Final = _PARTS // 4
_SWITCH_MOST: Final = 3 * _PARTS


@inline
def _letter(byte: Any) -> Any:
    """Return 1 to 26 for a letter of ASCII, and 0 for a space."""
    return (byte | 32) - 96 if byte > 32 else 0


@kernel
def _add_up(
    counted: Any, listed: Any, readings: Any, language: Any, floors: Any, ascii_costs: Any,
    prior: Any, latin: Any,
) -> Any:  # fmt: skip
    """Add up what readings have in common; move the pairs with a byte above 127 to the front.

    Returns the number of these pairs, different ones and in all; what readings cost beside them, by
    language; and what each page costs at least.
    """
    floor = np.zeros(len(prior), np.int32)
    ascii_bits = np.zeros(len(latin), np.int32)
    kept = total = letters = 0
    for k in range(listed):
        pair, count = counted[1, k], counted[2, k]
        first, second = pair >> 8, pair & 255
        letters += count * int64(32 < second < 128)
        if first < 128 and second < 128:
            row = ascii_costs[_letter(first) << 5 | _letter(second)]
            for n in range(len(ascii_bits)):
                ascii_bits[n] += count * int32(row[n])
        else:
            row = floors[pair]
            for p in range(len(floor)):
                floor[p] += count * int32(row[p])
            counted[1, kept], counted[2, kept] = pair, count
            kept += 1
            total += count
    beside = ascii_bits.astype(np.int64)
    least = int64(_NEVER)
    for n in range(len(beside)):
        if latin[n]:
            least = min(least, beside[n])
    for n in range(len(beside)):
        if not latin[n]:
            beside[n] = least + min(_SWITCH * letters, _SWITCH_MOST * total)
    least_of = np.empty(len(prior), np.int64)
    for p in range(len(prior)):
        least = int64(_NEVER)
        for r in range(readings[p], readings[p + 1]):
            least = min(least, beside[language[r]])
        least_of[p] = int64(floor[p]) * _PER_EIGHTH + least + prior[p] * _PARTS
    return kept, total, beside, least_of


@inline
def _bits(
    r: Any, p: Any, most: Any, counted: Any, listed: Any, language: Any, slots: Any, case: Any,
    costs: Any,
) -> Any:  # fmt: skip
    """Return what a reading's pairs cost, in eighths of a bit; -1 if more than ``most``.

    -2 if its page lacks one of the bytes.
    """
    slot, kind, cost = slots[r], case[p], costs[language[r]]
    bits = int64(0)
    for k in range(listed):
        pair = counted[1, k]
        a, b = pair >> 8, pair & 255
        if slot[a] == UNDEFINED or slot[b] == UNDEFINED:
            return int64(-2)
        each = int64(cost[slot[a], slot[b]])
        if kind[a] == 1 and kind[b] == 2:
            each += CASE
        bits += counted[2, k] * each
        if bits > most:
            return int64(-1)
    return bits


@kernel
def _cheapest_of(
    p: Any, limit: Any, counted: Any, listed: Any, beside: Any, readings: Any, language: Any,
    slots: Any, case: Any, costs: Any, prior: Any,
) -> Any:  # fmt: skip
    """Return the first of a page's cheapest readings, its total and its pairs, if within a limit.

    Otherwise, and for a page that lacks one of the bytes, -1.
    """
    found, found_bits = int64(-1), int64(0)
    for r in range(readings[p], readings[p + 1]):
        rest = beside[language[r]] + prior[p] * _PARTS
        most = (limit - rest) // _PER_EIGHTH
        bits = _bits(r, p, most, counted, listed, language, slots, case, costs)
        if bits == -2:
            break
        if bits >= 0 and (found < 0 or bits * _PER_EIGHTH + rest < limit):
            found, found_bits, limit = int64(r), bits, bits * _PER_EIGHTH + rest
    return found, limit, found_bits


@kernel
def _compare(
    data: Any, markup: Any, stated: Any, counted: Any, readings: Any, language: Any, slots: Any,
    case: Any, costs: Any, floors: Any, ascii_costs: Any, prior: Any, latin: Any,
) -> Any:  # fmt: skip
    """Return the number of pairs; the reading, total and pairs of the page stated; of the best.

    A page's pairs, each in the language in which it costs least, are less than any reading: so most
    pages are left out, and the others come in the order of that sum.
    """
    listed = _count_pairs(data, markup, counted)
    listed, total, beside, floor = _add_up(
        counted, listed, readings, language, floors, ascii_costs, prior, latin
    )
    own, own_total, own_bits = int64(-1), int64(_NEVER), int64(0)
    best, best_total, best_bits = own, own_total, own_bits
    p = int64(stated)
    while True:
        if p >= 0:
            found, found_total, found_bits = _cheapest_of(
                p, best_total, counted, listed, beside, readings, language, slots, case, costs,
                prior,
            )  # fmt: skip
            floor[p] = _NEVER
            if found >= 0 and (found_total < best_total or best < 0 or found < best):
                best, best_total, best_bits = found, found_total, found_bits
            if p == stated:
                own, own_total, own_bits = found, found_total, found_bits
        p = int64(0)
        for other in range(len(floor)):
            p = other if floor[other] < floor[p] else p
        if floor[p] == _NEVER or floor[p] > best_total:
            break
    return total, own, own_total, own_bits, best, best_total, best_bits


@kernel
def _count_high_pairs(data: Any, counted: Any, met_bytes: Any) -> Any:
    """Count the pairs with a byte above 127; return how many different ones, in all, and letters.

    These are the letters of ASCII. Tags and entities count as words: they have few bytes above 127.
    """
    grid, met, counts = counted
    listed = total = letters = uint64(0)
    before = uint64(32)
    i, n = uint64(0), uint64(len(data))
    while i <= n:
        if before < uint64(128) and i + uint64(16) <= n:
            block = data[i : i + uint64(16)]
            high = uint8(0)
            for k in range(16):
                high |= block[k]
            if high < 128:
                small = uint8(0)
                for k in range(16):
                    small += (block[k] | uint8(32)) - uint8(97) < uint8(26)
                letters += uint64(small)
                i += uint64(16)
                before = uint64(block[15])
                continue
        this = uint64(data[i]) if i < n else uint64(32)
        if (before | this) > uint64(127):
            pair = before << uint64(8) | this
            count = grid[pair]
            met[listed] = pair
            listed += uint64(count == 0)
            grid[pair] = count + 1
            total += uint64(1)
        letters += uint64((this | uint64(32)) - uint64(97) < uint64(26))
        before = this
        i += uint64(1)
    for k in range(listed):
        pair = met[k]
        counts[k] = grid[pair]
        grid[pair] = 0
        met_bytes[pair >> 14] |= uint64(1) << uint64(pair >> 8 & 63)
    return int64(listed), int64(total), int64(letters)


#: Bits per pair up to which a reading is prose; and up to which one in Latin letters is no text in
#: an encoding of several bytes, of which the pages make capitals and signs inside words.
PROSE: Final = 6
FAIR: Final = 8

#: So much better must the stated page be, by the letters beyond ASCII alone, if another language's
#: page reads them otherwise; in its own languages so much worse may it be.
_AHEAD: Final = 10 * _PARTS
_BEHIND: Final = 12 * _PARTS


@kernel
def _holds(
    data: Any, stated: Any, counted: Any, readings: Any, language: Any, slots: Any, case: Any,
    costs: Any, floors: Any, prior: Any, latin: Any, differs: Any,
) -> Any:  # fmt: skip
    """Return whether a page holds: see ``holds``."""
    met_bytes = np.zeros(4, np.uint64)
    listed, total, letters = _count_high_pairs(data, counted, met_bytes)
    switch = min(_SWITCH * letters, _SWITCH_MOST * total)
    beside = np.zeros(len(latin), np.int64)
    limits = np.empty(len(latin), np.int64)  # no other reading may cost less, by language
    for of in range(len(latin)):  # loops: whole arrays take numba two seconds to compile
        beside[of] = int64(0) if latin[of] else switch
        limits[of] = _NEVER
    least = int64(_NEVER)
    for r in range(readings[stated], readings[stated + 1]):
        bits = _bits(r, stated, int64(_NEVER), counted, listed, language, slots, case, costs)
        if bits < 0:
            return False
        least = min(least, bits)
        limits[language[r]] = bits * _PER_EIGHTH + beside[language[r]] + prior[stated] * _PARTS
    fair = FAIR if latin[language[readings[stated]]] else PROSE
    if least > fair * EIGHTHS * total:
        return False
    ahead = int64(_NEVER)
    for of in range(len(limits)):
        ahead = min(ahead, limits[of])
    ahead += _AHEAD
    for of in range(len(limits)):
        limits[of] = min(limits[of] - _BEHIND, ahead)
    floor = np.zeros(len(prior), np.int32)
    for k in range(listed):
        row, count = floors[counted[1, k]], counted[2, k]
        for p in range(len(floor)):
            floor[p] += count * int32(row[p])
    for p in range(len(prior)):
        rest = beside[language[readings[p]]] + prior[p] * _PARTS
        if floor[p] * _PER_EIGHTH + rest >= ahead:
            continue
        otherwise = False
        for k in range(4):
            otherwise |= differs[stated, p, k] & met_bytes[k] != 0
        if otherwise:
            for r in range(readings[p], readings[p + 1]):
                most = (limits[language[r]] - rest - 1) // _PER_EIGHTH
                bits = _bits(r, p, most, counted, listed, language, slots, case, costs)
                if bits == -2:
                    break
                if bits >= 0:
                    return False
    return True


def holds(data: bytes, page: str) -> bool:
    """Return whether the page is so good a reading that none that differs can be a better one.

    That is certain for other pages of its own languages, in which letters of ASCII cost the same.
    Pages of other languages must be worse by the letters beyond ASCII alone. Nearly all pages that
    state their code page rightly need no comparison.

    >>> text = "Балықшылар таң ата ауларын жинап алды".encode("kz1048")
    >>> holds(text, "kz1048"), holds(text, "cp1251")
    (True, False)
    """
    known = tables()
    return bool(
        _holds(
            np.frombuffer(_sample(data), np.uint8), _NUMBERS[page], _scratch(), known.readings,
            known.language, known.slots, known.case, known.costs, known.floors, known.prior,
            known.latin, known.differs,
        )
    )  # fmt: skip


class Reading(NamedTuple):
    """A page, and what reading the bytes in it costs."""

    page: str
    bits: float  #: of all pairs with a byte above 127, and of the page itself
    mean: float  #: bits per such pair, without the page
    pairs: int  #: how many there are
    language: str


def compare(
    data: bytes, stated: str | None = None, *, markup: bool = False
) -> tuple[Reading | None, Reading | None]:
    """Return the best reading of bytes in the page stated, and in any page.

    None where no such page decodes all bytes. Of a long text the beginning and the middle count.

    >>> data = "Балықшылар таң ата ауларын жинап алды".encode("kz1048")
    >>> [reading.page for reading in compare(data, "cp1251")]
    ['cp1251', 'kz1048']
    """
    sample = np.frombuffer(_sample(data), np.uint8)
    page = _NUMBERS.get(stated or "", -1)
    pairs, *found = _compare(sample, markup, page, _scratch(), *tables()[:-1])
    return _reading(pairs, *found[:3]), _reading(pairs, *found[3:])


def _reading(pairs: int, number: int, total: int, bits: int) -> Reading | None:
    if number < 0:
        return None
    page, language = _names()[number]
    return Reading(page, total / _PARTS, bits / EIGHTHS / max(1, pairs), pairs, language)


_NUMBERS: Final = {page: number for number, page in enumerate(PAGES)}


@lru_cache(maxsize=1)
def _names() -> list[tuple[str, str]]:
    """Return the page and the language of each reading."""
    return [(page, label) for page, (labels, _) in PAGES.items() for label in labels.split()]


_LOCAL: Final = threading.local()


def _scratch() -> npt.NDArray[np.int32]:
    """Return what a kernel counts pairs in, int32[3, 65537], each thread its own.

    The count of each pair, zeros between calls; those met, and their counts.
    """
    if not hasattr(_LOCAL, "counted"):
        _LOCAL.counted = np.zeros((3, (1 << 16) + 1), np.int32)
    counted: npt.NDArray[np.int32] = _LOCAL.counted
    return counted


#: A longer text is judged by its beginning and its middle.
_SAMPLE: Final = 1 << 14


def _sample(data: bytes) -> bytes:
    if len(data) <= 2 * _SAMPLE:
        return data
    middle = len(data) // 2
    return data[:_SAMPLE] + data[middle : middle + _SAMPLE]
