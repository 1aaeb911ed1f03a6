"""Drop documents whose vector is close to that of an earlier one of the same language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.compared import active_rows, columns_of, compared_texts
from curate.errors import RecipeError, ResourceError
from curate.mixture.sampling import sample_key
from curate.protocol.routing import decide, integers
from curate.protocol.stage import Barrier, Inputs, Step
from curate.schema import whole
from curate.stages.verdicts import give_verdicts, partition_of_value


@dataclass(frozen=True)
class EmbedDedup(Barrier):
    """Within each language, drop documents that follow one with a cosine above the threshold.

    The order decides the answer. It is that of a hash of seed and id, so it does not depend on
    files or shards; another seed keeps other documents. Every pair of a language is compared. Rule:
    `near_vector`, with the cosine as its value; `duplicate_of` is the first earlier document that
    is close.
    """

    model: str | None = None
    """Folder or Hugging Face name for sentence-transformers; without it n-gram
    counts, which represent words and no meaning.
    Example: "BAAI/bge-m3"."""
    threshold: float = 0.8
    """Cosine above which a document is dropped."""
    on: Literal["text", "prompt"] = "prompt"
    """What is compared: the text, or all turns of the user of a conversation."""
    earlier: Literal["all", "kept"] = "kept"
    """The earlier documents that count."""
    max_tokens: int = 512
    """Tokens of a text that the model reads."""
    most: int = 100_000
    """Documents that a language may have: every pair is compared (put `cap` before this stage)."""
    seed: int = 0
    name: str = "embed_dedup"
    compares_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold = {self.threshold}", hint="give 0 < threshold <= 1")

    @property
    def model_digest(self) -> str:
        """The identity of what computes the vectors, for the manifest."""
        from curate.dedup.embedding import identity

        return identity(self.model)

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("id", "text", *columns_of(self.on), "lang")))

    @property
    def adds(self) -> tuple[str, ...]:
        return ("duplicate_of",)

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, language, place in the order and vector of each row."""
        from curate.dedup.embedding import embed

        vectors = embed(compared_texts(table, self.on), self.model, self.max_tokens)
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
        """Return the steps: vectors to the partition of their language, then compared in order."""
        return (
            Step("vectors", "shard", ("sketch", "decided"), ("rows",), self._send),
            Step("compare", "partition", ("rows",), ("decisions",), self._compare),
        )

    def _send(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        for rows in active_rows(inputs, "sketch"):
            part = partition_of_value(rows, "value", inputs.partitions)
            columns = rows.select(["doc", "id", "value", "u", "vector"])
            yield "rows", columns.append_column("part", part)

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
            group = rows.filter(pc.equal(rows.column("value"), lang))
            group = group.sort_by([("u", "ascending"), ("id", "ascending")]).combine_chunks()
            vectors = whole(group.column("vector")).flatten().to_numpy().reshape(len(group), -1)
            first, cosine = earlier(vectors, self.threshold, self.earlier)
            over = np.flatnonzero(first >= 0)
            ids = whole(group.column("id"))
            yield (
                "decisions",
                decide(
                    integers(group, "doc")[over],
                    {
                        "id": ids.take(pa.array(over)),
                        "dropped_by": pa.array(["near_vector"] * len(over), pa.string()),
                        "dropped_value": pa.array(cosine[over]),
                        "duplicate_of": ids.take(pa.array(first[over])),
                    },
                ),
            )

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows that the decisions drop, with the evidence."""
        columns = dict.fromkeys((*table.column_names, *self.adds))
        return give_verdicts(self.name, table, decisions, tally).select(list(columns))
