"""The product in the formats that trainers read, besides Parquet.

Each writer takes one part of the product and returns the entries of its files for the commit. The
rows and their order are those of the Parquet part of the same number; the bytes are a function of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import pyarrow as pa
import pyarrow.compute as pc

from curate.storage.entries import FileEntry
from curate.storage.store import Store

#: Format → its writer.
OUTPUT_FORMATS = {
    "jsonl": "curate.storage.formats.jsonl:write",
    "mds": "curate.storage.formats.mds:write",
    "ds": "curate.storage.formats.tokenized:write_ds",
    "megatron": "curate.storage.formats.tokenized:write_megatron",
}


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

    @property
    def model_digest(self) -> str | None:
        """The digest of the tokenizer, if any format writes tokens."""
        if not {"ds", "megatron"} & set(self.formats):
            return None
        from curate.tokens import counter

        return counter(self.tokenizer).digest


def check(output: Output) -> None:
    """Raise RecipeError, before a run starts, for a tokenizer without an end-of-document token."""
    if output.model_digest is not None:
        from curate.tokens.encode import encoder

        encoder(output.tokenizer, output.end)


def not_held(format: str, table: pa.Table) -> dict[str, int]:
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
        lost = pc.and_(lost, pc.not_equal(weights, 0))
    rows = pc.list_parent_indices(messages).filter(pc.fill_null(lost, False))
    rejected = table.column("rejected")
    counts = {
        "rejected": len(rejected) - rejected.null_count,
        "weight": len(pc.unique(rows)),
    }
    return {what: count for what, count in counts.items() if count}


def write(
    format: str, store: Store, folder: str, table: pa.Table, output: Output
) -> list[FileEntry]:
    """Write a part of the product in one format. ``suffix`` of an entry ends its published name."""
    module, _, function = OUTPUT_FORMATS[format].partition(":")
    entries: list[FileEntry] = getattr(import_module(module), function)(
        store, folder, table, output
    )
    return entries
