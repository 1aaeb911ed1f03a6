"""Counts: the int64 columns that the signals of a document are computed from.

Four kernels read the documents of a column, one for each level: bytes, characters, words with their
repetition, and in curate.text.line_counts lines. Each runs only when a signal needs one of its
columns. All are integers, so that they do not depend on the machine; -1 marks what is undefined for
a text.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.kernels import unicode
from curate.kernels.hashing import table_size
from curate.kernels.jit import kernel
from curate.kernels.utf8 import HIGHEST, LOW_SEVEN, LOWER_CASE, ONES, decode, eight_bytes
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

# Eight ASCII bytes: 0x80 minus the first of a range, and minus the one behind its last, in each.
_FROM_A, _PAST_Z = uint64(0x3F3F3F3F3F3F3F3F), uint64(0x2525252525252525)
_FROM_SMALL_A, _PAST_SMALL_Z = uint64(0x1F1F1F1F1F1F1F1F), uint64(0x0505050505050505)
_FROM_0, _PAST_9 = uint64(0x5050505050505050), uint64(0x4646464646464646)
_FROM_SPACE, _PAST_SPACE = uint64(0x6060606060606060), uint64(0x5F5F5F5F5F5F5F5F)
_NEWLINES: Final = uint64(0x0A0A0A0A0A0A0A0A)


@kernel
def _marked(marks: Any) -> Any:
    """Count the bytes of eight with their highest bit set; the other bits are 0."""
    return ((marks >> uint64(7)) * ONES) >> uint64(56)


@kernel
def _ascii_letters(block: Any) -> Any:
    """Mark the letters of eight ASCII bytes by their highest bits."""
    small = block | LOWER_CASE
    return (small + _FROM_SMALL_A) & ~(small + _PAST_SMALL_Z) & HIGHEST


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
    data: Any,
    starts: Any,
    ends: Any,
    classes: Any,
    packed: Any,
    script: Any,
    out: Any,
    by_script: Any,
) -> None:
    """Fill the columns CHARACTERS, and the letters of each script, each a row.

    ``packed`` has, for each value of ``classes``, what a code point adds to the six columns, ten
    bits each; the sum is unpacked before any of them can overflow. ASCII without control characters
    other than newlines is counted eight bytes at a time.
    """
    latin = script[97]
    for d in range(len(starts)):
        i, end = starts[d], ends[d]
        while i < end:
            added = uint64(0)
            current = uint8(0)
            letters = 0
            left = 1023
            while i < end and left > 7:
                if data[uint64(i)] < uint8(0x80) and i + 8 <= end:
                    block = eight_bytes(data, i)
                    controls = ~(block + _FROM_SPACE) & HIGHEST
                    newlines = ~((block ^ _NEWLINES) + LOW_SEVEN) & HIGHEST
                    deleted = (block + ONES) & HIGHEST  # U+007F
                    if (block & HIGHEST) | (controls ^ newlines) | deleted == uint64(0):
                        words = _ascii_letters(block)
                        upper = (block + _FROM_A) & ~(block + _PAST_Z) & HIGHEST
                        digits = (block + _FROM_0) & ~(block + _PAST_9) & HIGHEST
                        spaces = ~(block + _PAST_SPACE) & HIGHEST
                        n = _marked(words)
                        added += (
                            n
                            | _marked(digits) << uint64(10)
                            | _marked(HIGHEST ^ words ^ digits ^ spaces) << uint64(20)
                            | _marked(spaces) << uint64(30)
                            | _marked(upper) << uint64(40)
                        )
                        if words and current != latin:
                            by_script[current, d] += letters
                            current = latin
                            letters = 0
                        letters += int64(n)
                        i += 8
                        left -= 8
                        continue
                code, size = decode(data, i)
                kind = classes[code]
                added += packed[kind]
                if code == uint32(0xFFFD):
                    added += uint64(1) << uint64(50)
                if kind & uint32(unicode.LETTER):
                    if script[code] != current:
                        by_script[current, d] += letters
                        current = script[code]
                        letters = 0
                    letters += 1
                i += size
                left -= 1
            by_script[current, d] += letters
            for column in range(6):
                out[column, d] += int64(added >> uint64(10 * column)) & 1023


@kernel
def count_letter_runs(
    data: Any, starts: Any, ends: Any, classes: Any, script: Any, mixes: Any, outside: Any,
    out: Any, out_outside: Any,
) -> None:  # fmt: skip
    """Fill the columns LETTER_RUNS, each a row, and OUTSIDE.

    ``mixes`` tells which scripts a word has no second one beside; ``outside`` (empty for none)
    which code points are letters outside the alphabet.
    """
    latin = int64(script[97])
    for d in range(len(starts)):
        i, end = starts[d], ends[d]
        runs = mixed = foreign = int64(0)
        current = int64(-1)  # script of the run, -1 between runs, -2 in one that was counted
        inside = False
        while i < end:
            if data[uint64(i)] < uint8(0x80) and i + 8 <= end:
                block = eight_bytes(data, i)
                if (block & HIGHEST) == uint64(0):  # no marks, and Latin letters
                    words = _ascii_letters(block)
                    if words & uint64(0x80):
                        if current >= 0 and current != latin:
                            mixed += 1
                            current = int64(-2)
                        elif current == -1:
                            current = latin
                    runs += int64(
                        _marked(words & ~(words << uint64(8) | uint64(inside) << uint64(7)))
                    )
                    inside = (words >> uint64(63)) != uint64(0)
                    if words != HIGHEST:
                        current = latin if inside else int64(-1)
                    if len(outside):
                        for k in range(8):
                            foreign += outside[data[uint64(i + k)]]
                    i += 8
                    continue
            code, size = decode(data, i)
            i += size
            kind = classes[code]
            if kind & uint32(unicode.LETTER):
                runs += not inside
                inside = True
                if mixes[script[code]] and code != uint32(0x3BC):  # the sign of micrometres
                    if current >= 0 and current != script[code]:
                        mixed += 1
                        current = int64(-2)
                    elif current == -1:
                        current = int64(script[code])
                if len(outside):
                    foreign += outside[code]
            elif not kind & uint32(unicode.MARK):
                inside = False
                current = int64(-1)
        out[0, d] = runs
        out[1, d] = mixed
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
    with_repetition: Any,
    out: Any,
    out_stops: Any,
    out_repetition: Any,
) -> None:
    """Fill the columns WORDS, STOP_WORDS and, with ``with_repetition``, REPETITION, each a row.

    ``most`` is above the number of words of every text; ``stop_words`` are hashes.
    """
    hashes = np.empty(most, np.uint64)
    flags = np.empty(most, np.int64)
    room = most if with_repetition else 1
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
        if with_repetition:
            places = (pairs, keys, seen, at, first, count)
            base = count_repetition(hashes, flags, n, table, base, places, out_repetition[:, d])


@kernel
def count_variety(
    data: Any, starts: Any, ends: Any, role: Any, most: Any, information: Any, out: Any
) -> None:
    """Fill the columns VARIETY, each a row; ``information`` is c ln c, in millionths, by c."""
    hashes = np.empty(most, np.uint64)
    flags = np.empty(most, np.int64)
    first = np.empty(most, np.int32)
    count = np.empty(most, np.int32)
    table = np.zeros(table_size(4 * most), np.int32)
    base = int64(1)
    for d in range(len(starts)):
        n = find_words(data, starts[d], ends[d], role, hashes, None, None, flags)
        plain = 0
        for k in range(n):
            if flags[k] & MORE_THAN_SYMBOLS:
                hashes[plain] = hashes[k]
                plain += 1
        base, _ = first_of_each(hashes, plain, table, base, first, count)
        distinct = total = int64(0)
        for k in range(plain):
            distinct += int64(count[k] > 0)
            total += information[count[k]]
        out[0, d] = distinct
        out[1, d] = total
