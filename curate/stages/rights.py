"""Rights: adds the licence of each document and what its page says to robots; rules on both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from curate.errors import RecipeError, nearest
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive, with_columns
from curate.protocol.tallies import LICENSE, ROBOTS, tally_key
from curate.rights.licenses import UNKNOWN, checked_patterns, license_group, license_id, matches
from curate.rights.robots import STATEMENTS

_ADDED = ("signal_license", "signal_license_group", "signal_license_from", "signal_robots")


@dataclass(frozen=True)
class Rights(MapStage):
    """Name the licence of each document, and drop those whose licence or page refuses the use.

    ``signal_license`` is the SPDX identifier of what ``license`` says (``CC-BY-SA-4.0``; without a
    version ``CC-BY-SA``), null where it is unknown; ``signal_license_group`` what it asks for:
    ``public_domain``, ``permissive``, ``share_alike``, ``no_derivatives`` or ``non_commercial``;
    ``signal_license_from`` whether a ``page`` or the ``source`` said so. ``signal_robots`` is what
    the page says to robots (``noai tdm``, ``gptbot:noindex``), ``nothing``, or null where the
    source was not read with ``rights = true``. Rules: ``license_<identifier>``,
    ``license_unknown``, ``robots_<word>``.
    """

    allow: tuple[str, ...] = ()
    """Licences to keep; others are dropped. Identifiers, families (``share_alike``), patterns or
    ``unknown``. Example: ["public_domain", "CC-BY", "cc-by-sa*"]."""
    refuse: tuple[str, ...] = ()
    """Licences to drop, also of those allowed. Example: ["cc-by-nc*", "no_derivatives"]."""
    robots: tuple[str, ...] = ()
    """What a page may not say to robots. Example: ["noai", "tdm", "gptbot:noindex"]."""
    name: str = "rights"

    reads: ClassVar[tuple[str, ...]] = ("license", "meta", "dropped_by", "dropped_value")
    adds: ClassVar[tuple[str, ...]] = _ADDED
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_patterns((*self.allow, *self.refuse))
        for word in self.robots:
            if word not in STATEMENTS:
                raise RecipeError(f"no word to robots '{word}'", hint=nearest(word, STATEMENTS))

    @property
    def added_types(self) -> Mapping[str, pa.DataType]:
        """All are categories."""
        return dict.fromkeys(_ADDED, pa.string())

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Add the columns, and drop active rows that break a rule."""
        return on_alive(table, lambda active: self._judge(active, tally))

    def _judge(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        ids = [license_id(text) for text in table.column("license").to_pylist()]
        said = [_said(meta) for meta in table.column("meta").to_pylist()]
        words = [robots for robots, _ in said]
        allowed, refused = checked_patterns(self.allow), checked_patterns(self.refuse)
        rules: list[str | None] = []
        for identifier, robots in zip(ids, words, strict=True):
            stated = (robots or "").split()
            word = next((word for word in self.robots if word in stated), None)
            bad = (allowed and not matches(identifier, allowed)) or matches(identifier, refused)
            rule = f"license_{(identifier or UNKNOWN).lower()}" if bad else None
            rules.append(rule or (word and f"robots_{word}"))
            tally[tally_key(LICENSE, identifier or UNKNOWN)] += 1
            tally.update(tally_key(ROBOTS, one) for one in stated)
        by = [
            None if one is None else "page" if page else "source"
            for one, (_, page) in zip(ids, said, strict=True)
        ]
        values = (ids, [license_group(one) for one in ids], by, words)
        columns = {
            name: pa.array(each, pa.string()) for name, each in zip(_ADDED, values, strict=True)
        }
        none = pa.nulls(table.num_rows, pa.float64())
        return drop(with_columns(table, columns), self.name, pa.array(rules, pa.string()), none)


def _said(meta: str | None) -> tuple[str | None, bool]:
    """Return what a page says to robots, if that was read, and whether the licence is its own."""
    if meta is None or not any(key in meta for key in ('"robots_said"', '"license_by"')):
        return None, False
    try:
        facts = json.loads(meta)
    except (ValueError, RecursionError):
        return None, False
    if not isinstance(facts, dict):
        return None, False
    robots = facts.get("robots_said")
    known = [word for word in str(robots).split() if word in STATEMENTS]
    return (None if robots is None else " ".join(known) or "nothing"), "license_by" in facts
