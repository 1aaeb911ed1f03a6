"""Lines, or paragraphs, that many documents share (menus, notices) are cut; documents stay.

A line is compared as it looks: case folded, white space squeezed, a run of digits read as one 0,
invisible characters removed; its key has 128 bits. The number of documents that have it counts, not
how often it occurs. Documents that an earlier dedup of the same group dropped are not counted.

Short lines stay, and the limit is in Latin letters: a character of Han, Kana or Hangul, which
carries as much as two or three of them and is twice as wide, counts as two.

Each shard counts its own lines first, so that a partition receives a line once from a shard, even
if a billion documents have it; only lines that repeat are sent back, and only for them is a first
document chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import uint32, uint64

from curate.dedup.compared import active_rows
from curate.dedup.cuts import cut_or_drop, decide_cuts, joined, text_hash, undivided, without
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import RepeatedLines
from curate.dedup.stored_keys import (
    KnownDocuments,
    NewDocuments,
    documents_with,
    find_pairs,
    storing_steps,
)
from curate.kernels import unicode
from curate.kernels.arrow import buffers, pack_pairs, unpack_pairs
from curate.kernels.folding import BLOCK, INVISIBLE, SEPARATOR, decode_block, visible_table
from curate.kernels.grouping import first_of_runs
from curate.kernels.hashing import DEGSKI, GOLDEN, mix64
from curate.kernels.jit import kernel
from curate.protocol.routing import integers, part_of, read_table, shard_of
from curate.protocol.stage import Inputs, Step
from curate.protocol.tallies import CUT, tally_key
from curate.schema import whole

_DIGIT, _WIDE = 2, 3
_WIDE_SCRIPTS = ("Hani", "Hira", "Kana", "Hang")
_FOLDED = np.uint32(0x1FFFFF)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    table: np.ndarray = visible_table()[0].copy()
    digits = (unicode.CLASS & unicode.DIGIT) != 0
    table[digits] = np.uint32(ord("0") | _DIGIT << 24)
    scripts = [unicode.SCRIPTS.index(script) for script in _WIDE_SCRIPTS]
    wide = np.isin(unicode.SCRIPT, scripts) & ((unicode.CLASS & unicode.LETTER) != 0)
    table[wide] = (table[wide] & _FOLDED) | np.uint32(_WIDE << 24)
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
            high, low = GOLDEN, DEGSKI
            seen = 0
            spaced, digit = False, False
            place = at
            while place < end:
                m, place = decode_block(data, place, end, table, entries)
                for i in range(m):
                    kind = (entries[i] >> uint32(24)) & uint32(7)
                    if kind == SEPARATOR:
                        spaced, digit = seen > 0, False
                        continue
                    if kind == INVISIBLE or (kind == _DIGIT and digit):
                        continue
                    digit = kind == _DIGIT
                    # A space counts only before a visible character: as bit 21 of that.
                    c = uint64(entries[i] & uint32(0x1FFFFF)) | (uint64(spaced) << uint64(21))
                    spaced = False
                    high = (high ^ c) * GOLDEN
                    high ^= high >> uint64(29)
                    low = (low + c) * DEGSKI
                    low ^= low >> uint64(32)
                    seen += 1 + (kind == _WIDE)
            document[n] = d
            span[n, 0], span[n, 1] = at - offsets[d], end - offsets[d]
            keys[n, 0], keys[n, 1] = mix64(high), mix64(low)
            characters[n] = seen
            n += 1
            at = end + 1
    return n


@dataclass(frozen=True)
class Units:
    """The units of texts: number of the text, span in bytes, key (two uint64), visible characters.

    Wide characters count as two.
    """

    document: np.ndarray
    span: np.ndarray
    keys: np.ndarray
    characters: np.ndarray


def units(texts: pa.LargeStringArray, unit: str) -> Units:
    """Split texts into lines or paragraphs, with a key for each."""
    data, offsets = buffers(texts)
    most = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == 10)) + len(texts)
    document, characters = np.empty(most, np.int64), np.empty(most, np.int64)
    span, keys = np.empty((most, 2), np.int64), np.empty((most, 2), np.uint64)
    n = _units(data, offsets, _table(), unit == "paragraph", document, span, keys, characters)
    return Units(document[:n], span[:n], keys[:n], characters[:n])


def sketch(repeated: RepeatedLines, table: pa.Table, *, storing: bool = False) -> pa.Table:
    """Return id, keeper rank, group, and the hashes of the long enough units of each row.

    With ``storing`` also what a store has besides.
    """
    split = units(undivided(table), repeated.unit)
    long = split.characters >= repeated.min_characters
    counts = np.bincount(split.document[long], minlength=table.num_rows)
    columns = {
        "id": table.column("id"),
        "rank": keeper_rank(table, repeated.keep, repeated.source_priority),
        "group": _group(repeated, table),
        "hashes": pack_pairs(split.keys[long], counts),
    }
    also = {name: table.column(name) for name in ("source", "url")} if storing else {}
    return pa.table(columns | also)


def _group(repeated: RepeatedLines, table: pa.Table) -> pa.Array:
    """Return a number for each row's language or source, so that lines are counted within it."""
    if repeated.per == "corpus":
        return pa.array(np.zeros(table.num_rows, np.uint64))
    names = pc.fill_null(table.column(repeated.per), "").combine_chunks().dictionary_encode()
    keys = [int.from_bytes(text_hash(name)[:8]) for name in names.dictionary.to_pylist()]
    numbers = np.array(keys, np.uint64)
    return pa.array(numbers[np.asarray(names.indices)] if len(names) else numbers[:0])


