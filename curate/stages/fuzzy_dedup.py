"""Drop near duplicates that a kept document witnesses; see curate/dedup/PRIMER.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from curate.stages.base import Step
from curate.stages.exact_dedup import DEDUP_COLUMNS, give_verdicts

if TYPE_CHECKING:
    from curate.dedup.near import NearDuplicates


@dataclass(frozen=True)
class FuzzyDedup:
    """Keep the best of the documents whose shingle sets are alike: Jaccard >= `threshold`.

    `recall` is the chance that a pair at the threshold is looked at; it chooses `bands` and `rows`
    unless both are given. A document without words is dropped as `empty`.
    """

    threshold: float = 0.8
    recall: float = 0.97
    bands: int | None = None
    rows: int | None = None
    shingle: Literal["word", "char"] = "word"
    ngram: int = 5
    keep: str = "longest"
    max_witnesses: int = 64
    component_bytes: int = 256 << 20
    seed: int = 1
    source_priority: tuple[str, ...] = ()
    name: str = "fuzzy_dedup"

    decides = "shard"
    adds = DEDUP_COLUMNS
    rewrites = ("dropped_by", "dropped_value")

    def __post_init__(self) -> None:
        self._duplicates()

    @property
    def reads(self) -> tuple[str, ...]:
        from curate.dedup.keeper import keeper_column

        return tuple(dict.fromkeys(("id", "text", keeper_column(self.keep))))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id, signature, number of shingles, language and size of each row."""
        return self._duplicates().sketch(table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        return tuple(Step(*task) for task in self._duplicates().tasks())

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop what was decided, with its evidence."""
        return give_verdicts(self.name, table, decisions, tally)

    def _duplicates(self) -> NearDuplicates:
        from curate.dedup.near import NearDuplicates
        from curate.dedup.shingles import Shingling

        return NearDuplicates.aimed(
            self.recall,
            self.bands,
            self.rows,
            self.threshold,
            shingling=Shingling(self.shingle, self.ngram),
            keep=self.keep,
            max_witnesses=self.max_witnesses,
            component_bytes=self.component_bytes,
            seed=self.seed,
            source_priority=tuple(self.source_priority),
        )
