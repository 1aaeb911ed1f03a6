"""Spans of text that occur earlier in the corpus, whatever the documents around them (Lee et al.).

"Deduplicating Training Data Makes Language Models Better" (Lee et al., 2021, arXiv:2107.06499) cuts
every span of 50 tokens that occurs twice, with one suffix array over all text. Here it is done in
partitions, and nothing depends on how they are cut.

**What is found.** A text is a sequence of *symbols*: its bytes, or the tokens of a tokenizer. A
*window* is `min_bytes` bytes, or `min_tokens` tokens. A window repeats if the same symbols occur in
an earlier document, in keeper order, or in the same document and end before the window begins. All
windows that repeat are cut, and nothing else: every repeated span of a window or more is found, and
none is cut outside of one. Spans are shrunk to whole characters.

Tokens spell their text (`curate.tokens.spelling`), so the same tokens are the same bytes. The
reverse holds except at the ends of a copy: a token may reach over them into the surrounding text,
and is then another token.

**How.** Each window has an *anchor*: the smallest hash of the k-grams in it, k being half of the
window. Equal windows have equal anchors, and neighbouring windows share one for a quarter of a
window, so that only runs of windows with one anchor are sent (winnowing: Schleimer et al. 2003,
SIGMOD). An anchor that occurs once in the corpus proves that none of its windows repeats. For the
others the text itself is sent to the partition of the anchor, where windows are compared symbol by
symbol: a hash alone cuts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.compared import active_rows
from curate.dedup.cuts import cut_or_drop, decide_cuts, joined, undivided, without
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import RepeatedSpans
from curate.dedup.stored_keys import (
    KnownDocuments,
    NewDocuments,
    is_known,
    reader_of,
    storing_steps,
)
from curate.dedup.substring.matching import repeated_windows
from curate.dedup.substring.winnowing import anchors
from curate.kernels.arrow import buffers, pack_pairs, unpack_pairs
from curate.kernels.grouping import find_sorted, first_of_runs
from curate.protocol.routing import integers, part_of, read_table, shard_of
from curate.protocol.stage import Inputs, Step
from curate.protocol.tallies import CUT, tally_key
from curate.schema import whole

#: Windows that are compared at a time: 40 bytes each.
WINDOWS = 1 << 22
#: A document's row and a window of it, in one number.
_WINDOW_BITS = 32


class Symbols(Protocol):
    """How a text is read: as integers of a fixed width, each of which spells some bytes of it."""

    @property
    def digest(self) -> str | None:
        """The digest of the tokenizer; None if symbols are bytes."""

    def read(self, texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
        """Return the symbols of all texts, joined, and the texts' offsets; null has none."""

    def places(self, symbols: np.ndarray) -> np.ndarray:
        """Return the byte at which each symbol of a text begins, and at which the last one ends."""


