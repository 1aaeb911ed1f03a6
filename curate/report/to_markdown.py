"""``report.md``: the report for a terminal, a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from curate.report import notes
from curate.report.format import address, code, duration, number, one_line, percent, ratio, size
from curate.report.model import Dedup, Outcome, Report, share
from curate.report.rows import (
    DIFFERENCES,
    LICENSE_HEADER,
    PACKED_HEADER,
    VALUE_HEADER,
    cluster_rows,
    declared_rows,
    license_rows,
    near_rows,
    packed_rows,
    relabelled_rows,
    shared_rows,
    tally_rows,
    value_rows,
)

#: Characters of an example here; the HTML shows more of it.
_EXCERPT = 120
_LONGEST = 40


def to_markdown(report: Report) -> str:
    """Return the report; crawled words are in code spans, where nothing is markup."""
    sections = (
        _summary(report),
        _mixture(report),
        _packed(report),
        licenses(report),
        _stages(report),
        _outcomes("By language", "language", report.languages, records=False)
        if any(report.languages)
        else [],
        _declared(report),
        _relabelled(report),
        _outcomes("By source", "source", report.sources, records=True),
        _dedup(report),
        _benchmarks(report),
        _fertility(report),
        _rules(report),
        _records(report),
        _changes(report),
        _accounting(report),
        _time(report),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Return a Markdown table, padded for terminals; the first ``left`` columns are left-aligned.

    >>> table(("a", "n"), [("x", "10")])
    ['| a |  n |', '| - | -: |', '| x | 10 |']
    """
    cells = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    widths = [max(width, 1 if at < left else 2) for at, width in enumerate(widths)]
    rule = [
        "-" * width if at < left else "-" * (width - 1) + ":" for at, width in enumerate(widths)
    ]
    lines = [
        [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ]
        for row in cells
    ]
    return ["| " + " | ".join(row) + " |" for row in (lines[0], rule, *lines[1:])]


#: The columns of `mixture_rows`.
MIXTURE_HEADER = ("phase", "group", "asked", "got", "rows", "tokens", "epochs")


def mixture_rows(report: Report) -> list[tuple[str, ...]]:
    """Return what each group of each phase should have, and has."""
    shares = [
        ["–" if row[key] is None else f"{100 * row[key]:.2f} %" for key in ("asked_share", "share")]
        for row in report.mixture
    ]
    return [
        (
            code(row["phase"]),
            code(row["group"]),
            *asked_and_got,
            number(row["documents"]),
            _count(row["tokens"]),
            number(row["epochs"]),
        )
        for row, asked_and_got in zip(report.mixture, shares, strict=True)
    ]


def _count(value: int | None) -> str:
    return number(value) if value else "–"


def _summary(report: Report) -> list[str]:
    run = report.run
    lines = [f"# {code(report.name)}: what was kept", ""]
    if notes.describe(report):
        lines += [code(notes.describe(report)), ""]
    lines.append(
        f"- Kept of raw: **{percent(run.kept)}** of documents"
        f" ({number(run.curated.documents)} of {number(run.documents.documents)}),"
        f" **{percent(run.kept_bytes)}** of bytes"
        f" ({size(run.curated.bytes)} of {size(run.documents.bytes)})"
    )
    if report.dedup:
        lines.append(
            f"- Kept by dedup alone: {percent(report.dedup.kept)} of documents,"
            f" {percent(report.dedup.kept_bytes)} of bytes"
        )
    tokens = f", {number(report.tokens)} tokens" if report.tokens else ""
    lines.append(f"- In the mixture: {number(run.rows)} rows{tokens}")
    if report.time.total is not None:
        lines.append(f"- Time: {duration(report.time.total)}, {code(report.time.engine)} engine")
    lines += [line for note in notes.sidecar_notes(report, code) for line in ("", note)]
    if notes.takedown_note(report):
        lines += ["", notes.takedown_note(report)]
    if notes.compare_note(report, code):
        lines += ["", f"> {notes.compare_note(report, code)}"]
    return lines


def _time(report: Report) -> list[str]:
    if not report.time.work:
        return []
    whole = sum(part.wall for part in report.time.work)
    rows = [
        (
            code(part.name),
            duration(part.wall),
            percent(part.wall / whole if whole else None),
            _count(len(part.tasks)),
            duration(part.typical),
            duration(part.slowest),
        )
        for part in report.time.work
    ]
    header = ("part", "time", "share", "tasks", "typical task", "slowest")
    lines = [line for note in notes.time_notes(report, code) for line in ("", note)]
    return ["## Where the time went", "", *table(header, rows), *lines]


