"""Line dedup: cuts lines or paragraphs that many documents share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.options import RepeatedLines
from curate.stages.base import Step, drop, on_alive, texts, with_columns


@dataclass(frozen=True)
class LineDedup:
    """Cut units that ``min_documents`` documents or more share; see ``curate.dedup.lines``.

    ``unit`` is a line or a paragraph. Every copy goes, unless ``keep_first``; units of fewer than
    ``min_characters`` visible characters stay. A document of which nothing is left is dropped as
    ``nothing_left``, one that would lose more than ``max_cut`` of its bytes as ``mostly_repeated``.
    Measure and judge again afterwards. The tally counts ``cut:documents`` and ``cut:bytes``.
    """

    unit: Literal["line", "paragraph"] = "line"
    min_documents: int = 10
    min_characters: int = 20
    keep_first: bool = False
    max_cut: float = 1.0
    name: str = "line_dedup"

    reads: tuple[str, ...] = ("id", "text", "messages", "dropped_by", "dropped_value")
    adds: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ("text", "dropped_by", "dropped_value")
    decides: Literal["shard", "all"] = "shard"
    refuses_chat: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self._options  # refuses what cannot be

    @cached_property
    def _options(self) -> RepeatedLines:
        return RepeatedLines(
            self.unit, self.min_documents, self.min_characters, self.keep_first, self.max_cut
        )

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id and the keys of the units of each row."""
        from curate.dedup import lines

        return lines.sketch(self._options, table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        from curate.dedup import lines

        return tuple(Step(*task) for task in lines.tasks(self._options))

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Cut and drop what was decided."""
        return cut_or_drop(self.name, table, decisions, tally)


def cut_or_drop(stage: str, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
    """Join decisions to living rows by ``id``: cut their spans, or drop them."""

    def decided(alive: pa.Table) -> pa.Table:
        from curate.dedup.cuts import carry_out

        ids = alive.column("id").combine_chunks()
        after = carry_out(texts(alive), ids, decisions, tally)
        at = pc.index_in(ids, value_set=decisions.column("id").combine_chunks())
        rules, values = (
            decisions.column(name).combine_chunks().take(at)
            for name in ("dropped_by", "dropped_value")
        )
        return drop(with_columns(alive, {"text": after}), stage, rules, values)

    return on_alive(table, decided) if decisions.num_rows else table
