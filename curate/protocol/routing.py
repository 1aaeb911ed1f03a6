"""What a dedup decides: one row for each document of a cluster of two or more, and each empty one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curate import schema
from curate.protocol.stage import Inputs

#: `dropped_by` is the rule without its stage, null for a document that is kept. `cuts` and
#: `text_hash` are for stages that cut; they are null here. `capped`: kept, but its buckets hold more
#: documents than were compared with it. `copies`: how many documents a kept one stands for, those
#: that earlier dedups of the same read removed for it or its copies among them. `compared`: with how
#: many documents it was compared exactly.
DECISIONS = (
    schema.DECISIONS_SCHEMA.append(pa.field("capped", pa.bool_()))
    .append(pa.field("copies", pa.int32()))
    .append(pa.field("compared", pa.int32()))
)


def shard_of(docs: np.ndarray) -> pa.Array:
    """Give the shard of each document number, as the column `part`."""
    return pa.array((docs >> 32).astype(np.int32))


def part_of(keys: np.ndarray, partitions: int) -> pa.Array:
    """Give the partition of each uint64 key by its high bits, as the column `part`."""
    high = keys >> np.uint64(32)
    return pa.array(((high * np.uint64(partitions)) >> np.uint64(32)).astype(np.int32))


def integers(table: pa.Table, name: str) -> np.ndarray:
    """Give a column without nulls as a numpy array."""
    return np.asarray(schema.whole(table.column(name)))


def read_docs(inputs: Inputs, dataset: str) -> np.ndarray:
    """Read the column `doc` of a dataset, sorted."""
    found = [integers(table, "doc") for table in inputs.stream(dataset)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))


def decide(docs: np.ndarray, columns: dict[str, pa.Array]) -> pa.Table:
    """Build decisions from columns (what is not given is null), routed to the documents' shards."""
    table = pa.table({"doc": docs, **columns, "part": shard_of(docs)})
    return schema.conform(table, DECISIONS).sort_by("doc")