def _stages(report: Report) -> list[str]:
    rows = [
        (
            code(row.stage),
            number(row.input.documents),
            _count(row.input.documents - row.kept.documents),
            number(row.kept.documents),
            size(row.input.bytes),
            size(row.kept.bytes),
            "–" if row.seconds is None else duration(row.seconds),
        )
        for row in report.stages
    ]
    header = ("stage", "in", "dropped", "kept", "bytes in", "bytes out", "time")
    return ["## The funnel, stage by stage", "", *table(header, rows)]


def _outcomes(title: str, first: str, outcomes: dict[str, Outcome], *, records: bool) -> list[str]:
    rows = []
    for name, outcome in outcomes.items():
        unread = [sum((one or {}).values()) for one in (outcome.skipped, outcome.quarantined)]
        read = (number(outcome.read), *map(_count, unread)) if records else ()
        rows.append(
            (
                code(name) or "(not yet known)",
                *read,
                number(outcome.documents.documents),
                _count(outcome.lost),
                number(outcome.curated.documents),
                percent(outcome.kept),
                percent(outcome.kept_bytes),
            )
        )
    more = ("records", "skipped", "unreadable") if records else ()
    header = (first, *more, "documents", "dropped", "kept", "of docs", "of bytes")
    return [f"## {title}", "", *table(header, rows)]


def _dedup(report: Report) -> list[str]:
    if report.dedup is None:
        return []
    dedups: list[tuple[str, Dedup]] = [("all", report.dedup), *report.dedup_languages.items()]
    rows = [
        (
            code(name),
            number(one.before.documents),
            _count(one.exact),
            _count(one.near),
            number(one.after.documents),
            percent(one.kept),
            percent(one.kept_bytes),
        )
        for name, one in dedups
    ]
    header = ("language", "before", "exact", "near", "after", "of docs", "of bytes")
    lines = ["## Duplicates", "", *table(header, rows)]
    if near := near_rows(report):
        counted = [
            (code(stage), code(fold), *(_count(n) for n in counts.values()))
            for stage, fold, counts in near
        ]
        columns = ("near duplicates differ", "folded", *(f"in {what}" for what in DIFFERENCES))
        lines += ["", *table(columns, counted)]
    if report.clusters:
        sizes = [
            (code(stage), label, number(count)) for stage, label, count in cluster_rows(report)
        ]
        lines += ["", *table(("stage", "documents in a cluster", "clusters"), sizes)]
    if report.candidates:
        pairs = [
            (code(stage), number(compared), number(verified), percent(1 - verified / compared))
            for stage, (compared, verified) in report.candidates.items()
        ]
        lines += ["", *table(("stage", "pairs compared", "verified", "false candidates"), pairs)]
    if report.shared:
        common = [
            (code(of), code(inside), number(n), size(amount), percent(docs), percent(sizes))
            for of, inside, n, amount, docs, sizes in shared_rows(report)
        ]
        columns = ("of source", "also in", "documents", "bytes", "of its docs", "of its bytes")
        lines += ["", *table(columns, common, 2)] if common else ["", notes.NOTHING_SHARED]
    if report.manifest.clusters:
        largest = [
            (
                code(one.cluster),
                number(one.documents),
                code(one.removed_id or ""),
                number(one.jaccard),
            )
            for one in report.manifest.clusters
        ]
        lines += [
            "",
            *table(("largest clusters", "documents", "least like it", "Jaccard"), largest),
        ]
    return lines


def _benchmarks(report: Report) -> list[str]:
    if not report.benchmarks:
        return []
    rows = [
        (
            code(one.name),
            number(one.examples),
            _count(len(one.too_short)),
            number(one.searchable),
            _count(len(one.found)),
            percent(one.found_share),
            "{:,} in {:,}".format(*one.most_found) if one.most_found else "–",
            _count(one.documents),
            _count(one.dropped.documents),
            _count(one.cut.documents),
            size(one.cut.bytes) if one.cut.bytes else "–",
        )
        for one in report.benchmarks
    ]
    header = (
        "set", "examples", "too short", "looked for", "found", "of those long enough",
        "row in most documents", "documents", "dropped", "cut", "bytes cut",
    )  # fmt: skip
    return [
        "## Evaluation sets in the corpus",
        "",
        *table(header, rows),
        "",
        notes.benchmark_note(),
    ]


def _mixture(report: Report) -> list[str]:
    if not report.mixture:
        return []
    reused = any(row.get("reused") for row in report.mixture)
    rows = [
        (*cells, _count(row["shortage"]), *((_count(row.get("reused")),) if reused else ()))
        for cells, row in zip(mixture_rows(report), report.mixture, strict=True)
    ]
    header = (*MIXTURE_HEADER, "missing")
    again = f" Reused {report.mixture[0]['unit']} are of documents that an earlier phase has too."
    return [
        "## The mixture, asked and got",
        "",
        f"Shares are by {code(str(report.mixture[0]['unit']))}.{again if reused else ''}",
        "",
        *table((*header, "reused") if reused else header, rows, 2),
        *_values(report),
    ]


