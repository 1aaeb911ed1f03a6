"""Lines, or paragraphs, that many documents share: menus, notices, bylines. They are cut, the document stays.

A line is compared as it looks: case folded, white space squeezed, runs of digits one 0, what cannot be
seen gone; its key has 128 bits. What counts is how many documents have it, not how often. Documents
that an earlier dedup of the same group dropped don't count.

Short lines stay, and how short is said in Latin letters: a character of Han, Kana or Hangul, which says as
much as two or three of them and is twice as wide, counts for two.

Each shard counts its own lines first, so that a partition gets a line once from a shard, be it in a
billion documents; only lines that repeat travel back, and only for them is a first document sought.
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

from curate.dedup.cuts import decide_cuts, joined, text_hash, undivided, without
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import RepeatedLines
from curate.kernels import unicode
from curate.kernels.arrow import buffers, pack_pairs, unpack_pairs
from curate.kernels.folding import (
    BLOCK,
    INVISIBLE,
    SEPARATOR,
    decode,
    visible_table,
)
from curate.kernels.grouping import first_of_runs
from curate.kernels.hashing import DEGSKI, GOLDEN, mix64
from curate.kernels.jit import kernel
from curate.protocol.routing import integers, part_of, read_docs, shard_of
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

_DIGIT, _WIDE = 2, 3
_WIDE_SCRIPTS = ("Hani", "Hira", "Kana", "Hang")
_FOLDED = np.uint32(0x1FFFFF)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    table = visible_table().copy()
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

    Wide characters count for two.
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


def sketch(repeated: RepeatedLines, table: pa.Table) -> pa.Table:
    """Give id, keeper rank, group, and the hashes of the long enough units of each row."""
    found = units(undivided(table), repeated.unit)
    long = found.characters >= repeated.min_characters
    counts = np.bincount(found.document[long], minlength=table.num_rows)
    return pa.table(
        {
            "id": table.column("id"),
            "rank": keeper_rank(table, repeated.keep, repeated.source_priority),
            "group": _group(repeated, table),
            "hashes": pack_pairs(found.keys[long], counts),
        }
    )


def _group(repeated: RepeatedLines, table: pa.Table) -> pa.Array:
    """Give a number for each row's language or source, so that lines are counted within it."""
    if repeated.per == "corpus":
        return pa.array(np.zeros(table.num_rows, np.uint64))
    names = pc.fill_null(table.column(repeated.per), "").combine_chunks().dictionary_encode()
    keys = [int.from_bytes(text_hash(name)[:8]) for name in names.dictionary.to_pylist()]
    numbers = np.array(keys, np.uint64)
    return pa.array(numbers[np.asarray(names.indices)] if len(names) else numbers[:0])


def tasks(repeated: RepeatedLines) -> tuple[Step, ...]:
    """Give the steps: lines counted per shard, then by hash; the first document of each; the cuts."""
    count = Step("count", "shard", ("sketch", "decided"), ("lines",), _count)
    total = Step("total", "partition", ("lines",), ("common",), partial(_total, repeated))
    needs: tuple[str, ...] = ("sketch", "text", "decided", "common")
    if not repeated.keep_first:
        cut = Step("cut", "shard", needs, ("decisions",), partial(_cut, repeated))
        return count, total, cut
    offer = Step("offer", "shard", ("sketch", "decided", "common"), ("offers",), _offer)
    choose = Step("choose", "partition", ("offers",), ("firsts",), _choose)
    reads = (*needs, "firsts")
    cut = Step("cut", "shard", reads, ("decisions",), partial(_cut, repeated))
    return count, total, offer, choose, cut


class _Lines(NamedTuple):
    """The hashed lines of living documents: one entry per line, by row of the sketch."""

    rows: pa.Table
    row: np.ndarray
    high: np.ndarray
    low: np.ndarray


def _lines_of(inputs: Inputs) -> _Lines:
    decided = read_docs(inputs, "decided")
    kept = [
        table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
        for table in inputs.stream("sketch")
    ]
    if not kept:
        empty = pa.table({name: pa.array([], pa.int64()) for name in ("doc", "id", "rank")})
        none = np.empty(0, np.uint64)
        return _Lines(empty, np.empty(0, np.int64), none, none)
    rows = pa.concat_tables(kept).combine_chunks()
    pairs, counts = unpack_pairs(whole(rows.column("hashes")))
    row = np.repeat(np.arange(rows.num_rows), counts)
    group = integers(rows, "group")[row]
    return _Lines(rows.drop_columns(["hashes"]), row, pairs[:, 0] ^ group, pairs[:, 1])


