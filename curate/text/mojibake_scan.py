"""The gate in front of repair: finds the lines that ftfy, NFC or our own rules could change at all.

Repairing costs microseconds per word, and almost no text needs it. One pass over the UTF-8 bytes
flags each line that a repair could change; the others are never even decoded. Nothing here is a
heuristic of its own: ftfy's badness pattern is compiled, as it stands in the installed version, into
the table of a finite automaton, and the normalization facts come from the running ``unicodedata``.
So the gate can flag too much, but cannot miss what the installed ftfy would change.

Bound by one dependent table look-up per character beyond ASCII (2 to 3 ns per byte); plain ASCII goes
by in blocks that the compiler turns into vector code (0.1 ns per byte).

Where it goes wrong: texts in scripts whose letters may compose (Tamil, decomposed Yoruba) are
flagged often; they then pay for a call of ``unicodedata.normalize`` per line, not for ftfy.
"""

from __future__ import annotations

import importlib
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curate.errors import InternalError
from curate.kernels.arrow import buffers
from curate.kernels.jit import inline, kernel

#: What may have to be done to a line: the whole of ftfy, NFC alone, or whitespace.
MEND, NORMALIZE, TIDY = 1, 2, 4

#: Longest run of combining marks that is passed to a normalizer (UAX #15, stream-safe text).
MARK_RUN = 30

#: ftfy cuts longer lines, and a cut is a line start to its pattern: such a line is always flagged.
LONGEST_LINE = 1_000_000

# Traits of a code point, in the high byte of its table entry.
REMOVED, _COMPOSES, _MARK, _MATTERS = 1 << 8, 2 << 8, 4 << 8, 8 << 8

_ACCEPT = 0  # the automaton's state "ftfy would look closer"


class Element(NamedTuple):
    """One place of a pattern: the characters that may stand there."""

    codes: frozenset[int]
    space: bool = False  #: any ``\\s`` besides
    word: bool = False  #: any ``\\w`` besides
    negated: bool = False

    def holds(self, char: str) -> bool:
        """Tell whether a character may stand there."""
        inside = (
            ord(char) in self.codes
            or (self.space and char.isspace())
            or (self.word and (char.isalnum() or char == "_"))
        )
        return inside != self.negated


class Tables(NamedTuple):
    """What the kernels read. ``entry`` has a code point's class below and its traits above."""

    entry: np.ndarray  #: uint16[0x110000]
    combining: np.ndarray  #: uint8[0x110000], canonical combining class
    step: np.ndarray  #: uint8[states, classes]
    line_start: int  #: state at the start of a line
    elsewhere: int  #: state that remembers nothing
    ascii_states: int  #: states 1 ... ascii_states - 1 remember only ASCII characters
    memory: int  #: how many ASCII characters such a state remembers


class Flags(NamedTuple):
    """What the gate found: the bits of each text, and its lines that need MEND or NORMALIZE."""

    texts: np.ndarray  #: uint8 per text
    lines: np.ndarray  #: int64[n, 4]: text, first and end byte in it (with newline), bits


def scan(texts: pa.LargeStringArray) -> Flags:
    r"""Flag the texts, and within them the lines, that a repair could change.

    An empty text has no flags; a null must not occur.

    >>> scan(pa.array(["The café is open.", "The cafÃ© is open.", "two \n lines"], pa.large_string())).texts
    array([0, 1, 4], dtype=uint8)
    """
    data, offsets = buffers(texts)
    flags = np.zeros(len(texts), np.uint8)
    lines = np.empty((1024, 4), np.int64)
    while True:
        found = _scan(data, offsets, *tables(), flags, lines)
        if found <= len(lines):
            return Flags(flags, lines[:found])
        lines = np.empty((found, 4), np.int64)


def is_bad(text: str) -> bool:
    """Give the answer of ``ftfy.badness.is_bad``, in a small part of its time.

    >>> is_bad("schÃ¶n"), is_bad("schön"), is_bad("")
    (True, False, False)
    """
    found = tables()
    data = np.frombuffer(text.encode(), np.uint8)
    return bool(_is_bad(data, found.entry, found.step, found.line_start))


