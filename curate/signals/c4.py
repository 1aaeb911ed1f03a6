"""C4's rules on documents (Raffel et al. 2020, arXiv:1910.10683); those on lines are ``trim``'s."""

from __future__ import annotations

from curate.signals.formula import Integers


def n_curly_brackets(curly_brackets: Integers) -> Integers:
    """Opening curly brackets in the text.

    Why: they hardly occur in prose and often in code and templates.
    Wrong: drops every page that shows or discusses code; not for source code.
    Source: C4, none.
    """
    return curly_brackets


def n_lorem_ipsum(lorem_ipsums: Integers) -> Integers:
    """Occurrences of the phrase "lorem ipsum", in upper or lower case.

    Why: placeholder text.
    Wrong: pages about typography.
    Source: C4, none.
    """
    return lorem_ipsums


def n_sentences(sentences: Integers) -> Integers:
    """Stretches with a word in them, up to an end of sentence and whitespace, or a newline.

    Full-width ends need no whitespace after them.
    Why: pages with fewer than a handful are stubs.
    Wrong: abbreviations and initials end sentences here (C4 used a trained splitter); Thai writes
    no ends of sentences.
    Source: C4, at least 5.
    """
    return sentences


def longest_word(longest_word_chars: Integers) -> Integers:
    """Characters of the longest word; 0 for the empty text.

    Why: binary data, keys and text that lost its spaces.
    Wrong: a word here has no punctuation inside, so an address counts part by part.
    Source: C4 drops lines with a word of more than 1,000 characters, addresses whole.
    """
    return longest_word_chars


def n_blocked_phrases(blocked_hits: Integers) -> Integers:
    """Phrases of the profile's list ``blocked`` in the text; undefined without such a list.

    Letter case does not matter; in scripts with spaces a phrase counts only as whole words.
    Why: pages that use many words of a list of obscenities are mostly pornography.
    Wrong: a limit of none also drops texts on medicine, law and minorities (Dodge et al. 2021,
    arXiv:2104.08758).
    Source: C4, none of the LDNOOBW list; RedPajama-V2 counts them, rps_doc_ldnoobw_words.
    """
    return blocked_hits
