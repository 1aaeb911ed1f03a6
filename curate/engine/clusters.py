"""The largest clusters of a run, each with a kept and a removed document side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.engine.commit import read_commit
from curate.storage.store import Damaged, Store

#: How many clusters are shown, and how much of a document: from a little before the first difference.
SHOWN, CHARACTERS, BEFORE = 20, 1_000, 150


class _Cluster(NamedTuple):
    size: int
    kept: int | None  #: document number; None where the witness is in a store, or was not seen yet
    removed: tuple[float, str, int] | None  #: the one least like its witness: Jaccard, id, number


class Largest:
    """Keeps the largest clusters of what is streamed past it, ties by stage and cluster.

    All rows of a cluster say its size, so one pass is enough: what is among the largest in the end is
    so from its first row on.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], _Cluster] = {}

    def see(self, stage: str, rows: pa.Table) -> None:
        """Look at decisions (doc, id, cluster, cluster_size, duplicate_of, jaccard) of a stage."""
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
            self._held.setdefault(key, _Cluster(row["cluster_size_max"], None, None))
        order = sorted(self._held, key=lambda key: (-self._held[key].size, key))
        self._held = {key: self._held[key] for key in order[:SHOWN]}
        mine = pa.array([cluster for said, cluster in self._held if said == stage], pa.string())
        members = rows.filter(pc.is_in(rows.column("cluster"), value_set=mine))
        # The first row of each cluster and kind is the one wanted.
        members = members.append_column("kept", pc.is_null(members.column("duplicate_of")))
        keys = ["cluster", "kept", "jaccard", "id"]
        members = members.sort_by([(key, "ascending") for key in keys])
        both = pc.binary_join_element_wise(
            members.column("cluster"), members.column("kept").cast(pa.string()), "\0"
        )
        codes = np.asarray(both.combine_chunks().dictionary_encode().indices)
        for row in members.take(pa.array(np.unique(codes, return_index=True)[1])).to_pylist():
            key = (stage, row["cluster"])
            had = self._held[key]
            if row["kept"]:
                self._held[key] = had._replace(kept=row["doc"])
            else:
                jaccard = 2.0 if row["jaccard"] is None else row["jaccard"]
                this = (jaccard, row["id"], row["doc"])
                self._held[key] = had._replace(removed=min(this, had.removed or this))

    def shown(self, store: Store, survivors: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Read the texts, of which stages name the commits of the segment before them."""
        told = []
        for (stage, cluster), held in self._held.items():
            wanted = [held.kept, held.removed and held.removed[2]]
            kept, removed = (
                None if doc is None else _text(store, survivors[stage], doc) for doc in wanted
            )
            start = max(0, _same(kept or "", removed or "") - BEFORE)
            told.append(
                {
                    "stage": stage,
                    "cluster": cluster,
                    "documents": held.size,
                    "from": start,
                    "kept": None if kept is None else kept[start : start + CHARACTERS],
                    "removed": None if removed is None else removed[start : start + CHARACTERS],
                    "removed_id": held.removed and held.removed[1],
                    "jaccard": held.removed[0] if held.removed and held.removed[0] <= 1 else None,
                }
            )
        return told


def _same(a: str, b: str) -> int:
    """Count the characters that two texts begin with alike."""
    ends = (at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(ends, min(len(a), len(b)))


def _text(store: Store, commits: Sequence[str], doc: int) -> str:
    """Read one document's text by its number, from the row group that holds it."""
    row = doc & 0xFFFFFFFF
    files: Iterable[dict[str, Any]] = read_commit(store, commits[doc >> 32]).dataset("survivors")
    for entry in files:
        if row >= entry["rows"]:
            row -= entry["rows"]
            continue
        try:
            with store.open(entry["path"]) as handle:
                file = pq.ParquetFile(handle, page_checksum_verification=True)
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    if row < count:
                        found = file.read_row_group(group, columns=["text"]).column("text")
                        return found[row].as_py() or ""
                    row -= count
        except (OSError, pa.ArrowInvalid) as error:
            raise Damaged(entry["path"]) from error
    return ""
