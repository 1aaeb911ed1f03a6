"""Drop near duplicates that a kept document witnesses; see curate/dedup/PRIMER.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import pyarrow as pa

from curate.dedup.keeper import keeper_column
from curate.dedup.options import NearDuplicates, Shingling, Similarity
from curate.errors import RecipeError
from curate.protocol.stage import Barrier, Step
from curate.stages.exact_dedup import DEDUP_COLUMNS, column_of, give_verdicts


@dataclass(frozen=True)
class FuzzyDedup(Barrier):
    """Keep the best of the documents whose shingle sets are alike: Jaccard >= `threshold`.

    `recall` is the chance that a pair at the threshold is looked at; it chooses `bands` and `rows`
    unless both are given. A document without words is dropped as `empty`. `on = "prompt"`
    compares what the users of conversations say, all their turns; other documents take no part.

    `similarity = "containment"` drops what stands, for `threshold` of its shingles, inside a kept
    document; the bands then look for pairs of up to `length_ratio` times the length.

    `against` is a store of what earlier runs kept, which nothing kept here may repeat. `store` is
    that too, and what is kept here is added to it. `known` is the plan's view of it.
    """

    threshold: float = 0.8
    recall: float = 0.97
    bands: int | None = None
    rows: int | None = None
    shingle: Literal["word", "char"] = "word"
    ngram: int = 5
    on: Literal["text", "prompt"] = "text"
    keep: str = "longest"
    max_witnesses: int = 64
    component_bytes: int = 256 << 20
    seed: int = 1
    source_priority: tuple[str, ...] = ()
    similarity: Similarity = "jaccard"
    length_ratio: float = 2.0
    against: str | None = None
    store: str | None = None
    known: Any = field(default=None, metadata={"planned": True})
    name: str = "fuzzy_dedup"
    compares_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self.near_duplicates  # refuses what cannot be

    @cached_property
    def near_duplicates(self) -> NearDuplicates:
        """What it was told, with bands and rows."""
        return NearDuplicates.aimed(
            self.recall,
            self.bands,
            self.rows,
            self.threshold,
            self.similarity,
            self.length_ratio,
            shingling=Shingling(self.shingle, self.ngram),
            on=self.on,
            keep=self.keep,
            max_witnesses=self.max_witnesses,
            component_bytes=self.component_bytes,
            seed=self.seed,
            source_priority=tuple(self.source_priority),
        )

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
        """Give id, signature, number of shingles, language and size of each row."""
        from curate.dedup.fuzzy import steps

        if (self.against or self.store) and self.known is None:
            raise RecipeError("a dedup store needs a plan", hint="use a recipe, or curate dedup")
        return steps.sketch(self.near_duplicates, table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        from curate.dedup.fuzzy import steps

        keep = self.store is not None
        return steps.tasks(self.near_duplicates, self.known, keep=keep)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop what was decided, with its evidence."""
        return give_verdicts(self.name, table, decisions, tally)

    def reassign_witness(self, rejects: pa.Table, decisions: pa.Table) -> pa.Table:
        """Let what an earlier stage dropped name a witness that this one keeps."""
        from curate.dedup.witness_chain import follow

        return follow(rejects, decisions)
