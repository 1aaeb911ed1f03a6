"""Lines of flat JSON to columns: the compiled reader of what is strict and plain.

It takes a line only where it does what the careful reader would do: objects of strict JSON in
strict UTF-8, names of fields without escapes, none of them twice, and halves of surrogate pairs
nowhere. Each other line is left alone, and marked. Numbers with a fraction are copied as they are
written; whoever calls compares them with what Python writes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.kernels.jit import kernel
from curate.kernels.utf8 import HIGHEST, ONES, bytes_before, eight_bytes, encode

#: Kinds of values, as bits.
NULL, TRUE, FALSE, INTEGER, FRACTION, STRING, LIST, OBJECT = (1 << n for n in range(8))
#: Ways of writing a value: its text, or JSON; the fractions in it are as written, or are checked.
TEXT, JSON, CHECKED = 0, 1, 2
#: What a line is: left to the careful reader, a document, a document without a text, blank.
CAREFUL, DOCUMENT, NULL_TEXT, BLANK = 0, 1, 2, 3

#: Levels of lists and objects, and fields of all objects that are open at once.
_LEVELS: Final = 60
_MEMBERS: Final = 4096
#: Above it, the fields of an object are not sorted: the time is its square.
_SORTED: Final = 100
#: Digits of an integer; more need not fit Python's limit.
_DIGITS: Final = 4000

_QUOTES: Final = uint64(0x2222222222222222)
_SLASHES: Final = uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = uint64(0x2020202020202020)

#: The byte that an escape stands for, by its letter; 0 for none.
_ESCAPED = np.zeros(256, np.uint8)
#: The letter of the escape that JSON writes for a byte; 0 for none.
_ESCAPES = np.zeros(256, np.uint8)
for _letter, _byte in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _ESCAPED[_letter] = _byte
    if _letter != ord("/"):
        _ESCAPES[_byte] = _letter
_HEX = np.full(256, 255, np.uint8)
for _value_of, _letter in enumerate(b"0123456789abcdef"):
    _HEX[_letter] = _HEX[ord(chr(_letter).upper())] = _value_of


@kernel
def _space(data: Any, i: Any) -> Any:
    """Return the place of the next byte that is no space; ends of lines are none."""
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += uint64(1)
    return i


@kernel
def _plain_end(data: Any, i: Any) -> Any:
    """Return the end of a stretch of a string that needs no change, in strict UTF-8.

    It ends at a quote, a backslash, or a byte that a string must not have.
    """
    last = uint64(max(0, len(data) - 8))
    while True:
        if i > last:  # fewer than eight bytes are left
            if data[i] >= 32 and data[i] < 0x80 and data[i] != 34 and data[i] != 92:
                i += uint64(1)
                continue
            block = HIGHEST
        else:
            block = eight_bytes(data, i)
        quotes, slashes = block ^ _QUOTES, block ^ _SLASHES
        # The lowest mark is right; those above it may come from a borrow.
        marked = ((quotes - ONES) | (slashes - ONES) | (block - _SPACES) | block) & HIGHEST
        if marked == uint64(0):
            i += uint64(8)
            continue
        i += uint64(bytes_before(marked))
        while True:
            lead = data[i]
            if lead < 0x80:
                break
            second = data[i + uint64(1)]
            if lead < 0xE0:
                if lead < 0xC2 or (second & 0xC0) != 0x80:
                    return i
                i += uint64(2)
                continue
            third = data[i + uint64(2)]
            if (second & 0xC0) != 0x80 or (third & 0xC0) != 0x80:
                return i
            if lead < 0xF0:
                # No longer form than needed, and no half of a surrogate pair.
                if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
                    return i
                i += uint64(3)
                continue
            if (data[i + uint64(3)] & 0xC0) != 0x80 or lead > 0xF4:
                return i
            if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
                return i
            i += uint64(4)
        if lead == 34 or lead == 92 or lead < 32:
            return i


@kernel
def _hex(data: Any, i: Any) -> Any:
    """Return the number of four hexadecimal digits; more than 16 bits if they are none."""
    code = uint32(0)
    for k in range(4):
        digit = _HEX[data[i + uint64(k)]]
        if digit == 255:
            return uint32(0x10000)
        code = code << uint32(4) | uint32(digit)
    return code


@kernel
def _string(data: Any, i: Any, out: Any, o: Any, as_json: Any) -> Any:
    """Write the string whose first character is at ``i``: its text, or what JSON writes for it.

    Return the places after its last quote and after what was written; 0 and 0 if it is not strict.
    """
    while True:
        end = _plain_end(data, i)
        for k in range(end - i):
            out[o + uint64(k)] = data[i + uint64(k)]
        o += end - i
        i = end
        if data[i] == 34:
            return i + uint64(1), o
        if data[i] != 92:
            return uint64(0), uint64(0)
        letter = data[i + uint64(1)]
        if letter == 117:
            code = _hex(data, i + uint64(2))
            i += uint64(6)
            if code >= 0xD800 and code < 0xE000:
                if code >= 0xDC00 or data[i] != 92 or data[i + uint64(1)] != 117:
                    return uint64(0), uint64(0)
                low = _hex(data, i + uint64(2))
                if low < 0xDC00 or low >= 0xE000:
                    return uint64(0), uint64(0)
                code = (
                    uint32(0x10000)
                    + ((code - uint32(0xD800)) << uint32(10))
                    + (low - uint32(0xDC00))
                )
                i += uint64(6)
            elif code > 0xFFFF:
                return uint64(0), uint64(0)
        else:
            code = uint32(_ESCAPED[letter])
            i += uint64(2)
            if code == 0:
                return uint64(0), uint64(0)
        if as_json and code < 0x80 and (code < 32 or code == 34 or code == 92):
            out[o] = uint8(92)
            if _ESCAPES[code] != 0:
                out[o + uint64(1)] = _ESCAPES[code]
                o += uint64(2)
            else:
                out[o + uint64(1)] = uint8(117)
                out[o + uint64(2)] = out[o + uint64(3)] = uint8(48)
                out[o + uint64(4)] = uint8(48 + (code >> uint32(4)))
                low = code & uint32(15)
                out[o + uint64(5)] = uint8(low + (48 if low < 10 else 87))
                o += uint64(6)
        else:
            o = encode(out, o, code)


@kernel
def _number(data: Any, i: Any, out: Any, o: Any) -> Any:
    """Copy a number. Return the places after it and after the copy, and its kind; 0 for none."""
    start = i
    if data[i] == 45:
        i += uint64(1)
    if data[i] == 48:
        i += uint64(1)
        if i == start + uint64(2) and data[i] != 46:
            return i, o, 0  # -0 is written as 0, or -0e1
    elif data[i] >= 49 and data[i] <= 57:
        while data[i] >= 48 and data[i] <= 57:
            i += uint64(1)
    else:
        return i, o, 0
    kind = INTEGER
    if data[i] == 46:
        kind = FRACTION
        i += uint64(1)
        if data[i] < 48 or data[i] > 57:
            return i, o, 0
        while data[i] >= 48 and data[i] <= 57:
            i += uint64(1)
    if data[i] == 101 or data[i] == 69:
        kind = FRACTION
        i += uint64(1)
        if data[i] == 43 or data[i] == 45:
            i += uint64(1)
        if data[i] < 48 or data[i] > 57:
            return i, o, 0
        while data[i] >= 48 and data[i] <= 57:
            i += uint64(1)
    if i - start > _DIGITS:
        return i, o, 0
    for k in range(start, i):
        out[o] = data[k]
        o += uint64(1)
    return i, o, kind


_WORDS = np.frombuffer(b"nulltruefalse", np.uint8)


@kernel
def _word(data: Any, i: Any, out: Any, o: Any) -> Any:
    """Copy null, true or false. Return the places after it and after the copy, and its kind."""
    first, size, kind = 0, 4, NULL
    if data[i] == 116:
        first, kind = 4, TRUE
    elif data[i] == 102:
        first, size, kind = 8, 5, FALSE
    for k in range(size):
        if data[i + uint64(k)] != _WORDS[first + k]:
            return i, o, 0
        out[o + uint64(k)] = _WORDS[first + k]
    return i + uint64(size), o + uint64(size), kind


@kernel
def _compared(data: Any, members: Any, a: Any, b: Any) -> Any:
    """Compare the names of two fields by their bytes, which is by their characters."""
    one, other = members[a, 0], members[b, 0]
    size, others = members[a, 1] - one, members[b, 1] - other
    for k in range(min(size, others)):
        if data[uint64(one + k)] != data[uint64(other + k)]:
            return int64(data[uint64(one + k)]) - int64(data[uint64(other + k)])
    return size - others


@kernel
def _sorted(data: Any, members: Any, first: Any, last: Any, out: Any, o: Any, spare: Any) -> Any:
    """Sort the fields of an object, which are written one after another up to ``o``, by name.

    Return False if two have one name, or there are too many.
    """
    in_order = True
    for m in range(first + 1, last):
        order = _compared(data, members, m - 1, m)
        if order == 0:
            return False
        in_order = in_order and order < 0
    if in_order:
        return True
    if last - first > _SORTED:
        return False
    begin = members[first, 2]
    for k in range(begin, int64(o)):
        spare[k - begin] = out[k]
    for m in range(first + 1, last):
        name, name_end, start, end = (
            members[m, 0], members[m, 1], members[m, 2], members[m, 3],
        )  # fmt: skip
        at = m
        members[last, 0], members[last, 1] = name, name_end
        while at > first:
            order = _compared(data, members, at - 1, last)
            if order == 0:
                return False
            if order < 0:
                break
            for k in range(4):
                members[at, k] = members[at - 1, k]
            at -= 1
        members[at, 0], members[at, 1], members[at, 2], members[at, 3] = name, name_end, start, end
    to = begin
    for m in range(first, last):
        if m > first:
            out[to] = uint8(44)
            to += 1
        for k in range(members[m, 2], members[m, 3]):
            out[to] = spare[k - begin]
            to += 1
    return True


@kernel
def _name_end(data: Any, i: Any) -> Any:
    """Return the place of the quote that ends a name; 0 if it has escapes or is not strict."""
    end = _plain_end(data, i)
    return end if data[end] == 34 else uint64(0)


@kernel
def _colon(data: Any, i: Any) -> Any:
    """Return the place of the value after a colon at ``i`` or behind spaces; 0 if there is none."""
    i = _space(data, i)
    return _space(data, i + uint64(1)) if data[i] == 58 else uint64(0)


@kernel
def _write_name(data: Any, i: Any, end: Any, out: Any, o: Any) -> Any:
    """Write a name with its quotes, and a colon; return the place after it."""
    out[o] = uint8(34)
    for k in range(end - i):
        out[o + uint64(1) + uint64(k)] = data[i + uint64(k)]
    o += end - i + uint64(3)
    out[o - uint64(2)], out[o - uint64(1)] = uint8(34), uint8(58)
    return o


@kernel
def _value(
    data: Any, i: Any, out: Any, o: Any, way: Any, members: Any, used: Any, frames: Any,
    spare: Any, fractions: Any, checked: Any,
) -> Any:  # fmt: skip
    """Write a value as JSON with sorted names and without spaces; a string as its text on request.

    Return the places after it and after what was written, its kind (0 if it is left to the careful
    reader), and how many fractions are to be checked.
    """
    failed = uint64(0), uint64(0), 0, 0
    depth = 0
    is_object = False
    while True:
        # A value begins at i.
        first = data[i]
        kind = 0
        opened = False
        if first == 34:
            as_json = way != TEXT or depth > 0
            if as_json:
                out[o] = uint8(34)
                o += uint64(1)
            i, o = _string(data, i + uint64(1), out, o, as_json)
            if i == 0:
                return failed
            if as_json:
                out[o] = uint8(34)
                o += uint64(1)
            kind = STRING
        elif first == 123 or first == 91:
            if depth == _LEVELS:
                return failed
            kind = OBJECT if first == 123 else LIST
            frames[depth, 0], frames[depth, 1] = kind, used
            depth += 1
            out[o] = first
            o += uint64(1)
            i = _space(data, i + uint64(1))
            is_object = first == 123
            opened = data[i] != (125 if is_object else 93)
        elif first >= 97:
            i, o, kind = _word(data, i, out, o)
            if kind == 0:
                return failed
        else:
            start = i
            i, o, kind = _number(data, i, out, o)
            if kind == 0:
                return failed
            if kind == FRACTION and way == CHECKED:
                if checked == len(fractions):
                    return failed
                fractions[checked, 0], fractions[checked, 1] = int64(start), int64(i)
                checked += 1
        # What follows: the end, a comma and one more, or the end of what it is in.
        while not opened:
            if depth == 0:
                return i, o, kind, checked
            i = _space(data, i)
            sign = data[i]
            if is_object and used > frames[depth - 1, 1] and members[used - 1, 3] < 0:
                members[used - 1, 3] = int64(o)
            if sign == 44:
                out[o] = sign
                o += uint64(1)
                i = _space(data, i + uint64(1))
                opened = True
                continue
            if sign != (125 if is_object else 93):
                return failed
            if is_object:
                mine = frames[depth - 1, 1]
                if not _sorted(data, members, mine, used, out, o, spare):
                    return failed
                used = mine
            out[o] = sign
            o += uint64(1)
            i += uint64(1)
            depth -= 1
            kind = frames[depth, 0]
            is_object = depth > 0 and frames[depth - 1, 0] == OBJECT
        if is_object:
            if data[i] != 34 or used >= _MEMBERS - 1:
                return failed
            end = _name_end(data, i + uint64(1))
            if end == 0:
                return failed
            members[used, 0], members[used, 1] = int64(i) + 1, int64(end)
            members[used, 2], members[used, 3] = int64(o), -1
            used += 1
            o = _write_name(data, i + uint64(1), end, out, o)
            i = _colon(data, end + uint64(1))
            if i == 0:
                return failed


@kernel
def _named(data: Any, i: Any, end: Any, names: Any, bounds: Any, guess: Any) -> Any:
    """Return the number of a name; that of no name if it is not looked for."""
    size = int64(end - i)
    count = len(bounds) - 1
    for n in range(-1, count):
        at = guess if n < 0 else n
        if at >= count or bounds[at + 1] - bounds[at] != size:
            continue
        k = 0
        while k < size and names[bounds[at] + k] == data[i + uint64(k)]:
            k += 1
        if k == size:
            return at
    return count


@kernel
def read_lines(
    data: Any, longest: int,
    names: Any, bounds: Any, targets: Any, counted: Any, ways: Any, kinds: Any, meta: int,
    out: Any, offsets: Any, valid: Any, lines: Any, rows: Any, fractions: Any, counts: Any,
) -> Any:  # fmt: skip
    """Write the fields of lines into columns, those of a line in all columns or in none.

    Parameters
    ----------
    data
        Whole lines: bytes that end in a newline.
    longest
        Bytes of a line above which it is left to the careful reader.
    names, bounds
        The names that are looked for, of which the first is that of the text.
    targets
        Columns that the value under a name is written to, -1 behind the last. The last row: of all
        other names. Each has one, because a value that nobody wants has to be JSON too.
    counted
        Of each name, whether ``rows`` counts it.
    ways, kinds
        How each column is written, and what kinds it takes. Column 0 is the text.
    meta
        The column to which fields are written as those of one object.
    out, offsets, valid
        The bytes of one column after another, each with room for all of ``data``; the ends of rows
        in each column, and which rows are not null.
    lines
        For each line its first byte, its length, and what it is.
    rows
        For each document the number of its line, and how many counted names it has.
    fractions
        Where numbers are that were copied, and may not be what Python would write: the first byte,
        the last one, the row.
    counts
        Set to the number of rows and of fractions.
    """
    members = np.empty((_MEMBERS, 4), np.int64)
    frames = np.empty((_LEVELS, 2), np.int64)
    spare = np.empty(len(data), np.uint8)
    seen = np.full(len(bounds) + 1, -1, np.int64)
    n_columns = len(ways)
    ends = np.zeros(n_columns, np.int64)
    guesses = np.zeros(64, np.int64)
    line = row = checked = int64(0)
    at = uint64(0)
    while at < uint64(len(data)):
        start = at
        i = _space(data, at)
        status = CAREFUL
        line_checked, line_noted = checked, int64(0)
        if data[i] == 10:
            status = BLANK
        elif data[i] == 123:
            for c in range(n_columns):
                ends[c] = offsets[c, row] + c * len(data)
                valid[c, row] = 0
            used = int64(0)
            nth = 0
            is_null = is_whole = is_good = False
            i = _space(data, i + uint64(1))
            while data[i] == 34:
                name = i + uint64(1)
                name_end = _name_end(data, name)
                if name_end == 0:
                    break
                guess = guesses[nth] if nth < 64 else 0
                number = _named(data, name, name_end, names, bounds, guess)
                if nth < 64:
                    guesses[nth] = number
                nth += 1
                if number < len(bounds) - 1:
                    if seen[number] == line:
                        break
                    seen[number] = line
                    line_noted += counted[number]
                i = _colon(data, name_end + uint64(1))
                if i == 0:
                    break
                value = i
                is_good = used < _MEMBERS - 1
                for t in range(targets.shape[1]):
                    c = targets[number, t]
                    if c < 0 or not is_good:
                        break
                    o = uint64(ends[c])
                    if c == meta:
                        out[o] = uint8(123 if used == 0 else 44)
                        o += uint64(1)
                        members[used, 0], members[used, 1] = int64(name), int64(name_end)
                        members[used, 2] = int64(o)
                        o = _write_name(data, name, name_end, out, o)
                    i, o, kind, line_checked = _value(
                        data, value, out, o, ways[c], members, used + 1, frames, spare,
                        fractions, line_checked,
                    )  # fmt: skip
                    is_good = (kind & kinds[c]) != 0
                    is_null = is_null or (c == 0 and kind == NULL)
                    if c == meta:
                        members[used, 3] = int64(o)
                        used += 1
                    if kind != NULL or c == meta:
                        ends[c] = int64(o)
                        valid[c, row] = 1
                if not is_good:
                    break
                is_good = False
                i = _space(data, i)
                if data[i] == 125:
                    is_whole = True
                    break
                if data[i] != 44:
                    break
                i = _space(data, i + uint64(1))
            if is_whole and seen[0] == line:
                i = _space(data, i + uint64(1))
                if data[i] == 10 and int64(i - start) <= longest:
                    status = NULL_TEXT if is_null else DOCUMENT
            if status == DOCUMENT and used > 0:
                o = uint64(ends[meta])
                if _sorted(data, members, int64(0), used, out, o, spare):
                    out[o] = uint8(125)
                    ends[meta] = int64(o) + 1
                else:
                    status = CAREFUL
        if status == CAREFUL:
            i = start
            while data[i] != 10:
                i += uint64(1)
        lines[line, 0], lines[line, 1], lines[line, 2] = int64(start), int64(i - start), status
        if status == DOCUMENT:
            rows[row, 0], rows[row, 1] = line, line_noted
            for k in range(checked, line_checked):
                fractions[k, 2] = row
            row += 1
            for c in range(n_columns):
                offsets[c, row] = ends[c] - c * len(data)
            checked = line_checked
        line += 1
        at = i + uint64(1)
    counts[0], counts[1] = row, checked
