"""Lines, or paragraphs, that many documents share: menus, notices, bylines. They are cut, the document stays.

A line is compared as it looks: case folded, white space squeezed, runs of digits one 0, what cannot be
seen gone; its key has 128 bits. What counts is how many documents have it, not how often. Documents
that an earlier dedup of the same group dropped don't count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import uint32, uint64

from curate.dedup.code_points import (
    BLOCK,
    INVISIBLE,
    SEPARATOR,
    decode,
    mix,
    text_buffers,
    visible_table,
)
from curate.dedup.cuts import joined, text_hash, without
from curate.dedup.decisions import Inputs, Task, decide, integers, part_of, read_docs
from curate.dedup.options import RepeatedLines
from curate.schema import SPAN
from curate.text import unicode
from curate.text.jit import kernel

_DIGIT = 2
_HIGH, _LOW = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    table = visible_table().copy()
    digits = (unicode.CLASS & unicode.DIGIT) != 0
    table[digits] = np.uint32(ord("0") | _DIGIT << 24)
    return table


@kernel
def _units(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    paragraphs: bool,
    document: np.ndarray,
    span: np.ndarray,
    keys: np.ndarray,
    characters: np.ndarray,
) -> int:
    # One pass; bound by decoding and two multiplications a character.
    entries = np.empty(BLOCK, np.uint32)
    n = 0
    for d in range(offsets.shape[0] - 1):
        at, stop = offsets[d], offsets[d + 1]
        while at < stop:
            end = at
            while end < stop and not (
                data[end] == 10 and (not paragraphs or end + 1 == stop or data[end + 1] == 10)
            ):
                end += 1
            high, low = uint64(_HIGH), uint64(_LOW)
            seen = 0
            spaced, digit = False, False
            place = at
            while place < end:
                m, place = decode(data, place, end, table, entries)
                for i in range(m):
                    kind = (entries[i] >> uint32(24)) & uint32(7)
                    if kind == SEPARATOR:
                        spaced, digit = seen > 0, False
                        continue
                    if kind == INVISIBLE or (kind == _DIGIT and digit):
                        continue
                    digit = kind == _DIGIT
                    # A space counts once something stands behind it: as bit 21 of that.
                    c = uint64(entries[i] & uint32(0x1FFFFF)) | (uint64(spaced) << uint64(21))
                    spaced = False
                    high = (high ^ c) * uint64(_HIGH)
                    high ^= high >> uint64(29)
                    low = (low + c) * uint64(_LOW)
                    low ^= low >> uint64(32)
                    seen += 1
            document[n] = d
            span[n, 0], span[n, 1] = at - offsets[d], end - offsets[d]
            keys[n, 0], keys[n, 1] = mix(high), mix(low)
            characters[n] = seen
            n += 1
            at = end + 1
    return n


@dataclass(frozen=True)
class Units:
    """The units of texts: number of the text, span in bytes, key (two uint64), visible characters."""

    document: np.ndarray
    span: np.ndarray
    keys: np.ndarray
    characters: np.ndarray


def units(texts: pa.LargeStringArray, unit: str) -> Units:
    """Split texts into lines or paragraphs, with a key for each."""
    data, offsets = text_buffers(texts)
    most = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == 10)) + len(texts)
    document, characters = np.empty(most, np.int64), np.empty(most, np.int64)
    span, keys = np.empty((most, 2), np.int64), np.empty((most, 2), np.uint64)
    n = _units(data, offsets, _table(), unit == "paragraph", document, span, keys, characters)
    return Units(document[:n], span[:n], keys[:n], characters[:n])


def sketch(repeated: RepeatedLines, table: pa.Table) -> pa.Table:
    """Give id and the distinct keys of each document's units, high and low halves in turn."""
    texts = table.column("text").combine_chunks()
    if "messages" in table.column_names:  # a conversation has turns and no lines to spare
        chat = pc.is_valid(table.column("messages").combine_chunks())
        texts = pc.if_else(chat, pa.scalar("", pa.large_string()), texts)
    found = units(texts, repeated.unit)
    long = np.flatnonzero(found.characters >= repeated.min_characters)
    document, keys = found.document[long], found.keys[long]
    order = np.lexsort((keys[:, 1], keys[:, 0], document))
    document, keys = document[order], keys[order]
    new = np.ones(len(document), np.bool_)
    new[1:] = (document[1:] != document[:-1]) | (keys[1:] != keys[:-1]).any(axis=1)
    document, keys = document[new], keys[new]
    counts = np.bincount(document, minlength=table.num_rows)
    offsets = np.concatenate([[0], np.cumsum(2 * counts)])
    lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(keys.reshape(-1)))
    return pa.table({"id": table.column("id"), "keys": lists})


