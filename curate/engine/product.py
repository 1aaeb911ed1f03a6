"""The last kinds of task: which documents of a shard the mixture takes, and the product's files."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.commit import Attempt, entries_of, read_commit
from curate.engine.segment import read_decisions
from curate.engine.shuffle import fresh_order, rotation, slice_keys, within
from curate.mixture.sampling import order_key
from curate.plan.model import Plan
from curate.protocol.stage import ProductBarrier
from curate.protocol.tallies import NOT_HELD, tally_key
from curate.storage.entries import FileEntry
from curate.storage.formats import Output, not_held, write
from curate.storage.parquet_sink import ParquetSink, drain, stored_rows, write_parquet
from curate.storage.store import Store

#: Not columns of the product, where they would be null in every row.
_VERDICT = tuple(schema.VERDICT_COLUMNS)


@dataclass(frozen=True)
class PlacingJob:
    """Counts what is curated and taken per shard, and writes what exceeds the mixture's budget."""

    mix: ProductBarrier
    survivors: tuple[str, ...]
    decisions: tuple[str, ...]

    def run(self, assignment: int, attempt: Attempt) -> None:
        """Place one shard's documents."""
        store = attempt.store
        commit = read_commit(store, self.survivors[assignment])
        decisions = read_decisions(store, self.mix, self.decisions, assignment)
        sink: ParquetSink | None = None
        taken_bytes: dict[str, int] = {}
        placed_rows: dict[str, int] = {}
        ledger = attempt.ledger
        for table in stored_rows(store, commit.dataset("survivors")):
            ledger.count_curated(table)
            ledger.count_input(self.mix.name, table)
            applied = self.mix.apply(table, decisions, ledger.stage(self.mix.name).tally)
            over = applied.filter(pc.invert(schema.alive(applied)))
            if over.num_rows:
                ledger.count_over_budget(over)
                sink = sink or ParquetSink(store, attempt.folder, "rejected", over.schema)
                drain(sink.write(over))
            placed = self.mix.placements(table, decisions)
            sizes = pc.fill_null(pc.binary_length(table.column("text")), 0).to_numpy()
            for phase in pc.unique(placed.column("phase")).to_pylist():
                rows = placed.filter(pc.equal(placed.column("phase"), phase)).column("row")
                taken_bytes[phase] = taken_bytes.get(phase, 0) + int(sizes[rows.to_numpy()].sum())
                placed_rows[phase] = placed_rows.get(phase, 0) + len(rows)
        if sink is not None:
            drain(sink.close())
            attempt.files += sink.entries
        attempt.notes.taken_bytes = dict(sorted(taken_bytes.items()))
        attempt.notes.placed_rows = dict(sorted(placed_rows.items()))


@dataclass(frozen=True)
class ProductJob:
    """Writes the files of one phase: each is a slice of the global shuffle, in every format."""

    mix: ProductBarrier
    phase: str
    parts: int
    seed: int
    survivors: tuple[str, ...]
    decisions: tuple[str, ...]
    metadata: str  #: JSON for the files' schema: tokenizer, contract, recipe
    output: Output

    def run(self, assignment: int, attempt: Attempt) -> None:
        """Write one file."""
        store = attempt.store
        decisions = read_decisions(store, self.mix, self.decisions, 0)
        chosen: list[pa.Table] = []
        epochs = self._epochs(decisions)
        for entry in entries_of(store, self.survivors, "survivors"):
            chosen += self._from_file(store, entry, epochs, assignment, decisions)
        if not chosen:
            return
        table = pa.concat_tables(chosen).drop_columns(list(_VERDICT)).combine_chunks()
        del chosen
        epoch_column = table.column("epoch").to_numpy()
        order = pa.array(fresh_order(table.column("id"), self.seed, self.phase, epoch_column))
        attempt.files.append(
            write_parquet(
                store,
                f"{attempt.folder}/mixture-00000.parquet",
                table.replace_schema_metadata({"curate": self.metadata}),
                dataset="mixture",
                order=order,
            )
        )
        if self.output.formats:
            table = table.take(order).combine_chunks()
        for format in self.output.formats:
            attempt.files += write(format, store, attempt.folder, table, self.output)
            tally = attempt.ledger.stage(self.mix.name).tally
            for what, count in not_held(format, table).items():
                tally[tally_key(NOT_HELD, format, what)] += count

    def _epochs(self, decisions: pa.Table) -> list[int]:
        """Return all epochs that a copy of this phase can have."""
        phase = decisions.filter(pc.equal(decisions.column("phase"), self.phase))
        passes = pc.max(phase.column("epoch")).as_py() or 1
        return list(range(1, passes * self.mix.mixture.most_copies + 1))

    def _from_file(
        self, store: Store, entry: FileEntry, epochs: list[int], part: int, decisions: pa.Table
    ) -> list[pa.Table]:
        """Read the row groups with keys of this slice, and make the copies that fall into it."""
        slices = {
            epoch: slice_keys(part, self.parts, rotation(self.seed, self.phase, epoch))
            for epoch in epochs
        }
        groups = [
            number
            for number, (first, last) in enumerate(entry.keys or ())
            if any(
                first < end and last >= start
                for intervals in slices.values()
                for start, end in intervals
            )
        ]
        chosen = []
        for table in stored_rows(store, [entry], groups=groups) if groups else ():
            placed = self.mix.placements(table, decisions)
            placed = placed.filter(pc.equal(placed.column("phase"), self.phase))
            rows = placed.column("row").to_numpy()
            copies = placed.column("epoch").to_numpy()
            keys = order_key(table.column("id"), self.seed)[rows]
            inside = np.zeros(len(rows), bool)
            for epoch, intervals in slices.items():
                inside |= (copies == epoch) & within(keys, intervals)
            if inside.any():
                taken = table.take(pa.array(rows[inside]))
                taken = taken.append_column("phase", pa.repeat(self.phase, taken.num_rows))
                taken = taken.append_column("epoch", pa.array(copies[inside], pa.int32()))
                chosen.append(taken)
        return chosen


def counted_with(plan: Plan) -> dict[str, str] | None:
    """Return the tokenizer of ``n_tokens`` and its digest; None where no stage counts."""
    counters = [s.product_metadata for each in plan.segments for s in each.stages]
    return next((dict(one) for one in reversed(counters) if one), None)


def product_metadata(plan: Plan) -> str:
    """Return the metadata in the schema of each file of the product, as JSON."""
    return json.dumps(
        {
            "contract": schema.CONTRACT_VERSION,
            "recipe": plan.recipe.name,
            "counted_with": counted_with(plan),
        },
        sort_keys=True,
    )
