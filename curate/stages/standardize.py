"""Standardize: what the language's profile wants done to a text, and masks for personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.profile import Profile, Profiles
from curate.stages.base import on_alive, rewrite_text
from curate.stages.repair import plain
from curate.text.standardize import check_names, standardize


@dataclass(frozen=True)
class Standardize:
    """Apply the fixes and masks of each document's profile; see ``curate.text.fixes`` and ``pii``.

    The tally counts ``fix:<name>`` texts changed (of a chat document each message is one) and
    ``mask:<kind>`` occurrences.
    """

    profiles: Profiles
    name: str = "standardize"

    reads: tuple[str, ...] = ("text", "messages", "rejected", "source", "lang", "dropped_by")
    adds: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ("text", "messages", "rejected")
    idempotent: bool = True

    def __post_init__(self) -> None:
        for profile in self.profiles.by_name.values():
            check_names(profile.standardize, where=f"filters/{profile.name}.toml")

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Standardize the living documents."""
        return on_alive(table, lambda alive: self._by_profile(alive, tally))

    def _by_profile(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        def part_of(profile: Profile, part: pa.Table) -> pa.Table:
            def fix(strings: pa.LargeStringArray) -> pa.LargeStringArray:
                better, counts = standardize(strings, profile.standardize)
                tally.update(counts)
                return better

            return rewrite_text(plain(part), fix)

        return by_profile(self.profiles, table, part_of)


def by_profile(
    profiles: Profiles, table: pa.Table, work: Callable[[Profile, pa.Table], pa.Table]
) -> pa.Table:
    """Run ``work`` on the rows of each profile and put them back in their order."""
    parts: list[pa.Table] = []
    places: list[np.ndarray] = []
    for profile, rows in profiles.groups(table):
        whole = len(rows) == table.num_rows
        parts.append(work(profile, table if whole else table.take(pa.array(rows))))
        places.append(rows)
    if len(parts) < 2:
        return parts[0] if parts else table
    return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))
