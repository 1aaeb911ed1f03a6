"""Drives a plan: list the commits, run the remaining tasks, resolve the barriers.

The driver keeps names of commits and sums of ledgers, never anything of the size of the documents.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from curate.engine.barrier_step import StepJob
from curate.engine.base import Engine
from curate.engine.commit import Job, Task, entries_of, is_done, read_commit, revoke
from curate.engine.product import PlacingJob, ProductJob, product_metadata
from curate.engine.run_state import RunState
from curate.engine.segment import SegmentInput, SegmentJob
from curate.errors import InternalError
from curate.failpoint import reach
from curate.logging_setup import LOGGER
from curate.plan.fingerprint import code_digest, digest, parameters
from curate.plan.model import Plan, Segment
from curate.protocol.stage import Barrier, ProductBarrier, Step
from curate.storage.entries import RejectExample
from curate.storage.exchange import read_part
from curate.storage.parquet_sink import ROW_BYTES, ROW_GROUP_BYTES
from curate.storage.store import Damaged, Store

#: The number of outputs that one task of a tree step merges.
FAN_IN = 8

#: The number of damaged files that one run writes again before it fails.
MAX_REPAIRS = 5


Published = TypeVar("Published")


class Progress(Protocol):
    """A listener that is notified of the run's progress."""

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, documents: int) -> None: ...
    def finish(self) -> None: ...


