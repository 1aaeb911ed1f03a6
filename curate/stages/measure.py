"""Measure: adds a column for each signal that a rule of any profile of the run uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.protocol.stage import MapStage
from curate.protocol.tables import on_alive, texts, with_columns
from curate.recipe.profile import Profile, Profiles
from curate.schema import whole
from curate.signals import classifiers, column, measure, signal_type
from curate.signals.verdict import files_digest, lists_of, measured_by, profiles_with

#: Measured only where a rule asks: its model costs more than all other signals together.
PAGE_QUALITY = "page_quality"


@dataclass(frozen=True)
class Measure(MapStage):
    """Measure the text of every active document, with the lists of its own profile.

    A conversation is measured by its text like any other document, and also by its turns; the
    language of each side is identified with ``language_model``, which the plan takes from identify.

    The columns are the same for every row, whatever its profile, so that the schema is constant; a
    signal that is undefined for a text is null, and so is page_quality where no rule asks for it.
    Classifiers are measured whether a rule asks for them or not: they are named to be.
    """

    profiles: Profiles
    language_model: str | None = None
    name: str = "measure"
    signals: tuple[str, ...] = field(default=(), metadata={"planned": True})
    """The signals to measure, in the order of the registry: those of all rules and models."""
    pages: tuple[str, ...] | None = field(default=None, metadata={"planned": True})
    """The profiles for whose rows page_quality is measured, those with a rule on it; None: all."""
    classifiers: tuple[tuple[str, str], ...] = field(default=(), metadata={"planned": True})
    """The classifiers of the profiles that are measured, by name, each with its kind."""

    idempotent: ClassVar[bool] = True

    profile_parts: ClassVar[tuple[str, ...]] = (
        "identify", "lists", "word_frequencies", "classifiers", "perplexity"
    )  # fmt: skip

    def __post_init__(self) -> None:
        # Limits and order of the rules are not part of the stage: measurements outlast them.
        if not self.signals:
            object.__setattr__(self, "signals", measured_by(self.profiles))
            object.__setattr__(self, "pages", profiles_with(self.profiles, PAGE_QUALITY))
            kinds = classifiers.kinds(self.profiles)
            kinds = {name: kind for name, kind in kinds.items() if kind != classifiers.MEAN_RANK}
            object.__setattr__(self, "classifiers", tuple(kinds.items()))
        super().__post_init__()

    @property
    def model_digest(self) -> str | None:
        """The digest of the files that profiles name; None without any."""
        return files_digest(self.profiles)

    @property
    def reads(self) -> tuple[str, ...]:
        return ("text", "messages", "source", "lang", "dropped_by")

    @property
    def adds(self) -> tuple[str, ...]:
        return tuple(map(column, (*self.signals, *(name for name, _ in self.classifiers))))

    @property
    def added_types(self) -> Mapping[str, pa.DataType]:
        return {column(name): signal_type(name) for name in self.signals} | self._scored

    @property
    def _scored(self) -> dict[str, pa.DataType]:
        """The columns of the classifiers, with their types."""
        return {
            column(name): pa.string() if kind == classifiers.CATEGORY else pa.float64()
            for name, kind in self.classifiers
        }

    def holds_what(self, earlier: Measure) -> bool:
        """Return whether page_quality was measured wherever it is measured now."""
        if earlier.pages is None or PAGE_QUALITY not in self.signals:
            return True
        known = set(earlier.profiles.by_name)
        return self.pages is not None and (set(self.pages) & known) <= set(earlier.pages)

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Add the signal columns; rows that were dropped get nulls."""
        return on_alive(table, self._measure)

    def _measure(self, table: pa.Table) -> pa.Table:
        content, messages = texts(table), whole(table.column("messages"))
        none = {name: pa.nulls(0, type_) for name, type_ in self._scored.items()}
        parts, places = [measure(content[:0], self.signals) | none], [np.empty(0, np.int64)]
        for profile, rows in self.profiles.groups(table):
            part, turns = content, messages
            if len(rows) < table.num_rows:
                part, turns = (column.take(pa.array(rows)) for column in (content, messages))
            lists = lists_of(profile)
            wanted = [s for s in self.signals if s != PAGE_QUALITY or self._measures_pages(profile)]
            found = measure(part, wanted, lists, messages=turns, identify=self._identify)
            if len(wanted) < len(self.signals):
                found[column(PAGE_QUALITY)] = pa.nulls(len(part), pa.float64())
            found |= classifiers.scores(part, profile.classifiers, lists, measure)
            for name, type_ in self._scored.items():
                found.setdefault(name, pa.nulls(len(part), type_))
            parts.append(found)
            places.append(rows)
        back = np.argsort(np.concatenate(places))
        columns = {}
        for name in self.adds:
            joined = pa.concat_arrays([part[name] for part in parts])
            columns[name] = joined if len(parts) == 2 else joined.take(pa.array(back))
        return with_columns(table, columns)

    def _measures_pages(self, profile: Profile) -> bool:
        return self.pages is None or profile.name in self.pages

    def _identify(self, texts: pa.LargeStringArray) -> pa.Table:
        from curate.langid.identify import identify

        return identify(texts, model=self.language_model, profiles=self.profiles)
