"""Publishing: committed files become the run's published folders.

On a disk everything is built under ``.publish-<epoch>/`` and then moved to the top, entry by entry,
``manifest.json`` last. An object store cannot move: files are copied there once, to their published
names. While the manifest is absent, nothing is published; once it exists, every file that it names
is complete. Publishing never runs in ``finally``; a killed publish starts over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.clusters import LargestClusters
from curate.engine.commit import entries_of
from curate.engine.manifest import append_to_stores, manifest_of_run
from curate.engine.run_state import RunState
from curate.failpoint import reach
from curate.plan.model import Plan
from curate.storage.entries import FileEntry, Manifest
from curate.storage.exchange import read_part
from curate.storage.formats import OUTPUT_FORMATS
from curate.storage.formats.mds import index
from curate.storage.parquet_sink import stored_rows, write_groups
from curate.storage.store import Damaged, Store, in_order, sha256_of

#: Published in this order; the manifest follows alone.
ENTRIES = (
    "rejected", "quarantine", "mixture", *OUTPUT_FORMATS, "clusters.parquet", "timings.jsonl",
    "report.json", "report.md", "report.html", "README.md",
)  # fmt: skip

#: Rows of clusters.parquet that are sorted at a time, and that the driver keeps in memory.
CLUSTER_RUN = 1 << 17

#: Files that are checked and linked at a time.
LINKING = 8

Reports = Callable[[Manifest, list[dict[str, Any]]], dict[str, bytes]]


def publish(
    plan: Plan,
    store: Store,
    state: RunState,
    epoch: int,
    reports: Reports,
    written: Sequence[FileEntry] = (),
    *,
    keep_work: bool,
) -> Manifest:
    """Build the publication and make it visible; return its manifest.

    ``written`` are the files that are at their published places already: recipe and profiles.
    """
    staging = store.staging(epoch)
    reach("publish.started")
    remove_leftovers(store)
    try:
        files = [*written, *_rejected(store, state, staging)]
        files += _quarantine(store, state, staging)
        files += _mixture(store, state, staging)
        largest = LargestClusters()
        files += _clusters(plan, store, state, staging, largest)
        clusters = largest.examples(store, _survivors_before(plan, state))
    except Damaged:
        remove_leftovers(store)
        raise
    reach("publish.linked")
    stores = append_to_stores(plan, state)
    manifest = manifest_of_run(plan, state, files, clusters, stores)
    pages = reports(manifest, state.timings)
    for name, body in pages.items():
        store.replace(f"{staging}{name}", body)
    text = json.dumps(manifest.to_json(), ensure_ascii=False, indent=1) + "\n"
    reach("publish.manifest")
    if staging:
        present = {entry.path.split("/")[0] for entry in files} | set(pages)
        for name in ENTRIES:
            if name not in present:  # from a killed publish of another recipe
                store.remove(name)
        store.publish(staging, [name for name in ENTRIES if name in present])
        store.remove(staging)
    store.replace("manifest.json", text.encode())
    reach("publish.promised")
    if not keep_work:
        sweep(store)
    reach("publish.swept")
    return manifest


def sweep(store: Store) -> None:
    """Remove what only an unfinished run needs. Safe to repeat."""
    store.remove("commits")
    store.remove("work")


def remove_leftovers(store: Store) -> None:
    """Remove the remains of killed attempts to publish or to write a single object.

    Never called where a manifest exists and is to stay, but on disks: what a killed publish left
    in an object store is under its published names.
    """
    in_place = () if store.staging(0) else ENTRIES
    for name in store.top():
        if name.startswith(".publish-") or name in in_place:
            store.remove(name)
    store.remove_partial("")
    store.remove_partial("filters")


def _rejected(store: Store, state: RunState, staging: str) -> list[FileEntry]:
    return _link_all(
        store,
        staging,
        (
            (entry, f"rejected/{segment}/{number:05d}.parquet")
            for segment, entries in state.rejected
            for number, entry in enumerate(entries)
        ),
    )


def _quarantine(store: Store, state: RunState, staging: str) -> list[FileEntry]:
    """Write the damaged records, in the order of the plan's shards, one task's at a time."""
    entry = write_groups(
        store,
        f"{staging}quarantine/00000.parquet",
        schema.QUARANTINE_SCHEMA,
        stored_rows(store, state.quarantined),
        dataset="quarantine",
    )
    return [entry.published_as("quarantine/00000.parquet")]


def _mixture(store: Store, state: RunState, staging: str) -> list[FileEntry]:
    links = []
    for phase, tasks in state.product:
        number = 0
        for of_task in tasks:
            for entry in of_task:
                if entry.dataset != "mixture":
                    continue
                links.append((entry, f"mixture/{phase}/part-{number:05d}.parquet"))
                for other in of_task:
                    if other.dataset in OUTPUT_FORMATS:
                        target = f"{other.dataset}/{phase}/part-{number:05d}{other.suffix}"
                        links.append((other, target))
                number += 1
    files = _link_all(store, staging, links)
    return files + _indexes(store, staging, files)


def _indexes(store: Store, staging: str, files: list[FileEntry]) -> list[FileEntry]:
    """Write the list of shards that each folder of MDS needs."""
    folders: dict[str, list[tuple[str, int, int]]] = {}
    for entry in files:
        if entry.dataset == "mds":
            folder, _, name = entry.path.rpartition("/")
            folders.setdefault(folder, []).append((name, entry.bytes, entry.rows))
    indexes = []
    for folder, shards in folders.items():
        path = f"{folder}/index.json"
        with store.writing(f"{staging}{path}") as sink:
            sink.write(index(shards))
            indexes.append(FileEntry("mds", path, sink.bytes, sink.sha256, rows=0))
    return indexes


def _survivors_before(plan: Plan, state: RunState) -> dict[str, tuple[str, ...]]:
    """Return, by barrier, the commits that contain the documents it decided on."""
    return {
        barrier.name: commits
        for segment, (_, commits) in zip(plan.segments, state.segments, strict=False)
        for barrier in segment.barriers
    }


def _clusters(
    plan: Plan, store: Store, state: RunState, staging: str, largest: LargestClusters
) -> list[FileEntry]:
    """Write a row for each document of a cluster of two or more, per dedup stage."""
    barriers = plan.barriers[:-1]  # the last is the mixture
    if not barriers:
        return []
    columns = ["id", "cluster", "cluster_size", "duplicate_of", "jaccard"]
    fields = [schema.DECISIONS_SCHEMA.field(name) for name in columns]
    entry = write_groups(
        store,
        f"{staging}clusters.parquet",
        pa.schema([("stage", pa.string()), *fields]),
        _cluster_rows(store, state, [barrier.name for barrier in barriers], columns, largest),
        dataset="clusters",
    )
    return [entry.published_as("clusters.parquet")]


def _cluster_rows(
    store: Store, state: RunState, stages: list[str], columns: list[str], largest: LargestClusters
) -> Iterator[pa.Table]:
    """Yield rows in runs, each sorted by cluster and id; one run where a stage has fewer rows."""
    keys = [("cluster", "ascending"), ("id", "ascending")]
    for stage in stages:
        run: list[pa.Table] = []
        entries = entries_of(store, state.decisions[stage], "decisions")
        for table in read_part(store, entries, None):
            clustered = table.filter(pc.is_valid(table.column("cluster")))
            largest.add(stage, clustered)
            rows = clustered.select(columns)
            run.append(rows.add_column(0, "stage", pa.repeat(stage, rows.num_rows)))
            if sum(table.num_rows for table in run) >= CLUSTER_RUN:
                yield pa.concat_tables(run).sort_by(keys)
                run = []
        if run:
            yield pa.concat_tables(run).sort_by(keys)


def _link_all(
    store: Store, staging: str, links: Iterable[tuple[FileEntry, str]]
) -> list[FileEntry]:
    """Link committed files under their published names; raise Damaged where bytes changed since.

    Object stores check their own bytes, and copy the file once, without moving it through here.
    """

    def link(pair: tuple[FileEntry, str]) -> FileEntry:
        entry, target = pair
        if staging and sha256_of(store, entry.path) != entry.sha256:
            raise Damaged(entry.path)
        try:
            store.link(entry.path, f"{staging}{target}")
        except FileNotFoundError as error:
            raise Damaged(entry.path) from error
        return entry.published_as(target)

    return list(in_order(link, links, max(LINKING, store.readers)))
