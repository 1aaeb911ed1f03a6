"""Counts: what the signals of a document are computed from, as int64 columns.

Four kernels, one for each kind of question, walk the documents of a column: characters, lines, words
and repetition. Each runs only when a signal asks for one of its columns. Everything is an integer,
so that the numbers do not depend on the machine; -1 marks what is undefined for a text.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.text import unicode
from curate.text.jit import kernel
from curate.text.repetition import count_repetition, first_of_each
from curate.text.view import (
    AFTER_NEWLINE,
    AFTER_SPACE,
    CHARS,
    ENDS_SENTENCE,
    HAS_LETTER,
    IS_PUNCTUATION,
    MORE_THAN_SYMBOLS,
    decode,
    find_words,
    hash_span,
    width,
)

#: The columns, by kernel. Words are those of curate.text.view; lines end at U+000A, or at U+000D
#: before it in text that was not repaired.
BYTES: Final = (
    "n_bytes",
    "n_chars",
    "newlines",
    "hash_marks",  # "#"
    "ellipses",  # "..." without overlap, and "…"
    "curly_brackets",  # "{"
    "lorem_ipsums",  # the phrase, ASCII case ignored
)
CHARACTERS: Final = (
    "letters",
    "digits",
    "punctuation",
    "spaces",
    "upper_case",
    "replacement_characters",  # U+FFFD
)
LINES: Final = (
    "lines",  # a final newline begins no line
    "bullet_lines",  # first character after whitespace is "•" or "-"
    "ellipsis_lines",  # last characters before whitespace are "..." or "…"
    "full_lines",  # with more than whitespace
    "terminal_lines",  # full lines whose last character ends a sentence
    "short_lines",  # full lines of at most 30 characters
    "filled_lines",  # of at least one character, be it a space
    "repeated_filled_lines",  # equal to an earlier one
    "repeated_filled_line_chars",
    "repeated_full_line_chars",
    "paragraphs",  # of the stripped text, between runs of two and more newlines
    "repeated_paragraphs",
    "repeated_paragraph_chars",
    "longest_line_chars",
    "full_line_chars",
    "sentence_line_chars",  # in full lines that hold an end of a sentence
)
WORDS: Final = (
    "words",
    "plain_words",  # words that are more than published symbols
    "plain_word_chars",
    "alphabetic_words",  # words with a letter
    "longest_word_chars",
    "sentences",
)
STOP_WORDS: Final = ("stop_words_used", "stop_words_distinct")
REPETITION: Final = (
    *("top_2gram_chars", "top_3gram_chars", "top_4gram_chars"),
    *("repeated_5gram_chars", "repeated_6gram_chars", "repeated_7gram_chars"),
    *("repeated_8gram_chars", "repeated_9gram_chars", "repeated_10gram_chars"),
)
SCRIPT_SHARE: Final = "letters_of_scripts"
HIRAGANA: Final = "hiragana_letters"

_SHORT_LINE_CHARS: Final = 30


@kernel
def count_bytes(data: Any, starts: Any, ends: Any, lorem: Any, out: Any) -> None:
    """Fill the columns BYTES; ``lorem`` is the phrase to look for, in lower case."""
    for d in range(len(starts)):
        start, end = starts[d], ends[d]
        chars = newlines = marks = curly = 0
        for i in range(start, end):
            b = data[i]
            chars += int64((b & uint8(0xC0)) != uint8(0x80))
            newlines += int64(b == uint8(10))
            marks += int64(b == uint8(35))
            curly += int64(b == uint8(123))
        ellipses = phrases = 0
        dots = 0
        dot = start - 2  # where the last one was
        for i in range(start, end - 1):
            b = data[i]
            l_o = (b | uint8(32) == uint8(108)) & (data[i + 1] | uint8(32) == uint8(111))
            if not ((b == uint8(46)) | (b == uint8(0xE2)) | l_o):
                continue
            if b == uint8(46):
                dots = dots + 1 if dot == i - 1 else 1
                dot = i
                if dots == 3:
                    ellipses += 1
                    dots = 0
            elif b == uint8(0xE2):
                ellipses += int64(data[i + 1] == uint8(0x80) and data[i + 2] == uint8(0xA6))
            elif i + len(lorem) <= end:
                k = 2
                while k < len(lorem) and data[i + k] | uint8(32) == lorem[k]:
                    k += 1
                phrases += int64(k == len(lorem))
        if end > start and data[end - 1] == uint8(46) and dot == end - 2:
            ellipses += int64(dots == 2)
        out[d, 0] = end - start
        out[d, 1] = chars
        out[d, 2] = newlines
        out[d, 3] = marks
        out[d, 4] = ellipses
        out[d, 5] = curly
        out[d, 6] = phrases


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
    """Fill the columns CHARACTERS, and the letters of each script.

    ``packed`` holds, for each value of ``classes``, what a code point adds to the six columns, ten
    bits each; the sum is unpacked before any of them can overflow.
    """
    for d in range(len(starts)):
        i, end = starts[d], ends[d]
        while i < end:
            added = uint64(0)
            current = uint8(0)
            letters = 0
            left = 1023
            while i < end and left > 0:
                code, size = decode(data, i)
                kind = classes[code]
                added += packed[kind]
                if code == uint32(0xFFFD):
                    added += uint64(1) << uint64(50)
                if kind & uint32(unicode.LETTER):
                    if script[code] != current:
                        by_script[d, current] += letters
                        current = script[code]
                        letters = 0
                    letters += 1
                i += size
                left -= 1
            by_script[d, current] += letters
            for column in range(6):
                out[d, column] += int64(added >> uint64(10 * column)) & 1023


@kernel
def _class_at(data: Any, at: Any, classes: Any) -> Any:
    code, _ = decode(data, at)
    return uint32(classes[code])


@kernel
def _last_code_point(data: Any, start: Any, end: Any) -> Any:
    """Give the start of the last code point of data[start:end]."""
    i = end - 1
    while i > start and (data[i] & uint8(0xC0)) == uint8(0x80):
        i -= 1
    return i


@kernel
def _strip(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Give the span without the whitespace around it."""
    while start < end and _class_at(data, start, classes) & uint32(unicode.SPACE):
        start += width(data[start])
    while start < end:
        last = _last_code_point(data, start, end)
        if not _class_at(data, last, classes) & uint32(unicode.SPACE):
            break
        end = last
    return start, end


