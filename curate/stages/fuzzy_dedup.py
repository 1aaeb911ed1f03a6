"""Drop near duplicates of a kept document, its witness; see curate/dedup/PRIMER.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.dedup.compared import columns_of
from curate.dedup.keeper import keeper_column
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError
from curate.protocol.stage import Step
from curate.stages.exact_dedup import DuplicateBarrier


@dataclass(frozen=True)
class FuzzyDedup(NearDuplicates, DuplicateBarrier):
    """Keep the best of the documents with similar shingle sets: similarity >= `threshold`.

    A document without words and signs is dropped as `empty`. One with a similar kept document, its
    witness, is dropped as `near_duplicate_words`, `near_duplicate_numbers` or
    `near_duplicate_signs`, by the first of these in which the two differ, and as `near_duplicate`
    if nothing differs but white space, case and canonical form. With `similarity = "containment"`
    these are `contained_words` and so on, and the bands look for pairs of up to `length_ratio`
    times the length. With `on = "prompt"` documents that are not conversations take no part. By
    text, conversations that differ in a call, the tools or the rejected answer are no duplicates,
    however many words they share.
    """

    against: str | None = None
    """Address of a store of documents that earlier runs kept. Example: "s3://corpus/dedup"."""
    store: str | None = None
    """The same, and the documents kept here are added to it. Example: "s3://corpus/dedup"."""
    known: Any = field(default=None, metadata={"planned": True})
    own: tuple[str, ...] = field(default=(), metadata={"planned": True})
    name: str = "fuzzy_dedup"
    compares_pairs: ClassVar[bool] = True

    @property
    def near_duplicates(self) -> NearDuplicates:
        """The options of the MinHash dedup, which this stage inherits."""
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        own = (*columns_of(self.on), keeper_column(self.keep, self.own))
        stored = ("url",) if self.store else ()
        return tuple(dict.fromkeys(("id", "text", "source", *own, *stored)))

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
