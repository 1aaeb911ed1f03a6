"""Rewrite: documents as another pipeline leaves them, by the rewrites that their profile names."""

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
from curate.text.rewrites import check_names, rewrite


@dataclass(frozen=True)
class Rewrite(MapStage):
    """Apply the rewrites of each document's profile, once; see ``curate.text.rewrites``.

    A document of which nothing visible remains is dropped as ``rewrite:nothing_left``.
    Conversations pass unchanged, and a recipe that would rewrite some is refused when it is
    planned. The tally counts ``rewrite:<name>``.
    """

    profiles: Profiles
    name: str = "rewrite"

    reads: ClassVar[tuple[str, ...]] = ("text", "messages", "source", "lang", *VERDICT_COLUMNS)
    profile_parts: ClassVar[tuple[str, ...]] = ("rewrite",)
    rewrites: ClassVar[tuple[str, ...]] = ("text", *VERDICT_COLUMNS)
    refuses_chat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for profile in self.profiles.by_name.values():
            check_names(profile.rewrite, where=place_of(profile.name))

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Rewrite the active documents that are no chat."""
        work = partial(self._rewrite, tally=tally)
        return on_alive(table, lambda active: self.profiles.map(active, work))

    def _rewrite(self, profile: Profile, table: pa.Table, tally: Counter[str]) -> pa.Table:
        if not profile.rewrite.steps:
            return table
        after, counts = rewrite(texts_outside_chat(table), profile.rewrite)
        tally.update(counts)
        table = with_text(table, pc.coalesce(after, texts(table)))
        # utf8_is_space is false for the empty string.
        empty = pc.or_(pc.utf8_is_space(after), pc.equal(pc.binary_length(after), 0))
        return drop_where(table, self.name, empty, "nothing_left")
