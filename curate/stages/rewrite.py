"""Rewrite: documents as another pipeline leaves them, by the rewrites that their profile names."""

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
from curate.text.rewrites import check_names, rewrite


@dataclass(frozen=True)
class Rewrite(MapStage):
    """Apply the rewrites of each document's profile, once; see ``curate.text.rewrites``.

    A document of which nothing visible is left is dropped as ``rewrite:nothing_left``. Conversations
    pass untouched, and a recipe that would rewrite some is refused when it is planned. The tally counts
    ``rewrite:<name>``.
    """

    profiles: Profiles
    name: str = "rewrite"

    reads: ClassVar[tuple[str, ...]] = (
        "text",
        "messages",
        "source",
        "lang",
        "dropped_by",
        "dropped_value",
    )
    rewrites: ClassVar[tuple[str, ...]] = ("text", "dropped_by", "dropped_value")
    refuses_chat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for profile in self.profiles.by_name.values():
            check_names(profile.rewrite, where=f"filters/{profile.name}.toml")

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Rewrite the living documents that are no chat."""
        return on_alive(
            table,
            lambda alive: by_profile(
                self.profiles, alive, lambda profile, part: self._rewrite(profile, part, tally)
            ),
        )

    def _rewrite(self, profile: Profile, table: pa.Table, tally: Counter[str]) -> pa.Table:
        if not profile.rewrite.steps:
            return table
        before = texts(table)
        plain = before
        if "messages" in table.column_names:
            chat = pc.is_valid(whole(table.column("messages")))
            plain = pc.if_else(chat, pa.scalar(None, pa.large_string()), before)
        after, counts = rewrite(plain, profile.rewrite)
        tally.update(counts)
        table = with_text(table, pc.coalesce(after, before))
        # utf8_is_space is false for the empty string.
        gone = pc.or_(pc.utf8_is_space(after), pc.equal(pc.binary_length(after), 0))
        rules = pc.if_else(gone, pa.scalar("nothing_left"), pa.scalar(None, pa.string()))
        return drop(table, self.name, rules, pa.nulls(table.num_rows, pa.float64()))
