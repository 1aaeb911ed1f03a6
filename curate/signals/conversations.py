"""The counts of a column of conversations, by name: what the formulas of signals/chat.py are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.chat import text_of_role
from curate.schema import whole

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Texts to a table of ``lang`` and ``lang_score``, as curate.langid.identify gives.
Identify = Callable[[pa.LargeStringArray], pa.Table]

#: Where an answer that refuses says so: further on it quotes, or speaks of someone else.
OPENING_CHARACTERS = 200

#: A second label of this score is a doubt: a short line of Han characters is Chinese or Japanese.
SECOND_GUESS = 0.05

#: Source code is in no language, whatever its names are: fenced blocks, and lines with its signs.
CODE = r"(?s:```.*?(?:```|$))|(?m:^[^\n]*(?:[{};=<>]|\(\)|^\s*(?:#|//|import |from |def |print))[^\n]*$)"

#: Counts of phrases, and the list of the profile that names them.
PHRASES = {
    "control_token_hits": "control_tokens",
    "refusing_turns": "refusals",
    "boilerplate_hits": "boilerplate",
    "prompt_word_hits": "prompt_words",
}
TURNS = ("turns", "user_turns", "answer_turns", "null_turns", "blank_turns", "misplaced_turns")
ENDS = ("opens_with_user", "closes_with_answer")
SIZES = ("prompt_size", "answer_size")
LANGUAGES = ("language_difference", "prompt_language_score")

COUNTS = (*TURNS, *ENDS, *SIZES, *LANGUAGES, *PHRASES)

_ROLES = ("system", "user", "assistant", "tool")
_SYSTEM, _USER, _ASSISTANT, _TOOL = range(4)


class Conversations(Mapping[str, Integers | Floats]):
    """The counts of conversations. Each is made when it is first asked for; 0 where messages are null.

    ``identify`` tells languages; without it the counts of LANGUAGES are NaN.
    """

    def __init__(
        self,
        messages: pa.ListArray,
        lists: Mapping[str, Sequence[str]] | None = None,
        identify: Identify | None = None,
    ) -> None:
        self._messages, self._lists, self._identify = messages, lists or {}, identify
        self.absent = np.asarray(messages.is_null())
        lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy().astype(np.int64)
        self._edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        turns = messages.flatten()
        self._role = pc.index_in(turns.field("role"), pa.array(_ROLES)).fill_null(-1).to_numpy()
        self._content: pa.LargeStringArray = turns.field("content")
        calls = turns.field("tool_calls")
        self._calls = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(calls), 0), False))
        self._known: dict[str, Integers | Floats] = {}

    def __getitem__(self, name: str) -> Integers | Floats:
        if name not in COUNTS:
            raise KeyError(name)
        if name not in self._known:
            if name in PHRASES:
                self._known[name] = self._phrases(name)
            elif name in SIZES:
                self._known |= self._sizes()
            elif name in LANGUAGES:
                self._known |= self._languages()
            else:
                self._known |= self._turns() | self._ends()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COUNTS)

    def __len__(self) -> int:
        return len(COUNTS)

    def _sums(self, each: npt.NDArray[np.bool_] | Integers) -> Integers:
        """Add up a number of each turn over its conversation."""
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(each, dtype=np.int64)])
        sums: Integers = total[self._edges[1:]] - total[self._edges[:-1]]
        return sums

    def _turns(self) -> dict[str, Integers | Floats]:
        role, calls = self._role, self._calls
        null = np.asarray(self._content.is_null()) & ~calls
        words = pc.utf8_length(pc.utf8_trim_whitespace(self._content))
        blank = np.asarray(pc.fill_null(pc.equal(words, 0), True)) & ~calls
        return {
            "turns": np.diff(self._edges),
            "user_turns": self._sums(role == _USER),
            "answer_turns": self._sums(role == _ASSISTANT),
            "null_turns": self._sums(null),
            "blank_turns": self._sums(blank & ~null & ((role == _USER) | (role == _ASSISTANT))),
            "misplaced_turns": self._sums(self._misplaced()),
        }

    def _misplaced(self) -> npt.NDArray[np.bool_]:
        """Tell of each turn whether it cannot follow the one before it."""
        role, calls = self._role, self._calls
        first = np.zeros(len(role), np.bool_)
        first[self._edges[:-1][np.diff(self._edges) > 0]] = True
        before, called = np.roll(role, 1), np.roll(calls, 1)
        # Words and then a call are one answer, in some datasets written as two turns.
        doubled = (role == _ASSISTANT) & (before == _ASSISTANT) & ~(calls & ~called)
        unasked = (role == _TOOL) & ~((before == _ASSISTANT) & called) & (before != _TOOL)
        late = (role == _SYSTEM) & (before != _SYSTEM)
        wrong = doubled | unasked | late | ((role == _USER) & (before == _USER))
        return np.where(first, role == _TOOL, wrong)

    def _ends(self) -> dict[str, Integers | Floats]:
        role = np.append(self._role, -1)
        starts, ends = self._edges[:-1], self._edges[1:]
        # The first turn that is no system turn: sorted positions, looked up from each start.
        spoken = np.append(np.flatnonzero(self._role != _SYSTEM), len(self._role))
        opening = spoken[np.searchsorted(spoken, starts)]
        last = np.where(ends > starts, ends - 1, len(self._role))
        return {
            "opens_with_user": ((opening < ends) & (role[opening] == _USER)).astype(np.int64),
            "closes_with_answer": (role[last] == _ASSISTANT).astype(np.int64),
        }

    def _sizes(self) -> dict[str, Integers | Floats]:
        size = np.asarray(
            pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(self._content)), 0)
        ).astype(np.int64)
        return {
            "prompt_size": self._sums(np.where(self._role == _USER, size, 0)),
            "answer_size": self._sums(np.where(self._role == _ASSISTANT, size, 0)),
        }

    def _phrases(self, name: str) -> Integers:
        """Count phrases in all turns, the assistant's or the user's; letter case does not matter."""
        words = pc.fill_null(self._content, "")
        if name == "refusing_turns":
            words = pc.utf8_slice_codeunits(words, 0, OPENING_CHARACTERS)
        whose = {"control_token_hits": None, "prompt_word_hits": _USER}.get(name, _ASSISTANT)
        found = np.asarray(
            pc.count_substring_regex(
                pc.replace_substring(words, "\u2019", "'"), pattern(self._lists[PHRASES[name]])
            )
        ).astype(np.int64)
        if name == "refusing_turns":
            found = np.minimum(found, 1)
        return self._sums(found if whose is None else np.where(self._role == whose, found, 0))

    def _languages(self) -> dict[str, Integers | Floats]:
        nothing = np.full(len(self._messages), np.nan)
        if self._identify is None or self.absent.all():
            return dict.fromkeys(LANGUAGES, nothing)
        (asked, sure, or_asked), (answered, surely, or_answered) = (
            _named(self._identify(without_code(text_of_role(self._messages, role))))
            for role in ("user", "assistant")
        )
        known = (asked != "") & (answered != "")
        same = (asked == answered) | (asked == or_answered) | (or_asked == answered)
        differ = np.where(same, 0.0, np.minimum(sure, surely))
        return {
            "language_difference": np.where(known, differ, np.nan),
            "prompt_language_score": np.where(asked != "", sure, np.nan),
        }


def without_code(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    r"""Cut source code out of texts; what is left tells their language.

    >>> texts = pa.array(["Міне:\n```py\nx\n```\nДайын.", "for x in y():\n  # жоқ\nБітті"], pa.large_string())
    >>> [text.split() for text in without_code(texts).to_pylist()]
    [['Міне:', 'Дайын.'], ['Бітті']]
    """
    return pc.replace_substring_regex(texts, CODE, "")


def pattern(phrases: Sequence[str]) -> str:
    r"""Write a regular expression (RE2) that any of the phrases matches, with any white space in it.

    >>> pattern(["as an ai", "</s>"])
    '(?i)as\\s+an\\s+ai|</s>'
    """
    return "(?i)" + "|".join(
        r"\s+".join(re.escape(word) for word in phrase.replace("\u2019", "'").split())
        for phrase in phrases
    )


def _named(found: pa.Table) -> tuple[npt.NDArray[np.str_], Floats, npt.NDArray[np.str_]]:
    """Give language, score and second guess; '' where undetermined. All scripts of a language are one."""

    def languages(name: str) -> npt.NDArray[np.str_]:
        said = [(lang or "und").partition("_")[0] for lang in found.column(name).to_pylist()]
        return np.array(["" if lang == "und" else lang for lang in said], np.str_)

    score, second = (
        np.asarray(whole(found.column(name)).fill_null(0.0))
        for name in ("lang_score", "lang2_score")
    )
    guess = np.where(second >= SECOND_GUESS, languages("lang2"), "-")
    return languages("lang"), score, guess
