"""Near duplicates: the steps from sketches to decisions, as PRIMER.md draws them.

Each step is a function of the rows that were routed to it. No result depends on the number of
shards or partitions; tests compare the removals with a brute-force version without shards
(`curate.dedup.reference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.agreement import held, with_counted
from curate.dedup.compared import active_rows
from curate.dedup.fuzzy.compared_sets import compared_sets, near_texts, signatures_of
from curate.dedup.fuzzy.components import bucket_star, contract, label_components
from curate.dedup.fuzzy.differences import written_column
from curate.dedup.fuzzy.earlier_runs import (
    can_matter,
    fetch_known_shingles,
    fetch_known_signatures,
    requested,
    storing_steps,
)
from curate.dedup.fuzzy.minhash import (
    band_keys,
    maybe_shared,
    min_equal_values,
    sign_sets,
    signature_array,
    signature_column,
)
from curate.dedup.fuzzy.resolve_components import NOW, resolve_components
from curate.dedup.fuzzy.verify import RemovalRule
from curate.dedup.keeper import keeper_rank
from curate.dedup.options import NearDuplicates
from curate.dedup.stored_keys import KnownDocuments, is_known, matching_keys, reader_of
from curate.dedup.witness_chain import with_reassignment
from curate.kernels.grouping import find_sorted, first_of_runs
from curate.kernels.hashing import spread
from curate.protocol.routing import drop_all, integers, part_of, read_table, shard_of
from curate.protocol.stage import Inputs, Step

#: Every pair of a bucket up to this size (or `max_witnesses`, if smaller) is estimated; a larger
#: bucket is joined as a whole.
PAIRWISE_LIMIT = 64
#: Edges are contracted whenever this many have been read.
_MANY_EDGES = 4_000_000


def sketch(near: NearDuplicates, table: pa.Table) -> pa.Table:
    """Return id, signature and number of shingles of each row."""
    signatures, counts = signatures_of(near, table)
    return pa.table(
        {"id": table.column("id"), "signature": signature_column(signatures), "n_shingles": counts}
    )


def fuzzy_steps(
    near: NearDuplicates, known: KnownDocuments | None = None, *, storing: bool = False
) -> tuple[Step, ...]:
    """Return the steps of the resolve, in their order.

    With `known` the documents of a store are witnesses too; with `storing` the kept documents are
    written for a store.
    """
    known = known if known is not None and known.generations else None
    signatures = ("signatures", "known_signatures") if known else ("signatures",)
    candidates = ("known_candidates", "candidates") if known else ("candidates",)
    keys, buckets = partial(_band_keys, near), partial(_buckets, near, known)
    edges, shingles = partial(_edges, near, signatures), partial(_fetch_shingles, near, storing)
    verify = partial(_verify, near, candidates)
    requests = ("requests", "known_requests")
    known_signatures, known_shingles = (
        [Step(f"fetch_known_{what}", "partition", (read,), (written,), partial(fetch, known))]
        if known
        else []
        for what, read, written, fetch in (
            ("signatures", "known_requests", "known_signatures", fetch_known_signatures),
            ("shingles", "known_members", "known_candidates", fetch_known_shingles),
        )
    )
    steps = [
        Step("band_keys", "shard", ("sketch", "decided"), ("keys", "empty"), keys),
        Step("buckets", "partition", ("keys",), ("buckets", *requests), buckets),
        Step(
            "fetch_signatures", "shard", ("requests", "sketch"), ("signatures",), _fetch_signatures
        ),
        *known_signatures,
        Step("edges", "partition", ("buckets", *signatures), ("forest",), edges),
        Step("merge_forests", "tree", ("forest",), ("forest",), _merge_forests),
        Step("components", "one", ("forest",), ("members", "known_members"), _components),
        Step("fetch_shingles", "shard", ("members", "counted", "text"), ("candidates",), shingles),
        *known_shingles,
        Step("verify", "partition", (*candidates, "empty"), ("decisions", "unindexed"), verify),
    ]
    return (*with_reassignment(tuple(steps)), *(storing_steps(near) if storing else ()))


def rule_of(near: NearDuplicates) -> RemovalRule:
    """Return the parameters of the removal rule."""
    return RemovalRule(
        near.threshold,
        min_equal_values(near.target_jaccard, near.num_permutations),
        near.max_witnesses,
        near.similarity == "containment",
    )


def _band_keys(near: NearDuplicates, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send the band keys of each document to the partitions of the keys."""
    bands, rows_per_band = near.band_shape
    for table in active_rows(inputs, "sketch"):
        docs, n_shingles = integers(table, "doc"), integers(table, "n_shingles")
        empty = table.filter(pa.array(n_shingles == 0)).select(["doc", "id"])
        if len(empty):
            part = part_of(spread(integers(empty, "doc")), inputs.partitions)
            yield "empty", empty.append_column("part", part)
        rows = np.flatnonzero(n_shingles > 0)
        if not len(rows):
            continue
        keys = band_keys(signature_array(table)[rows], bands, rows_per_band).reshape(-1, 2)
        high = np.ascontiguousarray(keys[:, 0])
        columns = {
            "high": high,
            "low": np.ascontiguousarray(keys[:, 1]),
            "doc": np.repeat(docs[rows], bands),
            "part": part_of(high, inputs.partitions),
        }
        yield "keys", pa.table(columns)


