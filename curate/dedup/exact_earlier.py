"""What exact dedup remembers from run to run, in a store: a hash of each document that it kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.stored_keys import KnownDocuments, NewDocuments, matching_keys
from curate.kernels.arrow import fixed_width_values
from curate.kernels.blake2b import SIZE as DIGEST
from curate.kernels.grouping import find_sorted
from curate.protocol.routing import integers, read_docs
from curate.protocol.stage import Inputs
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


def write_store(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Yield id, source and address of the kept documents, and the keys that are their hashes."""
    dropped = [read_docs(inputs, "decided")]
    for table in inputs.stream("decisions"):
        dropped.append(integers(table.filter(pc.is_valid(table.column("dropped_by"))), "doc"))
    removed = np.unique(np.concatenate(dropped))
    new = NewDocuments(inputs)
    for table in inputs.stream("sketch"):
        kept = ~np.isin(integers(table, "doc"), removed)
        table = table.filter(pc.and_(pa.array(kept), table.column("hash").is_valid()))
        yield from new.add(table, np.arange(len(table)), *halves(whole(table.column("hash"))))
