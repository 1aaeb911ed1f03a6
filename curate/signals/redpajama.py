"""RedPajama-V2's further signals of natural language (togethercomputer/RedPajama-Data).

RedPajama-V2 publishes numbers and no limits. Its words are what whitespace separates in the text
without case and punctuation; here they are curate.text.words', in exact case, without symbols.
"""

from __future__ import annotations

import numpy as np

from curate.signals.formula import Floats, Integers, ratio


def unique_word_share(distinct_words: Integers, plain_words: Integers) -> Floats:
    """Different words among all words that are more than symbols; undefined without any.

    Why: generated and repeated text has few different words for its length.
    Wrong: falls with length in every language, so set a limit only for texts of like length;
    characters of Chinese and Japanese repeat sooner than words do.
    Source: RedPajama-V2, rps_doc_frac_unique_words, there without case.

    >>> import numpy as np
    >>> unique_word_share(np.array([3, 0]), np.array([4, 0]))
    array([0.75,  nan])
    """
    return ratio(distinct_words, plain_words)


def unigram_entropy(word_information: Integers, plain_words: Integers) -> Floats:
    """Entropy of the text's own words that are more than symbols, in nats; undefined without any.

    With c the count of a word and n of all words it is ln n minus the sum of c ln c over n.
    Why: separates variety from length: one word over and over has 0, n different ones ln n.
    Wrong: grows with length; a word in upper case is another word here.
    Source: RedPajama-V2, rps_doc_unigram_entropy, there without case.

    >>> import numpy as np
    >>> unigram_entropy(np.array([0, 1_386_294]), np.array([4, 2])).round(4) + 0.0
    array([1.3863, 0.    ])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.log(plain_words) - word_information / 1e6 / plain_words
    return np.where(plain_words > 0, np.maximum(entropy, 0.0), np.nan)


def all_caps_word_share(all_caps_words: Integers, plain_words: Integers) -> Floats:
    """Words all of whose letters are upper case, among words that are more than symbols.

    Undefined without such words; a word without letters does not count as upper case.
    Why: shouting, headlines, product codes.
    Wrong: initials and "I" count; scripts without case have 0.
    Source: RedPajama-V2, rps_doc_frac_all_caps_words.
    """
    return ratio(all_caps_words, plain_words)


def symbol_word_ratio(hash_marks: Integers, ellipses: Integers, words: Integers) -> Floats:
    """Hash marks and ellipses per word (symbols count as words); undefined without words.

    Why: runs of hashtags and lists of teasers in one number.
    Wrong: Markdown headings, dotted leaders.
    Source: RedPajama-V2, rps_doc_symbol_to_word_ratio; Gopher limits each of the two to 0.1.
    """
    return ratio(hash_marks + ellipses, words)


def curly_bracket_share(
    curly_brackets: Integers, closing_brackets: Integers, n_chars: Integers
) -> Floats:
    """Curly brackets, opening and closing, among all characters; undefined for the empty text.

    Why: code and templates by their share of the page; n_curly_brackets drops for a single one.
    Wrong: short formulas of mathematics.
    Source: RedPajama-V2, rps_doc_curly_bracket.
    """
    return ratio(curly_brackets + closing_brackets, n_chars)


def lorem_ipsum_ratio(lorem_ipsums: Integers, n_chars: Integers) -> Floats:
    """Occurrences of "lorem ipsum", in any case, per character; undefined for the empty text.

    Why: placeholder text, by how much of the page it is.
    Wrong: small numbers: one in a page of 1,000 characters is 0.001.
    Source: RedPajama-V2, rps_doc_lorem_ipsum.
    """
    return ratio(lorem_ipsums, n_chars)


def list_mark_line_share(list_mark_lines: Integers, lines: Integers) -> Floats:
    """Lines that begin with one of •‣▶◀◦■□▪▫– among all lines; undefined without lines.

    Why: menus and lists use more marks than the two of bullet_line_share.
    Wrong: a dash opens a turn of speech in many languages.
    Source: RedPajama-V2, rps_lines_start_with_bulletpoint, there for each line.
    """
    return ratio(list_mark_lines, lines)


def words_per_line(plain_words: Integers, full_lines: Integers) -> Floats:
    """Mean number of words of a line that is not blank; undefined without such lines.

    Why: menus and tables have few words in a line, paragraphs many.
    Wrong: verse, dialogue, text broken at a fixed width.
    Source: RedPajama-V2, rps_lines_num_words, there for each line.
    """
    return ratio(plain_words, full_lines)
