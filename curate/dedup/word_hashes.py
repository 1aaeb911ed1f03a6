"""A text as the hashes of its words, or of its characters: the parts of shingles.

Words are folded first, into 16-bit units that end in zeros: letters to one case, everything between
words to nothing; a symbol is a word, and so is a minus before a number. Then each word is hashed,
four units at a time. The same word in the same letters has the same hash in every text, whatever
surrounds it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint8, uint16, uint32, uint64
from numba.cpython.unsafe.numbers import trailing_zeros

from curate.kernels.folding import (
    COMPOSES,
    DIGIT,
    DOUBLED,
    FOLDED,
    INVISIBLE,
    KIND,
    LEADS,
    LETTER,
    LINE,
    LOSES_MARKS,
    MARK,
    MINUS,
    NOT,
    REPEATS,
    REWRITES,
    SEPARATOR,
    SOLO,
    TURKIC,
    decode_block,
)
from curate.kernels.hashing import GOLDEN, mix64
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import stretch_end

#: In four units: the lowest bits, the highest, the mask without a digit's value, the digits' bits.
_ONES = np.uint64(0x0001000100010001)
_HIGHS = np.uint64(0x8000800080008000)
_BUT_VALUE = np.uint64(0xFFF0FFF0FFF0FFF0)
_DIGITS = np.uint64(0x0030003000300030)
#: The highest bits of the second and the fourth of four units.
_SECONDS = np.uint64(0x8000000080000000)

#: Bytes of plain text that are folded at once, and of other text that are decoded together.
_STEP, _STRETCH = 32, 128
#: Neither letter nor separator, of more than 16 bits, or more than one unit.
_ODD = (6 << 24) | 0x1F0000 | DOUBLED | COMPOSES
#: A mark, a sign that may belong to a word, of more than 16 bits, or more than one unit.
_OF_CARE = (4 << 24) | 0x1F0000 | DOUBLED | COMPOSES
#: What a mark or a digit after it may continue, or a sign of what follows.
_PENDING = (6 << 24) | 0x10000
#: What `fold` needs to know of a table to read plain ASCII without it.
SIGNS, DIGITS, SYMBOLS, LOWER = 1, 2, 4, 8


@inline
def room(n_bytes: int) -> int:
    """Return how many 64-bit words the folded form of any text of `n_bytes` fits into.

    At most two units per byte (a symbol, and a zero after it), then what a step writes ahead and
    the zeros of the end.
    """
    return n_bytes // 2 + 32


@kernel
def fold(
    data: np.ndarray,
    start: int,
    stop: int,
    tables: np.ndarray,
    orders: np.ndarray,
    ascii_rule: int,
    entries: np.ndarray,
    out: np.ndarray,
) -> tuple[int, bool]:
    """Write the words of a text, each folded and ended by zeros; return the units written.

    Also return whether the text has to be rewritten first: `kernels.folding.rewritten`. Sixteen
    zeros follow the last unit. `entries` has `BLOCK` places; `ascii_rule` is the first table's.
    Bound by memory in plain text, by decoding in other text: both are written by vectorised loops.
    Text with characters that are words by themselves is processed unit by unit, without a branch;
    only marks, controls and signs need more.
    """
    n, at, end = uint64(0), uint64(start), uint64(stop)
    previous, before_sign, starter = uint32(LINE), uint32(LINE), uint32(0)
    rewrite = uint32(0)
    last_order = uint8(0)
    table, plain = tables[0], (ascii_rule & SIGNS) == 0
    keep_digits = (ascii_rule & DIGITS) != 0
    symbols = (ascii_rule & SYMBOLS) != 0
    lower = uint8(32) if ascii_rule & LOWER else uint8(0)
    while at < end:
        # A mark or a digit may continue a word; nothing continues a one-character word.
        if (
            plain
            and at + uint64(_STEP) < end
            and (previous & uint32(_PENDING)) == 0
            and not (symbols and (data[at] == 45 or data[at] == 33))
        ):
            # The entries of the table for ASCII, as arithmetic; a test compares the two.
            odd = uint8(0)
            for j in range(_STEP):
                c, following = data[at + uint64(j)], data[at + uint64(j) + uint64(1)]
                low = uint8(c | uint8(32))
                letter = uint8(low - uint8(97)) < uint8(26)
                digit = uint8(c - uint8(48)) < uint8(10)
                run = digit & (uint8(following - uint8(48)) < uint8(10)) & (not keep_digits)
                space = (uint8(c - uint8(9)) < uint8(5)) | (uint8(c - uint8(28)) < uint8(5))
                symbol = (
                    (uint8(c - uint8(35)) < uint8(4))  # # $ % &
                    | (uint8(c - uint8(42)) < uint8(2))  # * +
                    | (uint8(c - uint8(60)) < uint8(3))  # < = >
                    | (c == 47)
                    | (c == 64)
                    | (c == 92)
                    | (c == 94)  # / @ \ ^
                    | (c == 124)
                    | (c == 126)  # | ~
                    | (((following == 45) | (following == 33)) & (not (letter | digit)))
                ) & symbols
                odd |= uint8((c >= uint8(127)) | ((c < uint8(32)) & (not space)) | run | symbol)
                zero = c if keep_digits else uint8(48)
                out[n + uint64(j)] = uint16(
                    uint8(c | lower) if letter else (zero if digit else uint8(0))
                )
            if odd == 0:
                n += uint64(_STEP)
                at += uint64(_STEP)
                before_sign = table[data[at - uint64(2)]]
                starter = previous = table[data[at - uint64(1)]]
                last_order = uint8(0)
                continue
        near = stretch_end(data, at, _STRETCH, end)
        m, reached = decode_block(data, int64(at), int64(near), table, entries)
        at = uint64(reached)
        if m == 0:
            continue
        seen = uint32(0)
        for i in range(m):
            seen |= entries[i]
            out[n + uint64(i)] = uint16(entries[i])
        if (seen & uint32(TURKIC)) != 0:
            table, plain, at = tables[1], False, uint64(start)
            n, rewrite, last_order = uint64(0), uint32(0), uint8(0)
            previous, before_sign, starter = uint32(LINE), uint32(LINE), uint32(0)
            continue
        rewrite |= seen & uint32(REWRITES)
        if ((seen & uint32(_ODD)) | (previous & uint32(_PENDING))) == 0:
            n += uint64(m)
            starter = previous = entries[m - 1]
            last_order = uint8(0)
            continue
        if (seen & uint32(_OF_CARE)) == 0 and (previous & uint32(0x10000)) == 0:
            before = (previous >> uint32(24)) & uint32(KIND)
            for i in range(m):
                entry = entries[i]
                kind = (entry >> uint32(24)) & uint32(KIND)
                out[n] = uint16(0)
                n += uint64((kind != SEPARATOR) & ((kind == SOLO) | (before == SOLO)))
                out[n] = uint16(entry)
                n += uint64((entry & previous & uint32(REPEATS)) == 0)
                previous, before = entry, kind
            starter, last_order = previous, uint8(0)
            continue
        for i in range(m):
            entry = entries[i]
            kind = (entry >> uint32(24)) & uint32(KIND)
            # Two that NFC joins, or marks that it exchanges.
            rewrite |= entry & uint32(COMPOSES) & ((starter & uint32(LEADS)) << uint32(1))
            if kind == MARK:
                order = orders[entry & uint32(FOLDED)]
                rewrite |= uint32(COMPOSES) * uint32((order != 0) & (order < last_order))
                last_order = order
                starter = starter if order else entry
            else:
                last_order = uint8(0)
                starter = entry
            if kind >= MARK and (kind == INVISIBLE or (previous & uint32(LOSES_MARKS)) != 0):
                continue
            if kind == SEPARATOR:
                if (entry & uint32(0x10000)) != 0:
                    before_sign = previous
                out[n] = uint16(0)
                n += uint64(1)
                previous = entry
                continue
            before = (previous >> uint32(24)) & uint32(KIND)
            if (previous & uint32(KIND << 24 | 0x10000)) == uint32(0x10000):
                sign = previous & uint32(FOLDED)
                alone = (before_sign >> uint32(24)) & uint32(KIND)
                signed = (alone == SEPARATOR) | (alone == SOLO)
                in_line = (before_sign & uint32(LINE)) == 0
                if signed and (
                    (kind == DIGIT and sign == MINUS)
                    or (kind == LETTER and (sign == NOT or in_line))
                ):
                    out[n] = uint16(sign)
                    out[n + uint64(1)] = uint16(0)
                    n += uint64(2)
            alone = (kind == SOLO) | ((before == SOLO) & (kind != MARK))
            out[n] = uint16(0)
            n += uint64(alone)
            c = entry & uint32(FOLDED)
            if c > 0xFFFF:  # as in UTF-16
                out[n] = uint16(uint32(0xD7C0) + (c >> uint32(10)))
                n += uint64(1)
                c = uint32(0xDC00) | (c & uint32(0x3FF))
            out[n] = uint16(c)
            n += uint64((entry & previous & uint32(REPEATS)) == 0)
            out[n] = uint16(c)
            n += uint64((entry & uint32(DOUBLED)) != 0)
            # A mark belongs to the character before it.
            previous = previous if (kind == MARK) & (before == SOLO) else entry
    for j in range(16):
        out[n + uint64(j)] = uint16(0)
    return int(n), rewrite != 0


@inline
def _four(folded: np.ndarray, at: Any) -> Any:
    """Return the four units at any place of an array of aligned 64-bit words."""
    i, shift = at >> uint64(2), (at & uint64(3)) << uint64(4)
    later = (folded[i + uint64(1)] << uint64(1)) << (uint64(63) - shift)
    return (folded[i] >> shift) | later


@inline
def _zeros(units: Any) -> Any:
    """Set the highest bit of each unit that is zero. Exact, because no unit is 1 (a control)."""
    return (units - _ONES) & ~units & _HIGHS


@inline
def _add(h: Any, units: Any) -> Any:
    h = (h ^ units) * GOLDEN
    return h ^ (h >> uint64(32))


@kernel
def hash_words(
    folded: np.ndarray, n_units: int, hashes: np.ndarray, numeric: np.ndarray
) -> tuple[int, int]:
    """Hash the words of folded units, given as 64-bit words; mark those of digits only.

    Return the number of words and how many of them are numbers. Bound by the loads, shifts and
    multiplications of one iteration: no branch is taken within a word of less than eight units.
    """
    at, stop = uint64(0), uint64(n_units)
    n, numbers = uint64(0), uint64(0)
    while at < stop:
        x, y = _four(folded, at), _four(folded, at + uint64(4))
        x_ends, y_ends = _zeros(x), _zeros(y)
        if x_ends == _SECONDS and y_ends == _SECONDS:  # four characters that are words
            for j in range(4):
                unit = ((x if j < 2 else y) >> uint64(32 * (j & 1))) & uint64(0xFFFF)
                number = uint64((unit & _BUT_VALUE) == uint64(0x30))
                hashes[n] = _add(_add(uint64(0), unit), uint64(0))
                numeric[n] = uint8(number)
                n += uint64(1)
                numbers += number
            at += uint64(8)
            continue
        h, number = uint64(0), uint64(1)
        while (x_ends | y_ends) == 0:
            number &= uint64((x & _BUT_VALUE) == _DIGITS) & uint64((y & _BUT_VALUE) == _DIGITS)
            h = _add(_add(h, x), y)
            at += uint64(8)
            x, y = _four(folded, at), _four(folded, at + uint64(4))
            x_ends, y_ends = _zeros(x), _zeros(y)
        # Arithmetic in place of branches: whether a word has four units is unpredictable.
        beyond = uint64(0) - uint64(x_ends == 0)
        ends = x_ends | (y_ends & beyond)
        length = uint64(trailing_zeros(ends)) >> uint64(4)
        mask = (uint64(1) << (length << uint64(4))) - uint64(1)
        x_mask, y_mask = mask | beyond, mask & beyond
        x, y = x & x_mask, y & y_mask
        word = uint64((h | x | y) != 0)
        number &= uint64((x & _BUT_VALUE) == (_DIGITS & x_mask)) & word
        number &= uint64((y & _BUT_VALUE) == (_DIGITS & y_mask))
        hashes[n] = _add(_add(h, x), y)
        numeric[n] = uint8(number)
        n += word
        numbers += number
        # A comma and a space end a word once.
        twice = ((ends >> (length << uint64(4))) >> uint64(31)) & uint64(1)
        at += length + uint64(1) + (uint64(4) & beyond) + twice
    for i in range(n):
        hashes[i] = mix64(hashes[i])
    return int(n), int(numbers)


@kernel
def hash_characters(
    data: np.ndarray,
    start: int,
    stop: int,
    tables: np.ndarray,
    entries: np.ndarray,
    hashes: np.ndarray,
) -> tuple[int, bool]:
    """Hash the characters of a text, white space squeezed and stripped; return their number.

    Also return whether the text has to be rewritten first.
    """
    table, at = tables[0], start
    rewrite, starter = uint32(0), uint32(0)
    n, pending = uint64(0), uint64(0)
    while at < stop:
        m, at = decode_block(data, at, stop, table, entries)
        seen = uint32(0)
        for i in range(m):
            seen |= entries[i]
        if (seen & uint32(TURKIC)) != 0:
            table, at = tables[1], start
            rewrite, starter = uint32(0), uint32(0)
            n, pending = uint64(0), uint64(0)
            continue
        rewrite |= seen & uint32(REWRITES)
        for i in range(m):
            entry = entries[i]
            rewrite |= entry & uint32(COMPOSES) & ((starter & uint32(LEADS)) << uint32(1))
            kind = (entry >> uint32(24)) & uint32(KIND)
            starter = starter if kind == MARK else entry
            visible = uint64(kind != SEPARATOR)
            hashes[n] = uint64(32)
            n += pending & visible
            hashes[n] = uint64(entry & uint32(FOLDED))
            n += visible
            hashes[n] = uint64(entry & uint32(FOLDED))
            n += uint64((entry & uint32(DOUBLED)) != 0)
            pending = (uint64(1) - visible) & uint64(n > uint64(0))
    for i in range(n):
        hashes[i] = mix64(hashes[i] * GOLDEN)
    return int(n), rewrite != 0
