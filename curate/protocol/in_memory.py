"""A barrier's steps on tables in memory: as the engine runs them, without files, commits or retries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from curate.errors import InternalError
from curate.schema import whole

#: dataset → task of the reading step → tables, in the order in which they were written
Datasets = dict[str, dict[int, list[pa.Table]]]

#: How many tables one task of a tree step merges.
_FAN_IN = 8


class AnyStep(Protocol):
    """The fields of `curate.protocol.stage.Step` that matter here."""

    @property
    def name(self) -> str: ...
    @property
    def over(self) -> Literal["shard", "partition", "tree", "one"]: ...
    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def writes(self) -> tuple[str, ...]: ...
    @property
    def run(self) -> Callable[[Any], Iterator[tuple[str, pa.Table]]]: ...
    @property
    def stored(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Rows:
    """What one task reads; keeps the protocol `Inputs` of curate/protocol/stage.py."""

    index: int
    partitions: int
    datasets: Datasets

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        """The rows of a dataset that were routed to this task."""
        yield from self.datasets.get(dataset, {}).get(self.index, [])


def number(datasets: Sequence[dict[str, pa.Table]]) -> Datasets:
    """Lay out each shard's tables; their rows get `doc` = shard << 32 | row where they have none."""
    laid: Datasets = {}
    for shard, tables in enumerate(datasets):
        for name, table in tables.items():
            if "doc" not in table.column_names:
                docs = (shard << 32) | np.arange(table.num_rows, dtype=np.int64)
                table = table.append_column("doc", pa.array(docs))
            laid.setdefault(name, {})[shard] = [table]
    return laid


def run_steps(
    steps: Sequence[AnyStep],
    datasets: Datasets,
    *,
    shards: int,
    partitions: int,
    pool: Executor | None = None,
) -> Datasets:
    """Run steps one after another; give all datasets, those that go to a store by writing task.

    With a `pool` the tasks of a step share its threads.
    """
    each = map if pool is None else pool.map
    datasets = dict(datasets)
    for step in steps:
        if step.over == "tree":
            datasets |= _tree(step, datasets, partitions)
            continue
        tasks = {"shard": shards, "partition": partitions, "one": 1}[step.over]
        written: Datasets = {name: defaultdict(list) for name in step.writes}
        ran = each(partial(_task, step, partitions, datasets), range(tasks))
        for index, outcome in enumerate(ran):
            for name, part, table in outcome:
                written[name][index if part is None else part].append(table)
        datasets |= written
    return datasets


#: What a task wrote: dataset, the task that reads it (none in a store), rows
Written = list[tuple[str, int | None, pa.Table]]


def _task(step: AnyStep, partitions: int, datasets: Datasets, index: int) -> Written:
    """Run one task, and route what it writes."""
    written: Written = []
    for name, table in step.run(Rows(index, partitions, datasets)):
        if name not in step.writes:
            raise InternalError(f"step '{step.name}' wrote '{name}'", where=step.name)
        if name in step.stored:
            written.append((name, None, table))
            continue
        parts = np.asarray(whole(table.column("part")))
        if (np.diff(parts) < 0).any():
            order = np.argsort(parts, kind="stable")
            table, parts = table.take(pa.array(order)), parts[order]
        # An empty table still tells its columns.
        cuts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(parts)]
        for start, end in pairwise(cuts):
            part = int(parts[start]) if end else 0
            written.append((name, part, table.slice(start, end - start)))
    return written


def _tree(step: AnyStep, datasets: Datasets, partitions: int) -> Datasets:
    """Merge a dataset a few tables at a time until one is left."""
    (name,) = step.reads
    level = [table for tables in datasets.get(name, {}).values() for table in tables]
    while len(level) > 1:
        merged: list[pa.Table] = []
        for at in range(0, len(level), _FAN_IN):
            few = {name: {0: level[at : at + _FAN_IN]}}
            merged += [table for _, _, table in _task(step, partitions, few, 0)]
        level = merged
    return {name: {0: level}}
