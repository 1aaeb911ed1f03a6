"""Drop near duplicates of a kept document, its witness; see curate/dedup/PRIMER.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.dedup.compared import column_of
from curate.dedup.keeper import keeper_column
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError
from curate.protocol.stage import Barrier, Step
from curate.stages.verdicts import DEDUP_COLUMNS, give_verdicts


@dataclass(frozen=True)
class FuzzyDedup(NearDuplicates, Barrier):
    """Keep the best of the documents with similar shingle sets: Jaccard >= `threshold`.

    `recall` is the chance that a pair at the threshold is compared; it chooses `bands` and `rows`
    unless both are given. A document without words is dropped as `empty`. `on = "prompt"`
    compares all turns of the users of conversations; other documents take no part.

    `similarity = "containment"` drops a document when `threshold` of its shingles occur in a kept
    document; the bands then look for pairs of up to `length_ratio` times the length.

    `against` is a store of documents that earlier runs kept, which nothing kept here may repeat.
    `store` is that too, and the documents kept here are added to it. `known` is the plan's view of
    it.
    """

    against: str | None = None
    """Address of a store of documents that earlier runs kept. Example: "s3://corpus/dedup"."""
    store: str | None = None
    """The same, and the documents kept here are added to it. Example: "s3://corpus/dedup"."""
    known: Any = field(default=None, metadata={"planned": True})
    name: str = "fuzzy_dedup"
    compares_pairs: ClassVar[bool] = True

    @property
    def near_duplicates(self) -> NearDuplicates:
        """The options of the MinHash dedup, which this stage inherits."""
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        own = (column_of(self.on), keeper_column(self.keep), *(("source",) if self.store else ()))
        return tuple(dict.fromkeys(("id", "text", *own)))

    @property
    def adds(self) -> tuple[str, ...]:
        return DEDUP_COLUMNS

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, signature and number of shingles of each row."""
        from curate.dedup.fuzzy import steps

        if (self.against or self.store) and self.known is None:
            raise RecipeError("a dedup store needs a plan", hint="use a recipe, or curate dedup")
        return steps.sketch(self, table)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""
        from curate.dedup.fuzzy.steps import fuzzy_steps

        return fuzzy_steps(self, self.known, storing=self.store is not None)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows that the decisions drop, with the evidence."""
        return give_verdicts(self.name, table, decisions, tally)

    def reassign_witness(self, rejects: pa.Table, decisions: pa.Table) -> pa.Table:
        """Let rows that an earlier stage dropped name a witness that this one keeps."""
        from curate.dedup.witness_chain import reassign_witness

        return reassign_witness(rejects, decisions)
