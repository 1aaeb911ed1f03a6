"""A barrier on one table in memory."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.stages.base import Barrier
from curate.stages.memory import number, run_steps


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

    def sketched(shard: int) -> dict[str, pa.Table]:
        rows = living.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        return {"sketch": barrier.sketch(rows), "text": rows.select(columns)}

    with ThreadPoolExecutor(threads) as pool:
        datasets = run_steps(
            barrier.steps(),
            number(list(pool.map(sketched, range(shards)))),
            shards=shards,
            partitions=partitions,
            pool=pool,
        )
    empty = schema.DECISIONS_SCHEMA.empty_table()
    found = {
        name: pa.concat_tables([t for tables in parts.values() for t in tables])
        for name, parts in datasets.items()
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
