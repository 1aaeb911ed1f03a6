"""The scan in front of the line rules: one pass finds the signs that all lines of a rule have.

Arrow's RE2 then reads only the lines with such signs: it takes some 3 ns per byte, and hardly a
line has a bar, a bracket or a notice about cookies. The scan can see too much, but misses nothing
that ``HINTS`` of curate.text.trim match.

Speed limit: four look-ups per byte, in tables of one kilobyte.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numba import int64, uint8, uint32, uint64

from curate.kernels.arrow import buffers
from curate.kernels.jit import kernel

#: The bit of each rule.
RULES: Final = {
    "pipe_lines": 1,
    "javascript_lines": 2,
    "cookie_policy_lines": 4,
    "citation_marks": 8,
    "navigation_lines": 16,
}

_SPACES: Final = b"\t\n\f\r "
_ANY: Final = bytes(range(256))
#: A part of each phrase of cookie_policy_lines, searched in both cases. RE2 knows a third form of
#: two letters, ſ and the sign of kelvin: a text that has one is always seen.
PARTS: Final = (
    *("cookie", "f use", "vacy pol", "нфи", "ұпи", "zlilik", "erez pol", "خصوص", "رتبا", "バシー"),
    *("방침", "隐私政", "隱私政"),
)


def _windows() -> Iterable[tuple[str, list[bytes]]]:
    """Yield a rule and, for each of up to eight bytes in a row, those that may stand there."""
    yield "pipe_lines", [b"|"]
    yield "pipe_lines", [b"\xef", b"\xbd", b"\x9c"]
    yield "javascript_lines", [b"jJ", b"aA", b"vV", b"aA"]
    yield "citation_marks", [b"[", b"0123456789]ec"]
    for rule in ("javascript_lines", "cookie_policy_lines"):
        yield rule, [b"\xc5", b"\xbf"]
        yield rule, [b"\xe2", b"\x84", b"\xaa"]
    for part in PARTS:
        # From the last byte of a character of three on: the first ones are those of many.
        begin = 2 if len(part[0].encode()) == 3 else 0
        small, capital = (form.encode()[begin : begin + 8] for form in (part.lower(), part.upper()))
        yield "cookie_policy_lines", [bytes(both) for both in zip(small, capital, strict=True)]
    yield "navigation_lines", [_SPACES, b"|>/", _SPACES]
    yield "navigation_lines", [_SPACES, b"\xc2", b"\xb7\xbb", _SPACES]  # · »
    yield "navigation_lines", [_SPACES, b"\xe2", b"\x80", b"\xa2\xba"]  # • ›
    yield "navigation_lines", [_SPACES, b"\xe2", b"\x86", b"\x92"]  # →
    yield "navigation_lines", [_SPACES, b"\xef", b"\xbd", b"\x9c"]
    # At the begin of a line: the last three, see `_begins_line`.
    yield "navigation_lines", [_SPACES, b"\xc2", b"\xab"]  # «
    yield "navigation_lines", [_SPACES, b"\xe2", b"\x80", b"\xb9"]  # ‹
    yield "navigation_lines", [_SPACES, b"\xe2", b"\x86", b"\x90"]  # ←


@lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray, np.uint32]:
    """Return for each of eight bytes the windows that allow it, each window's rule, the last three.

    The first is uint32[8, 256], the second uint8[windows].
    """
    windows = list(_windows())
    allowed = np.zeros((8, 256), np.uint32)
    for number, (_, places) in enumerate(windows):
        for place, codes in enumerate([*places, *[_ANY] * 7][:8]):
            allowed[place, list(codes)] |= np.uint32(1 << number)
    rules = np.array([RULES[rule] for rule, _ in windows], np.uint8)
    return allowed, rules, np.uint32(0b111 << (len(windows) - 3))


def scan(texts: pa.LargeStringArray) -> np.ndarray:
    """Return the rules that could change each text, or a line of it, as bits; 0 for null.

    >>> scan(pa.array(["a | b", "He came [2].", "Bake cookies.", "x"], pa.large_string())).tolist()
    [17, 8, 4, 0]
    """
    data, offsets = buffers(texts)
    found = np.zeros(len(texts), np.uint8)
    _scan(data, offsets, *_tables(), found)
    return found


@kernel
def _begins_line(data: Any, at: Any, start: Any) -> Any:
    """Return whether nothing but white space is before a place in its line."""
    while at > start and (
        data[at - uint64(1)] == 32
        or data[at - uint64(1)] == 9
        or data[at - uint64(1)] == 12
        or data[at - uint64(1)] == 13
    ):
        at -= uint64(1)
    return at == start or data[at - uint64(1)] == 10


@kernel
def _byte(data: Any, at: Any, start: Any, end: Any) -> Any:
    """Return a byte of a text, a line end outside of it."""
    return data[uint64(at)] if start <= at < end else uint8(10)


@kernel
def _rules_at(
    data: Any, at: Any, begin: Any, stop: Any, allowed: Any, rules: Any, of_begins: Any
) -> Any:
    """Return the rules of the windows that are at a place of a text, as bits."""
    windows = ~uint32(0)
    for k in range(8):
        windows = uint32(windows & allowed[k, _byte(data, at + k, begin, stop)])
    if windows & of_begins and not _begins_line(data, uint64(at + 1), uint64(begin)):
        windows = uint32(windows & ~of_begins)
    found = 0
    for number in range(len(rules)):
        if (windows >> uint32(number)) & uint32(1):
            found |= int64(rules[number])
    return found


@kernel
def _scan(data: Any, offsets: Any, allowed: Any, rules: Any, of_begins: Any, found: Any) -> None:
    first, second, third, fourth = allowed[0], allowed[1], allowed[2], allowed[3]
    for text in range(len(offsets) - 1):
        begin, stop = int64(offsets[text]), int64(offsets[text + 1])
        seen = 0
        last = max(begin, stop - 3)
        for i in range(uint64(begin), uint64(last)):
            windows = (
                first[data[i]]
                & second[data[i + uint64(1)]]
                & third[data[i + uint64(2)]]
                & fourth[data[i + uint64(3)]]
            )
            if windows:
                seen |= _rules_at(data, int64(i), begin, stop, allowed, rules, of_begins)
        # The window before the first byte, and those that reach beyond the last.
        seen |= _rules_at(data, begin - 1, begin, stop, allowed, rules, of_begins)
        for at in range(last, stop):
            seen |= _rules_at(data, at, begin, stop, allowed, rules, of_begins)
        found[text] = seen