def steps(
    repeated: RepeatedLines, known: KnownDocuments | None = None, *, storing: bool = False
) -> tuple[Step, ...]:
    """Return the steps: count lines per shard, then by hash; choose the first document; cut.

    Documents of the store ``known`` count, too, and come first. With ``storing`` the documents that
    were counted are added to it.
    """
    compared = known if known is not None and known.generations else None
    count = Step("count", "shard", ("sketch", "decided"), ("lines",), _count)
    total = Step("total", "partition", ("lines",), ("common",), partial(_total, repeated, compared))
    reads: tuple[str, ...] = ("sketch", "text", "decided", "common")
    first: tuple[Step, ...] = ()
    if repeated.keep_first:
        first = (
            Step("offer", "shard", ("sketch", "decided", "common"), ("offers",), _offer),
            Step("choose", "partition", ("offers",), ("firsts",), _choose),
        )
        reads = (*reads, "firsts")
    cut = Step("cut", "shard", reads, ("decisions",), partial(_cut, repeated))
    adding = storing_steps(_write_store, ("sketch", "decided")) if storing else ()
    return count, total, *first, cut, *adding


class Lines(NamedTuple):
    """The hashed lines of active documents: one entry per line, by row of the sketch."""

    rows: pa.Table
    row: np.ndarray
    high: np.ndarray
    low: np.ndarray


def _lines_of(inputs: Inputs) -> Lines:
    tables = list(active_rows(inputs, "sketch"))
    if not tables:
        empty = pa.table({name: pa.array([], pa.int64()) for name in ("doc", "id", "rank")})
        none = np.empty(0, np.uint64)
        return Lines(empty, np.empty(0, np.int64), none, none)
    return _unpacked(pa.concat_tables(tables).combine_chunks())


def _unpacked(rows: pa.Table) -> Lines:
    pairs, counts = unpack_pairs(whole(rows.column("hashes")))
    row = np.repeat(np.arange(rows.num_rows), counts)
    group = integers(rows, "group")[row]
    return Lines(rows.drop_columns(["hashes"]), row, pairs[:, 0] ^ group, pairs[:, 1])