def sorted_pairs(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the stable order of pairs, and which of them in that order is the first of its kind."""
    order = np.argsort(high, kind="stable")
    a, b = high[order], low[order]
    if np.any((a[1:] == a[:-1]) & (b[1:] != b[:-1])):
        order = np.lexsort((low, high))
        a, b = high[order], low[order]
    return order, first_of_runs(a, b)


def find_pairs(
    high: np.ndarray, low: np.ndarray, in_high: np.ndarray, in_low: np.ndarray
) -> np.ndarray:
    """Give where each pair stands in a sorted list of different pairs; -1 where it does not."""
    place = np.full(len(high), -1, np.int64)
    at = np.searchsorted(in_high, high)
    todo = np.flatnonzero(at < len(in_high))
    while len(todo):
        todo = todo[in_high[at[todo]] == high[todo]]
        hit = in_low[at[todo]] == low[todo]
        place[todo[hit]] = at[todo[hit]]
        todo = todo[~hit]
        at[todo] += 1
        todo = todo[at[todo] < len(in_high)]
    return place


def _count(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    mine = _lines_of(inputs)
    order, new = sorted_pairs(mine.high, mine.low)
    row = mine.row[order]
    firsts = np.flatnonzero(new)
    if not len(firsts):
        return
    # Rows of one line come in ascending order, so a document that has it twice stands twice in a row.
    other = (first_of_runs(row) | new).astype(np.int64)
    high = mine.high[order][firsts]
    yield (
        "lines",
        pa.table(
            {
                "high": high,
                "low": mine.low[order][firsts],
                "documents": np.add.reduceat(other, firsts),
                "shard": pa.array(np.full(len(firsts), inputs.index, np.int32)),
                "part": part_of(high, inputs.partitions),
            }
        ),
    )


def _total(repeated: RepeatedLines, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("lines"))
    if not tables:
        return
    table = pa.concat_tables(tables).combine_chunks()
    high, low = integers(table, "high"), integers(table, "low")
    order, new = sorted_pairs(high, low)
    firsts = np.flatnonzero(new)
    sums = np.add.reduceat(integers(table, "documents")[order], firsts)
    common = (sums >= repeated.min_documents)[np.cumsum(new) - 1]
    rows = order[common]
    yield (
        "common",
        pa.table({"high": high[rows], "low": low[rows], "part": integers(table, "shard")[rows]}),
    )


def _common(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Read the common lines of this shard, sorted."""
    tables = list(inputs.stream("common"))
    if not tables:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    table = pa.concat_tables(tables)
    high, low = integers(table, "high"), integers(table, "low")
    order = np.lexsort((low, high))
    return high[order], low[order]


def _offer(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    common = _common(inputs)
    if not len(common[0]):
        return
    mine = _lines_of(inputs)
    which = find_pairs(mine.high, mine.low, *common)
    hit = np.flatnonzero(which >= 0)
    place = np.empty(mine.rows.num_rows, np.int64)
    keys = [("rank", "ascending"), ("id", "ascending"), ("doc", "ascending")]
    place[pc.sort_indices(mine.rows, sort_keys=keys).to_numpy()] = np.arange(mine.rows.num_rows)
    order = hit[np.lexsort((place[mine.row[hit]], which[hit]))]
    first = order[first_of_runs(which[order])]
    rows = mine.rows.take(pa.array(mine.row[first]))
    yield (
        "offers",
        pa.table(
            {
                "high": mine.high[first],
                "low": mine.low[first],
                "rank": rows.column("rank"),
                "id": rows.column("id"),
                "doc": rows.column("doc"),
                "part": part_of(mine.high[first], inputs.partitions),
            }
        ),
    )


def _choose(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("offers"))
    if not tables:
        return
    table = in_keeper_order(pa.concat_tables(tables), "high", "low")
    high, low, doc = (integers(table, name) for name in ("high", "low", "doc"))
    new = first_of_runs(high, low)
    yield (
        "firsts",
        pa.table({"high": high[new], "low": low[new], "doc": doc[new], "part": shard_of(doc[new])}),
    )


def _cut(repeated: RepeatedLines, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    common = _common(inputs)
    if not len(common[0]):
        return
    mine = _lines_of(inputs)
    first = np.full(len(common[0]), -1, np.int64)
    if repeated.keep_first:
        for table in inputs.stream("firsts"):
            at = find_pairs(integers(table, "high"), integers(table, "low"), *common)
            first[at] = integers(table, "doc")
    which = find_pairs(mine.high, mine.low, *common)
    numbers = integers(mine.rows, "doc")
    docs = numbers[mine.row]
    wanted = np.unique(docs[(which >= 0) & (first[which] != docs)])
    groups = integers(mine.rows, "group")  # rows of a sketch are in the order of their numbers
    for table in inputs.stream("text"):
        rows = table.filter(pa.array(np.isin(integers(table, "doc"), wanted)))
        if not rows.num_rows:
            continue
        texts, docs = whole(rows.column("text")), integers(rows, "doc")
        group = groups[np.searchsorted(numbers, docs)]
        found = units(texts, repeated.unit)
        which = find_pairs(
            found.keys[:, 0] ^ group[found.document], found.keys[:, 1].copy(), *common
        )
        goes = (which >= 0) & (first[which] != docs[found.document])
        goes &= found.characters >= repeated.min_characters
        ends = np.searchsorted(found.document, np.arange(len(docs) + 1))
        ids = rows.column("id").to_pylist()
        told = []
        for row, doc in enumerate(docs.tolist()):
            mine_now = slice(int(ends[row]), int(ends[row + 1]))
            spans = found.span[mine_now][goes[mine_now]]
            told.append(
                {"doc": doc, "id": ids[row]} | _decision(repeated, texts[row].as_py(), spans)
            )
        yield "decisions", decide_cuts(told)


def _decision(repeated: RepeatedLines, text: str, lines: np.ndarray) -> dict[str, object]:
    size = len(text.encode())
    spans = joined([(start, min(end + 1, size)) for start, end in lines.tolist()])
    left = without(text, spans)
    share = 1 - len(left.encode()) / size
    if not left.strip():
        return {"dropped_by": "nothing_left", "dropped_value": share}
    if share > repeated.max_cut:
        return {"dropped_by": "mostly_repeated", "dropped_value": share}
    tally = {f"cut:{repeated.unit}s": len(lines)}
    return {"cuts": spans, "text_hash": text_hash(text), "tally": tally}
