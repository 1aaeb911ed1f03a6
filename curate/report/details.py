"""A page per language and per source: what the sections of the report say about one of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce

from curate.report.flows import Taken
from curate.report.model import Outcome, Report

#: The most languages, or sources, that get a page of their own; tables have all.
MOST_PAGES = 20
#: The longest table of a page.
_ROWS = 12


@dataclass(frozen=True)
class Detail:
    """The page of one language or source."""

    name: str
    anchor: str
    outcome: Outcome
    taken: Taken | None  #: what the product has of it; None: not counted
    rules: tuple[tuple[str, int, int], ...]  #: rule, documents, bytes; most first
    others: tuple[tuple[str, int, int], ...]  #: source or language, documents, in the mixture
    facts: tuple[tuple[str, str], ...]  #: what the recipe says of a source


def details(report: Report, of: str) -> tuple[Detail, ...]:
    """Return the pages of the languages, or of the sources, with the most documents."""
    outcomes = report.languages if of == "lang" else report.sources
    named = [(name, outcome) for name, outcome in outcomes.items() if name]
    named.sort(key=lambda item: -item[1].documents.documents)
    prefix = "language" if of == "lang" else "source"
    return tuple(
        _detail(report, of, name, f"{prefix}{number}", outcome)
        for number, (name, outcome) in enumerate(named[:MOST_PAGES], 1)
    )


def _detail(report: Report, of: str, name: str, anchor: str, outcome: Outcome) -> Detail:
    at = 1 if of == "lang" else 0
    mine = [taken for cell, taken in report.taken.items() if cell[at] == name]
    documents: Counter[str] = Counter()
    in_mixture: Counter[str] = Counter()
    for flow in report.flows:
        if (flow.source, flow.lang)[at] == name:
            documents[(flow.source, flow.lang)[1 - at]] += flow.documents
    for cell, taken in report.taken.items():
        if cell[at] == name:
            in_mixture[cell[1 - at]] += taken.documents
    rules = sorted(outcome.dropped.items(), key=lambda item: (-item[1].documents, item[0]))
    spec = report.manifest.recipe["sources"].get(name, {}) if of == "source" else {}
    keys = ("format", "origin", "license", "profile")
    return Detail(
        name,
        anchor,
        outcome,
        reduce(Taken.__add__, mine, Taken()) if report.taken else None,
        tuple((rule, *amount) for rule, amount in rules[:_ROWS]),
        tuple((each, n, in_mixture[each]) for each, n in documents.most_common(_ROWS)),
        tuple((key, str(spec.get(key) or "not given")) for key in keys if key in spec),
    )
