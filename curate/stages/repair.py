"""Repair: errors of encoding and form in any language, before another stage reads the text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive, rewrite_text, texts
from curate.schema import VERDICT_COLUMNS
from curate.stages.verdicts import drop_where
from curate.text.repair import repair


@dataclass(frozen=True)
class Repair(MapStage):
    """Undo mojibake, normalise to NFC, remove controls and spare whitespace.

    See ``curate.text.repair``.

    A document without a visible character is dropped as ``repair:empty_text``. The tally counts
    texts; each message of a chat document is one.
    """

    name: str = "repair"

    reads: ClassVar[tuple[str, ...]] = ("text", "messages", "rejected", *VERDICT_COLUMNS)
    rewrites: ClassVar[tuple[str, ...]] = reads
    idempotent: ClassVar[bool] = True

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Repair the active documents."""

        def fix(strings: pa.LargeStringArray) -> pa.LargeStringArray:
            repaired, counts = repair(strings)
            tally.update(counts)
            return repaired

        return on_alive(table, lambda active: self._without_empty(rewrite_text(active, fix)))

    def _without_empty(self, table: pa.Table) -> pa.Table:
        text = texts(table)
        # utf8_is_space is false for the empty string; null is no text either.
        empty = pc.or_(pc.utf8_is_space(text), pc.equal(pc.binary_length(text), 0))
        empty = pc.fill_null(empty, True)
        return drop_where(table, self.name, empty, "empty_text") if pc.any(empty).as_py() else table
