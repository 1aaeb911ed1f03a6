"""Fuzzy dedup of texts in memory: no files, no commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.fuzzy.steps import fuzzy_steps, sketch
from curate.dedup.options import NearDuplicates, Similarity, folded
from curate.errors import RecipeError
from curate.protocol.in_memory import resolve_steps
from curate.protocol.routing import DECISIONS
from curate.schema import conform


def find_duplicates(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray | pa.Table,
    ids: Sequence[str] | pa.Array | None = None,
    *,
    threshold: float = NearDuplicates.threshold,
    similarity: Similarity = NearDuplicates.similarity,
    length_ratio: float = NearDuplicates.length_ratio,
    recall: float = NearDuplicates.recall,
    bands: int | None = None,
    rows: int | None = None,
    shingle: Literal["word", "char"] = NearDuplicates.shingle,
    ngram: int = NearDuplicates.ngram,
    fold: Sequence[str] = NearDuplicates.fold,
    keep: str = NearDuplicates.keep,
    source_priority: Sequence[str] = (),
    max_witnesses: int = NearDuplicates.max_witnesses,
    component_bytes: int = NearDuplicates.component_bytes,
    seed: int = NearDuplicates.seed,
) -> pa.Table:
    """Find the near duplicates of texts, all in memory; for large data use a recipe.

    Parameters
    ----------
    texts : sequence of str, Arrow array or Arrow table
        The texts; or a table with `id`, `text` and the column that `keep` reads.
    ids : sequence of str, optional
        A different id for each text; row numbers by default.
    threshold : float, default 0.8
        The similarity, above 0 and up to 1, from which a document is a duplicate.
    similarity : {"jaccard", "containment"}, default "jaccard"
        Shared shingles as a share of the union of both sets, or of the removed document's own set.
    length_ratio : float, default 2
        For containment: how many times longer the containing text may be.
    recall : float, default 0.97
        The chance that a pair at the threshold is compared; it chooses `bands` and `rows`.
    bands, rows : int, optional
        The bands of a signature and the rows of each, given together instead of `recall`.
    shingle : {"word", "char"}, default "word"
        What shingles are made of.
    ngram : int, default 5
        Words or characters per shingle.
    fold : sequence of str, default ("case", "width", "punctuation")
        What does not count; also symbols, numbers, diacritics.
    keep : str, default "longest"
        Which copy is kept: longest, newest, oldest, source_priority or best:<signal>.
    source_priority : sequence of str
        Sources, the one to keep first, for `keep = "source_priority"`.
    max_witnesses : int, default 64
        The number of kept documents that a band key remembers.
    component_bytes : int, default 256 MiB
        Memory for the documents that are compared together.
    seed : int, default 1
        The seed of the permutations.

    Returns
    -------
    pyarrow.Table
        A row for each text that is dropped or that another one was dropped for: `id`, `dropped_by`
        (`near_duplicate_words`, `near_duplicate_numbers` or `near_duplicate_signs`, by the first in
        which it differs from its witness, `near_duplicate` if in none; `contained` likewise;
        `empty` for a text without words and signs, null where kept),
        `duplicate_of` (the kept witness), `jaccard` (of the exact shingle sets), `cluster` (the id
        of the kept text at its head) and `cluster_size`, among others.

    Raises
    ------
    RecipeError
        If an option is impossible, or ids and texts differ in number.

    Examples
    --------
    >>> find_duplicates(["a - b c", "A – b  c", "c b a"]).select(["id", "duplicate_of"]).to_pylist()
    [{'id': '0', 'duplicate_of': '1'}, {'id': '1', 'duplicate_of': None}]
    """
    near = NearDuplicates(
        threshold=threshold,
        recall=recall,
        bands=bands,
        rows=rows,
        shingle=shingle,
        ngram=ngram,
        fold=folded(fold),
        keep=keep,
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
        seed=seed,
        source_priority=tuple(source_priority),
        similarity=similarity,
        length_ratio=length_ratio,
    )
    table = texts if isinstance(texts, pa.Table) else _table(texts, ids)
    shard = {"sketch": sketch(near, table), "text": table}
    decisions = resolve_steps(fuzzy_steps(near), [shard])["decisions"]
    decisions = conform(decisions, DECISIONS).combine_chunks().sort_by("doc")
    clustered = pc.is_valid(decisions.column("cluster"))
    reported = pc.or_(pc.is_valid(decisions.column("dropped_by")), clustered)
    return decisions.filter(reported).drop_columns(
        ["doc", "part", "cuts", "text_hash", "cluster_sources"]
    )


def _table(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, ids: Sequence[str] | pa.Array | None
) -> pa.Table:
    if not isinstance(texts, pa.Array | pa.ChunkedArray):
        texts = pa.array(texts, pa.large_string())
    names = [str(row) for row in range(len(texts))] if ids is None else ids
    if len(names) != len(texts):
        raise RecipeError(f"{len(texts)} texts and {len(names)} ids")
    return pa.table({"id": pa.array(names, pa.string()), "text": texts.cast(pa.large_string())})