class Driver:
    """Runs one plan in one store with one engine."""

    def __init__(self, plan: Plan, store: Store, engine: Engine, progress: Progress) -> None:
        self.plan, self.store, self.engine, self.progress = plan, store, engine, progress
        self.timings: list[dict[str, Any]] = []
        # Part of every task's key, besides what the task itself depends on. Stages are not in it:
        # after a change of the last one, --resume finds everything before it still valid.
        self.base = digest(
            code_digest(),
            plan.recipe.seed,
            plan.recipe.shards.model_dump(mode="json"),
            {name: parameters(source) for name, source in plan.sources.items()},
        )

    def drive(self, publish: Callable[[RunState], Published]) -> Published:
        """Run everything, and return what ``publish`` returns for it.

        A damaged file of the run is written again, with the same bytes, by starting over: what is
        committed is only listed. A disk that damages file after file ends the run.
        """
        for _ in range(MAX_REPAIRS):
            try:
                return publish(self._drive())
            except Damaged as error:
                LOGGER.warning("%s is damaged; the task that wrote it runs again", error.path)
                revoke(self.store, error.path)
                self.progress.finish()
        return publish(self._drive())

    def _drive(self) -> RunState:
        self.state = state = RunState(timings=self.timings)
        survivors: tuple[str, ...] = ()
        opening: SegmentInput | None = None
        for segment in self.plan.segments:
            survivors = self._segment(segment, survivors, opening)
            state.segments.append((segment.name, list(survivors)))
            decisions = self._barriers(segment, survivors)
            state.decisions |= {barrier.name: commits for barrier, commits in decisions}
            opening = SegmentInput(survivors, decisions)
        mix = self.plan.mix
        commits = state.decisions[mix.name]
        decided = digest(commits)
        placed = self._tasks(
            "mix-placing",
            "mixture",
            PlacingJob(mix, survivors, commits),
            [(i, [parameters(mix), survivors[i], decided], i) for i in range(len(survivors))],
        )
        state.segments.append((mix.name, list(placed)))
        state.mixture = self._mixture_report()
        state.product = self._product(mix, survivors, commits, placed)
        state.ledger.check(self.plan.stage_names)
        return state

    def _segment(
        self, segment: Segment, before: tuple[str, ...], opening: SegmentInput | None
    ) -> tuple[str, ...]:
        last = segment is self.plan.segments[-1]
        job = SegmentJob(
            segment,
            self.plan.recipe.shards.batch_bytes,
            self.plan.sources if opening is None else None,
            opening,
            self._row_group_bytes() if last else ROW_GROUP_BYTES,
            self.plan.recipe.seed if last else None,
        )
        shared_key = [
            [parameters(stage) for stage in segment.stages],
            [parameters(barrier) for barrier in segment.barriers],
            [name for stage in segment.stages if (name := stage.model_digest)],
            last,
        ]
        work: list[tuple[int, Any, Any]]
        if opening is None:
            work = [
                (
                    number,
                    [
                        shared_key,
                        shard.source,
                        [(p.file.name, p.piece, p.identity) for p in shard.pieces],
                    ],
                    (number, shard),
                )
                for number, shard in enumerate(self.plan.shards)
            ]
            label = "reading"
        else:
            decisions = digest([commits for _, commits in opening.decisions])
            work = [
                (number, [shared_key, before[number], decisions], (number, None))
                for number in range(len(before))
            ]
            label = ", ".join(stage.name for stage in segment.stages) or "applying"
        commits = self._tasks(segment.name, label, job, work)
        reach("segment.done")
        return commits

    def _row_group_bytes(self) -> int:
        """Return a size of row groups with which a product file reads little outside its slice.

        Every product file takes a slice of every shard; a row group larger than the slice is read
        mostly in vain. The number of files is estimated here from the stored size of the inputs.
        """
        shards = self.plan.recipe.shards
        stored = sum(
            {p.file.path: p.file.size for s in self.plan.shards for p in s.pieces}.values()
        )
        files = max(1, stored // shards.output_bytes)
        return min(ROW_GROUP_BYTES, max(64 << 10, shards.input_bytes // files))

    def _barriers(
        self, segment: Segment, survivors: tuple[str, ...]
    ) -> tuple[tuple[Barrier, tuple[str, ...]], ...]:
        done: list[tuple[Barrier, tuple[str, ...]]] = []
        for barrier in segment.barriers:
            partitions = self._partitions(barrier, survivors)
            produced: dict[str, tuple[str, ...]] = {}
            for step in barrier.steps():
                earlier = tuple(commits for _, commits in done)
                commits = self._step(barrier, step, partitions, produced, survivors, earlier)
                produced |= dict.fromkeys(step.writes, commits)
                if step.stored:
                    stored = self.state.stored
                    stored[barrier.name] = (*stored.get(barrier.name, ()), *commits)
                reach("step.done")
            self._produced = produced
            done.append((barrier, (*produced["decisions"], *produced.get("reassigned", ()))))
        return tuple(done)

    def _partitions(self, barrier: Barrier, survivors: tuple[str, ...]) -> int:
        """Return the number of partitions: a function of the recipe and the sketches' bytes."""
        sketches = entries_of(self.store, survivors, f"sketch-{barrier.name}")
        size = sum(entry.bytes for entry in sketches)
        return min(4096, max(1, -(-size // self.plan.recipe.shards.partition_bytes)))

    def _step(
        self,
        barrier: Barrier,
        step: Step,
        partitions: int,
        produced: dict[str, tuple[str, ...]],
        survivors: tuple[str, ...],
        earlier: tuple[tuple[str, ...], ...],
    ) -> tuple[str, ...]:
        job = StepJob(
            barrier.name,
            step,
            partitions,
            {name: produced[name] for name in step.reads if name in produced},
            survivors,
            earlier,
            # Cluster sizes that an earlier dedup wrote, where there are any.
            tuple(dict.fromkeys(("id", *barrier.reads, "lang", "cluster_size"))),
            barrier.store,
            self.plan.run_key,
        )
        folder, label = f"{barrier.name}-{step.name}", f"{barrier.name}: {step.name}"
        # One digest for what all tasks read: a list of all commits in each key would be quadratic.
        inputs = [job.produced.get(name, name) for name in step.reads]
        shared_key = [parameters(barrier), step.name, partitions, digest(inputs, earlier)]
        all_survivors = digest(survivors)
        if step.over == "tree":
            return self._tree(folder, label, job, shared_key, produced[step.reads[0]])
        tasks = {"shard": len(survivors), "partition": partitions, "one": 1}[step.over]
        work = []
        for number in range(tasks):
            read = survivors[number] if step.over == "shard" else all_survivors
            work.append((number, [shared_key, read], (number, ())))
        return self._tasks(folder, label, job, work)

    def _tree(
        self, folder: str, label: str, job: StepJob, shared_key: list[Any], level: tuple[str, ...]
    ) -> tuple[str, ...]:
        depth = 0
        while True:
            groups = [level[i : i + FAN_IN] for i in range(0, len(level), FAN_IN)]
            work = [
                (number, [shared_key, depth, list(group)], (number, group))
                for number, group in enumerate(groups)
            ]
            level = self._tasks(f"{folder}-{depth}", label, job, work)
            depth += 1
            if len(level) <= 1:
                return level

    def _product(
        self,
        mix: ProductBarrier,
        survivors: tuple[str, ...],
        decisions: tuple[str, ...],
        placed: tuple[str, ...],
    ) -> list[tuple[str, list[str]]]:
        metadata, output = product_metadata(self.plan), self.plan.output
        taken: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        for name in placed:
            notes = read_commit(self.store, name).notes
            taken.update(notes.taken_bytes)
            rows.update(notes.placed_rows)
        product = []
        for phase, size in sorted(taken.items()):
            in_memory = size + ROW_BYTES * rows[phase]
            parts = max(1, -(-in_memory // self.plan.recipe.shards.output_bytes))
            seed = self.plan.recipe.seed
            job = ProductJob(mix, phase, parts, seed, survivors, decisions, metadata, output)
            read = digest(survivors, decisions)
            key = [parameters(mix), phase, parts, read, metadata, parameters(output)]
            work = [(number, key, number) for number in range(parts)]
            commits = self._tasks(f"mix-product-{phase}", phase, job, work)
            written = sum(entry.rows for entry in entries_of(self.store, commits, "mixture"))
            if written != rows[phase]:
                raise InternalError(
                    f"{written} rows were written of the {rows[phase]} that phase '{phase}' takes"
                )
            product.append((phase, list(commits)))
        return product

    def _mixture_report(self) -> list[dict[str, Any]]:
        commits = self._produced.get("mixture_report", ())
        entries = entries_of(self.store, commits, "mixture_report")
        tables = [table.drop_columns(["part"]) for table in read_part(self.store, entries, None)]
        return [row for table in tables for row in table.to_pylist()]

    def _tasks(
        self, folder: str, label: str, job: Job, work: Sequence[tuple[int, Any, Any]]
    ) -> tuple[str, ...]:
        """Run tasks that are not committed; return all commits in task order; sum their ledgers."""
        tasks = [
            Task(folder, number, digest(self.base, folder, number, key), job, assignment)
            for number, key, assignment in work
        ]
        todo = [task for task in tasks if not is_done(self.store, task)]
        LOGGER.info("%s: %d of %d tasks to run", folder, len(todo), len(tasks))
        self.progress.start(label, len(tasks), len(tasks) - len(todo))
        started = time.perf_counter()
        for finished in self.engine.run(self.store.address, todo):
            self.progress.advance(0)
            self.timings.append(
                {
                    "segment": folder,
                    "label": label,
                    "task": finished.task,
                    "seconds": round(finished.seconds, 4),
                    "peak_bytes": finished.peak_bytes,
                    "host": finished.host,
                    **({"stages": finished.stages} if finished.stages else {}),
                }
            )
        self.timings.append(
            {"segment": folder, "label": label, "wall": round(time.perf_counter() - started, 4)}
        )
        self.progress.finish()
        for task in tasks:
            commit = read_commit(self.store, task.commit)
            self.state.ledger.merge(commit.ledger)
            # Reduced after every task: never the samples of all tasks at once.
            samples = [*self.state.samples, *commit.notes.samples]
            self.state.samples = fair_samples(samples)
        return tuple(task.commit for task in tasks)


def fair_samples(samples: list[RejectExample], per_rule: int = 5) -> list[RejectExample]:
    """Return the samples of dropped rows whose ids have the lowest hashes, a few per rule."""
    by_rule: dict[str, list[tuple[str, RejectExample]]] = {}
    for sample in samples:
        key = hashlib.blake2b(sample.id.encode(), digest_size=8).hexdigest()
        by_rule.setdefault(sample.dropped_by, []).append((key, sample))
    return [
        sample
        for _, keyed in sorted(by_rule.items())
        for _, sample in sorted(keyed, key=lambda pair: pair[0])[:per_rule]
    ]
