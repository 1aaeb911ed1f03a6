"""The language of each text: the model's answer, checked against the text's script and letters.

A model answers for any text. Its first label is kept where its score is high and the text's script
and letters allow it. Elsewhere the candidates are reranked by function words, endings and letters
(curate.langid.rerank), and the best label that script, alphabet and profile allow is taken. Last, a
score below that of the language's profile, or no label at all, becomes ``und``. Nothing is dropped
here: a Russian page in a Kazakh source becomes ``rus_Cyrl`` and is judged by the Russian rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import buffers
from curate.langid import as_trained, rerank
from curate.langid.constraints import LabelConstraints, required_letter_sets
from curate.langid.fasttext import model as models
from curate.langid.labels import language_codes, scripts_of
from curate.langid.sample import sample
from curate.langid.scripts import (
    MIN_SCRIPT_SHARE,
    NAMES,
    NONE,
    Letters,
    count_letters,
    use_script,
)
from curate.recipe.profile import Profiles
from curate.schema import UNDETERMINED

Rows = npt.NDArray[np.int64]

#: A sample of a text stands for the whole if the model gives its label this score, words and
#: letters do not object, and there are rerank.SHORT letters.
_SURE_OF_SAMPLE = 0.9


def identify(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
    *,
    model: str | None = None,
    profiles: Profiles | None = None,
    segments: bool = False,
) -> pa.Table:
    """Return the language of each text: a table of lang, lang_score, lang2, lang2_score.

    With ``segments`` also lang_spans: the language of each span of bytes
    (curate.langid.code_switching).

    Definition: ``lang`` is the model's best label if its score is high on a longer text whose
    script and letters allow that label; else the best of curate.langid.rerank that they allow, or
    the model's second label. ``lang_score`` is the model's own score or, where reranking chose the
    label or is surer of it, the probability of the ranking. ``lang2`` is the model's second label,
    or its first where another was taken, with the model's score. ``und``, where no language is left
    or its score is below the profile's ``min_score``, keeps the best guess in ``lang2``. Null texts
    and texts without letters are ``und`` with score 0. Of two scripts that of the language counts.
    The model sees each text composed, in usual letters and, where it is in capitals, in small ones.
    Of a text of more than 1,536 bytes it sees eight pieces spread over it (curate.langid.sample),
    and the whole where the answer is not sure.

    Why: argmax labels fill small languages with other languages' pages (FineWeb-2 removed 133
    million of the documents labelled Dagbani and kept one thousand). Errors remain in names, lists
    and texts of a few words, and in languages that neither the model nor an alphabet separates.

    >>> identify(["Бүгін ауа райы жақсы, далада балалар ойнап жүр.", "12:30"])["lang"].to_pylist()
    ['kaz_Cyrl', 'und']
    """
    return identify_with_model_labels(texts, model=model, profiles=profiles, segments=segments)[0]


def identify_with_model_labels(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
    *,
    model: str | None,
    profiles: Profiles | None,
    segments: bool = False,
) -> tuple[pa.Table, pa.StringArray]:
    """Identify; return the table and the model's own best labels (null for no letters)."""
    column = _large_strings(texts)
    shown, sampled = sample(column)
    answers = _identify(shown, model, profiles)
    again = sampled[~np.asarray(answers["sure"])[sampled]]
    if len(again):
        better = _identify(column.take(pa.array(again)), model, profiles)
        places = np.arange(len(column))
        places[again] = len(column) + np.arange(len(again))
        answers = pa.concat_tables([answers, better]).take(pa.array(places)).combine_chunks()
    whole = answers.select(["lang", "lang_score", "lang2", "lang2_score"])
    if segments:
        from curate.langid.code_switching import spans

        langs = whole["lang"].to_pylist()
        of_parts = spans(*buffers(column), langs, lambda part: _identify(part, model, profiles))
        whole = whole.append_column("lang_spans", of_parts)
    return whole, answers["model_label"].combine_chunks()


def _identify(
    column: pa.LargeStringArray, model: str | None, profiles: Profiles | None
) -> pa.Table:
    """Return the language columns, the model's label, and whether a sample of a text would do."""
    shown, lowered = as_trained.reshape(column)
    data, offsets = buffers(shown)
    letters = count_letters(data, offsets, required_letter_sets(profiles))
    classifier = models.load(model)
    numbers, scores = classifier.predict(data, offsets)
    if len(lowered):
        _lower_dotless(column, lowered, classifier, numbers, scores)
    preferred = _preferred_scripts(classifier.labels, numbers[:, 0], letters)
    letters = use_script(letters, preferred)
    constraints = LabelConstraints(profiles, letters)
    first = constraints.translate(classifier.labels, numbers[:, 0])
    second = constraints.translate(classifier.labels, numbers[:, 1])

    chosen, score = _decide(data, offsets, constraints, classifier.labels, first, second, scores)
    no_letters = letters.script == NONE
    chosen[no_letters], score[no_letters] = -1, 0.0
    replaced = chosen != first
    other = np.where(replaced, first, second)
    other_score = np.where(replaced, scores[:, 0], scores[:, 1])
    unsure = np.flatnonzero((chosen >= 0) & (score < constraints.min_scores(chosen)))
    other[unsure], other_score[unsure], chosen[unsure] = chosen[unsure], score[unsure], -1
    other[no_letters] = -1
    sure = (chosen >= 0) & (chosen == first) & (scores[:, 0] >= _SURE_OF_SAMPLE)
    sure &= (letters.of_script >= rerank.SHORT) & ~constraints.may_be_other_chinese(chosen)
    names = pa.array([*constraints.vocabulary, UNDETERMINED], pa.string())
    best = np.where(no_letters, -1, numbers[:, 0])
    model_labels = pa.array(classifier.labels, pa.string()).take(pa.array(best, mask=best < 0))
    columns = {
        "lang": names.take(pa.array(np.where(chosen >= 0, chosen, len(names) - 1))),
        "lang_score": pa.array(score),
        "lang2": names.take(pa.array(other, mask=other < 0)),
        "lang2_score": pa.array(other_score, mask=other < 0),
        "model_label": model_labels,
        "sure": sure,
    }
    return pa.table(columns)


