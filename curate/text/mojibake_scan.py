"""The scan in front of repair: finds the lines that ftfy, NFC or our own rules could change at all.

Repair costs microseconds per word, and almost no text needs it. One pass over the UTF-8 bytes flags
each line that a repair could change; the others are never decoded. Nothing in these flags is a
heuristic: ftfy's badness pattern, as in the installed version, is compiled into the table of a
finite automaton, and the normalization facts come from the running ``unicodedata``. So the scan can
flag too much, but cannot miss what the installed ftfy would change. The same pass finds the texts
that ``curate.text.misreadings`` should look at (``curate.text.doubt``).

Bound by one dependent table look-up per character beyond ASCII (1.4 to 2.6 ns per byte); plain
ASCII is skipped in blocks that the compiler turns into vector code (0.15 ns per byte).

Why an automaton of our own: Arrow's RE2 finds the same lines, once comments and spaces are taken
out of the pattern, in 1.9 ns per byte of any script. That is 13 times slower on English and the
same on Cyrillic and Japanese, where our pass also finds what is not in NFC, controls, entities and
spare spaces. On a single line (`is_bad`) a call of Arrow costs 400 times as much, and Python's
``re`` 25 times.

Where it goes wrong: texts in scripts whose letters may compose (Tamil, decomposed Yoruba) are
flagged often; each flagged line costs a call of ``unicodedata.normalize``, but not of ftfy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import int64, uint8, uint16, uint32, uint64

from curate.errors import InternalError
from curate.kernels.arrow import buffers
from curate.kernels.derived import derived
from curate.kernels.grouping import first_of_runs
from curate.kernels.jit import inline, kernel
from curate.kernels.utf8 import decode
from curate.text import doubt

#: What a line may need: all of ftfy, NFC alone, or whitespace.
FIX_MOJIBAKE, NORMALIZE, TIDY = 1, 2, 4

#: Longest run of combining marks passed to a normalizer (UAX #15, stream-safe text).
MARK_RUN = 30

#: ftfy cuts longer lines, and its pattern takes a cut for a line start: such a line is always
#: flagged.
LONGEST_LINE = 1_000_000

# Traits of a code point, in the high byte of its table entry; the highest four bits are its kind.
REMOVED, _COMPOSES, _MARK, _MATTERS = 1 << 8, 2 << 8, 4 << 8, 8 << 8
_TRAITS = 15 << 8

_ACCEPT = 0  # the state of the automaton in which ftfy would look closer


class Tables(NamedTuple):
    """What the kernels read; ``entry``: the class in the low byte, the traits in the high one."""

    entry: np.ndarray  #: uint16[0x110000]
    combining: np.ndarray  #: uint8[0x110000], canonical combining class
    step: np.ndarray  #: uint8[states, classes]
    shared: np.ndarray  #: see curate.text.doubt
    odd_pairs: np.ndarray  #: see curate.text.doubt
    line_start: int  #: state at the start of a line
    elsewhere: int  #: state that remembers nothing
    ascii_states: int  #: states 1 ... ascii_states - 1 remember only ASCII characters
    memory: int  #: how many ASCII characters such a state remembers


class Flags(NamedTuple):
    """What a scan found: the bits of each text; the lines to pass to ftfy or NFC."""

    texts: np.ndarray  #: uint8 per text
    lines: np.ndarray  #: int64[n, 4]: text, first and end byte in it (with newline), bits
    doubts: np.ndarray  #: bool per text: perhaps read in a wrong code page


def scan(texts: pa.LargeStringArray) -> Flags:
    r"""Flag the texts, and within them the lines, that a repair could change.

    An empty text has no flags; a null must not occur.

    >>> texts = ["The café is open.", "The cafÃ© is open.", "two \n lines"]
    >>> scan(pa.array(texts, pa.large_string())).texts
    array([0, 1, 4], dtype=uint8)
    """
    data, offsets = buffers(texts)
    flags = np.zeros(len(texts), np.uint8)
    doubts = np.zeros(len(texts), np.bool_)
    lines = np.empty((1024, 4), np.int64)
    while True:
        found = _scan(data, offsets, *tables(), flags, lines, doubts)
        if found <= len(lines):
            return Flags(flags, lines[:found], doubts)
        lines = np.empty((found, 4), np.int64)


def is_bad(text: str) -> bool:
    """Return what ``ftfy.badness.is_bad`` returns, 25 times faster.

    >>> is_bad("schÃ¶n"), is_bad("schön"), is_bad("")
    (True, False, False)
    """
    known = tables()
    data = np.frombuffer(text.encode(), np.uint8)
    return bool(_is_bad(data, known.entry, known.step, known.line_start))


@lru_cache(maxsize=2)  # a line is asked about before and after each of its changes
def marks_and_controls(text: str) -> tuple[bool, bool]:
    r"""Return whether more than 30 combining marks are in a row, and whether any control is there.

    These are the characters that repair removes, which include ftfy's controls and those of C1.

    >>> marks_and_controls("e" + "\u0301" * 31), marks_and_controls("e\u0301\x85")
    ((True, False), (False, True))
    """
    found = _marks_and_controls(np.frombuffer(text.encode(), np.uint8), tables().entry)
    return bool(found & 1), bool(found & 2)


@inline
def _entity(data: np.ndarray, i: int, end: int) -> bool:
    """Return whether an HTML entity as ftfy knows it starts at the ampersand at ``i``."""
    j = i + 1
    if j < end and data[j] == 35:
        j += 1
    first = j
    while (
        j < end
        and j - first < 25
        and (48 <= data[j] <= 57 or 65 <= data[j] <= 90 or 97 <= data[j] <= 122)
    ):
        j += 1
    return bool(j < end and data[j] == 59 and 0 < j - first < 25)


@inline
def plain(data: np.ndarray, i: int, size: int) -> bool:
    """Return whether the next bytes are all printable ASCII and no ampersand."""
    block = data[i : i + size]  # numba would test each index for being negative
    special = False
    for k in range(size):
        c = block[k]
        special |= (c < 32) | (c == 38) | (c > 126)
    return not special


@kernel
def _is_bad(data: np.ndarray, entry: np.ndarray, step: np.ndarray, state: int) -> bool:
    i = 0
    while i < len(data):
        code, length = decode(data, i)
        state = step[state, entry[code] & 255]
        if state == _ACCEPT:
            return True
        i += length
    return False


@kernel
def _marks_and_controls(data: np.ndarray, entry: np.ndarray) -> int:
    found = marks = 0
    i = 0
    while i < len(data):
        code, length = decode(data, i)
        marks = marks + 1 if entry[code] & _MARK else 0
        found |= int64(marks > MARK_RUN) | int64(entry[code] & REMOVED > 0) << 1
        i += length
    return found


@kernel
def _scan(
    data: np.ndarray,
    offsets: np.ndarray,
    entry: np.ndarray,
    combining: np.ndarray,
    step: np.ndarray,
    shared: np.ndarray,
    odd_pairs: np.ndarray,
    line_start: int,
    elsewhere: int,
    ascii_states: int,
    memory: int,
    flags: np.ndarray,
    lines: np.ndarray,
    doubts: np.ndarray,
) -> int:
    found = 0
    for text in range(len(offsets) - 1):
        begin, end = offsets[text], offsets[text + 1]
        i = begin
        first = begin  # of the line
        state = uint8(line_start)
        bits = 0  # of the line
        all_bits = 0
        newlines = 0  # in a row, up to here
        marks = 0  # in a row, up to here
        last_class = 0
        crowded = i  # before this place no block is plain
        stop = uint64(end)
        kinds = uint64(0)  # of the last three characters
        alphabets = ~uint64(0)  # that have all letters, except those that are counted as foreign
        odd = foreign = high = uint64(0)
        while i < end:
            # Plain ASCII is skipped in blocks, except the last character, where the line is closed.
            last = kinds & uint64(15)
            if (
                i >= crowded
                and data[i] < 128
                and state < ascii_states
                and (
                    last == uint64(0) or last == uint64(doubt.ASCII)
                )  # others may be odd before it
            ):
                ahead = i
                while ahead + 64 < end and plain(data, ahead, 64):
                    ahead += 64
                while ahead + 8 < end and plain(data, ahead, 8):
                    ahead += 8
                crowded = ahead + 8
                if ahead > i:
                    i = ahead
                    marks = 0
                    newlines = 0
                    state = uint8(elsewhere)
                    for k in range(memory):
                        state = step[state, entry[data[i - memory + k]] & 255]
                    kinds = kinds << uint64(4) | uint64(entry[data[i - 1]] >> 12)
                    continue
            # Short loops over characters of one, two or three bytes, until one is special.
            ahead = uint64(i)
            next_block = min(uint64(max(crowded, i + 3)), stop - uint64(1))
            while ahead < next_block and data[ahead] < uint8(128):
                e = entry[data[ahead]]
                after = step[state, e & uint16(255)]
                if e & uint16(_TRAITS) or after == _ACCEPT:
                    break
                state = after
                ahead += uint64(1)
            begun = ahead
            if begun > uint64(i):  # only the first of them may be odd, only the last count later
                kinds = (kinds << uint64(4) | uint64(entry[data[i]] >> 12)) & uint64(doubt.THREE)
                odd += uint64(odd_pairs[kinds])
                kinds = kinds << uint64(4) | uint64(entry[data[begun - uint64(1)]] >> 12)
            while data[ahead] & uint8(0xE0) == uint8(0xC0) and ahead + uint64(2) < stop:
                code = uint32(data[ahead] & uint8(31)) << uint32(6) | uint32(
                    data[ahead + uint64(1)] & uint8(63)
                )
                e = entry[code]
                after = step[state, e & uint16(255)]
                if e & uint16(_TRAITS) or after == _ACCEPT:
                    break
                state = after
                kinds = (kinds << uint64(4) | uint64(e >> 12)) & uint64(doubt.THREE)
                odd += uint64(odd_pairs[kinds])
                common = alphabets & shared[min(code, uint32(doubt.LAST))]
                foreign += uint64(common == 0)
                alphabets = common if common else alphabets
                ahead += uint64(2)
            high += (ahead - begun) >> uint64(1)
            if ahead == begun:
                while (
                    uint8(0xE0) <= data[ahead] < uint8(0xF0)
                    and data[ahead] != uint8(0xE2)  # signs
                    and ahead + uint64(3) < stop
                ):
                    e = entry[decode(data, ahead)[0]]
                    after = step[state, e & uint16(255)]
                    if e & uint16(_TRAITS) or after == _ACCEPT:
                        break
                    state = after
                    kinds = uint64(0)  # no script there has code pages of single bytes
                    high += uint64(1)
                    ahead += uint64(3)
            if ahead > i:
                i = int64(ahead)
                marks = 0
                newlines = 0
                continue
            code, length = decode(data, i)
            e = entry[code]
            kinds = (kinds << uint64(4) | uint64(e >> 12)) & uint64(doubt.THREE)
            odd += uint64(odd_pairs[kinds])
            if code > 127:
                high += uint64(1)
                common = alphabets & shared[min(uint32(code), uint32(doubt.LAST))]
                foreign += uint64(common == 0)
                alphabets = common if common else alphabets
            if e & _TRAITS:
                if e & _COMPOSES:
                    bits |= NORMALIZE
                if e & REMOVED:  # ftfy removes most of these, and then looks again
                    bits |= FIX_MOJIBAKE | TIDY
                if e & _MARK:
                    this_class = combining[code]
                    marks += 1
                    if marks > MARK_RUN or (marks > 1 and this_class < last_class):
                        bits |= NORMALIZE
                    last_class = this_class
                else:
                    marks = 0
                if e & _MATTERS:
                    if code == 38:
                        if _entity(data, i, end):
                            bits |= FIX_MOJIBAKE
                    elif code == 10:
                        newlines += 1
                        if newlines > 3 or i == begin or data[i - 1] == 32 or data[i - 1] == 9:
                            bits |= TIDY
                    else:
                        bits |= TIDY
            else:
                marks = 0
            if code != 10:
                newlines = 0
            state = step[state, e & 255]
            if state == _ACCEPT:
                bits |= FIX_MOJIBAKE
                state = uint8(elsewhere)
            i += length
            if code == 10 or i == end:
                if i - first > LONGEST_LINE:
                    bits |= FIX_MOJIBAKE
                if bits & (FIX_MOJIBAKE | NORMALIZE):
                    if found < len(lines):
                        lines[found, 0] = text
                        lines[found, 1] = first - begin
                        lines[found, 2] = i - begin
                        lines[found, 3] = bits
                    found += 1
                all_bits |= bits
                bits = 0
                first = i
                state = uint8(line_start)
        if end > begin and (data[end - 1] == 10 or data[end - 1] == 32 or data[end - 1] == 9):
            all_bits |= TIDY
        flags[text] = all_bits
        doubts[text] = doubt.many(odd, foreign, high) or doubt.few(odd, foreign, high)
    return found


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Return the tables of the installed ftfy and the running ``unicodedata``."""
    arrays = derived(__name__, "tables", _tables)
    return Tables(
        arrays["entry"], arrays["combining"], arrays["step"], arrays["shared"],
        arrays["odd_pairs"], *arrays["states"].tolist(),
    )  # fmt: skip


