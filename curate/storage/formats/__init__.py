"""The product in the formats that trainers read, beside Parquet.

Each writer takes one part of the product and gives the entries of its files for the commit. The same
rows in the same order as the Parquet part of the same number; the bytes are a function of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from curate.errors import ResourceError
from curate.storage.store import Store

Entry = dict[str, Any]

#: Format → its writer, and the extra of the package that brings what it needs.
FORMATS = {
    "jsonl": ("curate.storage.formats.jsonl:write", None),
    "mds": ("curate.storage.formats.mds:write", None),
    "ds": ("curate.storage.formats.tokenized:write_ds", "trainers"),
    "megatron": ("curate.storage.formats.tokenized:write_megatron", "trainers"),
}


@dataclass(frozen=True)
class Output:
    """What the recipe says of the product's formats, and the tokenizer where one of them needs it."""

    formats: tuple[str, ...] = ()
    compression: str = "zst"
    chat: str = "messages"
    tokenizer: str | None = None
    end: str | None = None

    @property
    def model_digest(self) -> str | None:
        """A digest of the tokenizer, if any format writes tokens."""
        if not {"ds", "megatron"} & set(self.formats):
            return None
        from curate.tokens import counter

        return counter(self.tokenizer).digest


def check(output: Output) -> None:
    """Find out before a run, and not at its end, that a format cannot be written.

    Raises RecipeError for a tokenizer that cannot end documents, ResourceError for a missing package.
    """
    for format in output.formats:
        extra = FORMATS[format][1]
        if extra and find_spec("datatrove") is None:
            raise ResourceError(
                f"format '{format}' needs the package datatrove",
                hint=f"pip install 'curate-corpus[{extra}]'",
            )
    if output.model_digest is not None:
        from curate.tokens.encode import encoder

        encoder(output.tokenizer, output.end)


def write(format: str, store: Store, folder: str, table: pa.Table, output: Output) -> list[Entry]:
    """Write a part of the product in one format. ``suffix`` of an entry ends its published name."""
    module, _, function = FORMATS[format][0].partition(":")
    written: list[Entry] = getattr(import_module(module), function)(store, folder, table, output)
    return written
