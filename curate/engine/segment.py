"""One task of a segment: read a shard, run its stages, write survivors, rejects and sketches."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import takewhile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.commit import Attempt, read_commit, survivors_of
from curate.engine.compiling import compile_together
from curate.engine.reading import document_schema, read_shard
from curate.engine.shuffle import key_ranges, sort_by_key
from curate.failpoint import reach
from curate.mixture.sampling import order_key
from curate.plan.fingerprint import digest
from curate.plan.model import Segment, Shard, SourcePlan
from curate.protocol.ledger import Ledger
from curate.protocol.routing import document_numbers
from curate.protocol.stage import Barrier, MapStage
from curate.protocol.tallies import CARRIED
from curate.sources.base import COMPILED
from curate.sources.columns import Columns
from curate.storage import parquet_sink
from curate.storage.entries import SAMPLE_CHARACTERS, RejectExample
from curate.storage.exchange import ExchangeSink, Listing, read_listed
from curate.storage.store import Store
from curate.storage.survivors import (
    ROW,
    SurvivorsSink,
    beside_texts,
    joined,
    read_batches,
    with_texts,
)

#: Maximum rows per sketch call.
SKETCHED_ROWS = 50_000

#: The verdict of documents that are counted, and of which no row is written.
_NEVER_WRITTEN = f"{schema.KNOWN_TAKEDOWNS}:{schema.TAKEN_DOWN}"

#: Rows kept per rule as examples for the report.
SAMPLES_PER_RULE = 5


@dataclass(frozen=True)
class SegmentTask:
    """What one task of a segment reads: a shard of a source, or what the segment before left."""

    number: int  #: of the shard
    source: str  #: of the shard
    shard: Shard | None = None
    survivors: str | None = None  #: the shard's commit of the segment before
    decisions: tuple[tuple[Listing, ...], ...] = ()  #: on this shard, per barrier of that segment


@dataclass(frozen=True)
class SegmentJob:
    """What all tasks of a segment share."""

    segment: Segment
    batch_bytes: int
    sources: Mapping[str, SourcePlan] | None = None
    decided: tuple[Barrier, ...] = ()  #: the barriers of the segment before
    group_bytes: int = parquet_sink.ROW_GROUP_BYTES
    shuffle_seed: int = 0
    columns: Columns | None = None  #: of the input that pass through
    brought: pa.Schema = field(default_factory=lambda: pa.schema([]))  #: by finished runs
    #: By source that is a finished run: the stages that have nothing to do on its rows.
    done: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Columns of ``brought`` that no stage before the segment writes: other sources have none.
    unwritten: tuple[str, ...] = ()
    rejected: pa.Schema = field(default_factory=lambda: schema.DOCUMENT_SCHEMA)  #: of its files

    def run(self, assignment: SegmentTask, attempt: Attempt) -> None:
        """Run the segment on one shard."""
        work = _Work(self, assignment, attempt)
        if assignment.shard is not None:
            assert self.sources is not None
            work.from_source(self.sources[assignment.shard.source], assignment.shard)
        else:
            work.from_survivors()
        work.finish()


#: The job whose tasks this process ran last, what its tables begin with, and its final schema.
_LAST: list[Any] = []


class _Work:
    """The state of one task while it runs."""

    def __init__(self, job: SegmentJob, task: SegmentTask, attempt: Attempt) -> None:
        self.job, self.number, self.attempt = job, task.number, attempt
        self.done = job.done.get(task.source)  #: None where the source is no finished run
        self.ledger: Ledger = attempt.ledger
        self.decisions: list[tuple[Barrier, pa.Table]] = []
        if task.survivors is None:
            base = document_schema(job.columns)
        else:
            self.before = read_commit(attempt.store, task.survivors)
            base = _schema_from(self.before.notes.schema or "")
            self.decisions = [
                (barrier, read_decisions(attempt.store, listings))
                for barrier, listings in zip(job.decided, task.decisions, strict=True)
            ]
        self.schema = self._final_schema(base, task.shard)
        attempt.notes.schema = base64.b64encode(self.schema.serialize()).decode()
        seed = job.shuffle_seed
        self.survivors = SurvivorsSink(
            attempt.store,
            attempt.folder,
            self.schema,
            group_bytes=job.group_bytes,
            order=lambda table: sort_by_key(table, seed),
            index=lambda table, bounds: key_ranges(table, bounds, seed),
        )
        self.rejected = parquet_sink.ParquetSink(
            attempt.store,
            attempt.folder,
            "rejected",
            job.rejected,
        )
        attempt.notes.rejected_schema = digest(job.rejected.serialize().to_pybytes())
        self.sketches = {
            barrier.name: ExchangeSink(attempt.store, attempt.folder, f"sketch-{barrier.name}")
            for barrier in job.segment.barriers
        }
        self.samples: dict[str, list[tuple[int, RejectExample]]] = {}
        self.rows = np.empty(0, np.int64)  #: which rows of the table at hand are left

    def _final_schema(self, base: pa.Schema, shard: Shard | None) -> pa.Schema:
        """Return the survivors' schema, computed by running an empty table through the stages.

        That takes longer than the work on a small shard, so it is done once per job and process.
        """
        if _LAST and _LAST[0] is self.job and _LAST[1] == base:
            return _LAST[2]
        table = base.empty_table()
        for barrier, decisions in self.decisions:
            table = barrier.apply(table, decisions.slice(0, 0), Counter())
        source = None
        if shard is not None and max(p.file.size for p in shard.pieces) >= COMPILED:
            source = (self.job.sources or {})[shard.source].reader
        segment = self.job.segment
        written = {name for stage in segment.stages for name in stage.adds}
        table = self._without_brought(table)
        # Where all sources are runs, stages read columns that nothing here writes.
        brought = [each for each in self.job.brought if each.name not in written]
        compile_together(with_nulls(table, brought), segment.stages, segment.barriers, source)
        for stage in self.job.segment.stages:
            table = stage.apply(table, Counter())
        _LAST[:] = self.job, base, with_nulls(table, self.job.brought).schema.remove_metadata()
        return _LAST[2]

    def _without_brought(self, table: pa.Table) -> pa.Table:
        """Return a table without the columns that only a finished run has here."""
        absent = set(self.job.unwritten).intersection(table.column_names)
        return table.drop_columns(sorted(absent)) if absent else table

    def from_source(self, source: SourcePlan, shard: Shard) -> None:
        """Run a source's shard through the segment, batch by batch; write what is quarantined."""
        quarantined = parquet_sink.ParquetSink(
            self.attempt.store,
            self.attempt.folder,
            "quarantined",
            schema.QUARANTINE_SCHEMA,
            measured="head",
            run_bytes=64 << 20,
        )
        for batch in read_shard(source, shard, self.job.batch_bytes):
            reach("table.read")
            for name, counts in batch.counts.items():
                self.ledger.file(name).merge(counts)
            quarantined.write(batch.quarantined)
            self._sketch_groups(self.survivors.write(self._through(batch.documents)))
        quarantined.close()
        self.attempt.files += quarantined.entries

    def from_survivors(self) -> None:
        """Run the survivors of the segment before through this one."""
        before = survivors_of(self.attempt.store, self.before)
        stages = self.job.segment.stages
        rewrites = any(
            beside_texts(name)
            for stage in (*self.job.decided, *stages)
            for name in (*stage.rewrites, *stage.adds)
        )
        if not rewrites:  # the texts stay in their file, what is dropped among them
            self.attempt.notes.texts = self.before.notes.texts or self.before.name
        sketched = {name for each in self.job.segment.barriers for name in each.sketch_reads}
        without = list(takewhile(lambda stage: not any(map(beside_texts, stage.reads)), stages))
        with_them = stages[len(without) :]
        reads_texts = bool(with_them) or any(map(beside_texts, sketched))
        for groups, firsts, narrow, texts in read_batches(self.attempt.store, before):
            reach("table.read")
            assert texts is not None
            if rewrites:
                table = self._through(joined(narrow, texts))
                self._sketch_groups(self.survivors.write(table))
                continue
            places = narrow.column(ROW).to_numpy()
            table = self._decided(joined(narrow, None), texts, places)
            table = self._staged(table, without, texts, places)
            if reads_texts:
                table = with_texts(table, texts, places[self.rows])
            table = self._staged(table, with_them)
            table = with_nulls(table, self.job.brought)
            rows = (places - firsts)[self.rows]
            self._sketch_groups(self.survivors.write_groups(groups[self.rows], table, rows))

    def _through(self, table: pa.Table) -> pa.Table:
        """Apply decisions and stages to one table; write its rejects, return its survivors."""
        return self._staged(self._decided(table), self.job.segment.stages)

    def _decided(
        self,
        table: pa.Table,
        texts: pa.Table | None = None,
        places: np.ndarray | None = None,
    ) -> pa.Table:
        """Apply decisions; the texts of rejects are taken from ``texts`` where the table has none.

        So most texts are not copied, which would take longer than the decisions.
        """
        self.rows = np.arange(table.num_rows)
        for number, (barrier, decisions) in enumerate(self.decisions):
            tally = self.ledger.stage(barrier.name).tally
            self.ledger.count_input(barrier.name, table)
            with self._timed(barrier.name):
                table = barrier.apply(table, decisions, tally)
            table = self._split(table, self.decisions[number + 1 :], texts, places)
        return table if self.done is not None else self._without_brought(table)

    def _staged(
        self,
        table: pa.Table,
        stages: Sequence[MapStage],
        texts: pa.Table | None = None,
        places: np.ndarray | None = None,
    ) -> pa.Table:
        """Apply stages to one table; write its rejects, return its survivors."""
        for stage in stages:
            tally = self.ledger.stage(stage.name).tally
            self.ledger.count_input(stage.name, table)
            if self.done and stage.name in self.done:
                tally[CARRIED] += table.num_rows
                # A signal that no rule has for these rows was perhaps not measured in the run.
                table = with_nulls(table, [self.schema.field(name) for name in stage.adds])
                continue
            with self._timed(stage.name):
                table = stage.apply(table, tally)
            table = self._split(table, (), texts, places)
        return table

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds = self.attempt.stages
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - started

    def _split(
        self,
        table: pa.Table,
        later: Sequence[tuple[Barrier, pa.Table]] = (),
        texts: pa.Table | None = None,
        places: np.ndarray | None = None,
    ) -> pa.Table:
        """Write dropped rows, their witnesses updated by later barriers; return the rest."""
        alive = schema.alive(table)
        if pc.all(alive).as_py() is not False:
            return table
        rejects, kept = table.filter(pc.invert(alive)), np.asarray(alive)
        if texts is not None and places is not None:
            rejects = with_texts(rejects, texts, places[self.rows[~kept]])
        for barrier, decisions in later:
            rejects = barrier.reassign_witness(rejects, decisions)
        self.ledger.count_dropped(rejects)
        if self.job.segment.number == 0:
            rejects = rejects.filter(pc.not_equal(rejects.column("dropped_by"), _NEVER_WRITTEN))
        self.rejected.write(restored(rejects, self.job.columns))
        self._sample(rejects)
        self.rows = self.rows[kept]
        return table.filter(alive)

    def _sample(self, rejects: pa.Table) -> None:
        """Keep, per rule, the rejects whose ids hash lowest: unbiased and repeatable."""
        keys = order_key(rejects.column("id"), 0)
        rules = rejects.column("dropped_by").to_pylist()
        for row in np.argsort(keys, kind="stable"):
            kept = self.samples.setdefault(rules[row], [])
            if len(kept) < SAMPLES_PER_RULE or keys[row] < kept[-1][0]:
                kept.append((int(keys[row]), _sample_of(rejects, int(row))))
                kept.sort(key=lambda pair: (pair[0], pair[1].id))
                del kept[SAMPLES_PER_RULE:]

    def _sketch_groups(self, groups: Iterator[tuple[pa.Table, int]]) -> None:
        """Sketch the row groups of survivors as the sink yields them."""
        for group, first_row in groups:
            self._sketch(group, first_row)

    def _sketch(self, table: pa.Table, first_row: int) -> None:
        """Sketch survivors in the order of their file.

        A sketch may be larger than its text (a signature has hundreds of bytes), so many short
        documents are sketched in several pieces.
        """
        if table.num_rows > SKETCHED_ROWS:
            for start in range(0, table.num_rows, SKETCHED_ROWS):
                self._sketch(table.slice(start, SKETCHED_ROWS), first_row + start)
            return
        for barrier in self.job.segment.barriers:
            with self._timed(barrier.name):
                sketch = barrier.sketch(table)
            docs = document_numbers(self.number, first_row, table.num_rows)
            sketch = sketch.append_column("doc", pa.array(docs))
            part = pa.array(np.full(sketch.num_rows, self.number, np.int32))
            self.sketches[barrier.name].write(sketch.append_column("part", part))

    def finish(self) -> None:
        """Write what is still buffered; record all files and the samples of rejects."""
        self._sketch_groups(self.survivors.close())
        self.rejected.close()
        self.attempt.files += self.survivors.files() + self.rejected.entries
        for sink in self.sketches.values():
            self.attempt.files += sink.close()
        self.attempt.notes.samples = [
            sample for _, kept in sorted(self.samples.items()) for _, sample in kept
        ]


def read_decisions(store: Store, listings: Sequence[Listing]) -> pa.Table:
    """Return the decisions of a barrier that are listed: for one shard, or for all."""
    tables = list(read_listed(store, listings))
    return pa.concat_tables(tables) if tables else schema.DECISIONS_SCHEMA.empty_table()


def with_nulls(table: pa.Table, columns: Iterable[pa.Field]) -> pa.Table:
    """Return a table with all of these columns, null where it did not have them."""
    for each in columns:
        if each.name not in table.column_names:
            table = table.append_column(each, pa.nulls(table.num_rows, each.type))
    return table


def restored(table: pa.Table, columns: Columns | None) -> pa.Table:
    """Return a table for publication: what passes through has its declared types."""
    return table if columns is None else columns.restored(table)


def _sample_of(rejects: pa.Table, row: int) -> RejectExample:
    columns = {field.name for field in fields(RejectExample)} & set(rejects.column_names)
    columns = set(filter(schema.is_ours, columns))
    values = {name: rejects.column(name)[row].as_py() for name in columns}
    text = values["text"] or ""
    return RejectExample(**values | {"text": text[:SAMPLE_CHARACTERS], "bytes": len(text.encode())})


def _schema_from(encoded: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded)))