def _values(report: Report) -> list[str]:
    rows = [(*map(code, row[:3]), *row[3:]) for row in value_rows(report)]
    if not rows:
        return []
    unit = code(str(report.mixture[0]["unit"]))
    return ["", f"Groups that are split, by value, in {unit}:", "", *table(VALUE_HEADER, rows, 3)]


def _packed(report: Report) -> list[str]:
    if not report.packed:
        return []
    rows = [(code(phase), *cells) for phase, *cells in packed_rows(report)]
    note = notes.packed_note(report, code)
    return ["## Packed sequences", "", note, "", *table(PACKED_HEADER, rows)]


def licenses(report: Report) -> list[str]:
    """Return the table of the product's licences, for the card, too."""
    rows = [(code(name), *cells) for name, *cells in license_rows(report)]
    return ["## Licences of the mixture", "", *table(LICENSE_HEADER, rows)] if rows else []


def _fertility(report: Report) -> list[str]:
    if not report.fertility:
        return []
    rows = [
        (
            code(one.lang),
            number(one.documents),
            number(one.tokens),
            ratio(one.tokens_per_word),
            ratio(one.bytes_per_token),
            ratio(one.characters_per_token),
        )
        for one in report.fertility
    ]
    header = ("language", "documents", "tokens", "per word", "bytes each", "characters each")
    return [
        "## Tokens of what was kept",
        "",
        notes.counted_note(report, code),
        "",
        *table(header, rows),
    ]


def _relabelled(report: Report) -> list[str]:
    if not report.relabelled:
        return []
    rows = [
        (code(label), code(lang), number(count)) for label, lang, count in relabelled_rows(report)
    ]
    header = ("the model said", "labelled", "documents")
    return ["## Labels that the model would have given otherwise", "", *table(header, rows, 2)]


def _declared(report: Report) -> list[str]:
    if not report.declared:
        return []
    rows = [
        (
            code(row.source),
            code(row.declared),
            code(row.otherwise) if row.agreeing < row.documents else "–",
            number(row.documents),
            percent(share(row.agreeing, row.documents)),
        )
        for row in declared_rows(report)[:_LONGEST]
    ]
    header = ("source", "declared", "else identified as", "documents", "as declared")
    return ["## Languages that records declare, and what they are", "", *table(header, rows, 3)]


def _rules(report: Report) -> list[str]:
    lines = ["## Why documents were dropped", ""]
    if not report.rules:
        return [*lines, "Nothing was dropped."]
    rows = [
        (code(rule.name), number(rule.dropped.documents), size(rule.dropped.bytes))
        for rule in report.rules
    ]
    lines += table(("rule", "documents", "bytes"), rows)
    for rule in report.rules:
        for example in rule.examples[:1]:
            facts = [code(example.id), code(example.lang or ""), code(address(example.url or ""))]
            if example.value is not None:
                facts.append(f"measured {number(example.value)}")
            if example.duplicate_of:
                facts.append(f"like {code(example.duplicate_of)}")
            text = one_line(example.text)
            excerpt = text if len(text) <= _EXCERPT else text[:_EXCERPT] + " …"
            lines += ["", f"{code(rule.name)}, for example {', '.join(filter(None, facts))}:"]
            lines += ["", f"> {code(excerpt) or '(no text)'}"]
    return lines


def _records(report: Report) -> list[str]:
    lines = ["## Records that became no document", ""]
    if report.quarantined:
        rows = [(code(reason), code(file), number(n)) for reason, file, n in report.quarantined]
        lines += table(("unreadable because", "file", "records"), rows[:_LONGEST], 2)
        if len(rows) > _LONGEST:
            lines.append(f"\nand {number(len(rows) - _LONGEST)} more rows, in report.json")
    else:
        lines.append("Every record could be read.")
    skipped = sorted((report.run.skipped or {}).items(), key=lambda item: (-item[1], item[0]))
    if skipped:
        lines += [
            "",
            *table(("skipped because", "records"), [(code(r), number(n)) for r, n in skipped]),
        ]
    return lines


def _changes(report: Report) -> list[str]:
    rows = [(code(stage), code(what), number(count)) for stage, what, count in tally_rows(report)]
    if not rows:
        return []
    return [
        "## What was changed, and what was noted",
        "",
        *table(("stage", "what", "count"), rows, 2),
    ]


def _accounting(report: Report) -> list[str]:
    lines = ["## The books", ""]
    for words, holds in report.identities:
        lines.append(f"- {words}{'' if holds else ' (DOES NOT HOLD)'}")
    lines += ["", "## What ran", ""]
    return lines + [f"- {code(key)}: {code(value)}" for key, value in notes.environment(report)]
