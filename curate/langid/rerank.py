"""Reranking: the model's probabilities combined with the evidence of words and letters.

For each language of the text's script the evidence (curate.langid.lexicon) and the model's own
probability are added as logarithms. The model's has half the weight: its n-grams depend on the same
letters as the evidence, and on a single sentence it is overconfident. Only texts where the model
can be wrong are reranked: short ones, those with a low score, and those whose label is not allowed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.jit import kernel
from curate.langid import lexicon
from curate.langid.scripts import NAMES, Letters

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

#: With fewer letters than SHORT or a score below SURE, the model's answer is reranked.
SHORT, SURE = 200, 0.95

#: A label without word lists is accepted from this score on.
_MAJORITY = 0.5

#: The weight of the model's log-probability.
_TRUST = 0.5

#: Languages that the model ranks neither first nor second: about this many share the rest.
_OTHERS = 20.0

#: The probability of a language that the model has no label for: any of its answers may be that.
_UNKNOWN = 0.02

#: Forms of languages that models know in another script alone: no Wikipedia is written in them.
_UNSEEN = frozenset(["kaz_Arab", "kir_Arab", "zsm_Arab", "uig_Cyrl"])

#: Languages without word lists that models take unseen ones in Latin letters for, with high scores.
_SINKS = frozenset(["gom_Latn"])

#: The log-probability of "none of these", which has no evidence for or against.
_NOTHING = -2.0

#: A language with less than this is no better than the model's answer.
_HOPELESS = -10.0

#: With this many points of words a language is certain: a keyboard may lack letters, not words.
_CERTAIN = 1000

#: A label without word lists has no evidence, so the others need this much more to win.
_UNLISTED = 3.0

#: Another language must be better by this much; otherwise the model's answer is kept.
_MARGIN = 0.5

#: A language that is less likely than the best by this much is left out of the sum.
_NEGLIGIBLE = 40.0


class Ranking(NamedTuple):
    """The candidates of each reranked row from best to worst, as arrays [rows, candidates]."""

    labels: Rows  #: numbers in the vocabulary, -1 where there are no more
    probabilities: Scores
    certain: npt.NDArray[np.bool_]  #: whether its words leave no doubt, whatever the letters are


def unsure(
    first: Rows, score: Scores, letters: Letters, numbers: dict[str, int]
) -> npt.NDArray[np.bool_]:
    """Return whether the model's answer for each text is not reliable alone.

    Most languages have no word lists. Words of a neighbour are no evidence against such a label:
    Cebuano has half of Tagalog's. It is kept where its score is above that of all others together.
    """
    labels = [*lexicon.table().labels, *_SINKS & numbers.keys()]
    listed = np.isin(first, [numbers[label] for label in labels])
    return ((score < SURE) | (letters.of_script < SHORT)) & (listed | (score < _MAJORITY))


def rank(
    data: Any,
    offsets: Any,
    rows: Rows,
    letters: Letters,
    numbers: dict[str, int],
    known: frozenset[str],
    first: Rows,
    second: Rows,
    scores: Scores,
    keep: int = 4,
) -> Ranking:
    """Order the languages of each row's script by evidence and the model's scores.

    ``numbers`` are those of labels in the vocabulary, ``known`` the language codes of the model;
    ``first``, ``second`` and ``scores`` are the model's for these rows (-1 where its label does not
    fit the script).
    """
    listed = lexicon.table().labels
    script = letters.script[rows]
    words = lexicon.score_words(data, offsets, rows, script)
    points = words + lexicon.score_letters(letters, rows)
    labels = np.array([numbers[label] for label in listed], np.int64)
    scripts = np.array([NAMES.index(label[4:]) for label in listed], np.int64)
    floor = np.array([_floor(label, known) for label in listed])
    size = len(rows), keep
    ranking = Ranking(np.full(size, -1, np.int64), np.zeros(size), np.zeros(size, np.bool_))
    _order(points, words, labels, scripts, floor, script, first, second, scores, *ranking)
    return ranking


def _floor(label: str, known: frozenset[str]) -> float:
    """Return the least probability that the model's answer can leave a language."""
    return 1e-4 if label[:3] in known and label not in _UNSEEN else _UNKNOWN


@kernel
def _order(
    points: Any,
    words: Any,
    labels: Any,
    scripts: Any,
    floor: Any,
    script: Any,
    first: Any,
    second: Any,
    scores: Any,
    best: Any,
    probabilities: Any,
    certain: Any,
) -> None:
    """Write the best languages of each row and their probabilities, row by row.

    (The last bits of numpy's exp and sum depend on the number of rows.)
    """
    many = len(labels)
    total = np.empty(many + 1)
    for row in range(len(script)):
        # All other labels share the rest, and none of them has more than the second.
        rest = max(1.0 - scores[row, 0] - scores[row, 1], 1e-3) / _OTHERS
        rest = min(rest, scores[row, 1])
        listed = False
        for k in range(many):
            total[k] = -np.inf
            if scripts[k] != script[row]:
                continue
            trusted = rest
            if labels[k] == second[row]:
                trusted = scores[row, 1]
            if labels[k] == first[row]:
                trusted = scores[row, 0]
                listed = True
            total[k] = 0.01 * points[row, k] + _TRUST * np.log(max(trusted, floor[k]))
            total[k] += _MARGIN if labels[k] == first[row] else 0.0
        total[many] = -np.inf
        if first[row] >= 0 and not listed:
            total[many] = _TRUST * np.log(max(scores[row, 0], 1e-4)) + _UNLISTED
        top = _NOTHING
        for k in range(many + 1):
            top = max(top, total[k])
        everything = np.exp(_NOTHING - top)
        for k in range(many + 1):
            if total[k] > top - _NEGLIGIBLE:
                everything += np.exp(total[k] - top)
        for place in range(best.shape[1]):
            most: Any = np.argmax(total)
            if total[most] < _HOPELESS:
                break
            best[row, place] = labels[most] if most < many else first[row]
            certain[row, place] = most < many and words[row, most] >= _CERTAIN
            probabilities[row, place] = np.rint(1e6 * np.exp(total[most] - top) / everything) / 1e6
            total[most] = -np.inf
