"""Spans of text that stand earlier in the corpus: found whatever the documents around them (Lee et al.).

"Deduplicating Training Data Makes Language Models Better" (Lee et al., 2021, arXiv:2107.06499) cuts
every span of 50 tokens that occurs twice, with one suffix array over all text. Here it is done in
partitions, and nothing depends on how they are cut.

**What is found.** A text is a row of *symbols*: its bytes, or the tokens of a tokenizer. A *window* is
`min_bytes` bytes, or `min_tokens` tokens. A window repeats if the same symbols stand in a document before,
in keeper order, or in the same document and end before the window begins. All windows that repeat go, and
nothing else: every repeated span of so many symbols or more is found, and none is cut that does not lie in
one. Spans are shrunk to whole characters.

Tokens spell their text (`curate.tokens.spelling`), so the same tokens are the same bytes. The reverse holds
but for the ends of a copy: a token may reach over them into what stands around, and then it is another one.

**How.** Each window has an *anchor*: the smallest hash of the k-grams in it, k being half of the
window. Equal windows have equal anchors, and neighbouring windows share one for a quarter of a window, so
that only runs of windows with one anchor travel (winnowing: Schleimer et al. 2003, SIGMOD). An anchor
that stands once in the corpus tells that none of its windows repeats. For the others the text itself
goes to the partition of the anchor, where windows are compared symbol by symbol: a hash alone cuts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.cuts import decide_cuts, joined, text_hash, undivided, without
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import RepeatedSpans
from curate.dedup.substring.matching import compared
from curate.dedup.substring.winnowing import anchors
from curate.kernels.arrow import buffers, pack_pairs, unpack_pairs
from curate.protocol.routing import integers, part_of, read_docs, shard_of
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

#: Windows that are compared at a time: 40 bytes each.
WINDOWS = 1 << 22


class Symbols(Protocol):
    """What a text is read as: integers of a fixed width, each of which is some bytes of it."""

    @property
    def digest(self) -> str | None:
        """The digest of the tokenizer; None where symbols are bytes."""
        ...

    def read(self, texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
        """Give the symbols of all texts in a row, and the offsets of the texts; null has none."""
        ...

    def places(self, symbols: np.ndarray) -> np.ndarray:
        """Give the byte at which each symbol of a text begins, and at which the last one ends."""
        ...


class Bytes:
    """A text as its bytes."""

    digest = None

    def read(self, texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
        """Give the texts' buffer as it is."""
        return buffers(texts)

    def places(self, symbols: np.ndarray) -> np.ndarray:
        """Count."""
        return np.arange(len(symbols) + 1)


BYTES = Bytes()


def sketch(repeated: RepeatedSpans, symbols: Symbols, table: pa.Table) -> pa.Table:
    """Give id, keeper rank, and the runs of each row: anchor and first window, 16 bytes each."""
    texts = undivided(table) if repeated.action == "cut" else whole(table.column("text"))
    data, offsets = symbols.read(texts)
    found, starts, counts = anchors(data, offsets, repeated.window)
    pairs = np.stack([found, starts.astype(np.uint64)], axis=1)
    runs = pack_pairs(pairs, counts)
    rank = keeper_rank(table, repeated.keep, repeated.source_priority)
    windows = np.maximum(np.diff(offsets) - repeated.window + 1, 0)
    return pa.table({"id": table.column("id"), "rank": rank, "windows": windows, "runs": runs})


def tasks(repeated: RepeatedSpans, symbols: Symbols) -> tuple[Step, ...]:
    """Give the steps: anchors counted; the text at those that repeat, compared; the cuts."""
    sketched = ("sketch", "decided")
    return (
        Step("count", "shard", sketched, ("anchors",), partial(_count, repeated)),
        Step("total", "partition", ("anchors",), ("again",), _total),
        Step(
            "send",
            "shard",
            (*sketched, "text", "again"),
            ("runs", "local"),
            partial(_send, repeated, symbols),
        ),
        Step("compare", "partition", ("runs",), ("repeats",), partial(_compare, repeated)),
        Step(
            "cut",
            "shard",
            ("text", "repeats", "local"),
            ("decisions",),
            partial(_cut, repeated, symbols),
        ),
    )


