"""Measure the driver alone: many empty shards, a store that takes time for each request.

    python -m tests.benchmarks.driver_scale --shards 1000 10000 --latency 0.02

The tasks of a pipeline (read, exact_dedup, mix) are replaced by commits of the same form with empty
files (each shard has `SKETCH_BYTES` of keys, and the mixture takes `TAKEN_BYTES` of its text), so
all that remains is what the driver does. Requests are counted, and delayed as those of an object
store. Printed per number of shards, for a first run and one that resumes it: seconds and CPU
seconds of the driver, requests per shard, the largest argument of a task, peak memory of the
process. The store is a temporary folder of some 0.1 MB a shard.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import os
import pickle
import resource
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.engine.barrier_step import SortingJob, StepJob
from curate.engine.commit import Attempt, Finished, Job, Task, commit_attempt
from curate.engine.driver import Driver
from curate.engine.product import GatheringJob, PlacingJob, ProductJob
from curate.engine.progress import Silent
from curate.engine.segment import SegmentJob
from curate.plan import build
from curate.plan.model import Plan
from curate.recipe.recipe import Recipe
from curate.schema import DECISIONS_SCHEMA
from curate.storage.entries import FileEntry
from curate.storage.exchange import ExchangeSink
from curate.storage.store import LocalStore

#: What a shard leaves: groups of documents, bytes of keys, bytes of text that the mixture takes.
GROUPS, SKETCH_BYTES, TAKEN_BYTES = 16, 1 << 20, 1 << 20

MIXTURE = pa.schema([("part", pa.int32()), ("phase", pa.string()), ("epoch", pa.int32())])
SCHEMA = base64.b64encode(DECISIONS_SCHEMA.serialize()).decode()

COUNTED = ("create", "replace", "read", "read_range", "size", "sizes", "names", "writing", "top")


class SlowStore(LocalStore):
    """A folder that answers like an object store: each request takes time, 16 at once."""

    readers = 16

    def __init__(self, folder: str, latency: float) -> None:
        super().__init__(folder)
        self.latency, self.requests = 0.0, Counter[str]()
        self._lock = threading.Lock()
        for name in COUNTED:
            setattr(self, name, self._slow(name, getattr(self, name)))
        self.latency = latency

    def _slow(self, name: str, call: Any) -> Any:
        def slow(*arguments: Any) -> Any:
            with self._lock:
                self.requests[name] += 1
            time.sleep(self.latency)
            return call(*arguments)

        return slow


@functools.cache
def _blocks(parts: range) -> list[list[int]]:
    return [[part, 0, 0, 0, 0] for part in parts]


def _group(number: int, together: int, readers: int) -> range:
    return range(number * together, min(readers, (number + 1) * together))


class Empty:
    """An engine whose tasks commit nothing; their time does not count."""

    name = "empty"

    def __init__(self, store: SlowStore, plan: Plan) -> None:
        self.shards = len(plan.shards)
        # Which datasets are read by shard, by partition, or by one task.
        steps = [step for barrier in plan.barriers for step in barrier.steps()]
        self._over = {name: step.over for step in steps for name in step.reads}
        self._over |= dict.fromkeys(("decisions", "reassigned"), "shard")
        self.seconds, self.cpu, self.argument = 0.0, 0.0, 0
        self.plain = LocalStore(store.address)
        self._readers: dict[str, tuple[int, int]] = {}  #: of datasets: together, and all

    def run(self, address: str, job: Job, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Commit each task."""
        for task in tasks:
            started, cpu = time.perf_counter(), time.process_time()
            self.argument = max(self.argument, len(pickle.dumps(task)))
            attempt = Attempt(self.plain, f"work/{task.segment}/{task.key}/x")
            self._commit_to(attempt, job, task)
            body, _ = commit_attempt(self.plain, task, attempt)
            packed = zlib.compress(body, 1)
            self.seconds += time.perf_counter() - started
            self.cpu += time.process_time() - cpu
            yield Finished(task.index, 0.0, 0, "here", {}, (), packed)

    def _commit_to(self, attempt: Attempt, job: Job, task: Task) -> None:
        """List files and counts as a task of this kind would."""
        if isinstance(job, SegmentJob):
            if (shard := task.assignment.shard) is not None:
                for piece in shard.pieces:
                    attempt.ledger.file(f"{shard.source}/{piece.file.name}")
                self._list(attempt, "texts", range(GROUPS))
            keys = [[n << 60, (n << 60) + (1 << 60) - 1] for n in range(GROUPS)]
            self._list(attempt, "survivors", range(GROUPS), keys)
            for barrier in job.segment.barriers:
                self._list(attempt, f"sketch-{barrier.name}", range(1), size=SKETCH_BYTES)
            self._list(attempt, "rejected", None)
        elif isinstance(job, StepJob) and job.step.over != "one":
            for dataset in job.step.writes:
                of = {"shard": self.shards, "partition": job.partitions}
                readers = of.get(self._over.get(dataset, "one"), 1)
                together = job.together.get(dataset, 1)
                self._readers[dataset] = (together, readers)
                self._list(attempt, dataset, range(-(-readers // together)))
        elif isinstance(job, StepJob) and "decisions" in job.step.writes:  # of the mixture
            sink = ExchangeSink(self.plain, attempt.folder, "decisions")
            sink.write(pa.table({"part": [0], "phase": ["main"], "epoch": [1]}, MIXTURE))
            attempt.files += sink.close()
        elif isinstance(job, SortingJob):
            together, readers = self._readers[job.dataset]
            self._list(attempt, job.dataset, _group(task.index, together, readers))
        elif isinstance(job, GatheringJob):
            of = job.slices
            self._list(attempt, "gathered", _group(task.index, of.together, of.files))
        elif isinstance(job, PlacingJob):
            attempt.notes.taken_bytes = {"main": TAKEN_BYTES}
            attempt.notes.placed_rows = {"main": 1}
        elif isinstance(job, ProductJob):
            files = job.slices.files
            share = self.shards // files + (task.index < self.shards % files)
            self._list(attempt, "mixture", None, rows=share)

    def _list(
        self,
        attempt: Attempt,
        dataset: str,
        parts: range | None,
        keys: list[list[int]] | None = None,
        *,
        rows: int = 0,
        size: int = 0,
    ) -> None:
        """Commit a file with a block for each part: of ``size`` bytes, and with a hole for them."""
        name = f"{attempt.folder}/{dataset}-00000"
        with self.plain.writing(name):
            pass
        os.truncate(self.plain.path(name), size)
        blocks = None if parts is None else _blocks(parts)
        digest = hashlib.sha256(name.encode()).hexdigest()
        kind = None if parts is None else SCHEMA
        entry = FileEntry(dataset, name, size, digest, rows, keys=keys, schema=kind, blocks=blocks)
        attempt.files.append(entry)

    def close(self) -> None:
        """Do nothing."""


def measure(shards: int, latency: float) -> None:
    """Print one line for a first run, and one for a run that resumes it."""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        (folder / "in").mkdir()
        for number in range(shards):
            (folder / "in" / f"{number:06d}.jsonl").write_text('{"text": "a"}\n')
        source = {"format": "jsonl", "path": [str(folder / "in")]}
        recipe = Recipe.model_validate(
            {
                "name": "scale",
                "shards": {"input_bytes": 20},
                "sources": {"web": source},
                "stages": [{"use": "exact_dedup"}],
            }
        )
        started = time.perf_counter()
        plan = build.build(recipe)
        planned = time.perf_counter() - started
        for what in ("first", "resume"):
            store = SlowStore(str(folder / "out"), latency)
            engine = Empty(store, plan)
            driver = Driver(plan, store, engine, Silent())
            started, cpu = time.perf_counter(), time.process_time()
            driver._drive()
            seconds = time.perf_counter() - started - engine.seconds
            cpu = time.process_time() - cpu - engine.cpu
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(
                f"{len(plan.shards):7d} shards, {what:6s}: plan {planned:6.1f} s,"
                f" driver {seconds:7.1f} s, CPU {cpu:.1f} s ({1000 * cpu / shards:.2f} ms a shard),"
                f" {store.requests.total() / shards:6.2f} requests a shard,"
                f" argument <= {engine.argument} bytes, peak {peak} MB",
                flush=True,
            )


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--latency", type=float, default=0.02, help="seconds per request")
    arguments = parser.parse_args()
    for shards in arguments.shards:
        measure(shards, arguments.latency)


if __name__ == "__main__":
    main()