@kernel
def _span_chars(data: Any, start: Any, end: Any) -> Any:
    chars = 0
    for i in range(start, end):
        chars += int64((data[i] & uint8(0xC0)) != uint8(0x80))
    return chars


@kernel
def _holds_end(data: Any, start: Any, end: Any, classes: Any, leads: Any) -> Any:
    """Tell whether a stripped line holds an end of a sentence.

    A point, question or exclamation mark ends one where whitespace, the line's end or another
    punctuation mark follows it, and no digit is before it ("1. ", "3.5"); an end of another script
    always does. ``leads`` tells of each byte whether such a mark begins with it.
    """
    for i in range(start, end):
        b = data[i]
        if not leads[b]:
            continue
        if b >= uint8(0x80):
            if _class_at(data, i, classes) & uint32(unicode.TERMINAL):
                return True
        elif i > start and not (uint8(48) <= data[i - 1] and data[i - 1] <= uint8(57)):
            if i + 1 == end:
                return True
            if _class_at(data, i + 1, classes) & uint32(unicode.SPACE | unicode.PUNCTUATION):
                return True
    return False


@kernel
def count_lines(
    data: Any, starts: Any, ends: Any, classes: Any, leads: Any, most: Any, out: Any
) -> None:
    """Fill the columns LINES; ``most`` is above the number of lines of every text."""
    keys = np.empty(most, np.uint64)
    chars_of = np.empty(most, np.int64)
    full = np.empty(most, np.bool_)
    first = np.empty(most, np.int32)
    count = np.empty(most, np.int32)
    size = 16
    while size < 2 * most:
        size *= 2
    table = np.zeros(size, np.int32)
    base = int64(1)
    for d in range(len(starts)):
        start, end = starts[d], ends[d]
        lines = bullets = ellipsis = full_lines = terminal = short = longest = 0
        full_chars = sentence_chars = 0
        n = 0
        i = start
        while i < end:
            stop = i
            while stop < end and data[stop] != uint8(10):
                stop += 1
            lines += 1
            after = stop + 1
            if stop > i and data[stop - 1] == uint8(13):
                stop -= 1
            if stop > i:
                a, b = _strip(data, i, stop, classes)
                chars = _span_chars(data, i, stop)
                longest = max(longest, chars)
                keys[n] = hash_span(data, i, stop)
                chars_of[n] = chars
                full[n] = b > a
                n += 1
                if b > a:
                    full_lines += 1
                    full_chars += chars
                    if _holds_end(data, a, b, classes, leads):
                        sentence_chars += chars
                    last = _last_code_point(data, i, stop)
                    terminal += int64(
                        (_class_at(data, last, classes) & uint32(unicode.TERMINAL)) != 0
                    )
                    short += int64(chars <= _SHORT_LINE_CHARS)
                    dash = data[a] == uint8(45)
                    dot = b - a >= 3 and data[a] == uint8(0xE2) and data[a + 1] == uint8(0x80)
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
            base = first_of_each(keys, n, table, base, first, count)
            for j in range(n):
                if first[j] != j:
                    repeated += 1
                    repeated_chars += chars_of[j]
                    repeated_full += chars_of[j] * int64(full[j])
        out[d, 0] = lines
        out[d, 1] = bullets
        out[d, 2] = ellipsis
        out[d, 3] = full_lines
        out[d, 4] = terminal
        out[d, 5] = short
        out[d, 6] = filled
        out[d, 7] = repeated
        out[d, 8] = repeated_chars
        out[d, 9] = repeated_full
        # Paragraphs of the stripped text, told apart like lines.
        a, b = _strip(data, start, end, classes)
        n = 0
        i = a
        while i < b:
            stop = i
            while stop < b and not (data[stop] == uint8(10) and data[stop + 1] == uint8(10)):
                stop += 1
            keys[n] = hash_span(data, i, stop)
            chars_of[n] = _span_chars(data, i, stop)
            n += 1
            while stop < b and data[stop] == uint8(10):
                stop += 1
            i = stop
        repeated = repeated_chars = 0
        if n > 1:
            base = first_of_each(keys, n, table, base, first, count)
            for j in range(n):
                repeated += int64(first[j] != j)
                repeated_chars += chars_of[j] * int64(first[j] != j)
        out[d, 10] = max(n, 1)
        out[d, 11] = repeated
        out[d, 12] = repeated_chars
        out[d, 13] = longest
        out[d, 14] = full_chars
        out[d, 15] = sentence_chars


