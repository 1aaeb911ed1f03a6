"""Which documents of a dedup store are near a text: candidates by band keys, compared exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.compared import compared_texts
from curate.dedup.fuzzy.compared_sets import compared_sets
from curate.dedup.fuzzy.lsh import candidate_probability
from curate.dedup.fuzzy.minhash import band_keys, sign_sets, signature_array
from curate.dedup.options import NearDuplicates
from curate.dedup.shingles import shared
from curate.dedup.stored_keys import matching_keys
from curate.errors import RecipeError
from curate.kernels.grouping import find_sorted
from curate.schema import whole
from curate.storage import dedup_store
from curate.storage.dedup_view import DedupView, open_view
from curate.storage.store import open_store

#: A document that is near a text, and how near it is.
MATCHES = pa.schema(
    [
        ("query", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("generation", pa.int64()),
        ("recipe", pa.string()),
        ("run", pa.string()),
        ("jaccard", pa.float64()),
        ("estimate", pa.float64()),
        ("contained", pa.float64()),
    ]
)

#: Texts that are looked up together; each has up to ``max_witnesses`` candidates per band.
_TOGETHER = 256


def stored_parameters(address: str) -> dict[str, Any]:
    """Return the parameters that a store was made with; RecipeError where there is none."""
    stored = dedup_store.parameters_of(open_store(address))
    if stored is None:
        raise RecipeError(
            "no dedup store here", where=address, hint="a run makes one: --store-to, or store = ..."
        )
    return stored


def is_near(stored: Mapping[str, Any]) -> bool:
    """Return whether a store holds signatures and shingles, so that similarity can be computed."""
    return "bands" in stored


def parameters_of(address: str) -> NearDuplicates:
    """Return the parameters of a store's band keys and shingles; RecipeError where there is none.

    The threshold, which a store does not have, is the default.
    """
    stored = stored_parameters(address)
    if not is_near(stored):
        raise RecipeError(
            "this is not the store of a fuzzy_dedup: it has no signatures",
            where=address,
            hint=f"curate store query {address} says what it has of a text",
        )
    own: Mapping[str, Any] = stored | {"fold": tuple(stored["fold"].split())}
    return NearDuplicates(**own)


def chance(near: NearDuplicates, jaccard: float) -> float:
    """Return the chance that a stored document of this similarity to a text is found."""
    return candidate_probability(jaccard, *near.band_shape)


def view_of(address: str, near: NearDuplicates) -> DedupView:
    """Return a view of all of a store that counts."""
    return open_view(
        address, near.stored_parameters, run="", inputs="", appends=False, must_exist=True
    )


def sets_of(near: NearDuplicates, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the shingle sets of a table's rows: sorted hashes, and the offsets of rows.

    A store of prompts compares what the users of a conversation wrote; a row that is no
    conversation is a prompt itself.
    """
    if near.on == "prompt":
        prompts = pc.coalesce(compared_texts(table, "prompt"), whole(table.column("text")))
        return compared_sets(dataclasses.replace(near, on="text"), pa.table({"text": prompts}))
    return compared_sets(near, table)


def nearest_documents(
    view: DedupView, near: NearDuplicates, table: pa.Table, *, limit: int, min_jaccard: float
) -> pa.Table:
    """Return the documents of a store that are near rows of a table with ``id`` and ``text``.

    The rows are those of ``MATCHES``: queries in their order, each
    with up to ``limit`` documents by falling ``jaccard``.
    """
    found = [MATCHES.empty_table()]
    for start in range(0, table.num_rows, _TOGETHER):
        some = table.slice(start, _TOGETHER).combine_chunks()
        rows = _nearest(view, near, some, limit, min_jaccard)
        found.append(pa.Table.from_pylist(rows, schema=MATCHES))
    return pa.concat_tables(found)


def _nearest(
    view: DedupView, near: NearDuplicates, table: pa.Table, limit: int, min_jaccard: float
) -> list[dict[str, Any]]:
    values, offsets = sets_of(near, table)
    signatures = sign_sets(values, offsets, near.num_permutations, near.seed)
    queries, docs = candidates(view, near, signatures, np.diff(offsets) > 0)
    matches: list[list[dict[str, Any]]] = [[] for _ in range(table.num_rows)]
    ids = table.column("id").to_pylist()
    wanted = np.unique(docs)
    known = {one.number: one for one in view.known} if len(wanted) else {}
    for documents, sets in zip(view.documents(wanted), view.shingles(wanted), strict=True):
        theirs = signature_array(documents)
        lists = whole(sets.column("shingles"))
        values_there = np.asarray(lists.flatten(), np.uint64)
        bounds = np.concatenate([[0], np.cumsum(np.asarray(lists.value_lengths(), np.int64))])
        numbers = np.asarray(documents.column("doc"))
        ages = view.ages(numbers)
        about = documents.select(["id", "source"]).to_pylist()
        at, here = find_sorted(numbers, docs)
        for query, row in zip(queries[here].tolist(), at[here].tolist(), strict=True):
            first, end = offsets[query], offsets[query + 1]
            start, stop = bounds[row], bounds[row + 1]
            both = shared(values, first, end, values_there, start, stop)
            one = known[int(ages[row])]
            match = {
                "query": ids[query],
                **about[row],
                "generation": one.number,
                "recipe": one.recipe,
                "run": one.run,
                "jaccard": both / (end - first + stop - start - both),
                "estimate": float((theirs[row] == signatures[query]).mean()),
                "contained": both / (end - first),
            }
            if match["jaccard"] >= min_jaccard:
                matches[query].append(match)
    for rows in matches:
        rows.sort(
            key=lambda row: (-row["jaccard"], -row["contained"], row["generation"], row["id"])
        )
    return [row for rows in matches for row in rows[:limit]]


def candidates(
    view: DedupView, near: NearDuplicates, signatures: np.ndarray, has_words: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a query's row and a stored document that share a band key, each once."""
    bands, rows = near.band_shape
    own = np.flatnonzero(has_words)
    keys = band_keys(signatures[own], bands, rows).reshape(-1, 2)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys, queries = keys[order], np.repeat(own, bands)[order]
    highs, firsts = np.unique(keys[:, 0], return_index=True)
    stored_high, stored_low, stored_docs = matching_keys(view, highs)
    bounds = np.append(firsts, len(keys))
    pairs = set()
    at = np.searchsorted(highs, stored_high)
    for place, low, doc in zip(at.tolist(), stored_low.tolist(), stored_docs.tolist(), strict=True):
        for key in range(bounds[place], bounds[place + 1]):
            if keys[key, 1] == low:
                pairs.add((int(queries[key]), doc))
    found = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
