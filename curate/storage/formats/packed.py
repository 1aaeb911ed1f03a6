"""Packed training sequences: tokens of whole documents, one after another, up to one length.

Documents are taken in the order of the part, a window at a time; in each window best-fit decreasing
decides which of them share a sequence. A document is cut only where it is longer than a sequence:
into pieces of a whole sequence each, and the rest, which is packed like a document. Nothing is
truncated; what is left of a sequence is padded with the token that ends documents.

In memory are the tokens of one window, besides the part itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.protocol.tallies import PACKED, tally_key
from curate.storage.entries import FileEntry
from curate.storage.formats import Output
from curate.storage.packing.best_fit import best_fit
from curate.storage.packing.conversations import ChatTemplate, chat_template
from curate.storage.packing.templates import Piece, Unfit
from curate.storage.parquet_sink import write_groups
from curate.storage.store import Store
from curate.tokens.encode import Encoder, Masked, encoder

#: A window ends with the first of these: tokens, sequences of full length, pieces of documents.
WINDOW_TOKENS, WINDOW_SEQUENCES, WINDOW_PIECES = 1 << 23, 1 << 10, 1 << 16

#: Tokens of a row group.
GROUP_TOKENS = 1 << 20

#: Rows that are tokenized at a time.
_ROWS = 256

SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("loss_mask", pa.list_(pa.uint8())),
        ("position_ids", pa.list_(pa.int32())),
        ("document_offsets", pa.list_(pa.int32())),
        ("document_ids", pa.list_(pa.string())),
        ("document_starts", pa.list_(pa.int64())),
    ]
)


class _PieceOfDocument(NamedTuple):
    ids: npt.NDArray[np.int32]
    trained: npt.NDArray[np.uint8]
    document: str
    start: int  #: the token of the document with which it begins


def write(
    store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write one Parquet file of sequences; a row is a sequence."""
    tokens = encoder(output.tokenizer, output.end)
    template = (
        chat_template(
            output.template, output.tokenizer, output.end, everything=output.loss == "all"
        )
        if output.template is not None
        else None
    )
    about = {
        "length": output.length, "tokenizer": tokens.name, "tokenizer_digest": tokens.digest,
        "template": output.template, "loss": output.loss, "pad_token_id": tokens.end,
    }  # fmt: skip
    schema = SCHEMA.with_metadata({"curate": json.dumps(about, sort_keys=True)})
    counts: Counter[str] = Counter()
    windows = _windows(_documents(table, tokens, template, counts), output.length, counts)
    groups = (
        group
        for window in windows
        for group in _groups(window, output.length, tokens.end, schema, counts)
    )
    name = f"{folder}/packed-00000.parquet"
    entry = write_groups(store, name, schema, groups, dataset="packed")
    phase = table.column("phase")[0].as_py()
    for what, count in counts.items():
        tally[tally_key(PACKED, phase, what)] += count
    return [FileEntry("packed", name, entry.bytes, entry.sha256, entry.rows, ".parquet")]


def _documents(
    table: pa.Table, tokens: Encoder, template: ChatTemplate | None, counts: Counter[str]
) -> Iterator[tuple[str, Masked]]:
    """Yield the id and the tokens of each document, in order."""
    names = [n for n in ("id", "text", "messages", "tools") if n in table.column_names]
    for batch in table.select(names).to_batches(max_chunksize=_ROWS):
        rows = batch.to_pylist()
        chats = {at: row for at, row in enumerate(rows) if row.get("messages") is not None}
        written = {at: _pieces(row, template, counts) for at, row in chats.items()}
        fitting = {at: pieces for at, pieces in written.items() if pieces is not None}
        encoded: dict[int, Masked] = {}
        if template is not None and fitting:
            encoded = dict(zip(fitting, template.encode(list(fitting.values())), strict=True))
        plain = [at for at in range(len(rows)) if at not in chats]
        texts = tokens.encode([rows[at]["text"] or "" for at in plain])
        for at, ids in zip(plain, texts, strict=True):
            framed = [*([] if tokens.begin is None else [tokens.begin]), *ids, tokens.end]
            encoded[at] = framed, np.ones(len(framed), np.bool_)
        for at in sorted(encoded):
            yield rows[at]["id"], encoded[at]


def _pieces(
    row: dict[str, object], template: ChatTemplate | None, counts: Counter[str]
) -> list[Piece] | None:
    """Return a conversation as its template writes it; None, and counted, where it cannot."""
    try:
        if template is None:
            raise Unfit("no_template")
        return template.pieces(row["messages"], row.get("tools"))  # type: ignore[arg-type]
    except Unfit as unfit:
        counts[tally_key("left_out", unfit.args[0])] += 1
        return None


def _windows(
    documents: Iterator[tuple[str, Masked]], length: int, counts: Counter[str]
) -> Iterator[list[_PieceOfDocument]]:
    """Yield the pieces of documents, a window at a time."""
    most = max(length, min(WINDOW_TOKENS, WINDOW_SEQUENCES * length))
    window: list[_PieceOfDocument] = []
    waiting = 0
    for document, (ids, trained) in documents:
        counts["documents"] += 1
        counts["tokens"] += len(ids)
        counts["trained"] += int(trained.sum())
        if len(ids) > length:
            counts["split"] += 1
            counts["pieces"] += -(-len(ids) // length)
        numbers, mask = np.array(ids, np.int32), trained.astype(np.uint8)
        for start in range(0, len(ids), length):
            piece = numbers[start : start + length], mask[start : start + length]
            window.append(_PieceOfDocument(*piece, document, start))
            waiting += len(piece[0])
            if waiting >= most or len(window) >= WINDOW_PIECES:
                yield window
                window, waiting = [], 0
    if window:
        yield window


def _groups(
    window: Sequence[_PieceOfDocument],
    length: int,
    pad: int,
    schema: pa.Schema,
    counts: Counter[str],
) -> Iterator[pa.Table]:
    """Yield a window's sequences as row groups."""
    packed = best_fit([len(piece.ids) for piece in window], length)
    rows = max(1, GROUP_TOKENS // length)
    for first in range(0, len(packed), rows):
        sequences = [[window[at] for at in items] for items in packed[first : first + rows]]
        used = sum(len(piece.ids) for pieces in sequences for piece in pieces)
        counts["sequences"] += len(sequences)
        counts["padding"] += len(sequences) * length - used
        yield _table(sequences, length, pad, schema)


def _table(
    sequences: Sequence[Sequence[_PieceOfDocument]], length: int, pad: int, schema: pa.Schema
) -> pa.Table:
    shape = len(sequences), length
    ids, mask = np.full(shape, pad, np.int32), np.zeros(shape, np.uint8)
    positions = np.zeros(shape, np.int32)
    offsets: list[list[int]] = []
    for row, pieces in enumerate(sequences):
        at = 0
        ends = [0]
        for piece in pieces:
            end = at + len(piece.ids)
            ids[row, at:end], mask[row, at:end] = piece.ids, piece.trained
            positions[row, at:end] = np.arange(end - at)
            at = end
            ends.append(at)
        offsets.append(ends)
    starts = pa.array(np.arange(0, (len(sequences) + 1) * length, length, np.int32))
    flat = [pa.ListArray.from_arrays(starts, grid.reshape(-1)) for grid in (ids, mask, positions)]
    lists = [
        offsets,
        [[piece.document for piece in pieces] for pieces in sequences],
        [[piece.start for piece in pieces] for pieces in sequences],
    ]
    arrays = [
        *flat,
        *(pa.array(values, schema.field(3 + n).type) for n, values in enumerate(lists)),
    ]
    return pa.table(arrays, schema=schema)
