"""Trim: removes lines of a document by the rules of its profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive, texts, with_text
from curate.recipe.profile import Profile, Profiles
from curate.schema import whole
from curate.stages.standardize import by_profile
from curate.text.trim import check_names, trim


@dataclass(frozen=True)
class Trim(MapStage):
    """Apply the line rules of each document's profile; see ``curate.text.trim``.

    A document of which nothing is left is dropped as ``trim:nothing_left``. Chat has turns and no
    lines to spare: a recipe whose chat source has a profile with line rules is refused when it is
    planned, and a chat row that arrives all the same passes untouched. The tally counts ``lines:<rule>`` and ``bytes:<rule>``.
    """

    profiles: Profiles
    name: str = "trim"

    reads: ClassVar[tuple[str, ...]] = (
        "text",
        "messages",
        "source",
        "lang",
        "dropped_by",
        "dropped_value",
    )
    rewrites: ClassVar[tuple[str, ...]] = ("text", "dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True
    refuses_chat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for profile in self.profiles.by_name.values():
            check_names(profile.trim, where=f"filters/{profile.name}.toml")

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Trim the living documents that are no chat."""
        return on_alive(
            table,
            lambda alive: by_profile(
                self.profiles, alive, lambda profile, part: self._trim(profile, part, tally)
            ),
        )

    def _trim(self, profile: Profile, table: pa.Table, tally: Counter[str]) -> pa.Table:
        before = texts(table)
        lines = before
        if "messages" in table.column_names:
            chat = pc.is_valid(whole(table.column("messages")))
            lines = pc.if_else(chat, pa.scalar(None, pa.large_string()), before)
        after, counts = trim(lines, profile.trim)
        tally.update(counts)
        if after is lines:
            return table
        table = with_text(table, pc.coalesce(after, before))
        gone = pc.and_(
            pc.equal(pc.binary_length(after), 0), pc.greater(pc.binary_length(before), 0)
        )
        rules = pc.if_else(gone, pa.scalar("nothing_left"), pa.scalar(None, pa.string()))
        return drop(table, self.name, rules, pa.nulls(table.num_rows, pa.float64()))
