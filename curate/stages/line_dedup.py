"""Cut lines or paragraphs that many documents share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.keeper import keeper_column
from curate.dedup.options import RepeatedLines
from curate.errors import RecipeError
from curate.protocol.stage import Barrier, Step
from curate.protocol.tables import drop, on_alive
from curate.schema import MEASURED_COLUMNS, STAGE_COLUMNS, VERDICT_COLUMNS, whole

#: The columns that a cutting stage may rewrite; measurements of the earlier text become null.
CUT_COLUMNS = ("text", *MEASURED_COLUMNS, *VERDICT_COLUMNS)
#: What a dedup store holds of a document besides its keys.
STORED_COLUMNS = ("source", "url")


class CuttingBarrier(Barrier):
    """A barrier that cuts spans out of documents, or drops them."""

    adds: ClassVar[tuple[str, ...]] = ("cuts",)
    rewrites: ClassVar[tuple[str, ...]] = CUT_COLUMNS
    removes_text: ClassVar[bool] = True

    def check_planned(self) -> None:
        """Refuse to work without the view of a store that only a plan opens."""
        if (self.against or self.store) and self.known is None:
            raise RecipeError("a dedup store needs a plan", hint="use a recipe")

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Join decisions to active rows by ``id``: cut their spans, or drop them."""
        if "cuts" not in table.column_names:
            table = table.append_column("cuts", pa.nulls(table.num_rows, STAGE_COLUMNS["cuts"]))

        def decided(alive: pa.Table) -> pa.Table:
            from curate.dedup.cuts import apply_cuts

            ids = whole(alive.column("id"))
            alive = apply_cuts(self.name, alive, decisions, tally)
            at = pc.index_in(ids, value_set=whole(decisions.column("id")))
            rules, values = (
                whole(decisions.column(name)).take(at) for name in ("dropped_by", "dropped_value")
            )
            return drop(alive, self.name, rules, values)

        return on_alive(table, decided) if decisions.num_rows else table


@dataclass(frozen=True)
class LineDedup(RepeatedLines, CuttingBarrier):
    """Cut lines or paragraphs that many documents share; see ``curate.dedup.repeated_lines``.

    A document of which nothing is left is dropped as ``nothing_left``, one that would lose more
    than ``max_cut`` of its bytes as ``mostly_repeated``; both keep their text. Measure and judge
    again afterwards. The tally counts ``cut:documents``, ``cut:lines`` (or ``cut:paragraphs``) and
    ``cut:bytes``.

    A store remembers the lines of all documents that were counted here, whatever became of them. A
    later run counts those, too, and they come first: a line that is in the store and common is cut
    from every document of the run.
    """

    against: str | None = None
    """Address of a store of documents that earlier runs read here. Example: "s3://corpus/lines"."""
    store: str | None = None
    """The same, and the documents read here are added to it. Example: "s3://corpus/lines"."""
    known: Any = field(default=None, metadata={"planned": True})
    own: tuple[str, ...] = field(default=(), metadata={"planned": True})
    name: str = "line_dedup"
    refuses_chat: ClassVar[bool] = True

    @property
    def reads(self) -> tuple[str, ...]:
        group = () if self.per == "corpus" else (self.per,)
        read = (
            "id",
            "text",
            "messages",
            *VERDICT_COLUMNS,
            keeper_column(self.keep, self.own),
            *group,
            *(STORED_COLUMNS if self.store else ()),
        )
        return tuple(dict.fromkeys(read))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id and the keys of the units of each row."""
        from curate.dedup import repeated_lines

        self.check_planned()
        return repeated_lines.sketch(self, table, storing=self.store is not None)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""
        from curate.dedup import repeated_lines

        return repeated_lines.steps(self, self.known, storing=self.store is not None)


def cut_again(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Repeat the cuts in a text that its column `cuts` records."""
    from curate.dedup.cuts import without

    return without(text, spans)
