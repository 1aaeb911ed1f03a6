"""Near duplicates: the steps from sketches to decisions, as PRIMER.md draws them.

Each step is a function of the rows that were routed to it. Nothing in it depends on how many shards
or partitions there are; tests hold every answer against a brute force that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.exact import compared, language_and_size
from curate.dedup.fuzzy.components import bucket_star, contract, label
from curate.dedup.fuzzy.earlier_runs import (
    Past,
    is_old,
    keeping,
    matching_keys,
    needed,
    reader_of,
    recall,
    remember,
)
from curate.dedup.fuzzy.minhash import (
    band_keys,
    fewest_equal,
    maybe_shared,
    sign_sets,
    sign_texts,
    signature_array,
    signature_column,
)
from curate.dedup.fuzzy.resolve_components import NOW, solve
from curate.dedup.fuzzy.verify import Rule
from curate.dedup.keeper import keeper_rank
from curate.dedup.options import NearDuplicates
from curate.dedup.shingles import shingle_sets
from curate.dedup.witness_chain import with_twins
from curate.kernels.grouping import first_of_runs
from curate.kernels.hashing import spread
from curate.protocol.routing import decide, integers, part_of, read_docs, shard_of
from curate.protocol.stage import Inputs, Step

#: Every pair of a bucket up to this size is estimated; a larger bucket is joined as a whole.
PAIRWISE_LIMIT = 64
#: Edges are contracted whenever this many have been read.
_MANY_EDGES = 4_000_000


def sketch(near: NearDuplicates, table: pa.Table) -> pa.Table:
    """Give id, signature, number of shingles, language and size of each row."""
    texts = compared(table, near.on)
    signatures, counts = sign_texts(texts, near.shingling, near.count, near.seed)
    if near.on == "prompt":  # what has no prompt is not empty, and takes no part
        counts = np.where(np.asarray(texts.is_null()), -1, counts)
    return pa.table(
        {
            "id": table.column("id"),
            "signature": signature_column(signatures),
            "n_shingles": counts,
            **language_and_size(table),
        }
    )


def tasks(
    near: NearDuplicates, past: Past | None = None, *, keep: bool = False
) -> tuple[Step, ...]:
    """Give the steps of the resolve, in their order.

    With a `past` the documents of a store are witnesses too; with `keep` what is kept is written for
    one.
    """
    past = past if past is not None and past.generations else None
    attached = ("attached", "attached_old") if past else ("attached",)
    members = ("witnesses", "candidates") if past else ("candidates",)
    steps = [
        Step("route", "shard", ("sketch", "decided"), ("keys", "empty"), partial(_route, near)),
        Step(
            "buckets",
            "partition",
            ("keys",),
            ("buckets", "wanted", "wanted_old"),
            partial(_buckets, near, past),
        ),
        Step("attach", "shard", ("wanted", "sketch"), ("attached",), _attach),
        Step(
            "edges",
            "partition",
            ("buckets", *attached),
            ("forest",),
            partial(_edges, near, attached),
        ),
        Step("forest", "tree", ("forest",), ("forest",), _merge),
        Step("label", "one", ("forest",), ("members", "members_old"), _label),
        Step(
            "fetch",
            "shard",
            ("members", "counted", "text"),
            ("candidates",),
            partial(_fetch, near, keep),
        ),
        Step(
            "solve",
            "partition",
            (*members, "empty"),
            ("decisions", "unlisted"),
            partial(_solve, near, members),
        ),
    ]
    if past is not None:
        steps.insert(
            3,
            Step("recall", "partition", ("wanted_old",), ("attached_old",), partial(recall, past)),
        )
        steps.insert(
            8,
            Step(
                "remember", "partition", ("members_old",), ("witnesses",), partial(remember, past)
            ),
        )
    return (*with_twins(tuple(steps)), *(keeping(near) if keep else ()))


def rule(near: NearDuplicates) -> Rule:
    """Give the numbers of the rule of removal."""
    return Rule(
        near.threshold,
        fewest_equal(near.aim, near.count),
        near.max_witnesses,
        near.similarity == "containment",
    )


def _route(near: NearDuplicates, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send the band keys of each document to the partitions of the keys."""
    decided = read_docs(inputs, "decided")
    for table in inputs.stream("sketch"):
        docs = integers(table, "doc")
        alive = ~np.isin(docs, decided)
        n_shingles = integers(table, "n_shingles")
        worded = n_shingles > 0
        empty = table.filter(pa.array(alive & (n_shingles == 0))).select(["doc", "id"])
        if len(empty):
            part = part_of(spread(integers(empty, "doc")), inputs.partitions)
            yield "empty", empty.append_column("part", part)
        rows = np.flatnonzero(alive & worded)
        if not len(rows):
            continue
        keys = band_keys(signature_array(table)[rows], near.bands, near.rows).reshape(-1, 2)
        high = np.ascontiguousarray(keys[:, 0])
        yield (
            "keys",
            pa.table(
                {
                    "high": high,
                    "low": np.ascontiguousarray(keys[:, 1]),
                    "doc": np.repeat(docs[rows], near.bands),
                    "part": part_of(high, inputs.partitions),
                }
            ),
        )


