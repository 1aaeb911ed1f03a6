"""The limits of one profile, set from clean documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from curate.calibrate.function_words import MIN_WORDS, function_words
from curate.calibrate.methods import METHODS, Anchor, Floats, tail
from curate.calibrate.reference import Reference
from curate.recipe.profile import Profile, Rule
from curate.signals import column, measure
from curate.signals.verdict import lists_of

#: Extra room beyond the sample, because its extremes are inside those of the language: a tenth
#: where it shows the tail, a quarter where it does not. By the rule of three, ``n`` documents
#: without one beyond a limit leave up to 3 / n beyond it, with a confidence of 95 %.
_MARGIN, _WIDE_MARGIN, _RULE_OF_THREE = 0.1, 0.25, 3


class _Plan(NamedTuple):
    """A lower limit to set, at most ``strictest``, whatever clean text allows."""

    signal: str
    strictest: float | None
    why: str


#: Upper limits: those of the extended profile stay, unless clean text needs more room. Clean text
#: cannot show how much is bad of what it never contains.
MOST: Final = (
    *("repeated_lines", "repeated_characters", "too_many_newlines"),
    *(f"repeated_{n}grams" for n in range(2, 11)),
)

#: Lower limits.
LEAST: Final = {
    "too_few_words_with_letters": _Plan(
        "alphabetic_word_share", 0.75, "Tables of numbers, code, rows of separators"
    ),
    "too_few_sentences": _Plan(
        "sentence_line_char_share", 0.3, "Prose has ends of sentences, menus and lists do not"
    ),
    "wrong_script": _Plan(
        "script_share", 0.5, "Mostly letters of another script: a wrong label or two languages"
    ),
    "too_few_function_words": _Plan(
        "stop_word_variety", None, "Running text cannot do without function words"
    ),
}


class Setter:
    """Sets the rules of one profile from clean documents."""

    def __init__(
        self,
        base: Profile,
        seen: Reference,
        method: str,
        share: float,
        anchor: tuple[Profile, Sequence[str]] | None,
    ) -> None:
        self._base, self._method, self._share = base, method, share
        signals = [base.rules[name].signal for name in MOST if name in base.rules]
        signals += [plan.signal for plan in LEAST.values()]
        signals += ["mean_word_length"]
        self._values = measured(base, seen.texts, signals)
        if base.lists:
            self._values["stop_word_variety"] = _varieties(base, seen)
        self._english = anchor[0] if anchor else None
        self._english_values = measured(anchor[0], anchor[1], signals) if anchor else {}

    def most(self) -> dict[str, Rule]:
        """Return the upper limits that must be wider than those of the extended profile."""
        rules = {}
        for name in MOST:
            known = self._base.rules.get(name)
            if known is None or known.max is None:
                continue
            limit, source = self._limit(name, known.signal, upper=True)
            if limit is not None and limit > known.max:
                rules[name] = known.model_copy(update={"max": limit, "source": source})
        return rules

    def least(self) -> dict[str, Rule]:
        """Return the lower limits, from what clean text never lacks."""
        rules = {}
        for name, plan in LEAST.items():
            limit, source = self._limit(name, plan.signal, upper=False)
            if limit is None or limit <= 0:
                # Some clean document has none, as Thai has no ends of sentences.
                limit, source = 0.0, "curate calibrate: clean documents come without"
                if name not in self._base.rules:
                    continue
            if plan.strictest is not None and limit > plan.strictest:
                limit, source = plan.strictest, "ours: clean text would bear a stricter limit"
            known = self._base.rules.get(name)
            rules[name] = Rule(
                signal=plan.signal,
                min=limit,
                undefined=known.undefined if known else "drop",
                why=plan.why,
                source=source,
            )
        return rules

    def shape(self, least: int) -> dict[str, Rule]:
        """Return rules for the least number of words, and their mean length."""
        rules = {
            "too_few_words": Rule(
                signal="n_words",
                min=least,
                why="Captions, menus and error pages",
                source="curate calibrate: the words that hold the 300 characters of Gopher's 50",
            )
        }
        values = self._values["mean_word_length"]
        low, high = (tail(values, self._share, None, upper=upper) for upper in (False, True))
        margin = self._margin(values)
        if low is not None and high is not None:
            rules["words_of_odd_length"] = Rule(
                signal="mean_word_length",
                min=max(1, int(np.floor(low * (1 - margin)))),
                max=int(np.ceil(high * (1 + margin))),
                why="Text without spaces, encoded data",
                source=self._source("tail", values),
            )
        return rules

    def _limit(self, name: str, signal: str, *, upper: bool) -> tuple[float | None, str]:
        used, values = self._method, self._values[signal]
        anchor = self._anchor(name, signal, upper=upper)
        limit = METHODS[used][0](values, self._share, anchor, upper=upper)
        if limit is None or (limit <= 0 and not upper):
            used, limit = "tail", tail(values, self._share, None, upper=upper)
        if limit is None:
            return None, ""
        margin = self._margin(values)
        rounded, margin = (np.ceil, margin) if upper else (np.floor, -margin)
        return float(rounded(round(limit * (1 + margin) * 1000, 6))) / 1000, self._source(
            used, values
        )

    def _anchor(self, name: str, signal: str, *, upper: bool) -> Anchor | None:
        rule = self._english.rules.get(name) if self._english else None
        if rule is None or rule.signal != signal:
            return None
        limit = rule.max if upper else rule.min
        return None if limit is None else Anchor(limit, self._english_values[signal])

    def _margin(self, values: Floats) -> float:
        shows_tail = _documents(values) * self._share >= _RULE_OF_THREE
        return _MARGIN if shows_tail else _WIDE_MARGIN

    def _source(self, method: str, values: Floats) -> str:
        reason = METHODS[method][1].format(share=self._share, n=_documents(values))
        room = "a tenth" if self._margin(values) == _MARGIN else "a quarter"
        return f"curate calibrate, {method}: {reason}, and {room} of room"


def _documents(values: Floats) -> int:
    """Return how many documents set a limit: those for which the signal is defined."""
    return int((~np.isnan(values)).sum())


def _varieties(base: Profile, seen: Reference) -> Floats:
    """Measure the variety of function words by lists from other documents.

    A list from the same documents contains their words by construction. So each half is measured by
    the list of the other half.
    """
    values = []
    for which in (0, 1):
        own, other = seen.half(which, 1), seen.half(1 - which, 1)
        listed = function_words(list(other.domains.values()))
        if own.texts and len(listed) >= MIN_WORDS:
            profile = base.model_copy(update={"lists": {"stop_words": listed}})
            values.append(measured(profile, own.texts, ["stop_word_variety"])["stop_word_variety"])
    return np.concatenate(values) if values else np.empty(0)


def measured(
    profile: Profile | None, texts: Sequence[str], signals: Sequence[str]
) -> dict[str, Floats]:
    """Return signals of texts, by the lists of a profile if one is given; NaN where undefined."""
    names = list(dict.fromkeys(signals))
    table = measure(
        pa.array(texts, pa.large_string()), names, lists_of(profile) if profile else None
    )
    return {
        name: np.asarray(table[column(name)].to_numpy(zero_copy_only=False), dtype=np.float64)
        for name in names
    }
