"""Apply the rule of removal to components, as many at a time as memory allows; check the result.

The rows of a partition are streamed as often as needed: once for the sizes of its components, then
once per group of components that fit in the budget together. A component that does not fit is
processed in blocks (see `verify.greedy_verify`). A member takes about 300 bytes besides its
signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.agreement import united
from curate.dedup.fuzzy.differences import differences
from curate.dedup.fuzzy.minhash import buckets_of, signature_array
from curate.dedup.fuzzy.verify import RemovalRule, Verdicts, greedy_verify
from curate.dedup.keeper import in_keeper_order
from curate.errors import InternalError
from curate.kernels.grouping import find_sorted, first_of_runs, place_in_run
from curate.protocol.routing import decide, integers, shard_of
from curate.schema import whole

Stream = Callable[[], Iterator[pa.Table]]

#: The age of this run's documents; those of a store have the number of their generation.
NOW = np.int32(0x7FFFFFFF)

#: Bytes that a member takes besides signature, buckets and shingles: id, numbers, sort positions.
_MEMBER_BYTES = 200


def resolve_components(
    stream: Stream, rule: RemovalRule, *, bands: int, rows: int, budget: int
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the decisions on the rows of a stream, and what a store does not need to index.

    The columns of the stream are component, doc, id, rank, age, weight, held, written, signature
    and shingles, and `source` where the kept documents are to be stored. Every component has all of
    its rows in the stream; their order does not matter. Rows of an age before `NOW` are kept: they
    are witnesses, and get no decision. The second table (doc, band) contains the kept documents
    that are so late in a full bucket that nothing will ever be compared with them in that band.
    """
    stream, index = _read_sizes(stream, budget)
    if not len(index):
        return
    for members in _groups(index, budget, 4 * bands * rows + 4 * bands + _MEMBER_BYTES):
        members = in_keeper_order(members, "age")
        docs = integers(members, "doc")
        order = np.argsort(docs, kind="stable")
        signatures = np.empty((len(docs), bands * rows), np.uint32)
        for table in stream():
            place, table = _select(table.select(["doc", "signature"]), docs[order], order)
            signatures[place] = signature_array(table)

        def read(
            chosen: np.ndarray, docs: np.ndarray = docs
        ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            numbers = docs[chosen]
            sort = np.argsort(numbers, kind="stable")
            for table in stream():
                columns = table.select(["doc", "shingles"])
                place, table = _select(columns, numbers[sort], chosen[sort])
                if len(table):
                    lists = whole(table.column("shingles"))
                    values = lists.flatten().to_numpy()
                    lengths = pc.list_value_length(lists).to_numpy()
                    yield place, values, np.concatenate([[0], np.cumsum(lengths)])

        buckets, counts = buckets_of(signatures, bands, rows)
        sizes, block = integers(members, "size"), max(1, budget // 8)
        known = int(np.count_nonzero(integers(members, "age") != NOW))
        verdicts = greedy_verify(
            buckets, counts, signatures, sizes, read, rule, block_values=block, always_kept=known
        )
        unindexed = _unindexed(members, verdicts, buckets, counts, rule.max_witnesses)
        yield _decisions(members, verdicts, rule), unindexed


def _read_sizes(stream: Stream, budget: int) -> tuple[Stream, pa.Table]:
    """Read the sizes of all rows; keep the rows in memory as well when they fit in the budget."""
    rows: list[pa.Table] | None = []
    light: list[pa.Table] = []
    n_bytes = 0
    for table in stream():
        sizes = pc.list_value_length(table.column("shingles")).cast(pa.int64())
        light.append(table.drop_columns(["signature", "shingles"]).append_column("size", sizes))
        n_bytes += table.nbytes
        rows = [*rows, table] if rows is not None and n_bytes <= budget else None
    # Rows of a store have no `source` and no `held`.
    index = pa.concat_tables(light, promote_options="default") if light else pa.table({})
    index = index.combine_chunks()
    if rows is None:
        return stream, index
    in_memory = rows
    return (lambda: iter(in_memory)), index


def _groups(index: pa.Table, budget: int, per_member: int) -> Iterator[pa.Table]:
    """Cut the rows into groups of whole components that fit in the budget together."""
    component = integers(index, "component")
    order = np.lexsort((integers(index, "doc"), component))
    component = component[order]
    first = np.flatnonzero(first_of_runs(component))
    n_bytes = np.add.reduceat(per_member + 8 * integers(index, "size")[order], first)
    ends = [*first[1:].tolist(), len(component)]
    start, total = 0, 0
    for begin, end, size in zip(first.tolist(), ends, n_bytes.tolist(), strict=True):
        if begin > start and total + size > budget:
            yield index.take(pa.array(order[start:begin]))
            start, total = begin, 0
        total += size
        if end == len(component):
            yield index.take(pa.array(order[start:end]))


def _select(table: pa.Table, docs: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, pa.Table]:
    """Keep the rows whose `doc` is in the sorted `docs`; return the places that belong to them."""
    at, found = find_sorted(docs, integers(table, "doc"))
    if found.all():  # the usual case, in which nothing is copied
        return place[at], table
    return place[at[found]], table.filter(pa.array(found))


def _decisions(members: pa.Table, verdicts: Verdicts, rule: RemovalRule) -> pa.Table:
    witness, similarity = verdicts.witness, verdicts.similarity
    removed = witness >= 0
    if removed[witness[removed]].any() or not (similarity[removed] >= rule.threshold).all():
        raise InternalError(
            "a removed document has no kept witness that verifies", where="fuzzy_dedup verify"
        )
    size = 1 + np.bincount(witness[removed], minlength=len(witness))
    head = np.where(removed, witness, np.arange(len(witness)))
    copies = np.bincount(head, weights=integers(members, "weight"), minlength=len(head))
    reported = removed | (size >= 2) | verdicts.capped | (verdicts.compared > 0)
    rows = np.flatnonzero(reported & (integers(members, "age") == NOW))
    ids = whole(members.column("id"))
    sources = united(whole(members.column("held")), head, len(head))
    dropped = pa.array(removed[rows])
    heads = ids.take(pa.array(head[rows]))
    grouped = pa.array(size[head[rows]] >= 2)
    jaccard = measured = similarity[rows]
    if rule.contained:
        # What is measured is the share of each set that its witness contains.
        sizes = integers(members, "size")
        both = np.rint(measured * sizes[rows])
        jaccard = both / (sizes[rows] + sizes[head[rows]] - both)
    written = whole(members.column("written"))
    own, other = written.take(pa.array(rows)), written.take(pa.array(head[rows]))
    name = "contained" if rule.contained else "near_duplicate"
    rules = [f"{name}_{unlike}" if unlike else name for unlike in differences(own, other).tolist()]
    return decide(
        integers(members, "doc")[rows],
        {
            "id": ids.take(pa.array(rows)),
            "dropped_by": pc.if_else(dropped, pa.array(rules, pa.string()), None),
            "dropped_value": pc.if_else(dropped, pa.array(measured), None),
            "duplicate_of": pc.if_else(dropped, heads, None),
            "jaccard": pc.if_else(dropped, pa.array(jaccard), None),
            "cluster": pc.if_else(grouped, heads, None),
            "cluster_size": pc.if_else(grouped, pa.array(size[head[rows]].astype(np.int32)), None),
            "cluster_sources": sources.take(pa.array(head[rows], mask=size[head[rows]] < 2)),
            "capped": pa.array(verdicts.capped[rows]),
            "copies": pc.if_else(dropped, None, pa.array(copies[rows].astype(np.int32))),
            "compared": pa.array(verdicts.compared[rows]),
        },
    )


def _unindexed(
    members: pa.Table,
    verdicts: Verdicts,
    buckets: np.ndarray,
    counts: np.ndarray,
    max_witnesses: int,
) -> pa.Table:
    """Find (doc, band) of kept documents behind the first `max_witnesses` of bucket and source.

    The documents of each source are counted apart, so that the index is still right once a source
    is removed. A bucket larger than `max_witnesses` lies in one component, so all of it is seen
    here.
    """
    docs, bands = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    if "source" in members.column_names and (counts > max_witnesses).any():
        kept = (verdicts.witness < 0) & (integers(members, "age") == NOW)
        sources = whole(members.column("source")).dictionary_encode().indices
        source = pc.fill_null(sources, -1).to_numpy().astype(np.int64)
        for band in range(buckets.shape[1]):
            bucket = buckets[:, band]
            rows = np.flatnonzero(kept & (bucket >= 0))
            rows = rows[counts[bucket[rows]] > max_witnesses]
            rows = rows[np.lexsort((rows, source[rows], bucket[rows]))]
            place = place_in_run(first_of_runs(bucket[rows], source[rows]))
            late = rows[place >= max_witnesses]
            docs.append(integers(members, "doc")[late])
            bands.append(np.full(len(late), band, np.int32))
    every = np.concatenate(docs)
    return pa.table({"doc": every, "band": np.concatenate(bands), "part": shard_of(every)})
