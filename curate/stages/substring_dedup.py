"""Substring dedup: cuts spans of text that stand earlier in the corpus, wherever they stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import pyarrow as pa

from curate.dedup.keeper import keeper_column
from curate.dedup.options import RepeatedSpans
from curate.schema import VERDICT_COLUMNS
from curate.stages.base import Step
from curate.stages.line_dedup import CUT_COLUMNS, cut_or_drop


@dataclass(frozen=True)
class SubstringDedup:
    """Cut spans of ``min_bytes`` bytes or more that occur before; see ``curate.dedup.spans``.

    Before is: in a document that comes first in keeper order (``keep``), or earlier in the same one. A
    document of which nothing is left is dropped as ``nothing_left``, one that would lose more than
    ``max_cut`` of its bytes as ``mostly_repeated``. With ``action = "drop"`` nothing is cut: a document
    goes as ``repeated_span`` if more than the share ``max_repeated`` of its bytes repeats. Run exact and
    near dedup first, measure and judge again afterwards. The tally counts ``cut:documents``,
    ``cut:spans`` and ``cut:bytes``.
    """

    min_bytes: int = 200
    action: Literal["cut", "drop"] = "cut"
    max_cut: float = 1.0
    max_repeated: float = 0.0
    keep: str = "longest"
    source_priority: tuple[str, ...] = ()
    name: str = "substring_dedup"

    adds: tuple[str, ...] = ("cuts",)
    rewrites: tuple[str, ...] = CUT_COLUMNS
    decides: Literal["shard", "all"] = "shard"
    cuts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self._options  # refuses what cannot be

    @property
    def refuses_chat(self) -> bool:
        """Whether it would cut spans out of conversations."""
        return self.action == "cut"

    @cached_property
    def _options(self) -> RepeatedSpans:
        return RepeatedSpans(
            self.min_bytes,
            self.action,
            self.max_cut,
            self.max_repeated,
            self.keep,
            tuple(self.source_priority),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        read = ("id", "text", "messages", *VERDICT_COLUMNS, keeper_column(self.keep))
        return tuple(dict.fromkeys(read))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id, keeper rank, and anchors with their windows of each row."""
        from curate.dedup import spans

        return spans.sketch(self._options, table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        from curate.dedup import spans

        return tuple(Step(*task) for task in spans.tasks(self._options))

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Cut and drop what was decided."""
        return cut_or_drop(self.name, table, decisions, tally)
