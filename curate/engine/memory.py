"""A barrier on one table in memory: the steps as the driver runs them, without files or commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

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
    barrier: Barrier, table: pa.Table, *, shards: int = 1, partitions: int = 1
) -> dict[str, pa.Table]:
    """Run a barrier's steps on the living rows of a table; give all datasets, ``decisions`` among them.

    The answer does not depend on ``shards`` and ``partitions``; tests cut with them.
    """
    living = table.filter(schema.alive(table))
    cuts = np.linspace(0, living.num_rows, shards + 1).astype(int)
    columns = list(dict.fromkeys(("id", *barrier.reads)))
    data: _Datasets = {"sketch": {}, "text": {}}
    for shard in range(shards):
        rows = living.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        doc = pa.array((shard << 32) | np.arange(rows.num_rows, dtype=np.int64))
        data["sketch"][shard] = [barrier.sketch(rows).append_column("doc", doc)]
        data["text"][shard] = [rows.select(columns).append_column("doc", doc)]
    for step in barrier.steps():
        data |= _step(step, data, shards, partitions)
    empty = schema.DECISIONS_SCHEMA.empty_table()
    found = {
        name: pa.concat_tables([t for tables in parts.values() for t in tables])
        for name, parts in data.items()
        if any(parts.values())
    }
    return {"decisions": empty} | found


def apply(barrier: Barrier, table: pa.Table) -> pa.Table:
    """Resolve and apply a barrier on one table in memory."""
    from collections import Counter

    return barrier.apply(table, resolve(barrier, table)["decisions"], Counter())


def _step(step: Step, data: _Datasets, shards: int, partitions: int) -> _Datasets:
    if step.over == "tree":
        (name,) = step.reads
        level = [table for tables in data.get(name, {}).values() for table in tables]
        data = {name: {0: level}}
    tasks = {"shard": shards, "partition": partitions, "one": 1, "tree": 1}[step.over]
    written: Any = {name: defaultdict(list) for name in step.writes}
    for index in range(tasks):
        for name, table in step.run(_Inputs(index, partitions, data)):
            parts = table.column("part").to_numpy()
            # An empty table still tells its columns.
            for part in np.unique(parts).tolist() or [0]:
                written[name][part].append(table.filter(pa.array(parts == part)))
    return {name: dict(parts) for name, parts in written.items()}
