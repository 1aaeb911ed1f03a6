"""What several stages share: how decisions become verdicts, and verdicts without a value."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.protocol import tallies
from curate.protocol.tables import drop, on_alive, texts, with_columns

#: The evidence that a dedup leaves on a row.
DEDUP_COLUMNS = (
    "cluster", "cluster_size", "cluster_sources", "n_cluster_sources", "duplicate_of", "jaccard",
)  # fmt: skip
_DECIDED = tuple(name for name in DEDUP_COLUMNS if name != "n_cluster_sources")


def drop_where(table: pa.Table, stage: str, mask: pa.BooleanArray, rule: str) -> pa.Table:
    """Drop the rows of a mask by one rule that measures nothing."""
    rules = pc.if_else(mask, pa.scalar(rule), pa.scalar(None, pa.string()))
    return drop(table, stage, rules, pa.nulls(table.num_rows, pa.float64()))


def texts_outside_chat(table: pa.Table) -> pa.LargeStringArray:
    """Return the texts; null for conversations, which have turns and no lines."""
    if "messages" not in table.column_names:
        return texts(table)
    chat = pc.is_valid(schema.whole(table.column("messages")))
    return pc.if_else(chat, pa.scalar(None, pa.large_string()), texts(table))


def partition_of_value(rows: pa.Table, column: str, partitions: int) -> pa.Array:
    """Return the column `part` that sends rows with equal text in a column to one partition."""
    from curate.mixture.sampling import sample_key

    hashed = sample_key(rows.column(column), 0)
    return pa.array((hashed % np.uint64(partitions)).astype(np.int32))


def give_verdicts(
    stage: str, table: pa.Table, decisions: pa.Table, tally: Counter[str]
) -> pa.Table:
    """Join decisions to active rows by `id`: the verdict, and the evidence.

    Evidence of an earlier dedup stays on rows on which this one decides nothing.
    """
    absent = {
        name: pa.nulls(table.num_rows, schema.STAGE_COLUMNS[name])
        for name in DEDUP_COLUMNS
        if name not in table.column_names
    }

    def joined(alive: pa.Table) -> pa.Table:
        at = pc.index_in(
            schema.whole(alive.column("id")), value_set=schema.whole(decisions.column("id"))
        )
        verdicts = {
            name: schema.whole(decisions.column(name)).take(at)
            for name in (*_DECIDED, "dropped_by", "dropped_value")
        }
        evidence = {
            name: pc.coalesce(verdicts[name], schema.whole(alive.column(name))) for name in _DECIDED
        }
        sources = pc.list_value_length(evidence["cluster_sources"])
        evidence["n_cluster_sources"] = pc.fill_null(sources, 1)
        kept = pc.is_null(verdicts["dropped_by"])
        for size in pc.value_counts(
            pc.drop_null(verdicts["cluster_size"].filter(kept))
        ).to_pylist():
            tally[tallies.tally_key(tallies.CLUSTER_SIZE, size["values"])] += size["counts"]
        if "capped" in decisions.column_names:
            capped, compared, copies = (
                schema.whole(decisions.column(name)).take(at)
                for name in ("capped", "compared", "copies")
            )
            tally[tallies.MET_MAX_WITNESSES] += pc.sum(capped).as_py() or 0
            tally[tallies.PAIRS_COMPARED] += pc.sum(compared).as_py() or 0
            tally[tallies.PAIRS_VERIFIED] += len(pc.drop_null(verdicts["jaccard"]))
            # A kept row counts the documents that it represents, over all dedups so far.
            evidence["cluster_size"] = pc.coalesce(
                pc.if_else(pc.greater(copies, 1), copies, None), evidence["cluster_size"]
            )
        return drop(
            with_columns(alive, evidence), stage, verdicts["dropped_by"], verdicts["dropped_value"]
        )

    # Without the texts, so that they are not copied when dropped rows are put back in their places.
    whole = with_columns(table, absent)
    names = ("id", "dropped_by", "dropped_value", *DEDUP_COLUMNS)
    narrow = on_alive(whole.select(names), joined)
    return with_columns(whole, {name: schema.whole(narrow.column(name)) for name in names[1:]})
