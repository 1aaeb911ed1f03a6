"""The language of each text: the model's answer, checked against what the text is written with.

A model answers whatever it is asked. Its first label stands where the text's script and letters allow
it and it is sure. Elsewhere function words, endings and letters give a second opinion
(curate.langid.rerank), and the best label that script, alphabet and profile allow is taken. The score
that the language's profile wants decides at last, and where nothing is left the answer is ``und``.
Nothing is dropped here: a Russian page in a Kazakh source becomes ``rus_Cyrl`` and meets the Russian
rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import buffers
from curate.langid import labels as naming
from curate.langid import rerank
from curate.langid import scripts as lettering
from curate.langid.constraints import Judge, asked
from curate.langid.fasttext import model as models
from curate.langid.scripts import NAMES, NONE, Letters
from curate.recipe.profile import Profiles
from curate.schema import UNDETERMINED
from curate.text.fixes import SHAPED, arabic_presentation_forms

Rows = npt.NDArray[np.int64]

_ARABIC = NAMES.index("Arab")


def identify(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
    *,
    model: str | None = None,
    profiles: Profiles | None = None,
    segments: bool = False,
) -> pa.Table:
    """Tell the language of each text: a table of lang, lang_score, lang2, lang2_score.

    With ``segments`` also lang_spans: which bytes of a text are in which language
    (curate.langid.code_switching).

    Definition: ``lang`` is the model's best label if it is sure of a longer text whose script and
    letters allow that label; else the best of curate.langid.rerank that they allow, or the model's
    second label. ``lang_score`` is the model's own score or, where the opinion is surer or decided, the
    probability that it gives. ``lang2`` is the model's second label, or its first where another was
    taken, with the model's score. ``und``, where no language is left or its score is below the
    profile's ``min_score``, keeps the best guess in ``lang2``. Null texts and texts without letters are
    ``und`` with score 0. A page in two scripts is read in the one that its language is written in.

    Why: argmax labels fill small languages with other languages' pages (FineWeb-2 removed 133 million
    of the documents labelled Dagbani and kept one thousand). Where it goes wrong: names, lists and
    texts of a few words; languages that the model does not know and no alphabet of ours tells.

    >>> identify(["Бүгін ауа райы жақсы, далада балалар ойнап жүр.", "12:30"])["lang"].to_pylist()
    ['kaz_Cyrl', 'und']
    """
    return listen(texts, model=model, profiles=profiles, segments=segments)[0]


def listen(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
    *,
    model: str | None,
    profiles: Profiles | None,
    segments: bool = False,
) -> tuple[pa.Table, pa.StringArray]:
    """Identify, and tell the model's own best label for each text (null: no letters)."""
    column = _large_strings(texts)
    whole, heard = _listen(column, model, profiles)
    if segments:
        from curate.langid.code_switching import spans

        langs = whole["lang"].to_pylist()
        found = spans(*buffers(column), langs, lambda part: _listen(part, model, profiles)[0])
        whole = whole.append_column("lang_spans", found)
    return whole, heard


def _listen(
    column: Any, model: str | None, profiles: Profiles | None
) -> tuple[pa.Table, pa.StringArray]:
    data, offsets = buffers(column)
    letters = lettering.count(data, offsets, asked(profiles))
    arabic = pa.array(letters.scripts[:, _ARABIC] > 0)
    if (mended := _unshaped(column, arabic)) is not column:
        data, offsets = buffers(mended)
        letters = lettering.count(data, offsets, asked(profiles))
    classifier = models.load(model)
    numbers, scores = classifier.predict(data, offsets)
    letters = lettering.hear(letters, _scripts(classifier.labels, numbers[:, 0], letters))
    judge = Judge(profiles, letters)
    first = judge.named(classifier.labels, numbers[:, 0])
    second = judge.named(classifier.labels, numbers[:, 1])

    chosen, score = _decide(data, offsets, judge, classifier.labels, first, second, scores)
    silent = letters.script == NONE
    chosen[silent], score[silent] = -1, 0.0
    replaced = chosen != first
    other = np.where(replaced, first, second)
    other_score = np.where(replaced, scores[:, 0], scores[:, 1])
    unsure = np.flatnonzero((chosen >= 0) & (score < judge.min_scores(chosen)))
    other[unsure], other_score[unsure], chosen[unsure] = chosen[unsure], score[unsure], -1
    other[silent] = -1
    words = pa.array([*judge.vocabulary, UNDETERMINED], pa.string())
    best = np.where(silent, -1, numbers[:, 0])
    heard = pa.array(classifier.labels, pa.string()).take(pa.array(best, mask=best < 0))
    found = pa.table(
        {
            "lang": words.take(pa.array(np.where(chosen >= 0, chosen, len(words) - 1))),
            "lang_score": pa.array(score),
            "lang2": words.take(pa.array(other, mask=other < 0)),
            "lang2_score": pa.array(other_score, mask=other < 0),
        }
    )
    return found, heard