def _tables() -> dict[str, np.ndarray]:
    from ftfy.badness import BADNESS_RE

    entry, step, states = _automaton(BADNESS_RE.pattern)
    combining = np.zeros(0x110000, np.uint8)
    for code in _assigned():
        char = chr(code)
        combining[code] = unicodedata.combining(char)
        if combining[code]:
            entry[code] |= _MARK
        if unicodedata.decomposition(char) and not unicodedata.is_normalized("NFC", char):
            entry[code] |= _COMPOSES
        for later in _second_halves(char):
            entry[later] |= _COMPOSES
    for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)):  # Hangul vowels and finals
        entry[code] |= _COMPOSES
    for code in removed():
        entry[code] |= REMOVED
    for code in (0x0A, 0x0C, 0x0D, ord("&")):
        entry[code] |= _MATTERS
    entry |= doubt.kinds() << 12
    shared, odd_pairs = doubt.shared_alphabets(), doubt.odd_pairs()
    return {
        "entry": entry, "combining": combining, "step": step, "shared": shared,
        "odd_pairs": odd_pairs, "states": np.array(states),
    }  # fmt: skip


def removed() -> Iterator[int]:
    """Yield the code points that repair removes: they have no meaning in text, or none any more.

    C0 and C1 controls except tab, newline, carriage return and form feed (which become newlines);
    the byte order mark; interlinear annotation and object replacement; the deprecated U+206A-206F
    (these as ftfy does); and the 66 noncharacters.
    """
    yield from (c for c in range(0x20) if c not in (0x09, 0x0A, 0x0C, 0x0D))
    yield from range(0x7F, 0xA0)
    yield from range(0x206A, 0x2070)
    yield from (0xFEFF, *range(0xFFF9, 0xFFFD), *range(0xFDD0, 0xFDF0))
    yield from (plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))


