"""Solve components one group after another within a budget of memory, and check the result.

The rows of a partition are streamed as often as needed: once for the sizes of its components, then
once per group of components that fit in the budget together. A component that does not fit is
walked in blocks (see removal.walk).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.decisions import decide, integers
from curate.dedup.keeper import in_keeper_order
from curate.dedup.removal import Rule, Verdicts, walk
from curate.dedup.signatures import band_keys
from curate.errors import InternalError

Stream = Callable[[], Iterator[pa.Table]]


def solve(stream: Stream, rule: Rule, *, bands: int, rows: int, budget: int) -> Iterator[pa.Table]:
    """Yield the decisions on the rows of a stream (component, doc, id, rank, signature, shingles).

    Every component has all of its rows in the stream; their order does not matter.
    """
    stream, index = _held(stream, budget)
    if not len(index):
        return
    # Beside its shingles a member has a signature, and for each band a key and a bucket.
    for members in _groups(index, budget, 4 * bands * rows + 24 * bands):
        members = in_keeper_order(members)
        docs = integers(members, "doc")
        order = np.argsort(docs, kind="stable")
        by_doc = docs[order]
        signatures = np.empty((len(docs), bands * rows), np.uint32)
        for table in stream():
            place, table = _asked(table, by_doc, order)
            column = table.column("signature").combine_chunks()
            signatures[place] = column.flatten().to_numpy().reshape(-1, bands * rows)

        def read(
            asked: np.ndarray, docs: np.ndarray = docs
        ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            theirs = docs[asked]
            sort = np.argsort(theirs, kind="stable")
            for table in stream():
                place, table = _asked(table, theirs[sort], asked[sort])
                if len(table):
                    lists = table.column("shingles").combine_chunks()
                    values = lists.flatten().to_numpy()
                    lengths = pc.list_value_length(lists).to_numpy()
                    yield place, values, np.concatenate([[0], np.cumsum(lengths)])

        verdicts = walk(
            band_keys(signatures, bands, rows),
            signatures,
            integers(members, "size"),
            read,
            rule,
            block_values=max(1, budget // 8),
        )
        yield _decisions(members, verdicts, rule)


def _held(stream: Stream, budget: int) -> tuple[Stream, pa.Table]:
    """Read the sizes of all rows; hold the rows as well when they fit in the budget."""
    held: list[pa.Table] | None = []
    light: list[pa.Table] = []
    n_bytes = 0
    for table in stream():
        sizes = pc.list_value_length(table.column("shingles")).cast(pa.int64())
        light.append(table.select(["component", "doc", "id", "rank"]).append_column("size", sizes))
        n_bytes += table.nbytes
        held = [*held, table] if held is not None and n_bytes <= budget else None
    index = pa.concat_tables(light).combine_chunks() if light else pa.table({})
    if held is None:
        return stream, index
    rows = held
    return (lambda: iter(rows)), index


def _groups(index: pa.Table, budget: int, per_member: int) -> Iterator[pa.Table]:
    """Cut the rows into groups of whole components that fit in the budget together."""
    component = integers(index, "component")
    order = np.lexsort((integers(index, "doc"), component))
    component = component[order]
    first = np.flatnonzero(np.concatenate([[True], component[1:] != component[:-1]]))
    n_bytes = np.add.reduceat(per_member + 8 * integers(index, "size")[order], first)
    ends = [*first[1:].tolist(), len(component)]
    start, held = 0, 0
    for begin, end, size in zip(first.tolist(), ends, n_bytes.tolist(), strict=True):
        if begin > start and held + size > budget:
            yield index.take(pa.array(order[start:begin]))
            start, held = begin, 0
        held += size
        if end == len(component):
            yield index.take(pa.array(order[start:end]))


def _asked(table: pa.Table, docs: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, pa.Table]:
    """Keep the rows whose `doc` is in the sorted `docs`; give the places that belong to them."""
    held = integers(table, "doc")
    at = np.minimum(np.searchsorted(docs, held), len(docs) - 1)
    found = docs[at] == held
    return place[at[found]], table.filter(pa.array(found))


def _decisions(members: pa.Table, verdicts: Verdicts, rule: Rule) -> pa.Table:
    removed = verdicts.witness >= 0
    witness = verdicts.witness
    if removed[witness[removed]].any() or not (verdicts.jaccard[removed] >= rule.threshold).all():
        raise InternalError(
            "a removed document has no kept witness that verifies", where="fuzzy_dedup solve"
        )
    size = 1 + np.bincount(witness[removed], minlength=len(witness))
    head = np.where(removed, witness, np.arange(len(witness)))
    rows = np.flatnonzero(removed | (size >= 2) | verdicts.capped)
    ids = members.column("id").combine_chunks()
    gone = pa.array(removed[rows])
    heads = ids.take(pa.array(head[rows]))
    similarity = pc.if_else(gone, pa.array(verdicts.jaccard[rows]), None)
    grouped = pa.array(size[head[rows]] >= 2)
    return decide(
        integers(members, "doc")[rows],
        {
            "id": ids.take(pa.array(rows)),
            "dropped_by": pc.if_else(gone, "near_duplicate", None),
            "dropped_value": similarity,
            "duplicate_of": pc.if_else(gone, heads, None),
            "jaccard": similarity,
            "cluster": pc.if_else(grouped, heads, None),
            "cluster_size": pc.if_else(grouped, pa.array(size[head[rows]].astype(np.int32)), None),
            "capped": pa.array(verdicts.capped[rows]),
        },
    )
