"""Counts: what became of every record. Part of each commit; contains no clock and no host name.

A ledger has two parts. *Files*: per input file, the outcome of each record and document. *Stages*:
per stage and per (source, language), the documents and bytes that entered it and that each rule
dropped. The report only reads them, and :meth:`Ledger.check` verifies the identities that they must
satisfy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import InternalError
from curate.kernels.grouping import alike
from curate.protocol import tallies
from curate.protocol.tallies import tally_key

Rows = npt.NDArray[np.int64]

_SIGNAL = f"{tallies.SIGNAL}:"


class Amount(NamedTuple):
    """Documents and bytes of text."""

    documents: int
    bytes: int


@dataclass
class FileCounts:
    """The outcome of one input file's records; ``dropped`` is by ``stage:rule``.

    ``noted`` is what reading changed in or left out of the texts, by name.
    """

    records: int = 0
    documents: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    curated: int = 0
    over_budget: int = 0

    @property
    def taken(self) -> int:
        """Curated documents that the mixture contains at least once."""
        return self.curated - self.over_budget

    def merge(self, other: FileCounts) -> None:
        """Add another count of the same file to this one."""
        self.records += other.records
        self.documents += other.documents
        self.curated += other.curated
        self.over_budget += other.over_budget
        self.skipped.update(other.skipped)
        self.quarantined.update(other.quarantined)
        self.dropped.update(other.dropped)
        self.noted.update(other.noted)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values, reasons in alphabetical order."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> FileCounts:
        """Parse what :meth:`to_json` returned."""
        values: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value
            for name, value in fields.items()
        }
        return cls(**values)


@dataclass
class StageCounts:
    """One stage's counts; keys are (source, lang), lang is "" before it is known."""

    input: dict[tuple[str, str], Amount] = field(default_factory=dict)
    dropped: dict[tuple[str, str, str], Amount] = field(default_factory=dict)  #: + rule
    tally: Counter[str] = field(default_factory=Counter)  #: keys: ``protocol.tallies``

    def merge(self, other: StageCounts) -> None:
        """Add another count of the same stage to this one."""
        for cell, amount in other.input.items():
            _add(self.input, cell, amount)
        for rule_cell, amount in other.dropped.items():
            _add(self.dropped, rule_cell, amount)
        self.tally.update(other.tally)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values, sorted by their keys."""
        return {
            "input": [[*cell, *amount] for cell, amount in sorted(self.input.items())],
            "dropped": [[*cell, *amount] for cell, amount in sorted(self.dropped.items())],
            "tally": {k: n for k, n in sorted(self.tally.items()) if not k.startswith(_SIGNAL)},
        } | ({"signals": signals} if (signals := tallies.histograms(self.tally)) else {})

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> StageCounts:
        """Parse what :meth:`to_json` returned."""
        return cls(
            input={(s, lang): Amount(d, b) for s, lang, d, b in fields["input"]},
            dropped={(s, lang, r): Amount(d, b) for s, lang, r, d, b in fields["dropped"]},
            tally=Counter(fields["tally"]) + tallies.tally_of(fields.get("signals", {})),
        )


class Ledger:
    """The counts of one task, or the sum of many."""

    def __init__(self) -> None:
        self.files: dict[str, FileCounts] = {}
        self.stages: dict[str, StageCounts] = {}

    def file(self, name: str) -> FileCounts:
        """Return the counts of ``<source>/<file>``."""
        return self.files.setdefault(name, FileCounts())

    def stage(self, name: str) -> StageCounts:
        """Return the counts of a stage."""
        return self.stages.setdefault(name, StageCounts())

    def count_input(self, stage: str, table: pa.Table) -> None:
        """Count the rows that a stage receives."""
        cells = self.stage(stage).input
        for (source, lang), amount in _amounts(table, ("source", "lang")):
            _add(cells, (source, lang), amount)

    def count_dropped(self, rejects: pa.Table) -> None:
        """Count rows that stages dropped, by the stage and rule in their verdicts."""
        for (source, lang, verdict), amount in _amounts(rejects, ("source", "lang", "dropped_by")):
            stage, _, rule = verdict.partition(":")
            _add(self.stage(stage).dropped, (source, lang, rule), amount)
        if rejects.num_rows:
            files, rules = schema.file_of(rejects.column("id")), rejects.column("dropped_by")
            for rows in alike([files, rules]):
                first = int(rows[0])
                self.file(files[first].as_py()).dropped[rules[first].as_py()] += len(rows)

    def count_curated(self, table: pa.Table) -> None:
        """Count documents that passed every stage."""
        for row in pc.value_counts(schema.file_of(table.column("id"))).to_pylist():
            self.file(row["values"]).curated += row["counts"]

    def count_over_budget(self, table: pa.Table) -> None:
        """Count curated documents for which the mixture had no room."""
        for row in pc.value_counts(schema.file_of(table.column("id"))).to_pylist():
            self.file(row["values"]).over_budget += row["counts"]

    def count_taken(self, stage: str, table: pa.Table, sign: int = 1) -> None:
        """Count documents of the product, each once; take them away again with ``sign`` -1."""
        tally = self.stage(stage).tally
        tokens = (
            schema.whole(table.column("n_tokens")) if "n_tokens" in table.column_names else None
        )
        for (source, lang), rows in _groups(table, ("source", "lang")):
            counts = {
                tallies.TAKEN: len(rows),
                tallies.TAKEN_BYTES: int(schema.text_bytes(table)[rows].sum()),
            }
            if tokens is not None:
                counts[tallies.TAKEN_TOKENS] = pc.sum(tokens.take(pa.array(rows))).as_py() or 0
            for kind, count in counts.items():
                tally[tally_key(kind, source, lang)] += sign * count

    def merge(self, other: Ledger) -> None:
        """Add another ledger's counts to this one."""
        for name, file_counts in other.files.items():
            self.file(name).merge(file_counts)
        for name, stage_counts in other.stages.items():
            self.stage(name).merge(stage_counts)

    def check(self, order: Iterable[str] = ()) -> None:
        """Raise InternalError where an identity does not hold.

        Per file: records = documents + skipped + quarantined; documents = dropped + curated. Per
        stage in ``order``: its input = the input of the stage before − what that stage dropped.
        """
        for name, counts in self.files.items():
            accounted = counts.documents + counts.skipped.total() + counts.quarantined.total()
            if counts.records != accounted:
                raise InternalError(
                    f"{counts.records} records read, but {accounted} accounted for", where=name
                )
            if counts.documents != counts.dropped.total() + counts.curated:
                raise InternalError(
                    f"{counts.documents} documents, but {counts.dropped.total()} dropped"
                    f" and {counts.curated} curated",
                    where=name,
                )
        left: int | None = None
        for stage in order:
            stage_counts = self.stage(stage)
            documents = sum(amount.documents for amount in stage_counts.input.values())
            if left is not None and documents != left:
                raise InternalError(
                    f"stage '{stage}' got {documents} documents of the {left} that were left"
                )
            left = documents - sum(amount.documents for amount in stage_counts.dropped.values())

    def fate(self, sources: Iterable[str], languages: Iterable[str]) -> str | None:
        """Say what became of the documents of some sources and languages; empty: all of them.

        None where neither a drop nor another language explains that none is left.

        >>> ledger = Ledger()
        >>> ledger.stage("measure").input["web", "kaz_Cyrl"] = Amount(7, 700)
        >>> ledger.stage("judge").dropped["web", "kaz_Cyrl", "n_words"] = Amount(7, 700)
        >>> ledger.fate((), ["kaz_Cyrl"])
        '7 of 7 documents in kaz_Cyrl were dropped, most by judge:n_words 7'
        >>> ledger.fate((), ["tur_Latn"])
        'no document is in tur_Latn; there are kaz_Cyrl 7'
        """
        sources, languages = set(sources), set(languages)
        came: Counter[str] = Counter()  # by language: the most that any stage got
        dropped: Counter[str] = Counter()
        every = 0
        for name, stage in self.stages.items():
            at_stage: Counter[str] = Counter()
            for (source, lang), amount in stage.input.items():
                if not sources or source in sources:
                    at_stage[lang] += amount.documents
            came |= at_stage
            every = max(
                every, sum(n for lang, n in at_stage.items() if lang in (languages or {lang}))
            )
            for (source, lang, rule), amount in stage.dropped.items():
                if (not sources or source in sources) and lang in (languages or {lang}):
                    dropped[f"{name}:{rule}" if rule else name] += amount.documents
        of = f" of {', '.join(sorted(sources))}" if sources else ""
        within = f" in {', '.join(sorted(languages))}" if languages else ""
        if dropped:
            most = ", ".join(f"{rule} {count}" for rule, count in _largest(dropped, 3))
            return (
                f"{dropped.total()} of {every} documents{of}{within} were dropped, most by {most}"
            )
        found = Counter({lang: n for lang, n in came.items() if lang})
        if languages and found and not languages & found.keys():
            there = ", ".join(f"{lang} {count}" for lang, count in _largest(found, 5))
            return f"no document{of} is{within}; there are {there}"
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as JSON values, in an order that depends only on the counts."""
        return {
            "files": {name: counts.to_json() for name, counts in sorted(self.files.items())},
            "stages": {name: counts.to_json() for name, counts in self.stages.items()},
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Ledger:
        """Parse what :meth:`to_json` returned."""
        ledger = cls()
        ledger.files = {n: FileCounts.from_json(counts) for n, counts in fields["files"].items()}
        ledger.stages = {n: StageCounts.from_json(counts) for n, counts in fields["stages"].items()}
        return ledger


def _largest(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    """Return the largest counts, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def _add(cells: dict[Any, Amount], key: Any, amount: Amount) -> None:
    before = cells.get(key, Amount(0, 0))
    cells[key] = Amount(before.documents + amount.documents, before.bytes + amount.bytes)


def _groups(table: pa.Table, by: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Yield the values of some columns, "" for null, and the numbers of the rows that have them."""
    if not table.num_rows:
        return
    columns = {
        name: pc.fill_null(table.column(name), "")
        if name in table.column_names
        else pa.repeat("", table.num_rows)
        for name in by
    }
    for rows in alike([columns[name] for name in by]):
        yield tuple(columns[name][int(rows[0])].as_py() for name in by), rows


def _amounts(table: pa.Table, by: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Amount]]:
    if table.num_rows:
        sizes = schema.text_bytes(table)
        for values, rows in _groups(table, by):
            yield values, Amount(len(rows), int(sizes[rows].sum()))
