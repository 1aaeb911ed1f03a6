"""A barrier's steps on tables in memory: as the engine runs them, without files or commits."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from curate import schema
from curate.errors import InternalError
from curate.kernels.grouping import run_bounds
from curate.protocol.routing import document_number, document_numbers
from curate.protocol.stage import Barrier, Step
from curate.schema import whole

#: dataset → task of the reading step → tables, in the order in which they were written
Datasets = dict[str, dict[int, list[pa.Table]]]

#: How many tables one task of a tree step merges.
_FAN_IN = 8


@dataclass(frozen=True)
class TableInputs:
    """What one task reads; implements the protocol `Inputs` of curate/protocol/stage.py."""

    index: int
    partitions: int
    datasets: Datasets

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        """Yield the rows of a dataset that were routed to this task."""
        yield from self.datasets.get(dataset, {}).get(self.index, [])


def number(datasets: Sequence[dict[str, pa.Table]]) -> Datasets:
    """Return each shard's tables as datasets; rows get the column `doc` where they have none."""
    numbered: Datasets = {}
    for shard, tables in enumerate(datasets):
        for name, table in tables.items():
            if "doc" not in table.column_names:
                docs = document_numbers(shard, 0, table.num_rows)
                table = table.append_column("doc", pa.array(docs))
            numbered.setdefault(name, {})[shard] = [table]
    return numbered


def run_steps(
    steps: Sequence[Step],
    datasets: Datasets,
    *,
    shards: int,
    partitions: int,
    pool: Executor | None = None,
) -> Datasets:
    """Run steps one after another; return all datasets, those for a store by writing task.

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


#: Output of a task: dataset, the task that reads it (None for a store), rows
Written = list[tuple[str, int | None, pa.Table]]


def _task(step: Step, partitions: int, datasets: Datasets, index: int) -> Written:
    """Run one task, and route the rows that it writes."""
    written: Written = []
    for name, table in step.run(TableInputs(index, partitions, datasets)):
        if name not in step.writes:
            raise InternalError(f"step '{step.name}' wrote '{name}'", where=step.name)
        if name in step.stored:
            written.append((name, None, table))
            continue
        parts = np.asarray(whole(table.column("part")))
        if (np.diff(parts) < 0).any():
            order = np.argsort(parts, kind="stable")
            table, parts = table.take(pa.array(order)), parts[order]
        # An empty table still defines the columns.
        for start, end in run_bounds(parts) or [(0, 0)]:
            part = int(parts[start]) if end else 0
            written.append((name, part, table.slice(start, end - start)))
    return written


def _tree(step: Step, datasets: Datasets, partitions: int) -> Datasets:
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


def resolve_steps(
    steps: Sequence[Step],
    shards: Sequence[dict[str, pa.Table]],
    *,
    partitions: int = 1,
    pool: Executor | None = None,
) -> dict[str, pa.Table]:
    """Run steps over the datasets of shards; return each dataset as one table, with ``decisions``.

    A shard has the datasets ``sketch`` and ``text`` (row for row the same documents) and may have
    ``decided`` and ``counted``; documents are numbered here.
    """
    datasets = run_steps(
        steps, number(shards), shards=len(shards), partitions=partitions, pool=pool
    )
    written = {
        name: pa.concat_tables([table for tables in parts.values() for table in tables])
        for name, parts in datasets.items()
        if any(parts.values())
    }
    return {"decisions": schema.DECISIONS_SCHEMA.empty_table()} | written


#: With less than one dropped row in this many, all rows are read without a copy; otherwise the
#: active rows are copied first.
_FEW_DROPPED = 4


def resolve(
    barrier: Barrier, table: pa.Table, *, shards: int = 1, partitions: int = 1, threads: int = 1
) -> dict[str, pa.Table]:
    """Run a barrier's steps on the active rows of a table; return all datasets, with ``decisions``.

    The answer does not depend on ``shards`` (an approximate number), ``partitions`` and
    ``threads``; tests cut with them. Kernels and Arrow work without the interpreter's lock, so
    threads share the work of a table.
    """
    cuts = _cuts([len(chunk) for chunk in table.column("text").chunks], table.num_rows, shards)
    shards = len(cuts) - 1
    columns = list(dict.fromkeys(("id", *barrier.reads)))
    columns += [name for name in ("cluster_sources",) if name in table.column_names]
    labels = ("lang",) if "lang" in table.column_names else schema.INPUT_LABELS
    columns += [name for name in labels if name in table.column_names and name not in columns]

    def sketched(shard: int) -> dict[str, pa.Table]:
        rows = table.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        alive = schema.alive(rows)
        dropped = np.flatnonzero(~np.asarray(alive))
        if _FEW_DROPPED * len(dropped) > len(rows):
            rows, dropped = rows.filter(alive), dropped[:0]
        decided = pa.table({"doc": document_number(shard, dropped)})
        sketch = barrier.sketch(rows)
        return {"sketch": sketch, "text": rows.select(columns), "decided": decided}

    with ThreadPoolExecutor(threads) as pool:
        sketches = list(pool.map(sketched, range(shards)))
        return resolve_steps(barrier.steps(), sketches, partitions=partitions, pool=pool)


def _cuts(chunks: list[int], rows: int, shards: int) -> list[int]:
    """Return the borders of about ``shards`` shards, at borders of chunks where possible.

    A shard within one chunk is read without a copy; one that spans two is copied first.
    """
    if shards == 1 or not rows:
        return [0, rows]
    target = rows / shards
    cuts, start, end = [0], 0, 0
    for chunk in chunks:
        if start < end and chunk > target:
            cuts.append(end)
            start = end
        end += chunk
        if end - start < target / 2:
            continue
        pieces = max(1, round((end - start) / target))
        cuts += np.linspace(start, end, pieces + 1).astype(int)[1:].tolist()
        start = end
    return cuts if start == end else [*cuts, end]


#: The fewest rows for which another thread is faster.
_ROWS = 2_000


def apply(barrier: Barrier, table: pa.Table) -> pa.Table:
    """Resolve and apply a barrier on one table in memory, on all cores."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    parts = max(1, min(4 * cores, table.num_rows // _ROWS))
    datasets = resolve(barrier, table, shards=parts, partitions=min(cores, parts), threads=cores)
    return barrier.apply(table, datasets["decisions"], Counter())
