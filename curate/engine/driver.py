"""Drives a plan: list the commits, run the remaining tasks, resolve the barriers.

The driver keeps names of commits and sums of ledgers, never anything of the size of the documents.
It makes one listing per step, and reads no commit that came back with its task; see "Requests" in
docs/architecture.md.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import pyarrow as pa

from curate import schema
from curate.engine.barrier_step import SortingJob, StepJob, StepTask
from curate.engine.base import Engine
from curate.engine.bundles import BUNDLED_TASKS, BundleWriter, bundles_of
from curate.engine.commit import (
    CommitsInOrder,
    Job,
    Task,
    commit_name,
    committed,
    return_memory,
    revoke,
)
from curate.engine.compiling import compiles
from curate.engine.outputs import Decided, Outputs, fair_samples, summed
from curate.engine.product import (
    FILE_ROWS,
    GatheringJob,
    PlacingJob,
    PlacingTask,
    ProductJob,
    ProductTask,
    Slices,
    product_metadata,
)
from curate.engine.progress import Progress, Status
from curate.engine.rejects import RejectsJob, rejected_schema
from curate.engine.run_state import RunState
from curate.engine.segment import SegmentJob, SegmentTask, read_decisions
from curate.engine.timings import Timings
from curate.errors import EmptyGroupError, InternalError
from curate.failpoint import reach
from curate.logging_setup import LOGGER
from curate.plan.fingerprint import code_digest, digest, parameters
from curate.plan.model import Plan, Segment
from curate.plan.outline import shares
from curate.plan.passes import MOST_PARTITIONS, readers_together
from curate.protocol.stage import Barrier, ProductBarrier, Step
from curate.storage.entries import Commit, FileEntry
from curate.storage.exchange import BlockIndex, GroupIndex, read_listed
from curate.storage.parquet_sink import ROW_BYTES, ROW_GROUP_BYTES
from curate.storage.store import Damaged, Store

#: The number of outputs that one task of a tree step merges.
FAN_IN = 8

#: The bytes of text that are read in the time that a group of documents takes whatever its size.
GROUP_COSTS = 384 << 10

#: The number of damaged files that one run writes again before it fails.
MAX_REPAIRS = 5


Published = TypeVar("Published")


class Driver:
    """Runs one plan in one store with one engine."""

    def __init__(self, plan: Plan, store: Store, engine: Engine, progress: Progress) -> None:
        self.plan, self.store, self.engine = plan, store, engine
        self.progress = Status(progress, store, shares(plan), compiles=compiles(plan.stages))
        self.timings = Timings()
        self.repairs: Counter[str] = Counter()
        self._reused: list[tuple[str, int]] | None = []  #: steps that earlier runs did, and tasks
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
                self.repairs[error.folder] += 1
                revoke(self.store, error.path)
                self.progress.finish()
        return publish(self._drive())

    def _drive(self) -> RunState:
        self.state = state = RunState(timings=self.timings, repairs=self.repairs)
        # Indexes are no part of the answer and of no task's key; each start writes its own.
        self._indexes = f"work/index/{uuid.uuid4().hex}"
        before: Outputs | None = None
        decided: list[Decided] = []
        for segment in self.plan.segments:
            before = self._segment(segment, before, decided)
            state.segments.append((segment.name, before.commits))
            state.rejected.append((segment.name, self._rejected(segment, before)))
            decided = self._barriers(segment, before)
            state.decisions |= {each.barrier.name: each.commits for each in decided}
        assert before is not None
        mix = self.plan.mix
        chosen = decided[-1]
        placed = self._placing(mix, before.commits, chosen)
        state.rejected.append((mix.name, placed.published))
        state.mixture = self._report("mixture_report")
        state.product = self._product(mix, before, chosen, placed)
        state.ledger.check(self.plan.stage_names)
        return state

    def _segment(
        self, segment: Segment, before: Outputs | None, decided: Sequence[Decided]
    ) -> Outputs:
        brought = self.plan.brought
        earlier = self.plan.segments[: segment.number]
        written = {
            name for one in earlier for stage in (*one.stages, *one.barriers) for name in stage.adds
        }
        # The barriers of the segment before are applied in this one, before its stages.
        job = SegmentJob(
            segment,
            self.plan.recipe.shards.batch_bytes,
            self.plan.sources if before is None else None,
            tuple(each.barrier for each in decided),
            self._group_bytes(),
            self.plan.recipe.seed,
            self.plan.columns,
            brought,
            {name: source.run.done for name, source in self.plan.sources.items() if source.run},
            tuple(name for name in brought.names if name not in written),
            self._rejected_schema,
        )
        shared_key = digest(
            [parameters(stage) for stage in segment.stages],
            [parameters(barrier) for barrier in segment.barriers],
            [name for stage in segment.stages if (name := stage.model_digest)],
        )
        shards, decisions = self.plan.shards, digest([each.commits for each in decided])

        def read_from(number: int) -> list[Any]:
            if before is not None:
                return [shared_key, before.commits[number], decisions]
            shard = shards[number]
            pieces = [(p.file.name, p.piece, p.identity) for p in shard.pieces]
            return [shared_key, shard.source, pieces]

        def assign(number: int) -> SegmentTask:
            if before is None:
                return SegmentTask(number, shards[number].source, shards[number])
            listings = tuple(each.on(number) for each in decided)
            return SegmentTask(
                number, shards[number].source, None, before.commits[number], listings
            )

        last = segment is self.plan.segments[-1]
        outputs = self._tasks(
            segment.name,
            segment.label,
            job,
            map(read_from, range(len(shards))),
            assign,
            groups=("texts", "survivors") if last else ("texts",),
        )
        # A segment that changes no text leaves them in the files of one before it.
        if before is None or outputs.groups["texts"].schemas:
            self._texts = outputs.groups["texts"]
        reach("segment.done")
        return outputs

    @cached_property
    def _rejected_schema(self) -> pa.Schema:
        return rejected_schema(self.plan)

    def _rejected(self, segment: Segment, outputs: Outputs) -> list[FileEntry]:
        """Return the files of dropped rows; with --resume, older ones are brought to the schema.

        Later stages are not in a task's key, and they may have other columns since it ran.
        """
        job = RejectsJob(self._rejected_schema)
        wanted = digest(job.schema.serialize().to_pybytes())
        if outputs.rejected_schemas <= {wanted}:
            return outputs.published
        folder, label = f"{segment.name}-rejected", f"{segment.label}: columns of dropped rows"
        keys = ([name, wanted] for name in outputs.commits)
        return self._tasks(folder, label, job, keys, outputs.commits.__getitem__).published

    def _group_bytes(self) -> int:
        """Return the size of groups with which the product costs least.

        Every product file takes a slice of every shard, so it reads about a group more of each in
        vain; and each group costs as much as reading `GROUP_COSTS`. The number of files is
        estimated here from the stored size of the inputs.
        """
        stored = sum(
            {p.file.path: p.file.size for s in self.plan.shards for p in s.pieces}.values()
        )
        shards, files = len(self.plan.shards), self.plan.recipe.shards.product_files(stored)
        slices = max(1, shards) * -(-files // readers_together(shards, files))
        return min(ROW_GROUP_BYTES, max(64 << 10, math.isqrt(stored // slices * GROUP_COSTS)))

    def _barriers(self, segment: Segment, survivors: Outputs) -> list[Decided]:
        done: list[Decided] = []
        for barrier in segment.barriers:
            # A function of the recipe and the sketches' bytes.
            size = survivors.bytes[f"sketch-{barrier.name}"] + barrier.bytes_besides
            partitions = min(
                MOST_PARTITIONS, max(1, -(-size // self.plan.recipe.shards.partition_bytes))
            )
            produced: dict[str, Outputs] = {}
            for step in barrier.steps():
                try:
                    outputs = self._step(
                        barrier, step, partitions, produced, survivors.commits, done
                    )
                except EmptyGroupError as error:
                    group = self.plan.mix.mixture.groups[error.group]
                    fate = self.state.ledger.fate(group.sources, group.languages)
                    raise error.with_fate(fate) from None
                produced |= dict.fromkeys(step.writes, outputs)
                produced |= self._sorted(barrier, step, partitions, outputs)
                if step.stored:
                    self.state.stored.setdefault(barrier.name, []).extend(outputs.stored)
                reach("step.done")
            self._produced = produced
            if barrier.fills:
                self.state.sidecars = summed(self._report("sidecar_report"))
            done.append(Decided(barrier, produced["decisions"], produced.get("reassigned")))
        return done

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        """Columns in which the language of a row may be labelled."""
        stages = (stage for segment in self.plan.segments for stage in segment.stages)
        return ("lang",) if any("lang" in stage.adds for stage in stages) else schema.INPUT_LABELS

    def _step(
        self,
        barrier: Barrier,
        step: Step,
        partitions: int,
        produced: Mapping[str, Outputs],
        survivors: tuple[str, ...],
        earlier: Sequence[Decided],
    ) -> Outputs:
        job = StepJob(
            barrier.name,
            step,
            partitions,
            # Cluster sizes that an earlier dedup wrote, where there are any.
            tuple(
                dict.fromkeys(
                    ("id", *barrier.reads, *self._labels, "cluster_size", "cluster_sources")
                )
            ),
            {name: together for name, together, _ in self._two_passes(barrier, step, partitions)},
            barrier.store,
            self.plan.run_key,
        )
        folder, label = f"{barrier.name}-{step.name}", f"{barrier.name}: {step.name}"
        # One digest for what all tasks read: a list of all commits in each key would be quadratic.
        inputs = [produced[name].commits if name in produced else name for name in step.reads]
        shared = digest(inputs, [each.commits for each in earlier])
        shared_key = digest(parameters(barrier), step.name, partitions, shared)
        if step.over == "tree":
            return self._tree(folder, label, job, shared_key, produced[step.reads[0]].commits)
        read = {name: produced[name].indexes[name] for name in step.reads if name in produced}
        looks_back = "decided" in step.reads or "counted" in step.reads

        def assign(number: int) -> StepTask:
            return StepTask(
                number,
                survivors[number] if step.over == "shard" else None,
                produced={name: index.part(number) for name, index in read.items()},
                earlier=tuple(
                    listing
                    for each in earlier
                    if looks_back and not each.barrier.only_numbers
                    for listing in each.on(number)
                ),
            )

        tasks = {"shard": len(survivors), "partition": partitions, "one": 1}[step.over]
        all_survivors = digest(survivors)
        keys = (
            [shared_key, survivors[number] if step.over == "shard" else all_survivors]
            for number in range(tasks)
        )
        indexed = tuple(name for name in step.writes if name not in step.stored)
        return self._tasks(folder, label, job, keys, assign, indexed)

    def _two_passes(
        self, barrier: Barrier, step: Step, partitions: int
    ) -> Iterator[tuple[str, int, int]]:
        """Yield the datasets of a step that many tasks write for many readers.

        Each with the number of readers whose rows lie together, and of readers.
        """
        tasks = {"shard": len(self.plan.shards), "partition": partitions}
        written = set(step.writes) - set(step.stored) if step.over in tasks else ()
        for name in sorted(written):
            readers = {each.over for each in barrier.steps() if name in each.reads}
            if name in ("decisions", "reassigned") and barrier.decides == "shard":
                readers.add("shard")
            count = tasks.get(readers.pop(), 0) if len(readers) == 1 else 0
            together = readers_together(tasks[step.over], count) if count else 1
            if together > 1:
                yield name, together, count

    def _sorted(
        self, barrier: Barrier, step: Step, partitions: int, outputs: Outputs
    ) -> dict[str, Outputs]:
        """Run the second pass of the datasets of a step that have one."""
        done = {}
        for name, together, readers in self._two_passes(barrier, step, partitions):
            index = outputs.indexes[name]
            done[name] = self._tasks(
                f"{barrier.name}-{step.name}-{name}",
                f"{barrier.name}: {step.name}, sorted",
                SortingJob(name),
                [[digest(outputs.commits), together, readers]] * -(-readers // together),
                index.part,
                (name,),
            )
        return done

    def _tree(
        self, folder: str, label: str, job: StepJob, shared_key: str, level: tuple[str, ...]
    ) -> Outputs:
        depth = 0
        while True:

            def assign(number: int, level: tuple[str, ...] = level) -> StepTask:
                return StepTask(number, group=level[number * FAN_IN : (number + 1) * FAN_IN])

            groups = [level[i : i + FAN_IN] for i in range(0, len(level), FAN_IN)]
            outputs = self._tasks(
                f"{folder}-{depth}",
                label,
                job,
                [[shared_key, depth, list(group)] for group in groups],
                assign,
                job.step.writes if len(groups) <= 1 else (),
            )
            level = outputs.commits
            depth += 1
            if len(level) <= 1:
                return outputs

    def _placing(self, mix: ProductBarrier, survivors: tuple[str, ...], chosen: Decided) -> Outputs:
        shared_key = digest(parameters(mix), chosen.commits)
        return self._tasks(
            "mix-placing",
            "mixture: placing",
            PlacingJob(mix, self.plan.columns, self._rejected_schema),
            ([shared_key, name] for name in survivors),
            lambda number: PlacingTask(survivors[number], chosen.on(number)),
        )

    def _product(
        self, mix: ProductBarrier, survivors: Outputs, chosen: Decided, placed: Outputs
    ) -> list[tuple[str, list[list[FileEntry]]]]:
        metadata, output = product_metadata(self.plan), self.plan.output
        decisions = read_decisions(self.store, chosen.on(None))
        product = []
        for phase, size in sorted(placed.taken_bytes.items()):
            in_memory = size + ROW_BYTES * placed.placed_rows[phase]
            parts = max(
                self.plan.recipe.shards.product_files(in_memory),
                -(-placed.placed_rows[phase] // FILE_ROWS),
            )
            seed, shards = self.plan.recipe.seed, len(self.plan.shards)
            slices = Slices(mix, phase, parts, seed, readers_together(shards, parts))
            groups = survivors.groups["survivors"], self._texts
            indexes = slices.index(self.store, self._indexes, groups, decisions)

            def reading(part: int, indexes: tuple[BlockIndex, ...] = indexes) -> ProductTask:
                narrow, texts = (index.part(part) for index in indexes)
                return ProductTask(part, narrow, texts, chosen.on(None))

            read, assign = digest(survivors.commits, chosen.commits), reading
            if slices.together > 1:
                key = digest(parameters(mix), phase, parts, slices.together, read)
                gathered = self._tasks(
                    f"mix-gathering-{phase}",
                    f"mixture: {phase}, gathered",
                    GatheringJob(slices),
                    [key] * slices.tasks,
                    reading,
                    ("gathered",),
                )
                assign = partial(ProductTask.of_gathered, gathered.indexes["gathered"])
            forms = [parameters(output), output.model_digest]  # what the tokenizer's name means
            key = digest(parameters(mix), phase, parts, read, metadata, forms)
            job = ProductJob(slices, metadata, output, self.plan.columns)
            outputs = self._tasks(
                f"mix-product-{phase}", f"mixture: {phase}", job, [key] * parts, assign
            )
            if outputs.rows["mixture"] != placed.placed_rows[phase]:
                raise InternalError(
                    f"{outputs.rows['mixture']} rows were written of the"
                    f" {placed.placed_rows[phase]} that phase '{phase}' takes"
                )
            product.append((phase, outputs.of_tasks))
        return product

    def _report(self, dataset: str) -> list[dict[str, Any]]:
        """Return the rows of a report that the last barrier's steps wrote."""
        outputs = self._produced.get(dataset)
        listing = [] if outputs is None else [outputs.indexes[dataset].part(None)]
        tables = (table.drop_columns(["part"]) for table in read_listed(self.store, listing))
        return [row for table in tables for row in table.to_pylist()]

    def _tasks(
        self,
        folder: str,
        label: str,
        job: Job,
        keys: Iterable[Any],
        assign: Callable[[int], Any],
        indexed: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> Outputs:
        """Run the tasks that are not committed, and add up the commits of all.

        They come back with the tasks. Those that were there are read from the step's bundles, or
        one by one; those after the first that is missing are read again when it is done, because
        sums are taken in the order of the tasks. A task's key is a digest of its entry of ``keys``;
        ``assign`` returns what it reads. The datasets ``indexed`` are read by part, ``groups`` by
        the product.
        """
        digests = [digest(self.base, folder, number, key) for number, key in enumerate(keys)]
        names = tuple(commit_name(folder, key) for key in digests)
        outputs = self._opened(folder, names, indexed, groups)
        written = self.store.names(bundles_of(folder)) if len(names) >= BUNDLED_TASKS else []
        bundles = BundleWriter(self.store, folder, len(names), len(written))
        todo: list[int] = []
        damaged = 0
        for number, found in enumerate(committed(self.store, folder, names, written)):
            if found.commit is None:
                todo.append(number)
                damaged += found.was_there
            elif not todo:
                self._add(outputs, found.commit)
                if found.body is not None:
                    bundles.add(names[number], found.body)
        if damaged:
            LOGGER.warning("%s: files of %d tasks are damaged; they run again", folder, damaged)
            self.repairs[folder] += damaged
        self.state.tasks[folder] = names
        self._note_reused(label, len(names) - len(todo), len(todo))
        LOGGER.info("%s: %d of %d tasks to run", folder, len(todo), len(names))
        self.progress.start(label, len(names), len(names) - len(todo))
        started = time.perf_counter()
        tasks = (Task(folder, number, digests[number], assign(number)) for number in todo)
        commits = CommitsInOrder(self.store, names, todo[0] if todo else len(names), bundles)
        for finished in self.engine.run(self.store.address, job, tasks):
            self.progress.advance(finished.peak_bytes)
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
            for commit in commits.take(finished):
                self._add(outputs, commit)
        for commit in commits.rest():
            self._add(outputs, commit)
        bundles.flush()
        for index in outputs.all_indexes.values():
            index.close()
        if len(names) >= BUNDLED_TASKS:  # else the parts of 100,000 commits lie between what stays
            return_memory(0)
        self.timings.append(
            {"segment": folder, "label": label, "wall": round(time.perf_counter() - started, 4)}
        )
        self.progress.finish()
        return outputs

    def _note_reused(self, label: str, done: int, todo: int) -> None:
        """Note, once something is to do, what was done before: by a killed run, or one kept."""
        if self._reused is None:
            return
        if done:
            self._reused.append((label, done))
        if todo:
            steps = [f"{done} of {label}" for label, done in self._reused]
            count = sum(done for _, done in self._reused)
            more = f" and {len(steps) - 4} steps more" if len(steps) > 4 else ""
            if count:
                self.progress.note(
                    f"reused {count} tasks ({', '.join(steps[:4])}{more});"
                    f" {todo} of {done + todo} of {label} run now, then what follows"
                )
            self._reused = None

    def _opened(
        self, folder: str, names: tuple[str, ...], indexed: Sequence[str], groups: Sequence[str]
    ) -> Outputs:
        """Return outputs of a step to which no commit was added yet."""
        at = f"{self._indexes}/{folder}"
        return Outputs(
            names,
            {name: BlockIndex(self.store, at, name) for name in indexed},
            {name: GroupIndex(self.store, at, name) for name in groups},
        )

    def _add(self, outputs: Outputs, commit: Commit) -> None:
        """Add up what a task committed, and write its part of the indexes."""
        self.state.ledger.merge(commit.ledger)
        if commit.notes.samples:
            # Reduced after every task: never the samples of all tasks at once.
            self.state.samples = fair_samples([*self.state.samples, *commit.notes.samples])
        for dataset, index in outputs.all_indexes.items():
            index.add(commit.dataset(dataset))
        self.state.quarantined += commit.dataset("quarantined")
        outputs.add(commit)
