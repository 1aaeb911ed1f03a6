"""JSON lines as Megatron's and NeMo's preprocessing and most chat trainers read them.

``text`` is the document; a conversation has ``messages`` instead, or ``conversations`` in
ShareGPT's form, and ``tools``: a list, or in ShareGPT's form its JSON text. Columns that describe
the document follow; signals are in the Parquet part only.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from curate.protocol.chat import openai, sharegpt, sharegpt_tools
from curate.storage.entries import FileEntry
from curate.storage.formats import Output
from curate.storage.store import Store

_DOCUMENT = ("text", "messages", "rejected", "tools")
_COLUMNS = (
    "id", "source", "origin", "license", "url", "date", "lang", "n_tokens", "phase", "epoch",
)  # fmt: skip

#: Rows that are turned into Python objects at a time.
_ROWS = 512


def write(
    store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write one file of JSON lines, compressed with zstd or gzip."""
    suffix = f".jsonl.{output.compression}"
    name = f"{folder}/jsonl-00000{suffix}"
    with store.writing(name) as sink:
        packed = _compressed(sink, output.compression)
        for row in rows(table, output.chat):
            packed.write((json.dumps(row, ensure_ascii=False, default=_date) + "\n").encode())
        packed.close()
        entry = FileEntry("jsonl", name, sink.bytes, sink.sha256, table.num_rows, suffix)
    return [entry]


def rows(table: pa.Table, chat: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each row, without its null values."""
    names = [name for name in _DOCUMENT + _COLUMNS if name in table.column_names]
    for batch in table.select(names).to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            text, messages, rejected, tools = (row.pop(name, None) for name in _DOCUMENT)
            document: dict[str, Any] = {"text": text}
            if messages is not None:
                document = _conversation(messages, rejected, tools, chat)
            yield document | {name: value for name, value in row.items() if value is not None}


def _conversation(
    messages: list[Any], rejected: list[Any] | None, tools: str | None, chat: str
) -> dict[str, Any]:
    if chat == "sharegpt":
        schemas = {"tools": sharegpt_tools(tools)} if tools else {}
        return sharegpt(messages, rejected) | schemas
    worse = {"rejected": openai(rejected)} if rejected else {}
    return {"messages": openai(messages)} | worse | ({"tools": json.loads(tools)} if tools else {})


def _compressed(sink: IO[bytes], compression: str) -> Any:
    if compression == "gz":
        # No name and no time in the header: the bytes are a function of the rows.
        return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=sink, mtime=0)
    import zstandard

    return zstandard.ZstdCompressor(level=3).stream_writer(sink, closefd=False)


def _date(value: Any) -> str:
    return str(value.isoformat())
