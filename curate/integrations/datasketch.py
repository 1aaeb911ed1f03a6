"""A dedup store as objects of datasketch: signatures as LeanMinHash, an index as MinHashLSH.

A signature of a store is one of datasketch's scheme ``affine32`` on the hashes of curate's
shingles (``curate.dedup.fuzzy.minhash``), so its values are taken over as they are, with the seed
of the store: ``jaccard()`` of two such objects is the estimate that curate uses. A MinHash that was
made of other shingles, or by another hash function, has the same form and another meaning, which
nobody can see: sign texts with `sign`, not with ``MinHash.update``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from datasketch import LeanMinHash, MinHash, MinHashLSH

from curate.api.tabular import TableLike, documents_of
from curate.dedup.fuzzy.minhash import sign_sets, signature_array
from curate.errors import CurateError, RecipeError, without_secrets
from curate.inspection import store_query
from curate.kernels.arrow import fixed_width_values
from curate.schema import whole

#: How datasketch permutes what curate hashes.
SCHEME = "affine32"


def minhashes(store: str) -> Iterator[tuple[str, LeanMinHash]]:
    """Yield id and signature of each document of a store that counts.

    Parameters
    ----------
    store : str
        Folder or address of the dedup store.

    Yields
    ------
    tuple of str and LeanMinHash
        The documents in the order in which they were added. An id is that of its own run: two runs
        over different files of one name may have the same.

    Raises
    ------
    CurateError
        If there is no store, or it is damaged.
    """
    near = store_query.parameters_of(store)
    for table in store_query.view_of(store, near).all_documents():
        values = fixed_width_values(whole(table.column("signature")), np.uint32)
        for id, signature in zip(table.column("id").to_pylist(), values, strict=True):
            yield id, _lean(signature, near.seed)


def sign(store: str, texts: TableLike) -> list[LeanMinHash | None]:
    """Return the signatures of texts as a store has them.

    Parameters
    ----------
    store : str
        Folder or address of the dedup store, whose parameters are used.
    texts : table-like
        Texts, or a table with a column ``text``; conversations with ``messages``.

    Returns
    -------
    list of LeanMinHash or None
        One for each text; None for a text without words and signs.

    Raises
    ------
    CurateError
        If there is no store, or the table has no column ``text``.
    """
    near = store_query.parameters_of(store)
    values, offsets = store_query.sets_of(near, documents_of(texts)[1])
    signatures = sign_sets(values, offsets, near.num_permutations, near.seed)
    empty = np.diff(offsets) == 0
    return [None if empty[i] else _lean(row, near.seed) for i, row in enumerate(signatures)]


def index(store: str, *, storage_config: Mapping[str, Any] | None = None) -> MinHashLSH:
    """Index all documents of a store that count, by the store's own bands and rows.

    Its ``query`` finds the candidates that a run compares, ids of documents. A band key that very
    many documents share is shorter in the store (``max_witnesses``), never here.

    Parameters
    ----------
    store : str
        Folder or address of the dedup store.
    storage_config : mapping, optional
        Where the index is kept, as datasketch takes it: ``{"type": "redis", "basename": b"corpus",
        "redis": {"host": "localhost", "port": 6379}}``, which needs the package ``redis``;
        default: in memory. What is there under that ``basename`` stays, and is added to.

    Returns
    -------
    MinHashLSH
        The index; its keys are ids. Two documents of the same id (of two runs) are under one key.

    Raises
    ------
    CurateError
        If there is no store, it is damaged, or datasketch refuses the storage.
    """
    near = store_query.parameters_of(store)
    config = dict(storage_config or {"type": "dict"})
    try:
        lsh = MinHashLSH(
            num_perm=near.num_permutations, params=near.band_shape, storage_config=config
        )
        with lsh.insertion_session() as session:
            for id, minhash in minhashes(store):
                session.insert(id, minhash, check_duplication=False)
    except CurateError:
        raise
    except Exception as error:  # each storage has its own errors; without its package a NameError
        needs = (
            "; it needs the package redis, and a server" if config.get("type") == "redis" else ""
        )
        what = without_secrets(f"{type(error).__name__}: {error}")
        raise RecipeError(
            f"datasketch cannot keep that index: {what}{needs}",
            where=store,
            hint='storage_config = {"type": "redis", "basename": b"NAME", "redis": {"host": ...}}',
        ) from None
    return lsh


def nearest(store: str, minhash: MinHash, *, limit: int = 10) -> list[tuple[str, float]]:
    """Find the documents of a store whose signatures are nearest to one: candidates by its bands.

    Parameters
    ----------
    store : str
        Folder or address of the dedup store.
    minhash : MinHash or LeanMinHash
        A signature that `sign` or `minhashes` made, here or elsewhere, with the same parameters.
    limit : int, default 10
        The most documents.

    Returns
    -------
    list of tuple of str and float
        Id and estimated Jaccard similarity, the most similar first. `curate.api.query_store`
        computes it exactly, from the text.

    Raises
    ------
    CurateError
        If there is no store, or the signature's scheme, seed or length is not the store's.
    """
    near = store_query.parameters_of(store)
    own = {"scheme": minhash.scheme, "seed": minhash.seed, "length": len(minhash)}
    stored = {"scheme": SCHEME, "seed": near.seed, "length": near.num_permutations}
    if own != stored:
        other = "; ".join(f"{k} = {own[k]}, not {v}" for k, v in stored.items() if own[k] != v)
        raise RecipeError(
            f"the signature cannot be compared with the store's: {other}",
            where=store,
            hint="sign the text with curate.integrations.datasketch.sign",
        )
    view = store_query.view_of(store, near)
    signature = np.asarray(minhash.hashvalues, np.uint32).reshape(1, -1)
    docs = store_query.candidates(view, near, signature, np.array([True]))[1]
    found: list[tuple[str, float]] = []
    for table in view.documents(docs):
        equal = (signature_array(table) == signature).mean(axis=1)
        found += zip(table.column("id").to_pylist(), equal.tolist(), strict=True)
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]


def _lean(signature: np.ndarray, seed: int) -> LeanMinHash:
    return LeanMinHash(seed=seed, hashvalues=signature, scheme=SCHEME)
