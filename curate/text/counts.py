"""Counts: what the signals of a document are computed from, as int64 columns.

Four kernels, one for each kind of question, walk the documents of a column: bytes, characters, words
with their repetition, and in curate.text.lines lines. Each runs only when a signal asks for one of its
columns. Everything is an integer, so that the numbers do not depend on the machine; -1 marks what is
undefined for a text.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import int64, uint8, uint32, uint64

from curate.text import unicode
from curate.text.jit import kernel
from curate.text.repetition import count_repetition
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
)

#: The columns, by kernel; those of lines are in curate.text.lines. Words are curate.text.view's.
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
