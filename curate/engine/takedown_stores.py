"""What a takedown does to the dedup stores that a run used."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curate import schema
from curate.engine.takedown_find import Found, Request
from curate.errors import RefusedError
from curate.rights.lists import Entries, Keys, Kind, Looked, contains, keys_of, united
from curate.storage import dedup_store, store_takedown
from curate.storage.entries import Manifest
from curate.storage.store import open_store


def stores_of(manifest: Manifest) -> dict[str, tuple[str, set[int]]]:
    """Return the stores of a run: address, and the generations that it added."""
    stores: dict[str, tuple[str, set[int]]] = {}
    for use in manifest.stores:
        for address in filter(None, (use.address, use.added_to)):
            opened = open_store(address)
            if dedup_store.parameters_of(opened) is None:
                raise RefusedError(
                    "the dedup store that the run used is not there",
                    where=address,
                    hint="bring it back, or leave stores alone: --without-stores",
                )
            _, own = stores.setdefault(opened.address, (address, set()))
            if use.generation is not None and use.added_to == address:
                own.add(use.generation)
    return stores


def _gone_of(request: Request, found: Found, own: set[int]) -> store_takedown.Gone:
    """Return which rows of a store go: by id what the run added, by address all of that address."""

    def gone(number: int, table: pa.Table) -> np.ndarray:
        hit = np.zeros(table.num_rows, np.bool_)
        if number in own:  # ids are unique within a run only
            hit |= contains(found.gone, keys_of(schema.whole(table.column("id"))))
        if "url" in table.column_names:
            urls = table.column("url").to_pylist()
            looked = Looked(urls)
            if request.kind in ("url", "domain"):
                hit |= looked.matching(request.entries)
            hit |= looked.matching(Entries("url", found.urls))
        return hit

    return gone


def count_in_store(address: str, request: Request, found: Found, own: set[int]) -> int:
    """Return how many documents of a store would go."""
    return store_takedown.count(open_store(address), _gone_of(request, found, own))


def forget(address: str, request: Request, found: Found, own: set[int]) -> int:
    """Take documents out of a store, and write down that they may not come back."""
    store = open_store(address)
    erased: list[Keys] = []
    gone = _gone_of(request, found, own)

    def noting(number: int, table: pa.Table) -> np.ndarray:
        hit = gone(number, table)
        erased.append(keys_of(schema.whole(table.column("id")))[hit])
        return hit

    store_takedown.count(store, noting)
    keys: dict[Kind, Keys] = {
        "url": found.urls,
        "domain": np.empty(0, np.uint64),
        "id": united([found.gone, *erased]),
    }
    keys[request.kind] = united([keys[request.kind], request.entries.keys])
    store_takedown.bury(store, keys)
    return store_takedown.erase(store, gone)
