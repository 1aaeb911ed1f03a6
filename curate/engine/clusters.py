"""The largest clusters of a run, each with a kept and a removed document side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.engine.commit import read_commit
from curate.protocol.routing import shard_and_row
from curate.storage.entries import ClusterExample
from curate.storage.store import Damaged, Store

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
        examples = []
        for (stage, name), cluster in self._clusters.items():
            docs = (cluster.kept, cluster.removed and cluster.removed[2])
            kept, removed = (
                None if doc is None else _text(store, survivors[stage], doc) for doc in docs
            )
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


def _text(store: Store, commits: Sequence[str], doc: int) -> str:
    """Read one document's text by its number, from the row group that contains it."""
    shard, row = shard_and_row(doc)
    for entry in read_commit(store, commits[shard]).dataset("survivors"):
        if row >= entry.rows:
            row -= entry.rows
            continue
        try:
            with store.open(entry.path) as handle:
                file = pq.ParquetFile(handle, page_checksum_verification=True)
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    if row < count:
                        texts = file.read_row_group(
                            group, columns=["text"], use_threads=False
                        ).column("text")
                        return texts[row].as_py() or ""
                    row -= count
        except (OSError, pa.ArrowInvalid) as error:
            raise Damaged(entry.path) from error
    return ""
