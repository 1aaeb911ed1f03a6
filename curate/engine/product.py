"""The last kinds of task: which documents of a shard the mixture takes, and the product's files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.commit import Attempt, read_commit, survivors_of
from curate.engine.segment import read_decisions, restored
from curate.engine.shuffle import fresh_order, parts_of, rotation, slice_keys, within
from curate.kernels.arrow import few_chunks
from curate.mixture.sampling import order_key
from curate.plan.model import Plan
from curate.protocol.stage import ProductBarrier
from curate.protocol.tallies import mixed_licenses
from curate.sources.columns import Columns
from curate.storage.exchange import (
    ENDS,
    BlockIndex,
    GroupIndex,
    Listing,
    read_listed,
    rows_of_blocks,
)
from curate.storage.formats import Output, write
from curate.storage.parquet_sink import ParquetSink, row_groups, write_groups
from curate.storage.store import Store
from curate.storage.survivors import Batch, batches, joined, read_batches, some_with_texts

#: The most rows of a file of the product: its task holds all their ids and addresses at a time.
FILE_ROWS = 500_000

#: Not columns of the product, where they would be null in every row.
_VERDICT = tuple(schema.VERDICT_COLUMNS)


@dataclass(frozen=True)
class PlacingTask:
    """What one task reads: the last segment's commit for its shard, and the mixture's decisions."""

    survivors: str
    decisions: tuple[Listing, ...]


@dataclass(frozen=True)
class ProductTask:
    """What one task reads: the groups with keys of its slice, and the mixture's decisions."""

    part: int
    narrow: Listing
    texts: Listing
    decisions: tuple[Listing, ...]


