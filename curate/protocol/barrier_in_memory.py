"""A barrier on one table in memory."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from curate import schema
from curate.protocol.in_memory import number, run_steps
from curate.protocol.stage import Barrier

#: Where less than one row in so many is dead, all rows are read where they are; else the living
#: are copied first.
_FEW = 4


def resolve(
    barrier: Barrier, table: pa.Table, *, shards: int = 1, partitions: int = 1, threads: int = 1
) -> dict[str, pa.Table]:
    """Run a barrier's steps on the living rows of a table; give all datasets, ``decisions`` among them.

    The answer does not depend on ``shards`` (about so many are cut), ``partitions`` and ``threads``;
    tests cut with them. Kernels and Arrow work without the interpreter's lock, so threads share the
    work of a table.
    """
    cuts = _cuts([len(chunk) for chunk in table.column("text").chunks], table.num_rows, shards)
    shards = len(cuts) - 1
    columns = list(dict.fromkeys(("id", *barrier.reads)))

    def sketched(shard: int) -> dict[str, pa.Table]:
        rows = table.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        alive = schema.alive(rows)
        dead = np.flatnonzero(~np.asarray(alive))
        if _FEW * len(dead) > len(rows):
            rows, dead = rows.filter(alive), dead[:0]
        decided = pa.table({"doc": (shard << 32) | dead})
        sketch = barrier.sketch(rows)
        return {"sketch": sketch, "text": rows.select(columns), "decided": decided}

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


def _cuts(chunks: list[int], rows: int, shards: int) -> list[int]:
    """Give the borders of some ``shards`` shards, at the borders of chunks as far as these allow it.

    What lies within one chunk is read where it is; what spans two is copied first.
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
