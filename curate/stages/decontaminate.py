"""Decontaminate: drops documents that hold text of evaluation sets, or cuts the lines that do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.stages.base import drop, on_alive, texts, with_text
from curate.text.arrays import replace_rows

if TYPE_CHECKING:
    from curate.dedup.contamination import Benchmarks


@dataclass(frozen=True)
class Decontaminate:
    """Look for runs of ``ngram`` words of evaluation sets; see ``curate.dedup.contamination``.

    ``benchmarks`` names files for each set: ``{gsm8k = "gsm8k-test.jsonl"}``. A document with at least
    ``min_matches`` runs is dropped under the name of the set that it shares most with, the runs being
    the value. With ``action = "cut"`` the lines that hold them go instead, and a document of which
    nothing is left is dropped; conversations are always dropped whole.

    The tally counts ``documents:<set>``, ``runs:<set>``, ``cut:documents`` and ``cut:bytes``.
    """

    benchmarks: dict[str, str | list[str]] = field(default_factory=dict)
    ngram: int = 13
    min_matches: int = 1
    action: Literal["drop", "cut"] = "drop"
    name: str = "decontaminate"

    reads: tuple[str, ...] = ("id", "text", "messages", "dropped_by", "dropped_value")
    adds: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ("text", "dropped_by", "dropped_value")
    idempotent: bool = False

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise RecipeError(
                "no evaluation set is named", hint='benchmarks = {mmlu = "mmlu-test.parquet"}'
            )
        if self.ngram < 2 or self.min_matches < 1:
            raise RecipeError("ngram is 2 or more, min_matches 1 or more")

    @property
    def cuts(self) -> bool:
        """Whether texts become other texts, so that what was measured before is stale."""
        return self.action == "cut"

    @cached_property
    def model_digest(self) -> str:
        """The digest of what the evaluation sets hold, for the task's key and the manifest."""
        from curate.dedup.contamination import digest

        return digest(self._files)

    @property
    def _files(self) -> Mapping[str, list[str]]:
        return {
            name: [paths] if isinstance(paths, str) else list(paths)
            for name, paths in self.benchmarks.items()
        }

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Give verdicts to the living rows, or cut them."""
        return on_alive(table, lambda alive: self._look(alive, tally))

    def _look(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        from curate.dedup.contamination import load, matches

        sets = load(self._files, self.ngram, self.model_digest)
        before = texts(table)
        counts = matches(before, sets)
        most = counts.max(axis=1, initial=0)
        hit = np.flatnonzero(counts.sum(axis=1) >= self.min_matches)
        if not len(hit):
            return table
        which = counts.argmax(axis=1)
        for number, name in enumerate(sets.names):
            found = counts[hit, number]
            tally[f"documents:{name}"] += int(np.count_nonzero(found))
            tally[f"runs:{name}"] += int(found.sum())
        rules = np.full(table.num_rows, None, object)
        rules[hit] = [sets.names[number] for number in which[hit]]
        if self.action == "cut":
            table = self._cut(table, before, hit, rules, sets, tally)
        values = pa.array(most.astype(np.float64), mask=np.array([rule is None for rule in rules]))
        return drop(table, self.name, pa.array(rules, pa.string()), values)

    def _cut(
        self,
        table: pa.Table,
        before: pa.LargeStringArray,
        hit: np.ndarray,
        rules: np.ndarray,
        sets: Benchmarks,
        tally: Counter[str],
    ) -> pa.Table:
        from curate.dedup.contamination import lines_hit
        from curate.dedup.cuts import joined, unmeasured, without

        chat = np.asarray(pc.is_valid(table.column("messages").combine_chunks()))
        rows: list[int] = []
        after: list[str] = []
        for row in hit.tolist():
            text = before[row].as_py()
            left = "" if chat[row] else without(text, joined(lines_hit(text, sets)))
            if not left.strip():
                continue  # nothing would be left: the verdict stands
            rules[row] = None
            rows.append(row)
            after.append(left)
            tally["cut:documents"] += 1
            tally["cut:bytes"] += len(text.encode()) - len(left.encode())
        places = np.array(rows, np.int64)
        new = replace_rows(before, places, pa.array(after, pa.large_string()))
        return unmeasured(with_text(table, new), places)
