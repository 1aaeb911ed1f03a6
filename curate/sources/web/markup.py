"""HTML as flat arrays: elements and runs of text, from one linear pass over UTF-8.

There are no tree objects. An element is a row: its name, its parent, the rows below it, the runs of
text inside it, and what its attributes hint at. A run is a span of bytes between two tags, entities
undecoded. The pass follows the parts of the HTML standard (WHATWG, sections 13.2.5 and 13.2.6) that
decide where text belongs: comments, quoted attributes, raw text elements, void elements, end tags
that are implied (li, dt, dd, tr, td, option, p), and end tags without a start, which are ignored.
It does not move misplaced elements (foster parenting) and reopens no formatting elements: neither
changes the order of the text.

Names, attributes and class words are compared by FNV-1a hashes of their lower-case bytes; a
collision of 64 bits would cost one element of one page. Depth is limited to `MAX_DEPTH`: deeper
elements become children of the element at that depth. The work is linear in the bytes for any
input.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int64, uint8, uint64

from curate.kernels.jit import inline, kernel
from curate.sources.web.markup_tables import (
    ADDRESS,
    ALTERNATIVE,
    BLOCK,
    BUILT,
    CELL,
    CLASS,
    CODE,
    COLUMNS,
    COLUMNS_AT,
    HEADING,
    HIDDEN,
    ID,
    INSIDE,
    MOST_NUMBER,
    MOST_SPANNED,
    NAME,
    NAMED,
    NAMES_IN,
    NEGATIVE,
    NUMBER,
    NUMBER_AT,
    PICTURED,
    PRESENT,
    RAW,
    READING,
    REFERENCE,
    ROW,
    ROWS,
    ROWS_AT,
    STYLE,
    TABLE,
    TAG,
    TEX,
    UNSEEN,
    VALUE,
    VOID,
    WIDGET,
    Tables,
    tables,
)

MAX_DEPTH: Final = 512

_HEAD: Final = TAG["head"]
_BODY: Final = TAG["body"]
_READINGS: Final = TAG["rtc"]
_BEGIN: Final = np.frombuffer(b"\\begin{", np.uint8)


class Markup(NamedTuple):
    """A page as arrays. Element 0 is the page itself; rows are in document order."""

    data: npt.NDArray[np.uint8]  #: the page in UTF-8
    tag: npt.NDArray[np.int16]
    parent: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]  #: the first element behind an element's descendants
    hints: npt.NDArray[np.int64]
    first_run: npt.NDArray[np.int32]
    last_run: npt.NDArray[np.int32]  #: exclusive
    run_start: npt.NDArray[np.int64]
    run_end: npt.NDArray[np.int64]
    run_element: npt.NDArray[np.int32]


def parse(page: bytes, look_up: Tables | None = None) -> Markup:
    """Return the elements and runs of a page in UTF-8.

    ``look_up`` says which attributes hint at what, by default those of any page.

    >>> page = parse(b"<p>Salem <b>alem</b>!<br>x < y")
    >>> [page.data[s:e].tobytes().decode() for s, e in zip(page.run_start, page.run_end)]
    ['Salem ', 'alem', '!', 'x < y']
    >>> from curate.sources.web.markup_tables import TAG
    >>> [bool(tag == TAG["p"]) for tag in page.tag[page.run_element]]
    [True, False, True, True]
    """
    data = np.frombuffer(page, np.uint8)
    room = int(np.count_nonzero(data == ord("<"))) + 2
    tag, hints = np.empty(room, np.int16), np.empty(room, np.int64)
    parent, end, first, last = (np.empty(room, np.int32) for _ in range(4))
    # A tag ends a run, and a picture of a formula is one.
    start, stop = np.empty(2 * room, np.int64), np.empty(2 * room, np.int64)
    element = np.empty(2 * room, np.int32)
    n, runs = _scan(
        data, *(look_up or tables()), tag, parent, end, hints, first, last, start, stop, element
    )
    return Markup(
        data, tag[:n], parent[:n], end[:n], hints[:n], first[:n], last[:n],
        start[:runs], stop[:runs], element[:runs],
    )  # fmt: skip


_FNV_START: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


@inline
def _look_up(keys: Any, values: Any, key: Any) -> Any:
    mask = uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != uint64(0):
        if keys[at] == key:
            return values[at]
        at = (at + uint64(1)) & mask
    return int64(0)


@inline
def is_letter(byte: Any) -> Any:
    """Return whether a byte is an ASCII letter."""
    return (byte >= 97 and byte <= 122) or (byte >= 65 and byte <= 90)


@inline
def _is_space(byte: Any) -> Any:
    return byte == 32 or (byte >= 9 and byte <= 13 and byte != 11)


@inline
def _mixed(value: Any, byte: Any) -> Any:
    """Mix one byte, in lower case, into an FNV-1a hash."""
    small = uint64(byte)
    if byte >= 65 and byte <= 90:
        small = small | uint64(32)
    return (value ^ small) * uint64(_FNV_PRIME)


@kernel
def _class_hints(data: Any, at: Any, end: Any, keys: Any, values: Any) -> Any:
    """Return the hints of the words in data[at:end]: split at no letters and before capitals."""
    hints = int64(0)
    while at < end:
        while at < end and not is_letter(data[at]):
            at += 1
        word, small = uint64(_FNV_START), False
        begin = at
        while at < end and is_letter(data[at]):
            capital = data[at] <= 90
            if capital and small:
                break
            small = not capital
            word = _mixed(word, data[at])
            at += 1
        if at > begin:
            hints |= _look_up(keys, values, word)
    return hints


@kernel
def _name_hints(data: Any, at: Any, end: Any, keys: Any, values: Any) -> Any:
    """Return the hints of the names in data[at:end], which spaces set apart."""
    hints = int64(0)
    while at < end:
        while at < end and _is_space(data[at]):
            at += 1
        name, begin = uint64(_FNV_START), at
        while at < end and not _is_space(data[at]):
            name = _mixed(name, data[at])
            at += 1
        if at > begin:
            hints |= _look_up(keys, values, name)
    return hints


@kernel
def _number(data: Any, at: Any, end: Any, most: Any) -> Any:
    """Return the number in data[at:end], at most ``most``; -1 where there is none."""
    number = int64(-1)
    while at < end and data[at] >= 48 and data[at] <= 57 and number < most:
        number = max(number, 0) * 10 + (int64(data[at]) - 48)
        at += 1
    return min(number, int64(most))


@kernel
def _value_hint(data: Any, at: Any, end: Any, keys: Any, values: Any) -> Any:
    """Return the hint of the first word of an attribute's value."""
    word = uint64(_FNV_START)
    while at < end and not _is_space(data[at]) and data[at] != 59 and data[at] != 58:
        word = _mixed(word, data[at])
        at += 1
    return _look_up(keys, values, word)


