"""What a language's alphabet and profile say to a label: whether it can be true of a text."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from curate.langid import labels as naming
from curate.langid import lexicon
from curate.langid.alphabets import ALPHABETS, both_cases, letters_of
from curate.langid.scripts import NAMES, Letters
from curate.recipe.profile import DEFAULT, IdentifySection, Profiles

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: More letters than this outside an alphabet, and at least two, are seldom quotations or names ...
MAX_FOREIGN_SHARE = 0.015

#: ... and more than this are none: the text is not written in that alphabet.
MAX_QUOTED_SHARE = 0.05

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

#: Characters that Cantonese (Wu) writes for its own words and Mandarin has no use for.
CANTONESE, SHANGHAINESE = "嘅咗唔喺啲嚟冇佢哋嘢咁嗰噉", "侬儂搿覅"

#: So many of a text's characters are such at least, where it is written as it is spoken (about 7 %).
MIN_MARK_SHARE = 0.03


class Judge:
    """What is allowed on one batch. Labels are numbers in ``vocabulary``; -1 is none."""

    def __init__(self, profiles: Profiles | None, letters: Letters) -> None:
        self.profiles, self.letters = profiles, letters
        self.vocabulary: list[str] = list(dict.fromkeys([*ALPHABETS, *lexicon.table().labels]))
        self.number = {label: k for k, label in enumerate(self.vocabulary)}

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
                mine[k] = self._numbered(name)
        return mine[which]

    def _numbered(self, name: str) -> int:
        number = self.number.setdefault(name, len(self.vocabulary))
        if number == len(self.vocabulary):
            self.vocabulary.append(name)
        return number

    def sinitic(self, chosen: Rows) -> Rows:
        """Tell Cantonese and Wu from Mandarin by the characters that only they write.

        A model calls many short Mandarin lines one of them, and formal Cantonese Mandarin.
        """
        told = chosen.copy()
        for code in ("cmn", "yue", "wuu"):
            for script in ("Hans", "Hant"):
                if (number := self.number.get(f"{code}_{script}")) is None:
                    continue
                rows = np.flatnonzero(chosen == number)
                size = self.letters.of_script[rows]
                enough = np.maximum(2, MIN_MARK_SHARE * size)
                yue, wuu = (
                    self._number_of(marks, rows) >= enough for marks in (CANTONESE, SHANGHAINESE)
                )
                told[rows] = self._numbered(f"cmn_{script}")
                told[rows[yue]] = self._numbered(f"yue_{script}")
                told[rows[wuu & ~yue]] = self._numbered(f"wuu_{script}")
        return told

    def allows(self, chosen: Rows, among: Rows | None = None, spoken: Mask | None = None) -> Mask:
        """Tell where a label can be true: not against its alphabet, nor against its profile.

        ``chosen`` holds a label for each row of ``among`` (default: of all). Where its words leave
        no doubt (``spoken``) letters are not asked: many keyboards lack some.
        """
        allowed = np.zeros(len(chosen), np.bool_)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            at = np.flatnonzero(chosen == number)
            rows = at if among is None else among[at]
            label = self.vocabulary[number]
            fine = self._has_letters(self._rules(label), rows)
            if label in ALPHABETS:
                fine &= self._written_in(label, rows, MAX_QUOTED_SHARE)
            if spoken is not None:
                fine |= spoken[at]
            fine &= self._has_script(self._rules(label), rows)
            if label.endswith("_Jpan"):
                lone_han = self.letters.script[rows] == NAMES.index("Hani")
                fine &= ~(lone_han & (self.letters.of_script[rows] > MAX_HAN_WITHOUT_KANA))
            allowed[at] = fine
        return allowed

    def min_scores(self, chosen: Rows) -> npt.NDArray[np.float64]:
        """Give the score that each label's profile asks for; 0 for no label."""
        asked = np.array([*(self._rules(label).min_score for label in self.vocabulary), 0.0])
        return asked[chosen]

    def fits(self, chosen: Rows) -> Mask:
        """Tell where nothing at all in a text's letters speaks against its label."""
        fine = np.ones(len(chosen), np.bool_)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            if (label := self.vocabulary[number]) in ALPHABETS:
                rows = np.flatnonzero(chosen == number)
                fine[rows] = self._written_in(label, rows, MAX_FOREIGN_SHARE)
        return fine

    def _written_in(self, label: str, rows: Rows, max_foreign_share: float) -> Mask:
        """Tell whether letters outside the alphabet are rare and its usual letters not missing."""
        size = self.letters.of_script[rows]
        foreign = size - self.letters.number_of(letters_of(label), rows)
        fits: Mask = foreign < np.maximum(2, max_foreign_share * size)
        for letters, per_mille in ALPHABETS[label].usual:
            expected = size * (per_mille / 1000)
            there = self._number_of(letters, rows)
            fits &= (expected < _MIN_EXPECTED) | (there >= _MISSING * expected)
        return fits

    def _has_script(self, rules: IdentifySection, rows: Rows) -> Mask:
        if not rules.scripts:
            return np.ones(len(rows), np.bool_)
        sets = {s for name in rules.scripts for s in _SCRIPT_SETS.get(name, (name,))}
        sets |= {"Jpan"} if sets & {"Hira", "Kana"} else set()
        wanted = [k for k, name in enumerate(NAMES) if name in sets]
        return np.isin(self.letters.script[rows], wanted)

    def _has_letters(self, rules: IdentifySection, rows: Rows) -> Mask:
        obeys = np.ones(len(rows), np.bool_)
        size = self.letters.of_script[rows]
        if rules.foreign_letters:
            foreign = self._number_of(rules.foreign_letters, rows)
            obeys &= foreign < np.maximum(2, MAX_QUOTED_SHARE * size)
        if rules.letters and rules.min_letter_share > 0:
            expected = rules.min_letter_share * size
            enough = self._number_of(rules.letters, rows) >= expected
            obeys &= enough | (expected < _MIN_EXPECTED)
        return obeys

    def _number_of(self, letters: str, rows: Rows) -> Rows:
        return self.letters.number_of(both_cases(letters), rows)

    def _rules(self, label: str) -> IdentifySection:
        if self.profiles is None:
            return _ANYTHING
        known = self.profiles.by_name
        profile = known.get(label) or known.get(DEFAULT)
        return profile.identify if profile else _ANYTHING


_ANYTHING = IdentifySection()


@lru_cache(maxsize=1)
def _always_asked() -> frozenset[frozenset[str]]:
    """Give the letters that alphabets, lists and marks ask for."""
    marks = (both_cases(letters) for letters in (CANTONESE, SHANGHAINESE))
    return lexicon.asked().union(marks, map(letters_of, ALPHABETS))


def asked(profiles: Profiles | None) -> frozenset[frozenset[str]]:
    """Give every set of letters that some rule asks for."""
    rules = [profile.identify for profile in profiles.by_name.values()] if profiles else []
    named = {letters for rule in rules for letters in (rule.letters, rule.foreign_letters)}
    return _always_asked().union(both_cases(letters) for letters in named - {""})
