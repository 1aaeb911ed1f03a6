"""Exact duplicates: documents whose text, or address, is the same but for trifles.

It runs before the near duplicates: it settles floods of boilerplate, and short documents, in one
sort. Keys are 128-bit BLAKE2b of the normalised text, so that nobody can craft a page that removes
another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import int64, uint8, uint32, uint64

from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.dedup.options import ExactDuplicates
from curate.dedup.witness_chain import with_twins
from curate.kernels.arrow import buffers, fixed_width_values
from curate.kernels.blake2b import SIZE as DIGEST
from curate.kernels.blake2b import digests
from curate.kernels.folding import (
    BLOCK,
    FOLDED,
    INVISIBLE,
    KIND,
    SEPARATOR,
    decode,
    put,
    stretch,
    visible_table,
)
from curate.kernels.grouping import first_of_runs
from curate.kernels.jit import kernel
from curate.protocol.chat import spoken_by
from curate.protocol.routing import decide, integers, part_of, read_docs
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

#: Bytes of plain text that are squeezed at once.
_STEP = 32


@kernel
def _squeeze(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
    out_offsets: np.ndarray,
) -> None:
    # Bound by memory in plain text, whose inner loop is vectorised; else one character at a time.
    entries = np.empty(BLOCK, np.uint32)
    n = uint64(0)
    out_offsets[0] = 0
    for d in range(offsets.shape[0] - 1):
        at, stop = uint64(offsets[d]), uint64(offsets[d + 1])
        first = n
        spaced = True  # a separator counts once, and after something
        while at < stop:
            if at + uint64(_STEP) < stop:
                # What the table says of ASCII, as arithmetic; a test holds the two together.
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
                    continue
            near = stretch(data, at, 2 * _STEP, stop)
            m, reached = decode(data, int64(at), int64(near), table, entries)
            at = uint64(reached)
            for i in range(m):
                entry = entries[i]
                kind = (entry >> uint32(24)) & uint32(KIND)
                if kind == SEPARATOR:
                    out[n] = uint8(32)
                    n += uint64(not spaced)
                    spaced = True
                elif kind != INVISIBLE:
                    n = put(out, n, entry & uint32(FOLDED))
                    spaced = False
        if spaced and n > first:
            n -= uint64(1)
        out_offsets[d + 1] = n


def _squeezed(texts: pa.LargeStringArray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normalise texts, a few megabytes at a time: bytes and offsets, valid until the next block."""
    data, offsets = buffers(texts)
    table = visible_table()
    out = np.empty(0, np.uint8)
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(offsets, offsets[first] + _BLOCK_BYTES, "right")) - 1
        last = min(max(last, first + 1), len(texts))
        # A folded letter may be one byte longer than the letter (U+023A), never twice as long; and a
        # step writes ahead.
        room = 2 * int(offsets[last] - offsets[first]) + _STEP
        if len(out) < room:
            out = np.empty(room, np.uint8)
        out_offsets = np.empty(last - first + 1, np.int64)
        _squeeze(data, offsets[first : last + 1], table, out, out_offsets)
        yield out, out_offsets
        first = last


#: Fits a core's cache, with what is read and written.
_BLOCK_BYTES = 1 << 19


def squeezed(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    r"""Normalise texts for comparison: case folded, white space squeezed, invisible characters gone.

    >>> squeezed(pa.array(["  Алма\n\nАТА ", None], pa.large_string())).to_pylist()
    ['алма ата', '']
    """
    found: list[str] = []
    for data, offsets in _squeezed(texts):
        whole = data.tobytes()
        found += [whole[a:b].decode() for a, b in pairwise(offsets.tolist())]
    return pa.array(found, pa.large_string())


def _hashes(blocks: Iterable[tuple[np.ndarray, np.ndarray]]) -> pa.FixedSizeBinaryArray:
    """Hash the texts of blocks of bytes and offsets; null where a text is empty."""
    found, empty = [np.empty((0, 2), np.uint64)], [np.empty(0, np.bool_)]
    for data, offsets in blocks:
        found.append(digests(data, offsets))
        empty.append(np.diff(offsets) == 0)
    held = pa.py_buffer(np.concatenate(found))
    valid = pa.array(~np.concatenate(empty)).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(DIGEST), held.size // DIGEST, [valid, held]
    )


def text_hashes(texts: pa.LargeStringArray) -> pa.FixedSizeBinaryArray:
    """Give the 128-bit hash of each normalised text; null where nothing is left of it.

    Bound by BLAKE2b; squeezing plain text takes a third as long.
    """
    return _hashes(_squeezed(texts))


