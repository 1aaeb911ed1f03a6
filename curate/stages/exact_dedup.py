"""Drop documents that have the text, prompt or address of another one; see curate/dedup/exact.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.dedup.compared import column_of
from curate.dedup.keeper import keeper_column
from curate.dedup.options import ExactDuplicates
from curate.protocol.stage import Barrier, Step
from curate.protocol.tables import drop, on_alive, with_columns
from curate.protocol.tallies import (
    CLUSTER_SIZE,
    MET_MAX_WITNESSES,
    PAIRS_COMPARED,
    PAIRS_VERIFIED,
    tally_key,
)

#: The evidence that a dedup leaves on a row.
DEDUP_COLUMNS = ("cluster", "cluster_size", "duplicate_of", "jaccard")


@dataclass(frozen=True)
class ExactDedup(ExactDuplicates, Barrier):
    """Keep the best of the documents that share a normalised text, a prompt, or an address.

    A document without any text is dropped as `empty`; one without an address is never a duplicate
    by address. A prompt is every turn of the user of a conversation; a document that is not a
    conversation is never a duplicate by prompt.
    """

    name: str = "exact_dedup"

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("id", "text", column_of(self.on), keeper_column(self.keep))))

    @property
    def adds(self) -> tuple[str, ...]:
        return DEDUP_COLUMNS

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, hash and keeper rank of each row."""
        from curate.dedup import exact

        return exact.sketch(self, table)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""
        from curate.dedup import exact

        return exact.steps(self)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows that the decisions drop, with the evidence."""
        return give_verdicts(self.name, table, decisions, tally)

    def reassign_witness(self, rejects: pa.Table, decisions: pa.Table) -> pa.Table:
        """Let rows that an earlier stage dropped name a witness that this one keeps."""
        from curate.dedup.witness_chain import reassign_witness

        return reassign_witness(rejects, decisions)


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
        ours = {
            name: schema.whole(decisions.column(name)).take(at)
            for name in (*DEDUP_COLUMNS, "dropped_by", "dropped_value")
        }
        evidence = {
            name: pc.coalesce(ours[name], schema.whole(alive.column(name)))
            for name in DEDUP_COLUMNS
        }
        kept = pc.is_null(ours["dropped_by"])
        for size in pc.value_counts(pc.drop_null(ours["cluster_size"].filter(kept))).to_pylist():
            tally[tally_key(CLUSTER_SIZE, size["values"])] += size["counts"]
        if "capped" in decisions.column_names:
            capped, compared, copies = (
                schema.whole(decisions.column(name)).take(at)
                for name in ("capped", "compared", "copies")
            )
            tally[MET_MAX_WITNESSES] += pc.sum(capped).as_py() or 0
            tally[PAIRS_COMPARED] += pc.sum(compared).as_py() or 0
            tally[PAIRS_VERIFIED] += len(pc.drop_null(ours["jaccard"]))
            # A kept row counts the documents that it represents, over all dedups so far.
            evidence["cluster_size"] = pc.coalesce(
                pc.if_else(pc.greater(copies, 1), copies, None), evidence["cluster_size"]
            )
        return drop(with_columns(alive, evidence), stage, ours["dropped_by"], ours["dropped_value"])

    # Without the texts, so that they are not copied when dropped rows are put back in their places.
    whole = with_columns(table, absent)
    names = ("id", "dropped_by", "dropped_value", *DEDUP_COLUMNS)
    narrow = on_alive(whole.select(names), joined)
    return with_columns(whole, {name: schema.whole(narrow.column(name)) for name in names[1:]})
