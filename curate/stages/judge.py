"""Judge: each document by the rules of its profile, in their order, on stored signals alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive
from curate.recipe.profile import Profiles
from curate.signals.verdict import columns_of, verdicts


@dataclass(frozen=True)
class Judge(MapStage):
    """Drop a document by the first rule that it fails: ``judge:<rule>`` and the value measured.

    A signal that is undefined drops under ``judge:<rule>_undefined``, without a value, unless the
    rule has ``undefined = "keep"``. The other rules that a row fails follow from its signals.
    """

    profiles: Profiles
    name: str = "judge"

    profile_parts: ClassVar[tuple[str, ...]] = ("rules", "classifiers")
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True

    @property
    def reads(self) -> tuple[str, ...]:
        own = ("source", "lang", "dropped_by", "dropped_value")
        return tuple(dict.fromkeys((*own, *columns_of(self.profiles))))

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop active rows that fail a rule."""
        return on_alive(table, self._judge)

    def _judge(self, table: pa.Table) -> pa.Table:
        rules = np.full(table.num_rows, None, object)
        values = np.full(table.num_rows, np.nan)
        for profile, rows in self.profiles.groups(table):
            part = table if len(rows) == table.num_rows else table.take(pa.array(rows))
            failed, measured = verdicts(part, profile)
            rules[rows] = failed.to_numpy(zero_copy_only=False)
            values[rows] = measured.to_numpy(zero_copy_only=False)
        return drop(
            table,
            self.name,
            pa.array(rules, pa.string()),
            pa.array(values, pa.float64(), mask=np.isnan(values)),
        )
