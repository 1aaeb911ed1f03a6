"""The second opinion: what the model heard against what the words and letters of a text say.

For each language of the text's script the evidence (curate.langid.lexicon) and the model's own
probability are added as logarithms. The model's count for half: its n-grams see the same letters as
the evidence does, and on a single sentence it is surer than it is right. Only texts where the model
can be wrong are asked about: short ones, those where it is not sure, and those whose label was refused.
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

#: With fewer letters than this, or a lower score, the model's answer is looked at again.
SHORT, SURE = 200, 0.95

#: A label without lists is taken at the model's word from here on.
_MAJORITY = 0.5

#: How much of the model's log-probability counts.
_TRUST = 0.5

#: A language that the model did not name first or second: one of some twenty that share the rest.
_OTHERS = 20.0

#: A language that the model has no label for may be behind any of its answers.
_UNKNOWN = 0.02

#: The log-probability of "none of these", which no evidence speaks for or against.
_NOTHING = -2.0

#: No language that has so little to show is better than what the model said.
_HOPELESS = -10.0

#: Words of so many points settle it: a keyboard may lack letters, not words.
_SPOKEN = 1000

#: A label without lists has no evidence to show, so the others need more than it to win.
_UNLISTED = 3.0

#: So much better must another language be: below that the model keeps its answer.
_MARGIN = 0.5

#: A language that is so much less likely than another does not count in a sum.
_NEGLIGIBLE = 40.0


class Opinion(NamedTuple):
    """For each row asked about: candidates from best to worst, as arrays [rows, candidates]."""

    labels: Rows  #: numbers in the vocabulary, -1 where there are no more
    likely: Scores  #: how likely each is
    spoken: npt.NDArray[np.bool_]  #: whether its words leave no doubt, whatever the letters are


def unsure(
    first: Rows, score: Scores, letters: Letters, numbers: dict[str, int]
) -> npt.NDArray[np.bool_]:
    """Tell for which texts the model's answer alone is not enough.

    Of most languages there are no lists. Words of a neighbour say nothing against such a label: Cebuano
    has half of Tagalog's. It stands where the model trusts it more than all others together.
    """
    listed = np.isin(first, [numbers[label] for label in lexicon.table().labels])
    return ((score < SURE) | (letters.of_script < SHORT)) & (listed | (score < _MAJORITY))


def rank(
    data: Any,
    offsets: Any,
    rows: Rows,
    letters: Letters,
    numbers: dict[str, int],
    knows: frozenset[str],
    first: Rows,
    second: Rows,
    scores: Scores,
    keep: int = 4,
) -> Opinion:
    """Order the languages of each row's script by evidence and the model's word.

    ``numbers`` are those of labels in the vocabulary, ``knows`` the language codes of the model; ``first``, ``second`` and ``scores`` are the
    model's for these rows (-1 where it said nothing that fits the script).
    """
    listed = lexicon.table().labels
    words = lexicon.weigh(data, offsets, rows, letters.script[rows])
    points = words + lexicon.of_letters(letters, rows)
    labels = np.array([numbers[label] for label in listed], np.int64)
    scripts = np.array([NAMES.index(label[4:]) for label in listed], np.int64)
    floor = np.array([1e-4 if label[:3] in knows else _UNKNOWN for label in listed])
    opinion = Opinion(
        np.full((len(rows), keep), -1, np.int64),
        np.zeros((len(rows), keep)),
        np.zeros((len(rows), keep), np.bool_),
    )
    script = letters.script[rows]
    _order(points, words, labels, scripts, floor, script, first, second, scores, *opinion)
    return opinion


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
    likely: Any,
    spoken: Any,
) -> None:
    """Write the best languages of each row and their probabilities; a loop, so that rows stay apart.

    (numpy's exp and sum give other last bits for another number of rows.)
    """
    many = len(labels)
    total = np.empty(many + 1)
    for row in range(len(script)):
        # What the model did not name shares the rest, and none of it got more than the second.
        rest = max(1.0 - scores[row, 0] - scores[row, 1], 1e-3) / _OTHERS
        rest = min(rest, scores[row, 1])
        listed = False
        for k in range(many):
            total[k] = -np.inf
            if scripts[k] != script[row]:
                continue
            heard = rest
            if labels[k] == second[row]:
                heard = scores[row, 1]
            if labels[k] == first[row]:
                heard = scores[row, 0]
                listed = True
            total[k] = 0.01 * points[row, k] + _TRUST * np.log(max(heard, floor[k]))
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
            spoken[row, place] = most < many and words[row, most] >= _SPOKEN
            likely[row, place] = np.rint(1e6 * np.exp(total[most] - top) / everything) / 1e6
            total[most] = -np.inf
