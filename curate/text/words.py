"""Word segmentation: where the words of a text are, in every script, in one pass over its UTF-8.

**Words.** A text is cut at whitespace and control characters. The parts between are cut into

* *runs*: letters, digits, marks and everything else that is not punctuation; an apostrophe or
  hyphen between two such characters belongs to the run (``don't``, ``İстанбул-2``), as do a point,
  comma or colon between two digits (``3.14``, ``1,000``, ``12:30``);
* *single code points* of Han, Kana, Thai, Lao, Khmer and Myanmar, which are written without spaces;
* *punctuation and symbols*, each a word of its own; the same mark repeated is one word (``...``).

Marks and format characters (accents, Thai vowels, ZWNJ, variation selectors) stay with the word
before them; a format character before any word belongs to none. There is no dictionary and no
model, so the same bytes give the same words on every machine. Punctuation counts as words because
the published thresholds (datatrove's for FineWeb and FineWeb2) were set with tokenizers that count
it.

Where it goes wrong: an agglutinated word of Korean or Turkish is one word; Thai and Chinese words
are cut into syllables and characters, so thresholds set with a segmenter do not carry over.

**Hashes** are 64-bit and exact in case: equal words have equal hashes on every machine, and two
different words of one text collide with a chance of about 2**-64 per pair. A word of one
code point beyond ASCII letters is only multiplied, which keeps all of them apart; longer words are
mixed as well.

**Lines** end at U+000A. Repair turns other line breaks into it before anything is measured.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.hashing import GOLDEN, fast_mix64, hash_block, hash_span
from curate.kernels.jit import kernel
from curate.kernels.utf8 import LOWER_CASE, decode, eight_bytes, first_bytes, leading_letters

# Roles of a code point: the low three bits are its effect on the word before it.
SEPARATOR: Final = 0
RUN: Final = 1
MARK: Final = 2
FORMAT: Final = 3
SINGLE: Final = 4
PUNCTUATION: Final = 5  #: or a symbol
_WHAT: Final = 7
LETTER: Final = 8
NO_SYMBOL: Final = 16  #: not in datatrove's list of punctuation, see PUBLISHED_SYMBOLS
JOINS_RUNS: Final = 32
JOINS_DIGITS: Final = 64
DIGIT: Final = 128
TERMINAL: Final = 256
NEWLINE: Final = 512
UPPER: Final = 1024
NOT_UPPER: Final = 2048  #: a letter that is not upper case, or in a script without case
_NO_ASCII_LETTER: Final = 4096
_PUNCTUATES: Final = 8192  # PUNCTUATION as a bit
_FOREIGN_TERMINAL: Final = 16384  # and not of ASCII

#: The characters that datatrove (0.10, utils/text.py, PUNCTUATION and TERMINAL_PUNCTUATION) takes
#: for symbols: Gopher's word rules do not count a word of these alone. The list keeps its oddities
#: (the full-width digit one is in it; the bullet, the degree sign and № are not), because FineWeb's
#: and FineWeb2's thresholds were found with it. Ends of sentences are added.
PUBLISHED_SYMBOLS: Final = (
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~´«»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
)

_APOSTROPHES_AND_HYPHENS: Final = "'’-‐‑"
_INSIDE_NUMBERS: Final = ".,:٫٬"

# The flags of a word, one integer: how many code points the words before it have, << CHARS; what is
# before it; and the roles that any of its code points has, those of punctuation if it is a mark.
AFTER_SPACE: Final = 1
AFTER_NEWLINE: Final = NEWLINE
HAS_LETTER: Final = LETTER
MORE_THAN_SYMBOLS: Final = NO_SYMBOL
IS_PUNCTUATION: Final = _PUNCTUATES
ENDS_SENTENCE: Final = TERMINAL
NEEDS_NO_SPACE: Final = _FOREIGN_TERMINAL  #: an end of a sentence, such as the full-width ones
CHARS: Final = 16
_OF_MARKS: Final = IS_PUNCTUATION | ENDS_SENTENCE | NEEDS_NO_SPACE
_WORD_FLAGS: Final = HAS_LETTER | MORE_THAN_SYMBOLS | UPPER | NOT_UPPER | _OF_MARKS


@lru_cache(maxsize=1)
def roles() -> npt.NDArray[np.uint16]:
    """Return the role of every code point, derived from the Unicode tables."""
    classes = unicode.CLASS
    role = np.full(len(classes), RUN, np.uint16)
    control = (classes & unicode.CONTROL) != 0
    format_ = control & (np.arange(len(classes)) > 0x9F)  # below are the C0 and C1 controls
    role[(classes & unicode.PUNCTUATION) != 0] = PUNCTUATION
    role[(classes & unicode.MARK) != 0] = MARK
    role[(classes & unicode.UNSPACED) != 0] = SINGLE
    role[control] = SEPARATOR
    role[format_] = FORMAT
    role[(classes & unicode.SPACE) != 0] = SEPARATOR
    for bit, flag in (
        (unicode.LETTER, LETTER),
        (unicode.DIGIT, DIGIT),
        (unicode.TERMINAL, TERMINAL | _FOREIGN_TERMINAL),
        (unicode.NEWLINE, NEWLINE),
        (unicode.UPPER, UPPER),
    ):
        role[(classes & bit) != 0] |= np.uint16(flag)
    role[:128] &= np.uint16(~_FOREIGN_TERMINAL & 0xFFFF)
    lower = (classes & (unicode.LETTER | unicode.UPPER)) == unicode.LETTER
    role[lower] |= np.uint16(NOT_UPPER)
    role[(role & _WHAT) == PUNCTUATION] |= np.uint16(_PUNCTUATES)
    role |= np.uint16(_NO_ASCII_LETTER)
    role[np.flatnonzero(classes[:128] & unicode.LETTER)] ^= np.uint16(_NO_ASCII_LETTER)
    symbols = (classes & unicode.TERMINAL) != 0
    symbols[[ord(character) for character in PUBLISHED_SYMBOLS]] = True
    role[~symbols] |= np.uint16(NO_SYMBOL)
    for characters, flag in (
        (_APOSTROPHES_AND_HYPHENS, JOINS_RUNS),
        (_INSIDE_NUMBERS, JOINS_DIGITS),
    ):
        role[[ord(character) for character in characters]] |= np.uint16(flag)
    role.setflags(write=False)
    return role


@kernel
def _role_after(data: Any, at: Any, end: Any, role: Any) -> Any:
    """Return the role of the code point at ``at``; past the end it is a separator."""
    if at >= end:
        return uint32(0)
    code, _ = decode(data, at)
    return uint32(role[code])


@kernel
def find_words(
    data: Any, start: Any, end: Any, role: Any, hashes: Any, starts: Any, ends: Any, flags: Any
) -> Any:
    """Write hash, byte span and flags of each word of data[start:end]; return the number of words.

    ``hashes``, ``starts`` and ``ends`` need room for as many words as there are code points,
    ``flags`` for one more: after the last word it has the number of code points of all words.
    ``starts`` and ``ends`` may both be None, which saves the time of writing the spans.

    Bound in English and Russian by the bytes; in Japanese by the arithmetic of each word, and by
    mispredicted branches where a row of characters ends.
    """
    n = uint64(0)
    kind = SEPARATOR
    mark = uint32(0)
    h = uint64(0)
    chars = before = int64(0)  # code points of words until here, and until the current word
    gap = uint32(AFTER_SPACE | AFTER_NEWLINE)
    seen = uint32(0)
    some = uint32(0)  # roles that at least one of the word's code points has
    readable = min(end, len(data) - 7)  # before it eight bytes can be read
    i = begin = start
    while i < end:
        if kind == SEPARATOR and i < readable:
            # Most English words are ASCII letters before a space or a mark: eight bytes at a time.
            block = eight_bytes(data, i)
            found = min(leading_letters(block), end - i)
            if found > 0:
                block &= first_bytes(found)
                lower = block & LOWER_CASE
                stop = i + found
                while found == 8 and stop < readable:
                    more = eight_bytes(data, stop)
                    found = min(leading_letters(more), end - stop)
                    if found > 0:
                        lower |= more & first_bytes(found) & LOWER_CASE
                    stop += found
                after = data[uint64(stop)] if stop < end else uint8(10)
                r = uint32(role[after])
                inside = (r & uint32(_WHAT)) == RUN or r & uint32(JOINS_RUNS)
                if after < uint8(0x80) and not inside:
                    if stop - i <= 8:
                        hashes[n] = hash_block(block, stop - i)
                    else:
                        hashes[n] = hash_span(data, i, stop)
                    if starts is not None:
                        starts[n] = i
                        ends[n] = stop
                    case = uint32(UPPER) if lower == uint64(0) else uint32(NOT_UPPER)
                    word_flags = gap | case | uint32(HAS_LETTER | MORE_THAN_SYMBOLS)
                    flags[n] = chars << CHARS | int64(word_flags)
                    chars += stop - i
                    n += uint64(1)
                    # The space after it is skipped at once.
                    space = after == uint8(32)
                    gap = uint32(AFTER_SPACE) * uint32(space)
                    i = stop + int64(space)
                    continue
        code, size = decode(data, i)
        r = uint32(role[code])
        what = r & uint32(_WHAT)
        extends = False
        if what == RUN:
            extends = kind == RUN
        elif what == PUNCTUATION:
            if kind == PUNCTUATION:
                extends = code == mark
            elif kind == RUN and r & uint32(JOINS_RUNS | JOINS_DIGITS):
                follower = _role_after(data, i + size, end, role)
                if r & uint32(JOINS_RUNS):
                    extends = (follower & uint32(_WHAT)) == RUN
                else:
                    extends = (follower & seen & uint32(DIGIT)) != 0
                if extends:
                    r &= ~uint32(_OF_MARKS)
        elif MARK <= what <= FORMAT:
            extends = kind != SEPARATOR
        if not extends:
            if kind != SEPARATOR:
                if some & uint32(_NO_ASCII_LETTER):
                    hashes[n] = fast_mix64(h) if chars > before + 1 else h
                else:
                    hashes[n] = hash_span(data, begin, i)
                if starts is not None:
                    starts[n] = begin
                    ends[n] = i
                flags[n] = before << CHARS | int64(gap | some & uint32(_WORD_FLAGS))
                n += uint64(1)
                kind = SEPARATOR
                gap = uint32(0)
            if what in (SEPARATOR, FORMAT):
                if what == SEPARATOR:
                    gap |= uint32(AFTER_SPACE) | r & uint32(AFTER_NEWLINE)
                i += size
                continue
            begin = i
            row = what == SINGLE
            while row and i + size + 3 <= end:
                # Han and kana come in rows with marks between, three bytes each. Each is a word as
                # soon as the next one begins another: nearly always, so the branch is predicted
                # well.
                at = uint64(i + size)
                lead = uint32(data[at])
                next_code = (
                    (lead & uint32(0x0F)) << uint32(12)
                    | (uint32(data[at + uint64(1)]) & uint32(0x3F)) << uint32(6)
                    | uint32(data[at + uint64(2)]) & uint32(0x3F)
                )
                next_r = uint32(role[next_code])
                next_what = next_r & uint32(_WHAT)
                row = lead & uint32(0xF0) == uint32(0xE0) and next_code != code
                if not row or next_what < uint32(SINGLE):
                    break
                hashes[n] = (uint64(code) + uint64(1)) * GOLDEN
                flags[n] = chars << CHARS | int64(gap | r & uint32(_WORD_FLAGS))
                gap = uint32(0)
                chars += 1
                if starts is not None:
                    starts[n] = begin
                    ends[n] = i + size
                i += size
                n += uint64(1)
                begin = i
                code, size, r, what = next_code, 3, next_r, next_what
            kind = RUN if what == MARK else int64(what)
            mark = code
            h = uint64(0)
            before = chars
            some = uint32(0)
        while True:
            h = (h + uint64(code) + uint64(1)) * GOLDEN
            chars += 1
            some |= r
            i += size
            if what != RUN or i >= end:
                break
            # Most of a text is inside runs: stay here until the run ends.
            code, size = decode(data, i)
            next_r = uint32(role[code])
            if (next_r & uint32(_WHAT)) != RUN:
                break
            r = next_r
        seen = r
    if kind != SEPARATOR:
        if some & uint32(_NO_ASCII_LETTER):
            hashes[n] = fast_mix64(h) if chars > before + 1 else h
        else:
            hashes[n] = hash_span(data, begin, end)
        if starts is not None:
            starts[n] = begin
            ends[n] = end
        flags[n] = before << CHARS | int64(gap | some & uint32(_WORD_FLAGS))
        n += uint64(1)
    flags[n] = chars << CHARS
    return int64(n)


class Words(NamedTuple):
    """The words of one text; kernels call `find_words` on whole columns without building this."""

    starts: npt.NDArray[np.int64]  #: in bytes
    ends: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.int64]  #: one more than there are words, see `find_words`


def segment_words(text: str) -> Words:
    """Find the words of one text.

    >>> found = segment_words("Don't panic...")
    >>> list(zip(found.starts.tolist(), found.ends.tolist()))
    [(0, 5), (6, 11), (11, 14)]
    """
    data = np.frombuffer(text.encode() + b" ", np.uint8)
    hashes = np.empty(len(data) + 1, np.uint64)
    starts, ends, flags = (np.empty(len(data) + 1, np.int64) for _ in range(3))
    n = find_words(data, 0, len(data) - 1, roles(), hashes, starts, ends, flags)
    return Words(starts[:n], ends[:n], hashes[:n], flags[: n + 1])


def word_hashes(text: str) -> npt.NDArray[np.uint64]:
    """Return the hashes of the words of one text, as kernels count them.

    >>> bool(word_hashes("a b a")[0] == word_hashes("a")[0])
    True
    """
    data = np.frombuffer(text.encode() + b" ", np.uint8)
    hashes, flags = np.empty(len(data) + 1, np.uint64), np.empty(len(data) + 1, np.int64)
    n = find_words(data, 0, len(data) - 1, roles(), hashes, None, None, flags)
    return hashes[:n]


def words(text: str) -> list[str]:
    """Return the words of one text as strings; the empty text has none.

    >>> words("Ол 2024 жылы Алматы-2-ге келді (рас).")
    ['Ол', '2024', 'жылы', 'Алматы-2-ге', 'келді', '(', 'рас', ')', '.']
    >>> words("東京は hot!!!")
    ['東', '京', 'は', 'hot', '!!!']
    """
    data, found = text.encode(), segment_words(text)
    return [data[a:b].decode() for a, b in zip(found.starts.tolist(), found.ends.tolist())]
