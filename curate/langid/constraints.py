"""Whether a language's alphabet and profile allow its label on a text."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from curate.langid import lexicon
from curate.langid.alphabets import ALPHABETS, both_cases, letters_of
from curate.langid.labels import label_in_script
from curate.langid.scripts import NAMES, SCRIPT_SETS, Letters
from curate.recipe.profile import DEFAULT, IdentifySection, Profiles

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Letters outside an alphabet up to this share (or one letter) are quotations or names.
MAX_FOREIGN_SHARE = 0.015

#: A text with a larger share of letters outside an alphabet is not written in that alphabet.
MAX_QUOTED_SHARE = 0.05

#: A text without kana and with more Han than this is not Japanese; names and titles are shorter.
MAX_HAN_WITHOUT_KANA = 10

#: Letters can count as missing only in a text where at least this many of them are expected.
_MIN_EXPECTED = 3

#: Usual letters are missing if a text has less than this share of the expected number.
_MIN_USUAL_SHARE = 0.25

#: Characters of words that are Cantonese (or Wu) and not Mandarin.
CANTONESE, SHANGHAINESE = "嘅咗唔喺啲嚟冇佢哋嘢咁嗰噉", "侬儂搿覅"

#: The least share of these in a Cantonese or Wu text; about 7 % is usual in colloquial Cantonese.
MIN_MARK_SHARE = 0.03


class LabelConstraints:
    """The labels that the texts of one batch allow, as numbers in ``vocabulary``; -1 is none."""

    def __init__(self, profiles: Profiles | None, letters: Letters) -> None:
        self.profiles, self.letters = profiles, letters
        self.vocabulary: list[str] = list(dict.fromkeys([*ALPHABETS, *lexicon.table().labels]))
        self.label_index = {label: k for k, label in enumerate(self.vocabulary)}

    def translate(self, labels: tuple[str, ...], numbers: npt.NDArray[np.int32]) -> Rows:
        """Translate a model's labels to ours by each text's script; -1 where the two do not fit."""
        many = len(NAMES)
        traditional = self.letters.traditional.astype(np.int64)
        key = (numbers.astype(np.int64) * many + self.letters.script) * 2 + traditional
        kinds, which = np.unique(key, return_inverse=True)
        translated = np.full(len(kinds), -1, np.int64)
        for k, kind in enumerate(kinds.tolist()):
            number, script = divmod(kind // 2, many)
            if number < 0:
                continue
            name = label_in_script(labels[number], NAMES[script], traditional=bool(kind % 2))
            if name is not None:
                translated[k] = self._index_of(name)
        return translated[which]

    def _index_of(self, name: str) -> int:
        number = self.label_index.setdefault(name, len(self.vocabulary))
        if number == len(self.vocabulary):
            self.vocabulary.append(name)
        return number

    def separate_sinitic(self, chosen: Rows) -> Rows:
        """Separate Cantonese and Wu from Mandarin by the characters that only they use.

        A model labels many short Mandarin lines as one of them, and formal Cantonese as Mandarin.
        """
        separated = chosen.copy()
        for code in ("cmn", "yue", "wuu"):
            for script in ("Hans", "Hant"):
                if (number := self.label_index.get(f"{code}_{script}")) is None:
                    continue
                rows = np.flatnonzero(chosen == number)
                size = self.letters.of_script[rows]
                enough = np.maximum(2, MIN_MARK_SHARE * size)
                yue, wuu = (
                    self._count_letters(marks, rows) >= enough
                    for marks in (CANTONESE, SHANGHAINESE)
                )
                separated[rows] = self._index_of(f"cmn_{script}")
                separated[rows[yue]] = self._index_of(f"yue_{script}")
                separated[rows[wuu & ~yue]] = self._index_of(f"wuu_{script}")
        return separated

    def may_be_other_chinese(self, chosen: Rows) -> Mask:
        """Return which texts are Chinese and have signs of another language or script of it.

        Few characters decide on them, so more of the text could decide otherwise.
        """
        names = [name for name in self.vocabulary if name[:3] in ("cmn", "yue", "wuu")]
        chinese = np.isin(chosen, [self.label_index[name] for name in names])
        rows = np.flatnonzero(chinese)
        marks = self._count_letters(CANTONESE, rows) + self._count_letters(SHANGHAINESE, rows)
        exclusive = np.sort(self.letters.sets[rows, :2], axis=1)  # simplified and traditional
        chinese[rows] = (marks > 0) | (4 * exclusive[:, 0] > exclusive[:, 1])
        return chinese

    def allows(self, chosen: Rows, among: Rows | None = None, certain: Mask | None = None) -> Mask:
        """Return whether alphabet, script and profile allow each label.

        ``chosen`` holds a label for each row of ``among`` (default: of all). Where its words leave
        no doubt (``certain``), letters do not count: many keyboards lack some.
        """
        allowed = np.zeros(len(chosen), np.bool_)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            at = np.flatnonzero(chosen == number)
            rows = at if among is None else among[at]
            label = self.vocabulary[number]
            possible = self._has_letters(self._rules(label), rows)
            if label in ALPHABETS:
                possible &= self._written_in(label, rows, MAX_QUOTED_SHARE)
            if certain is not None:
                possible |= certain[at]
            possible &= self._has_script(self._rules(label), rows)
            if label.endswith("_Jpan"):
                lone_han = self.letters.script[rows] == NAMES.index("Hani")
                possible &= ~(lone_han & (self.letters.of_script[rows] > MAX_HAN_WITHOUT_KANA))
            allowed[at] = possible
        return allowed

    def min_scores(self, chosen: Rows) -> npt.NDArray[np.float64]:
        """Return the score that each label's profile requires; 0 for no label."""
        required = np.array([*(self._rules(label).min_score for label in self.vocabulary), 0.0])
        return required[chosen]

    def fits(self, chosen: Rows) -> Mask:
        """Return whether foreign letters are rare and usual ones present.

        Always true for labels without an alphabet.
        """
        fits = np.ones(len(chosen), np.bool_)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            if (label := self.vocabulary[number]) in ALPHABETS:
                rows = np.flatnonzero(chosen == number)
                fits[rows] = self._written_in(label, rows, MAX_FOREIGN_SHARE)
        return fits

    def _written_in(self, label: str, rows: Rows, max_foreign_share: float) -> Mask:
        """Return whether letters outside the alphabet are rare and its usual ones are present."""
        size = self.letters.of_script[rows]
        foreign = size - self.letters.count_of(letters_of(label), rows)
        fits: Mask = foreign < np.maximum(2, max_foreign_share * size)
        for letters, per_mille in ALPHABETS[label].usual:
            expected = size * (per_mille / 1000)
            count = self._count_letters(letters, rows)
            fits &= (expected < _MIN_EXPECTED) | (count >= _MIN_USUAL_SHARE * expected)
        return fits

    def _has_script(self, rules: IdentifySection, rows: Rows) -> Mask:
        if not rules.scripts:
            return np.ones(len(rows), np.bool_)
        scripts = {s for name in rules.scripts for s in SCRIPT_SETS.get(name, (name,))}
        scripts |= {"Jpan"} if scripts & {"Hira", "Kana"} else set()
        numbers = [k for k, name in enumerate(NAMES) if name in scripts]
        return np.isin(self.letters.script[rows], numbers)

    def _has_letters(self, rules: IdentifySection, rows: Rows) -> Mask:
        allowed = np.ones(len(rows), np.bool_)
        size = self.letters.of_script[rows]
        if rules.foreign_letters:
            foreign = self._count_letters(rules.foreign_letters, rows)
            allowed &= foreign < np.maximum(2, MAX_QUOTED_SHARE * size)
        if rules.letters and rules.min_letter_share > 0:
            expected = rules.min_letter_share * size
            enough = self._count_letters(rules.letters, rows) >= expected
            allowed &= enough | (expected < _MIN_EXPECTED)
        return allowed

    def _count_letters(self, letters: str, rows: Rows) -> Rows:
        return self.letters.count_of(both_cases(letters), rows)

    def _rules(self, label: str) -> IdentifySection:
        if self.profiles is None:
            return _NO_RULES
        by_name = self.profiles.by_name
        profile = by_name.get(label) or by_name.get(DEFAULT)
        return profile.identify if profile else _NO_RULES


_NO_RULES = IdentifySection()


@lru_cache(maxsize=1)
def _always_required() -> frozenset[frozenset[str]]:
    """Return the letter sets of alphabets, word lists and marks."""
    marks = (both_cases(letters) for letters in (CANTONESE, SHANGHAINESE))
    return lexicon.required_letter_sets().union(marks, map(letters_of, ALPHABETS))


def required_letter_sets(profiles: Profiles | None) -> frozenset[frozenset[str]]:
    """Return every set of letters that some rule counts."""
    rules = [profile.identify for profile in profiles.by_name.values()] if profiles else []
    named = {letters for rule in rules for letters in (rule.letters, rule.foreign_letters)}
    return _always_required().union(both_cases(letters) for letters in named - {""})
