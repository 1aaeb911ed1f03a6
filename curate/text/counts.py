"""Counts: the int64 columns that the signals of a document are computed from.

Four kernels read the documents of a column, one for each level: bytes, characters, words with their
repetition, and in curate.text.line_counts lines. Each runs only when a signal needs one of its
columns. All are integers, so that they do not depend on the machine; -1 marks what is undefined for
a text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.folding import BLOCK, decode_block
from curate.kernels.hashing import table_size
from curate.kernels.jit import kernel
from curate.kernels.utf8 import stretch_end
from curate.text.repetition import count_repetition, first_of_each
from curate.text.words import (
    AFTER_NEWLINE,
    AFTER_SPACE,
    CHARS,
    ENDS_SENTENCE,
    HAS_LETTER,
    IS_PUNCTUATION,
    MORE_THAN_SYMBOLS,
    NEEDS_NO_SPACE,
    NOT_UPPER,
    UPPER,
    find_words,
)

#: The columns, by kernel; those of lines are in curate.text.line_counts, words in
#: curate.text.words.
BYTES: Final = (
    "n_bytes",
    "n_chars",
    "newlines",
    "hash_marks",  # "#"
    "ellipses",  # "..." without overlap, and "…"
    "curly_brackets",  # "{"
    "lorem_ipsums",  # the phrase, ASCII case ignored
    "closing_brackets",  # "}"
)
CHARACTERS: Final = (
    "letters",
    "digits",
    "punctuation",
    "spaces",
    "upper_case",
    "replacement_characters",  # U+FFFD
)
WORDS: Final = (
    "words",
    "plain_words",  # words that are more than published symbols
    "plain_word_chars",
    "alphabetic_words",  # words with a letter
    "longest_word_chars",
    "sentences",
    "all_caps_words",  # words with letters, all of them upper case
)
VARIETY: Final = (
    "distinct_words",  # among plain words
    "word_information",  # sum of c ln c over them, c the count of each, in millionths
)
STOP_WORDS: Final = ("stop_words_used", "stop_words_distinct")
REPETITION: Final = (
    *("top_2gram_chars", "top_3gram_chars", "top_4gram_chars"),
    *("repeated_5gram_chars", "repeated_6gram_chars", "repeated_7gram_chars"),
    *("repeated_8gram_chars", "repeated_9gram_chars", "repeated_10gram_chars"),
)
SCRIPT_SHARE: Final = "letters_of_scripts"
HIRAGANA: Final = "hiragana_letters"
OUTSIDE: Final = "letters_outside_alphabet"  # of the alphabet's own script
LETTER_RUNS: Final = ("letter_runs", "mixed_letter_runs")  # of letters and marks; of two scripts

_HEADS: Final = 12  # bits of a hash

# The entry of a character: CHARACTERS and whether it is a mark, each a bit in a byte of its own, so
# that four are added at once; its script; whether a word has no letter of another script beside it.
_LETTER, _DIGIT, _PUNCTUATION, _SPACE = uint32(1), uint32(1 << 8), uint32(1 << 16), uint32(1 << 24)
_UPPER, _REPLACEMENT, _MARK = uint32(1 << 1), uint32(1 << 9), uint32(1 << 17)
_FOUR: Final = uint32(0x01010101)
_SCRIPT_AT, _SCRIPT = uint32(2), uint32(0x3F << 2)
_MIXES_AT, _MIXES = uint32(10), uint32(1 << 10)
_NO_SCRIPT, _COUNTED = uint32(0xFFFF), uint32(0xFFFE)
_STRETCH: Final = 64


@lru_cache(maxsize=1)
def character_entries() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return every code point, and its entry for `count_characters`.

    Words are written in one script alone, but for Chinese, Japanese and Korean ones. Letters of no
    script (micro sign, modifier letters) are at home in every word.
    """
    codes = np.arange(len(unicode.CLASS), dtype=np.uint32)
    entries = np.uint32(unicode.SCRIPT) << _SCRIPT_AT
    for flag, bit in (
        (unicode.LETTER, _LETTER),
        (unicode.DIGIT, _DIGIT),
        (unicode.PUNCTUATION, _PUNCTUATION),
        (unicode.SPACE, _SPACE),
        (unicode.UPPER, _UPPER),
        (unicode.MARK, _MARK),
    ):
        entries[(unicode.CLASS & flag) != 0] |= bit
    entries[0xFFFD] |= _REPLACEMENT
    mixes = unmixed()[unicode.SCRIPT] & ((unicode.CLASS & unicode.LETTER) != 0)
    mixes[0x3BC] = False  # the sign of micrometres
    entries[mixes] |= _MIXES
    for array in (codes, entries):
        array.setflags(write=False)
    return codes, entries


