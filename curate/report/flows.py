"""Where the documents of each source and language went: cells that pages and pictures add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from curate.protocol import tallies
from curate.protocol.ledger import Amount, StageCounts
from curate.protocol.tallies import counts_of

TAKEN, OVER = "in the mixture", "over budget"


class Flow(NamedTuple):
    """Documents of one source and language with one outcome."""

    source: str
    lang: str  #: "": dropped before the language was known
    outcome: str  #: `TAKEN`, `OVER`, or the stage that dropped them
    documents: int
    bytes: int  #: of their texts when they were dropped, or at the end
    tokens: int | None = None  #: counted in the mixture, elsewhere estimated; None: no stage counts


@dataclass(frozen=True)
class Taken:
    """What the product has of one source and language, each document once."""

    documents: int = 0
    bytes: int = 0
    tokens: int | None = None  #: None: not counted

    def __add__(self, other: Taken) -> Taken:
        known = [n for n in (self.tokens, other.tokens) if n is not None]
        tokens = sum(known) if known else None
        return Taken(self.documents + other.documents, self.bytes + other.bytes, tokens)


Cells = dict[tuple[str, str], Taken]


def taken_cells(stages: Sequence[tuple[str, StageCounts]]) -> Cells:
    """Return what the product has by source and language; empty where a run did not count it."""
    tally = stages[-1][1].tally
    documents, sizes, tokens = (
        counts_of(tally, kind)
        for kind in (tallies.TAKEN, tallies.TAKEN_BYTES, tallies.TAKEN_TOKENS)
    )
    cells = {}
    for key, count in documents.items():
        source, _, lang = key.partition(":")
        if count:
            cells[source, lang] = Taken(count, sizes.get(key, 0), tokens.get(key))
    return cells


def flows(
    stages: Sequence[tuple[str, StageCounts]], taken: Cells, rates: Mapping[str, float]
) -> tuple[Flow, ...]:
    """Return where the documents went, in the order of the stages; empty where it is not known.

    ``rates``, tokens per byte by language, estimates the tokens of what is not in the product; a
    language without a rate has that of all texts that were counted.
    """
    if not taken and any(counts.input for _, counts in stages[-1:]):
        return ()
    rows = []
    for stage, counts in stages[:-1]:
        lost: dict[tuple[str, str], Amount] = {}
        for (source, lang, _), amount in counts.dropped.items():
            before = lost.get((source, lang), Amount(0, 0))
            both = Amount(before.documents + amount.documents, before.bytes + amount.bytes)
            lost[source, lang] = both
        rows += [Flow(*cell, stage, *amount) for cell, amount in sorted(lost.items())]
    for cell, amount in sorted(stages[-1][1].input.items()):
        got = taken.get(cell, Taken())
        rows.append(Flow(*cell, TAKEN, got.documents, got.bytes))
        rows.append(Flow(*cell, OVER, amount.documents - got.documents, amount.bytes - got.bytes))
    counted = sum(
        amount.bytes for (_, lang), amount in stages[-1][1].input.items() if lang in rates
    )
    tokens = sum(
        amount.bytes * rates[lang]
        for (_, lang), amount in stages[-1][1].input.items()
        if lang in rates
    )
    return tuple(
        row._replace(tokens=_tokens(row, taken, rates, tokens / counted if counted else None))
        for row in rows
        if row.documents
    )


def _tokens(
    row: Flow, taken: Cells, rates: Mapping[str, float], overall: float | None
) -> int | None:
    counted = taken.get((row.source, row.lang), Taken()).tokens
    if row.outcome == TAKEN and counted is not None:
        return counted
    rate = rates.get(row.lang, overall)
    return None if rate is None else round(row.bytes * rate)


def few(flows: Sequence[Flow], most: int, name: Callable[[Flow], str], rest: str) -> dict[str, str]:
    """Return what each name is shown as: the largest as they are, the others as ``rest``."""
    counts: Counter[str] = Counter()
    for flow in flows:
        counts[name(flow)] += flow.documents
    order = sorted(counts, key=lambda each: (-counts[each], each))
    shown = order if len(order) <= most else order[: most - 1]
    return {each: each if each in shown else rest for each in order}