@kernel
def _hides(data: Any, at: Any, end: Any) -> Any:
    """Return whether a style holds ``display: none``, spaces or none around the colon."""
    while at + 11 < end:
        matched = at
        for byte in (100, 105, 115, 112, 108, 97, 121):
            if data[matched] | uint8(32) != byte:
                break
            matched += 1
        if matched == at + 7:
            while matched < end and (_is_space(data[matched]) or data[matched] == 58):
                matched += 1
            if matched + 4 <= end and (
                data[matched] | uint8(32) == 110
                and data[matched + 1] | uint8(32) == 111
                and data[matched + 2] | uint8(32) == 110
                and data[matched + 3] | uint8(32) == 101
            ):
                return True
        at += 1
    return False


@kernel
def _after_comment(data: Any, at: Any) -> Any:
    """Return where a comment, a doctype or a bogus comment that begins at ``at`` ends."""
    n = len(data)
    if at + 3 < n and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:
        k = at + 4
        if k < n and data[k] == 62:
            return k + 1
        if k + 1 < n and data[k] == 45 and data[k + 1] == 62:
            return k + 2
        while k + 2 < n:
            if data[k] == 45 and data[k + 1] == 45:
                if data[k + 2] == 62:
                    return k + 3
                if data[k + 2] == 33 and k + 3 < n and data[k + 3] == 62:
                    return k + 4
            k += 1
        return n
    k = at + 2
    while k < n and data[k] != 62:
        k += 1
    return k + 1


@kernel
def _raw_end(data: Any, at: Any, name: Any) -> Any:
    """Return where the content of a raw text element ends, and where its end tag does.

    Without an end tag both are the end of the page.
    """
    n = len(data)
    while at < n:
        if data[at] == 60 and at + 1 < n and data[at + 1] == 47:
            k, word = at + 2, uint64(_FNV_START)
            while k < n and is_letter(data[k]):
                word = _mixed(word, data[k])
                k += 1
            if word == name:
                while k < n and data[k] != 62:
                    k += 1
                return at, min(k + 1, n)
        at += 1
    return n, n


