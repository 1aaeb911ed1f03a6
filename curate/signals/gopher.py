"""Gopher's quality rules (Rae et al. 2021, arXiv:2112.11446, table A1) as datatrove counts them.

"Words" leaves out words of published symbols alone where datatrove leaves them out, and counts them
where it counts them; each card names which.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from curate.signals.formula import Floats, Integers, ratio

#: Beyond this many words a text has hardly any new function words.
_MANY_WORDS: Final = 400

#: From this many lines on a share of lines is evidence about the page.
_MANY_LINES: Final = 4


def n_words(plain_words: Integers) -> Integers:
    """Words that are more than symbols; 0 for the empty text.

    Why: pages of a few words are menus, captions and error messages.
    Wrong: Chinese, Japanese and Thai count characters or syllables, Turkish counts long words.
    Source: Gopher quality, 50 to 100,000 words.
    """
    return plain_words


def mean_word_length(plain_word_chars: Integers, plain_words: Integers) -> Floats:
    """Mean number of characters of the words that are more than symbols; undefined without any.

    Why: very short words are lists of codes, very long ones are addresses and text without spaces.
    Wrong: 1 by construction in Chinese and Japanese; agglutinating languages need a higher limit.
    Source: Gopher quality, 3 to 10 for English.

    >>> import numpy as np
    >>> mean_word_length(np.array([10, 0]), np.array([4, 0]))
    array([2.5, nan])
    """
    return ratio(plain_word_chars, plain_words)


def hash_word_ratio(hash_marks: Integers, words: Integers) -> Floats:
    """Hash marks per word (symbols count as words); undefined without words.

    Why: runs of hashtags.
    Wrong: Markdown headings and posts on social media.
    Source: Gopher quality, at most 0.1.
    """
    return ratio(hash_marks, words)


def ellipsis_word_ratio(ellipses: Integers, words: Integers) -> Floats:
    """Ellipses, ``...`` or ``…``, per word (symbols count as words); undefined without words.

    Why: lists of teasers that were cut off.
    Wrong: tables of contents with dotted leaders, chat logs, poetry.
    Source: Gopher quality, at most 0.1.
    """
    return ratio(ellipses, words)


def bullet_line_share(bullet_lines: Integers, lines: Integers) -> Floats:
    """Lines that begin with ``•`` or ``-`` among all lines, blank or not; undefined without any.

    Why: menus and tag lists.
    Wrong: in Russian, Kazakh and Turkish a dash opens a turn of speech, though mostly a longer one.
    Source: Gopher quality, at most 0.9.
    """
    return ratio(bullet_lines, lines)


def ellipsis_line_share(ellipsis_lines: Integers, lines: Integers) -> Floats:
    """Lines that end with an ellipsis among all lines, blank ones too; undefined without lines.

    Why: pages of teasers, each cut off with a link to the rest.
    Wrong: fiction and song texts.
    Source: Gopher quality, at most 0.3.
    """
    return ratio(ellipsis_lines, lines)


def list_line_share(bullet_lines: Integers, full_lines: Integers) -> Floats:
    """Lines that begin with ``•`` or ``-`` among lines that are not blank.

    Undefined for texts with fewer than 4 such lines.
    Why: bullet_line_share is 1 for every text in one line that begins with a dash, and drops 1 to 4
    percent of web pages that people found good.
    Wrong: dialogue set with hyphens.
    Source: curate, after Gopher's rule on bullets.

    >>> import numpy as np
    >>> list_line_share(np.array([1, 3]), np.array([1, 4]))
    array([ nan, 0.75])
    """
    return np.where(full_lines >= _MANY_LINES, ratio(bullet_lines, full_lines), np.nan)


def cut_line_share(ellipsis_lines: Integers, full_lines: Integers) -> Floats:
    """Lines that end with an ellipsis among lines that are not blank.

    Undefined for texts with fewer than 4 such lines.
    Why: ellipsis_line_share is 1 for every text in one line that trails off.
    Wrong: fiction and song texts.
    Source: curate, after Gopher's rule on ellipses.
    """
    return np.where(full_lines >= _MANY_LINES, ratio(ellipsis_lines, full_lines), np.nan)


def alphabetic_word_share(alphabetic_words: Integers, words: Integers) -> Floats:
    """Words with at least one letter among all words, symbols included; undefined without words.

    Why: tables of numbers, code and rows of separators.
    Wrong: punctuation counts as words, so dense dialogue or references lower it.
    Source: Gopher quality, at least 0.8; datatrove calls the limit max_non_alpha_words_ratio
    although it is a minimum.
    """
    return ratio(alphabetic_words, words)


def distinct_stop_words(stop_words_distinct: Integers) -> Integers:
    """Different words of the profile's list ``stop_words`` in the text, in exact case.

    Undefined where the profile has no such list.
    Why: running text of a language needs its function words; lists do not.
    Wrong: short texts and agglutinating languages: two of FineWeb2's Kazakh words are missing in
    nearly a third of good documents of 50 to 75 words, because its list was counted on stubs.
    Source: Gopher quality, at least 2 of the, be, to, of, and, that, have, with.
    """
    return stop_words_distinct


def stop_word_share(stop_words_used: Integers, words: Integers) -> Floats:
    """Words of the profile's list ``stop_words`` among all words; undefined without words or list.

    Why: the same question as distinct_stop_words, for any length of text.
    Wrong: depends on the list: compare only texts of one profile.
    Source: BigScience ROOTS uses a stop-word ratio; the list and the limit are the profile's.
    """
    return ratio(stop_words_used, words)


def stop_word_variety(stop_words_distinct: Integers, plain_words: Integers) -> Floats:
    """Different words of the list ``stop_words``, over the square root of the words, 400 at most.

    Undefined without words that are more than symbols, or where the profile has no such list.
    Why: a count that scales with length. Two function words are many in a caption and few on a
    page; lists, menus and pages of keywords bring the same few. The number of different words of a
    text grows about with the root of its length (Guiraud's index), until the list is used up.
    Wrong: depends on the list: compare only texts of one profile. Tables of results and lists of
    works in an otherwise good article lower it.
    Source: curate, after Gopher's rule on stop words; P. Guiraud, Les caractères statistiques du
    vocabulaire, 1954.

    >>> import numpy as np
    >>> stop_word_variety(np.array([10, 60, 0]), np.array([100, 900, 0]))
    array([ 1.,  3., nan])
    """
    roots = np.sqrt(np.clip(plain_words, 0, _MANY_WORDS))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(plain_words > 0, stop_words_distinct / roots, np.nan)