def _assigned() -> Iterator[int]:
    """Yield the code points that can have a decomposition or a combining class, to save time.

    The ideographs and Hangul between have neither (Hangul syllables are NFC), nor has anything
    above, except one block of compatibility ideographs. A test checks every code point.
    """
    yield from range(0x80, 0x3400)
    yield from range(0xA000, 0xAC00)
    yield from range(0xF900, 0x17000)
    yield from range(0x1AFF0, 0x20000)
    yield from range(0x2F800, 0x2FA20)


def _second_halves(char: str) -> Iterator[int]:
    """Yield the second code point of a decomposition: it may compose with the one before."""
    decomposition = unicodedata.decomposition(char)
    if decomposition and not decomposition.startswith("<"):
        parts = decomposition.split()
        if len(parts) == 2:
            yield int(parts[1], 16)


def _automaton(pattern: str) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Compile a pattern that is an alternation of short sequences into tables.

    Returns the class of each code point, the transitions, and the numbers of ``Tables``. Two code
    points are of one class when no element of the pattern distinguishes them.
    """
    alternatives = list(_alternatives(pattern))
    elements = list(dict.fromkeys(part for _, sequence in alternatives for part in sequence))
    class_of, matched = _classes(elements)
    class_count = matched.shape[1]
    row_of = dict(zip(elements, matched.tolist()))
    matches = [[row_of[element] for element in sequence] for _, sequence in alternatives]
    fresh = frozenset((a, 0) for a, (anchored, _) in enumerate(alternatives) if not anchored)
    at_start = fresh | {(a, 0) for a, (anchored, _) in enumerate(alternatives) if anchored}

    def after(places: frozenset[tuple[int, int]], kind: int) -> frozenset[tuple[int, int]] | None:
        reached = {(a, i + 1) for a, i in places if matches[a][i][kind]}
        if any(i == len(matches[a]) for a, i in reached):
            return None
        return fresh | reached

    def close(states: dict[Any, int], kinds: Iterable[int]) -> None:
        kinds = list(kinds)
        todo = list(states)
        while todo:
            places = todo.pop()
            for kind in kinds:
                target = after(places, kind)
                if target is not None and target not in states:
                    states[target] = len(states) + 1
                    todo.append(target)

    states = {fresh: 1, at_start: 2}
    close(states, {int(class_of[code]) for code in range(0x80)})
    ascii_states = len(states) + 1
    close(states, range(class_count))
    if len(states) > 254 or class_count > 255:
        raise InternalError("ftfy's badness pattern no longer fits the scan's tables")
    step = np.zeros((len(states) + 1, class_count), np.uint8)
    for places, number in states.items():
        for kind in range(class_count):
            target = after(places, kind)
            step[number, kind] = _ACCEPT if target is None else states[target]
    # The most ASCII characters a state can remember: the longest ASCII beginning of an alternative.
    ascii_kinds = {int(class_of[code]) for code in range(0x80)}
    memory = 0
    for sequence in matches:
        length = 0
        while length < len(sequence) and any(sequence[length][kind] for kind in ascii_kinds):
            length += 1
        memory = max(memory, length)
    return class_of, step, (2, 1, ascii_states, memory)


def _alternatives(pattern: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield each alternative of a verbose pattern: whether it begins with ``^``, and its elements.

    An element is a pattern that matches one character: a class, an escape or the character itself.
    """
    variants: list[list[str]] = [[]]
    anchored = False
    for part in [*_PARTS.findall(re.sub("#.*", "", pattern)), "|"]:
        if part in _UNKNOWN or max(part) > "\uffff":
            raise InternalError(f"ftfy's badness pattern has a {part}", hint="pin ftfy to 6.3")
        if part == "|":
            yield from ((anchored, variant) for variant in variants)
            variants, anchored = [[]], False
        elif part == "^":
            anchored = True
        elif part == "?":
            variants += [variant[:-1] for variant in variants]
        else:
            variants = [[*variant, part] for variant in variants]


