"""A barrier's decisions for one table in memory: the smallest driver of the Step protocol."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from curate import schema


def decide(barrier, table, shards=2, partitions=3):
    living = table.filter(schema.alive(table))
    cuts = np.linspace(0, living.num_rows, shards + 1).astype(int)
    data = defaultdict(lambda: defaultdict(list))
    for shard in range(shards):
        rows = living.slice(cuts[shard], cuts[shard + 1] - cuts[shard])
        doc = pa.array((shard << 32) | np.arange(rows.num_rows, dtype=np.int64))
        data["sketch"][shard] = [barrier.sketch(rows).append_column("doc", doc)]
        columns = list(dict.fromkeys(("id", *barrier.reads)))
        data["text"][shard] = [rows.select(columns).append_column("doc", doc)]
    for step in barrier.steps():
        if step.over == "tree":
            (name,) = step.reads
            level = [t for tables in data[name].values() for t in tables]
            data[name] = {0: written(step, {name: {0: level}}, 0, 1)[name].get(0, [])}
            continue
        out = defaultdict(lambda: defaultdict(list))
        for index in range({"shard": shards, "partition": partitions, "one": 1}[step.over]):
            for name, parts in written(step, data, index, partitions).items():
                for part, tables in parts.items():
                    out[name][part] += tables
        data.update(out)
    found = [t for tables in data["decisions"].values() for t in tables if t.num_rows]
    return pa.concat_tables(found) if found else schema.DECISIONS_SCHEMA.empty_table()


def written(step, data, index, partitions):
    out = defaultdict(lambda: defaultdict(list))
    inputs = SimpleNamespace(
        index=index, partitions=partitions, stream=lambda name: iter(data.get(name, {}).get(index, []))
    )
    for name, table in step.run(inputs):
        assert name in step.writes
        parts = table.column("part").to_numpy()
        for part in np.unique(parts):
            out[name][int(part)].append(table.filter(pa.array(parts == part)))
    return out
