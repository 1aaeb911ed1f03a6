"""The Step protocol in memory: what an engine does with a barrier, in forty lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.routing import document_numbers, shard_of
from curate.stages.mix import Mix

Stored = dict[str, list[pa.Table]]


@dataclass(frozen=True)
class Task:
    index: int
    partitions: int
    stored: Stored

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        for table in self.stored.get(dataset, []):
            routed = table.filter(pc.equal(table.column("part"), self.index)).drop_columns("part")
            if routed.num_rows:
                yield routed


def resolve(
    stage: Mix, shards: Sequence[pa.Table], partitions: int, decided: Sequence[int] = ()
) -> Stored:
    """Run a barrier over shards of living rows; all that its steps wrote."""
    stored: Stored = {"sketch": [], "decided": []}
    for number, shard in enumerate(shards):
        sketch = stage.sketch(shard)
        assert sketch.num_rows == shard.num_rows
        part = pa.array(np.full(sketch.num_rows, number, np.int32))
        doc = pa.array(document_numbers(number, 0, sketch.num_rows))
        stored["sketch"].append(sketch.append_column("part", part).append_column("doc", doc))
    if decided:
        doc = np.array(decided, np.int64)
        decided_docs = {"doc": doc, "part": shard_of(doc)}
        stored["decided"].append(pa.table(decided_docs))
    for step in stage.steps():
        tasks = {"shard": len(shards), "partition": partitions, "one": 1}[step.over]
        read = {name: stored.get(name, []) for name in step.reads}
        for index in range(tasks):
            for name, table in step.run(Task(index, partitions, read)):
                assert name in step.writes
                assert table.schema.field("part").type == pa.int32()
                stored.setdefault(name, []).append(table)
    return stored


def decisions_of(stored: Stored) -> pa.Table:
    return pa.concat_tables(stored["decisions"])


def run(stage: Mix, shards: Sequence[pa.Table], partitions: int = 3) -> list[tuple[str, str, int]]:
    """Mix shards: (id, phase, epoch) of the product, sorted; checks apply against placements."""
    decisions = decisions_of(resolve(stage, shards, partitions))
    product = []
    for shard in shards:
        placed = stage.placements(shard, decisions)
        ids = shard.column("id").take(placed.column("row"))
        product += list(
            zip(ids.to_pylist(), placed["phase"].to_pylist(), placed["epoch"].to_pylist())
        )
        verdicts = stage.apply(shard, decisions, Counter())
        kept = verdicts.filter(pc.is_null(verdicts.column("dropped_by")))
        assert set(kept.column("id").to_pylist()) == set(ids.to_pylist())
    return sorted(product)


def report_of(stored: Stored) -> dict[tuple[str, str], dict[str, object]]:
    rows = pa.concat_tables(stored["mixture_report"]).to_pylist()
    return {(row["phase"], row["group"]): row for row in rows}