@kernel
def _attributes(
    data: Any, k: Any, kind_of_tag: Any, keys: Any, kinds: Any, hint_keys: Any, hint_values: Any,
    value_keys: Any, value_values: Any,
) -> Any:  # fmt: skip
    """Return where a tag ends (behind ``>``), its hints, whether it closes itself, and its alt."""
    n, hints, closed = len(data), int64(0), False
    alt_begin, alt_end = 0, 0
    while k < n and data[k] != 62:
        if _is_space(data[k]):
            k += 1
            continue
        if data[k] == 47:
            closed = k + 1 < n and data[k + 1] == 62
            k += 1
            continue
        name, begin = uint64(_FNV_START), k
        while k < n and data[k] != 62 and data[k] != 47 and not _is_space(data[k]):
            if data[k] == 61 and k > begin:
                break
            name = _mixed(name, data[k])
            k += 1
        kind = _look_up(keys, kinds, name)
        if kind == PRESENT:
            hints |= HIDDEN
        while k < n and _is_space(data[k]):
            k += 1
        if k >= n or data[k] != 61:
            continue
        k += 1
        while k < n and _is_space(data[k]):
            k += 1
        first = k
        if k < n and (data[k] == 34 or data[k] == 39):
            first = k + 1
            k += 1
            while k < n and data[k] != data[first - 1]:
                k += 1
            last = k
            k += 1
        else:
            while k < n and data[k] != 62 and not _is_space(data[k]):
                k += 1
            last = k
        if kind == CLASS or (kind == ID and not kind_of_tag & HEADING):
            hints |= _class_hints(data, first, last, hint_keys, hint_values)
        elif kind == ADDRESS:
            hints |= REFERENCE | (INSIDE if first < last and data[first] == 35 else 0)
        elif kind == NAMES_IN:
            hints |= _name_hints(data, first, min(last, n), hint_keys, hint_values)
        elif kind == COLUMNS:
            hints |= max(_number(data, first, min(last, n), MOST_SPANNED), 0) << COLUMNS_AT
        elif kind == ROWS:
            hints |= max(_number(data, first, min(last, n), MOST_SPANNED), 0) << ROWS_AT
        elif kind == NUMBER:
            hints |= (_number(data, first, min(last, n), MOST_NUMBER) + 1) << NUMBER_AT
        elif kind == VALUE:
            hints |= _value_hint(data, first, last, value_keys, value_values)
        elif kind == STYLE and _hides(data, first, last):
            hints |= HIDDEN
        elif kind == ALTERNATIVE:
            alt_begin, alt_end = first, min(last, n)
        if kind in (ID, NAME):
            hints |= NAMED
    return min(k + 1, n), hints, closed, alt_begin, alt_end


@kernel
def _is_tex(data: Any, begin: Any, end: Any) -> Any:
    r"""Return whether a picture's text is TeX: $x$, \(x\), \[x\], {\textstyle x}, \begin{...}."""
    if end - begin < 3:
        return False
    first, second = data[begin], data[begin + 1]
    if first == 36:
        return data[end - 1] == 36
    if first == 123:
        return second == 92
    if first != 92 or second == 40 or second == 91:
        return first == 92
    k = 1
    while k < len(_BEGIN) and begin + k < end and data[begin + k] == _BEGIN[k]:
        k += 1
    return k == len(_BEGIN)


@kernel
def _implied_end(
    tag: Any, stack: Any, depth: Any, element_tag: Any, members: Any, closes: Any, bounds: Any
) -> Any:
    """Return the depth of the element that a start tag closes, and 0 where it closes none.

    That is the nearest open element of its group, unless a bound of the group is nearer.
    """
    group = closes[tag]
    at = depth
    while at > 0:
        open_tag = element_tag[stack[at]]
        if members[open_tag] == group:
            return at
        if (bounds[open_tag] >> group) & 1:
            return 0
        at -= 1
    return 0


@kernel
def _matching(
    name: Any, kind: Any, names: Any, stack: Any, depth: Any, element_tag: Any, kinds: Any
) -> Any:
    """Return the depth of the open element that an end tag closes, and 0 where it closes none.

    The end of an inline element does not reach out of a block, nor that of a block out of a cell.
    """
    at = depth
    while at > 0:
        if names[at] == name:
            return at
        open_kind = kinds[element_tag[stack[at]]]
        if not kind & BLOCK and open_kind & BLOCK:
            return 0
        if open_kind & (CELL | TABLE) and not kind & (CELL | ROW | TABLE):
            return 0
        at -= 1
    return 0


