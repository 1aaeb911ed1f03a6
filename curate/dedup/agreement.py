"""Agreement of sources: which sources hold a document, and how much of one stands in another.

Text that several sources chose independently is better text (MixMinMatch, arXiv 2512.18834). Dedup
sees it anyway: the documents of a cluster are one document that their sources hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.kernels.grouping import find_sorted, first_of_runs, place_in_run
from curate.protocol import tallies
from curate.protocol.routing import integers
from curate.schema import CLUSTER_SOURCES, whole


def held(table: pa.Table) -> pa.ListArray:
    """Return by which sources each row is held: as an earlier dedup found, else by its own."""
    n = table.num_rows
    names = table.column_names
    source = whole(table.column("source")) if "source" in names else pa.nulls(n, pa.string())
    own = _lists(np.arange(n + 1), source, np.ones(n, np.int64), schema.text_bytes(table))
    if "cluster_sources" not in names:
        return own
    return pc.coalesce(whole(table.column("cluster_sources")), own)


def sources_of(table: pa.Table) -> pa.Array:
    """Return how many sources hold each row: 1 where `cluster_sources` is null."""
    return pc.fill_null(pc.list_value_length(whole(table.column("cluster_sources"))), 1)


def with_counted(docs: np.ndarray, own: pa.ListArray, counted: Iterable[pa.Table]) -> pa.ListArray:
    """Return what each document holds, where given as an earlier barrier of the group decided.

    The tables (doc, cluster_sources) are those of the dataset ``counted``; a later one counts.
    """
    for table in counted:
        if "cluster_sources" not in table.column_names or not table.num_rows:
            continue
        table = table.sort_by("doc")
        at, found = find_sorted(integers(table, "doc"), docs)
        if found.any():
            chosen = whole(table.column("cluster_sources")).take(pa.array(at, mask=~found))
            own = pc.coalesce(chosen, own)
    return own


def united(own: pa.ListArray, group: np.ndarray, groups: int) -> pa.ListArray:
    """Add up what the documents of each group hold: sources in the order of their names.

    ``group`` is the number of each document's group, below ``groups``; null holds nothing.
    """
    lengths = np.asarray(pc.fill_null(pc.list_value_length(own), 0))
    flat = own.flatten()
    owner = np.repeat(group, lengths)
    source = flat.field("source")
    place = np.asarray(pc.rank(source, tiebreaker="dense"))
    order = np.lexsort((place, owner))
    first = np.flatnonzero(first_of_runs(owner[order], place[order])) if len(order) else order
    documents, size = (
        np.add.reduceat(np.asarray(flat.field(name))[order], first).astype(np.int64)
        if len(first)
        else np.empty(0, np.int64)
        for name in ("documents", "bytes")
    )
    offsets = np.searchsorted(owner[order][first], np.arange(groups + 1))
    return _lists(offsets, source.take(pa.array(order[first])), documents, size)


def _lists(
    offsets: np.ndarray, source: pa.Array, documents: np.ndarray, size: np.ndarray
) -> pa.ListArray:
    fields = list(CLUSTER_SOURCES.value_type)
    values = [source, pa.array(documents, pa.int32()), pa.array(size, pa.int64())]
    each = pa.StructArray.from_arrays(values, fields=fields)
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), each)
    return lists.cast(CLUSTER_SOURCES)


def count_shared(rows: pa.Table, tally: Counter[str]) -> None:
    """Count, for the rows that dedup kept, what of each source stands in each other one.

    The documents and bytes of a source that are in clusters which the other one shares; for a
    source and itself, all that dedup saw of it.
    """
    if not rows.num_rows:
        return
    own = held(rows)
    lengths = np.asarray(pc.list_value_length(own))
    flat = own.flatten()
    start = np.repeat(np.cumsum(lengths) - lengths, lengths)
    times = np.repeat(lengths, lengths)  # each entry meets all of its document, itself too
    left = np.repeat(np.arange(len(flat)), times)
    first = np.zeros(len(left), np.bool_)
    first[np.cumsum(times) - times] = True
    right = np.repeat(start, times) + place_in_run(first)
    names = pc.fill_null(flat.field("source"), "")
    pairs = pa.table(
        {
            "of": names.take(pa.array(left)),
            "in": names.take(pa.array(right)),
            "documents": flat.field("documents").take(pa.array(left)),
            "bytes": flat.field("bytes").take(pa.array(left)),
        }
    )
    sums = pairs.group_by(["of", "in"]).aggregate([("documents", "sum"), ("bytes", "sum")])
    for row in sums.to_pylist():
        for kind, name in ((tallies.SHARED, "documents"), (tallies.SHARED_BYTES, "bytes")):
            tally[tallies.tally_key(kind, row["of"], row["in"])] += row[f"{name}_sum"]
