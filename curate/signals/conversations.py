"""The counts of a column of conversations by name: the input of the formulas of signals/chat.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.chat import text_of_role
from curate.schema import whole
from curate.signals.formula import Floats, Integers

#: From texts to a table of ``lang`` and ``lang_score``, as curate.langid.identify returns.
Identify = Callable[[pa.LargeStringArray], pa.Table]

#: A refusal is in the first characters of an answer; further on it may quote one.
OPENING_CHARACTERS = 200

#: From this score on the second label is possible too: a line of Han is Chinese or Japanese.
SECOND_GUESS = 0.05

#: Source code is in no language: fenced blocks, and lines with typical signs.
CODE = (
    r"(?s:```.*?(?:```|$))"
    r"|(?m:^[^\n]*(?:[{};=<>]|\(\)|^\s*(?:#|//|import |from |def |print))[^\n]*$)"
)

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
    """The counts of conversations, each computed when first read; 0 where messages are null.

    Without ``identify`` the counts of LANGUAGES are NaN.
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
        #: What the assistant writes besides its content; null where it does not.
        self._besides = [turns.field(name) for name in ("reasoning_content", "tool_calls")]
        calls = self._besides[1]
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
        """Return whether each turn cannot follow the one before it."""
        role, calls = self._role, self._calls
        first = np.zeros(len(role), np.bool_)
        first[self._edges[:-1][np.diff(self._edges) > 0]] = True
        before, called = np.roll(role, 1), np.roll(calls, 1)
        # Words and then a call are one answer, which some datasets store as two turns.
        doubled = (role == _ASSISTANT) & (before == _ASSISTANT) & ~(calls & ~called)
        unasked = (role == _TOOL) & ~((before == _ASSISTANT) & called) & (before != _TOOL)
        late = (role == _SYSTEM) & (before != _SYSTEM)
        wrong = doubled | unasked | late | ((role == _USER) & (before == _USER))
        return np.where(first, role == _TOOL, wrong)

    def _ends(self) -> dict[str, Integers | Floats]:
        role = np.append(self._role, -1)
        starts, ends = self._edges[:-1], self._edges[1:]
        # The first turn that is not the system's: sorted positions, searched from each start.
        spoken = np.append(np.flatnonzero(self._role != _SYSTEM), len(self._role))
        opening = spoken[np.searchsorted(spoken, starts)]
        last = np.where(ends > starts, ends - 1, len(self._role))
        return {
            "opens_with_user": ((opening < ends) & (role[opening] == _USER)).astype(np.int64),
            "closes_with_answer": (role[last] == _ASSISTANT).astype(np.int64),
        }

    def _sizes(self) -> dict[str, Integers | Floats]:
        def characters(words: pa.LargeStringArray) -> Integers:
            lengths = pc.utf8_length(pc.utf8_trim_whitespace(words))
            return np.asarray(pc.fill_null(lengths, 0)).astype(np.int64)

        size = characters(self._content)
        answers = size + sum(map(characters, self._besides))
        return {
            "prompt_size": self._sums(np.where(self._role == _USER, size, 0)),
            "answer_size": self._sums(np.where(self._role == _ASSISTANT, answers, 0)),
        }

    def _phrases(self, name: str) -> Integers:
        """Count phrases in all turns, the assistant's or the user's, ignoring letter case.

        Control tokens also in reasoning and calls, which a template writes between tokens, too.
        """
        words = pc.fill_null(self._content, "")
        if name == "refusing_turns":
            words = pc.utf8_slice_codeunits(words, 0, OPENING_CHARACTERS)
        whose = {"control_token_hits": None, "prompt_word_hits": _USER}.get(name, _ASSISTANT)
        words, phrases = pc.replace_substring(words, "\u2019", "'"), self._lists[PHRASES[name]]
        hits = np.asarray(pc.count_substring_regex(words, pattern(phrases))).astype(np.int64)
        if whose is None:
            for more in self._besides:
                if more.null_count < len(more):
                    found = pc.count_substring_regex(pc.fill_null(more, ""), pattern(phrases))
                    hits += np.asarray(found)
        if name == "refusing_turns":
            hits = np.minimum(hits, 1)
        return self._sums(hits if whose is None else np.where(self._role == whose, hits, 0))

    def _languages(self) -> dict[str, Integers | Floats]:
        nothing = np.full(len(self._messages), np.nan)
        if self._identify is None or self.absent.all():
            return dict.fromkeys(LANGUAGES, nothing)
        (prompt, prompt_score, prompt_guess), (answer, answer_score, answer_guess) = (
            _languages_of(self._identify(without_code(text_of_role(self._messages, role))))
            for role in ("user", "assistant")
        )
        known = (prompt != "") & (answer != "")
        same = (prompt == answer) | (prompt == answer_guess) | (prompt_guess == answer)
        differ = np.where(same, 0.0, np.minimum(prompt_score, answer_score))
        return {
            "language_difference": np.where(known, differ, np.nan),
            "prompt_language_score": np.where(prompt != "", prompt_score, np.nan),
        }


def without_code(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    r"""Cut source code out of texts, so that the rest shows their language.

    >>> texts = ["Міне:\n```py\nx\n```\nДайын.", "for x in y():\n  # жоқ\nБітті"]
    >>> left = without_code(pa.array(texts, pa.large_string()))
    >>> [text.split() for text in left.to_pylist()]
    [['Міне:', 'Дайын.'], ['Бітті']]
    """
    return pc.replace_substring_regex(texts, CODE, "")


def pattern(phrases: Sequence[str]) -> str:
    r"""Return a regular expression (RE2) that matches any of the phrases, with any white space.

    >>> pattern(["as an ai", "</s>"])
    '(?i)as\\s+an\\s+ai|</s>'
    """
    return "(?i)" + "|".join(
        r"\s+".join(re.escape(word) for word in phrase.replace("\u2019", "'").split())
        for phrase in phrases
    )


def _languages_of(labels: pa.Table) -> tuple[npt.NDArray[np.str_], Floats, npt.NDArray[np.str_]]:
    """Return language, score and second guess, '' where undetermined; scripts are ignored."""

    def languages(name: str) -> npt.NDArray[np.str_]:
        codes = [(lang or "und").partition("_")[0] for lang in labels.column(name).to_pylist()]
        return np.array(["" if code == "und" else code for code in codes], np.str_)

    score, second = (
        np.asarray(whole(labels.column(name)).fill_null(0.0))
        for name in ("lang_score", "lang2_score")
    )
    guess = np.where(second >= SECOND_GUESS, languages("lang2"), "-")
    return languages("lang"), score, guess