def _lower_dotless(
    texts: pa.LargeStringArray,
    lowered: Rows,
    classifier: models.Model,
    numbers: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float64],
) -> None:
    """Predict texts in capitals again with ı for I, as Turkish has it.

    The answer counts where it is a language with ı, and surer than the one with i. A text without
    any other letter of these languages must be one of them with i already: ı looks Turkish to a
    model, whatever the word.
    """
    codes = np.array([scripts_of(label)[0] for label in classifier.labels])
    has_dotless = np.isin(codes, [*as_trained.DOTLESS])
    capitals = texts.take(pa.array(lowered))
    letters = pc.match_substring_regex(capitals, "[İĞŞƏÇÖÜ]")
    wanted = np.asarray(letters) | has_dotless[numbers[lowered, 0]]
    rows = lowered[np.asarray(pc.match_substring(capitals, "I")) & wanted]
    if not len(rows):
        return
    small = [as_trained.lower(texts[row].as_py(), dotless=True) for row in rows.tolist()]
    again, sureness = classifier.predict(*buffers(pa.array(small, pa.large_string())))
    better = has_dotless[again[:, 0]] & (again[:, 0] >= 0) & (sureness[:, 0] >= scores[rows, 0])
    numbers[rows[better]], scores[rows[better]] = again[better], sureness[better]


def _preferred_scripts(
    labels: tuple[str, ...], first: npt.NDArray[np.int32], letters: Letters
) -> Rows:
    """Return the script of each text's first label, -1 where the text has too little of it."""
    preferred = np.full(len(first), -1, np.int64)
    for number in np.unique(first[first >= 0]).tolist():
        at = np.flatnonzero(first == number)
        scripts = [NAMES.index(s) for s in scripts_of(labels[number])[1] if s in NAMES]
        # The usual script wins: Kazakh beside English is Cyrillic, not Kazakh in Latin letters.
        for script in reversed(scripts):
            count = letters.scripts[at, script]
            enough = (count > 0) & (count >= MIN_SCRIPT_SHARE * letters.total[at])
            preferred[at[enough]] = script
    return preferred


def _decide(
    data: Any,
    offsets: Any,
    constraints: LabelConstraints,
    labels: tuple[str, ...],
    first: Rows,
    second: Rows,
    scores: npt.NDArray[np.float64],
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Choose a label for each text, -1 for none; return the labels and their scores."""
    letters = constraints.letters
    allowed = constraints.allows(first)
    written = letters.script != NONE
    chosen, score = np.where(allowed, first, -1), scores[:, 0].copy()

    # The model's second label, where the first is not allowed.
    swapped = np.flatnonzero(~allowed & written)
    swapped = swapped[constraints.allows(second[swapped], swapped)]
    chosen[swapped] = second[swapped]
    left = np.maximum(1.0 - scores[swapped, 0], scores[swapped, 1])
    score[swapped] = scores[swapped, 1] / np.maximum(left, 1e-9)

    # Words and letters, where the model can be wrong.
    unsure = rerank.unsure(first, scores[:, 0], letters, constraints.label_index)
    doubtful = ~allowed | ~constraints.fits(first) | unsure
    rows = np.flatnonzero(doubtful & written)
    known = language_codes(labels)
    model_answer = first[rows], second[rows], scores[rows]
    ranked = rerank.rank(
        data, offsets, rows, letters, constraints.label_index, known, *model_answer
    )
    undecided = np.arange(len(rows))
    for place in range(ranked.labels.shape[1]):
        label, certain = ranked.labels[undecided, place], ranked.certain[undecided, place]
        decided = constraints.allows(label, rows[undecided], certain)
        at, label = rows[undecided[decided]], label[decided]
        probability = ranked.probabilities[undecided[decided], place]
        same = label == chosen[at]
        score[at] = np.where(same, np.maximum(score[at], probability), probability)
        chosen[at] = label
        undecided = undecided[~decided]
    return constraints.separate_sinitic(chosen), score


def _large_strings(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
) -> pa.LargeStringArray:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if not isinstance(texts, pa.Array):
        texts = pa.array(texts, pa.large_string())
    if texts.type != pa.large_string():
        texts = texts.cast(pa.large_string())
    return texts.fill_null("") if texts.null_count else texts
