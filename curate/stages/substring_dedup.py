"""Cut spans of text that occur earlier in the corpus, wherever they begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.dedup.keeper import keeper_column
from curate.dedup.options import RepeatedSpans
from curate.errors import RecipeError
from curate.protocol.stage import Step
from curate.schema import VERDICT_COLUMNS
from curate.stages.line_dedup import STORED_COLUMNS, CuttingBarrier

if TYPE_CHECKING:
    from curate.dedup.substring.repeated_spans import Symbols


@dataclass(frozen=True)
class SubstringDedup(RepeatedSpans, CuttingBarrier):
    """Cut spans that occur earlier in the corpus; see ``curate.dedup.substring``.

    Earlier means: in a document that comes first in keeper order (``keep``), or earlier in the same
    one. A document of which nothing is left is dropped as ``nothing_left``, one that would lose
    more than ``max_cut`` of its bytes as ``mostly_repeated``, and with ``action = "drop"`` one that
    repeats too much as ``repeated_span``. Run exact and near dedup first, measure and judge again
    afterwards. The tally counts ``cut:documents``, ``cut:spans`` and ``cut:bytes``.

    ``min_tokens = 50`` is the figure of Lee et al., and means as much text in every script. A span
    is then a run of the same tokens, and is cut where tokens begin.

    A store remembers the text of all documents that were read here, whatever became of them, as far
    as it did not occur before. A later run is compared with it as with documents of its own that
    come first.
    """

    tokenizer: str | None = None
    """Tokenizer of ``min_tokens``; without it Tekken. Example: "tiktoken:o200k_base"."""
    against: str | None = None
    """Address of a store of documents that earlier runs read here. Example: "s3://corpus/spans"."""
    store: str | None = None
    """The same, and the documents read here are added to it. Example: "s3://corpus/spans"."""
    known: Any = field(default=None, metadata={"planned": True})
    own: tuple[str, ...] = field(default=(), metadata={"planned": True})
    name: str = "substring_dedup"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokenizer is not None and self.min_tokens is None:
            raise RecipeError(
                f"tokenizer = '{self.tokenizer}', and spans are measured in bytes",
                hint="min_tokens = 50",
            )

    @property
    def refuses_chat(self) -> bool:
        """Whether the stage would cut spans out of conversations."""
        return self.action == "cut"

    @cached_property
    def _symbols(self) -> Symbols:
        if self.min_tokens is None:
            from curate.dedup.substring.repeated_spans import BYTES

            return BYTES
        from curate.tokens.spelling import lossless_tokenizer

        return lossless_tokenizer(self.tokenizer)

    @property
    def model_digest(self) -> str | None:
        """The digest of the tokenizer; None where spans are measured in bytes."""
        return self._symbols.digest

    @property
    def stored_parameters(self) -> dict[str, int | str]:
        """The parameters that a store must agree with: its keys depend on them."""
        if self.model_digest is None:
            return {"spans": self.window, "of": "bytes"}
        name = (self.tokenizer or "tekken").rpartition("/")[2]
        return {"spans": self.window, "of": name, "tokenizer": self.model_digest}

    @property
    def reads(self) -> tuple[str, ...]:
        stored = STORED_COLUMNS if self.store else ()
        keeper = keeper_column(self.keep, self.own)
        read = ("id", "text", "messages", *VERDICT_COLUMNS, keeper, *stored)
        return tuple(dict.fromkeys(read))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, keeper rank, and anchors with their windows of each row."""
        from curate.dedup.substring import repeated_spans

        self.check_planned()
        return repeated_spans.sketch(self, self._symbols, table)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""
        from curate.dedup.substring import repeated_spans

        storing = self.store is not None
        return repeated_spans.steps(self, self._symbols, self.known, storing=storing)
