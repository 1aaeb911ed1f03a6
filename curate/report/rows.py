"""Rows of tables that the HTML and the Markdown share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from curate.report.flows import OVER, TAKEN, Flow, Taken
from curate.report.format import number, percent, size
from curate.report.model import Declared, Report, share


@dataclass(frozen=True)
class CellRow:
    """What became of the documents of one source and language."""

    source: str
    lang: str
    documents: int
    bytes: int
    dropped: int
    over: int
    taken: Taken


def cell_rows(report: Report) -> list[CellRow]:
    """Return a row for each source and language, most documents first."""
    cells: dict[tuple[str, str], list[Flow]] = {}
    for flow in report.flows:
        cells.setdefault((flow.source, flow.lang), []).append(flow)
    rows = []
    for cell, mine in cells.items():
        counts = {flow.outcome: flow.documents for flow in mine}
        whole = sum(counts.values())
        over, taken = counts.pop(OVER, 0), counts.pop(TAKEN, 0)
        size = sum(flow.bytes for flow in mine)
        got = report.taken.get(cell, Taken())
        rows.append(CellRow(*cell, whole, size, whole - over - taken, over, got))
    return sorted(rows, key=lambda row: (-row.documents, row.source, row.lang))


def cluster_rows(report: Report) -> list[tuple[str, str, int]]:
    """Return (stage, sizes, clusters); sizes from 5 up are in bins of powers of two."""
    rows = []
    for stage, sizes in (report.clusters or {}).items():
        bins: dict[tuple[int, int], int] = {}
        for cluster, count in sizes.items():
            low = cluster if cluster < 5 else max(5, 1 << (cluster.bit_length() - 1))
            high = cluster if cluster < 5 else (1 << cluster.bit_length()) - 1
            bins[low, high] = bins.get((low, high), 0) + count
        for (low, high), count in sorted(bins.items()):
            rows.append((stage, str(low) if low == high else f"{low}–{high}", count))
    return rows


def shared_rows(report: Report) -> list[tuple[str, str, int, int, float | None, float | None]]:
    """Return (of, in, documents, bytes, their shares) for sources that hold documents in common."""
    rows = []
    for (of, inside), amount in report.shared.items():
        if of != inside:
            whole = report.shared[of, of]
            shares = share(amount.documents, whole.documents), share(amount.bytes, whole.bytes)
            rows.append((of, inside, amount.documents, amount.bytes, *shares))
    return rows


#: What near duplicates differ in (form: white space, case, canonical form); how their rules end.
DIFFERENCES = {"form": "", "signs": "_signs", "numbers": "_numbers", "words": "_words"}


def near_rows(report: Report) -> list[tuple[str, str, dict[str, int]]]:
    """Return (stage, what it folded, removals by what differs) of each dedup of near duplicates."""
    folds = {spec.get("name") or spec["use"]: spec.get("fold") for spec in report.recipe_stages}
    rows = []
    for row in report.stages:
        if (fold := folds.get(row.stage)) is None:
            continue
        counts = {
            what: sum(
                row.dropped[rule].documents
                for rule in (f"near_duplicate{ending}", f"contained{ending}")
                if rule in row.dropped
            )
            for what, ending in DIFFERENCES.items()
        }
        rows.append((row.stage, ", ".join(fold) or "nothing", counts))
    return rows


#: Longest table of changed labels; the other pairs are one row.
RELABELLED_ROWS = 20


def relabelled_rows(report: Report) -> list[tuple[str, str, int]]:
    """Return (model's label, final label, documents) where they differ; rare pairs in one row."""
    rows, rest = list(report.relabelled[:RELABELLED_ROWS]), report.relabelled[RELABELLED_ROWS:]
    if rest:
        rows.append((f"{len(rest)} other pairs", "", sum(count for _, _, count in rest)))
    return rows


#: The most labels that a row of `declared_rows` names.
_OTHERWISE = 4


class DeclaredRow(NamedTuple):
    """Documents of a source that declare one language, and what they were identified as."""

    source: str
    declared: str
    documents: int
    agreeing: int
    otherwise: str  #: the other labels, each with its documents


def declared_rows(report: Report) -> list[DeclaredRow]:
    """Return a row for each source and declared language, most documents first."""
    cells: dict[tuple[str, str], list[Declared]] = {}
    for one in report.declared:
        cells.setdefault((one.source, one.declared), []).append(one)
    rows = []
    for (source, code), ours in cells.items():
        others = [one for one in ours if not one.agrees]
        shown = [f"{one.lang} {number(one.documents)}" for one in others[:_OTHERWISE]]
        if rest := sum(one.documents for one in others[_OTHERWISE:]):
            shown.append(f"{len(others) - _OTHERWISE} more {number(rest)}")
        documents = sum(one.documents for one in ours)
        agreeing = documents - sum(one.documents for one in others)
        rows.append(DeclaredRow(source, code, documents, agreeing, ", ".join(shown) or "–"))
    return sorted(rows, key=lambda row: (-row.documents, row.source, row.declared))


#: The most languages of a side of `confusion`.
_MATRIX = 10


def confusion(report: Report) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Return the matrix of all sources: labels, and by declared language the documents of each.

    Both sides have the most frequent `_MATRIX`; what is left is the last label, ``others``.
    """
    declared: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for one in report.declared:
        declared[one.declared] += one.documents
        found[one.lang] += one.documents
    order = sorted(declared, key=lambda code: (-declared[code], code))[:_MATRIX]
    at = {code: place for place, code in enumerate(order)}
    # A language's label stands where its code does, so that what agrees is the diagonal.
    columns = sorted(
        sorted(found, key=lambda label: (-found[label], label))[:_MATRIX],
        key=lambda label: (at.get(label.partition("_")[0], _MATRIX), -found[label], label),
    )
    cells: Counter[tuple[str, str]] = Counter()
    for one in report.declared:
        cells[one.declared, one.lang if one.lang in columns else "others"] += one.documents
    header = [*columns, *(["others"] if len(found) > len(columns) else [])]
    return header, [(code, [cells[code, label] for label in header]) for code in order]


def value_rows(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each phase, group and value of groups that are split: `VALUE_HEADER`."""
    return [
        (
            row["phase"],
            row["group"],
            "(others)" if part["value"] is None else part["value"],
            number(part["available"]),
            number(part["asked"]),
            number(part["amount"]),
            number(part["documents"]),
            number(part["epochs"]),
            number(part["shortage"]) if part["shortage"] else "–",
        )
        for row in report.mixture
        for part in row.get("parts") or ()
    ]


#: The columns of `value_rows`; the first three are names.
VALUE_HEADER = (
    "phase", "group", "value", "available", "asked", "got", "rows", "epochs", "missing",
)  # fmt: skip


def packed_rows(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each phase that was packed, below `PACKED_HEADER`."""
    return [
        (
            one.phase,
            number(one.sequences),
            number(one.documents),
            number(one.tokens),
            percent(share(one.trained, one.tokens)),
            percent(one.fill),
            number(one.padding),
            f"{number(one.split)} into {number(one.pieces)}" if one.split else "–",
            ", ".join(f"{number(n)} {why}" for why, n in one.left_out.items()) or "–",
        )
        for one in report.packed
    ]


def license_rows(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each licence of the product, below `LICENSE_HEADER`."""
    total = sum(one.bytes for one in report.licenses)
    return [
        (
            one.name,
            number(one.documents),
            size(one.bytes),
            number(one.tokens) if one.tokens else "–",
            percent(share(one.bytes, total)),
        )
        for one in report.licenses
    ]


#: The columns of `license_rows`.
LICENSE_HEADER = ("licence", "documents", "text", "tokens", "of the text")


#: The columns of `packed_rows`.
PACKED_HEADER = (
    "phase", "sequences", "documents", "tokens", "trained on", "fill", "padding", "split",
    "left out",
)  # fmt: skip


def tally_rows(report: Report) -> list[tuple[str, str, int]]:
    """Return (stage, what, count) of the stages' own counts that no other table shows.

    What sources changed comes first; its stage is "reading".
    """
    in_benchmarks = {
        (one.stage, f"{what}:{one.name}")
        for one in report.benchmarks
        for what in ("documents", "cut:documents", "cut:bytes")
    }
    shown = (
        "lang:", "relabelled:", "declared:", "cluster_size:", "shared", "tokens:", "pairs_",
        "words:", "characters:", "packed:", "taken",
    )  # fmt: skip
    noted = [("reading", what, count) for what, count in (report.run.noted or {}).items()]
    return noted + [
        (row.stage, what, count)
        for row in report.stages
        for what, count in row.tally.items()
        if count and not what.startswith(shown) and (row.stage, what) not in in_benchmarks
    ]
