"""Tokens as trainers read them from disk: datatrove's ``.ds`` and Megatron's ``.bin`` and ``.idx``.

Both are written by datatrove's own writers, so that its readers, nanotron and Megatron can read
them. A document is its tokens and the end-of-document token; a conversation is its rendered text:
its tools, reasoning and calls, and of preference data the better answer. Where turns have weights,
``.ds.loss`` has one byte for each token, 0 for those of turns of weight 0; Megatron's format has
no place for that.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.protocol.chat import loss_pieces
from curate.storage.entries import FileEntry
from curate.storage.formats import Output
from curate.storage.store import Store
from curate.tokens.encode import Encoder, encoder

#: Documents that are tokenized at a time.
_ROWS = 512

_BLOCK = 1 << 22


def write_ds(
    store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write ``.ds``, its ``.index`` of document ends, ``.metadata``, and ``.loss`` if needed."""
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    tokens = encoder(output.tokenizer, output.end)
    weighted = _weighted(table)
    with tempfile.TemporaryDirectory() as scratch:
        writer = TokenizedFile(
            scratch,
            "part.ds",
            token_size=tokens.width,
            tokenizer_name_or_path=f"{tokens.name}|{tokens.digest}",
            save_final_metadata=True,
            save_loss_metadata=weighted,
        )
        for ids, trained in _documents(table, tokens):
            writer.write(ids, trained)
        writer.close()
        return _stored(store, folder, "ds", Path(scratch), table.num_rows)


def write_megatron(
    store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write ``.bin`` and ``.idx``."""
    from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile

    tokens = encoder(output.tokenizer, output.end)
    with tempfile.TemporaryDirectory() as scratch:
        writer: Any = MegatronTokenizedFile(scratch, "part", token_size=tokens.width)
        for ids, _ in _documents(table, tokens):
            writer.write(ids)
        writer.close()
        return _stored(store, folder, "megatron", Path(scratch), table.num_rows)


def _weighted(table: pa.Table) -> bool:
    """Return whether any turn has a weight."""
    if "messages" not in table.column_names:
        return False
    weights = table.column("messages").combine_chunks().flatten().field("weight")
    return bool(weights.null_count < len(weights))


def _documents(table: pa.Table, tokens: Encoder) -> Iterator[tuple[list[int], np.ndarray | None]]:
    """Yield the tokens of each row; where turns have weights, also if a model trains on each."""
    names = ["text", "messages", "tools"] if _weighted(table) else ["text"]
    for batch in table.select(names).to_batches(max_chunksize=_ROWS):
        encoded = tokens.encode([text or "" for text in batch.column(0).to_pylist()])
        for row, ids in enumerate(encoded):
            ids.append(tokens.end)
            yield _masked(batch, row, ids, tokens) if len(names) > 1 else (ids, None)


def _masked(
    batch: pa.RecordBatch, row: int, ids: list[int], tokens: Encoder
) -> tuple[list[int], np.ndarray]:
    """Return the tokens of a row and its loss mask; pieces of either kind are encoded apart."""
    messages, tools = (batch.column(name)[row].as_py() for name in ("messages", "tools"))
    pieces = loss_pieces(messages, tools) if messages else None
    if pieces is None:
        return ids, np.ones(len(ids), np.bool_)
    encoded = tokens.encode([text for text, _ in pieces])
    encoded[-1].append(tokens.end)
    trained = [np.full(len(part), flag) for part, (_, flag) in zip(encoded, pieces, strict=True)]
    return list(chain.from_iterable(encoded)), np.concatenate(trained)


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