_PARTS = re.compile(r"\[(?:\\.|[^\]])*\]|\\.|\S")
_UNKNOWN = frozenset("()*+{}$")


def _classes(elements: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return each code point's class, and the matrix of which elements match which classes."""
    # Above the BMP one letter stands for all letters, and one other code point for all others: no
    # element names any of them, none is a space, and none above the third plane is a letter.
    codes = np.array([*range(0xD800), *range(0xE000, 0x10000), 0x10000, 0x10FFFD], np.uint32)
    every = codes.tobytes().decode("utf-32-le")
    higher = "".join(map(chr, range(0x10000, 0x40000)))
    matched = np.zeros((128, len(codes)), np.bool_)
    for row, element in enumerate(elements):
        matched[row, np.searchsorted(codes, _matching(element, every))] = True
    low, high = np.packbits(matched, axis=0).T.copy().view(np.uint64).T
    order = np.lexsort((low, high))
    first = first_of_runs(low[order], high[order])
    kinds = np.empty(len(codes), np.uint16)
    kinds[order] = np.cumsum(first) - 1
    class_of = np.full(0x110000, kinds[-1], np.uint16)
    class_of[codes] = kinds
    class_of[_matching(r"\w", higher)] = kinds[-2]
    return class_of, matched[: len(elements), order[first]]


def _matching(element: str, text: str) -> np.ndarray:
    """Return the code points of a text that an element matches."""
    return np.frombuffer("".join(re.findall(element, text)).encode("utf-32-le"), np.uint32)
