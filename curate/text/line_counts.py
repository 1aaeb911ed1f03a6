"""Counts of lines and paragraphs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.hashing import hash_span, table_size
from curate.kernels.jit import kernel
from curate.kernels.utf8 import (
    HIGHEST,
    ONES,
    bytes_before,
    count_code_points,
    decode,
    eight_bytes,
    width,
)
from curate.text.repetition import first_of_each

#: The columns. Lines end at U+000A, or at U+000D before it in text that was not repaired.
LINES: Final = (
    "lines",  # a final newline begins no line
    "bullet_lines",  # first character after whitespace is "•" or "-"
    "ellipsis_lines",  # last characters before whitespace are "..." or "…"
    "full_lines",  # with more than whitespace
    "terminal_lines",  # full lines whose last character ends a sentence
    "short_lines",  # full lines of at most 30 characters
    "filled_lines",  # of at least one character, even a space
    "repeated_filled_lines",  # equal to an earlier one
    "repeated_filled_line_chars",
    "repeated_full_line_chars",
    "paragraphs",  # of the stripped text, between runs of two and more newlines
    "repeated_paragraphs",
    "repeated_paragraph_chars",
    "longest_line_chars",
    "full_line_chars",
    "sentence_line_chars",  # in full lines with an end of a sentence
    "list_mark_lines",  # full lines whose first character after whitespace is one of •‣▶◀◦■□▪▫–
)
_SHORT_LINE_CHARS: Final = 30
_NEWLINES: Final = uint64(0x0A0A0A0A0A0A0A0A)


@kernel
def _class_at(data: Any, at: Any, classes: Any) -> Any:
    code, _ = decode(data, at)
    return uint32(classes[code])


@kernel
def _last_code_point(data: Any, start: Any, end: Any) -> Any:
    """Return the start of the last code point of data[start:end]."""
    i = end - 1
    while i > start and (data[uint64(i)] & uint8(0xC0)) == uint8(0x80):
        i -= 1
    return i


@kernel
def _strip(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Return the span without the whitespace around it."""
    while start < end and _class_at(data, start, classes) & uint32(unicode.SPACE):
        start += width(data[start])
    while start < end:
        last = _last_code_point(data, start, end)
        if not _class_at(data, last, classes) & uint32(unicode.SPACE):
            break
        end = last
    return start, end


@kernel
def _line_end(data: Any, start: Any, end: Any) -> Any:
    """Return the place of the next newline, or the end."""
    at = start
    readable = len(data) - 8
    while at < end and at <= readable:
        mixed_in = eight_bytes(data, at) ^ _NEWLINES
        zeros = (mixed_in - ONES) & ~mixed_in & HIGHEST
        if zeros != uint64(0):
            return min(at + bytes_before(zeros), end)
        at += 8
    while at < end and data[uint64(at)] != uint8(10):
        at += 1
    return min(at, end)


@kernel
def _has_sentence_end(data: Any, start: Any, end: Any, classes: Any, leads: Any) -> Any:
    """Return whether a stripped line has an end of a sentence.

    A point, question or exclamation mark ends one where whitespace, the line's end or another
    punctuation mark follows it, unless it closes the number of a list item ("12. "); an end of
    another script always does. ``leads`` has for each pair of bytes whether such a mark begins with
    it, and from 65,536 on for each byte: kana begin like the Japanese full stop.
    """
    last = _last_code_point(data, start, end)
    if _class_at(data, last, classes) & uint32(unicode.TERMINAL):
        # Most lines that have one end with it: no need to search for another.
        for at in range(uint64(start), uint64(last)):
            if data[at] >= uint8(65):
                return True
        return data[uint64(last)] >= uint8(0x80)
    worded = False  # whether anything but digits and marks came before
    for at in range(uint64(start), uint64(end)):
        b = data[at]
        if not leads[uint64(65536) | uint64(b)]:
            worded |= b >= uint8(65)
            continue
        i = int64(at)
        if b >= uint8(0x80):
            pair = uint64(b) << uint64(8) | uint64(data[at + uint64(1)])
            if leads[pair] and _class_at(data, i, classes) & uint32(unicode.TERMINAL):
                return True
            worded = True
        elif worded:
            if i + 1 == end:
                return True
            if _class_at(data, i + 1, classes) & uint32(unicode.SPACE | unicode.PUNCTUATION):
                return True
    return False


