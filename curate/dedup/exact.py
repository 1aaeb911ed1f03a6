"""Exact duplicates: documents whose text, prompt or address is the same after normalisation.

It runs before the near duplicates, because it removes floods of boilerplate, and short documents,
in one sort. Keys are 128-bit BLAKE2b of the normalised text, so that no page can be crafted to
remove another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint8, uint32, uint64

from curate.dedup.agreement import held, united, with_counted
from curate.dedup.compared import (
    active_rows,
    compared_texts,
    with_exact_parts,
    without_turkic_capitals,
)
from curate.dedup.exact_earlier import halves, stored_keepers, write_store
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import ExactDuplicates
from curate.dedup.stored_keys import KnownDocuments, storing_steps
from curate.dedup.witness_chain import with_reassignment
from curate.kernels.arrow import buffers, merged
from curate.kernels.blake2b import SIZE as DIGEST
from curate.kernels.blake2b import digests
from curate.kernels.folding import (
    BLOCK,
    COMPOSES,
    FOLDED,
    INVISIBLE,
    KIND,
    LEADS,
    MARK,
    REWRITES,
    SEPARATOR,
    TURKIC,
    decode_block,
    mark_orders,
    rewritten,
    visible_table,
)
from curate.kernels.grouping import first_of_runs
from curate.kernels.jit import kernel
from curate.kernels.utf8 import encode, stretch_end
from curate.protocol.routing import decide, drop_all, integers, part_of, read_table
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

#: Bytes of plain text that are normalised at once.
_STEP = 32
#: A mark, or what is invisible; what NFC may join.
_OF_CARE = (4 << 24) | COMPOSES


@kernel
def _squeeze(
    data: np.ndarray,
    offsets: np.ndarray,
    tables: np.ndarray,
    orders: np.ndarray,
    out: np.ndarray,
    out_offsets: np.ndarray,
    rewrite: np.ndarray,
) -> None:
    # A text that has to be rewritten first is marked, and nothing of it is written. Bound by memory
    # in plain text, whose inner loop is vectorised; else one character at a time.
    entries = np.empty(BLOCK, np.uint32)
    n = uint64(0)
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        at, stop = uint64(offsets[d]), uint64(offsets[d + 1])
        first = n
        spaced = True  # a separator counts once, and after something
        flags, starter, last_order = uint32(0), uint32(0), uint8(0)
        table, plain = tables[0], True
        while at < stop:
            if plain and at + uint64(_STEP) < stop:
                # The entries of the table for ASCII, as arithmetic; a test compares the two.
                odd = uint8(0)
                for j in range(_STEP):
                    c, following = data[at + uint64(j)], data[at + uint64(j) + uint64(1)]
                    space = (uint8(c - uint8(9)) < uint8(5)) | (uint8(c - uint8(28)) < uint8(5))
                    again = (uint8(following - uint8(9)) < uint8(5)) | (
                        uint8(following - uint8(28)) < uint8(5)
                    )
                    upper = uint8(c - uint8(65)) < uint8(26)
                    odd |= uint8(
                        (c >= uint8(127)) | ((c < uint8(32)) & (not space)) | (space & again)
                    )
                    low = uint8(c + uint8(32)) if upper else c
                    out[n + uint64(j)] = uint8(32) if space else low
                if odd == 0 and not (spaced and out[n] == 32):
                    n += uint64(_STEP)
                    at += uint64(_STEP)
                    spaced = out[n - uint64(1)] == 32
                    starter, last_order = table[data[at - uint64(1)]], uint8(0)
                    continue
            near = stretch_end(data, at, 4 * _STEP, stop)
            m, reached = decode_block(data, int64(at), int64(near), table, entries)
            at = uint64(reached)
            seen = uint32(0)
            for i in range(m):
                seen |= entries[i]
            if (seen & uint32(TURKIC)) != 0:
                table, plain, at = tables[1], False, uint64(offsets[d])
                n, spaced = first, True
                flags, starter, last_order = uint32(0), uint32(0), uint8(0)
                continue
            flags |= seen & uint32(REWRITES)
            if (seen & uint32(_OF_CARE)) == 0:
                if (seen & uint32(FOLDED)) < uint32(0x800):
                    # No branch, because where words end is unpredictable.
                    again = uint64(spaced)
                    for i in range(m):
                        entry = entries[i]
                        space = uint64((entry & uint32(KIND << 24)) == 0)
                        c = uint64(32) if space else uint64(entry & uint32(FOLDED))
                        two = uint64((c >> uint64(7)) != 0)
                        lead = uint64(0xC0) | (c >> uint64(6))
                        out[n] = uint8(c ^ ((c ^ lead) & (uint64(0) - two)))
                        out[n + uint64(1)] = uint8(uint64(0x80) | (c & uint64(63)))
                        n += (uint64(1) + two) & ((space & again) - uint64(1))
                        again = space
                    spaced = again != 0
                else:
                    for i in range(m):
                        entry = entries[i]
                        if (entry & uint32(KIND << 24)) != 0:
                            n = encode(out, n, entry & uint32(FOLDED))
                            spaced = False
                        else:
                            out[n] = uint8(32)
                            n += uint64(not spaced)
                            spaced = True
                starter, last_order = entries[m - 1], uint8(0)
                continue
            for i in range(m):
                entry = entries[i]
                kind = (entry >> uint32(24)) & uint32(KIND)
                # Two that NFC joins, or marks that it exchanges.
                flags |= entry & uint32(COMPOSES) & ((starter & uint32(LEADS)) << uint32(1))
                order = uint8(0)
                if kind == MARK:
                    order = orders[entry & uint32(FOLDED)]
                    flags |= uint32(COMPOSES) * uint32((order != 0) & (order < last_order))
                last_order = order
                starter = starter if order else entry
                if kind == SEPARATOR:
                    out[n] = uint8(32)
                    n += uint64(not spaced)
                    spaced = True
                elif kind != INVISIBLE:
                    n = encode(out, n, entry & uint32(FOLDED))
                    spaced = False
        if spaced and n > first:
            n -= uint64(1)
        if flags and not rewrite[d]:
            rewrite[d] = True
            n = first
        else:
            rewrite[d] = False
        out_offsets[d + 1] = n


def squeezed(texts: pa.LargeStringArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normalise texts, a few megabytes at a time: bytes and offsets, valid until the next block.

    Case, white space, invisible characters and canonical equivalence do not count, nothing else is
    folded. In a text with ı, İ, ğ or ş the small I is ı: a letter of its own.
    """
    data, offsets = buffers(texts)
    table, orders = visible_table(), mark_orders()
    out = np.empty(0, np.uint8)
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(offsets, offsets[first] + _BLOCK_BYTES, "right")) - 1
        last = min(max(last, first + 1), len(texts))
        # A folded letter may be one byte longer than the letter (U+023A), never twice as long; and
        # each step writes ahead.
        room = 2 * int(offsets[last] - offsets[first]) + _STEP
        if len(out) < room:
            out = np.empty(room, np.uint8)
        out_offsets, rewrite = (
            np.empty(last - first + 1, np.int64),
            np.zeros(last - first, np.bool_),
        )
        _squeeze(data, offsets[first : last + 1], table, orders, out, out_offsets, rewrite)
        rows = np.flatnonzero(rewrite)
        if len(rows):
            chosen = texts.slice(first, last - first).take(pa.array(rows))
            later_data, later = buffers(rewritten(chosen, ("case",), expand=False))
            more = np.empty(2 * int(later[-1] - later[0]) + _STEP, np.uint8)
            more_offsets = np.empty(len(later), np.int64)
            _squeeze(later_data, later, table, orders, more, more_offsets, rewrite[rows])
            yield merged(out, out_offsets, more, more_offsets, rows)
        else:
            yield out, out_offsets
        first = last


