"""What exact dedup remembers from run to run, in a store: a hash of each document that it kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.stored_keys import KnownDocuments, index_store, matching_keys
from curate.kernels.arrow import fixed_width_values
from curate.kernels.blake2b import SIZE as DIGEST
from curate.kernels.grouping import find_sorted
from curate.protocol.routing import document_number, integers, part_of, read_docs
from curate.protocol.stage import Inputs, Step
from curate.schema import whole


def halves(hashes: pa.FixedSizeBinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Return each hash as two numbers; 0 for null."""
    filled = pc.fill_null(hashes, bytes(DIGEST))
    pairs = fixed_width_values(filled, ">u8")
    return pairs[:, 0].astype(np.uint64), pairs[:, 1].astype(np.uint64)


def stored_keepers(known: KnownDocuments, high: np.ndarray, low: np.ndarray) -> pa.StringArray:
    """Return, for hashes in ascending order, the id of the store's document that has each; or null.

    Of several (a store may be older than a merge of two) it is the oldest.
    """
    stored_high, stored_low, stored_docs = matching_keys(known, np.unique(high))
    oldest: dict[tuple[int, int], int] = {}
    order = np.argsort(stored_docs, kind="stable")
    stored = (part[order].tolist() for part in (stored_high, stored_low, stored_docs))
    for one, other, doc in zip(*stored, strict=True):
        oldest.setdefault((one, other), doc)
    own = zip(high.tolist(), low.tolist(), strict=True)
    docs = np.array([oldest.get(key, 0) for key in own], np.int64)  # a stored number is negative
    wanted = np.unique(docs[docs < 0])
    ids = [table.column("id") for table in known.ids(wanted)] if len(wanted) else []
    if not ids:
        return pa.nulls(len(high), pa.string())
    names = pa.chunked_array([chunk for each in ids for chunk in each.chunks]).combine_chunks()
    at, found = find_sorted(wanted, docs)
    return names.take(pa.array(at, mask=~found))


def storing_steps() -> tuple[Step, ...]:
    """Return the steps that add what was kept to a store; they come after the decisions."""
    reads, written = ("decisions", "decided", "sketch"), ("documents", "new_keys")
    return (
        Step("write_store", "shard", reads, written, _write_store, ("documents",)),
        Step("index_store", "partition", ("new_keys",), ("keys",), index_store, ("keys",)),
    )


def _write_store(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Yield id, source and address of the kept documents, and the keys that are their hashes."""
    dropped = [read_docs(inputs, "decided")]
    for table in inputs.stream("decisions"):
        dropped.append(integers(table.filter(pc.is_valid(table.column("dropped_by"))), "doc"))
    removed = np.unique(np.concatenate(dropped))
    row = 0
    for table in inputs.stream("sketch"):
        kept = ~np.isin(integers(table, "doc"), removed)
        table = table.filter(pc.and_(pa.array(kept), table.column("hash").is_valid()))
        if not len(table):
            continue
        yield "documents", table.select(["id", "source", "url"])
        high, low = halves(whole(table.column("hash")))
        rows = np.arange(row, row + len(table), dtype=np.int64)
        row += len(table)
        columns = {
            "high": high,
            "low": low,
            "doc": document_number(inputs.index, rows),
            "source": table.column("source"),
            "part": part_of(high, inputs.partitions),
        }
        yield "new_keys", pa.table(columns)
