"""The largest clusters of a run, each with a kept and a removed document side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.commit import read_commit, survivors_of
from curate.protocol.routing import shard_and_row
from curate.storage.entries import ClusterExample
from curate.storage.exchange import read_part
from curate.storage.store import Store
from curate.storage.survivors import Survivors, read_survivors

#: Clusters shown, and characters of a document: from a little before the first difference.
SHOWN, CHARACTERS, BEFORE = 20, 1_000, 150


class _Cluster(NamedTuple):
    size: int
    kept: int | None  #: document number; None where the witness is in a store, or not seen yet
    removed: tuple[float, str, int] | None  #: the least similar to its witness: Jaccard, id, number


class LargestClusters:
    """Collects the largest clusters of a stream of decisions, ties by stage and cluster.

    Every row of a cluster contains its size, so one pass is enough: a cluster that is among the
    largest in the end is so from its first row on.
    """

    def __init__(self) -> None:
        self._clusters: dict[tuple[str, str], _Cluster] = {}

    def add(self, stage: str, rows: pa.Table) -> None:
        """Add decisions (doc, id, cluster, cluster_size, duplicate_of, jaccard) of a stage."""
        if not rows.num_rows:
            return
        sizes = rows.group_by("cluster").aggregate([("cluster_size", "max")])
        largest = sizes.take(
            pc.sort_indices(
                sizes, sort_keys=[("cluster_size_max", "descending"), ("cluster", "ascending")]
            )[:SHOWN]
        )
        for row in largest.to_pylist():
            key = (stage, row["cluster"])
            self._clusters.setdefault(key, _Cluster(row["cluster_size_max"], None, None))
        order = sorted(self._clusters, key=lambda key: (-self._clusters[key].size, key))
        self._clusters = {key: self._clusters[key] for key in order[:SHOWN]}
        largest_here = pa.array([name for of, name in self._clusters if of == stage], pa.string())
        members = rows.filter(pc.is_in(rows.column("cluster"), value_set=largest_here))
        # The first row of each cluster and kind is shown.
        members = members.append_column("kept", pc.is_null(members.column("duplicate_of")))
        keys = ["cluster", "kept", "jaccard", "id"]
        members = members.sort_by([(key, "ascending") for key in keys])
        both = pc.binary_join_element_wise(
            members.column("cluster"), members.column("kept").cast(pa.string()), "\0"
        )
        codes = np.asarray(both.combine_chunks().dictionary_encode().indices)
        for row in members.take(pa.array(np.unique(codes, return_index=True)[1])).to_pylist():
            key = (stage, row["cluster"])
            known = self._clusters[key]
            if row["kept"]:
                self._clusters[key] = known._replace(kept=row["doc"])
            else:
                jaccard = 2.0 if row["jaccard"] is None else row["jaccard"]
                candidate = (jaccard, row["id"], row["doc"])
                self._clusters[key] = known._replace(
                    removed=min(candidate, known.removed or candidate)
                )

    def examples(
        self, store: Store, survivors: Mapping[str, Sequence[str]]
    ) -> list[ClusterExample]:
        """Return the clusters with texts; ``survivors``: stage → commits of the segment before."""
        wanted: dict[str, set[int]] = {}
        for (stage, _), cluster in self._clusters.items():
            docs = (cluster.kept, cluster.removed and cluster.removed[2])
            wanted.setdefault(stage, set()).update(doc for doc in docs if doc is not None)
        texts = {
            stage: dict(_texts(store, survivors[stage], docs)) for stage, docs in wanted.items()
        }
        examples = []
        for (stage, name), cluster in self._clusters.items():
            docs = (cluster.kept, cluster.removed and cluster.removed[2])
            kept, removed = (None if doc is None else texts[stage].get(doc, "") for doc in docs)
            start = max(0, _shared_prefix(kept or "", removed or "") - BEFORE)
            jaccard, removed_id, _ = cluster.removed or (None, None, None)
            examples.append(
                ClusterExample(
                    stage,
                    name,
                    cluster.size,
                    start,
                    None if kept is None else kept[start : start + CHARACTERS],
                    None if removed is None else removed[start : start + CHARACTERS],
                    removed_id,
                    jaccard if jaccard is not None and jaccard <= 1 else None,
                )
            )
        return examples


def _shared_prefix(a: str, b: str) -> int:
    """Return the number of characters with which both texts begin."""
    ends = (at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(ends, min(len(a), len(b)))


def _texts(
    store: Store, commits: Sequence[str], docs: Collection[int]
) -> Iterator[tuple[int, str]]:
    """Yield documents' numbers and texts; of each shard only the groups that contain them."""
    by_shard: dict[int, list[tuple[int, int]]] = {}
    for doc in sorted(docs):
        shard, row = shard_and_row(doc)
        by_shard.setdefault(shard, []).append((row, doc))
    for shard, rows in by_shard.items():
        narrow, texts = survivors_of(store, read_commit(store, commits[shard]))
        for entry in narrow:
            first = 0
            groups = read_part(store, [entry], None)
            for block, group in zip(entry.blocks or (), groups, strict=True):
                here = [(row - first, doc) for row, doc in rows if 0 <= row - first < len(group)]
                first += len(group)
                if here:
                    alone = Survivors((replace(entry, blocks=[block]),), texts)
                    (table,) = read_survivors(store, alone, ["text"])
                    yield from ((doc, table.column("text")[row].as_py() or "") for row, doc in here)