class _Runs(NamedTuple):
    """The runs of a sketch's rows, in the order of rows."""

    row: np.ndarray
    anchor: np.ndarray
    start: np.ndarray  #: the first window
    end: np.ndarray  #: the one after the last


def _runs_of(table: pa.Table) -> _Runs:
    pairs, counts = unpack_pairs(whole(table.column("runs")))
    rows = np.repeat(np.arange(len(counts)), counts)
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
        itself = runs.end - runs.start > repeated.window
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


def _send(
    repeated: RepeatedSpans, symbols: Symbols, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
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
        data, offsets = symbols.read(whole(rows.column("text")))
        blob, width = data.data.cast("B"), repeated.width
        at = np.searchsorted(numbers, integers(rows, "doc"))
        held: dict[tuple[int, bytes], int] = {}
        sent: list[tuple[int, int, int, bytes]] = []  # row of the sketch, anchor, window, symbols
        local: list[tuple[int, int, int]] = []
        for number in _order(sketch, at).tolist():
            mine, base = int(at[number]), int(offsets[number])
            begin, end = np.searchsorted(repeats, [first[mine], first[mine + 1]])
            for run in repeats[begin:end].tolist():
                start, key = int(runs.start[run]), int(runs.anchor[run])
                stop = int(runs.end[run]) - 1 + repeated.window
                piece = bytes(blob[(base + start) * width : (base + stop) * width])
                # Copies that one table holds need not travel: they repeat the first one of it.
                if held.setdefault((key, piece), mine) != mine:
                    local.append((int(numbers[mine]), start, stop))
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
        .append_column("symbols", pa.array([run[3] for run in sent], pa.large_binary()))
        .append_column("part", part_of(anchor, partitions))
    )


def _repeat_table(spans: np.ndarray) -> pa.Table:
    """Give spans (document, start, end) as a table, routed to the documents' shards."""
    docs, starts, ends = spans[:, 0], spans[:, 1], spans[:, 2]
    return pa.table({"doc": docs, "start": starts, "end": ends, "part": shard_of(docs)})


def _compare(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    windows = sum(_windows(repeated, table) for table in inputs.stream("runs"))
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
            found = compared(rows.sort_by(keys), repeated.window, repeated.width)
            yield "repeats", _repeat_table(found)


def _windows(repeated: RepeatedSpans, runs: pa.Table) -> int:
    size = pc.sum(pc.binary_length(runs.column("symbols"))).as_py() or 0
    return int(size // repeated.width - runs.num_rows * (repeated.window - 1))


def _cut(
    repeated: RepeatedSpans, symbols: Symbols, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    tables = [*inputs.stream("repeats"), *inputs.stream("local")]
    if not tables:
        return
    table = pa.concat_tables(tables).combine_chunks().sort_by("doc")
    docs = integers(table, "doc")
    spans = np.stack([integers(table, "start"), integers(table, "end")], axis=1)
    for documents in inputs.stream("text"):
        rows = documents.filter(pa.array(np.isin(integers(documents, "doc"), docs)))
        if not rows.num_rows:
            continue
        numbers, ids = integers(rows, "doc"), rows.column("id").to_pylist()
        first, last = np.searchsorted(docs, [numbers, numbers + 1])
        texts = whole(rows.column("text"))
        data, offsets = symbols.read(texts)
        told = []
        for row, number in enumerate(numbers.tolist()):
            places = symbols.places(data[offsets[row] : offsets[row + 1]])
            mine = places[spans[first[row] : last[row]]]
            decided = _decision(repeated, texts[row].as_py(), mine)
            if decided:
                told.append({"doc": number, "id": ids[row]} | decided)
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
