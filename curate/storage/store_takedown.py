"""Take documents out of a dedup store, for good.

``taken_down/00000.parquet`` says what may not come back: keys (`rights.lists.keys_of`) of
addresses, domains and ids, no names. It is written first, so later runs drop those documents before
anything else. Then each generation that holds any is written anew without them, and its one small
file replaced: whatever dies in between, a generation is the old or the new one, and the same
takedown again ends what was begun.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.failpoint import reach
from curate.protocol.routing import document_number, row_of, shard_of
from curate.rights.lists import Keys, Kind, contains, united
from curate.storage import dedup_store
from curate.storage.dedup_store import Generation
from curate.storage.entries import StoreFile
from curate.storage.generation_sink import GenerationSink
from curate.storage.store import Store, open_store

FOLDER = "taken_down"

#: The kinds of keys in a tombstone file.
_KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind in ("domain", "url", "id"))
_SCHEMA = pa.schema([("kind", pa.string()), ("key", pa.uint64())])


@dataclass(frozen=True)
class Tombstones:
    """What was taken down from a store, as a run knows it from the beginning to the end."""

    address: str
    files: tuple[tuple[str, str], ...]  #: names, with digests of their bytes

    def keys(self) -> dict[Kind, Keys]:
        """Return the keys by kind; read once per process."""
        return _taken_down(self.address, self.files)


#: Which documents go: a generation's number, and rows with id and, if stored, url.
Gone = Callable[[int, pa.Table], np.ndarray]


def tombstones(store: Store) -> Tombstones:
    """Return what was taken down from a store until now."""
    files = []
    for name in dedup_store.numbered(store, FOLDER).values():
        digest = hashlib.blake2b(store.read(name), digest_size=16).hexdigest()
        # There is none of an older version, or where a kill came in between.
        if dedup_store.first_digest(store, name) not in (None, digest):
            raise dedup_store.damaged(store.address, name, "is not what was written")
        files.append((name, digest))
    return Tombstones(store.address, tuple(files))


@lru_cache(maxsize=8)
def _taken_down(address: str, files: tuple[tuple[str, str], ...]) -> dict[Kind, Keys]:
    store = open_store(address)
    keys: dict[Kind, list[Keys]] = {kind: [] for kind in _KINDS}
    for name, digest in files:
        try:
            body = store.read(name)
            if hashlib.blake2b(body, digest_size=16).hexdigest() != digest:
                raise ValueError
            table = pq.ParquetFile(pa.BufferReader(body)).read(use_threads=False)
        except (FileNotFoundError, ValueError, pa.ArrowInvalid):
            raise dedup_store.damaged(address, name, "is not what was written") from None
        kinds = table.column("kind").to_numpy(zero_copy_only=False)
        for kind, of_kind in keys.items():
            of_kind.append(table.column("key").to_numpy()[kinds == kind])
    return {kind: united(of_kind) for kind, of_kind in keys.items()}


def bury(store: Store, keys: Mapping[Kind, Keys]) -> int:
    """Write what may not come back; return how many keys are new. Known ones are not repeated."""
    known = tombstones(store).keys()
    new = {
        kind: of_kind[~contains(known[kind], of_kind)]
        for kind in _KINDS
        if len(of_kind := keys.get(kind, np.empty(0, np.uint64)))
    }
    added = sum(map(len, new.values()))
    if not added:
        return 0
    table = pa.table(
        {
            "kind": np.repeat(list(new), [len(of_kind) for of_kind in new.values()]),
            "key": np.concatenate(list(new.values())),
        },
        schema=_SCHEMA,
    )
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd")
    number = 1 + max(dedup_store.numbered(store, FOLDER), default=-1)
    while not dedup_store.create(store, f"{FOLDER}/{number:05d}.parquet", body.getvalue()):
        number += 1
    reach("takedown.buried")
    return added


def erase(store: Store, gone: Gone) -> int:
    """Write each generation anew without the documents that go; return how many went."""
    erased = 0
    for one in dedup_store.generations(store):
        masks = _masks(store, one, gone)
        here = sum(int(mask.sum()) for mask in masks.values())
        if here:
            _rewrite(store, one, masks)
        dedup_store.sweep(store, one)
        erased += here
    return erased


def count(store: Store, gone: Gone) -> int:
    """Return how many documents of a store would go."""
    return sum(
        int(mask.sum())
        for one in dedup_store.generations(store)
        for mask in _masks(store, one, gone).values()
    )


def _masks(store: Store, one: Generation, gone: Gone) -> dict[int, np.ndarray]:
    """Return which documents of each task go."""
    return {
        entry.task: np.concatenate(
            [np.empty(0, np.bool_), *(gone(one.number, t) for t in _documents(store, entry))]
        )
        for entry in one.files("documents")
    }


def _documents(store: Store, entry: StoreFile) -> Iterator[pa.Table]:
    columns: list[str] = [name for name in ("id", "url") if name in _columns(store, entry)]
    return dedup_store.read_groups(store, entry, columns)


def _columns(store: Store, entry: StoreFile) -> list[str]:
    try:
        with store.open(entry.path) as handle:
            return list(pq.ParquetFile(handle).schema_arrow.names)
    except (OSError, pa.ArrowInvalid) as error:
        raise dedup_store.damaged(store.address, entry.path, "is not what was written") from error


def _rewrite(store: Store, one: Generation, masks: Mapping[int, np.ndarray]) -> None:
    """Write a generation without the masked rows; the rest is numbered anew."""
    attempt = f"data/{one.run}/takedown-{uuid.uuid4().hex[:8]}"
    moved = {task: np.cumsum(mask) for task, mask in masks.items()}
    entries: list[StoreFile] = []
    for entry in one.entries:
        numbered = "doc" in _columns(store, entry)
        if not numbered and not masks[entry.task].any():
            entries.append(entry)
            continue
        sink = GenerationSink(store, f"{attempt}-{entry.dataset}-{entry.task:05d}", entry.task)
        first = 0
        for table in dedup_store.read_groups(store, entry, None):
            if numbered:
                sink.write(entry.dataset, _renumbered(table, masks, moved))
            else:  # a row for each document of the task
                kept = ~masks[entry.task][first : first + table.num_rows]
                sink.write(entry.dataset, table.filter(pa.array(kept)))
            first += table.num_rows
        entries += sink.close()
    reach("takedown.generation")
    dedup_store.replace(store, one, entries)
    reach("takedown.erased")


def _renumbered(
    table: pa.Table, masks: Mapping[int, np.ndarray], moved: Mapping[int, np.ndarray]
) -> pa.Table:
    """Return the band keys of the documents that stay, with their new numbers."""
    docs = table.column("doc").to_numpy()
    tasks, rows = np.asarray(shard_of(docs)), np.asarray(row_of(docs))
    kept, new = np.ones(len(docs), np.bool_), docs.copy()
    for task in np.unique(tasks).tolist():
        here = np.flatnonzero(tasks == task)
        kept[here] = ~masks[task][rows[here]]
        new[here] = document_number(task, rows[here] - moved[task][rows[here]])
    at = table.column_names.index("doc")
    return table.set_column(at, "doc", pa.array(new)).filter(pa.array(kept))
