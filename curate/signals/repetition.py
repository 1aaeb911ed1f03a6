"""Gopher's repetition rules (Rae et al. 2021, arXiv:2112.11446, table A1) as datatrove counts them.

One quirk of datatrove's is kept, because the published limits were set with it: the most
frequent n-gram counts even when it occurs once, so that very short texts fail. Two are not:
datatrove takes the newlines around a text for empty lines that repeat each other, and it joins the
words of duplicated 5- to 10-grams with nothing between, so that "1 23" repeats "12 3".
"""

from __future__ import annotations

import numpy as np

from curate.signals.formula import Floats, Integers, ratio


def dup_line_share(repeated_filled_lines: Integers, filled_lines: Integers) -> Floats:
    """Lines equal to an earlier one among all lines (no blank ones); undefined for the empty text.

    Why: boilerplate that repeats on the page, lists of one thing.
    Wrong: verse with a refrain, tables with equal cells.
    Source: Gopher repetition, at most 0.30.
    """
    return ratio(repeated_filled_lines, filled_lines)


def dup_line_char_share(repeated_filled_line_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in lines equal to an earlier one among all characters; undefined without any.

    Why: as dup_line_share, but long lines weigh more.
    Wrong: as dup_line_share.
    Source: Gopher repetition, at most 0.20.
    """
    return ratio(repeated_filled_line_chars, n_chars)


def dup_paragraph_share(
    repeated_paragraphs: Integers, paragraphs: Integers, n_chars: Integers
) -> Floats:
    """Paragraphs equal to an earlier one among all; undefined for the empty text.

    Why: pages that repeat blocks.
    Wrong: extractors disagree on where a paragraph ends.
    Source: Gopher repetition, at most 0.30; FineWeb2 leaves it out.
    """
    return np.where(n_chars > 0, ratio(repeated_paragraphs, paragraphs), np.nan)


def dup_paragraph_char_share(repeated_paragraph_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in paragraphs equal to an earlier one among all characters; undefined without any.

    Why: as dup_paragraph_share, but long paragraphs weigh more.
    Wrong: as dup_paragraph_share.
    Source: Gopher repetition, at most 0.20; FineWeb2 leaves it out.
    """
    return ratio(repeated_paragraph_chars, n_chars)


def _top(chars: Integers, n_chars: Integers) -> Floats:
    return np.where(chars >= 0, ratio(chars, n_chars), np.nan)


def top_2gram_char_share(top_2gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in the most frequent pair of words among all; undefined with fewer than 2 words.

    Why: one phrase over and over.
    Wrong: the pair counts even if it occurs once, so texts of a few words come out high.
    Source: Gopher repetition, at most 0.20.

    >>> top_2gram_char_share(np.array([20, -1]), np.array([100, 3]))
    array([0.2, nan])
    """
    return _top(top_2gram_chars, n_chars)


def top_3gram_char_share(top_3gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in the most frequent 3 words in a row among all; undefined with fewer words.

    Why: one phrase over and over.
    Wrong: as top_2gram_char_share.
    Source: Gopher repetition, at most 0.18.
    """
    return _top(top_3gram_chars, n_chars)


def top_4gram_char_share(top_4gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in the most frequent 4 words in a row among all; undefined with fewer words.

    Why: one phrase over and over.
    Wrong: as top_2gram_char_share.
    Source: Gopher repetition, at most 0.16.
    """
    return _top(top_4gram_chars, n_chars)


def dup_5gram_char_share(repeated_5gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 5 words, each counted once, among all; undefined without any.

    Why: templates and generated pages repeat phrases, not whole lines.
    Wrong: laws, recipes and ratings have formulas that repeat with good reason.
    Source: Gopher repetition, at most 0.15.
    """
    return ratio(repeated_5gram_chars, n_chars)


def dup_6gram_char_share(repeated_6gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 6 words, each counted once, among all; undefined without any.

    Why: as dup_5gram_char_share.
    Wrong: as dup_5gram_char_share.
    Source: Gopher repetition, at most 0.14.
    """
    return ratio(repeated_6gram_chars, n_chars)


def dup_7gram_char_share(repeated_7gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 7 words, each counted once, among all; undefined without any.

    Why: as dup_5gram_char_share.
    Wrong: as dup_5gram_char_share.
    Source: Gopher repetition, at most 0.13.
    """
    return ratio(repeated_7gram_chars, n_chars)


def dup_8gram_char_share(repeated_8gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 8 words, each counted once, among all; undefined without any.

    Why: as dup_5gram_char_share.
    Wrong: as dup_5gram_char_share.
    Source: Gopher repetition, at most 0.12.
    """
    return ratio(repeated_8gram_chars, n_chars)


def dup_9gram_char_share(repeated_9gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 9 words, each counted once, among all; undefined without any.

    Why: as dup_5gram_char_share.
    Wrong: as dup_5gram_char_share.
    Source: Gopher repetition, at most 0.11.
    """
    return ratio(repeated_9gram_chars, n_chars)


def dup_10gram_char_share(repeated_10gram_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in repeated runs of 10 words, each counted once, among all; undefined without any.

    Why: as dup_5gram_char_share.
    Wrong: as dup_5gram_char_share.
    Source: Gopher repetition, at most 0.10.
    """
    return ratio(repeated_10gram_chars, n_chars)
