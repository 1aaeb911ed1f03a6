"""Sizes, kinds of characters and scripts."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def n_bytes(n_bytes: Integers) -> Integers:
    """Bytes of the text in UTF-8; 0 for the empty text.

    Why: the unit in which storage, budgets and speed are counted.
    Wrong: a Kazakh text has nearly twice the bytes of an English one with as many letters.
    Source: curate.
    """
    return n_bytes


def n_chars(n_chars: Integers) -> Integers:
    """Code points of the text; 0 for the empty text.

    Why: the length that works without words, for scripts without spaces and for single sentences.
    Wrong: a character of Chinese carries about as much as four of English.
    Source: curate.
    """
    return n_chars


def n_visible_chars(n_chars: Integers, spaces: Integers) -> Integers:
    """Code points of the text that are not whitespace; 0 for the empty text.

    Why: a text of spaces and newlines is an empty text.
    Wrong: characters without a shape of their own, such as U+200B, count.
    Source: curate; llm-jp-corpus v1 requires 1 (str.strip leaves something).
    """
    return n_chars - spaces


def letter_share(letters: Integers, n_chars: Integers, spaces: Integers) -> Floats:
    """Letters among the characters that are not whitespace; undefined without any.

    Why: tables, code and symbol art have few letters.
    Wrong: marks do not count, so Thai, Hindi and vocalised Arabic reach about 0.7 at most.
    Source: curate; RedPajama-V2 and Data-Juicer have relatives of it.

    >>> import numpy as np
    >>> letter_share(np.array([3]), np.array([5]), np.array([1]))
    array([0.75])
    """
    return ratio(letters, n_chars - spaces)


def digit_share(digits: Integers, n_chars: Integers, spaces: Integers) -> Floats:
    """Decimal digits among the characters that are not whitespace; undefined without any.

    Why: price lists, schedules and logs.
    Wrong: statistics and sports results are numbers too.
    Source: curate.
    """
    return ratio(digits, n_chars - spaces)


def punctuation_share(punctuation: Integers, n_chars: Integers, spaces: Integers) -> Floats:
    """Punctuation and symbols among the characters that are not whitespace; undefined without any.

    Why: code, remains of markup, symbol art.
    Wrong: dialogue and bibliographies have much of it.
    Source: curate.
    """
    return ratio(punctuation, n_chars - spaces)


def upper_case_share(upper_case: Integers, letters: Integers) -> Floats:
    """Upper-case letters among all letters; undefined without letters.

    Why: shouting, headlines and product codes.
    Wrong: means nothing in scripts without case, where it is 0.
    Source: curate.
    """
    return ratio(upper_case, letters)


def replacement_share(replacement_characters: Integers, n_chars: Integers) -> Floats:
    """U+FFFD among all characters; undefined for the empty text.

    Why: each replaces bytes that some program could not read; a text full of them is lost.
    Wrong: one or two are common in otherwise good pages.
    Source: curate.
    """
    return ratio(replacement_characters, n_chars)


def script_share(letters_of_scripts: Integers, letters: Integers) -> Floats:
    """Letters of the profile's scripts (``identify.scripts``) among all letters.

    Undefined without letters, or where the profile names no script.
    Why: the cheapest guard against a wrong language label, and against pages in two scripts.
    Wrong: a page about software is rightly half Latin in every language.
    Source: curate.

    >>> import numpy as np
    >>> script_share(np.array([90]), np.array([100]))
    array([0.9])
    """
    return ratio(letters_of_scripts, letters)


def hiragana_share(hiragana_letters: Integers, n_chars: Integers) -> Floats:
    """Hiragana among all characters; undefined for the empty text.

    Why: Japanese prose is held together by hiragana; lists of names, products and Chinese are not.
    Wrong: headlines and patents have little of it.
    Source: the Swallow corpus requires 20 percent of all characters.
    """
    return ratio(hiragana_letters, n_chars)


def compression_ratio(zstd_bytes: Integers, n_bytes: Integers) -> Floats:
    """Bytes of the text after Zstandard at level 3, over those in UTF-8; undefined without text.

    Why: one number for every kind of repetition, also of what is not whole words or lines.
    Wrong: depends on length and script; texts below some hundred bytes hardly shrink.
    Source: curate; llm-jp-corpus limits zlib_ratio, which is ten times slower.

    >>> import numpy as np
    >>> compression_ratio(np.array([400]), np.array([1000]))
    array([0.4])
    """
    return ratio(zstd_bytes, n_bytes)