@lru_cache(maxsize=1)
def unmixed() -> npt.NDArray[np.bool_]:
    """Return which scripts words are written in alone."""
    shared = ("Zyyy", "Zinh", "Hani", "Hira", "Kana", "Hang", "Bopo")
    return np.array([name not in shared for name in unicode.SCRIPTS])


@kernel
def count_bytes(data: Any, starts: Any, ends: Any, lorem: Any, out: Any) -> None:
    """Fill the columns BYTES, each a row of ``out``; ``lorem`` is the phrase in lower case.

    Blocks of 128 bytes are counted in uint8, with unsigned indices, so that LLVM vectorises the
    loops. What is rare is searched exactly only in blocks that have part of it.
    """
    one, two = uint64(1), uint64(2)
    for d in range(len(starts)):
        start, end = uint64(starts[d]), uint64(ends[d])
        chars = newlines = marks = curly = closing = ellipses = phrases = int64(0)
        free = start  # a point before it belongs to an ellipsis that was counted
        block = start
        while block < end:
            stop = min(block + uint64(128), end)
            a = b = c = e = f = uint8(0)
            for i in range(block, stop):
                byte = data[i]
                a = uint8(a + uint8((byte & uint8(0xC0)) != uint8(0x80)))
                b = uint8(b + uint8(byte == uint8(10)))
                c = uint8(c + uint8(byte == uint8(35)))
                e = uint8(e + uint8(byte == uint8(123)))
                f = uint8(f + uint8(byte == uint8(125)))
            chars += int64(a)
            newlines += int64(b)
            marks += int64(c)
            curly += int64(e)
            closing += int64(f)
            last = min(stop, end - two) if end - start >= two else block
            three = one_sign = middle = uint8(0)
            for i in range(block, last):
                x, y, z = data[i], data[i + one], data[i + two]
                three = uint8(three + uint8((x == uint8(46)) & (y == uint8(46)) & (z == uint8(46))))
            for i in range(block, last):
                x, y, z = data[i], data[i + one], data[i + two]
                one_sign = uint8(
                    one_sign + uint8((x == uint8(0xE2)) & (y == uint8(0x80)) & (z == uint8(0xA6)))
                )
            for i in range(block, last):
                x, y, z = data[i] | uint8(32), data[i + one], data[i + two] | uint8(32)
                middle = uint8(
                    middle + uint8((x == uint8(109)) & (y == uint8(32)) & (z == uint8(105)))
                )
            ellipses += int64(one_sign)
            if three:
                for i in range(block, last):
                    dots = data[i] == uint8(46) and data[i + one] == uint8(46)
                    if i >= free and dots and data[i + two] == uint8(46):
                        ellipses += 1
                        free = i + uint64(3)
            if middle:
                for i in range(block, last):
                    if data[i + one] == uint8(32) and i >= start + uint64(4):
                        phrases += _is_phrase(data, i - uint64(4), end, lorem)
            block = stop
        out[0, d] = int64(end - start)
        out[1, d] = chars
        out[2, d] = newlines
        out[3, d] = marks
        out[4, d] = ellipses
        out[5, d] = curly
        out[6, d] = phrases
        out[7, d] = closing


@kernel
def _is_phrase(data: Any, at: Any, end: Any, phrase: Any) -> Any:
    """Return 1 if a phrase of small letters and spaces is here, in any case, else 0."""
    if at + uint64(len(phrase)) > end:
        return int64(0)
    same = True
    for k in range(len(phrase)):
        byte = data[at + uint64(k)]
        if phrase[k] != uint8(32):
            byte |= uint8(32)
        same &= byte == phrase[k]
    return int64(same)