def _buckets(
    near: NearDuplicates, past: Past | None, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Keep the keys that two documents or more share; ask for the signatures that they need."""
    tables = list(inputs.stream("keys"))
    if not tables:
        return
    parts = [[integers(t, name) for name in ("high", "low", "doc")] for t in tables]
    del tables
    if past is not None:
        asked = np.unique(np.concatenate([high for high, _, _ in parts]))
        parts.append(list(matching_keys(past, asked, inputs.index, inputs.partitions)))
    # Most keys stand alone: put them aside before the sort.
    shared = maybe_shared([low for _, low, _ in parts])
    high, low, docs = (
        np.concatenate([columns[i][told] for columns, told in zip(parts, shared, strict=True)])
        for i in range(3)
    )
    order = np.lexsort((docs, low, high))
    high, low, docs = high[order], low[order], docs[order]
    run = np.cumsum(first_of_runs(high, low)) - 1
    if past is not None and len(run):
        matters = needed(run, docs, past, near.max_witnesses)
        run, docs = run[matters], docs[matters]
    size = np.bincount(run, minlength=1)[run] if len(run) else run
    several = size >= 2
    if not several.any():
        return
    docs, run, size = docs[several], run[several], size[several]
    here = pa.array(np.full(len(docs), inputs.index, np.int32))
    yield "buckets", pa.table({"doc": docs, "bucket": run, "part": here})
    wanted = np.unique(docs[size <= _limit(near)])
    old = wanted[is_old(wanted)]
    wanted = wanted[len(old) :]
    if len(wanted):
        back = np.full(len(wanted), inputs.index, np.int32)
        yield "wanted", pa.table({"doc": wanted, "back": back, "part": shard_of(wanted)})
    if len(old):
        back = np.full(len(old), inputs.index, np.int32)
        part = reader_of(old, inputs.partitions)
        yield "wanted_old", pa.table({"doc": old, "back": back, "part": part})


def _limit(near: NearDuplicates) -> int:
    # A bucket whose witnesses are all remembered may fall apart into several components; one whose
    # witnesses are not may not, or the first `max_witnesses` of each piece would be remembered.
    return min(PAIRWISE_LIMIT, near.max_witnesses)


def _attach(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send signatures to the partitions that asked for them."""
    tables = list(inputs.stream("wanted"))
    if not tables:
        return
    wanted = pa.concat_tables(tables)
    docs, back = integers(wanted, "doc"), integers(wanted, "back")
    order = np.lexsort((back, docs))
    docs, back = docs[order], back[order]
    for table in inputs.stream("sketch"):
        held = integers(table, "doc")
        by_doc = np.argsort(held, kind="stable")
        at = np.minimum(np.searchsorted(held[by_doc], docs), len(held) - 1)
        found = held[by_doc][at] == docs if len(held) else np.zeros(len(docs), np.bool_)
        if not found.any():
            continue
        rows = pa.array(by_doc[at[found]])
        attached = table.select(["doc", "signature"]).take(rows)
        yield "attached", attached.append_column("part", pa.array(back[found]))


def _edges(
    near: NearDuplicates, attached: tuple[str, ...], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Join the members of buckets that may verify; contract to a star."""
    tables = list(inputs.stream("buckets"))
    if not tables:
        return
    table = pa.concat_tables(tables)
    docs, bucket = integers(table, "doc"), integers(table, "bucket")
    documents, members = np.unique(docs, return_inverse=True)
    offsets = np.append(np.flatnonzero(first_of_runs(bucket)), len(bucket))
    signatures = np.zeros((len(documents), near.count), np.uint32)
    for table in _streams(inputs, attached):
        place = np.searchsorted(documents, integers(table, "doc"))
        signatures[place] = signature_array(table)
    child, root = bucket_star(
        documents,
        members.astype(np.int64),
        offsets,
        signatures,
        limit=_limit(near),
        fewest=rule(near).fewest,
    )
    yield from _forest(child, root)


def _forest(child: np.ndarray, root: np.ndarray) -> Iterator[tuple[str, pa.Table]]:
    if len(child):
        part = pa.array(np.zeros(len(child), np.int32))
        yield "forest", pa.table({"child": child, "root": root, "part": part})


def _contracted(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    child, root = np.empty(0, np.int64), np.empty(0, np.int64)
    waiting: list[pa.Table] = []
    for table in inputs.stream("forest"):
        waiting.append(table)
        if sum(len(t) for t in waiting) >= max(_MANY_EDGES, len(child)):
            child, root = _absorb(child, root, waiting)
            waiting = []
    return _absorb(child, root, waiting)


def _absorb(
    child: np.ndarray, root: np.ndarray, tables: list[pa.Table]
) -> tuple[np.ndarray, np.ndarray]:
    return contract(
        np.concatenate([child, *(integers(t, "child") for t in tables)]),
        np.concatenate([root, *(integers(t, "root") for t in tables)]),
    )


def _merge(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Merge forests."""
    yield from _forest(*_contracted(inputs))


def _label(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Tell each shard which of its documents are in a component of two or more, and in which."""
    docs, component = label(*_contracted(inputs))
    first = int(np.searchsorted(docs, 0))
    old, docs = docs[:first], docs[first:]
    if len(docs):
        members = component[first:]
        yield "members", pa.table({"doc": docs, "component": members, "part": shard_of(docs)})
    if len(old):
        part = reader_of(old, inputs.partitions)
        yield "members_old", pa.table({"doc": old, "component": component[:first], "part": part})


def _fetch(near: NearDuplicates, keep: bool, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Read the members' texts once more and send their shingles to the component's partition."""
    tables = list(inputs.stream("members"))
    if not tables:
        return
    members = pa.concat_tables(tables).sort_by("doc")
    docs, component = integers(members, "doc"), integers(members, "component")
    counted = [table.select(["doc", "cluster_size"]) for table in inputs.stream("counted")]
    for table in inputs.stream("text"):
        held = integers(table, "doc")
        at = np.minimum(np.searchsorted(docs, held), len(docs) - 1)
        found = docs[at] == held
        if not found.any():
            continue
        theirs = component[at[found]]
        part = part_of(spread(theirs), inputs.partitions)
        # In the order of their partitions, so that sets are not copied to be sent.
        order = np.argsort(part, kind="stable")
        theirs = theirs[order]
        rows = table.take(pa.array(np.flatnonzero(found)[order]))
        values, offsets = shingle_sets(compared(rows, near.on), near.shingling)
        yield (
            "candidates",
            pa.table(
                {
                    "component": theirs,
                    "doc": integers(rows, "doc"),
                    "id": rows.column("id"),
                    "rank": keeper_rank(rows, near.keep, near.source_priority),
                    "age": np.full(len(rows), NOW),
                    "weight": _weights(rows, counted),
                    **({"source": rows.column("source")} if keep else {}),
                    "signature": signature_column(
                        sign_sets(values, offsets, near.count, near.seed)
                    ),
                    "shingles": pa.LargeListArray.from_arrays(offsets, values),
                    "part": part.take(pa.array(order)),
                }
            ),
        )


def _weights(rows: pa.Table, counted: list[pa.Table]) -> np.ndarray:
    """Say for how many documents each row stands, by earlier dedups of this read or an earlier one."""
    weights = np.ones(len(rows), np.int32)
    if "cluster_size" in rows.column_names:
        sizes = pc.fill_null(rows.column("cluster_size"), 1).to_numpy()
        weights = np.maximum(weights, sizes).astype(np.int32)
    docs = integers(rows, "doc")
    for table in counted:
        order = np.argsort(integers(table, "doc"), kind="stable")
        known = integers(table, "doc")[order]
        at = np.minimum(np.searchsorted(known, docs), max(0, len(known) - 1))
        found = known[at] == docs if len(known) else np.zeros(len(docs), np.bool_)
        weights[found] = integers(table, "cluster_size")[order][at[found]]
    return weights


def _streams(inputs: Inputs, datasets: tuple[str, ...]) -> Iterator[pa.Table]:
    for dataset in datasets:
        yield from inputs.stream(dataset)


def _solve(
    near: NearDuplicates, members: tuple[str, ...], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Apply the rule of removal to each component."""
    for table in inputs.stream("empty"):
        names = pc.if_else(table.column("id").is_valid(), "empty", "empty")
        yield (
            "decisions",
            decide(integers(table, "doc"), {"id": table.column("id"), "dropped_by": names}),
        )
    for decisions, unlisted in solve(
        lambda: _streams(inputs, members),
        rule(near),
        bands=near.bands,
        rows=near.rows,
        budget=near.component_bytes,
    ):
        yield "decisions", decisions
        yield "unlisted", unlisted