def url_key(url: str) -> str:
    """Give the address that copies of a page share: no scheme, fragment or default port.

    Upper case is folded in the host only; a lone `/` after the host goes, every other path and query
    stays as it is. What does not parse as an address is its own key.

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
    """Give the 128-bit hash of each address; null where there is none."""
    keys = pa.array(
        [None if url is None else url_key(url) for url in urls.to_pylist()], pa.large_string()
    )
    data, offsets = buffers(keys)
    return pc.if_else(pc.is_null(keys), None, _hashes([(data, offsets)]))


def sketch(exact: ExactDuplicates, table: pa.Table) -> pa.Table:
    """Give id, hash, keeper rank, language and size of each row."""
    what = compared(table, exact.on)
    hashes = url_hashes(what) if exact.on == "url" else text_hashes(what)
    return pa.table(
        {
            "id": table.column("id"),
            "hash": hashes,
            "rank": keeper_rank(table, exact.keep, exact.source_priority),
            **language_and_size(table),
        }
    )


def tasks(exact: ExactDuplicates) -> tuple[Step, ...]:
    """Give the steps: rows to the partition of their hash, then the best of each hash."""
    return with_twins(
        (
            Step("route", "shard", ("sketch", "decided"), ("hashes",), partial(_route, exact.on)),
            Step("choose", "partition", ("hashes",), ("decisions",), partial(_choose, exact.on)),
        )
    )


def compared(table: pa.Table, on: str) -> pa.Array:
    """Give what of each row is compared: its text, its address, or what the user of a chat says.

    Null for a prompt where there is no conversation: such a row is nobody's duplicate by prompt.
    """
    if on == "prompt":
        return spoken_by(whole(table.column("messages")), "user")
    return whole(table.column(on))


def language_and_size(table: pa.Table) -> dict[str, pa.Array]:
    """Give the columns `lang` (null before identification) and `n_bytes` of a sketch."""
    lang = (
        table.column("lang")
        if "lang" in table.column_names
        else pa.nulls(table.num_rows, pa.string())
    )
    n_bytes = pc.fill_null(pc.binary_length(table.column("text")), 0).cast(pa.int64())
    return {"lang": lang, "n_bytes": n_bytes}


def _halves(hashes: pa.FixedSizeBinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Read each hash as two numbers; 0 for null."""
    filled = pc.fill_null(hashes, bytes(DIGEST))
    pairs = fixed_width_values(filled, ">u8")
    return pairs[:, 0].astype(np.uint64), pairs[:, 1].astype(np.uint64)


def _route(on: str, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    decided = read_docs(inputs, "decided")
    for table in inputs.stream("sketch"):
        alive = ~np.isin(integers(table, "doc"), decided)
        hashed = np.asarray(table.column("hash").is_valid().combine_chunks())
        rows = table.filter(pa.array(alive & (True if on == "text" else hashed)))
        part = part_of(_halves(whole(rows.column("hash")))[0], inputs.partitions)
        yield (
            "hashes",
            rows.select(["doc", "id", "hash", "rank"]).append_column("part", part),
        )


def _choose(on: str, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    tables = list(inputs.stream("hashes"))
    if not tables:
        return
    table = pa.concat_tables(tables)
    empty = table.filter(table.column("hash").is_null())
    if len(empty):
        names = pa.array(["empty"] * len(empty), pa.string())
        yield (
            "decisions",
            decide(integers(empty, "doc"), {"id": empty.column("id"), "dropped_by": names}),
        )
    table = in_keeper_order(table.filter(table.column("hash").is_valid()), "hash")
    if not len(table):
        return
    high, low = _halves(whole(table.column("hash")))
    new = first_of_runs(high, low)
    group = np.cumsum(new) - 1
    size = np.bincount(group)[group]
    keeper = np.flatnonzero(new)[group]
    rows = np.flatnonzero(size >= 2)
    if not len(rows):
        return
    ids = whole(table.column("id"))
    kept = pa.array(new[rows])
    keepers = ids.take(pa.array(keeper[rows]))
    yield (
        "decisions",
        decide(
            integers(table, "doc")[rows],
            {
                "id": ids.take(pa.array(rows)),
                "dropped_by": pc.if_else(kept, None, f"duplicate_{on}"),
                "duplicate_of": pc.if_else(kept, None, keepers),
                "jaccard": pc.if_else(kept, None, 1.0)
                if on != "url"
                else pa.nulls(len(rows), pa.float64()),
                "cluster": keepers,
                "cluster_size": pa.array(size[rows].astype(np.int32)),
            },
        ),
    )
