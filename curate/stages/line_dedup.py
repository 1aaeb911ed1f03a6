"""Line dedup: cuts lines or paragraphs that many documents share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.keeper import keeper_column
from curate.dedup.options import RepeatedLines
from curate.protocol.stage import Barrier, Step
from curate.protocol.tables import drop, on_alive
from curate.schema import STAGE_COLUMNS, VERDICT_COLUMNS, whole

#: What a stage that cuts may rewrite. What was measured on another text becomes null, signals too.
CUT_COLUMNS = ("text", "n_tokens", *VERDICT_COLUMNS)


@dataclass(frozen=True)
class LineDedup(Barrier):
    """Cut units that ``min_documents`` documents or more share; see ``curate.dedup.repeated_lines``.

    ``unit`` is a line or a paragraph; documents are counted ``per`` corpus, language or source. The
    first document in keeper order (``keep``) keeps a unit, so that nothing is lost altogether;
    without ``keep_first`` every copy goes. Units of fewer than ``min_characters`` visible characters
    stay, those of Han, Kana and Hangul counted twice. A document of which nothing is left is dropped as ``nothing_left``, one that would lose more
    than ``max_cut`` of its bytes as ``mostly_repeated``; both keep their text. Measure and judge again
    afterwards. The tally counts ``cut:documents``, ``cut:lines`` (or ``cut:paragraphs``), ``cut:bytes``.
    """

    unit: Literal["line", "paragraph"] = "line"
    min_documents: int = 10
    min_characters: int = 20
    keep_first: bool = True
    max_cut: float = 1.0
    per: Literal["corpus", "lang", "source"] = "corpus"
    keep: str = "longest"
    source_priority: tuple[str, ...] = ()
    name: str = "line_dedup"

    adds: ClassVar[tuple[str, ...]] = ("cuts",)
    rewrites: ClassVar[tuple[str, ...]] = CUT_COLUMNS
    refuses_chat: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self._options  # refuses what cannot be

    @cached_property
    def _options(self) -> RepeatedLines:
        return RepeatedLines(
            self.unit,
            self.min_documents,
            self.min_characters,
            self.keep_first,
            self.max_cut,
            self.per,
            self.keep,
            tuple(self.source_priority),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        group = () if self.per == "corpus" else (self.per,)
        read = ("id", "text", "messages", *VERDICT_COLUMNS, keeper_column(self.keep), *group)
        return tuple(dict.fromkeys(read))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id and the keys of the units of each row."""
        from curate.dedup import repeated_lines

        return repeated_lines.sketch(self._options, table)

    def steps(self) -> tuple[Step, ...]:
        """Give the steps from sketches to decisions."""
        from curate.dedup import repeated_lines

        return repeated_lines.tasks(self._options)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Cut and drop what was decided."""
        return cut_or_drop(self.name, table, decisions, tally)


def cut_or_drop(stage: str, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
    """Join decisions to living rows by ``id``: cut their spans, or drop them."""
    if "cuts" not in table.column_names:
        table = table.append_column("cuts", pa.nulls(table.num_rows, STAGE_COLUMNS["cuts"]))

    def decided(alive: pa.Table) -> pa.Table:
        from curate.dedup.cuts import carry_out

        ids = whole(alive.column("id"))
        alive = carry_out(stage, alive, decisions, tally)
        at = pc.index_in(ids, value_set=whole(decisions.column("id")))
        rules, values = (
            whole(decisions.column(name)).take(at) for name in ("dropped_by", "dropped_value")
        )
        return drop(alive, stage, rules, values)

    return on_alive(table, decided) if decisions.num_rows else table


def cut_again(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Cut what was cut from a text before, as its column `cuts` says."""
    from curate.dedup.cuts import without

    return without(text, spans)
