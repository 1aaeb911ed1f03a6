"""Judge: each document by the rules of its profile, in their order, on stored signals alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.protocol.bins import bins
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive
from curate.protocol.tallies import SIGNAL, UNDEFINED, histograms, tally_key
from curate.recipe.profile import Profile, Profiles
from curate.signals.verdict import columns_of, numbers_of, verdicts


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
        return on_alive(table, lambda rows: self._judge(rows, tally))

    def facts_of(self, tally: Mapping[str, int]) -> Mapping[str, Any]:
        """Return the limits that documents were judged by: profile → rule → signal, min, max."""
        limits = {
            name: {
                rule: [one.signal, one.min, one.max]
                for rule, one in self.profiles.by_name[name].rules.items()
                if not one.is_of_categories
            }
            for name in histograms(tally)
        }
        return {"limits": limits} if limits else {}

    def _judge(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        rules = np.full(table.num_rows, None, object)
        values = np.full(table.num_rows, np.nan)
        for profile, rows in self.profiles.groups(table):
            part = table if len(rows) == table.num_rows else table.take(pa.array(rows))
            _count_signals(part, profile, tally)
            failed, measured = verdicts(part, profile)
            rules[rows] = failed.to_numpy(zero_copy_only=False)
            values[rows] = measured.to_numpy(zero_copy_only=False)
        return drop(
            table,
            self.name,
            pa.array(rules, pa.string()),
            pa.array(values, pa.float64(), mask=np.isnan(values)),
        )


def _count_signals(table: pa.Table, profile: Profile, tally: Counter[str]) -> None:
    """Count the rows by the bins of each signal that a rule limits, for the report."""
    limited = (rule.signal for rule in profile.rules.values() if not rule.is_of_categories)
    for signal in dict.fromkeys(limited):
        values = numbers_of(table, signal)
        known = values[~np.isnan(values)]
        for bin, count in zip(*map(np.ndarray.tolist, np.unique(bins(known), return_counts=True))):
            tally[tally_key(SIGNAL, profile.name, signal, bin)] += count
        if len(known) < len(values):
            key = tally_key(SIGNAL, profile.name, signal, UNDEFINED)
            tally[key] += len(values) - len(known)
