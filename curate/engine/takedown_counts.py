"""The accounting of a takedown: what the ledger and the mixture's table say once documents are out.

A document that had passed every stage is dropped as ``takedown:taken_down``, a step before the
mixture. One that a stage had dropped stays dropped by that stage, under the rule ``taken_down``:
its own rule's count is again the number of its rows in ``rejected/``. So documents, stages and
files balance as before, and the only difference is what has no row any more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.mixture.histogram import sketch
from curate.protocol import tallies
from curate.protocol.ledger import Amount, FileCounts, Ledger, StageCounts
from curate.protocol.tallies import TAKEN, mixed_licenses
from curate.recipe.mixture import VALIDATION, Mixture
from curate.rights.lists import keys_of
from curate.schema import TAKEDOWN, TAKEN_DOWN
from curate.storage.entries import Manifest, Totals


class TakedownCounts:
    """Counts documents as they are taken out, and makes the counts of the manifest without them."""

    def __init__(self, manifest: Manifest, mixture: Mixture) -> None:
        self._manifest, self._mixture = manifest, mixture
        self.ledger: Ledger = Ledger.from_json(manifest.ledger.to_json())
        *before, self._mix = manifest.stages
        self.stages = [*before, *([] if TAKEDOWN in before else [TAKEDOWN]), self._mix]
        if TAKEDOWN not in before:
            entered = self.ledger.stage(self._mix).input
            self.ledger.stages[TAKEDOWN] = StageCounts(input=dict(entered))
        self._seen: set[int] = set()  #: of the product, where a document may have several rows
        self._rows: Counter[tuple[str, str | None]] = Counter()
        self._lost: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        self._available: Counter[tuple[bool, str | None]] = Counter()
        #: The same by value, in groups that are split.
        self._lost_parts: dict[tuple[str, str | None, str | None], Counter[str]] = defaultdict(
            Counter
        )
        self._available_parts: Counter[tuple[str | None, str | None]] = Counter()
        self._earlier: dict[int, str] = {}  #: document → the first phase that took it
        self.documents: Counter[str] = (
            Counter()
        )  #: by what they were: product, over_budget, dropped
        self.rows: Counter[str] = Counter()  #: by folder

    def product(self, table: pa.Table) -> None:
        """Count rows of the product that are taken out; a phase's rows come phase by phase."""
        self.rows["mixture"] += table.num_rows
        keys = keys_of(schema.whole(table.column("id")))
        first = np.zeros(table.num_rows, np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        first &= ~np.isin(keys, np.fromiter(self._seen, np.uint64, len(self._seen)))
        self._seen.update(keys[first].tolist())
        sketched = sketch(self._mixture.model_copy(update={"validation": None}), table)
        groups, values = (sketched.column(name).to_pylist() for name in ("group", "value"))
        phases = table.column("phase").to_pylist()
        once = sketched.column("amount").to_numpy() // sketched.column("copies").to_numpy()
        tokens = sketched.column("tokens").to_numpy() // sketched.column("copies").to_numpy()
        for key, phase, group, value, amount, of_tokens in zip(
            keys.tolist(), phases, groups, values, once.tolist(), tokens.tolist(), strict=True
        ):
            reused = self._earlier.setdefault(key, phase) != phase
            for lost in (self._lost[phase, group], self._lost_parts[phase, group, value]):
                lost.update(
                    documents=1, tokens=of_tokens, amount=amount, reused=amount if reused else 0
                )
        self.tally(mixed_licenses(table), -1)
        self._curated(table.filter(pa.array(first)), "product")

    def rejected(self, table: pa.Table) -> None:
        """Count rows of ``rejected/`` that are taken out."""
        self.rows["rejected"] += table.num_rows
        stages = pc.replace_substring_regex(table.column("dropped_by"), ":.*$", "")
        by_mix = pc.equal(stages, self._mix)
        over = table.filter(by_mix)
        for name, count in _by_file(over):
            self.ledger.file(name).over_budget -= count
        self._curated(over, "over_budget")
        dropped = table.filter(pc.invert(by_mix))
        self.documents["dropped"] += dropped.num_rows
        counted = Ledger()
        counted.count_dropped(dropped)
        for stage, counts in counted.stages.items():
            cells = self.ledger.stage(stage).dropped
            for (source, lang, rule), amount in counts.dropped.items():
                _subtract(cells, (source, lang, rule), amount)
                _subtract(cells, (source, lang, TAKEN_DOWN), Amount(-amount[0], -amount[1]))
        for name, file in counted.files.items():
            for verdict, count in file.dropped.items():
                of_file = self.ledger.file(name).dropped
                of_file[verdict] -= count
                if not of_file[verdict]:
                    del of_file[verdict]
                of_file[f"{verdict.partition(':')[0]}:{TAKEN_DOWN}"] += count

    def _curated(self, table: pa.Table, was: str) -> None:
        """Count documents that had passed every stage, each once."""
        self.documents[was] += table.num_rows
        counted = Ledger()
        counted.count_input(self._mix, table)
        entered = self.ledger.stage(self._mix).input
        dropped = self.ledger.stage(TAKEDOWN).dropped
        for (source, lang), amount in counted.stage(self._mix).input.items():
            _subtract(entered, (source, lang), amount)
            _subtract(dropped, (source, lang, TAKEN_DOWN), Amount(-amount[0], -amount[1]))
        for name, count in _by_file(table):
            file = self.ledger.file(name)
            file.curated -= count
            file.dropped[f"{TAKEDOWN}:{TAKEN_DOWN}"] += count
        if was == "product" and tallies.counts_of(self.ledger.stage(self._mix).tally, TAKEN):
            self.ledger.count_taken(self._mix, table, sign=-1)
        sketched = sketch(self._mixture.model_copy(update={"validation": None}), table)
        phases = table.column("phase").to_pylist() if was == "product" else [""] * len(table)
        columns = (sketched.column(n).to_pylist() for n in ("group", "value", "amount", "copies"))
        for phase, group, value, amount, copies in zip(phases, *columns, strict=True):
            held_out = phase == VALIDATION
            self._available[held_out, group] += amount // copies if held_out else amount
            if not held_out:
                self._available_parts[group, value] += amount

    def tally(self, counted: Counter[str], sign: int) -> None:
        """Add what the forms of a part counted, or with ``sign`` -1 take it away."""
        tally = self.ledger.stage(self._mix).tally
        for name, count in counted.items():
            tally[name] += sign * count
            if not tally[name]:
                del tally[name]

    @property
    def mixture(self) -> list[dict[str, Any]]:
        """The rows of the mixture's table, as the product is now: nothing was refilled.

        What was asked for, the shortage, the scarcest group and the largest document are those of
        the run.
        """
        rows = []
        for row in self._manifest.mixture:
            lost = self._lost.get((row["phase"], row["group"]), Counter())
            changed = {name: row[name] - lost[name] for name in ("documents", "tokens", "amount")}
            changed["reused"] = row["reused"] - lost["reused"]
            if row.get("parts"):
                changed["parts"] = [self._part(row, part) for part in row["parts"]]
            available = row["available"] - self._available[row["phase"] == VALIDATION, row["group"]]
            epochs = changed["amount"] / available if available else 0.0
            rows.append(row | changed | {"available": available, "epochs": epochs})
        totals: Counter[str] = Counter()
        for row in rows:
            totals[row["phase"]] += row["amount"] if row["share"] is not None else 0
        return [
            row
            if row["share"] is None
            else row
            | {"share": row["amount"] / totals[row["phase"]] if totals[row["phase"]] else None}
            for row in rows
        ]

    def _part(self, row: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
        """Return what a split group has of one value, as the product is now."""
        lost = self._lost_parts.get((row["phase"], row["group"], part["value"]), Counter())
        changed = {name: part[name] - lost[name] for name in ("documents", "tokens", "amount")}
        available = part["available"] - self._available_parts[row["group"], part["value"]]
        epochs = changed["amount"] / available if available else 0.0
        return part | changed | {"available": available, "epochs": epochs}

    def totals(self, rows: int) -> Totals:
        """Return the sums of the ledger, with the rows that the product has now."""
        files = self.ledger.files.values()
        return replace(
            self._manifest.totals,
            dropped=_sum(files, lambda file: file.dropped.total()),
            curated=_sum(files, lambda file: file.curated),
            taken=_sum(files, lambda file: file.taken),
            rows=rows,
        )


def _sum(files: Iterable[FileCounts], count: Any) -> int:
    return sum(int(count(file)) for file in files)


def _by_file(table: pa.Table) -> list[tuple[str, int]]:
    counts = pc.value_counts(schema.file_of(table.column("id")))
    return [(row["values"], row["counts"]) for row in counts.to_pylist()]


def _subtract(cells: dict[Any, Amount], key: Any, amount: Amount) -> None:
    before = cells.get(key, Amount(0, 0))
    after = Amount(before.documents - amount.documents, before.bytes - amount.bytes)
    if after == (0, 0):
        cells.pop(key, None)
    else:
        cells[key] = after
