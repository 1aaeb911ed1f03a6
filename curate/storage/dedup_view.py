"""A dedup store as one run sees it: fixed when the run is planned, whatever is appended later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, RefusedError
from curate.kernels.arrow import fixed_width_values
from curate.kernels.grouping import find_sorted, run_bounds
from curate.protocol.routing import document_number, row_of, shard_of
from curate.schema import whole
from curate.storage import dedup_store
from curate.storage.entries import StoreFile
from curate.storage.store import Store, open_store

#: Documents of a store have negative numbers: `document_numbers` of file and row, plus the lowest
#: int64.
_LOWEST = np.int64(-(1 << 63))
#: Documents that are yielded in one table.
_TOGETHER = 1024
#: The same of documents with their texts.
_TEXTS_TOGETHER = 64


@dataclass(frozen=True)
class DedupView:
    """The generations that a run is compared with: `KnownDocuments` of dedup/stored_keys.py.

    Small, so that every task can be given one: the content of generations is read where it is
    needed.
    """

    address: str
    read: tuple[tuple[int, str], ...] = ()  #: number and digest of each generation
    removed: tuple[tuple[int, str], ...] = ()  #: (generation, source) that no longer count

    @property
    def generations(self) -> int:
        """The number of generations."""
        return len(self.read)

    @property
    def known(self) -> list[dedup_store.Generation]:
        """The generations, in order."""
        return [_known(self.address, number, digest) for number, digest in self.read]

    def ages(self, docs: np.ndarray) -> np.ndarray:
        """Return the generation of each document number."""
        bases = _bases(self)
        numbers = np.array([number for number, _ in self.read], np.int64)
        return np.asarray(numbers[np.searchsorted(bases, _files(docs), "right") - 1])

    def keys(self, highs: np.ndarray) -> Iterator[pa.Table]:
        """Yield high, low and doc of the band keys whose high half is one of `highs` (ascending).

        Only row groups that may hold one of them are read.
        """
        store = open_store(self.address)
        for base, one in zip(_bases(self), self.known, strict=True):
            removed = self._removed_from(one.number)
            for entry in one.files("keys"):
                bounds = np.array(entry.highs or (), np.uint64).reshape(-1, 2)
                first = np.searchsorted(highs, bounds[:, 0])
                groups = np.flatnonzero(first < np.searchsorted(highs, bounds[:, 1], "right"))
                if not len(groups):
                    continue
                for table in dedup_store.read_groups(store, entry, None, groups.tolist()):
                    inside = find_sorted(highs, table.column("high").to_numpy())[1]
                    if len(removed):
                        excluded = pc.is_in(table.column("source"), value_set=removed)
                        inside &= ~np.asarray(excluded.combine_chunks())
                    rows = table.filter(pa.array(inside))
                    doc = rows.column("doc").to_numpy() + document_number(int(base), 0) + _LOWEST
                    yield rows.select(["high", "low"]).append_column("doc", pa.array(doc))

    def _removed_from(self, number: int) -> pa.StringArray:
        """Return the sources of a generation that no longer count."""
        return pa.array([name for n, name in self.removed if n == number], pa.string())

    def all_documents(self) -> Iterator[pa.Table]:
        """Yield id, source and signature (bytes) of all documents that count, in their order."""
        store = open_store(self.address)
        for one in self.known:
            removed = self._removed_from(one.number)
            for entry in one.files("documents"):
                columns = ["id", "source", "signature"]
                for table in dedup_store.read_groups(store, entry, columns):
                    excluded = pc.is_in(table.column("source"), value_set=removed)
                    yield table.filter(pc.invert(excluded)) if len(removed) else table

    def documents(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc, id, source, rank, written and signature by ascending document numbers."""
        for table in self._rows("documents", docs):
            packed = whole(table.column("signature"))
            values = fixed_width_values(packed, np.uint32)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
            about = table.select(["doc", "id", "source", "rank", "written"])
            yield about.append_column("signature", lists)

    def ids(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and id of documents by their ascending numbers."""
        for table in self._rows("documents", docs):
            yield table.select(["doc", "id"])

    def sources(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc, id and source of documents by their ascending numbers."""
        for table in self._rows("documents", docs):
            yield table.select(["doc", "id", "source"])

    def shingles(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and shingles of documents by their ascending numbers."""
        return self._rows("shingles", docs)

    def texts(self, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield doc and text of documents by their ascending numbers."""
        for start in range(0, len(docs), _TEXTS_TOGETHER):
            yield from self._rows("texts", docs[start : start + _TEXTS_TOGETHER])

    def _rows(self, dataset: str, docs: np.ndarray) -> Iterator[pa.Table]:
        """Yield rows by number, in tables that are cut at the same rows for every dataset."""
        store = open_store(self.address)
        files = _files(docs)
        for start, stop in run_bounds(files):
            entry = _entries(self, dataset)[int(files[start])]
            for at in range(start, stop, _TOGETHER):
                some = docs[at : min(at + _TOGETHER, stop)]
                rows = row_of(some - _LOWEST)
                yield _take(store, entry, rows).append_column("doc", pa.array(some))


def _files(docs: np.ndarray) -> np.ndarray:
    return np.asarray(shard_of(docs - _LOWEST))


def _take(store: Store, entry: StoreFile, rows: np.ndarray) -> pa.Table:
    """Read rows (ascending) of a file, from the row groups that contain them."""
    about = (entry.path, entry.bytes, entry.sha256, entry.rows, entry.footer)
    ends = _group_ends(store.address, *about)
    group = np.searchsorted(ends, rows, "right")
    if len(rows) and rows[-1] >= ends[-1]:
        raise dedup_store.damaged(
            store.address, entry.path, "has fewer rows than its band keys say"
        )
    parts = []
    numbers = np.unique(group)
    tables = dedup_store.read_groups(store, entry, None, numbers.tolist())
    for number, table in zip(numbers, tables, strict=True):
        first = ends[number - 1] if number else 0
        parts.append(table.take(pa.array(rows[group == number] - first)))
    return pa.concat_tables(parts).combine_chunks()


@lru_cache(maxsize=256)
def _group_ends(
    address: str, path: str, size: int, sha256: str, rows: int, footer: int | None
) -> np.ndarray:
    """Return the number of rows up to the end of each row group."""
    entry = StoreFile("", 0, path, size, sha256, rows, footer=footer)
    return np.array(dedup_store.group_ends(open_store(address), entry), np.int64)


@lru_cache(maxsize=1024)
def _known(address: str, number: int, digest: str) -> dedup_store.Generation:
    """Read a generation once per process, because it never changes."""
    known = dedup_store.generation(address, number)
    if known.digest != digest:
        raise dedup_store.damaged(address, dedup_store.name_of(number), "has changed")
    return known


@lru_cache(maxsize=8)
def _bases(view: DedupView) -> np.ndarray:
    """Return the number of each generation's first file; each task of a shard writes one."""
    tasks = [
        max((entry.task + 1 for entry in one.files("documents")), default=0) for one in view.known
    ]
    return np.concatenate([[0], np.cumsum(tasks, dtype=np.int64)])[:-1].astype(np.int64)


@lru_cache(maxsize=16)
def _entries(view: DedupView, dataset: str) -> dict[int, StoreFile]:
    """Return the files of a dataset by their number."""
    return {
        int(base) + entry.task: entry
        for base, one in zip(_bases(view), view.known, strict=True)
        for entry in one.files(dataset)
    }


def open_view(
    address: str,
    parameters: Mapping[str, Any],
    *,
    run: str,
    inputs: str,
    appends: bool,
    must_exist: bool,
) -> DedupView:
    """Fix what a run is compared with: all that counts, except what this same run appended.

    Refuse (exit 4) a store that is damaged or has other parameters, and appending the same input
    files twice.
    """
    store = open_store(address)
    stored_parameters = dedup_store.parameters_of(store)
    if stored_parameters is None:
        if must_exist:
            raise RecipeError(
                "no dedup store here",
                where=address,
                hint="a run makes one: --store-to, or store = ... of the stage",
            )
        if store.size("manifest.json") is not None:
            hint = "name a folder of its own"
            raise RefusedError(
                "the folder of a run is no place for a dedup store", where=address, hint=hint
            )
        return DedupView(store.address)
    dedup_store.check_parameters(address, stored_parameters, parameters)
    known = dedup_store.generations(store)
    appended = dedup_store.own(store, known, run)
    read, removed = [], []
    for one in known:
        if appended is not None and one.number >= appended.number:
            break
        removed_here = dedup_store.removed_sources(store, one)
        if removed_here is None:
            continue
        if appends and one.inputs == inputs:
            raise RefusedError(
                f"generation {one.number} of the dedup store was made from these very input files:"
                " all of them would be removed as copies of themselves",
                where=address,
                hint=f"curate store {address} --remove-generation {one.number}, or another store",
            )
        for entry in one.entries:
            if store.size(entry.path) != entry.bytes:
                raise dedup_store.damaged(address, entry.path, "is gone or cut")
        read.append((one.number, one.digest))
        removed += [(one.number, name) for name in sorted(removed_here)]
    return DedupView(store.address, tuple(read), tuple(removed))
