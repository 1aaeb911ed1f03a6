"""Standardize: the fixes of the language's profile, and masks for personal data."""

from __future__ import annotations

from collections import Counter
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
from curate.recipe.profile import Profile, Profiles, StandardizeSection, map_groups, place_of
from curate.schema import STAGE_COLUMNS, whole
from curate.text.fixes import LABELLED, custom, hinted
from curate.text.standardize import check_names, standardize_with_spans

_SPANS = STAGE_COLUMNS["pii_spans"]


@dataclass(frozen=True)
class Standardize(MapStage):
    """Apply the fixes and masks of each document's profile; see ``curate.text.fixes`` and ``pii``.

    Where a profile masks, `pii_spans` has the bytes of each mask in the new text, and its kind. The
    tally counts ``fix:<name>`` texts changed (each message of a chat document is one) and
    ``mask:<kind>`` occurrences.
    """

    profiles: Profiles
    name: str = "standardize"

    profile_parts: ClassVar[tuple[str, ...]] = ("standardize",)
    rewrites: ClassVar[tuple[str, ...]] = ("text", "messages", "rejected")
    reads: ClassVar[tuple[str, ...]] = (*rewrites, "source", "lang", "dropped_by")
    idempotent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for profile in self.profiles.by_name.values():
            check_names(profile.standardize, where=place_of(profile.name))

    @property
    def adds(self) -> tuple[str, ...]:
        """``pii_spans``, if any profile masks."""
        masks = any(profile.standardize.mask for profile in self.profiles.by_name.values())
        return ("pii_spans",) if masks else ()

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Standardize the active documents."""
        return on_alive(table, lambda active: self._by_profile(active, tally))

    def _by_profile(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        def by_language(profile: Profile, part: pa.Table) -> pa.Table:
            section = profile.standardize
            if (
                section.lang
                or "lang" not in part.column_names
                or LABELLED.isdisjoint(section.fixes)
            ):
                return standardized(section, part)
            labels = np.array([custom(lang) for lang in part.column("lang").to_pylist()])
            groups = [
                (section.model_copy(update={"lang": label}), np.flatnonzero(labels == label))
                for label in np.unique(labels).tolist()
            ]
            return map_groups(part, groups, standardized)

        def standardized(section: StandardizeSection, part: pa.Table) -> pa.Table:
            calls: list[dict[int, list[Span]]] = []

            def fix(strings: pa.LargeStringArray) -> pa.LargeStringArray:
                fixed, spans, counts = standardize_with_spans(strings, section)
                tally.update(counts)
                calls.append(spans)
                return fixed

            result = rewrite_text(part, fix)
            if not self.adds:
                return result
            spans = calls[0] | (_rendered(result, calls[1]) if len(calls) > 1 else {})
            return _with_spans(result, spans, masks=bool(section.mask))

        if not table.num_rows:  # no profile has a part, but the columns and the kernel are the same
            hinted(texts(table), ())
            return with_columns(table, {name: pa.nulls(0, _SPANS) for name in self.adds})
        return self.profiles.map(table, by_language)


def _rendered(table: pa.Table, of_words: dict[int, list[Span]]) -> dict[int, list[Span]]:
    """Return spans of what messages say, by its number, as spans of the rows' texts.

    The numbers are those of ``rewrite_text``: all contents, then all reasonings.
    """
    column, tools = whole(table.column("messages")), table.column("tools")
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
    by_row: dict[int, list[Span]] = {}
    for number, spans in sorted(of_words.items()):
        is_reasoning, message = divmod(number, int(ends[-1]))
        row = int(np.searchsorted(ends, message, side="right"))
        turns = column[row].as_py()
        offsets = content_offsets(turns, tools[row].as_py())
        start = offsets[message - int(ends[row]) + len(turns)][1 - is_reasoning]
        by_row.setdefault(row, []).extend((start + a, start + b, kind) for a, b, kind in spans)
    return by_row


def _with_spans(table: pa.Table, spans: dict[int, list[Span]], *, masks: bool) -> pa.Table:
    """Add spans to those of an earlier stage in `pii_spans`; a row that has null there keeps it."""
    if "pii_spans" in table.column_names:
        column = whole(table.column("pii_spans"))
    else:
        examined = pc.and_(pc.is_valid(texts(table)), masks)
        column = pc.if_else(examined, pa.scalar([], _SPANS), pa.scalar(None, _SPANS))
    rows = np.array(sorted(spans), np.int64)
    rows = rows[np.asarray(column.is_valid())[rows]]
    merged = [
        sorted([*(tuple(span.values()) for span in column[row].as_py()), *spans[row]])
        for row in rows.tolist()
    ]
    return with_columns(table, {"pii_spans": replace_rows(column, rows, pa.array(merged, _SPANS))})
