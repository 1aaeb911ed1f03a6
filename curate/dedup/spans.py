"""Spans of bytes that stand earlier in the corpus: found whatever the documents around them (Lee et al.).

"Deduplicating Training Data Makes Language Models Better" (Lee et al., 2021, arXiv:2107.06499) cuts
every span of 50 tokens that occurs twice, with one suffix array over all text. Here it is done in
partitions, and nothing depends on how they are cut.

**What is found.** A *window* is `min_bytes` bytes of a text. A window repeats if the same bytes stand in
a document before, in keeper order, or in the same document and end before the window begins. All
windows that repeat go, and nothing else: every repeated span of `min_bytes` bytes or more is found, and
no byte is cut that does not lie in one. Spans are shrunk to whole characters.

**How.** Each window has an *anchor*: the smallest hash of the k-grams in it, k being half of
`min_bytes`. Equal windows have equal anchors, and neighbouring windows share one for some 50 bytes, so
that only runs of windows with one anchor travel (winnowing: Schleimer et al. 2003, SIGMOD). An anchor
that stands once in the corpus tells that none of its windows repeats. For the others the text itself
goes to the partition of the anchor, where windows are compared byte by byte: a hash alone cuts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint64

from curate.dedup.code_points import mix, text_buffers
from curate.dedup.cuts import decide_cuts, joined, text_hash, undivided, without
from curate.dedup.decisions import Inputs, Task, integers, part_of, read_docs, shard_of, spread
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import RepeatedSpans
from curate.text.jit import kernel

_BASE = 0x9E3779B97F4A7C15
_MOST = 0xFFFFFFFFFFFFFFFF

#: Windows that are compared at a time: 40 bytes each.
WINDOWS = 1 << 22

#: Room for what a kernel finds, and runs expected per stretch of windows (two on average): where it is
#: not enough, the kernel says how much is, and is run again.
_ROOM, _DENSITY = 1024, 3


def anchor_bytes(min_bytes: int) -> int:
    """Give k: an anchor is the smallest hash of the k-grams of a window."""
    return min_bytes // 2


@kernel
def _anchors(
    data: np.ndarray,
    offsets: np.ndarray,
    min_bytes: int,
    k: int,
    counts: np.ndarray,
    found: np.ndarray,
    starts: np.ndarray,
) -> int:
    """Write anchor and first window of each run of windows with one anchor; count those of each text.

    The smallest hash of every window in one pass (van Herk's blocks), whatever the text repeats. Bound
    by the rolling hash and its finalizer. Gives how many runs there are, be there room for them or not.
    """
    w = min_bytes - k + 1
    base = uint64(_BASE)
    top = uint64(1)
    for _ in range(k):
        top *= base
    block = np.empty(w, np.uint64)
    suffix = np.empty(w + 1, np.uint64)
    room = len(found)
    n = 0
    for d in range(offsets.shape[0] - 1):
        begin = offsets[d]
        size = offsets[d + 1] - begin
        counts[d] = 0
        if size < min_bytes:
            continue
        first = n
        last = uint64(0)
        h = uint64(0)
        for i in range(k - 1):
            h = h * base + uint64(data[begin + i]) + uint64(1)
        prefix = uint64(_MOST)
        suffix[w] = uint64(_MOST)
        place = 0
        for j in range(size - k + 1):
            h = h * base + uint64(data[begin + j + k - 1]) + uint64(1)
            if j > 0:
                h -= (uint64(data[begin + j - 1]) + uint64(1)) * top
            g = mix(h)
            prefix = min(prefix, g)
            block[place] = g
            place += 1
            if j >= w - 1:
                least = prefix if place == w else min(prefix, suffix[place])
                if n == first or least != last:
                    last = least
                    if n < room:
                        found[n] = least
                        starts[n] = j - w + 1
                    n += 1
            if place == w:
                for i in range(w - 1, -1, -1):
                    suffix[i] = min(block[i], suffix[i + 1])
                prefix = uint64(_MOST)
                place = 0
        counts[d] = n - first
    return n


def anchors(
    texts: pa.LargeStringArray, min_bytes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give anchors and the windows where their runs begin, and how many runs each text has."""
    data, offsets = text_buffers(texts)
    counts = np.empty(len(texts), np.int64)
    windows = min_bytes - anchor_bytes(min_bytes) + 2
    room = _ROOM + _DENSITY * int(offsets[-1] - offsets[0]) // windows
    while True:
        found, starts = np.empty(room, np.uint64), np.empty(room, np.int64)
        n = _anchors(data, offsets, min_bytes, anchor_bytes(min_bytes), counts, found, starts)
        if n <= room:
            break
        room = n
    # The smallest hashes are all small: spread again, they fall into partitions evenly.
    return spread(found[:n]), starts[:n], counts


def sketch(repeated: RepeatedSpans, table: pa.Table) -> pa.Table:
    """Give id, keeper rank, and the runs of each row: anchor and first window, 16 bytes each."""
    texts = undivided(table) if repeated.action == "cut" else table.column("text").combine_chunks()
    found, starts, counts = anchors(texts, repeated.min_bytes)
    pairs = np.stack([found, starts.astype(np.uint64)], axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) * 16
    runs = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), table.num_rows, [None, pa.py_buffer(offsets), pa.py_buffer(pairs)]
    )
    rank = keeper_rank(table, repeated.keep, repeated.source_priority)
    sizes = pc.fill_null(pc.binary_length(texts), 0).cast(pa.int64()).to_numpy()
    windows = np.maximum(sizes - repeated.min_bytes + 1, 0)
    return pa.table({"id": table.column("id"), "rank": rank, "windows": windows, "runs": runs})


