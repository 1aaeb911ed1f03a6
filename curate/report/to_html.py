"""``report.html``: one static page without scripts or external resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from curate.recipe.languages import NAMES
from curate.report import format, notes
from curate.report.charts import Picture, flow_charts, histogram_picture
from curate.report.details import details
from curate.report.diff import compare
from curate.report.model import Outcome, Report
from curate.report.rows import (
    LICENSE_HEADER,
    PACKED_HEADER,
    VALUE_HEADER,
    cell_rows,
    cluster_rows,
    confusion,
    declared_rows,
    license_rows,
    near_rows,
    packed_rows,
    relabelled_rows,
    shared_rows,
    tally_rows,
    value_rows,
)
from curate.report.signals import Histogram, Judged

_HERE = Path(__file__).parent

#: The longest list of files or rules on the page; the rest is in report.json.
_LONGEST = 100

#: Of the profiles that judged most documents, the signals with the most losses are drawn.
_DRAWN_PROFILES, _DRAWN_SIGNALS = 6, 12

_COLOURS = ("c0", "c1", "c2", "c3", "c4", "c5")
_OWN_COLOUR = {"exact_dedup": "exact", "fuzzy_dedup": "near", "mix": "over"}


def to_html(report: Report) -> str:
    """Return the page; the same report gives the same bytes."""
    colour = _colours(report)
    work = [(_part_colour(at, part.stages), part) for at, part in enumerate(report.time.work)]
    whole = sum(part.wall for _, part in work)
    stages_that_drop = [row.stage for row in report.stages if row.dropped]
    run = report.run
    over = run.curated.documents - (run.taken or 0)
    lost = {row.stage: row.input.documents - row.kept.documents for row in report.stages}
    parts = [
        ("kept", "in the mixture", run.taken or 0),
        ("over", "good, but over budget", over),
        *((colour[stage], f"dropped by {stage}", lost[stage]) for stage in stages_that_drop),
    ]
    clusters = cluster_rows(report)
    language_pages, source_pages = details(report, "lang"), details(report, "source")
    page = template("page.html.j2").render(
        report=report,
        run=run,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        describes=notes.describe(report),
        compare=notes.compare_note(report, format.one_line),
        sidecars=notes.sidecar_notes(report, format.one_line),
        taken_down=notes.takedown_note(report),
        outcome_bars=[(css, count) for css, _, count in parts],
        outcome_legend=[
            (css, label, f"{count:,} ({format.percent(count / run.documents.documents)})")
            for css, label, count in parts
            if count
        ],
        time_rows=work,
        time_bars=[(css, part.wall) for css, part in work],
        time_whole=whole,
        time_notes=notes.time_notes(report, format.one_line),
        stage_legend=[
            ("kept", "kept", " "),
            *((colour[stage], stage, " ") for stage in stages_that_drop),
        ],
        knows_languages=any(report.languages),
        language_rows=[
            (name or "(not yet known)", outcome, _bars(outcome, colour))
            for name, outcome in report.languages.items()
        ],
        source_rows=[
            (name, outcome, _bars(outcome, colour)) for name, outcome in report.sources.items()
        ],
        widest_rule=max((rule.dropped.documents for rule in report.rules), default=0),
        dedup_rows=[("all", report.dedup), *report.dedup_languages.items()],
        cluster_rows=clusters,
        near_rows=near_rows(report),
        shared_rows=shared_rows(report),
        nothing_shared=notes.NOTHING_SHARED,
        largest=[(one, compare(one.kept, one.removed)) for one in report.manifest.clusters],
        most_clusters=max((count for _, _, count in clusters), default=0),
        widest_share=max(
            (max(row["asked_share"] or 0, row["share"] or 0) for row in report.mixture), default=0
        ),
        mixture_unit=report.mixture[0]["unit"] if report.mixture else "",
        largest_document=max((row["largest"] for row in report.mixture), default=0),
        value_header=VALUE_HEADER,
        value_rows=value_rows(report),
        license_header=LICENSE_HEADER,
        license_rows=license_rows(report),
        packed_header=PACKED_HEADER,
        packed_rows=packed_rows(report),
        packed_note=notes.packed_note(report, format.one_line) if report.packed else "",
        counted_note=notes.counted_note(report, format.one_line),
        reused=any(row.get("reused") for row in report.mixture),
        one_epoch=all(row["epochs"] <= 1 for row in report.mixture),
        skipped_rows=sorted((run.skipped or {}).items(), key=lambda item: (-item[1], item[0])),
        benchmark_note=notes.benchmark_note(),
        tallies=tally_rows(report),
        relabelled=relabelled_rows(report),
        declared_rows=declared_rows(report),
        confusion=confusion(report),
        environment=notes.environment(report),
        longest=_LONGEST,
        flow_charts=flow_charts(report.flows, colour),
        cell_rows=cell_rows(report),
        judged=[
            (one, _pictures(one) if at < _DRAWN_PROFILES else [], f"signals{at + 1}")
            for at, one in enumerate(report.judged)
        ],
        profile_anchors={one.profile: f"signals{at}" for at, one in enumerate(report.judged, 1)},
        language_pages=language_pages,
        source_pages=source_pages,
        widest_source=max((one.outcome.documents.documents for one in source_pages), default=0),
        anchors={one.name: one.anchor for one in (*source_pages, *language_pages)},
    )
    return page.replace("<!-- contents -->", _contents(page), 1)


def _contents(page: str) -> str:
    """Return links to the sections that the page has; no crawled word is a section."""
    sections = re.findall(r'<section id="(\w+)">\n<h2>([^<]+)</h2>', page)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in sections)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _pictures(one: Judged) -> list[tuple[Histogram, Picture]]:
    drawn = [each for each in one.histograms if each.bins][:_DRAWN_SIGNALS]
    return [(each, histogram_picture(each)) for each in drawn]


def _colours(report: Report) -> dict[str, str]:
    free = [row.stage for row in report.stages if row.stage not in _OWN_COLOUR]
    dropping = [row.stage for row in report.stages if row.dropped and row.stage in free]
    numbered = {stage: _COLOURS[at % len(_COLOURS)] for at, stage in enumerate(dropping)}
    return {row.stage: "c5" for row in report.stages} | numbered | _OWN_COLOUR


def _part_colour(at: int, stages: tuple[str, ...]) -> str:
    if stages and stages[0] == "reading":
        return "c2"
    if len(stages) == 1 and stages[0] in _OWN_COLOUR:
        return _OWN_COLOUR[stages[0]]
    return ("c0", "c3", "c4")[at % 3] if stages else "c5"


def _bars(outcome: Outcome, colour: Mapping[str, str]) -> list[tuple[str, int]]:
    lost: dict[str, int] = {}
    for rule, amount in outcome.dropped.items():
        stage = rule.partition(":")[0]
        lost[stage] = lost.get(stage, 0) + amount.documents
    return [
        ("kept", outcome.curated.documents),
        *((colour[stage], count) for stage, count in lost.items()),
    ]


@lru_cache(maxsize=2)
def template(name: str) -> jinja2.Template:
    """Return a template of this folder; what it prints is escaped."""
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    names = ("visible", "address", "count", "number", "percent", "ratio", "size", "duration")
    engine.filters.update({name: getattr(format, name) for name in names})
    engine.filters["language_name"] = lambda label: NAMES.get(label.partition("_")[0], "")
    engine.filters["one_line"] = lambda value: format.one_line(str(value))
    return engine.get_template(name)