@kernel
def count_characters(
    data: Any, starts: Any, ends: Any, codes: Any, table: Any, outside: Any, out: Any,
    by_script: Any, out_runs: Any, out_outside: Any,
) -> None:  # fmt: skip
    """Fill the columns CHARACTERS, the letters of each script, LETTER_RUNS and OUTSIDE, each a row.

    ``table`` is that of `character_entries`, ``codes`` every code point as itself; ``outside``
    (empty for none) tells which are letters outside the alphabet.

    Blocks of ASCII are counted in uint8 by loops that LLVM vectorises. Other text is decoded a
    stretch at a time, and the entries of its characters are added up, four flags in an integer.
    Only where a stretch has marks or letters of several scripts its characters are looked at one by
    one.
    """
    room, entries = np.empty(BLOCK, np.uint32), np.empty(BLOCK + 1, np.uint32)
    latin = uint32(table[97] & _SCRIPT)
    foreign_ascii = False
    for code in range(min(len(outside), 128)):
        foreign_ascii |= outside[code]
    one, last = uint64(1), uint64(_STRETCH - 1)
    for d in range(len(starts)):
        i, end = uint64(starts[d]), uint64(ends[d])
        runs = mixed = foreign = int64(0)
        inside = uint32(0)  # whether the last character belongs to a run
        current = _NO_SCRIPT  # of the run, _NO_SCRIPT in none, _COUNTED in one that was counted
        home = latin  # the last script that was seen
        while i < end:
            high = uint8(128)
            if i + uint64(_STRETCH) < end:
                high = uint8(0)
                for k in range(i, i + uint64(_STRETCH)):
                    high |= data[k]
            if high < uint8(128):
                letters = digits = capitals = signs = spaces = last_ones = uint8(0)
                for k in range(i, i + uint64(_STRETCH)):
                    byte = data[k]
                    letter = uint8((byte | uint8(32)) - uint8(97)) < uint8(26)
                    goes_on = uint8((data[k + one] | uint8(32)) - uint8(97)) < uint8(26)
                    letters = uint8(letters + uint8(letter))
                    digits = uint8(digits + uint8(uint8(byte - uint8(48)) < uint8(10)))
                    capitals = uint8(capitals + uint8(uint8(byte - uint8(65)) < uint8(26)))
                    signs = uint8(signs + uint8(uint8(byte - uint8(33)) < uint8(94)))
                    space = (uint8(byte - uint8(9)) < uint8(5)) | (
                        uint8(byte - uint8(28)) < uint8(5)
                    )
                    spaces = uint8(spaces + uint8(space))
                    last_ones = uint8(last_ones + uint8(letter & (not goes_on)))
                out[0, d] += int64(letters)
                out[1, d] += int64(digits)
                out[2, d] += int64(signs) - int64(letters) - int64(digits)
                out[3, d] += int64(spaces)
                out[4, d] += int64(capitals)
                by_script[uint64(latin >> _SCRIPT_AT), d] += int64(letters)
                if foreign_ascii:
                    for k in range(i, i + uint64(_STRETCH)):
                        foreign += outside[data[k]]
                begins_with = uint32(table[data[i]] & _LETTER)
                ends_with = uint32(table[data[i + last]] & _LETTER)
                next_byte = data[i + last + one]
                follows = (
                    uint32(table[next_byte] & _LETTER) if next_byte < uint8(128) else uint32(0)
                )
                # As many runs begin as end, but for those at both ends of the block.
                runs += int64(last_ones) + int64(ends_with & follows) - int64(begins_with & inside)
                if begins_with and current not in (_NO_SCRIPT, latin, _COUNTED):
                    mixed += 1
                    current = _COUNTED
                if int64(letters) < _STRETCH:
                    current = latin if ends_with else _NO_SCRIPT
                elif current == _NO_SCRIPT:
                    current = latin
                inside = ends_with
                i += uint64(_STRETCH)
                continue
            near = stretch_end(data, i, 3 * _STRETCH, end)
            m, reached = decode_block(data, int64(i), int64(near), codes, room)
            i = uint64(reached)
            entries[0] = inside
            for k in range(m):
                entries[k + 1] = table[room[k]]
            if len(outside):
                for k in range(m):
                    foreign += outside[room[k]]
            four = others = begins = uint32(0)
            for k in range(1, m + 1):
                entry = entries[k]
                four = uint32(four + uint32(entry & _FOUR))
                others = uint32(others + uint32(uint32(entry >> uint32(1)) & _FOUR))
                begins = uint32(begins + uint32(entry & uint32(~entries[k - 1]) & _LETTER))
            out[0, d] += int64(four & uint32(255))
            out[1, d] += int64((four >> uint32(8)) & uint32(255))
            out[2, d] += int64((four >> uint32(16)) & uint32(255))
            out[3, d] += int64(four >> uint32(24))
            out[4, d] += int64(others & uint32(255))
            out[5, d] += int64((others >> uint32(8)) & uint32(255))
            marks = (others >> uint32(16)) & uint32(255)
            # Letters of any script, and those that a word has no others beside.
            some = not_home = mixing = uint32(0)
            for k in range(1, m + 1):
                entry = entries[k]
                apart = uint32(uint32(entry ^ home) & _SCRIPT)
                some = uint32(some | uint32(apart * uint32(entry & _LETTER)))
                mixes = uint32(uint32(entry >> _MIXES_AT) & _LETTER)
                mixing = uint32(mixing + mixes)
                not_home = uint32(not_home | uint32(apart * mixes))
            if some == 0:
                by_script[uint64(home >> _SCRIPT_AT), d] += int64(four & uint32(255))
            else:
                for k in range(1, m + 1):
                    entry = entries[k]
                    script = (entry & _SCRIPT) >> _SCRIPT_AT
                    by_script[script, d] += int64(entry & _LETTER)
            if (
                marks == 0
                and not_home == 0
                and current != _COUNTED
                and (mixing == 0 or current in (_NO_SCRIPT, home))
            ):
                runs += int64(begins)
                inside = uint32(entries[m] & _LETTER)
                before = m
                while before > 0 and (entries[before] & (_LETTER | _MIXES)) == _LETTER:
                    before -= 1
                if before > 0:
                    current = home if entries[before] & _MIXES else _NO_SCRIPT
                continue
            for k in range(1, m + 1):
                entry = entries[k]
                if entry & _LETTER:
                    runs += not inside
                    inside = _LETTER
                    if entry & _MIXES:
                        home = uint32(entry & _SCRIPT)
                        if current == _NO_SCRIPT:
                            current = home
                        elif current != home and current != _COUNTED:
                            mixed += 1
                            current = _COUNTED
                elif not entry & _MARK:
                    inside = uint32(0)
                    current = _NO_SCRIPT
        out_runs[0, d] = runs
        out_runs[1, d] = mixed
        out_outside[0, d] = foreign