def tasks(repeated: RepeatedSpans) -> tuple[Task, ...]:
    """Give the steps: anchors counted; the text at those that repeat, compared; the cuts."""
    sketched = ("sketch", "decided")
    return (
        Task("count", "shard", sketched, ("anchors",), partial(_count, repeated)),
        Task("total", "partition", ("anchors",), ("again",), _total),
        Task(
            "send",
            "shard",
            (*sketched, "text", "again"),
            ("runs", "local"),
            partial(_send, repeated),
        ),
        Task("compare", "partition", ("runs",), ("repeats",), partial(_compare, repeated)),
        Task(
            "cut",
            "shard",
            ("text", "repeats", "local"),
            ("decisions",),
            partial(_cut, repeated),
        ),
    )


class _Runs(NamedTuple):
    """The runs of a sketch's rows, in the order of rows."""

    row: np.ndarray
    anchor: np.ndarray
    start: np.ndarray  #: the first window
    end: np.ndarray  #: the one after the last


def _runs_of(table: pa.Table) -> _Runs:
    column = table.column("runs").combine_chunks()
    column = column if isinstance(column, pa.Array) else column.chunk(0)
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    blob = column.buffers()[2]
    data = np.frombuffer(blob if blob is not None else b"", np.uint8)
    pairs = data[offsets[0] : offsets[-1]].view(np.uint64).reshape(-1, 2)
    rows = np.repeat(np.arange(len(column)), np.diff(offsets) // 16)
    start = pairs[:, 1].astype(np.int64)
    end = np.append(start[1:], 0)
    last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    return _Runs(
        rows, pairs[:, 0], start, np.where(last, integers(table, "windows")[rows], end[: len(rows)])
    )


def _living(inputs: Inputs, dataset: str) -> Iterator[pa.Table]:
    decided = read_docs(inputs, "decided")
    for table in inputs.stream(dataset):
        rows = table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
        if rows.num_rows:
            yield rows


def _count(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    every = []
    for rows in _living(inputs, "sketch"):
        runs = _runs_of(rows)
        # A text of one short pattern has one anchor all along, and repeats itself.
        itself = runs.end - runs.start > repeated.min_bytes
        every += [runs.anchor, runs.anchor[itself]]
    found, times = np.unique(np.concatenate([np.empty(0, np.uint64), *every]), return_counts=True)
    if len(found):
        yield (
            "anchors",
            pa.table(
                {
                    "anchor": found,
                    "times": np.minimum(times, 2).astype(np.int8),
                    "shard": np.full(len(found), inputs.index, np.int32),
                    "part": part_of(found, inputs.partitions),
                }
            ),
        )


def _total(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("anchors"))
    if not tables:
        return
    table = pa.concat_tables(tables)
    found, place = np.unique(integers(table, "anchor"), return_inverse=True)
    times = np.bincount(place, integers(table, "times"), len(found))
    again = times[place] >= 2
    yield (
        "again",
        pa.table({"anchor": found[place[again]], "part": integers(table, "shard")[again]}),
    )


def _send(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    again = np.unique(
        np.concatenate(
            [np.empty(0, np.uint64), *(integers(t, "anchor") for t in inputs.stream("again"))]
        )
    )
    if not len(again):
        return
    sketches = list(_living(inputs, "sketch"))
    sketch = pa.concat_tables(sketches).combine_chunks() if sketches else None
    if sketch is None:
        return
    runs = _runs_of(sketch)
    numbers = integers(sketch, "doc")
    first = np.searchsorted(runs.row, np.arange(len(numbers) + 1))
    place = np.minimum(np.searchsorted(again, runs.anchor), len(again) - 1)
    repeats = np.flatnonzero(again[place] == runs.anchor)
    wanted = numbers[np.unique(runs.row[repeats])]
    for table in inputs.stream("text"):
        rows = table.filter(pa.array(np.isin(integers(table, "doc"), wanted)))
        if not rows.num_rows:
            continue
        texts = rows.column("text").combine_chunks()
        at = np.searchsorted(numbers, integers(rows, "doc"))
        held: dict[tuple[int, bytes], int] = {}
        sent: list[tuple[int, int, int, bytes]] = []  # row of the sketch, anchor, window, bytes
        local: list[tuple[int, int, int]] = []
        for number in _order(sketch, at).tolist():
            mine = int(at[number])
            text = texts[number].as_py().encode()
            begin, end = np.searchsorted(repeats, [first[mine], first[mine + 1]])
            for run in repeats[begin:end].tolist():
                start, key = int(runs.start[run]), int(runs.anchor[run])
                piece = text[start : int(runs.end[run]) - 1 + repeated.min_bytes]
                # Copies that one table holds need not travel: they repeat the first one of it.
                owner = held.setdefault((key, piece), mine)
                if owner != mine:
                    local.append((int(numbers[mine]), start, start + len(piece)))
                else:
                    sent.append((mine, key, start, piece))
        yield "runs", _run_table(sketch, sent, inputs.partitions)
        yield "local", _repeat_table(np.array(local, np.int64).reshape(-1, 3))


def _order(sketch: pa.Table, at: np.ndarray) -> np.ndarray:
    """Give the keeper order of some rows of a sketch."""
    rows = sketch.select(["rank", "id", "doc"]).take(pa.array(at))
    place = pa.array(np.arange(len(at)))
    return integers(in_keeper_order(rows.append_column("place", place)), "place")


def _run_table(
    sketch: pa.Table, sent: list[tuple[int, int, int, bytes]], partitions: int
) -> pa.Table:
    rows = sketch.select(["id", "rank", "doc"]).take(pa.array([run[0] for run in sent], pa.int64()))
    anchor = np.array([run[1] for run in sent], np.uint64)
    return (
        rows.append_column("anchor", pa.array(anchor))
        .append_column("start", pa.array([run[2] for run in sent], pa.int64()))
        .append_column("bytes", pa.array([run[3] for run in sent], pa.large_binary()))
        .append_column("part", part_of(anchor, partitions))
    )


def _repeat_table(spans: np.ndarray) -> pa.Table:
    """Give spans (document, start, end) as a table, routed to the documents' shards."""
    docs, starts, ends = spans[:, 0], spans[:, 1], spans[:, 2]
    return pa.table({"doc": docs, "start": starts, "end": ends, "part": shard_of(docs)})


def _compare(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    size = repeated.min_bytes
    windows = 0
    for table in inputs.stream("runs"):
        column = table.column("bytes")
        windows += column.nbytes - table.num_rows * (size + 7)
    if not windows:
        return
    # As often as it takes: only so many windows are in memory at a time, those of some anchors.
    passes = -(-windows // WINDOWS)
    for one in range(passes):
        tables = []
        for table in inputs.stream("runs"):
            which = (integers(table, "anchor") & np.uint64(0xFFFFFFFF)) % np.uint64(passes)
            tables.append(table.filter(pa.array(which == one)))
        rows = pa.concat_tables(tables)
        if rows.num_rows:
            keys = [(name, "ascending") for name in ("rank", "id", "doc", "start")]
            yield "repeats", _repeat_table(compared(rows.sort_by(keys), size))


def compared(rows: pa.Table, size: int, base: int = _BASE) -> np.ndarray:
    """Give the spans (document, start, end) of runs, in keeper order, that stand in an earlier one.

    The base of the hash has no influence on what is found.
    """
    column = rows.column("bytes").combine_chunks()
    column = column if isinstance(column, pa.Array) else column.chunk(0)
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(column.buffers()[2], np.uint8)
    windows = int((np.diff(offsets) - size + 1).sum())
    slots = 1 << max(4, (2 * windows - 1).bit_length())
    docs, starts = integers(rows, "doc"), integers(rows, "start")
    room = _ROOM + rows.num_rows
    while True:
        out = np.empty((room, 3), np.int64)
        n = _match(data, offsets, docs, starts, size, slots, np.uint64(base), out)
        if n <= room:
            return out[:n]
        room = n


@kernel
def _match(
    data: np.ndarray,
    offsets: np.ndarray,
    docs: np.ndarray,
    starts: np.ndarray,
    size: int,
    slots: int,
    base: np.uint64,
    out: np.ndarray,
) -> int:
    """Look each window up among those before it, byte by byte; write spans of those that are there.

    One slot for each different window, its first occurrence: linear however often it comes. A window
    after one that was found costs a comparison of one byte.
    """
    top = uint64(1)
    for _ in range(size):
        top *= base
    hashes = np.empty(slots, np.uint64)
    places = np.full(slots, -1, np.int64)
    owners = np.empty(slots, np.int32)
    mask = uint64(slots - 1)
    room = len(out)
    n = 0
    for r in range(offsets.shape[0] - 1):
        at, stop = offsets[r], offsets[r + 1] - size
        h = uint64(0)
        for i in range(size - 1):
            h = h * base + uint64(data[at + i]) + uint64(1)
        before = int64(-2)  # where the window before this one was found
        open_span = False
        for q in range(at, stop + 1):
            h = h * base + uint64(data[q + size - 1]) + uint64(1)
            if q > at:
                h -= (uint64(data[q - 1]) + uint64(1)) * top
            g = mix(h)
            slot = g & mask
            place = int64(-1)
            while places[slot] >= 0:
                p = places[slot]
                if hashes[slot] == g:
                    same = data[p + size - 1] == data[q + size - 1]
                    if same and p != before + 1:
                        for i in range(size - 1):
                            if data[p + i] != data[q + i]:
                                same = False
                                break
                    if same:
                        place = p
                        break
                slot = (slot + uint64(1)) & mask
            before = place if place >= 0 else int64(-2)
            repeats = place >= 0
            if place < 0:
                places[slot], hashes[slot], owners[slot] = q, g, r
            else:
                o = owners[slot]
                if docs[o] == docs[r]:
                    apart = (starts[r] + q - at) - (starts[o] + place - offsets[o])
                    repeats = apart >= size
            if repeats:
                begin = starts[r] + q - at
                if not open_span:
                    if n < room:
                        out[n, 0], out[n, 1] = docs[r], begin
                    n += 1
                    open_span = True
                if n <= room:
                    out[n - 1, 2] = begin + size
            else:
                open_span = False
    return n


def _cut(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = [*inputs.stream("repeats"), *inputs.stream("local")]
    if not tables:
        return
    table = pa.concat_tables(tables).combine_chunks().sort_by("doc")
    docs = integers(table, "doc")
    spans = np.stack([integers(table, "start"), integers(table, "end")], axis=1)
    for rows in inputs.stream("text"):
        numbers = integers(rows, "doc")
        places = np.searchsorted(docs, [numbers, numbers + 1])
        texts, ids = rows.column("text").combine_chunks(), rows.column("id")
        told = []
        for row in np.flatnonzero(places[1] > places[0]).tolist():
            mine = spans[places[0][row] : places[1][row]]
            decided = _decision(repeated, texts[row].as_py(), mine)
            if decided:
                told.append({"doc": int(numbers[row]), "id": ids[row].as_py()} | decided)
        if told:
            yield "decisions", decide_cuts(told)


def _decision(repeated: RepeatedSpans, text: str, found: np.ndarray) -> dict[str, Any]:
    data = text.encode()
    spans = [whole_characters(data, start, end) for start, end in joined(found.tolist())]
    spans = [(start, end) for start, end in spans if start < end]
    share = sum(end - start for start, end in spans) / len(data)
    left = without(text, spans)
    if repeated.action == "drop":
        if share > repeated.max_repeated:
            return {"dropped_by": "repeated_span", "dropped_value": share}
        return {}
    if not left.strip():
        return {"dropped_by": "nothing_left", "dropped_value": share}
    if share > repeated.max_cut:
        return {"dropped_by": "mostly_repeated", "dropped_value": share}
    return {"cuts": spans, "text_hash": text_hash(text), "tally": {"cut:spans": len(spans)}}


def whole_characters(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Shrink a span until it neither begins nor ends inside a character.

    >>> whole_characters("аб".encode(), 1, 3)
    (2, 2)
    """
    while start < end and data[start] & 0xC0 == 0x80:
        start += 1
    while start < end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return start, end