#: Bytes of text in a block: it fits a core's cache, with what is read and written.
_BLOCK_BYTES = 1 << 19


def _hashes(blocks: Iterable[tuple[np.ndarray, np.ndarray]]) -> pa.FixedSizeBinaryArray:
    """Hash the texts of blocks of bytes and offsets; null where a text is empty."""
    hashes, empty = [np.empty((0, 2), np.uint64)], [np.empty(0, np.bool_)]
    for data, offsets in blocks:
        hashes.append(digests(data, offsets))
        empty.append(np.diff(offsets) == 0)
    buffer = pa.py_buffer(np.concatenate(hashes))
    valid = pa.array(~np.concatenate(empty)).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(DIGEST), buffer.size // DIGEST, [valid, buffer]
    )


def text_hashes(texts: pa.LargeStringArray) -> pa.FixedSizeBinaryArray:
    """Return the 128-bit hash of each normalised text; null where nothing is left of it.

    Bound by BLAKE2b; normalising plain text takes a third as long.
    """
    return _hashes(squeezed(texts))


def url_key(url: str) -> str:
    """Return the address that copies of a page share: no scheme, fragment or default port.

    Upper case is folded in the host only; a lone `/` after the host is removed, every other path
    and query stays as it is. A string that does not parse as an address is its own key.

    >>> url_key("HTTPS://Example.kz:443/"), url_key("http://example.kz/A?b=1#top")
    ('//example.kz', '//example.kz/A?b=1')
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not host:
        return url
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = host if port in (None, default) else f"{host}:{port}"
    path = "" if parts.path == "/" else parts.path
    return f"//{netloc}{path}" + (f"?{parts.query}" if parts.query else "")


def url_hashes(urls: pa.StringArray) -> pa.FixedSizeBinaryArray:
    """Return the 128-bit hash of each address; null where there is none."""
    keys = [None if url is None else url_key(url) for url in urls.to_pylist()]
    hashes = _hashes([buffers(pa.array(keys, pa.large_string()))])
    return pc.if_else(pc.is_null(urls), None, hashes)


def compared_hashes(
    on: str, table: pa.Table, values: pa.LargeStringArray
) -> pa.FixedSizeBinaryArray:
    """Return the hash of each row: of its text or prompt, and what goes with it."""
    return text_hashes(with_exact_parts(table, on, without_turkic_capitals(table, values)))


def sketch(exact: ExactDuplicates, table: pa.Table, *, storing: bool = False) -> pa.Table:
    """Return id, hash, keeper rank and the sources of each row; what a store has besides."""
    values = compared_texts(table, exact.on)
    if exact.on == "url":
        hashes = url_hashes(values)
    else:
        hashes = compared_hashes(exact.on, table, values)
    rank = keeper_rank(table, exact.keep, exact.source_priority)
    columns = {"id": table.column("id"), "hash": hashes, "rank": rank, "held": held(table)}
    also = {name: table.column(name) for name in ("source", "url")} if storing else {}
    return pa.table(columns | also)


def steps(
    exact: ExactDuplicates, known: KnownDocuments | None = None, *, storing: bool = False
) -> tuple[Step, ...]:
    """Return the steps: rows to the partition of their hash, then the best of each hash.

    With ``known`` a document of that store is the best of its hash; with ``storing`` the kept
    documents are added to it.
    """
    compared = known if known is not None and known.generations else None
    choose = partial(_choose, exact.on, compared)
    deciding = with_reassignment(
        (
            Step(
                "hashes",
                "shard",
                ("sketch", "decided", "counted"),
                ("hashes",),
                partial(_send, exact.on),
            ),
            Step("choose", "partition", ("hashes",), ("decisions",), choose),
        )
    )
    adding = storing_steps(write_store, ("decisions", "decided", "sketch"))
    return (*deciding, *(adding if storing else ()))


def _send(on: str, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    counted = list(inputs.stream("counted"))
    for rows in active_rows(inputs, "sketch"):
        if on != "text":
            rows = rows.filter(rows.column("hash").is_valid())
        part = part_of(halves(whole(rows.column("hash")))[0], inputs.partitions)
        own = with_counted(integers(rows, "doc"), whole(rows.column("held")), counted)
        rows = rows.select(["doc", "id", "hash", "rank"]).append_column("held", own)
        yield "hashes", rows.append_column("part", part)


def _choose(
    on: str, known: KnownDocuments | None, inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    table = read_table(inputs, "hashes")
    if table is None:
        return
    empty = table.filter(table.column("hash").is_null())
    if len(empty):
        yield "decisions", drop_all(empty, "empty")
    table = in_keeper_order(table.filter(table.column("hash").is_valid()), "hash")
    if not len(table):
        return
    high, low = halves(whole(table.column("hash")))
    first = first_of_runs(high, low)
    group = np.cumsum(first) - 1
    stored = (
        pa.nulls(int(first.sum()), pa.string())
        if known is None
        else stored_keepers(known, high[first], low[first])
    )
    has_stored = np.asarray(stored.is_valid())[group]
    size = np.bincount(group)[group] + has_stored
    keeper = np.flatnonzero(first)[group]
    rows = np.flatnonzero(size >= 2)
    if not len(rows):
        return
    ids = whole(table.column("id"))
    kept = pa.array((first & ~has_stored)[rows])
    keepers = pc.coalesce(stored.take(pa.array(group[rows])), ids.take(pa.array(keeper[rows])))
    number = np.cumsum(first[rows]) - 1  # of the group, among those of two and more
    sources = united(whole(table.column("held")).take(pa.array(rows)), number, number[-1] + 1)
    similarity = pa.scalar(None if on == "url" else 1.0, pa.float64())
    columns = {
        "id": ids.take(pa.array(rows)),
        "dropped_by": pc.if_else(kept, None, f"duplicate_{on}"),
        "duplicate_of": pc.if_else(kept, None, keepers),
        "jaccard": pc.if_else(kept, None, similarity),
        "cluster": keepers,
        "cluster_size": pa.array(size[rows].astype(np.int32)),
        "cluster_sources": sources.take(pa.array(number)),
    }
    yield "decisions", decide(integers(table, "doc")[rows], columns)
