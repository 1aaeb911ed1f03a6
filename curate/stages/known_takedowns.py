"""Drop what was taken down from the dedup stores of a recipe; `plan/build.py` puts it first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive
from curate.rights.lists import Entries, Looked, urls_of
from curate.schema import KNOWN_TAKEDOWNS, TAKEN_DOWN, whole
from curate.stages.verdicts import drop_where


@dataclass(frozen=True)
class KnownTakedowns(MapStage):
    """Drop documents whose address, domain or id was taken down from a store, as `taken_down`.

    They are counted, and the engine writes no row of them, not even among the rejects.
    """

    known: tuple[Any, ...]  #: ``storage.store_takedown.Tombstones`` of each store
    name: str = KNOWN_TAKEDOWNS

    reads: ClassVar[tuple[str, ...]] = ("id", "url", "dropped_by", "dropped_value")
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop active rows that were taken down."""

        def judge(rows: pa.Table) -> pa.Table:
            looked = Looked(urls_of(rows), whole(rows.column("id")))
            found = np.zeros(rows.num_rows, np.bool_)
            for tombstones in self.known:
                for kind, keys in tombstones.keys().items():
                    found |= looked.matching(Entries(kind, keys))
            return drop_where(rows, self.name, pa.array(found), TAKEN_DOWN)

        return on_alive(table, judge)
