"""Standardize: what the language's profile wants done to a text, and masks for personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import replace_rows
from curate.protocol.chat import content_offsets
from curate.protocol.span_offsets import Span
from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive, rewrite_text, texts, with_columns
from curate.recipe.profile import Profile, Profiles
from curate.schema import STAGE_COLUMNS, whole
from curate.text.standardize import check_names, standardize_with_spans

_SPANS = STAGE_COLUMNS["pii_spans"]


@dataclass(frozen=True)
class Standardize(MapStage):
    """Apply the fixes and masks of each document's profile; see ``curate.text.fixes`` and ``pii``.

    Where a profile masks, `pii_spans` tells the bytes of each mask in the new text, and its kind. The
    tally counts ``fix:<name>`` texts changed (of a chat document each message is one) and
    ``mask:<kind>`` occurrences.
    """

    profiles: Profiles
    name: str = "standardize"

    reads: ClassVar[tuple[str, ...]] = (
        "text",
        "messages",
        "rejected",
        "source",
        "lang",
        "dropped_by",
    )
    rewrites: ClassVar[tuple[str, ...]] = ("text", "messages", "rejected")
    idempotent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for profile in self.profiles.by_name.values():
            check_names(profile.standardize, where=f"filters/{profile.name}.toml")

    @property
    def adds(self) -> tuple[str, ...]:
        """``pii_spans``, if any profile masks."""
        masks = any(profile.standardize.mask for profile in self.profiles.by_name.values())
        return ("pii_spans",) if masks else ()

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Standardize the living documents."""
        return on_alive(table, lambda alive: self._by_profile(alive, tally))

    def _by_profile(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        def part_of(profile: Profile, part: pa.Table) -> pa.Table:
            calls: list[dict[int, list[Span]]] = []

            def fix(strings: pa.LargeStringArray) -> pa.LargeStringArray:
                better, spans, counts = standardize_with_spans(strings, profile.standardize)
                tally.update(counts)
                calls.append(spans)
                return better

            done = rewrite_text(part, fix)
            if not self.adds:
                return done
            spans = calls[0] | (_rendered(done, calls[1]) if len(calls) > 1 else {})
            return _told(done, spans, masks=bool(profile.standardize.mask))

        if not table.num_rows:  # no profile has a part then, but the columns are the same
            return with_columns(table, {name: pa.nulls(0, _SPANS) for name in self.adds})
        return by_profile(self.profiles, table, part_of)


def _rendered(table: pa.Table, of_contents: dict[int, list[Span]]) -> dict[int, list[Span]]:
    """Give spans of message contents, by their number among all, as spans of the rows' renderings."""
    column = whole(table.column("messages"))
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
    found: dict[int, list[Span]] = {}
    for number, spans in sorted(of_contents.items()):
        row = int(np.searchsorted(ends, number, side="right"))
        turns = column[row].as_py()
        start = content_offsets(turns)[number - int(ends[row]) + len(turns)]
        found.setdefault(row, []).extend((start + a, start + b, kind) for a, b, kind in spans)
    return found


def _told(table: pa.Table, spans: dict[int, list[Span]], *, masks: bool) -> pa.Table:
    """Set `pii_spans`, beside what an earlier stage masked; what that could not tell stays untold."""
    if "pii_spans" in table.column_names:
        column = whole(table.column("pii_spans"))
    else:
        looked = pc.and_(pc.is_valid(texts(table)), masks)
        column = pc.if_else(looked, pa.scalar([], _SPANS), pa.scalar(None, _SPANS))
    rows = np.array(sorted(spans), np.int64)
    rows = rows[np.asarray(column.is_valid())[rows]]
    told = [
        sorted([*(tuple(span.values()) for span in column[row].as_py()), *spans[row]])
        for row in rows.tolist()
    ]
    return with_columns(table, {"pii_spans": replace_rows(column, rows, pa.array(told, _SPANS))})


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
