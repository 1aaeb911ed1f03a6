"""Drop near duplicates that a kept document witnesses; see curate/dedup/PRIMER.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from curate.dedup.bands import s_curve
from curate.dedup.keeper import keeper_column
from curate.dedup.options import NearDuplicates, Shingling
from curate.stages.base import Step
from curate.stages.exact_dedup import DEDUP_COLUMNS, column_of, give_verdicts


@dataclass(frozen=True)
class FuzzyDedup:
    """Keep the best of the documents whose shingle sets are alike: Jaccard >= `threshold`.

    `recall` is the chance that a pair at the threshold is looked at; it chooses `bands` and `rows`
    unless both are given. A document without words is dropped as `empty`. `on = "prompt"`
    compares what the users of conversations say, all their turns; other documents take no part.
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
    name: str = "fuzzy_dedup"

    def __post_init__(self) -> None:
        _ = self._options  # refuses what cannot be

    @cached_property
    def _options(self) -> NearDuplicates:
        return NearDuplicates.aimed(
            self.recall,
            self.bands,
            self.rows,
            self.threshold,
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
        return tuple(dict.fromkeys(("id", "text", column_of(self.on), keeper_column(self.keep))))

    @property
    def adds(self) -> tuple[str, ...]:
        return DEDUP_COLUMNS

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    @property
    def decides(self) -> Literal["shard", "all"]:
        return "shard"

    @property
    def curve(self) -> list[tuple[float, float]]:
        """The S-curve of the bands: (Jaccard similarity, chance that a pair is looked at)."""
        return s_curve(self._options.bands, self._options.rows)

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id, signature, number of shingles, language and size of each row."""
        from curate.dedup import near

        return near.sketch(self._options, table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        from curate.dedup import near

        return tuple(Step(*task) for task in near.tasks(self._options))

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop what was decided, with its evidence."""
        return give_verdicts(self.name, table, decisions, tally)