def sorted_pairs(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the stable order of pairs, and whether each in that order is the first of its kind."""
    order = np.argsort(high, kind="stable")
    a, b = high[order], low[order]
    if np.any((a[1:] == a[:-1]) & (b[1:] != b[:-1])):
        order = np.lexsort((low, high))
        a, b = high[order], low[order]
    return order, first_of_runs(a, b)


def _count(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    lines = _lines_of(inputs)
    order, new = sorted_pairs(lines.high, lines.low)
    firsts = np.flatnonzero(new)
    if not len(firsts):
        return
    # Rows of one line are in ascending order, so those of one document are neighbours.
    other = (first_of_runs(lines.row[order]) | new).astype(np.int64)
    high = lines.high[order][firsts]
    columns = {
        "high": high,
        "low": lines.low[order][firsts],
        "documents": np.add.reduceat(other, firsts),
        "shard": pa.array(np.full(len(firsts), inputs.index, np.int32)),
        "part": part_of(high, inputs.partitions),
    }
    yield "lines", pa.table(columns)


def _total(
    repeated: RepeatedLines, known: KnownDocuments | None, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    table = read_table(inputs, "lines")
    if table is None:
        return
    high, low = integers(table, "high"), integers(table, "low")
    order, new = sorted_pairs(high, low)
    sums = np.add.reduceat(integers(table, "documents")[order], np.flatnonzero(new))
    earlier = np.zeros(len(sums), np.int64)
    if known is not None:
        earlier = documents_with(known, high[order][new], low[order][new])
    line = np.cumsum(new) - 1
    common = (sums + earlier >= repeated.min_documents)[line]
    rows = order[common]
    columns = {
        "high": high[rows],
        "low": low[rows],
        "earlier": (earlier > 0)[line][common],
        "part": integers(table, "shard")[rows],
    }
    yield "common", pa.table(columns)


def _common(inputs: Inputs, *, new: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read the common lines of this shard, sorted; with ``new`` those that no store has."""
    table = read_table(inputs, "common")
    if table is None:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    if new:
        table = table.filter(pc.invert(table.column("earlier")))
    high, low = integers(table, "high"), integers(table, "low")
    order = np.lexsort((low, high))
    return high[order], low[order]


def _offer(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send the first document of this shard that has each common line to the line's partition."""
    common = _common(inputs, new=True)
    if not len(common[0]):
        return
    lines = _lines_of(inputs)
    which = find_pairs(lines.high, lines.low, *common)
    hit = np.flatnonzero(which >= 0)
    place = np.empty(lines.rows.num_rows, np.int64)
    keys = [("rank", "ascending"), ("id", "ascending"), ("doc", "ascending")]
    place[pc.sort_indices(lines.rows, sort_keys=keys).to_numpy()] = np.arange(len(place))
    order = hit[np.lexsort((place[lines.row[hit]], which[hit]))]
    first = order[first_of_runs(which[order])]
    rows = lines.rows.take(pa.array(lines.row[first]))
    columns = {
        "high": lines.high[first],
        "low": lines.low[first],
        "rank": rows.column("rank"),
        "id": rows.column("id"),
        "doc": rows.column("doc"),
        "part": part_of(lines.high[first], inputs.partitions),
    }
    yield "offers", pa.table(columns)


def _choose(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    table = read_table(inputs, "offers")
    if table is None:
        return
    table = in_keeper_order(table, "high", "low")
    high, low, doc = (integers(table, name) for name in ("high", "low", "doc"))
    new = first_of_runs(high, low)
    part = shard_of(doc[new])
    yield "firsts", pa.table({"high": high[new], "low": low[new], "doc": doc[new], "part": part})


def _cut(repeated: RepeatedLines, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    common = _common(inputs)
    if not len(common[0]):
        return
    lines = _lines_of(inputs)
    first = np.full(len(common[0]), -1, np.int64)  # no document keeps it
    if repeated.keep_first:
        for table in inputs.stream("firsts"):
            at = find_pairs(integers(table, "high"), integers(table, "low"), *common)
            first[at] = integers(table, "doc")
    which = find_pairs(lines.high, lines.low, *common)
    numbers = integers(lines.rows, "doc")
    docs = numbers[lines.row]
    affected = np.unique(docs[(which >= 0) & (first[which] != docs)])
    groups = integers(lines.rows, "group")  # rows of a sketch are in the order of their numbers
    for table in inputs.stream("text"):
        rows = table.filter(pa.array(np.isin(integers(table, "doc"), affected)))
        if not rows.num_rows:
            continue
        texts, docs = whole(rows.column("text")), integers(rows, "doc")
        group = groups[np.searchsorted(numbers, docs)]
        split = units(texts, repeated.unit)
        high, low = split.keys[:, 0] ^ group[split.document], split.keys[:, 1].copy()
        which = find_pairs(high, low, *common)
        cut = (which >= 0) & (first[which] != docs[split.document])
        cut &= split.characters >= repeated.min_characters
        ends = np.searchsorted(split.document, np.arange(len(docs) + 1))
        ids = rows.column("id").to_pylist()
        decisions = []
        for row, doc in enumerate(docs.tolist()):
            own = slice(int(ends[row]), int(ends[row + 1]))
            decision = _decision(repeated, texts[row].as_py(), split.span[own][cut[own]])
            decisions.append({"doc": doc, "id": ids[row]} | decision)
        yield "decisions", decide_cuts(decisions)


def _decision(repeated: RepeatedLines, text: str, lines: np.ndarray) -> dict[str, object]:
    size = len(text.encode())
    spans = joined([(start, min(end + 1, size)) for start, end in lines.tolist()])
    left = without(text, spans)
    share = 1 - len(left.encode()) / size
    tally = {tally_key(CUT, f"{repeated.unit}s"): len(lines)}
    return cut_or_drop(text, spans, left, share, repeated.max_cut, tally)


def hashed_lines(repeated: RepeatedLines, table: pa.Table) -> Lines:
    """Return the long enough lines of the texts of a table, each once per text."""
    split = units(undivided(table), repeated.unit)
    long = split.characters >= repeated.min_characters
    row = split.document[long]
    group = np.asarray(_group(repeated, table))[row]
    return _different(Lines(table, row, split.keys[long, 0] ^ group, split.keys[long, 1]))


def _different(lines: Lines) -> Lines:
    """Return each line of a document once."""
    order = np.lexsort((lines.low, lines.high, lines.row))
    row, high, low = lines.row[order], lines.high[order], lines.low[order]
    first = first_of_runs(row, high, low)
    return Lines(lines.rows, row[first], high[first], low[first])


def _write_store(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Yield the documents that were counted, with each of their lines once."""
    new = NewDocuments(inputs)
    for table in active_rows(inputs, "sketch"):
        lines = _different(_unpacked(table))
        kept, row = np.unique(lines.row, return_inverse=True)
        yield from new.add(lines.rows.take(pa.array(kept)), row, lines.high, lines.low)
