"""The language of each text: the model's answer, checked against what the text is written with.

A model answers whatever it is asked. Its first label stands when the language is written in the text's
script and with its letters; else another is looked for: the one language whose alphabet the text shows,
or the model's second label. The score that the language's profile wants decides at last, and where
nothing is left the answer is ``und``. Nothing is dropped here: a Russian page in a Kazakh source
becomes ``rus_Cyrl`` and meets the Russian rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.langid import labels as naming
from curate.langid import letters as lettering
from curate.langid import model as models
from curate.langid.alphabets import ALPHABETS, both_cases, letters_of
from curate.langid.letters import NAMES, NONE, Letters
from curate.profile import DEFAULT, Identify, Profiles
from curate.schema import UNDETERMINED
from curate.text.fixes import SHAPED, arabic_presentation_forms
from curate.text.unicode import SCRIPTS

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: More letters than this outside an alphabet, and at least two, are no quotation or name.
MAX_FOREIGN_SHARE = 0.015

#: Kana-free texts with more Han than this are not Japanese; names and titles are shorter.
MAX_HAN_WITHOUT_KANA = 10

#: Missing letters mean something when at least so many of them were to be expected ...
_MIN_EXPECTED = 3

#: ... and are missing when fewer than this part of them is there.
_MISSING = 0.25

#: What a profile's ``scripts`` may say for several of Unicode's.
_SCRIPT_SETS = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
}


def identify(
    texts: Iterable[str | None] | pa.Array | pa.ChunkedArray,
    *,
    model: str | None = None,
    profiles: Profiles | None = None,
) -> pa.Table:
    """Tell the language of each text: a table of lang, lang_score, lang2, lang2_score.

    Definition: ``lang`` is the model's best label if the text's script and letters allow it. If not,
    it is the only language of curate.langid.alphabets whose letters the text shows, or else the
    second label if that is allowed; ``lang2`` then names what was refused, with the model's own score.
    A second label's score is its share of what the first left, ``s2 / (1 - s1)``; a language found by
    its alphabet inherits the refused one's. ``und``, where no language is left or its score is below
    the profile's ``min_score``, keeps the best guess in ``lang2``. Null texts and texts without
    letters are ``und`` with score 0.

    Why: argmax labels fill small languages with other languages' pages (FineWeb-2 removed 133 million
    of the documents labelled Dagbani and kept one thousand). Where it goes wrong: names, lists and
    texts of a few words; languages that the model does not know and no alphabet of ours tells.

    >>> identify(["Бүгін ауа райы жақсы, далада балалар ойнап жүр.", "12:30"])["lang"].to_pylist()
    ['kaz_Cyrl', 'und']
    """
    data, offsets = _buffers(_unshaped(_large_strings(texts)))
    classifier = models.load(model)
    numbers, scores = classifier.predict(data, offsets)
    judge = _Judge(profiles, lettering.count(data, offsets, _asked(profiles)))
    first = judge.named(classifier.labels, numbers[:, 0])
    second = judge.named(classifier.labels, numbers[:, 1])

    allowed = judge.allows(first)
    refused = np.flatnonzero(~allowed & (judge.letters.script != NONE))
    chosen, score = first.copy(), scores[:, 0].copy()
    second_allowed = judge.allows(second)
    shown = judge.only_alphabet(refused)
    chosen[refused] = np.where(
        shown >= 0, shown, np.where(second_allowed[refused], second[refused], -1)
    )
    swapped = refused[(chosen[refused] == second[refused]) & (chosen[refused] >= 0)]
    left = np.maximum(1.0 - scores[swapped, 0], scores[swapped, 1])
    score[swapped] = scores[swapped, 1] / np.maximum(left, 1e-9)

    other, other_score = second.copy(), scores[:, 1].copy()
    other[refused], other_score[refused] = first[refused], scores[refused, 0]
    unsure = np.flatnonzero((chosen >= 0) & (score < judge.min_scores(chosen)))
    other[unsure], other_score[unsure], chosen[unsure] = chosen[unsure], score[unsure], -1
    silent = judge.letters.script == NONE
    chosen[silent], other[silent], score[silent] = -1, -1, 0.0
    words = pa.array([*judge.vocabulary, UNDETERMINED], pa.string())
    return pa.table(
        {
            "lang": words.take(pa.array(np.where(chosen >= 0, chosen, len(words) - 1))),
            "lang_score": pa.array(score),
            "lang2": words.take(pa.array(other, mask=other < 0)),
            "lang2_score": pa.array(other_score, mask=other < 0),
        }
    )


class _Judge:
    """What is allowed on one batch. Labels are numbers in ``vocabulary``; -1 is none."""

    def __init__(self, profiles: Profiles | None, letters: Letters) -> None:
        self.profiles, self.letters = profiles, letters
        self.vocabulary: list[str] = list(ALPHABETS)
        self._number = {label: k for k, label in enumerate(self.vocabulary)}

    def named(self, labels: tuple[str, ...], numbers: npt.NDArray[np.int32]) -> Rows:
        """Translate a model's labels, by the script of each text; -1 where it is not theirs."""
        many = len(NAMES)
        traditional = self.letters.traditional.astype(np.int64)
        key = (numbers.astype(np.int64) * many + self.letters.script) * 2 + traditional
        kinds, which = np.unique(key, return_inverse=True)
        mine = np.full(len(kinds), -1, np.int64)
        for k, kind in enumerate(kinds.tolist()):
            number, script = divmod(kind // 2, many)
            if number < 0:
                continue
            name = naming.name(labels[number], NAMES[script], traditional=bool(kind % 2))
            if name is not None:
                mine[k] = self._number.setdefault(name, len(self.vocabulary))
                if mine[k] == len(self.vocabulary):
                    self.vocabulary.append(name)
        return mine[which]

    def allows(self, chosen: Rows) -> Mask:
        """Tell where a label can be true: not against its alphabet, nor against its profile."""
        allowed = np.zeros(len(chosen), np.bool_)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            rows = np.flatnonzero(chosen == number)
            label = self.vocabulary[number]
            fine = self._obeys_profile(self._rules(label), rows)
            if label in ALPHABETS:
                fine &= self._fits(label, rows)
            if label.endswith("_Jpan"):
                lone_han = self.letters.script[rows] == NAMES.index("Hani")
                fine &= ~(lone_han & (self.letters.of_script[rows] > MAX_HAN_WITHOUT_KANA))
            allowed[rows] = fine
        return allowed

    def min_scores(self, chosen: Rows) -> npt.NDArray[np.float64]:
        """Give the score that each label's profile asks for; 0 for no label."""
        asked = np.array([*(self._rules(label).min_score for label in self.vocabulary), 0.0])
        return asked[chosen]

    def only_alphabet(self, rows: Rows) -> Rows:
        """Find the one language whose alphabet each text shows, with all its usual letters; else -1."""
        found = np.full(len(rows), -1, np.int64)
        times = np.zeros(len(rows), np.int64)
        for label, alphabet in ALPHABETS.items():
            if not alphabet.usual:
                continue
            at = np.flatnonzero(self.letters.script[rows] == NAMES.index(label[4:]))
            shows = self._fits(label, rows[at])
            for letters, per_mille in alphabet.usual:
                expected = self.letters.of_script[rows[at]] * (per_mille / 1000)
                shows &= self._number_of(letters, rows[at]) >= np.maximum(expected, 1)
            shows &= self._obeys_profile(self._rules(label), rows[at])
            found[at[shows]] = self._number[label]
            times[at[shows]] += 1
        return np.where(times == 1, found, -1)

    def _fits(self, label: str, rows: Rows) -> Mask:
        """Tell whether letters outside the alphabet are rare and its usual letters not missing."""
        size = self.letters.of_script[rows]
        foreign = size - self.letters.number_of(letters_of(label), rows)
        fits: Mask = foreign < np.maximum(2, MAX_FOREIGN_SHARE * size)
        for letters, per_mille in ALPHABETS[label].usual:
            expected = size * (per_mille / 1000)
            there = self._number_of(letters, rows)
            fits &= (expected < _MIN_EXPECTED) | (there >= _MISSING * expected)
        return fits

    def _obeys_profile(self, rules: Identify, rows: Rows) -> Mask:
        obeys = np.ones(len(rows), np.bool_)
        total = self.letters.total[rows]
        if rules.scripts:
            sets = {s for name in rules.scripts for s in _SCRIPT_SETS.get(name, (name,))}
            columns = [k for k, name in enumerate(SCRIPTS) if name in sets]
            obeys &= 2 * self.letters.scripts[rows][:, columns].sum(axis=1) >= total
        if rules.foreign_letters:
            foreign = self._number_of(rules.foreign_letters, rows)
            obeys &= foreign < np.maximum(2, MAX_FOREIGN_SHARE * total)
        if rules.letters and rules.min_letter_share > 0:
            obeys &= self._number_of(rules.letters, rows) >= rules.min_letter_share * total
        return obeys

    def _number_of(self, letters: str, rows: Rows) -> Rows:
        return self.letters.number_of(both_cases(letters), rows)

    def _rules(self, label: str) -> Identify:
        if self.profiles is None:
            return _ANYTHING
        known = self.profiles.by_name
        profile = known.get(label) or known.get(DEFAULT)
        return profile.identify if profile else _ANYTHING


_ANYTHING = Identify()


def _asked(profiles: Profiles | None) -> frozenset[str]:
    """Give every letter that some rule asks for."""
    asked = frozenset().union(*(letters_of(label) for label in ALPHABETS))
    for profile in profiles.by_name.values() if profiles else ():
        asked |= both_cases(profile.identify.letters + profile.identify.foreign_letters)
    return asked


def _large_strings(texts: Iterable[str | None] | pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if not isinstance(texts, pa.Array):
        texts = pa.array(texts, pa.large_string())
    if texts.type != pa.large_string():
        texts = texts.cast(pa.large_string())
    return texts.fill_null("") if texts.null_count else texts


def _unshaped(texts: Any) -> Any:
    """Read shaped Arabic letters, as PDF files have them, as the letters themselves.

    No model was trained on them, and a page that is full of them would be ``und`` before a
    profile's fix could mend it. The text itself is left as it is.
    """
    shaped = pc.fill_null(pc.match_substring_regex(texts, SHAPED), False)
    if not pc.any(shaped).as_py():
        return texts
    mended = [arabic_presentation_forms(text) for text in texts.filter(shaped).to_pylist()]
    return pc.replace_with_mask(texts, shaped, pa.array(mended, pa.large_string()))


def _buffers(texts: Any) -> tuple[Any, Any]:
    """Give the bytes and the offsets of a large_string array without nulls, slices included."""
    _, offsets, data = texts.buffers()
    if offsets is None or len(texts) == 0:
        return _read_only(np.empty(0, np.uint8)), np.zeros(1, np.int64)
    # Arrow's buffers are read-only for numpy, which numba takes for another type than ours.
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    low, high = int(ends[0]), int(ends[-1])
    body = np.frombuffer(data, np.uint8)[low:high] if high > low else np.empty(0, np.uint8)
    return _read_only(body), ends - low


def _read_only(values: Any) -> Any:
    values.flags.writeable = False
    return values
