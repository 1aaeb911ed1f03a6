"""What earlier runs kept: the steps that compare with it and that add to it.

A store's documents take part in a dedup as its own do, in buckets, edges and components, but they come
first in keeper order and are kept whatever they are like. So dedup of B against a store of A gives what
dedup of A and B together gives, when A's documents are older.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.exact import compared
from curate.dedup.fuzzy.minhash import band_keys, sign_sets
from curate.dedup.keeper import keeper_rank
from curate.dedup.options import NearDuplicates
from curate.dedup.shingles import shingle_sets
from curate.kernels.grouping import first_of_runs
from curate.kernels.hashing import spread
from curate.protocol.routing import integers, part_of, read_docs
from curate.protocol.stage import Inputs, Step

#: Documents of a store that lie side by side and are read by one task.
_NEIGHBOURS = 16
#: Rows of keys in one row group of a store's file.
_KEY_ROWS = 1 << 16


class Past(Protocol):
    """A store as a run sees it. Its documents have negative numbers, ascending with their generation."""

    @property
    def generations(self) -> int:
        """How many generations there are; with none there is nothing to compare with."""
        ...

    def keys(self, first: int, end: int) -> Iterator[pa.Table]:
        """Stream high, low, doc of the band keys with first <= high < end."""
        ...

    def ages(self, docs: np.ndarray) -> np.ndarray:
        """Give the generation of each document number."""
        ...

    def documents(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Stream doc, id, rank and signature of the documents asked for (ascending numbers)."""
        ...

    def shingles(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Stream doc and shingles of the documents asked for (ascending numbers)."""
        ...


def is_old(docs: np.ndarray) -> np.ndarray:
    """Tell which document numbers are those of a store."""
    return np.asarray(docs < 0)


def reader_of(docs: np.ndarray, partitions: int) -> pa.Array:
    """Give the partition whose task reads each document of a store: neighbours have the same one."""
    return part_of(spread(docs >> _NEIGHBOURS), partitions)


def matching_keys(
    past: Past, highs: np.ndarray, index: int, partitions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the store's keys (high, low, doc) of a partition whose high half is among the sorted `highs`."""
    first, end = (-(-(number << 32) // partitions) << 32 for number in (index, index + 1))
    found = [(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))]
    for table in past.keys(first, end):
        high = integers(table, "high")
        at = np.minimum(np.searchsorted(highs, high), max(0, len(highs) - 1))
        rows = np.flatnonzero(highs[at] == high) if len(highs) else np.empty(0, np.int64)
        found.append((high[rows], integers(table, "low")[rows], integers(table, "doc")[rows]))
    all_highs, all_lows, docs = zip(*found, strict=True)
    return np.concatenate(all_highs), np.concatenate(all_lows), np.concatenate(docs)


def needed(run: np.ndarray, docs: np.ndarray, past: Past, max_witnesses: int) -> np.ndarray:
    """Tell which members of buckets (`run` numbers them, docs ascending in each) can matter.

    A bucket of the store's documents alone does not, nor do documents of the store once older
    generations fill the bucket.
    """
    old = is_old(docs)
    is_met = np.bincount(run, weights=~old, minlength=1)[run] > 0
    ages = np.full(len(docs), -1, np.int64)
    ages[old] = past.ages(docs[old])
    place = np.arange(len(run))
    new_run, new_age = first_of_runs(run), first_of_runs(run, ages)
    run_start = np.maximum.accumulate(np.where(new_run, place, 0))
    age_start = np.maximum.accumulate(np.where(new_age, place, 0))
    return np.asarray(is_met & (~old | (age_start - run_start < max_witnesses)))


def recall(past: Past, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send signatures of the store's documents to the partitions that asked for them."""
    tables = list(inputs.stream("wanted_old"))
    if not tables:
        return
    wanted = pa.concat_tables(tables)
    docs, back = integers(wanted, "doc"), integers(wanted, "back")
    order = np.lexsort((back, docs))
    docs, back = docs[order], back[order]
    for table in past.documents(np.unique(docs)):
        held = integers(table, "doc")
        at = np.minimum(np.searchsorted(held, docs), len(held) - 1)
        found = held[at] == docs
        attached = table.select(["doc", "signature"]).take(pa.array(at[found]))
        yield "attached_old", attached.append_column("part", pa.array(back[found]))


def remember(past: Past, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Read the members of components that are in the store, and send them to the component's partition."""
    tables = list(inputs.stream("members_old"))
    if not tables:
        return
    members = pa.concat_tables(tables).sort_by("doc")
    docs, component = integers(members, "doc"), integers(members, "component")
    for table, shingles in zip(past.documents(docs), past.shingles(docs), strict=True):
        held = integers(table, "doc")
        theirs = component[np.searchsorted(docs, held)]
        yield (
            "witnesses",
            pa.table(
                {
                    "component": theirs,
                    "doc": held,
                    "id": table.column("id"),
                    "rank": table.column("rank"),
                    "age": past.ages(held).astype(np.int32),
                    "weight": np.ones(len(held), np.int32),
                    "signature": table.column("signature"),
                    "shingles": shingles.column("shingles"),
                    "part": part_of(spread(theirs), inputs.partitions),
                }
            ),
        )


def keeping(near: NearDuplicates) -> tuple[Step, ...]:
    """Give the steps that add what was kept to a store; they come after the decisions."""
    return (
        Step(
            "keep",
            "shard",
            ("decisions", "decided", "unlisted", "text"),
            ("documents", "shingles", "new_keys"),
            partial(_keep, near),
            ("documents", "shingles"),
        ),
        Step("list", "partition", ("new_keys",), ("keys",), _list, ("keys",)),
    )


def _keep(near: NearDuplicates, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Give id, source, rank, signature and shingles of the documents kept, and their band keys."""
    gone = [read_docs(inputs, "decided")]
    for table in inputs.stream("decisions"):
        gone.append(integers(table.filter(pc.is_valid(table.column("dropped_by"))), "doc"))
    dropped = np.unique(np.concatenate(gone))
    late = _unlisted_places(near, inputs)
    row = 0
    for table in inputs.stream("text"):
        table = table.filter(pa.array(~np.isin(integers(table, "doc"), dropped)))
        values, offsets = shingle_sets(compared(table, near.on), near.shingling)
        worded = np.diff(offsets) > 0  # what an earlier pass left without words is no witness
        if not worded.all():
            table = table.filter(pa.array(worded))
            offsets = np.concatenate([[0], offsets[1:][worded]])
        if not len(table):
            continue
        docs = integers(table, "doc")
        signatures = sign_sets(values, offsets, near.count, near.seed)
        here = np.arange(row, row + len(table), dtype=np.int64)
        row += len(table)
        yield (
            "documents",
            pa.table(
                {
                    "id": table.column("id"),
                    "source": table.column("source"),
                    "rank": keeper_rank(table, near.keep, near.source_priority),
                    "signature": pa.FixedSizeBinaryArray.from_buffers(
                        pa.binary(4 * near.count),
                        len(table),
                        [None, pa.py_buffer(np.ascontiguousarray(signatures))],
                    ),
                }
            ),
        )
        yield "shingles", pa.table({"shingles": pa.LargeListArray.from_arrays(offsets, values)})
        keys = band_keys(signatures, near.bands, near.rows).reshape(-1, 2)
        place = np.repeat(docs, near.bands) * near.bands + np.tile(
            np.arange(near.bands), len(table)
        )
        listed = np.flatnonzero(~np.isin(place, late))
        high = np.ascontiguousarray(keys[listed, 0])
        rows = np.repeat((inputs.index << 32) | here, near.bands)[listed]
        yield (
            "new_keys",
            pa.table(
                {
                    "high": high,
                    "low": np.ascontiguousarray(keys[listed, 1]),
                    "doc": rows,
                    "source": table.column("source")
                    .combine_chunks()
                    .take(pa.array(listed // near.bands)),
                    "part": part_of(high, inputs.partitions),
                }
            ),
        )


def _unlisted_places(near: NearDuplicates, inputs: Inputs) -> np.ndarray:
    found = [
        integers(table, "doc") * near.bands + integers(table, "band")
        for table in inputs.stream("unlisted")
    ]
    return np.concatenate([np.empty(0, np.int64), *found])


def _list(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Sort the band keys of a partition, so that a later run reads a range of them."""
    tables = list(inputs.stream("new_keys"))
    if not tables:
        return
    table = pa.concat_tables(tables).drop_columns(["part"])
    order = np.lexsort([integers(table, name) for name in ("doc", "low", "high")])
    for start in range(0, len(order), _KEY_ROWS):
        yield "keys", table.take(pa.array(order[start : start + _KEY_ROWS]))
