"""Signals by a model: word frequencies of the user's, and the model of pages that is shipped."""

from __future__ import annotations

import numpy as np

from curate.signals.formula import Floats, Integers


def unigram_log_probability(log_probabilities: Integers, scored_words: Integers) -> Floats:
    """Mean natural logarithm of the probability of the text's words that have a letter.

    The profile names a file of word counts, ``word_frequencies = "kk.tsv"``: a word and its count
    on each line. Letter case does not matter; one is added to each count, and a word that the file
    has not has a count of 1. Undefined without words or without a file.
    Why: keywords, mojibake and other languages are made of words that the language hardly uses.
    Wrong: depends on the file: compare only texts of one profile. Names, and the rich forms of
    agglutinating languages, are rare words too.
    Source: peS2o requires more than -20 of the counts of an English corpus.

    >>> import numpy as np
    >>> unigram_log_probability(np.array([-12_000_000, 0]), np.array([2, 0]))
    array([-6., nan])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scored_words > 0, log_probabilities / 1e6 / scored_words, np.nan)


def page_quality(page_scores: Floats) -> Floats:
    """Chance that people would call a page natural text of its language, by the shipped model.

    The model reads the first 500 characters and 500 from the middle: signals of them, the same
    relative to the language, and character n-grams. Undefined for the empty text.
    Why: lists of words, advertising and translated spam pass rules of repetition and punctuation.
    Wrong: trained on 2,346 pages of 22 languages and clean texts; in others it has only
    what languages share. Verse, price lists and programs are not what its teachers called natural.
    Source: HPLT's inspection of its crawls by people; `python -m tests.generate.page_quality`.
    """
    return page_scores
