"""Counts: what became of every record. Part of each commit; no clock and no host in them.

Two books are kept. *Files*: per input file, the fate of each record and document. *Stages*: per stage
and per (source, language), documents and bytes that came in and that each rule dropped. The report
only reads them, and :meth:`Ledger.check` holds them to the identities of DESIGN section 6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import InternalError


class Amount(NamedTuple):
    """Documents and bytes of text."""

    documents: int
    bytes: int


@dataclass
class FileBook:
    """The fate of one input file's records; ``dropped`` is by ``stage:rule``."""

    records: int = 0
    documents: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    curated: int = 0
    over_budget: int = 0

    @property
    def taken(self) -> int:
        """Curated documents that the mixture has at least once."""
        return self.curated - self.over_budget


@dataclass
class StageBook:
    """One stage's counts; keys are (source, lang), lang "" before it is known."""

    came: dict[tuple[str, str], Amount] = field(default_factory=dict)
    dropped: dict[tuple[str, str, str], Amount] = field(default_factory=dict)  #: + rule
    tally: Counter[str] = field(default_factory=Counter)


class Ledger:
    """The books of one task, or the sum of many."""

    def __init__(self) -> None:
        self.files: dict[str, FileBook] = {}
        self.stages: dict[str, StageBook] = {}

    def file(self, name: str) -> FileBook:
        """The book of ``<source>/<file>``."""
        return self.files.setdefault(name, FileBook())

    def stage(self, name: str) -> StageBook:
        """The book of a stage."""
        return self.stages.setdefault(name, StageBook())

    def saw(self, stage: str, table: pa.Table) -> None:
        """Count what a stage was given."""
        book = self.stage(stage).came
        for (source, lang), amount in _amounts(table, ("source", "lang")):
            _add(book, (source, lang), amount)

    def dropped(self, rejects: pa.Table) -> None:
        """Count rows that stages dropped, by the stage and rule in their verdicts."""
        for (source, lang, verdict), amount in _amounts(rejects, ("source", "lang", "dropped_by")):
            stage, _, rule = verdict.partition(":")
            _add(self.stage(stage).dropped, (source, lang, rule), amount)
        if rejects.num_rows:
            keys = pa.table(
                {"file": schema.file_of(rejects.column("id")), "by": rejects.column("dropped_by")}
            )
            for row in keys.group_by(["file", "by"]).aggregate([([], "count_all")]).to_pylist():
                self.file(row["file"]).dropped[row["by"]] += row["count_all"]

    def curated(self, table: pa.Table) -> None:
        """Count documents that lived through every stage."""
        for row in pc.value_counts(schema.file_of(table.column("id"))).to_pylist():
            self.file(row["values"]).curated += row["counts"]

    def over_budget(self, table: pa.Table) -> None:
        """Count curated documents that the mixture had no room for."""
        for row in pc.value_counts(schema.file_of(table.column("id"))).to_pylist():
            self.file(row["values"]).over_budget += row["counts"]

    def add(self, other: Ledger) -> None:
        """Add another ledger's counts to this one."""
        for name, theirs in other.files.items():
            mine = self.file(name)
            mine.records += theirs.records
            mine.documents += theirs.documents
            mine.curated += theirs.curated
            mine.over_budget += theirs.over_budget
            mine.skipped.update(theirs.skipped)
            mine.quarantined.update(theirs.quarantined)
            mine.dropped.update(theirs.dropped)
        for name, book in other.stages.items():
            own = self.stage(name)
            for cell, amount in book.came.items():
                _add(own.came, cell, amount)
            for rule_cell, amount in book.dropped.items():
                _add(own.dropped, rule_cell, amount)
            own.tally.update(book.tally)

    def check(self, order: Iterable[str] = ()) -> None:
        """Raise InternalError where an identity does not hold.

        Per file: records = documents + skipped + quarantined; documents = dropped + curated. Per
        stage in ``order``: what came in = what came to the stage before − what that dropped.
        """
        for name, book in self.files.items():
            fates = book.documents + book.skipped.total() + book.quarantined.total()
            if book.records != fates:
                raise InternalError(
                    f"{book.records} records read, but {fates} accounted for", where=name
                )
            if book.documents != book.dropped.total() + book.curated:
                raise InternalError(
                    f"{book.documents} documents, but {book.dropped.total()} dropped"
                    f" and {book.curated} curated",
                    where=name,
                )
        left: int | None = None
        for stage in order:
            counted = self.stage(stage)
            came = sum(amount.documents for amount in counted.came.values())
            if left is not None and came != left:
                raise InternalError(
                    f"stage '{stage}' got {came} documents of the {left} that were left"
                )
            left = came - sum(amount.documents for amount in counted.dropped.values())

    def to_json(self) -> dict[str, Any]:
        """Give the ledger as JSON values, in an order that depends on nothing but the counts."""
        return {
            "files": {
                name: {
                    "records": book.records,
                    "documents": book.documents,
                    "skipped": dict(sorted(book.skipped.items())),
                    "quarantined": dict(sorted(book.quarantined.items())),
                    "dropped": dict(sorted(book.dropped.items())),
                    "curated": book.curated,
                    "over_budget": book.over_budget,
                }
                for name, book in sorted(self.files.items())
            },
            "stages": {
                name: {
                    "came": [[*cell, *amount] for cell, amount in sorted(book.came.items())],
                    "dropped": [[*cell, *amount] for cell, amount in sorted(book.dropped.items())],
                    "tally": dict(sorted(book.tally.items())),
                }
                for name, book in self.stages.items()
            },
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Ledger:
        """Read back what :meth:`to_json` wrote."""
        ledger = cls()
        for name, book in said["files"].items():
            ledger.files[name] = FileBook(
                records=book["records"],
                documents=book["documents"],
                skipped=Counter(book["skipped"]),
                quarantined=Counter(book["quarantined"]),
                dropped=Counter(book["dropped"]),
                curated=book["curated"],
                over_budget=book["over_budget"],
            )
        for name, book in said["stages"].items():
            ledger.stages[name] = StageBook(
                came={(s, lang): Amount(d, b) for s, lang, d, b in book["came"]},
                dropped={(s, lang, r): Amount(d, b) for s, lang, r, d, b in book["dropped"]},
                tally=Counter(book["tally"]),
            )
        return ledger


def _add(book: dict[Any, Amount], key: Any, amount: Amount) -> None:
    had = book.get(key, Amount(0, 0))
    book[key] = Amount(had.documents + amount.documents, had.bytes + amount.bytes)


def _amounts(table: pa.Table, by: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Amount]]:
    if not table.num_rows:
        return []
    columns = {
        name: pc.fill_null(table.column(name), "")
        if name in table.column_names
        else pa.repeat("", table.num_rows)
        for name in by
    }
    columns["bytes"] = pc.fill_null(pc.binary_length(table.column("text")), 0)
    sums = pa.table(columns).group_by(list(by)).aggregate([("bytes", "sum"), ([], "count_all")])
    return [
        (tuple(row[name] for name in by), Amount(row["count_all"], row["bytes_sum"]))
        for row in sums.to_pylist()
    ]
