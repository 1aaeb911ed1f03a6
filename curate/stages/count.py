"""The stage ``count``: how many tokens each document has, for one named tokenizer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import RecipeError
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive, texts, with_columns
from curate.protocol.tallies import CHARACTERS, TOKENS, WORDS, tally_key
from curate.tokens import counter


@dataclass(frozen=True)
class Count(MapStage):
    """Add ``n_tokens``: 0 for empty text, null for rows that were dropped before.

    Place it after the stages that drop, so that only survivors are counted, and once. Counts are
    stored with the run's commits and in the product, without a cache of their own.
    """

    tokenizer: str | None = None
    """``tekken`` (the default), ``tiktoken:<encoding>``, ``hf:<repository>``, the path of a
    ``tokenizer.json``, ``bytes``, ``characters`` or ``words``. Example: "tiktoken:o200k_base"."""
    min_tokens: int | None = None
    """Drop shorter documents as ``too_few_tokens``, with the number. Example: 16."""
    max_tokens: int | None = None
    """Drop longer documents as ``too_many_tokens``, with the number: a trainer with a fixed context
    would cut or skip them. Example: 131072."""
    name: str = "count"
    reads: ClassVar[tuple[str, ...]] = ("text",)
    adds: ClassVar[tuple[str, ...]] = ("n_tokens",)
    idempotent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.max_tokens is not None and (self.min_tokens or 0) > self.max_tokens:
            raise RecipeError(f"min_tokens = {self.min_tokens} is above max_tokens")

    @property
    def rewrites(self) -> tuple[str, ...]:
        return () if self.min_tokens is self.max_tokens is None else tuple(schema.VERDICT_COLUMNS)

    @property
    def token_counter(self) -> str | None:
        return self.tokenizer

    @property
    def product_metadata(self) -> dict[str, str]:
        """The tokenizer and its digest, for the schema metadata of the product."""
        counting = counter(self.tokenizer)
        return {"tokenizer": counting.name, "tokenizer_digest": counting.digest}

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Count the active rows."""

        def count(rows: pa.Table) -> pa.Table:
            from curate.tokens.words import count_words

            counts = counter(self.tokenizer).count(texts(rows))
            if "lang" in rows.column_names:
                lengths = {
                    TOKENS: counts,
                    WORDS: count_words(texts(rows)),
                    CHARACTERS: pc.fill_null(pc.utf8_length(texts(rows)), 0),
                }
                by_lang = pa.table({"lang": rows.column("lang")} | lengths).group_by("lang")
                sums = by_lang.aggregate([(name, "sum") for name in lengths])
                for row in sums.to_pylist():
                    for name in lengths:
                        tally[tally_key(name, row["lang"] or "und")] += row[f"{name}_sum"]
            return self._within_limits(with_columns(rows, {"n_tokens": pa.array(counts)}))

        return on_alive(table, count)

    def _within_limits(self, rows: pa.Table) -> pa.Table:
        """Drop the rows outside the limits."""
        if not self.rewrites:
            return rows
        counts = schema.whole(rows.column("n_tokens"))
        few = pc.less(counts, self.min_tokens or 0)
        many = pc.greater(counts, counts if self.max_tokens is None else self.max_tokens)
        rules = pc.if_else(few, "too_few_tokens", pc.if_else(many, "too_many_tokens", None))
        outside = pc.or_(few, many)
        values = pc.if_else(outside, counts.cast(pa.float64()), pa.scalar(None, pa.float64()))
        return drop(rows, self.name, rules.cast(pa.string()), values)
