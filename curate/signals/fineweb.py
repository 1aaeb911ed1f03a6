"""FineWeb's own quality rules (Penedo et al. 2024, arXiv:2406.17557) as datatrove counts them."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def terminal_line_share(terminal_lines: Integers, full_lines: Integers) -> Floats:
    """Lines whose last character ends a sentence among lines that are not blank; undefined without.

    Why: prose ends its lines with punctuation; menus and lists do not.
    Wrong: commas, quotation marks, brackets and ellipses do not count; verse, Korean web pages and
    speech transcripts write few ends of sentences.
    Source: FineWeb, at least 0.12.
    """
    return ratio(terminal_lines, full_lines)


def sentence_line_char_share(sentence_line_chars: Integers, full_line_chars: Integers) -> Floats:
    """Characters in lines with an end of a sentence, among those of all lines that are not blank.

    A point counts before a space, a mark or the end of the line, but not in the number of a list
    item. Undefined without such lines.
    Why: measures what terminal_line_share measures, but a paragraph that was cut or ends with a
    quotation is still prose; on clean Wikipedia and government texts that one drops 4 to 34 percent
    of documents at FineWeb2's limits.
    Wrong: Thai writes no ends of sentences; abbreviations count as ends.
    Source: curate.

    >>> import numpy as np
    >>> sentence_line_char_share(np.array([80]), np.array([100]))
    array([0.8])
    """
    return ratio(sentence_line_chars, full_line_chars)


def short_line_share(short_lines: Integers, full_lines: Integers) -> Floats:
    """Lines of at most 30 characters among lines that are not blank; undefined without such lines.

    Why: menus, tables and lists.
    Wrong: verse and dialogue; 30 characters of Chinese carry as much as 100 of English.
    Source: FineWeb, at most 0.67 for English; FineWeb2 leaves it out.
    """
    return ratio(short_lines, full_lines)


def dup_full_line_char_share(
    repeated_full_line_chars: Integers, n_chars: Integers, newlines: Integers
) -> Floats:
    """Characters in repeated lines that are not blank, among all but newlines; undefined without.

    Why: boilerplate that repeats on the page.
    Wrong: at FineWeb's English limit one repeated caption drops a long page.
    Source: FineWeb, at most 0.01 for English; FineWeb2 0.1.
    """
    return ratio(repeated_full_line_chars, n_chars - newlines)


def newline_word_ratio(newlines: Integers, words: Integers) -> Floats:
    """Newlines per word (symbols count as words); undefined without words.

    Why: lists have a line for every few words.
    Wrong: double newlines between paragraphs count twice; verse.
    Source: FineWeb, at most 0.3.
    """
    return ratio(newlines, words)