@inline
def decode(data: np.ndarray, i: int) -> tuple[Any, int]:
    """Give the code point at byte ``i`` of valid UTF-8, and its length in bytes."""
    c = np.uint32(data[i])
    if c < 0x80:
        return c, 1
    if c < 0xE0:
        return ((c & np.uint32(31)) << np.uint32(6)) | (np.uint32(data[i + 1]) & np.uint32(63)), 2
    if c < 0xF0:
        return (
            ((c & np.uint32(15)) << np.uint32(12))
            | ((np.uint32(data[i + 1]) & np.uint32(63)) << np.uint32(6))
            | (np.uint32(data[i + 2]) & np.uint32(63))
        ), 3
    return (
        ((c & np.uint32(7)) << np.uint32(18))
        | ((np.uint32(data[i + 1]) & np.uint32(63)) << np.uint32(12))
        | ((np.uint32(data[i + 2]) & np.uint32(63)) << np.uint32(6))
        | (np.uint32(data[i + 3]) & np.uint32(63))
    ), 4


@inline
def _entity(data: np.ndarray, i: int, end: int) -> bool:
    """Tell whether an HTML entity as ftfy knows it starts at the ampersand at ``i``."""
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
    """Tell whether the next bytes are all printable ASCII and no ampersand."""
    block = data[i : i + size]  # numba would ask of each index whether it is negative
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
def _scan(
    data: np.ndarray,
    offsets: np.ndarray,
    entry: np.ndarray,
    combining: np.ndarray,
    step: np.ndarray,
    line_start: int,
    elsewhere: int,
    ascii_states: int,
    memory: int,
    flags: np.ndarray,
    lines: np.ndarray,
) -> int:
    found = 0
    for text in range(len(offsets) - 1):
        begin, end = offsets[text], offsets[text + 1]
        i = begin
        first = begin  # of the line
        state = line_start
        bits = 0  # of the line
        all_bits = 0
        newlines = 0  # in a row, up to here
        marks = 0  # in a row, up to here
        last_class = 0
        crowded = i  # before this place the next block is known not to be plain
        while i < end:
            # Plain ASCII goes by in blocks, but for the last character, where the line is closed.
            if i >= crowded and data[i] < 128 and state < ascii_states:
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
                    state = elsewhere
                    for k in range(memory):
                        state = step[state, entry[data[i - memory + k]] & 255]
                    continue
            code, length = decode(data, i)
            e = entry[code]
            if e >= 256:
                if e & _COMPOSES:
                    bits |= NORMALIZE
                if e & REMOVED:  # ftfy removes most of these, and then looks again
                    bits |= MEND | TIDY
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
                            bits |= MEND
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
                bits |= MEND
                state = elsewhere
            i += length
            if code == 10 or i == end:
                if i - first > LONGEST_LINE:
                    bits |= MEND
                if bits & (MEND | NORMALIZE):
                    if found < len(lines):
                        lines[found, 0] = text
                        lines[found, 1] = first - begin
                        lines[found, 2] = i - begin
                        lines[found, 3] = bits
                    found += 1
                all_bits |= bits
                bits = 0
                first = i
                state = line_start
        if end > begin and (data[end - 1] == 10 or data[end - 1] == 32 or data[end - 1] == 9):
            all_bits |= TIDY
        flags[text] = all_bits
    return found


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Derive the tables from the installed ftfy and the running ``unicodedata`` (about 0.1 s)."""
    from ftfy.badness import BADNESS_RE

    entry, step, states = _automaton(BADNESS_RE.pattern, BADNESS_RE.flags)
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
    return Tables(entry, combining, step, *states)


def removed() -> Iterator[int]:
    """Give the code points that repair removes: they have no meaning in text, or none any more.

    C0 and C1 controls but tab, newline, carriage return and form feed (which become newlines); the
    byte order mark; interlinear annotation and object replacement; the deprecated U+206A-206F
    (these as ftfy does); and the 66 noncharacters.
    """
    yield from (c for c in range(0x20) if c not in (0x09, 0x0A, 0x0C, 0x0D))
    yield from range(0x7F, 0xA0)
    yield from range(0x206A, 0x2070)
    yield from (0xFEFF, *range(0xFFF9, 0xFFFD), *range(0xFDD0, 0xFDF0))
    yield from (plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))


def _assigned() -> Iterator[int]:
    """Give the code points that can have a decomposition or a combining class, to save time.

    The ideographs and Hangul between have neither (Hangul syllables are NFC), nor has anything
    above, but for one block of compatibility ideographs. A test looks at every code point.
    """
    yield from range(0x80, 0x3400)
    yield from range(0xA000, 0xAC00)
    yield from range(0xF900, 0x17000)
    yield from range(0x1AFF0, 0x20000)
    yield from range(0x2F800, 0x2FA20)


def _second_halves(char: str) -> Iterator[int]:
    """Give the second code point of a canonical decomposition: it may compose with what is before."""
    decomposition = unicodedata.decomposition(char)
    if decomposition and not decomposition.startswith("<"):
        parts = decomposition.split()
        if len(parts) == 2:
            yield int(parts[1], 16)


def _automaton(pattern: str, flags: int) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Compile a pattern that is an alternation of short sequences into tables.

    Gives the class of each code point, the transitions, and the numbers of ``Tables``. Two code
    points are of one class when no element of the pattern tells them apart.
    """
    alternatives = list(_alternatives(pattern, flags))
    elements = [element for _, sequence in alternatives for element in sequence]
    class_of, sample = _classes(elements)
    matches = [
        [[element.holds(char) for char in sample] for element in sequence]
        for _, sequence in alternatives
    ]
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
    close(states, range(len(sample)))
    if len(states) > 254 or len(sample) > 255:
        raise InternalError("ftfy's badness pattern no longer fits the gate's tables")
    step = np.zeros((len(states) + 1, len(sample)), np.uint8)
    for places, number in states.items():
        for kind in range(len(sample)):
            target = after(places, kind)
            step[number, kind] = _ACCEPT if target is None else states[target]
    # How many ASCII characters a state can remember: the longest ASCII beginning of an alternative.
    ascii_kinds = {int(class_of[code]) for code in range(0x80)}
    memory = 0
    for sequence in matches:
        length = 0
        while length < len(sequence) and any(sequence[length][kind] for kind in ascii_kinds):
            length += 1
        memory = max(memory, length)
    return class_of, step, (2, 1, ascii_states, memory)


