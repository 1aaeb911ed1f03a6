"""Drop documents that contain text of evaluation sets, or cut the lines that do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.kernels.arrow import replace_rows
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive, texts, with_text
from curate.protocol.tallies import CUT, DOCUMENTS, RUNS, found_key, tally_key
from curate.schema import VERDICT_COLUMNS, whole
from curate.stages.line_dedup import CUT_COLUMNS

if TYPE_CHECKING:
    from curate.dedup.decontamination import Benchmarks, Matches, Search

#: The longest sequence of words that can be searched.
_LONGEST = 64


@dataclass(frozen=True)
class Decontaminate(MapStage):
    """Search documents for text of evaluation sets; see ``curate.dedup.decontamination``.

    A document is dropped if it has ``min_matches`` runs of ``ngram`` words of examples, or a whole
    string of an example that is too short to have that many. (With ngram = 13 that is a string of 8
    to 12 words.) The rule is the name of the set that it shares most with, the value the number of
    places where text of that set occurs.

    The tally counts ``documents:<set>`` and ``runs:<set>``, over all sets that a document shares
    text with; ``found:<set>:<row>``, the documents that have text of an example; ``cut:documents``
    and ``cut:bytes``, also by the set that a document shares most with.
    """

    benchmarks: dict[str, str | list[str]] = field(default_factory=dict)
    """Files of each evaluation set. Example: { gsm8k = "gsm8k-test.jsonl" }."""
    ngram: int = 13
    """Words in a run."""
    min_words: int = 8
    """Words of a short string from which it is searched for as a whole."""
    min_matches: int = 1
    """Runs of examples from which a document is dropped."""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """Fields of a set's rows to search for; without it all strings, including ids and addresses.
    Example: { gsm8k = ["question"] }."""
    action: Literal["drop", "cut"] = "drop"
    """Drop documents, or cut the lines with text of an example; a document of which nothing is left
    is dropped, and conversations are always dropped whole."""
    name: str = "decontaminate"

    reads: ClassVar[tuple[str, ...]] = ("id", "text", "messages", "rejected", *VERDICT_COLUMNS)

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise RecipeError(
                "no evaluation set is named", hint='benchmarks = {mmlu = "mmlu-test.parquet"}'
            )
        for name in self.fields:
            if name not in self.benchmarks:
                raise RecipeError(
                    f"fields of no evaluation set '{name}'", hint=nearest(name, self.benchmarks)
                )
        if self.ngram < 2 or self.min_words < 2 or self.min_matches < 1:
            raise RecipeError("ngram and min_words are 2 or more, min_matches 1 or more")
        if 2 * self.ngram + self.min_matches - 1 > _LONGEST:
            raise RecipeError(
                f"ngram = {self.ngram} and min_matches = {self.min_matches} are too much",
                hint=f"2 x ngram + min_matches is {_LONGEST + 1} at most",
            )

    @property
    def rewrites(self) -> tuple[str, ...]:
        return CUT_COLUMNS if self.removes_text else tuple(VERDICT_COLUMNS)

    @property
    def removes_text(self) -> bool:
        """Whether texts change, so that earlier measurements no longer hold."""
        return self.action == "cut"

    @cached_property
    def _search(self) -> Search:
        from curate.dedup.decontamination import Search

        files = {
            name: (paths,) if isinstance(paths, str) else tuple(paths)
            for name, paths in self.benchmarks.items()
        }
        fields = {name: tuple(names) for name, names in self.fields.items()}
        return Search(
            tuple(files.items()),
            tuple(fields.items()),
            self.ngram,
            self.min_words,
            self.min_matches,
        )

    @cached_property
    def _digest_and_facts(self) -> tuple[str, dict[str, Any]]:
        # Both when the run is planned, so that a broken set fails before any task runs.
        from curate.dedup.decontamination import digest, load

        contents = digest(self._search)
        sets = load(self._search, contents)
        facts = {name: one._asdict() for name, one in zip(sets.names, sets.facts, strict=True)}
        return contents, {"benchmarks": facts}

    @property
    def model_digest(self) -> str:
        """The digest of the evaluation sets' contents, for the task's key and the manifest."""
        return self._digest_and_facts[0]

    @property
    def manifest_facts(self) -> dict[str, Any]:
        """The facts of each set for the manifest: its examples, and those that are too short."""
        return self._digest_and_facts[1]

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the active rows that hold examples, or cut their lines."""
        return on_alive(table, lambda alive: self._search_rows(alive, tally))

    def _search_rows(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        from curate.dedup.compared import searched_texts
        from curate.dedup.decontamination import load, matches

        sets = load(self._search, self.model_digest)
        before = texts(table)
        found = matches(searched_texts(table), sets)
        hit = np.flatnonzero(found.enough)
        if not len(hit):
            return table
        _count(found, sets, tally)
        rules = np.full(table.num_rows, None, object)
        rules[hit] = [sets.names[number] for number in found.runs[hit].argmax(axis=1)]
        if self.removes_text:
            table = self._cut(table, before, hit, rules, sets, tally)
        most = found.runs.max(axis=1, initial=0).astype(np.float64)
        values = pa.array(most, mask=np.array([rule is None for rule in rules]))
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
        from curate.dedup.cuts import unmeasured

        chat = np.asarray(pc.is_valid(whole(table.column("messages"))))
        rows: list[int] = []
        after: list[str] = []
        for row in hit.tolist():
            text = before[row].as_py()
            left = "" if chat[row] else _without(text, sets)
            if not left.strip():
                continue  # nothing would be left: the row is dropped
            size = len(text.encode()) - len(left.encode())
            for names in ((), (rules[row],)):
                tally[tally_key(CUT, "documents", *names)] += 1
                tally[tally_key(CUT, "bytes", *names)] += size
            rules[row] = None
            rows.append(row)
            after.append(left)
        places = np.array(rows, np.int64)
        new = replace_rows(before, places, pa.array(after, pa.large_string()))
        return unmeasured(with_text(table, new), places)


def _without(text: str, sets: Benchmarks) -> str:
    """Cut lines until nothing of the sets is left: a cut can join lines that were separate."""
    from curate.dedup.cuts import joined, without
    from curate.dedup.decontamination import lines_hit

    while spans := lines_hit(text, sets):
        text = without(text, joined(spans))
    return text


def _count(found: Matches, sets: Benchmarks, tally: Counter[str]) -> None:
    for number, name in enumerate(sets.names):
        runs = found.runs[found.enough, number]
        if runs.any():
            tally[tally_key(DOCUMENTS, name)] += int(np.count_nonzero(runs))
            tally[tally_key(RUNS, name)] += int(runs.sum())
    firsts = sets.firsts
    example, documents = np.unique(found.examples[:, 1], return_counts=True)
    for one, count in zip(example.tolist(), documents.tolist(), strict=True):
        if one < firsts[-1]:
            number = int(sets.sets[one])
            tally[found_key(sets.names[number], one - firsts[number])] += count
