"""Publishing: committed files become the run's published folders.

On a disk everything is built under ``.publish-<epoch>/``, read once more and compared with the
digests that were taken while it was written, and then swapped in with ``manifest.json`` in one step
(`storage.swap`): an older product is there until the newer one is. An object store cannot move:
files are copied there once, to their published names, ``mixture/`` after all others and
``manifest.json`` last. While the manifest is absent, nothing is published; once it exists, every
file that it names is complete. Publishing never runs in ``finally``; a killed publish starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.bundles import bundles_of
from curate.engine.clusters import LargestClusters
from curate.engine.commit import entries_of
from curate.engine.manifest import append_to_stores, manifest_of_run
from curate.engine.run_state import RunState
from curate.engine.timings import Timings
from curate.failpoint import reach
from curate.paths.remote import in_order
from curate.plan.model import Plan
from curate.storage.entries import FileEntry, Manifest, sealed
from curate.storage.exchange import read_part
from curate.storage.formats import OUTPUT_FORMATS
from curate.storage.formats.mds import index
from curate.storage.parquet_sink import stored_rows, write_groups
from curate.storage.store import Damaged, Store, sha256_of

MANIFEST = "manifest.json"

#: All that a product can have, in the order in which its last steps on a disk are done.
ENTRIES = (
    "recipe.toml", "filters", "takedowns",
    "rejected", "quarantine", *OUTPUT_FORMATS, "clusters.parquet",
    "timings.jsonl", "report.json", "report.md", "report.html", "README.md",
    "slide-funnel.svg", "slide-mixture.svg", "slide-rules.svg",
    "mixture", MANIFEST,
)  # fmt: skip

#: Rows of clusters.parquet that are sorted at a time, and that the driver keeps in memory.
CLUSTER_RUN = 1 << 17

#: Files that are read, or linked, at a time.
LINKING = 8

Reports = Callable[[Manifest, Timings], dict[str, bytes]]


def publish(
    plan: Plan,
    store: Store,
    state: RunState,
    epoch: int,
    reports: Reports,
    written: Mapping[str, bytes],
    *,
    keep_work: bool,
) -> Manifest:
    """Build the publication and make it visible; return its manifest.

    ``written`` has what was run, by path: the recipe and its profiles. Raise Damaged where a file
    is not what was written to it.
    """
    staging = store.staging(epoch)
    reach("publish.started")
    if not staging:
        store.remove(MANIFEST)  # of a product that this one replaces, and is about to overwrite
    remove_leftovers(store)
    try:
        files = [_write(store, staging, "recipe", path, body) for path, body in written.items()]
        files += _quarantine(store, state, staging)
        largest = LargestClusters()
        files += _clusters(plan, store, state, staging, largest)
        clusters = largest.examples(store, _survivors_before(plan, state))
        links = [*_rejected(state), *_mixture(state)]
        files += [entry.published_as(path) for entry, path in links]
        files += _indexes(store, staging, files)
        stores = append_to_stores(plan, state)
        manifest = manifest_of_run(plan, state, files, clusters, stores)
        pages = reports(manifest, state.timings)
        if staging:
            pages[MANIFEST] = _text_of(manifest)
        beside = [_write(store, staging, "report", path, body) for path, body in pages.items()]
        _link_all(store, staging, links)
        reach("publish.linked")
        _check(store, staging, [*files, *beside], {path: entry.path for entry, path in links})
        reach("publish.manifest")
    except Damaged:
        remove_leftovers(store)
        raise
    store.publish(staging, ENTRIES)
    if not staging:
        store.replace(MANIFEST, _text_of(manifest))
    reach("publish.promised")
    if keep_work:
        _prune(store, state.tasks)
    else:
        sweep(store)
    reach("publish.swept")
    return manifest


def _text_of(manifest: Manifest) -> bytes:
    return sealed(manifest.to_json(), indent=1) + b"\n"


def _write(store: Store, staging: str, dataset: str, path: str, body: bytes) -> FileEntry:
    with store.writing(f"{staging}{path}") as sink:
        sink.write(body)
        return FileEntry(dataset, path, sink.bytes, sink.sha256, rows=0)


def _check(
    store: Store, staging: str, files: Iterable[FileEntry], sources: Mapping[str, str]
) -> None:
    """Raise Damaged where a file that is about to be visible is not what was written to it.

    ``sources`` are the files of tasks by the published paths to which they were linked. Disks are
    read; an object store checks its own bytes, so there the sizes of the copies are compared.
    """
    if not staging:
        folders = sorted({entry.path.split("/")[0] for entry in files})
        sizes = {path: size for folder in folders for path, size in store.sizes(folder).items()}

    def check(entry: FileEntry) -> None:
        if staging:
            sound = sha256_of(store, f"{staging}{entry.path}") == entry.sha256
        else:
            sound = sizes.get(entry.path) == entry.bytes
        if not sound:
            raise Damaged(sources.get(entry.path, f"{staging}{entry.path}"))

    for _ in in_order(check, files, LINKING):
        pass


def sweep(store: Store) -> None:
    """Remove what only an unfinished run needs. Safe to repeat."""
    store.remove("commits")
    store.remove("work")


def _prune(store: Store, tasks: Mapping[str, Sequence[str]]) -> None:
    """Remove the work of tasks that were not of this run: a changed rule leaves some each time."""
    used = {name for names in tasks.values() for name in names}
    for name in store.names("commits"):
        if name not in used:
            store.remove(name)
    folders = {name.replace("commits/", "work/", 1).removesuffix(".json") for name in used}
    folders |= {bundles_of(folder) for folder in tasks}
    for folder in sorted({"/".join(name.split("/")[:3]) for name in store.names("work")}):
        if folder not in folders and not folder.startswith(("work/run.json", "work/log/")):
            store.remove(folder)


def remove_leftovers(store: Store) -> None:
    """Remove the remains of killed attempts to publish or to write a single object.

    Where nothing is published, these are also entries under their published names: copies in an
    object store, and what older versions moved there.
    """
    in_place = () if store.size(MANIFEST) is not None else ENTRIES
    for name in store.top():
        if name.startswith(".publish-") or name in in_place:
            store.remove(name)
    store.remove_partial("")


def _rejected(state: RunState) -> list[tuple[FileEntry, str]]:
    return [
        (entry, f"rejected/{segment}/{number:05d}.parquet")
        for segment, entries in state.rejected
        for number, entry in enumerate(entries)
    ]


def _quarantine(store: Store, state: RunState, staging: str) -> list[FileEntry]:
    """Write the damaged records, in the order of the plan's shards, one task's at a time."""
    entry = write_groups(
        store,
        f"{staging}quarantine/00000.parquet",
        schema.QUARANTINE_SCHEMA,
        stored_rows(store, _unchanged(store, state.quarantined)),
        dataset="quarantine",
    )
    return [entry.published_as("quarantine/00000.parquet")]


def _unchanged(store: Store, entries: Iterable[FileEntry]) -> Iterator[FileEntry]:
    """Yield entries whose files are what was written: in Parquet, only pages have checksums."""
    for entry in entries:
        try:
            found = sha256_of(store, entry.path)
        except FileNotFoundError as error:
            raise Damaged(entry.path) from error
        if found != entry.sha256:
            raise Damaged(entry.path)
        yield entry


def _mixture(state: RunState) -> list[tuple[FileEntry, str]]:
    """Return what is linked where: all other formats, then the files of the mixture."""
    links, others = [], []
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
                        others.append((other, target))
                number += 1
    return others + links


def _indexes(store: Store, staging: str, files: list[FileEntry]) -> list[FileEntry]:
    """Write the list of shards that each folder of MDS needs."""
    folders: dict[str, list[tuple[str, int, int]]] = {}
    for entry in files:
        if entry.dataset == "mds":
            folder, _, name = entry.path.rpartition("/")
            folders.setdefault(folder, []).append((name, entry.bytes, entry.rows))
    indexes = []
    for folder, shards in folders.items():
        indexes.append(_write(store, staging, "mds", f"{folder}/index.json", index(shards)))
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
    barriers = [
        one for one in plan.barriers if not (one.makes_product or one.only_numbers or one.fills)
    ]
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


def _link_all(store: Store, staging: str, links: list[tuple[FileEntry, str]]) -> None:
    """Link committed files under their published names; raise Damaged where one is gone.

    An object store is listed, and names an object that is not the one that was committed.
    """
    folders = {"/".join(entry.path.split("/")[:2]) for entry, _ in links if entry.version}
    versions = {k: v for folder in sorted(folders) for k, v in store.versions(folder).items()}

    def link(pair: tuple[FileEntry, str]) -> None:
        entry, target = pair
        if entry.version and versions.get(entry.path) != entry.version:
            raise Damaged(entry.path)
        try:
            store.link(entry.path, f"{staging}{target}")
        except FileNotFoundError as error:
            raise Damaged(entry.path) from error

    for _ in in_order(link, links, store.readers):
        pass