@dataclass(frozen=True)
class PlacingJob:
    """Counts what is curated and taken per shard, and writes what exceeds the mixture's budget."""

    mix: ProductBarrier
    columns: Columns | None
    rejected: pa.Schema  #: of the files of dropped rows

    def run(self, assignment: PlacingTask, attempt: Attempt) -> None:
        """Place one shard's documents."""
        store = attempt.store
        commit = read_commit(store, assignment.survivors)
        decisions = read_decisions(store, assignment.decisions)
        sink: ParquetSink | None = None
        taken_bytes: dict[str, int] = {}
        placed_rows: dict[str, int] = {}
        ledger = attempt.ledger
        survivors = survivors_of(store, commit)
        # Their texts are read where they decide or count, else those of groups over the budget.
        with_text = self.mix.places_by_text or self.columns is not None
        for batch in read_batches(store, survivors, texts=with_text):
            table = joined(batch.narrow, batch.texts)
            ledger.count_curated(table)
            ledger.count_input(self.mix.name, table)
            applied = self.mix.apply(table, decisions, ledger.stage(self.mix.name).tally)
            over = pc.invert(schema.alive(applied))
            if pc.any(over).as_py():
                rejects = some_with_texts(store, survivors, batch, np.flatnonzero(over))
                ledger.count_over_budget(rejects)
                rejects = self.mix.apply(rejects, decisions, Counter())
                sink = sink or ParquetSink(store, attempt.folder, "rejected", self.rejected)
                sink.write(restored(rejects, self.columns))
            ledger.count_taken(self.mix.name, table.filter(pc.invert(over)))
            placed = self.mix.placements(table, decisions)
            passed = 0 if self.columns is None else schema.passed_bytes(table)
            sizes = schema.text_bytes(table) + passed // max(1, table.num_rows)
            for phase in pc.unique(placed.column("phase")).to_pylist():
                rows = placed.filter(pc.equal(placed.column("phase"), phase)).column("row")
                taken_bytes[phase] = taken_bytes.get(phase, 0) + int(sizes[rows.to_numpy()].sum())
                placed_rows[phase] = placed_rows.get(phase, 0) + len(rows)
        if sink is not None:
            sink.close()
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
    metadata: str  #: JSON for the files' schema: tokenizer, contract, recipe
    output: Output
    columns: Columns | None = None  #: of the input that pass through

    def run(self, assignment: ProductTask, attempt: Attempt) -> None:
        """Write one file."""
        store = attempt.store
        decisions = read_decisions(store, assignment.decisions)
        slices = {
            epoch: slice_keys(assignment.part, self.parts, rotation(self.seed, self.phase, epoch))
            for epoch in self.epochs(decisions)
        }
        chosen: list[pa.Table] = []
        narrow, texts = (read_listed(store, [g]) for g in (assignment.narrow, assignment.texts))
        for batch in batches((0, *pair) for pair in zip(narrow, texts, strict=True)):
            chosen += self._from_groups(batch, slices, decisions)
            del batch  # a group with a text of 60 MB is not held while the file is written
        if not chosen:
            return
        table = few_chunks(chosen).drop_columns(list(_VERDICT))
        del chosen
        epoch_column = table.column("epoch").to_numpy()
        order = pa.array(fresh_order(table.column("id"), self.seed, self.phase, epoch_column))
        tally = attempt.ledger.stage(self.mix.name).tally
        tally.update(mixed_licenses(table))
        named = table.replace_schema_metadata({"curate": self.metadata})
        pieces = (restored(group, self.columns) for group in row_groups(named, order=order))
        name = f"{attempt.folder}/mixture-00000.parquet"
        final = restored(named.slice(0, 0), self.columns).schema
        attempt.files.append(write_groups(store, name, final, pieces, dataset="mixture"))
        if self.output.formats:
            table = table.take(order).combine_chunks()
        for format in self.output.formats:
            attempt.files += write(format, store, attempt.folder, table, self.output, tally)

    def epochs(self, decisions: pa.Table) -> list[int]:
        """Return all epochs that a copy of this phase can have."""
        phase = decisions.filter(pc.equal(decisions.column("phase"), self.phase))
        passes = pc.max(phase.column("epoch")).as_py() or 1
        return list(range(1, passes * self.mix.mixture.most_copies + 1))

    def index(
        self, store: Store, folder: str, groups: tuple[GroupIndex, GroupIndex], decisions: pa.Table
    ) -> tuple[BlockIndex, BlockIndex]:
        """Write which blocks of the survivors each file of the product reads: narrow, and texts.

        ``groups`` are the blocks of both that all shards have.
        """
        offsets = [rotation(self.seed, self.phase, epoch) for epoch in self.epochs(decisions)]
        narrow, texts = (
            BlockIndex(store, folder, f"{kind}-{self.phase}") for kind in ("narrow", "texts")
        )
        for index, of_all in zip((narrow, texts), groups, strict=True):
            index.schemas |= of_all.schemas
        for pair in beside(*(each.tables() for each in groups)):
            _, rows = pair[0]
            keys = zip(*(rows[name].tolist() for name in ENDS), strict=True)
            part, row = (each.to_numpy() for each in parts_of(list(keys), self.parts, offsets))
            for index, (paths, of_all) in zip((narrow, texts), pair, strict=True):
                routed = rows_of_blocks(of_all[row])
                routed["part"] = part
                index.write(paths, routed)
        narrow.close()
        texts.close()
        return narrow, texts

    def _from_groups(
        self,
        batch: Batch,
        slices: dict[int, list[tuple[int, int]]],
        decisions: pa.Table,
    ) -> list[pa.Table]:
        """Make the copies of the documents of some groups that fall into the slice."""
        narrow, texts = batch.narrow, batch.texts
        table = joined(narrow, texts) if self.mix.places_by_text else narrow
        placed = self.mix.placements(table, decisions)
        placed = placed.filter(pc.equal(placed.column("phase"), self.phase))
        rows = placed.column("row").to_numpy()
        copies = placed.column("epoch").to_numpy()
        keys = order_key(table.column("id"), self.seed)[rows]
        inside = np.zeros(len(rows), bool)
        for epoch, intervals in slices.items():
            inside |= (copies == epoch) & within(keys, intervals)
        if not inside.any():
            return []
        taken = joined(narrow.take(pa.array(rows[inside])), texts)
        taken = taken.append_column("phase", pa.repeat(self.phase, taken.num_rows))
        return [taken.append_column("epoch", pa.array(copies[inside], pa.int32()))]


Groups = tuple[list[str], Any]  #: paths, and rows of a numpy array with names


def beside(narrow: Iterator[Groups], texts: Iterator[Groups]) -> Iterator[tuple[Groups, Groups]]:
    """Yield what `GroupIndex.tables` does, and for each row of the narrow one that of its texts."""
    empty: Groups = ([], np.zeros(0))
    paths, waiting = next(texts, empty)
    for here, rows in narrow:
        while waiting["group"][-1] < rows["group"][-1]:
            more, behind = next(texts)
            behind["file"] += len(paths)
            paths, waiting = [*paths, *more], np.concatenate([waiting, behind])
        places = np.searchsorted(waiting["group"], rows["group"])
        yield (here, rows), (paths, waiting[places])
        first = waiting["file"][places[-1]]  # of the files that are still needed
        paths, waiting = paths[first:], waiting[places[-1] :]
        waiting["file"] -= first


def counted_with(plan: Plan) -> dict[str, str] | None:
    """Return the tokenizer of ``n_tokens`` and its digest; None where no stage counts."""
    counters = [dict(source.run.counted_with) for source in plan.sources.values() if source.run]
    counters += [dict(s.product_metadata) for each in plan.segments for s in each.stages]
    return next((one for one in reversed(counters) if one), None)


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