@kernel
def _is_list_mark(second: Any, third: Any) -> Any:
    """Return whether U+2xxx with these last two bytes is one of •‣▶◀◦■□▪▫–."""
    if second == uint8(0x80):
        return third == uint8(0xA2) or third == uint8(0xA3) or third == uint8(0x93)
    if second == uint8(0x96):
        squares = third == uint8(0xA0) or third == uint8(0xA1)
        return squares or third == uint8(0xAA) or third == uint8(0xAB) or third == uint8(0xB6)
    return second == uint8(0x97) and (third == uint8(0x80) or third == uint8(0xA6))


@kernel
def count_lines(
    data: Any, starts: Any, ends: Any, classes: Any, leads: Any, most: Any, out: Any
) -> None:
    """Fill the columns LINES, each a row of ``out``; every text has fewer than ``most`` lines."""
    keys = np.empty(most, np.uint64)
    chars_of = np.empty(most, np.int64)
    full = np.empty(most, np.bool_)
    first = np.empty(most, np.int32)
    count = np.empty(most, np.int32)
    table = np.zeros(table_size(4 * most), np.int32)
    base = int64(1)
    for d in range(len(starts)):
        start, end = starts[d], ends[d]
        lines = bullets = ellipsis = full_lines = terminal = short = longest = 0
        full_chars = sentence_chars = marked = 0
        empty_line = False
        n = 0
        i = start
        while i < end:
            stop = _line_end(data, i, end)
            empty_line |= stop == i
            lines += 1
            after = stop + 1
            if stop > i and data[stop - 1] == uint8(13):
                stop -= 1
            if stop > i:
                a, b = _strip(data, i, stop, classes)
                chars = count_code_points(data, i, stop)
                longest = max(longest, chars)
                keys[n] = hash_span(data, i, stop)
                chars_of[n] = chars
                full[n] = b > a
                n += 1
                if b > a:
                    full_lines += 1
                    full_chars += chars
                    if _has_sentence_end(data, a, b, classes, leads):
                        sentence_chars += chars
                    last = _last_code_point(data, i, stop)
                    terminal += int64(
                        (_class_at(data, last, classes) & uint32(unicode.TERMINAL)) != 0
                    )
                    short += int64(chars <= _SHORT_LINE_CHARS)
                    dash = data[a] == uint8(45)
                    dot = b - a >= 3 and data[a] == uint8(0xE2) and data[a + 1] == uint8(0x80)
                    if b - a >= 3 and data[a] == uint8(0xE2):
                        marked += int64(_is_list_mark(data[a + 1], data[a + 2]))
                    bullets += int64(dash or (dot and data[a + 2] == uint8(0xA2)))
                    if b - a >= 3:
                        x, y, z = data[b - 3], data[b - 2], data[b - 1]
                        three = x == uint8(46) and y == uint8(46) and z == uint8(46)
                        one = x == uint8(0xE2) and y == uint8(0x80) and z == uint8(0xA6)
                        ellipsis += int64(three or one)
            i = after
        filled = n
        repeated = repeated_chars = repeated_full = 0
        if n > 1:
            base, _ = first_of_each(keys, n, table, base, first, count)
            for j in range(n):
                if first[j] != j:
                    repeated += 1
                    repeated_chars += chars_of[j]
                    repeated_full += chars_of[j] * int64(full[j])
        out[0, d] = lines
        out[1, d] = bullets
        out[2, d] = ellipsis
        out[3, d] = full_lines
        out[4, d] = terminal
        out[5, d] = short
        out[6, d] = filled
        out[7, d] = repeated
        out[8, d] = repeated_chars
        out[9, d] = repeated_full
        # Paragraphs of the stripped text, compared like lines.
        a, b = _strip(data, start, end, classes)
        n = 0
        i = a if empty_line else b  # a single paragraph cannot repeat
        while i < b:
            stop = _line_end(data, i, b)
            while stop < b and data[stop + 1] != uint8(10):
                stop = _line_end(data, stop + 1, b)
            if n == 0 and stop == b:
                break
            keys[n] = hash_span(data, i, stop)
            chars_of[n] = count_code_points(data, i, stop)
            n += 1
            while stop < b and data[stop] == uint8(10):
                stop += 1
            i = stop
        repeated = repeated_chars = 0
        if n > 1:
            base, _ = first_of_each(keys, n, table, base, first, count)
            for j in range(n):
                repeated += int64(first[j] != j)
                repeated_chars += chars_of[j] * int64(first[j] != j)
        out[10, d] = max(n, 1)
        out[11, d] = repeated
        out[12, d] = repeated_chars
        out[13, d] = longest
        out[14, d] = full_chars
        out[15, d] = sentence_chars
        out[16, d] = marked