@kernel
def _scan(
    data: Any, tag_keys: Any, tag_values: Any, attribute_keys: Any, attribute_values: Any,
    hint_keys: Any, hint_values: Any, value_keys: Any, value_values: Any, kinds: Any,
    members: Any, closes: Any, bounds: Any, tag: Any, parent: Any, end: Any, hints: Any,
    first: Any, last: Any, start: Any, stop: Any, element: Any,
) -> Any:  # fmt: skip
    """Write elements and runs; return how many of each there are."""
    n = len(data)
    stack = np.empty(MAX_DEPTH, np.int32)
    names = np.zeros(MAX_DEPTH, np.uint64)  # of the open elements
    stack[0] = depth = 0
    tag[0] = parent[0] = hints[0] = first[0] = 0
    elements, runs, at, text = 1, 0, 0, 0
    endless = np.zeros(len(kinds), np.int8)  # raw text elements without an end tag behind here
    while at < n:
        if data[at] != 60:
            at += 1
            continue
        is_end = at + 1 < n and data[at + 1] == 47
        k = at + 2 if is_end else at + 1
        is_tag = k < n and is_letter(data[k])
        is_comment = not is_tag and k < n and (is_end or data[k] == 33 or data[k] == 63)
        if not is_tag and not is_comment:
            at += 1
            continue
        if at > text:
            start[runs], stop[runs], element[runs] = text, at, stack[depth]
            runs += 1
        if is_comment:
            at = text = min(_after_comment(data, at), n)
            continue
        name = uint64(_FNV_START)
        while k < n and data[k] != 62 and data[k] != 47 and not _is_space(data[k]):
            name = _mixed(name, data[k])
            k += 1
        number = _look_up(tag_keys, tag_values, name)
        kind = kinds[number]
        k, hint, closed, alt_begin, alt_end = _attributes(
            data, k, kind, attribute_keys, attribute_values, hint_keys, hint_values, value_keys,
            value_values,
        )  # fmt: skip
        if hint & WIDGET and not hint & BUILT:
            hint |= NEGATIVE
        at = text = k
        if is_end:
            close = 0
            if not kind & VOID:
                close = _matching(name, kind, names, stack, depth, tag, kinds)
        elif kind & BLOCK:
            close = _implied_end(number, stack, depth, tag, members, closes, bounds)
            # The end tag of the head may be left out: a block in it, or body anywhere, ends it.
            for open_at in range(depth if number != _BODY else 1, depth + 1):
                if tag[stack[open_at]] == _HEAD:
                    close = open_at
        else:
            close = 0
            if kind & READING:
                at_depth = depth
                while kinds[tag[stack[at_depth]]] & READING and (
                    tag[stack[at_depth]] != _READINGS or not kind & UNSEEN or number == _READINGS
                ):
                    close = at_depth
                    at_depth -= 1
        while close and depth >= close:
            last[stack[depth]], end[stack[depth]] = runs, elements
            depth -= 1
        if is_end:
            continue
        row = elements
        elements += 1
        tag[row], parent[row], hints[row] = number, stack[depth], hint
        first[row] = last[row] = runs
        end[row] = row + 1
        if kind & RAW:
            content, behind = (n, n) if endless[number] else _raw_end(data, at, name)
            if content < n:
                if content > at and (not kind & UNSEEN or hint & TEX):
                    start[runs], stop[runs], element[runs] = at, content, row
                    runs += 1
                last[row] = runs
                at = text = behind
            elif kind & CODE:
                at = text = n
            else:  # Without an end tag it would hide the rest of the page: it is taken as empty.
                endless[number] = 1
            continue
        if (
            kind & VOID
            and alt_end > alt_begin
            and (hint & PICTURED or _is_tex(data, alt_begin, alt_end))
        ):
            start[runs], stop[runs], element[runs] = alt_begin, alt_end, row
            runs += 1
            last[row] = runs
        if kind & VOID or (closed and number == 0):
            continue
        if depth < MAX_DEPTH - 1:
            depth += 1
            stack[depth], names[depth] = row, name
    if n > text:
        start[runs], stop[runs], element[runs] = text, n, stack[depth]
        runs += 1
    while depth >= 0:
        last[stack[depth]], end[stack[depth]] = runs, elements
        depth -= 1
    return elements, runs
