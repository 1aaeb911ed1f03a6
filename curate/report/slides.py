"""Three pictures for a talk: the funnel, the mixture asked and got, why documents were dropped.

Each is a standalone SVG of 1600 × 900 with its own colours and fonts, few words and large ones.
"""

from __future__ import annotations

from typing import NamedTuple

from curate.report import format
from curate.report.format import percent
from curate.report.model import Report
from curate.report.to_html import template

#: The most bars of a picture; the rest is one of them.
_BARS = 7
_NAME = 22


class Bar(NamedTuple):
    """A bar, as long as its share of the longest; the second one is drawn above the first."""

    name: str
    share: float
    figure: str
    css: str
    asked: float | None = None


def slides(report: Report) -> dict[str, str]:
    """Return the pictures by file name; that of the mixture only if the run has one."""
    pictures = {"funnel": _funnel(report), "mixture": _mixture(report), "rules": _rules(report)}
    return {
        f"slide-{name}.svg": template("slide.svg.j2").render(
            title=title, subtitle=subtitle, bars=bars, asked=any(b.asked is not None for b in bars)
        )
        for name, (title, subtitle, bars) in pictures.items()
        if bars
    }


def _short(name: str, most: int = _NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


def _funnel(report: Report) -> tuple[str, str, list[Bar]]:
    """Show what was left after each stage that dropped something."""
    run = report.run
    whole = run.documents.documents
    steps = [("documents read", whole, "asked")]
    dropping = [row for row in report.stages if row.dropped]
    if len(dropping) > _BARS - 2:
        least = sorted(dropping, key=lambda row: row.kept.documents - row.input.documents)
        dropping = [row for row in dropping if row in least[: _BARS - 2] or row is dropping[-1]]
    steps += [(f"after {row.stage}", row.kept.documents, "kept") for row in dropping]
    steps += [("in the mixture", run.taken or 0, "taken")]
    bars = [
        Bar(_short(name), count / whole if whole else 0.0, format.count(count), css)
        for name, count, css in steps
    ]
    title = f"{percent(run.kept)} of the documents were kept"
    return title, f"{_short(report.name, 40)}: documents left, stage by stage", bars


def _mixture(report: Report) -> tuple[str, str, list[Bar]]:
    """Show the shares of the first phase with shares."""
    rows = [row for row in report.mixture if row["share"] is not None]
    phase = rows[0]["phase"] if rows else ""
    rows = sorted((row for row in rows if row["phase"] == phase), key=lambda row: -row["share"])[
        :_BARS
    ]
    widest = max((max(row["share"], row["asked_share"] or 0) for row in rows), default=0) or 1
    bars = [
        Bar(
            _short(row["group"]),
            row["share"] / widest,
            f"{percent(row['share'])}",
            "taken",
            None if row["asked_share"] is None else row["asked_share"] / widest,
        )
        for row in rows
    ]
    tokens = f", {format.count(report.tokens)} tokens" if report.tokens else ""
    title = f"{format.count(report.run.rows)} documents{tokens}"
    of_phase = (
        f", phase {_short(phase)}" if len({row["phase"] for row in report.mixture}) > 1 else ""
    )
    unit = rows[0]["unit"] if rows else ""
    return title, f"{_short(report.name, 40)}{of_phase}: shares by {unit}, asked and got", bars


def _rules(report: Report) -> tuple[str, str, list[Bar]]:
    """Show the rules that dropped most documents."""
    shown, rest = report.rules[:_BARS], report.rules[_BARS:]
    rows = [(rule.name, rule.dropped.documents) for rule in shown]
    if rest:
        rows[-1:] = [
            (f"{len(rest) + 1} other rules", sum(r.dropped.documents for r in rest) + rows[-1][1])
        ]
    most = max((count for _, count in rows), default=0)
    bars = [
        Bar(_short(name.partition(":")[2] or name), count / most, format.count(count), "lost")
        for name, count in rows
    ]
    title = f"Why {format.count(report.run.lost)} documents were dropped"
    return title, f"{_short(report.name, 40)}: documents by the rule that dropped them", bars