class Bytes:
    """A text as its bytes."""

    digest = None

    def read(self, texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
        """Return the texts' buffer as it is."""
        return buffers(texts)

    def places(self, symbols: np.ndarray) -> np.ndarray:
        """Return 0, 1, 2 ...: each symbol is one byte."""
        return np.arange(len(symbols) + 1)


BYTES = Bytes()


def sketch(repeated: RepeatedSpans, symbols: Symbols, table: pa.Table) -> pa.Table:
    """Return id, keeper rank, and the runs of each row: anchor and first window, 16 bytes each."""
    texts = undivided(table) if repeated.action == "cut" else whole(table.column("text"))
    data, offsets = symbols.read(texts)
    hashes, starts, counts = anchors(data, offsets, repeated.window)
    runs = pack_pairs(np.stack([hashes, starts.astype(np.uint64)], axis=1), counts)
    rank = keeper_rank(table, repeated.keep, repeated.source_priority)
    windows = np.maximum(np.diff(offsets) - repeated.window + 1, 0)
    return pa.table({"id": table.column("id"), "rank": rank, "windows": windows, "runs": runs})


def steps(
    repeated: RepeatedSpans,
    symbols: Symbols,
    known: KnownDocuments | None = None,
    *,
    storing: bool = False,
) -> tuple[Step, ...]:
    """Return the steps: count anchors; compare the text at those that repeat; cut.

    Documents of the store ``known`` come first. With ``storing`` the documents that were read are
    added to it.
    """
    send, cut = partial(_send, repeated, symbols), partial(_cut, repeated, symbols)
    compared: KnownDocuments | None = None
    requests: tuple[str, ...] = ()
    runs: tuple[str, ...] = ("runs",)
    fetch: tuple[Step, ...] = ()
    if known is not None and known.generations:
        compared, requests, runs = known, ("known_anchors",), ("runs", "known_runs")
        run = partial(_fetch_known, repeated, symbols, known)
        fetch = (Step("fetch_known", "partition", requests, ("known_runs",), run),)
    adding = storing_steps(
        partial(_write_store, repeated),
        ("sketch", "decided", "text", "repeats", "local"),
        ("documents", "texts"),
    )
    return (
        Step("count", "shard", ("sketch", "decided"), ("anchors",), partial(_count, repeated)),
        Step(
            "total", "partition", ("anchors",), ("repeated", *requests), partial(_total, compared)
        ),
        Step("send", "shard", ("sketch", "decided", "text", "repeated"), ("runs", "local"), send),
        *fetch,
        Step("compare", "partition", runs, ("repeats",), partial(_compare, repeated, runs)),
        Step("cut", "shard", ("text", "repeats", "local"), ("decisions",), cut),
        *(adding if storing else ()),
    )


class _Runs(NamedTuple):
    """The runs of a sketch's rows, in the order of rows."""

    row: np.ndarray
    anchor: np.ndarray
    start: np.ndarray  #: the first window
    end: np.ndarray  #: the one after the last


def _runs_of(table: pa.Table) -> _Runs:
    pairs, counts = unpack_pairs(whole(table.column("runs")))
    return _runs(pairs[:, 0], pairs[:, 1].astype(np.int64), counts, integers(table, "windows"))


def _runs(hashes: np.ndarray, start: np.ndarray, counts: np.ndarray, windows: np.ndarray) -> _Runs:
    rows = np.repeat(np.arange(len(counts)), counts)
    end = np.append(start[1:], 0)
    last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    return _Runs(rows, hashes, start, np.where(last, windows[rows], end[: len(rows)]))


def _count(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    every = [np.empty(0, np.uint64)]
    for rows in active_rows(inputs, "sketch"):
        runs = _runs_of(rows)
        # A text of one short pattern has one anchor throughout, and repeats itself.
        repeats_itself = runs.end - runs.start > repeated.window
        every += [runs.anchor, runs.anchor[repeats_itself]]
    anchor, times = np.unique(np.concatenate(every), return_counts=True)
    if len(anchor):
        columns = {
            "anchor": anchor,
            "times": np.minimum(times, 2).astype(np.int8),
            "shard": np.full(len(anchor), inputs.index, np.int32),
            "part": part_of(anchor, inputs.partitions),
        }
        yield "anchors", pa.table(columns)


def _total(known: KnownDocuments | None, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    table = read_table(inputs, "anchors")
    if table is None:
        return
    anchor, place = np.unique(integers(table, "anchor"), return_inverse=True)
    times = np.bincount(place, integers(table, "times"), len(anchor))
    for keys in known.keys(anchor) if known is not None else ():
        docs = integers(keys, "doc")
        times[find_sorted(anchor, integers(keys, "high"))[0]] += 2
        columns = {"anchor": keys.column("high"), "doc": docs}
        yield "known_anchors", pa.table(columns | {"part": reader_of(docs, inputs.partitions)})
    rows = times[place] >= 2
    part = integers(table, "shard")[rows]
    yield "repeated", pa.table({"anchor": anchor[place[rows]], "part": part})


def _send(
    repeated: RepeatedSpans, symbols: Symbols, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Send the text at repeated anchors to the anchors' partitions, each copy in a table once."""
    tables = [integers(table, "anchor") for table in inputs.stream("repeated")]
    repeated_anchors = np.unique(np.concatenate([np.empty(0, np.uint64), *tables]))
    if not len(repeated_anchors):
        return
    sketch = pa.concat_tables(active_rows(inputs, "sketch")).combine_chunks()
    runs = _runs_of(sketch)
    numbers = integers(sketch, "doc")
    first = np.searchsorted(runs.row, np.arange(len(numbers) + 1))
    repeats = np.flatnonzero(find_sorted(repeated_anchors, runs.anchor)[1])
    affected = numbers[np.unique(runs.row[repeats])]
    for table in inputs.stream("text"):
        rows = table.filter(pa.array(np.isin(integers(table, "doc"), affected)))
        if not rows.num_rows:
            continue
        data, offsets = symbols.read(whole(rows.column("text")))
        blob, width = data.data.cast("B"), repeated.width
        at = np.searchsorted(numbers, integers(rows, "doc"))
        first_owners: dict[tuple[int, bytes], int] = {}
        sent: list[tuple[int, int, int, bytes]] = []  # row of the sketch, anchor, window, symbols
        local: list[tuple[int, int, int]] = []
        for number in _order(sketch, at).tolist():
            row, base = int(at[number]), int(offsets[number])
            begin, end = np.searchsorted(repeats, [first[row], first[row + 1]])
            for run in repeats[begin:end].tolist():
                start, anchor = int(runs.start[run]), int(runs.anchor[run])
                stop = int(runs.end[run]) - 1 + repeated.window
                piece = bytes(blob[(base + start) * width : (base + stop) * width])
                # Later copies within one table need not be sent: they repeat its first one.
                if first_owners.setdefault((anchor, piece), row) != row:
                    local.append((int(numbers[row]), start, stop))
                else:
                    sent.append((row, anchor, start, piece))
        yield "runs", _run_table(sketch.select(["id", "rank", "doc"]), sent, inputs.partitions)
        yield "local", _repeat_table(np.array(local, np.int64).reshape(-1, 3))


def _order(sketch: pa.Table, at: np.ndarray) -> np.ndarray:
    """Return the keeper order of some rows of a sketch."""
    rows = sketch.select(["rank", "id", "doc"]).take(pa.array(at))
    place = pa.array(np.arange(len(at)))
    return integers(in_keeper_order(rows.append_column("place", place)), "place")


def _run_table(
    sketch: pa.Table, sent: list[tuple[int, int, int, bytes]], partitions: int
) -> pa.Table:
    """Return runs (row, anchor, first window, symbols) beside what says whose they are."""
    rows = sketch.take(pa.array([run[0] for run in sent], pa.int64()))
    anchor = np.array([run[1] for run in sent], np.uint64)
    return (
        rows.append_column("anchor", pa.array(anchor))
        .append_column("start", pa.array([run[2] for run in sent], pa.int64()))
        .append_column("symbols", pa.array([run[3] for run in sent], pa.large_binary()))
        .append_column("part", part_of(anchor, partitions))
    )


def _repeat_table(spans: np.ndarray) -> pa.Table:
    """Return spans (document, start, end) as a table, routed to the documents' shards."""
    docs, starts, ends = spans[:, 0], spans[:, 1], spans[:, 2]
    return pa.table({"doc": docs, "start": starts, "end": ends, "part": shard_of(docs)})


def _fetch_known(
    repeated: RepeatedSpans, symbols: Symbols, known: KnownDocuments, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Send the text of the store's documents at repeated anchors to the anchors' partitions."""
    table = read_table(inputs, "known_anchors")
    if table is None:
        return
    wanted = table.group_by(["doc", "anchor"], use_threads=False).aggregate([])
    doc, anchor = integers(wanted, "doc"), integers(wanted, "anchor")
    order = np.lexsort((anchor, doc))
    doc, anchor = doc[order], anchor[order]
    for table in known.texts(np.unique(doc)):
        docs = integers(table, "doc")
        data, offsets = symbols.read(whole(table.column("text")))
        hashes, starts, counts = anchors(data, offsets, repeated.window)
        runs = _runs(hashes, starts, counts, np.diff(offsets) - repeated.window + 1)
        blob, width = data.data.cast("B"), repeated.width
        sent = []
        for row, number in enumerate(docs.tolist()):
            asked = anchor[slice(*np.searchsorted(doc, [number, number + 1]))]
            first, last = np.searchsorted(runs.row, [row, row + 1])
            here = np.arange(first, last)[find_sorted(asked, runs.anchor[first:last])[1]]
            for run in here.tolist():
                start, stop = int(runs.start[run]), int(runs.end[run]) - 1 + repeated.window
                base = int(offsets[row])
                piece = bytes(blob[(base + start) * width : (base + stop) * width])
                sent.append((row, int(runs.anchor[run]), start, piece))
        yield "known_runs", _run_table(table.select(["doc"]), sent, inputs.partitions)


def _compare(
    repeated: RepeatedSpans, datasets: tuple[str, ...], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    windows = sum(
        _window_count(repeated, table) for name in datasets for table in inputs.stream(name)
    )
    # As many passes as needed: about WINDOWS windows are in memory at a time.
    passes = -(-windows // WINDOWS)
    for number in range(passes):
        parts: dict[str, list[pa.Table]] = {name: [] for name in datasets}
        for name, tables in parts.items():
            for table in inputs.stream(name):
                share = (integers(table, "anchor") & np.uint64(0xFFFFFFFF)) % np.uint64(passes)
                tables.append(table.filter(pa.array(share == number)))
        if not parts["runs"] or not (own := pa.concat_tables(parts["runs"])).num_rows:
            continue
        own = own.sort_by([(name, "ascending") for name in ("rank", "id", "doc", "start")])
        columns = ["doc", "start", "symbols"]
        earlier = [table.select(columns) for table in parts.get("known_runs", ())]
        rows = pa.concat_tables([*earlier, own.select(columns)])
        spans = repeated_windows(rows, repeated.window, repeated.width)
        yield "repeats", _repeat_table(spans[~is_known(spans[:, 0])])


def _window_count(repeated: RepeatedSpans, runs: pa.Table) -> int:
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
        decisions = []
        for row, number in enumerate(numbers.tolist()):
            places = symbols.places(data[offsets[row] : offsets[row + 1]])
            repeats = places[spans[first[row] : last[row]]]
            decision = _decision(repeated, texts[row].as_py(), repeats)
            if decision:
                decisions.append({"doc": number, "id": ids[row]} | decision)
        if decisions:
            yield "decisions", decide_cuts(decisions)


def _write_store(repeated: RepeatedSpans, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Yield the documents with text that did not occur before, their texts, and its anchors.

    A run of windows that all repeat needs no key: where they occurred before, they have one.
    """
    tables = list(active_rows(inputs, "sketch"))
    if not tables:
        return
    sketch = pa.concat_tables(tables).combine_chunks()
    runs, numbers = _runs_of(sketch), integers(sketch, "doc")
    windows = np.zeros(len(runs.row), np.int64)  # of each run that repeat
    place = runs.row << _WINDOW_BITS | runs.start
    for table in (*inputs.stream("repeats"), *inputs.stream("local")):
        row, start = np.searchsorted(numbers, integers(table, "doc")), integers(table, "start")
        run = np.searchsorted(place, row << _WINDOW_BITS | start, "right") - 1
        np.add.at(windows, run, integers(table, "end") - repeated.window + 1 - start)
    new = np.flatnonzero(windows < runs.end - runs.start)
    added = NewDocuments(inputs)
    for table in inputs.stream("text"):
        rows, found = find_sorted(numbers, integers(table, "doc"))
        mine = new[np.isin(runs.row[new], rows[found])]
        order = np.lexsort((runs.anchor[mine], runs.row[mine]))
        row, anchor = runs.row[mine][order], runs.anchor[mine][order]
        first = first_of_runs(row, anchor)
        kept, row = np.unique(row[first], return_inverse=True)
        documents = table.filter(pa.array(np.isin(integers(table, "doc"), numbers[kept])))
        yield from added.add(documents, row, anchor[first], np.zeros(len(row), np.uint64))
        yield "texts", documents.select(["text"])


def _decision(repeated: RepeatedSpans, text: str, found: np.ndarray) -> dict[str, object]:
    data = text.encode()
    spans = [whole_characters(data, start, end) for start, end in joined(found.tolist())]
    spans = [(start, end) for start, end in spans if start < end]
    share = sum(end - start for start, end in spans) / len(data)
    left = without(text, spans)
    if repeated.action == "drop":
        if share > repeated.max_repeated:
            return {"dropped_by": "repeated_span", "dropped_value": share}
        return {}
    tally = {tally_key(CUT, "spans"): len(spans)}
    return cut_or_drop(text, spans, left, share, repeated.max_cut, tally)


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
