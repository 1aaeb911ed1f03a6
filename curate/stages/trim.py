"""Trim: removes lines of a document by the rules of its profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive, texts, with_text
from curate.recipe.profile import Profile, Profiles, place_of
from curate.schema import VERDICT_COLUMNS
from curate.stages.verdicts import drop_where, texts_outside_chat
from curate.text.trim import check_names, trim


@dataclass(frozen=True)
class Trim(MapStage):
    """Apply the line rules of each document's profile; see ``curate.text.trim``.

    A document of which nothing remains is dropped as ``trim:nothing_left``. Chat has turns and no
    lines to remove: a recipe whose chat source has a profile with line rules is refused when it is
    planned, and a chat row that arrives nevertheless passes unchanged. The tally counts
    ``lines:<rule>`` and ``bytes:<rule>``.
    """

    profiles: Profiles
    name: str = "trim"

    reads: ClassVar[tuple[str, ...]] = ("text", "messages", "source", "lang", *VERDICT_COLUMNS)
    profile_parts: ClassVar[tuple[str, ...]] = ("trim",)
    rewrites: ClassVar[tuple[str, ...]] = ("text", *VERDICT_COLUMNS)
    idempotent: ClassVar[bool] = True
    refuses_chat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for profile in self.profiles.by_name.values():
            check_names(profile.trim, where=place_of(profile.name))

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Trim the active documents that are no chat."""
        work = partial(self._trim, tally=tally)
        return on_alive(table, lambda active: self.profiles.map(active, work))

    def _trim(self, profile: Profile, table: pa.Table, tally: Counter[str]) -> pa.Table:
        before, lines = texts(table), texts_outside_chat(table)
        after, counts = trim(lines, profile.trim)
        tally.update(counts)
        if after is lines:
            return table
        table = with_text(table, pc.coalesce(after, before))
        empty = pc.and_(
            pc.equal(pc.binary_length(after), 0), pc.greater(pc.binary_length(before), 0)
        )
        return drop_where(table, self.name, empty, "nothing_left")
