"""One task of a barrier's step: rows routed to it come in, rows for the next step's tasks go out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.commit import Attempt, read_commit
from curate.protocol.stage import Step
from curate.storage.dedup_store import GenerationSink
from curate.storage.exchange import ExchangeSink, read_part
from curate.storage.parquet_sink import stored_rows
from curate.storage.store import Store, open_store


@dataclass(frozen=True)
class StepJob:
    """A step, as all its tasks share it. Commits are named, never listed, so a step sees no other run."""

    barrier: str
    step: Step
    partitions: int
    produced: Mapping[str, tuple[str, ...]]  #: dataset → commits of the tasks that wrote it
    survivors: tuple[str, ...]  #: commits of the segment, by shard
    earlier: tuple[tuple[str, ...], ...]  #: for ``decided``: commits of earlier barriers' decisions
    text_columns: tuple[str, ...]
    keeps: str | None = (
        None  #: the dedup store that ``stored`` datasets go to, and under which name
    )
    run_key: str = ""

    def run(self, own: tuple[int, tuple[str, ...]], attempt: Attempt) -> None:
        """Run the step for one shard, partition or group of files."""
        index, group = own
        inputs = StepInputs(self, index, group, attempt.store)
        sinks = {
            name: ExchangeSink(attempt.store, attempt.folder, name)
            for name in self.step.writes
            if name not in self.step.stored
        }
        with self._generation(index, attempt) as generation:
            rows = 0
            for dataset, table in self.step.run(inputs):
                rows += table.num_rows
                if generation is not None and dataset in self.step.stored:
                    generation.write(dataset, table)
                else:
                    sinks[dataset].write(table)
            for sink in sinks.values():
                attempt.files += sink.close()
            attempt.notes["rows"] = rows

    @contextmanager
    def _generation(self, index: int, attempt: Attempt) -> Iterator[GenerationSink | None]:
        """Write beside the run, into the store, what will be part of it once the run is published."""
        if self.keeps is None or not self.step.stored:
            yield None
            return
        key, unique = attempt.folder.split("/")[-2:]
        folder = f"data/{self.run_key}/{self.step.name}-{key}-{unique[:8]}"
        sink = GenerationSink(open_store(self.keeps), folder, index)
        try:
            yield sink
            attempt.notes["stored"] = sink.close()
        except BaseException:
            sink.abandon()
            raise


class StepInputs:
    """What one task may read; keeps the protocol Inputs of stages/base.py."""

    def __init__(self, job: StepJob, index: int, group: tuple[str, ...], store: Store) -> None:
        self._job, self._group, self._store = job, group, store
        self.index = index
        self.partitions = job.partitions

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        """The rows of a dataset that were routed to this task."""
        job = self._job
        if job.step.over == "tree":
            for name in self._group:
                entries = read_commit(self._store, name).dataset(dataset)
                yield from read_part(self._store, entries, None)
        elif dataset == "sketch":
            entries = read_commit(self._store, job.survivors[self.index]).dataset(
                f"sketch-{job.barrier}"
            )
            yield from read_part(self._store, entries, self.index)
        elif dataset == "text":
            yield from self._text()
        elif dataset in ("decided", "counted"):
            for commits in job.earlier:
                yield from self._decided(commits, dropped=dataset == "decided")
        else:
            for name in job.produced[dataset]:
                entries = read_commit(self._store, name).dataset(dataset)
                yield from read_part(self._store, entries, self.index)

    def _text(self) -> Iterator[pa.Table]:
        entries = read_commit(self._store, self._job.survivors[self.index]).dataset("survivors")
        row = self.index << 32
        for table in stored_rows(self._store, entries, list(self._job.text_columns)):
            numbers = np.arange(row, row + table.num_rows, dtype=np.int64)
            row += table.num_rows
            yield table.append_column("doc", pa.array(numbers))

    def _decided(self, commits: tuple[str, ...], *, dropped: bool) -> Iterator[pa.Table]:
        for name in commits:
            commit = read_commit(self._store, name)
            entries = [*commit.dataset("decisions"), *commit.dataset("reassigned")]
            for table in read_part(self._store, entries, self.index):
                gone = pc.is_valid(table.column("dropped_by"))
                if dropped:
                    yield table.filter(gone).select(["doc", "id", "duplicate_of"])
                else:
                    several = pc.and_not(pc.is_valid(table.column("cluster_size")), gone)
                    yield table.filter(several).select(["doc", "cluster_size"])
