"""Numbers of documents, the parts that rows are routed to, and the table of a dedup's decisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.protocol.stage import Inputs

#: `dropped_by` is the rule without its stage, null for a document that is kept. `cuts` and
#: `text_hash` are for stages that cut; they are null here. `capped`: kept, although a bucket of it
#: already remembered `max_witnesses`. `copies`: the number of documents that a kept one represents,
#: including those that earlier dedups of the same segment removed in favour of it or of its copies.
#: `compared`: the number of candidate pairs that the signatures did not reject.
DECISIONS = (
    schema.DECISIONS_SCHEMA.append(pa.field("capped", pa.bool_()))
    .append(pa.field("copies", pa.int32()))
    .append(pa.field("compared", pa.int32()))
)

#: A document's number is its shard, in the high bits, and its row among the shard's survivors.
_ROW_BITS = 32

Rows = TypeVar("Rows", int, np.ndarray)


def document_number(shard: int, row: Rows) -> Rows:
    """Return the number of a shard's document, or the numbers of several rows of one shard."""
    return shard << _ROW_BITS | row


def document_numbers(shard: int, first_row: int, count: int) -> np.ndarray:
    """Return the numbers of ``count`` consecutive documents of a shard.

    >>> document_numbers(1, 2, 3) - (1 << 32)
    array([2, 3, 4])
    """
    return document_number(shard, np.arange(first_row, first_row + count, dtype=np.int64))


def shard_and_row(doc: int) -> tuple[int, int]:
    """Return the shard and the row of one document number.

    >>> shard_and_row(document_number(7, 9))
    (7, 9)
    """
    return divmod(doc, 1 << _ROW_BITS)


def row_of(docs: np.ndarray) -> np.ndarray:
    """Return the row of each document number."""
    return docs & np.int64((1 << _ROW_BITS) - 1)


def shard_of(docs: np.ndarray) -> pa.Array:
    """Return the shard of each document number, as the column `part`."""
    return pa.array((docs >> _ROW_BITS).astype(np.int32))


def part_of(keys: np.ndarray, partitions: int) -> pa.Array:
    """Return the partition of each uint64 key by its high bits, as the column `part`."""
    high = keys >> np.uint64(32)
    return pa.array(((high * np.uint64(partitions)) >> np.uint64(32)).astype(np.int32))


def integers(table: pa.Table, name: str) -> np.ndarray:
    """Return a column without nulls as a numpy array."""
    return np.asarray(schema.whole(table.column(name)))


def read_docs(inputs: Inputs, dataset: str) -> np.ndarray:
    """Return the column `doc` of a dataset, sorted."""
    docs = [integers(table, "doc") for table in inputs.stream(dataset)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *docs]))


def undecided(inputs: Inputs) -> Iterator[pa.Table]:
    """Yield a shard's sketch without the documents that earlier barriers dropped."""
    decided = pa.array(read_docs(inputs, "decided"))
    for rows in inputs.stream("sketch"):
        active = pc.invert(pc.is_in(rows.column("doc"), decided))
        yield rows.filter(active) if len(decided) else rows


def read_table(inputs: Inputs, dataset: str) -> pa.Table | None:
    """Return all rows of a dataset that were routed to this task; None where there is no table."""
    tables = list(inputs.stream(dataset))
    return pa.concat_tables(tables) if tables else None


def decide(docs: np.ndarray, columns: dict[str, pa.Array]) -> pa.Table:
    """Build decisions from columns (missing ones are null), routed to the documents' shards."""
    table = pa.table({"doc": docs, **columns, "part": shard_of(docs)})
    return schema.conform(table, DECISIONS).sort_by("doc")


def drop_all(rows: pa.Table, reason: str) -> pa.Table:
    """Build decisions that drop all rows of a table with `doc` and `id`."""
    reasons = pa.array([reason] * len(rows), pa.string())
    return decide(integers(rows, "doc"), {"id": rows.column("id"), "dropped_by": reasons})
