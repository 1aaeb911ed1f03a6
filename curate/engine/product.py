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
from curate.engine.shuffle import fresh_order, parts_of, rotation, slice_of
from curate.kernels.arrow import few_chunks
from curate.mixture.sampling import order_key
from curate.plan.model import Plan
from curate.protocol.stage import ProductBarrier
from curate.protocol.tallies import mixed_licenses
from curate.sources.columns import Columns
from curate.storage.exchange import (
    ENDS,
    BlockIndex,
    ExchangeSink,
    GroupIndex,
    Listing,
    read_listed,
    rows_of_blocks,
)
from curate.storage.formats import Output, write
from curate.storage.parquet_sink import ParquetSink, row_groups, write_groups
from curate.storage.store import Store
from curate.storage.survivors import batches, joined, read_batches, some_with_texts

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
    """What one task reads: the groups with keys of its slice, and the mixture's decisions.

    Or, where the documents were gathered before, those of its slice.
    """

    part: int
    narrow: Listing
    texts: Listing
    decisions: tuple[Listing, ...]
    gathered: Listing | None = None

    @classmethod
    def of_gathered(cls, index: BlockIndex, part: int) -> ProductTask:
        """Return the task that reads what was gathered for its slice."""
        return cls(part, Listing(), Listing(), (), index.part(part))


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
class Slices:
    """How one phase of the product is cut: each task has ``together`` of ``files`` slices."""

    mix: ProductBarrier
    phase: str
    files: int
    seed: int
    together: int = 1

    @property
    def tasks(self) -> int:
        """The number of tasks."""
        return -(-self.files // self.together)

    def rotations(self, decisions: pa.Table) -> dict[int, int]:
        """Return the rotation of the keys for each epoch that a copy of this phase can have."""
        phase = decisions.filter(pc.equal(decisions.column("phase"), self.phase))
        passes = pc.max(phase.column("epoch")).as_py() or 1
        epochs = range(1, passes * self.mix.mixture.most_copies + 1)
        return {epoch: rotation(self.seed, self.phase, epoch) for epoch in epochs}

    def index(
        self, store: Store, folder: str, groups: tuple[GroupIndex, GroupIndex], decisions: pa.Table
    ) -> tuple[BlockIndex, BlockIndex]:
        """Write which blocks of the survivors each task reads: narrow, and texts.

        ``groups`` are the blocks of both that all shards have.
        """
        offsets = list(self.rotations(decisions).values())
        narrow, texts = (
            BlockIndex(store, folder, f"{kind}-{self.phase}") for kind in ("narrow", "texts")
        )
        for index, of_all in zip((narrow, texts), groups, strict=True):
            index.schemas |= of_all.schemas
        for pair in beside(*(each.tables() for each in groups)):
            _, rows = pair[0]
            keys = list(zip(*(rows[name].tolist() for name in ENDS), strict=True))
            slices = parts_of(keys, self.files, offsets, self.together)
            part, row = (each.to_numpy() for each in slices)
            for index, (paths, of_all) in zip((narrow, texts), pair, strict=True):
                routed = rows_of_blocks(of_all[row])
                routed["part"] = part
                index.write(paths, routed)
        narrow.close()
        texts.close()
        return narrow, texts

    def copies(
        self, store: Store, assignment: ProductTask, decisions: pa.Table
    ) -> Iterator[tuple[pa.Table, np.ndarray]]:
        """Yield the copies of documents of a task's slices, and the number of each one's slice."""
        rotations = self.rotations(decisions)
        narrow, texts = (read_listed(store, [g]) for g in (assignment.narrow, assignment.texts))
        for batch in batches((0, *pair) for pair in zip(narrow, texts, strict=True)):
            whole = joined(batch.narrow, batch.texts) if self.mix.places_by_text else batch.narrow
            placed = self.mix.placements(whole, decisions)
            placed = placed.filter(pc.equal(placed.column("phase"), self.phase))
            rows, epochs = (placed.column(name).to_numpy() for name in ("row", "epoch"))
            keys = order_key(whole.column("id"), self.seed)[rows]
            slices = np.full(len(rows), -1)
            for epoch, offset in rotations.items():
                here = epochs == epoch
                slices[here] = slice_of(keys[here], self.files, offset)
            inside = (slices >= 0) & (slices // self.together == assignment.part)
            if inside.any():
                table = joined(batch.narrow.take(pa.array(rows[inside])), batch.texts)
                table = table.append_column("phase", pa.repeat(self.phase, table.num_rows))
                copies = pa.array(epochs[inside], pa.int32())
                yield table.append_column("epoch", copies), slices[inside]
            del batch, whole, placed  # no group with a text of 60 MB is held meanwhile


@dataclass(frozen=True)
class GatheringJob:
    """Sorts copies of documents by slice, where files and shards are too many to read all of all.

    A file would read a little of each shard; so tasks write anew what several files read.
    """

    slices: Slices

    def run(self, assignment: ProductTask, attempt: Attempt) -> None:
        """Write the documents of some slices."""
        store = attempt.store
        decisions = read_decisions(store, assignment.decisions)
        sink = ExchangeSink(store, attempt.folder, "gathered")
        for table, slices in self.slices.copies(store, assignment, decisions):
            sink.write(table.append_column("part", pa.array(slices, pa.int32())))
        attempt.files += sink.close()


@dataclass(frozen=True)
class ProductJob:
    """Writes the files of one phase: each is a slice of the global shuffle, in every format."""

    slices: Slices
    metadata: str  #: JSON for the files' schema: tokenizer, contract, recipe
    output: Output
    columns: Columns | None = None  #: of the input that pass through

    def run(self, assignment: ProductTask, attempt: Attempt) -> None:
        """Write one file."""
        store, of = attempt.store, self.slices
        if assignment.gathered is None:
            decisions = read_decisions(store, assignment.decisions)
            chosen = [table for table, _ in of.copies(store, assignment, decisions)]
        else:
            gathered = read_listed(store, [assignment.gathered])
            chosen = [table.drop_columns(["part"]) for table in gathered]
        if not chosen:
            return
        table = few_chunks(chosen).drop_columns(list(_VERDICT))
        del chosen
        epochs = table.column("epoch").to_numpy()
        order = pa.array(fresh_order(table.column("id"), of.seed, of.phase, epochs))
        tally = attempt.ledger.stage(of.mix.name).tally
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
