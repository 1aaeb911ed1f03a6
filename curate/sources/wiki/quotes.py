"""The apostrophes of wikitext: which are emphasis, and which are letters.

MediaWiki's rule (``Parser::doQuotes``), line by line: two are italics, three bold, five both; of
four the first is text, of more than five all but the last five. Where both bold and italics come
out uneven, one bold was an apostrophe beside italics (``L'''Aiglon''``): the first that follows a
word of one letter, else the first that follows a longer word, else the first after a space.

That mends one per line. Where emphasis still crosses or is left open, the reading with the fewest
such faults is taken, in which bold that follows a letter may be an apostrophe too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_RUN = re.compile("''+")
#: What a fault of nesting costs, and an apostrophe in its place: two of these are better than one.
_FAULT, _APOSTROPHE = 4, 1
#: Marks of a line beyond which only MediaWiki's rule is applied.
_MAX_RUNS = 1000


class _Run(NamedTuple):
    start: int
    end: int
    mark: int  #: 2 italics, 3 bold, 5 both

    @property
    def kept(self) -> int:
        """Apostrophes before the mark."""
        return self.end - self.start - self.mark


def without_quotes(line: str) -> str:
    """Return a line without emphasis; apostrophes that are text stay.

    >>> without_quotes("L'''Aiglon'' de l'''Énéide'', '''''a'' b''' ''c'''s d")
    "L'Aiglon de l'Énéide, a b c's d"
    """
    runs = [_run(found) for found in _RUN.finditer(line)]
    chosen = {one} if (one := _apostrophe(line, runs)) is not None else set()
    if len(runs) <= _MAX_RUNS and _faults(runs, chosen):
        chosen = _fewest_faults(line, runs, chosen)
    pieces, at = [], 0
    for n, run in enumerate(runs):
        pieces += [line[at : run.start], "'" * (run.kept + (n in chosen))]
        at = run.end
    return "".join([*pieces, line[at:]])


def _run(found: re.Match[str]) -> _Run:
    length = found.end() - found.start()
    return _Run(*found.span(), min(length, 5) if length != 4 else 3)


def _apostrophe(line: str, runs: list[_Run]) -> int | None:
    """Return which bold mark MediaWiki takes for an apostrophe and italics, None if there is none.

    It compares bytes, so a letter beyond ASCII is not a word of one letter.
    """
    bold, italic = (sum(run.mark != other for run in runs) for other in (2, 3))
    if not (bold % 2 and italic % 2):
        return None
    after_word = after_space = None
    for n, run in enumerate(runs):
        if run.mark != 3:
            continue
        begin = runs[n - 1].end if n else 0
        before = (line[max(begin, run.start - 2) : run.start] + "'" * run.kept)[-2:]
        if before.endswith(" "):
            after_space = n if after_space is None else after_space
        elif before[:1] == " " and before.isascii():
            return n
        elif after_word is None:
            after_word = n
    return after_space if after_word is None else after_word


def _toggle(state: str, mark: int) -> tuple[str, int]:
    """Return what is open after a mark (x: both at once), and the cost of a fault."""
    if mark == 5:
        return {"": "x", "b": "i", "i": "b"}.get(state, ""), 0
    sign = "b" if mark == 3 else "i"
    if state == "x":
        return "i" if sign == "b" else "b", 0
    if sign not in state:
        return state + sign, 0
    return state.replace(sign, ""), 0 if state.endswith(sign) else _FAULT


def _left_open(state: str) -> int:
    return _FAULT * (2 if state == "x" else len(state))


def _faults(runs: list[_Run], apostrophes: set[int]) -> int:
    state, cost = "", 0
    for n, run in enumerate(runs):
        state, more = _toggle(state, 2 if n in apostrophes else run.mark)
        cost += more
    return cost + _left_open(state)


_Choices = tuple["_Choices", int] | None


def _fewest_faults(line: str, runs: list[_Run], otherwise: set[int]) -> set[int]:
    """Return the bold marks that are apostrophes where emphasis is nested best."""
    best: dict[str, tuple[int, _Choices]] = {"": (0, None)}
    for n, run in enumerate(runs):
        marks = [run.mark]
        if run.end - run.start == 3 and run.start and line[run.start - 1].isalnum():
            marks.append(2)
        after: dict[str, tuple[int, _Choices]] = {}
        for state, (cost, choices) in best.items():
            for mark in marks:
                then, more = _toggle(state, mark)
                chosen = mark != run.mark
                total = cost + more + _APOSTROPHE * chosen
                if then not in after or total < after[then][0]:
                    after[then] = total, (choices, n) if chosen else choices
        best = after
    cost, choices = _cheapest(best)
    if cost >= _faults(runs, otherwise) + _APOSTROPHE * len(otherwise):
        return otherwise
    found = set()
    while choices is not None:
        choices, n = choices
        found.add(n)
    return found


def _cheapest(best: dict[str, tuple[int, _Choices]]) -> tuple[int, _Choices]:
    totals = {state: cost + _left_open(state) for state, (cost, _) in best.items()}
    state = min(totals, key=lambda one: totals[one])
    return totals[state], best[state][1]
