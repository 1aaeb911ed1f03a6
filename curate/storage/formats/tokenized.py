"""Tokens as trainers read them from disk: datatrove's ``.ds`` and Megatron's ``.bin`` and ``.idx``.

Both are written by datatrove's own writers, so that its readers, nanotron and Megatron can read
them. A document is its tokens and the end-of-document token; a conversation is its rendered text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.storage.entries import FileEntry
from curate.storage.formats import Output
from curate.storage.store import Store
from curate.tokens.encode import Encoder, encoder

#: Documents that are tokenized at a time.
_ROWS = 512

_BLOCK = 1 << 22


def write_ds(store: Store, folder: str, table: pa.Table, output: Output) -> list[FileEntry]:
    """Write ``.ds``, its ``.index`` of document ends and its ``.metadata``."""
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    tokens = encoder(output.tokenizer, output.end)
    with tempfile.TemporaryDirectory() as scratch:
        writer = TokenizedFile(
            scratch,
            "part.ds",
            token_size=tokens.width,
            tokenizer_name_or_path=f"{tokens.name}|{tokens.digest}",
            save_final_metadata=True,
        )
        for ids in _documents(table, tokens):
            writer.write(ids, None)
        writer.close()
        return _stored(store, folder, "ds", Path(scratch), table.num_rows)


def write_megatron(store: Store, folder: str, table: pa.Table, output: Output) -> list[FileEntry]:
    """Write ``.bin`` and ``.idx``."""
    from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile

    tokens = encoder(output.tokenizer, output.end)
    with tempfile.TemporaryDirectory() as scratch:
        writer: Any = MegatronTokenizedFile(scratch, "part", token_size=tokens.width)
        for ids in _documents(table, tokens):
            writer.write(ids)
        writer.close()
        return _stored(store, folder, "megatron", Path(scratch), table.num_rows)


def _documents(table: pa.Table, tokens: Encoder) -> Iterator[list[int]]:
    for batch in table.select(["text"]).to_batches(max_chunksize=_ROWS):
        for ids in tokens.encode([text or "" for text in batch.column(0).to_pylist()]):
            ids.append(tokens.end)
            yield ids


def _stored(store: Store, folder: str, format: str, scratch: Path, rows: int) -> list[FileEntry]:
    entries: list[FileEntry] = []
    for path in sorted(scratch.iterdir()):
        suffix = path.name.removeprefix("part")
        name = f"{folder}/{format}-00000{suffix}"
        with store.writing(name) as sink, path.open("rb") as source:
            while block := source.read(_BLOCK):
                sink.write(block)
            entries.append(FileEntry(format, name, sink.bytes, sink.sha256, rows, suffix))
    return entries