def _alternatives(pattern: str, flags: int) -> Iterator[tuple[bool, list[Element]]]:
    """Give each alternative of a pattern: whether it is anchored at the start, and its elements."""
    parser = importlib.import_module("re._parser")
    [(operation, argument)] = parser.parse(pattern, flags)
    if str(operation) != "BRANCH":
        raise InternalError("ftfy's badness pattern is no alternation", hint="pin ftfy to 6.3")
    for branch in argument[1]:
        variants: list[list[Element]] = [[]]
        anchored = False
        for name, value in branch:
            if str(name) == "AT" and str(value) == "AT_BEGINNING":
                anchored = True
            elif str(name) == "MAX_REPEAT" and value[0] == 0 and value[1] == 1:
                optional = [_element(*part) for part in value[2]]
                variants += [[*variant, *optional] for variant in variants]
            else:
                variants = [[*variant, _element(name, value)] for variant in variants]
        for variant in variants:
            yield anchored, variant


def _element(name: Any, value: Any) -> Element:
    """Read one node of a parsed pattern (``re._parser`` gives operation and argument)."""
    name = str(name)
    if name == "LITERAL":
        return Element(frozenset([value]))
    if name == "RANGE":
        return Element(frozenset(range(value[0], value[1] + 1)))
    if name == "ANY":
        return Element(frozenset([ord("\n")]), negated=True)
    if name == "CATEGORY" and str(value) in ("CATEGORY_SPACE", "CATEGORY_WORD"):
        return Element(
            frozenset(), space=str(value) == "CATEGORY_SPACE", word=str(value) == "CATEGORY_WORD"
        )
    if name == "IN":
        negated = str(value[0][0]) == "NEGATE"
        parts = [_element(*part) for part in value[negated:]]
        return Element(
            frozenset().union(*(part.codes for part in parts)),
            any(part.space for part in parts),
            any(part.word for part in parts),
            negated,
        )
    raise InternalError(f"ftfy's badness pattern has a {name} {value}", hint="pin ftfy to 6.3")


def _classes(elements: list[Element]) -> tuple[np.ndarray, list[str]]:
    """Give each code point's class and a character of each class."""
    elements = list(dict.fromkeys(elements))
    spelt = sorted(frozenset(range(0x80)).union(*(element.codes for element in elements)))
    kinds: dict[tuple[bool, ...], int] = {}
    sample: list[str] = []
    class_of = np.zeros(0x110000, np.uint16)

    def kind_of(char: str) -> int:
        signature = tuple([element.holds(char) for element in elements])
        if signature not in kinds:
            kinds[signature] = len(kinds)
            sample.append(char)
        return kinds[signature]

    # Code points that the pattern does not spell out differ only in being a space or of a word:
    # no space is above the BMP, no letter above the third plane after it.
    others = sorted({*range(0x80, 0xD800), *range(0xE000, 0x40000)}.difference(spelt))
    class_of[:] = kind_of("\U0010fffd")
    for members in (
        [code for code in others if chr(code).isalnum()],
        [code for code in others if code < 0x10000 and chr(code).isspace()],
    ):
        class_of[members] = kind_of(chr(members[0]))
    for code in spelt:
        class_of[code] = kind_of(chr(code))
    return class_of, sample