@kernel
def _count_sentences(flags: Any, n: Any, found: Any) -> Any:
    """Count the parts between ends of sentences that have a word (see signals.c4.n_sentences).

    A word that is not punctuation begins a sentence if one ended since the last such word. Bits and
    no branches, because the places of marks are hard to predict. ``found`` is room for the flags of
    the words that matter: marks, what follows them, and what begins a line.
    """
    events = uint64(0)
    before = int64(IS_PUNCTUATION)
    for k in range(uint64(n)):
        word_flags = flags[k]
        found[events] = uint64(word_flags)
        events += uint64((word_flags & int64(IS_PUNCTUATION | AFTER_NEWLINE) | before) != 0)
        before = word_flags & int64(IS_PUNCTUATION)
    sentences = int64(0)
    begins, ended = uint32(1), uint32(0)
    for k in range(events):
        word_flags = uint32(found[k])
        newline = (word_flags // uint32(AFTER_NEWLINE)) & uint32(1)
        gap = (word_flags // uint32(AFTER_SPACE)) & uint32(1) | newline
        mark = (word_flags // uint32(IS_PUNCTUATION)) & uint32(1)
        begins |= newline | (ended & gap)
        sentences += int64(begins & ~mark)
        begins = begins & mark | (word_flags // uint32(NEEDS_NO_SPACE)) & uint32(1)
        ended = ended & mark & ~gap | (word_flags // uint32(ENDS_SENTENCE)) & uint32(1)
    return sentences


@kernel
def _count_stop_words(
    hashes: Any, n: Any, words: Any, heads: Any, following: Any, stamps: Any, stamp: Any
) -> Any:
    """Count the hashes that are among words[1:], and the different ones among these.

    ``heads`` has, for the high bits of a hash, the first word that has them, ``following`` the
    next. After the last, and where there is none, comes word 0, which is set to the key: so stop
    words and other words take the same path, and no branch is mispredicted. ``stamps`` has the
    stamp of the last text with the word.
    """
    used = distinct = int64(0)
    for k in range(uint64(n)):
        key = hashes[k]
        words[0] = key
        which = uint64(heads[key >> uint64(64 - _HEADS)])
        while words[which] != key:
            which = uint64(following[which])
        used += int64(which != uint64(0))
        stamps[which] = stamp
    for which in range(uint64(1), uint64(len(words))):
        distinct += int64(stamps[which] == stamp)
    return used, distinct


@kernel
def count_words(
    data: Any,
    starts: Any,
    ends: Any,
    role: Any,
    most: Any,
    stop_words: Any,
    information: Any,
    with_repetition: Any,
    out: Any,
    out_stops: Any,
    out_variety: Any,
    out_repetition: Any,
) -> None:
    """Fill the columns WORDS, STOP_WORDS, VARIETY and REPETITION, each a row.

    ``most`` is above the number of words of every text; ``stop_words`` are hashes. VARIETY is
    filled where ``information``, c ln c in millionths by c, is not empty; REPETITION
    ``with_repetition``.
    """
    with_variety = len(information) > 0
    hashes = np.empty(most, np.uint64)
    flags = np.empty(most, np.int64)
    room = most if with_repetition or with_variety else 1
    size = table_size(4 * room)
    table = np.zeros(size, np.int32)
    seen = np.empty(size, np.uint8)
    pairs, keys = np.empty(most, np.uint64), np.empty(most, np.uint64)
    at, first, count = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    base = int64(1)
    words = np.zeros(len(stop_words) + 1, np.uint64)
    heads = np.zeros(1 << _HEADS, np.uint16)  # small, because every word reads it
    following = np.zeros(len(words), np.int32)
    stamps = np.zeros(len(words), np.int64)
    for k in range(len(stop_words)):
        words[k + 1] = stop_words[k]
        following[k + 1] = heads[stop_words[k] >> uint64(64 - _HEADS)]
        heads[stop_words[k] >> uint64(64 - _HEADS)] = k + 1
    for d in range(len(starts)):
        n = find_words(data, starts[d], ends[d], role, hashes, None, None, flags)
        plain = plain_chars = alphabetic = longest = caps = int64(0)
        for k in range(uint64(n)):
            word_flags = flags[k]
            is_plain = int64((word_flags & MORE_THAN_SYMBOLS) != 0)
            chars = (flags[k + uint64(1)] >> CHARS) - (word_flags >> CHARS)
            plain += is_plain
            plain_chars += chars * is_plain
            alphabetic += int64((word_flags & HAS_LETTER) != 0)
            caps += int64((word_flags & (UPPER | NOT_UPPER)) == UPPER)
            longest = max(longest, chars)
        used, distinct = _count_stop_words(
            hashes, n if len(stop_words) else 0, words, heads, following, stamps, d + 1
        )
        out[0, d] = n
        out[1, d] = plain
        out[2, d] = plain_chars
        out[3, d] = alphabetic
        out[4, d] = longest
        out[5, d] = _count_sentences(flags, n, keys)
        out[6, d] = caps
        out_stops[0, d] = used
        out_stops[1, d] = distinct
        if with_variety:
            m = int64(0)
            for k in range(uint64(n)):
                pairs[m] = hashes[k]
                m += int64((flags[k] & MORE_THAN_SYMBOLS) != 0)
            base, _ = first_of_each(pairs, m, table, base, first, count)
            different = total = int64(0)
            for k in range(uint64(m)):
                different += int64(count[k] > 0)
                total += information[count[k]]
            out_variety[0, d] = different
            out_variety[1, d] = total
        if with_repetition:
            places = (pairs, keys, seen, at, first, count)
            base = count_repetition(hashes, flags, n, table, base, places, out_repetition[:, d])
