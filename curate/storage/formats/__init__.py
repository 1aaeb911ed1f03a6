"""The product in the formats that trainers read, besides Parquet.

Each writer takes one part of the product and returns the entries of its files for the commit. The
rows and their order are those of the Parquet part of the same number; the bytes are a function of
them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import import_module

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.protocol.tallies import NOT_HELD, tally_key
from curate.storage.entries import FileEntry
from curate.storage.store import Store

#: Format → its writer.
OUTPUT_FORMATS = {
    "jsonl": "curate.storage.formats.jsonl:write",
    "mds": "curate.storage.formats.mds:write",
    "ds": "curate.storage.formats.tokenized:write_ds",
    "megatron": "curate.storage.formats.tokenized:write_megatron",
    "packed": "curate.storage.formats.packed:write",
}

#: Formats that hold tokens.
_TOKENS = frozenset(("ds", "megatron", "packed"))


#: Formats that hold a text and no mask of what a model is trained on.
WITHOUT_MASK = ("mds", "megatron")


@dataclass(frozen=True)
class Output:
    """The product's formats as the recipe sets them, and the tokenizer that one of them needs."""

    formats: tuple[str, ...] = ()
    compression: str = "zst"
    chat: str = "messages"
    tokenizer: str | None = None
    end: str | None = None
    length: int = 8192
    template: str | None = None
    loss: str = "assistant"

    @property
    def model_digest(self) -> str | None:
        """The digest of the tokenizer, and of the chat template, if any format writes tokens."""
        if not _TOKENS & set(self.formats):
            return None
        from curate.storage.packing.conversations import chat_template
        from curate.tokens.encode import encoder

        if "packed" in self.formats and self.template is not None:
            everything = self.loss == "all"
            return chat_template(
                self.template, self.tokenizer, self.end, everything=everything
            ).digest
        return encoder(self.tokenizer, self.end).digest


def check(output: Output) -> None:
    """Raise RecipeError, before a run starts, where tokens could not be written.

    The tokenizer has no token that ends a document, or the chat template does not fit it.
    """
    _ = output.model_digest
    if output.template is not None and "packed" not in output.formats:
        raise RecipeError(
            "only packed sequences are written by a chat template",
            where="output.template",
            hint="formats = ['packed'], or leave template out",
        )


def _not_held(format: str, table: pa.Table, output: Output) -> dict[str, int]:
    """Return how many conversations have what a format has no place for, by what it is.

    ``rejected``: formats of one text hold the better answer only. ``weight``: turns of weight 0,
    or where there is a mask, of weights that it cannot say.
    """
    if format == "jsonl" or "messages" not in table.column_names:
        return {}
    messages = table.column("messages").combine_chunks()
    weights = messages.flatten().field("weight")
    lost = pc.not_equal(weights, 1)
    if format not in WITHOUT_MASK:
        said = pc.equal(weights, 0)
        if format == "packed" and output.loss == "all":
            said = pc.and_(said, pc.equal(messages.flatten().field("role"), "assistant"))
        lost = pc.and_(lost, pc.invert(said))
    rows = pc.list_parent_indices(messages).filter(pc.fill_null(lost, False))
    rejected = table.column("rejected")
    counts = {
        "rejected": len(rejected) - rejected.null_count,
        "weight": len(pc.unique(rows)),
    }
    return {what: count for what, count in counts.items() if count}


def write(
    format: str, store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write a part of the product in one format. ``suffix`` of an entry ends its published name.

    ``tally`` counts rows with what the format has no place for, and what packing did.
    """
    module, _, function = OUTPUT_FORMATS[format].partition(":")
    entries: list[FileEntry] = getattr(import_module(module), function)(
        store, folder, table, output, tally
    )
    for what, count in _not_held(format, table, output).items():
        tally[tally_key(NOT_HELD, format, what)] += count
    return entries
