"""The stage ``count``: how many tokens each document has, for one named tokenizer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from curate.stages.base import on_alive, texts, with_columns
from curate.tokens import counter


@dataclass(frozen=True)
class Count:
    """Add ``n_tokens``: 0 for empty text, null for rows that something dropped before."""

    tokenizer: str | None = None
    name: str = "count"
    reads: tuple[str, ...] = ("text",)
    adds: tuple[str, ...] = ("n_tokens",)
    rewrites: tuple[str, ...] = ()
    idempotent: bool = True

    @property
    def metadata(self) -> dict[str, str]:
        """Name the tokenizer and its digest, for the schema metadata of what is written."""
        counting = counter(self.tokenizer)
        return {"tokenizer": counting.name, "tokenizer_digest": counting.digest}

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Count the living rows."""

        def count(rows: pa.Table) -> pa.Table:
            counts = counter(self.tokenizer).count(texts(rows))
            if "lang" in rows.column_names:
                by_lang = pa.table({"lang": rows.column("lang"), "n": pa.array(counts)})
                for row in by_lang.group_by("lang").aggregate([("n", "sum")]).to_pylist():
                    tally[f"tokens:{row['lang'] or 'und'}"] += row["n_sum"]
            return with_columns(rows, {"n_tokens": pa.array(counts)})

        return on_alive(table, count)