def _buckets(
    near: NearDuplicates, known: KnownDocuments | None, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Group band keys shared by two or more documents; request the signatures of small buckets."""
    tables = list(inputs.stream("keys"))
    if not tables:
        return
    parts = [[integers(t, name) for name in ("high", "low", "doc")] for t in tables]
    del tables
    if known is not None:
        highs = np.unique(np.concatenate([high for high, _, _ in parts]))
        parts.append(list(matching_keys(known, highs)))
    # Most keys occur once: remove them before the sort.
    shared = maybe_shared([low for _, low, _ in parts])
    high, low, docs = (
        np.concatenate([columns[i][flags] for columns, flags in zip(parts, shared, strict=True)])
        for i in range(3)
    )
    order = np.lexsort((docs, low, high))
    docs = docs[order]
    bucket = np.cumsum(first_of_runs(high[order], low[order])) - 1
    if known is not None and len(bucket):
        matters = can_matter(bucket, docs, known, near.max_witnesses)
        bucket, docs = bucket[matters], docs[matters]
    size = np.bincount(bucket, minlength=1)[bucket] if len(bucket) else bucket
    several = size >= 2
    if not several.any():
        return
    docs, bucket, size = docs[several], bucket[several], size[several]
    own_part = pa.array(np.full(len(docs), inputs.index, np.int32))
    yield "buckets", pa.table({"doc": docs, "bucket": bucket, "part": own_part})
    needed = np.unique(docs[size <= _pairwise_limit(near)])
    old = needed[is_known(needed)]
    new = needed[len(old) :]
    if len(new):
        requester = np.full(len(new), inputs.index, np.int32)
        yield "requests", pa.table({"doc": new, "requester": requester, "part": shard_of(new)})
    if len(old):
        requester = np.full(len(old), inputs.index, np.int32)
        part = reader_of(old, inputs.partitions)
        yield "known_requests", pa.table({"doc": old, "requester": requester, "part": part})


def _pairwise_limit(near: NearDuplicates) -> int:
    # Buckets above `max_witnesses` must not be split: each piece would get its own witness list.
    return min(PAIRWISE_LIMIT, near.max_witnesses)


def _fetch_signatures(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send signatures to the partitions that requested them."""
    docs, requester = requested(inputs, "requests")
    if not len(docs):
        return
    for table in inputs.stream("sketch"):
        numbers = integers(table, "doc")
        order = np.argsort(numbers, kind="stable")
        at, found = find_sorted(numbers[order], docs)
        if found.any():
            rows = table.select(["doc", "signature"]).take(pa.array(order[at[found]]))
            yield "signatures", rows.append_column("part", pa.array(requester[found]))


def _edges(
    near: NearDuplicates, datasets: tuple[str, ...], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Join the members of buckets that may verify; contract to a star."""
    table = read_table(inputs, "buckets")
    if table is None:
        return
    docs, bucket = integers(table, "doc"), integers(table, "bucket")
    documents, members = np.unique(docs, return_inverse=True)
    offsets = np.append(np.flatnonzero(first_of_runs(bucket)), len(bucket))
    signatures = np.zeros((len(documents), near.num_permutations), np.uint32)
    for table in _streams(inputs, datasets):
        place = np.searchsorted(documents, integers(table, "doc"))
        signatures[place] = signature_array(table)
    child, root = bucket_star(
        documents,
        members.astype(np.int64),
        offsets,
        signatures,
        limit=_pairwise_limit(near),
        min_equal=rule_of(near).min_equal,
    )
    yield from _forest_tables(child, root)


def _forest_tables(child: np.ndarray, root: np.ndarray) -> Iterator[tuple[str, pa.Table]]:
    if len(child):
        part = pa.array(np.zeros(len(child), np.int32))
        yield "forest", pa.table({"child": child, "root": root, "part": part})


def _contracted(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Read all edges routed to this task; return the contracted forest, as children and roots."""
    child, root = np.empty(0, np.int64), np.empty(0, np.int64)
    waiting: list[pa.Table] = []
    for table in inputs.stream("forest"):
        waiting.append(table)
        if sum(len(t) for t in waiting) >= max(_MANY_EDGES, len(child)):
            child, root = _add_edges(child, root, waiting)
            waiting = []
    return _add_edges(child, root, waiting)


def _add_edges(
    child: np.ndarray, root: np.ndarray, tables: list[pa.Table]
) -> tuple[np.ndarray, np.ndarray]:
    return contract(
        np.concatenate([child, *(integers(t, "child") for t in tables)]),
        np.concatenate([root, *(integers(t, "root") for t in tables)]),
    )


def _merge_forests(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Contract several forests to one."""
    yield from _forest_tables(*_contracted(inputs))


def _components(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send each shard its documents in components of two or more, with the component's number."""
    docs, component = label_components(*_contracted(inputs))
    first = int(np.searchsorted(docs, 0))
    old, docs = docs[:first], docs[first:]
    if len(docs):
        members = component[first:]
        yield "members", pa.table({"doc": docs, "component": members, "part": shard_of(docs)})
    if len(old):
        part = reader_of(old, inputs.partitions)
        members = component[:first]
        yield "known_members", pa.table({"doc": old, "component": members, "part": part})


def _fetch_shingles(
    near: NearDuplicates, storing: bool, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Read the members' texts once more and send their shingles to the component's partition."""
    members = read_table(inputs, "members")
    if members is None:
        return
    members = members.sort_by("doc")
    docs, component = integers(members, "doc"), integers(members, "component")
    counted = list(inputs.stream("counted"))
    for table in inputs.stream("text"):
        at, found = find_sorted(docs, integers(table, "doc"))
        if not found.any():
            continue
        components = component[at[found]]
        part = part_of(spread(components), inputs.partitions)
        # In the order of their partitions, so that sets are not copied to be sent.
        order = np.argsort(part, kind="stable")
        rows = table.take(pa.array(np.flatnonzero(found)[order]))
        texts = near_texts(near, rows)
        values, offsets = compared_sets(near, rows)
        signatures = sign_sets(values, offsets, near.num_permutations, near.seed)
        columns = {
            "component": components[order],
            "doc": integers(rows, "doc"),
            "id": rows.column("id"),
            "rank": keeper_rank(rows, near.keep, near.source_priority),
            "age": np.full(len(rows), NOW),
            "weight": _weights(rows, counted),
            "held": with_counted(integers(rows, "doc"), held(rows), counted),
            **({"source": rows.column("source")} if storing else {}),
            "written": written_column(texts),
            "signature": signature_column(signatures),
            "shingles": pa.LargeListArray.from_arrays(offsets, values),
            "part": part.take(pa.array(order)),
        }
        yield "candidates", pa.table(columns)


def _weights(rows: pa.Table, counted: list[pa.Table]) -> np.ndarray:
    """Return how many documents each row represents, by earlier dedups."""
    weights = np.ones(len(rows), np.int32)
    if "cluster_size" in rows.column_names:
        sizes = pc.fill_null(rows.column("cluster_size"), 1).to_numpy()
        weights = np.maximum(weights, sizes).astype(np.int32)
    docs = integers(rows, "doc")
    for table in counted:
        order = np.argsort(integers(table, "doc"), kind="stable")
        at, found = find_sorted(integers(table, "doc")[order], docs)
        weights[found] = integers(table, "cluster_size")[order][at[found]]
    return weights


def _streams(inputs: Inputs, datasets: tuple[str, ...]) -> Iterator[pa.Table]:
    for dataset in datasets:
        yield from inputs.stream(dataset)


def _verify(
    near: NearDuplicates, datasets: tuple[str, ...], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Apply the rule of removal to each component."""
    for table in inputs.stream("empty"):
        yield "decisions", drop_all(table, "empty")
    bands, rows = near.band_shape
    for decisions, unindexed in resolve_components(
        lambda: _streams(inputs, datasets),
        rule_of(near),
        bands=bands,
        rows=rows,
        budget=near.component_bytes,
    ):
        yield "decisions", decisions
        yield "unindexed", unindexed
