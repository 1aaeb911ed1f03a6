"""Run a dedup's steps in this process, on tables in memory. No files, no commit, no retry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.fuzzy.steps import sketch, tasks
from curate.dedup.options import NearDuplicates, Shingling, Similarity
from curate.errors import RecipeError
from curate.protocol.in_memory import number, run_steps
from curate.protocol.routing import DECISIONS
from curate.protocol.stage import Step


def resolve(
    tasks: Sequence[Step], shards: Sequence[dict[str, pa.Table]], *, partitions: int = 1
) -> pa.Table:
    """Run tasks over shards and give the decisions of all shards, sorted by `doc`.

    A shard holds the datasets `sketch` and `text` (row for row the same documents) and may hold
    `decided` and `counted`; documents are numbered here.
    """
    datasets = run_steps(tasks, number(shards), shards=len(shards), partitions=partitions)
    found = [table for tables in datasets.get("decisions", {}).values() for table in tables]
    return pa.concat_tables([DECISIONS.empty_table(), *found]).combine_chunks().sort_by("doc")


def resolve_near(near: NearDuplicates, table: pa.Table) -> pa.Table:
    """Give the near-duplicate decisions on one table of documents."""
    return resolve(tasks(near), [{"sketch": sketch(near, table), "text": table}])


def find_duplicates(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray | pa.Table,
    ids: Sequence[str] | pa.Array | None = None,
    *,
    threshold: float = 0.8,
    similarity: Similarity = "jaccard",
    length_ratio: float = 2.0,
    recall: float = 0.97,
    bands: int | None = None,
    rows: int | None = None,
    shingle: Literal["word", "char"] = "word",
    ngram: int = 5,
    keep: str = "longest",
    source_priority: Sequence[str] = (),
    max_witnesses: int = 64,
    component_bytes: int = 256 << 20,
    seed: int = 1,
) -> pa.Table:
    """Find the near duplicates of texts, or of a table with `id`, `text` and what `keep` reads.

    Gives a row for each text that is dropped or that another one was dropped for: `id`, `dropped_by`
    (`near_duplicate` or `contained`, `empty` for a text without words, null where kept),
    `duplicate_of` (the kept witness), `jaccard` (of the exact shingle sets), `cluster` (the id of the kept text at its head)
    and `cluster_size`. Ids are row numbers unless given. All in memory: for large data use a recipe.

    >>> find_duplicates(["a b c", "A, b - c!", "c b a"]).select(["id", "duplicate_of"]).to_pylist()
    [{'id': '0', 'duplicate_of': '1'}, {'id': '1', 'duplicate_of': None}]
    """
    near = NearDuplicates.aimed(
        recall,
        bands,
        rows,
        threshold,
        similarity,
        length_ratio,
        shingling=Shingling(shingle, ngram),
        keep=keep,
        source_priority=tuple(source_priority),
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
        seed=seed,
    )
    table = texts if isinstance(texts, pa.Table) else _table(texts, ids)
    found = resolve_near(near, table)
    told = pc.or_(pc.is_valid(found.column("dropped_by")), pc.is_valid(found.column("cluster")))
    return found.filter(told).drop_columns(["doc", "part", "cuts", "text_hash"])


def _table(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, ids: Sequence[str] | pa.Array | None
) -> pa.Table:
    if not isinstance(texts, pa.Array | pa.ChunkedArray):
        texts = pa.array(texts, pa.large_string())
    names = [str(row) for row in range(len(texts))] if ids is None else ids
    if len(names) != len(texts):
        raise RecipeError(f"{len(texts)} texts and {len(names)} ids")
    return pa.table({"id": pa.array(names, pa.string()), "text": texts.cast(pa.large_string())})
