"""One task of a barrier's step: it reads rows routed to it and writes rows for the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.commit import Attempt, entries_of, read_commit, survivors_of
from curate.protocol.routing import document_numbers
from curate.protocol.stage import Step
from curate.storage.entries import Commit
from curate.storage.exchange import ExchangeSink, Listing, read_listed, read_part
from curate.storage.generation_sink import GenerationSink
from curate.storage.store import Store, open_store
from curate.storage.survivors import read_survivors


@dataclass(frozen=True)
class StepTask:
    """What one task of a step reads: names and listings of its own, none of other tasks."""

    index: int
    survivors: str | None = None  #: the commit of its shard, in steps over shards
    group: tuple[str, ...] = ()  #: the commits that it merges, in steps over trees
    produced: Mapping[str, Listing] = field(default_factory=dict)  #: by dataset
    earlier: tuple[Listing, ...] = ()  #: for ``decided``: earlier barriers' decisions on its shard


@dataclass(frozen=True)
class StepJob:
    """What all tasks of a step share."""

    barrier: str
    step: Step
    partitions: int
    text_columns: tuple[str, ...]
    #: for how many readers the rows of a dataset lie together, where they take two passes
    together: Mapping[str, int] = field(default_factory=dict)
    dedup_store: str | None = None  #: where ``stored`` datasets are written
    run_key: str = ""  #: the name of the run in that store

    def run(self, assignment: StepTask, attempt: Attempt) -> None:
        """Run the step for one shard, partition or group of files."""
        inputs = StepInputs(self, assignment, attempt.store)
        sinks = {
            name: ExchangeSink(attempt.store, attempt.folder, name, self.together.get(name, 1))
            for name in self.step.writes
            if name not in self.step.stored
        }
        with self._generation(assignment.index, attempt) as generation:
            for dataset, table in self.step.run(inputs):
                if generation is not None and dataset in self.step.stored:
                    generation.write(dataset, table)
                else:
                    sinks[dataset].write(table)
            for sink in sinks.values():
                attempt.files += sink.close()

    @contextmanager
    def _generation(self, index: int, attempt: Attempt) -> Iterator[GenerationSink | None]:
        """Open files in the dedup store that become part of it once the run is published."""
        if self.dedup_store is None or not self.step.stored:
            yield None
            return
        key, unique = attempt.folder.split("/")[-2:]
        folder = f"data/{self.run_key}/{self.step.name}-{key}-{unique[:8]}"
        sink = GenerationSink(open_store(self.dedup_store), folder, index)
        try:
            yield sink
            attempt.notes.stored = sink.close()
        except BaseException:
            sink.abandon()
            raise


@dataclass(frozen=True)
class SortingJob:
    """The second pass of a dataset: rows that came for a group of readers, sorted by reader."""

    dataset: str

    def run(self, assignment: Listing, attempt: Attempt) -> None:
        """Write the rows of one group; each reader's are in the order of their writers."""
        sink = ExchangeSink(attempt.store, attempt.folder, self.dataset)
        for table in read_listed(attempt.store, [assignment]):
            sink.write(table)
        attempt.files += sink.close()


class StepInputs:
    """What one task may read; implements the protocol `Inputs` of curate/protocol/stage.py."""

    def __init__(self, job: StepJob, task: StepTask, store: Store) -> None:
        self._job, self._task, self._store = job, task, store
        self.index = task.index
        self.partitions = job.partitions

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        """Yield the rows of a dataset that were routed to this task."""
        job, task, store = self._job, self._task, self._store
        if job.step.over == "tree":
            yield from read_part(store, entries_of(store, task.group, dataset), None)
        elif dataset == "sketch":
            yield from read_part(store, self._shard.dataset(f"sketch-{job.barrier}"), self.index)
        elif dataset == "text":
            yield from self._text()
        elif dataset in ("decided", "counted"):
            yield from self._decided(dropped=dataset == "decided")
        else:
            yield from read_listed(store, [task.produced[dataset]])

    @cached_property
    def _shard(self) -> Commit:
        """What the segment committed for this task's shard."""
        assert self._task.survivors is not None
        return read_commit(self._store, self._task.survivors)

    def _text(self) -> Iterator[pa.Table]:
        survivors = survivors_of(self._store, self._shard)
        first = 0
        for table in read_survivors(self._store, survivors, self._job.text_columns):
            numbers = document_numbers(self.index, first, table.num_rows)
            first += table.num_rows
            yield table.append_column("doc", pa.array(numbers))

    def _decided(self, *, dropped: bool) -> Iterator[pa.Table]:
        for table in read_listed(self._store, self._task.earlier):
            removed = pc.is_valid(table.column("dropped_by"))
            if dropped:
                yield table.filter(removed).select(["doc", "id", "duplicate_of"])
            else:
                several = pc.and_not(pc.is_valid(table.column("cluster_size")), removed)
                yield table.filter(several).select(["doc", "cluster_size", "cluster_sources"])
