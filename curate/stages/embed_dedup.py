"""Drop documents whose vector is near that of an earlier one of the same language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, ResourceError
from curate.mixture.sampling import sample_key
from curate.protocol.routing import decide, integers, read_docs
from curate.protocol.stage import Barrier, Inputs, Step
from curate.schema import whole
from curate.stages.cap import part_of_value
from curate.stages.exact_dedup import column_of, give_verdicts


@dataclass(frozen=True)
class EmbedDedup(Barrier):
    """Within each language, drop what comes after a document with a cosine above the threshold.

    `model` is a folder or Hugging Face name for sentence-transformers ("BAAI/bge-m3"); without it
    vectors are counts of character n-grams, which see words and no meaning
    (curate/dedup/embedding.py). `earlier` says which ones before count: `kept` ones, or `all`.

    What is earlier matters to the answer. The order is that of a hash of seed and id, so it does not
    depend on files or shards; another seed keeps others. Every pair of a language is compared: no
    language may have more than `most` documents (put `cap` before this). Rule: `near_vector`, with
    the cosine as its value; `duplicate_of` is the first earlier document that is near.
    """

    model: str | None = None
    threshold: float = 0.8
    on: Literal["text", "prompt"] = "prompt"
    earlier: Literal["all", "kept"] = "kept"
    max_tokens: int = 512
    most: int = 100_000
    seed: int = 0
    name: str = "embed_dedup"
    compares_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold = {self.threshold}", hint="give 0 < threshold <= 1")

    @property
    def model_digest(self) -> str:
        """What makes the vectors, for the manifest."""
        from curate.dedup.embedding import identity

        return identity(self.model)

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id", "text", column_of(self.on), "lang")

    @property
    def adds(self) -> tuple[str, ...]:
        return ("duplicate_of",)

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give id, language, place in the order and vector of each row."""
        from curate.dedup.embedding import embed
        from curate.dedup.exact import compared

        vectors = embed(compared(table, self.on), self.model, self.max_tokens)
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        return pa.table(
            {
                "id": table.column("id"),
                "value": pc.fill_null(table.column("lang"), ""),
                "u": sample_key(table.column("id"), self.seed),
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            }
        )

    def steps(self) -> tuple[Step, ...]:
        """Give the steps: vectors to the partition of their language, then each after the ones before."""
        return (
            Step("route", "shard", ("sketch", "decided"), ("rows",), self._route),
            Step("compare", "partition", ("rows",), ("decisions",), self._compare),
        )

    def _route(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        decided = read_docs(inputs, "decided")
        for table in inputs.stream("sketch"):
            rows = table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
            part = part_of_value(rows, "value", inputs.partitions)
            yield (
                "rows",
                rows.select(["doc", "id", "value", "u", "vector"]).append_column("part", part),
            )

    def _compare(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.dedup.embedding import earlier

        tables: list[pa.Table] = []
        seen: Counter[str] = Counter()
        for table in inputs.stream("rows"):
            tables.append(table)
            seen.update(table.column("value").to_pylist())
            lang, most = seen.most_common(1)[0] if seen else ("", 0)
            if most > self.most:
                raise ResourceError(
                    f"{self.name}: more than {self.most} documents in '{lang or 'no language'}'",
                    hint="every pair is compared: put a cap before it, or raise most",
                )
        if not seen:
            return
        rows = pa.concat_tables(tables)
        for lang in sorted(seen):
            mine = rows.filter(pc.equal(rows.column("value"), lang))
            mine = mine.sort_by([("u", "ascending"), ("id", "ascending")]).combine_chunks()
            held = whole(mine.column("vector"))
            vectors = held.flatten().to_numpy().reshape(len(mine), -1)
            first, cosine = earlier(vectors, self.threshold, self.earlier)
            over = np.flatnonzero(first >= 0)
            ids = whole(mine.column("id"))
            yield (
                "decisions",
                decide(
                    integers(mine, "doc")[over],
                    {
                        "id": ids.take(pa.array(over)),
                        "dropped_by": pa.array(["near_vector"] * len(over), pa.string()),
                        "dropped_value": pa.array(cosine[over]),
                        "duplicate_of": ids.take(pa.array(first[over])),
                    },
                ),
            )

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop what was decided, with its evidence."""
        columns = dict.fromkeys((*table.column_names, *self.adds))
        return give_verdicts(self.name, table, decisions, tally).select(list(columns))