def tasks(repeated: RepeatedLines) -> tuple[Task, ...]:
    """Give the steps: keys to their partitions, those that repeat back to the documents, cuts."""
    return (
        Task("route", "shard", ("sketch", "decided"), ("keys",), _route),
        Task("count", "partition", ("keys",), ("repeated",), partial(_count, repeated)),
        Task("cut", "shard", ("repeated", "text"), ("decisions",), partial(_cut, repeated)),
    )


def _route(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    decided = read_docs(inputs, "decided")
    for table in inputs.stream("sketch"):
        docs = integers(table, "doc")
        column = table.column("keys").combine_chunks()
        pairs = column.flatten().to_numpy().reshape(-1, 2)
        owner = np.repeat(docs, np.diff(np.asarray(column.offsets)) // 2)
        living = ~np.isin(owner, decided)
        high = np.ascontiguousarray(pairs[living, 0])
        yield (
            "keys",
            pa.table(
                {
                    "high": high,
                    "low": np.ascontiguousarray(pairs[living, 1]),
                    "doc": owner[living],
                    "part": part_of(high, inputs.partitions),
                }
            ),
        )


def _count(repeated: RepeatedLines, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("keys"))
    if not tables:
        return
    high, low, docs = (
        np.concatenate([integers(table, name) for table in tables])
        for name in ("high", "low", "doc")
    )
    order = np.lexsort((docs, low, high))
    high, low, docs = high[order], low[order], docs[order]
    if not len(docs):
        return
    new = np.ones(len(docs), np.bool_)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    group = np.cumsum(new) - 1
    cut = np.bincount(group)[group] >= repeated.min_documents
    if repeated.keep_first:
        cut &= ~new
    shard = pa.array((docs[cut] >> 32).astype(np.int32))
    yield (
        "repeated",
        pa.table({"high": high[cut], "low": low[cut], "doc": docs[cut], "part": shard}),
    )


def _cut(repeated: RepeatedLines, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("repeated"))
    if not tables:
        return
    wanted = pa.concat_tables(tables)
    marked = set(
        zip(*(integers(wanted, name).tolist() for name in ("doc", "high", "low")), strict=True)
    )
    documents = np.unique(integers(wanted, "doc"))
    for table in inputs.stream("text"):
        rows = table.filter(pa.array(np.isin(integers(table, "doc"), documents)))
        if not rows.num_rows:
            continue
        docs = integers(rows, "doc")
        texts = rows.column("text").combine_chunks()
        found = units(texts, repeated.unit)
        keys = zip(
            docs[found.document].tolist(), *(half.tolist() for half in found.keys.T), strict=True
        )
        hit = np.fromiter((key in marked for key in keys), np.bool_, len(found.document))
        hit &= found.characters >= repeated.min_characters
        spans: dict[int, list[tuple[int, int]]] = {}
        for row, (start, end) in zip(found.document[hit].tolist(), found.span[hit].tolist()):
            spans.setdefault(row, []).append((start, end + 1))  # with the line's end
        said = [_decision(repeated, texts[row].as_py(), cuts) for row, cuts in spans.items()]
        mine = list(spans)
        yield (
            "decisions",
            decide(
                docs[mine],
                {
                    "id": rows.column("id").take(pa.array(mine, pa.int64())).combine_chunks(),
                    **{
                        name: pa.array([row[name] for row in said], kind)
                        for name, kind in _SAID.items()
                    },
                },
            ),
        )


_SAID = {
    "dropped_by": pa.string(),
    "dropped_value": pa.float64(),
    "cuts": pa.list_(SPAN),
    "text_hash": pa.binary(16),
}


def _decision(repeated: RepeatedLines, text: str, cuts: list[tuple[int, int]]) -> dict[str, object]:
    size = len(text.encode())
    spans = [(start, min(end, size)) for start, end in joined(cuts)]
    left = without(text, spans)
    share = 1 - len(left.encode()) / size
    rule = None
    if not left.strip():
        rule = "nothing_left"
    elif share > repeated.max_cut:
        rule = "mostly_repeated"
    if rule:
        return {"dropped_by": rule, "dropped_value": share, "cuts": None, "text_hash": None}
    return {
        "dropped_by": None,
        "dropped_value": None,
        "cuts": [{"start": start, "end": end} for start, end in spans],
        "text_hash": text_hash(text),
    }
