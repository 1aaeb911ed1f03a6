"""A dedup store as a run sees it: keys of documents that earlier runs kept, and their documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa

from curate.protocol.routing import integers, read_table
from curate.protocol.stage import Inputs

#: Rows of keys in one row group of a store's file.
_KEY_ROWS = 1 << 16


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


def matching_keys(
    known: KnownDocuments, highs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the keys (high, low, doc) of the store whose high half is one of `highs` (ascending)."""
    parts = [(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))]
    for table in known.keys(highs):
        parts.append((integers(table, "high"), integers(table, "low"), integers(table, "doc")))
    all_highs, all_lows, docs = zip(*parts, strict=True)
    return np.concatenate(all_highs), np.concatenate(all_lows), np.concatenate(docs)


def index_store(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Sort the band keys of a partition, so that a later run reads a range of them."""
    table = read_table(inputs, "new_keys")
    if table is None:
        return
    table = table.drop_columns(["part"])
    order = np.lexsort([integers(table, name) for name in ("doc", "low", "high")])
    for start in range(0, len(order), _KEY_ROWS):
        yield "keys", table.take(pa.array(order[start : start + _KEY_ROWS]))
