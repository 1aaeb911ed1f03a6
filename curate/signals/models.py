"""Signals that compare a text with a file of the user's: word frequencies, a classifier."""

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


def classifier_score(label_scores: Floats) -> Floats:
    """Score of one label of a fastText classifier of the user's, 0 to 1.

    The profile names both: ``[classifier]`` with ``model``, a path, hf://owner/repository/file or
    an fsspec address of a .bin or .ftz file, and ``label``. Newlines are read as spaces. Undefined
    for the empty text, where the label is not among the model's two best, which takes more than two
    labels, and without a model.
    Why: a classifier trained on good and bad pages finds what rules do not.
    Wrong: it likes what it was trained on: its topics, its length, its spelling. Where the label
    may be a third one, a rule with a maximum should set ``undefined = "keep"``.
    Source: the classifier is the user's; DCLM keeps the best tenth of pages by such a score.
    """
    return label_scores