@kernel
def _count_sentences(data: Any, starts: Any, facts: Any, n: Any) -> Any:
    """Count what lies between ends of sentences and has a word in it (see signals.c4.n_sentences)."""
    sentences = 0
    pending = ended = False
    for k in range(n):
        fact = facts[k]
        if pending and (fact & AFTER_NEWLINE or (ended and fact & AFTER_SPACE)):
            sentences += 1
            pending = False
        if fact & (AFTER_SPACE | AFTER_NEWLINE):
            ended = False
        if not fact & IS_PUNCTUATION:
            pending = True
            ended = False
        elif fact & ENDS_SENTENCE:
            ended = True
            if pending and data[starts[k]] >= uint8(0x80):
                # Full-width and other non-Latin ends need no space after them.
                sentences += 1
                pending = False
    return sentences + int64(pending)


@kernel
def count_words(
    data: Any,
    starts: Any,
    ends: Any,
    role: Any,
    most: Any,
    stop_table: Any,
    with_repetition: Any,
    out: Any,
    out_stops: Any,
    out_repetition: Any,
) -> None:
    """Fill the columns WORDS, STOP_WORDS and, if asked, REPETITION.

    ``most`` is above the number of words of every text; ``stop_table`` is open-addressed.
    """
    hashes = np.empty(most, np.uint64)
    word_starts = np.empty(most, np.int64)
    word_ends = np.empty(most, np.int64)
    facts = np.empty(most, np.int64)
    keys = np.empty(most, np.uint64)
    room = np.empty((6, most if with_repetition else 1), np.int32)
    size = 16
    while size < 2 * most:
        size *= 2
    table = np.zeros(size if with_repetition else 1, np.int32)
    base = int64(1)
    met = np.zeros(len(stop_table), np.int64)
    stop_mask = uint64(len(stop_table) - 1)
    for d in range(len(starts)):
        n = find_words(data, starts[d], ends[d], role, hashes, word_starts, word_ends, facts)
        plain = plain_chars = alphabetic = longest = used = distinct = 0
        for k in range(n):
            fact = facts[k]
            is_plain = fact & MORE_THAN_SYMBOLS
            plain += is_plain
            plain_chars += (fact >> CHARS) * is_plain
            alphabetic += int64((fact & HAS_LETTER) != 0)
            longest = max(longest, fact >> CHARS)
            slot = hashes[k] & stop_mask
            while stop_table[slot] != uint64(0):
                if stop_table[slot] == hashes[k]:
                    used += 1
                    distinct += int64(met[slot] != d + 1)
                    met[slot] = d + 1
                    break
                slot = (slot + uint64(1)) & stop_mask
        out[d, 0] = n
        out[d, 1] = plain
        out[d, 2] = plain_chars
        out[d, 3] = alphabetic
        out[d, 4] = longest
        out[d, 5] = _count_sentences(data, word_starts, facts, n)
        out_stops[d, 0] = used
        out_stops[d, 1] = distinct
        if with_repetition:
            base = count_repetition(
                hashes,
                facts,
                n,
                table,
                base,
                (room[0], room[1], room[2], room[3], room[4], room[5]),
                keys,
                out_repetition[d],
            )
