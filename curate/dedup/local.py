"""Run a dedup's steps in this process, on tables in memory. No files, no commit, no retry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curate.dedup.decisions import DECISIONS, Task
from curate.dedup.near import sketch, tasks
from curate.dedup.options import NearDuplicates, Shingling
from curate.errors import InternalError, RecipeError

#: dataset → task of the reading step → tables, in the order in which they were written
_Store = dict[str, dict[int, list[pa.Table]]]


@dataclass(frozen=True)
class _Rows:
    index: int
    partitions: int
    store: _Store

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        yield from self.store.get(dataset, {}).get(self.index, [])


def resolve(
    tasks: Sequence[Task], shards: Sequence[dict[str, pa.Table]], *, partitions: int = 1
) -> pa.Table:
    """Run tasks over shards and give the decisions of all shards, sorted by `doc`.

    A shard holds the datasets `sketch` and `text` (row for row the same documents) and may hold
    `decided`; documents are numbered here.
    """
    store: _Store = {}
    for number, shard in enumerate(shards):
        for name, table in shard.items():
            if name != "decided":
                docs = np.arange(table.num_rows, dtype=np.int64) + (number << 32)
                table = table.append_column("doc", pa.array(docs))
            store.setdefault(name, {})[number] = [table]
    for task in tasks:
        if task.over == "tree":
            _run_tree(task, store, partitions)
            continue
        numbers = {"shard": len(shards), "partition": partitions, "one": 1}[task.over]
        written: _Store = {}
        for index in range(numbers):
            _run(task, _Rows(index, partitions, store), written)
        store.update(written)
    found = [table for tables in store.get("decisions", {}).values() for table in tables]
    return pa.concat_tables([DECISIONS.empty_table(), *found]).combine_chunks().sort_by("doc")


def _run(task: Task, rows: _Rows, written: _Store) -> None:
    for dataset, table in task.run(rows):
        if dataset not in task.writes:
            raise InternalError(f"step '{task.name}' wrote '{dataset}'", where=task.name)
        parts = np.asarray(table.column("part").combine_chunks())
        for part in np.unique(parts).tolist():
            rest = table.filter(pa.array(parts == part))
            written.setdefault(dataset, defaultdict(list))[part].append(rest)


def _run_tree(task: Task, store: _Store, partitions: int) -> None:
    """Merge a dataset eight tables at a time until one is left."""
    (dataset,) = task.reads
    level = [table for tables in store.get(dataset, {}).values() for table in tables]
    while len(level) > 1:
        merged: _Store = {}
        for at in range(0, len(level), 8):
            _run(task, _Rows(0, partitions, {dataset: {0: level[at : at + 8]}}), merged)
        level = [table for tables in merged.get(dataset, {}).values() for table in tables]
    store[dataset] = {0: level}


def resolve_near(near: NearDuplicates, table: pa.Table) -> pa.Table:
    """Give the near-duplicate decisions on one table of documents."""
    return resolve(tasks(near), [{"sketch": sketch(near, table), "text": table}])


def find_duplicates(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray | pa.Table,
    ids: Sequence[str] | pa.Array | None = None,
    *,
    threshold: float = 0.8,
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
    (`near_duplicate`, `empty` for a text without words, null where kept), `duplicate_of` (the kept
    witness), `jaccard` (of the exact shingle sets), `cluster` (the id of the kept text at its head)
    and `cluster_size`. Ids are row numbers unless given. All in memory: for large data use a recipe.

    >>> find_duplicates(["a b c", "A, b - c!", "c b a"]).select(["id", "duplicate_of"]).to_pylist()
    [{'id': '0', 'duplicate_of': '1'}, {'id': '1', 'duplicate_of': None}]
    """
    near = NearDuplicates.aimed(
        recall,
        bands,
        rows,
        threshold,
        shingling=Shingling(shingle, ngram),
        keep=keep,
        source_priority=tuple(source_priority),
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
        seed=seed,
    )
    table = texts if isinstance(texts, pa.Table) else _table(texts, ids)
    return resolve_near(near, table).drop_columns(["doc", "part", "cuts", "text_hash"])


def _table(
    texts: Sequence[str | None] | pa.Array | pa.ChunkedArray, ids: Sequence[str] | pa.Array | None
) -> pa.Table:
    if not isinstance(texts, pa.Array | pa.ChunkedArray):
        texts = pa.array(texts, pa.large_string())
    names = [str(row) for row in range(len(texts))] if ids is None else ids
    if len(names) != len(texts):
        raise RecipeError(f"{len(texts)} texts and {len(names)} ids")
    return pa.table({"id": pa.array(names, pa.string()), "text": texts.cast(pa.large_string())})