def _scripts(labels: tuple[str, ...], first: npt.NDArray[np.int32], letters: Letters) -> Rows:
    """Give the script that each text's first label is written in; -1 where that is its main one."""
    wanted = np.full(len(first), -1, np.int64)
    for number in np.unique(first[first >= 0]).tolist():
        written = naming.scripts_of(labels[number])[1]
        if not written:
            continue
        at = np.flatnonzero(first == number)
        usual = [NAMES.index(name) for name in written if name in NAMES]
        # The usual script first: Kazakh beside English is Cyrillic, not Kazakh in Latin letters.
        for script in reversed(usual):
            there = letters.scripts[at, script]
            enough = (there > 0) & (there >= lettering.MIN_SCRIPT_SHARE * letters.total[at])
            wanted[at[enough]] = script
    return wanted


def _decide(
    data: Any,
    offsets: Any,
    judge: Judge,
    labels: tuple[str, ...],
    first: Rows,
    second: Rows,
    scores: npt.NDArray[np.float64],
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Choose a label for each text, -1 for none, and say how sure that is."""
    letters = judge.letters
    allowed = judge.allows(first)
    written = letters.script != NONE
    chosen, score = np.where(allowed, first, -1), scores[:, 0].copy()

    # The model's second label, where the first cannot be true.
    swapped = np.flatnonzero(~allowed & written)
    swapped = swapped[judge.allows(second[swapped], swapped)]
    chosen[swapped] = second[swapped]
    left = np.maximum(1.0 - scores[swapped, 0], scores[swapped, 1])
    score[swapped] = scores[swapped, 1] / np.maximum(left, 1e-9)

    # What words and letters say, where the model can be wrong.
    unsure = rerank.unsure(first, scores[:, 0], letters, judge.number)
    doubtful = ~allowed | ~judge.fits(first) | unsure
    rows = np.flatnonzero(doubtful & written)
    ranked = rerank.rank(
        data,
        offsets,
        rows,
        letters,
        judge.number,
        naming.codes(labels),
        first[rows],
        second[rows],
        scores[rows],
    )
    undecided = np.arange(len(rows))
    for place in range(ranked.labels.shape[1]):
        label, spoken = ranked.labels[undecided, place], ranked.spoken[undecided, place]
        told = judge.allows(label, rows[undecided], spoken)
        at, label = rows[undecided[told]], label[told]
        likely = ranked.likely[undecided[told], place]
        same = label == chosen[at]
        score[at] = np.where(same, np.maximum(score[at], likely), likely)
        chosen[at] = label
        undecided = undecided[~told]
    return judge.sinitic(chosen), score


def _large_strings(texts: Iterable[str | None] | pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if not isinstance(texts, pa.Array):
        texts = pa.array(texts, pa.large_string())
    if texts.type != pa.large_string():
        texts = texts.cast(pa.large_string())
    return texts.fill_null("") if texts.null_count else texts


def _unshaped(texts: Any, arabic: Any) -> Any:
    """Read shaped Arabic letters, as PDF files have them, as the letters themselves.

    No model was trained on them, and a page that is full of them would be ``und`` before a
    profile's fix could mend it. The text itself is left as it is. Only texts with Arabic letters
    (``arabic``) are looked at.
    """
    if not pc.any(arabic).as_py():
        return texts
    found = pc.match_substring_regex(texts.filter(arabic), SHAPED)
    if not pc.any(found).as_py():
        return texts
    shaped = pc.replace_with_mask(arabic, arabic, found)
    mended = [arabic_presentation_forms(text) for text in texts.filter(shaped).to_pylist()]
    return pc.replace_with_mask(texts, shaped, pa.array(mended, pa.large_string()))
