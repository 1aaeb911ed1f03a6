"""A barrier on one table in memory: the steps as the driver runs them, without files or commits."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.stages.base import Barrier, Step

#: dataset → task of the reading step → tables
_Datasets = dict[str, dict[int, list[pa.Table]]]


@dataclass(frozen=True)
class _Inputs:
    index: int
    partitions: int
    datasets: _Datasets

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        yield from self.datasets.get(dataset, {}).get(self.index, [])


def resolve(
    barrier: Barrier, table: pa.Table, *, shards: int = 1, partitions: int = 1, threads: int = 1
) -> dict[str, pa.Table]:
    """Run a barrier's steps on the living rows of a table; give all datasets, ``decisions`` among them.

    The answer does not depend on ``shards``, ``partitions`` and ``threads``; tests cut with them.
    Kernels and Arrow work without the interpreter's lock, so threads share the work of a table.
    """
    alive = schema.alive(table)
    living = table if pc.all(alive).as_py() is not False else table.filter(alive)
    cuts = np.linspace(0, living.num_rows, shards + 1).astype(int)
    columns = list(dict.fromkeys(("id", *barrier.reads)))

    def sketched(shard: int) -> tuple[pa.Table, pa.Table]:
        rows = living.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        doc = pa.array((shard << 32) | np.arange(rows.num_rows, dtype=np.int64))
        text = rows.select(columns).append_column("doc", doc)
        return barrier.sketch(rows).append_column("doc", doc), text

    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(sketched, range(shards)))
        data: _Datasets = {
            "sketch": {shard: [sketch] for shard, (sketch, _) in enumerate(made)},
            "text": {shard: [text] for shard, (_, text) in enumerate(made)},
        }
        for step in barrier.steps():
            data |= _step(step, data, shards, partitions, pool)
    empty = schema.DECISIONS_SCHEMA.empty_table()
    found = {
        name: pa.concat_tables([t for tables in parts.values() for t in tables])
        for name, parts in data.items()
        if any(parts.values())
    }
    return {"decisions": empty} | found


#: Rows that are worth a thread of their own.
_ROWS = 2_000


def apply(barrier: Barrier, table: pa.Table) -> pa.Table:
    """Resolve and apply a barrier on one table in memory, on all cores."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    parts = max(1, min(4 * cores, table.num_rows // _ROWS))
    cut = resolve(barrier, table, shards=parts, partitions=min(cores, parts), threads=cores)
    return barrier.apply(table, cut["decisions"], Counter())


def _step(
    step: Step, data: _Datasets, shards: int, partitions: int, pool: ThreadPoolExecutor
) -> _Datasets:
    if step.over == "tree":
        (name,) = step.reads
        level = [table for tables in data.get(name, {}).values() for table in tables]
        data = {name: {0: level}}
    tasks = {"shard": shards, "partition": partitions, "one": 1, "tree": 1}[step.over]
    written: Any = {name: defaultdict(list) for name in step.writes}
    ran = pool.map(lambda index: list(step.run(_Inputs(index, partitions, data))), range(tasks))
    for outcome in ran:
        for name, table in outcome:
            parts = table.column("part").to_numpy()
            # An empty table still tells its columns.
            for part in np.unique(parts).tolist() or [0]:
                written[name][part].append(table.filter(pa.array(parts == part)))
    return {name: dict(parts) for name, parts in written.items()}
