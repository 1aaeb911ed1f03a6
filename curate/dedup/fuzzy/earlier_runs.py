"""Documents that earlier runs kept: the steps that compare with a store and that add to it.

A store's documents take part in a dedup as its own do, in buckets, edges and components, but they
come first in keeper order and are always kept. So dedup of B against a store of A gives what dedup
of A and B together gives, when A's documents are older.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup import stored_keys
from curate.dedup.fuzzy.compared_sets import compared_sets, near_texts
from curate.dedup.fuzzy.differences import written_column
from curate.dedup.fuzzy.minhash import band_keys, sign_sets
from curate.dedup.keeper import keeper_rank
from curate.dedup.options import NearDuplicates
from curate.dedup.stored_keys import KnownDocuments, is_known
from curate.kernels.grouping import find_sorted, first_of_runs
from curate.kernels.hashing import spread
from curate.protocol.routing import (
    document_number,
    integers,
    part_of,
    read_docs,
    read_table,
)
from curate.protocol.stage import Inputs, Step


def can_matter(
    bucket: np.ndarray, docs: np.ndarray, known: KnownDocuments, max_witnesses: int
) -> np.ndarray:
    """Return whether each member of a bucket (docs ascending in each bucket) can matter.

    A bucket of the store's documents alone does not, nor do documents of the store once older
    generations fill the bucket.
    """
    old = is_known(docs)
    has_new = np.bincount(bucket, weights=~old, minlength=1)[bucket] > 0
    ages = np.full(len(docs), -1, np.int64)
    ages[old] = known.ages(docs[old])
    place = np.arange(len(bucket))
    bucket_start = np.maximum.accumulate(np.where(first_of_runs(bucket), place, 0))
    age_start = np.maximum.accumulate(np.where(first_of_runs(bucket, ages), place, 0))
    return np.asarray(has_new & (~old | (age_start - bucket_start < max_witnesses)))


def requested(inputs: Inputs, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Read requests for signatures, sorted: document numbers, and the partitions they are for."""
    requests = read_table(inputs, dataset)
    if requests is None:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    docs, requester = integers(requests, "doc"), integers(requests, "requester")
    order = np.lexsort((requester, docs))
    return docs[order], requester[order]


def fetch_known_signatures(known: KnownDocuments, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send signatures of the store's documents to the partitions that requested them."""
    docs, requester = requested(inputs, "known_requests")
    for table in known.documents(np.unique(docs)) if len(docs) else ():
        at, found = find_sorted(integers(table, "doc"), docs)
        rows = table.select(["doc", "signature"]).take(pa.array(at[found]))
        yield "known_signatures", rows.append_column("part", pa.array(requester[found]))


def fetch_known_shingles(known: KnownDocuments, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Read the members of components that are in the store for the component's partition."""
    members = read_table(inputs, "known_members")
    if members is None:
        return
    members = members.sort_by("doc")
    docs, component = integers(members, "doc"), integers(members, "component")
    for table, shingles in zip(known.documents(docs), known.shingles(docs), strict=True):
        read = integers(table, "doc")
        components = component[np.searchsorted(docs, read)]
        columns = {
            "component": components,
            "doc": read,
            "id": table.column("id"),
            "rank": table.column("rank"),
            "age": known.ages(read).astype(np.int32),
            "weight": np.ones(len(read), np.int32),
            "written": table.column("written"),
            "signature": table.column("signature"),
            "shingles": shingles.column("shingles"),
            "part": part_of(spread(components), inputs.partitions),
        }
        yield "known_candidates", pa.table(columns)


def storing_steps(near: NearDuplicates) -> tuple[Step, ...]:
    """Return the steps that add what was kept to a store; they come after the decisions."""
    reads = ("decisions", "decided", "unindexed", "text")
    write = partial(_write_store, near)
    return stored_keys.storing_steps(write, reads, ("documents", "shingles"))


def _write_store(near: NearDuplicates, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Yield what a store has of the kept documents, and their band keys."""
    dropped = [read_docs(inputs, "decided")]
    for table in inputs.stream("decisions"):
        dropped.append(integers(table.filter(pc.is_valid(table.column("dropped_by"))), "doc"))
    removed = np.unique(np.concatenate(dropped))
    bands, rows = near.band_shape
    late = [np.empty(0, np.int64)]
    for table in inputs.stream("unindexed"):
        late.append(integers(table, "doc") * bands + integers(table, "band"))
    unindexed = np.concatenate(late)
    row = 0
    for table in inputs.stream("text"):
        table = table.filter(pa.array(~np.isin(integers(table, "doc"), removed)))
        texts = near_texts(near, table)
        values, offsets = compared_sets(near, table)
        has_words = np.diff(offsets) > 0  # a text that an earlier pass left empty is no witness
        if not has_words.all():
            table, texts = table.filter(pa.array(has_words)), texts.filter(pa.array(has_words))
            offsets = np.concatenate([[0], offsets[1:][has_words]])
        if not len(table):
            continue
        docs = integers(table, "doc")
        signatures = sign_sets(values, offsets, near.num_permutations, near.seed)
        stored_rows = np.arange(row, row + len(table), dtype=np.int64)
        row += len(table)
        columns = {
            "id": table.column("id"),
            "source": table.column("source"),
            "rank": keeper_rank(table, near.keep, near.source_priority),
            "written": written_column(texts),
            "url": table.column("url"),  # so that documents of an address can be taken out
            "signature": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(4 * near.num_permutations),
                len(table),
                [None, pa.py_buffer(np.ascontiguousarray(signatures))],
            ),
        }
        yield "documents", pa.table(columns)
        yield "shingles", pa.table({"shingles": pa.LargeListArray.from_arrays(offsets, values)})
        keys = band_keys(signatures, bands, rows).reshape(-1, 2)
        place = np.repeat(docs, bands) * bands + np.tile(np.arange(bands), len(table))
        indexed = np.flatnonzero(~np.isin(place, unindexed))
        high = np.ascontiguousarray(keys[indexed, 0])
        columns = {
            "high": high,
            "low": np.ascontiguousarray(keys[indexed, 1]),
            "doc": np.repeat(document_number(inputs.index, stored_rows), bands)[indexed],
            "source": table.column("source").combine_chunks().take(pa.array(indexed // bands)),
            "part": part_of(high, inputs.partitions),
        }
        yield "new_keys", pa.table(columns)
