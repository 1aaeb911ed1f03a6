"""A dedup store as a run sees it: keys of documents that earlier runs kept, and their documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa

from curate.kernels.hashing import spread
from curate.protocol.routing import document_number, integers, part_of, read_table
from curate.protocol.stage import Inputs, Step

#: Rows of keys in one row group of a store's file.
_KEY_ROWS = 1 << 16
#: Documents of a store that are neighbours (2**16 numbers) are read by one task.
_NEIGHBOUR_BITS = 16


class KnownDocuments(Protocol):
    """A store as a run reads it; its documents have negative numbers, ascending by generation."""

    @property
    def generations(self) -> int:
        """The number of generations; with 0 there is nothing to compare with."""

    def keys(self, highs: np.ndarray) -> Iterator[pa.Table]:
        """Yield high, low, doc of the band keys whose high half is one of `highs` (ascending)."""

    def ages(self, docs: np.ndarray) -> np.ndarray:
        """Return the generation of each document number."""

    def documents(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc, id, rank, written and signature of the given documents (ascending numbers)."""

    def ids(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and id of the given documents (ascending numbers)."""

    def shingles(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and shingles of the given documents (ascending numbers)."""

    def texts(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and text of the given documents (ascending numbers)."""


def is_known(docs: np.ndarray) -> np.ndarray:
    """Return whether each document number is that of a store's document."""
    return np.asarray(docs < 0)


def reader_of(docs: np.ndarray, partitions: int) -> pa.Array:
    """Return the partition whose task reads each document of a store: the same for neighbours."""
    return part_of(spread(docs >> _NEIGHBOUR_BITS), partitions)


def matching_keys(
    known: KnownDocuments, highs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the keys (high, low, doc) of the store whose high half is one of `highs` (ascending)."""
    parts = [(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))]
    for table in known.keys(highs):
        parts.append((integers(table, "high"), integers(table, "low"), integers(table, "doc")))
    all_highs, all_lows, docs = zip(*parts, strict=True)
    return np.concatenate(all_highs), np.concatenate(all_lows), np.concatenate(docs)


def documents_with(known: KnownDocuments, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return how many documents of the store have each key; keys differ, and are in their order.

    Every row of the store's keys is another document, or another key of it. Memory is that of the
    keys given, however many documents have them.
    """
    counts = np.zeros(len(high), np.int64)
    for table in known.keys(np.unique(high)):
        at = find_pairs(integers(table, "high"), integers(table, "low"), high, low)
        np.add.at(counts, at[at >= 0], 1)
    return counts


def find_pairs(
    high: np.ndarray, low: np.ndarray, in_high: np.ndarray, in_low: np.ndarray
) -> np.ndarray:
    """Return the position of each pair in sorted, different pairs; -1 where it is absent."""
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


Writing = Callable[[Inputs], Iterator[tuple[str, pa.Table]]]


def storing_steps(
    write: Writing, reads: tuple[str, ...], datasets: tuple[str, ...] = ("documents",)
) -> tuple[Step, ...]:
    """Return the steps that add documents to a store; ``write`` yields ``datasets``, `new_keys`."""
    return (
        Step("write_store", "shard", reads, (*datasets, "new_keys"), write, datasets),
        Step("index_store", "partition", ("new_keys",), ("keys",), index_store, ("keys",)),
    )


class NewDocuments:
    """The documents that a shard's task adds to a store, numbered as they come."""

    def __init__(self, inputs: Inputs) -> None:
        self._shard, self._partitions, self._count = inputs.index, inputs.partitions, 0

    def add(
        self, table: pa.Table, row: np.ndarray, high: np.ndarray, low: np.ndarray
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield id, source and address of the rows of a table, and the keys (row, high, low)."""
        if not table.num_rows:
            return
        yield "documents", table.select(["id", "source", "url"])
        docs = document_number(self._shard, row + self._count)
        self._count += table.num_rows
        columns = {
            "high": high,
            "low": low,
            "doc": docs,
            "source": table.column("source").combine_chunks().take(pa.array(row)),
            "part": part_of(high, self._partitions),
        }
        yield "new_keys", pa.table(columns)


def index_store(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Sort the band keys of a partition, so that a later run reads a range of them."""
    table = read_table(inputs, "new_keys")
    if table is None:
        return
    table = table.drop_columns(["part"])
    order = np.lexsort([integers(table, name) for name in ("doc", "low", "high")])
    for start in range(0, len(order), _KEY_ROWS):
        yield "keys", table.take(pa.array(order[start : start + _KEY_ROWS]))
