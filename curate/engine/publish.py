"""Publishing: what was committed becomes a product that people glob.

Everything is built under ``.publish-<epoch>/`` and then moved out, entry by entry, ``manifest.json``
last. The manifest is the promise: while it is not there, nothing is published; once it is, every file
that it names is whole. Publishing is never done from ``finally``, and a killed publish starts over.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate._version import __version__
from curate.engine.clusters import Largest
from curate.engine.commit import read_commit, take_back
from curate.engine.driver import Outcome
from curate.engine.keep import append_to_stores
from curate.engine.product import counted_with
from curate.failpoint import reach
from curate.plan.fingerprint import package_versions
from curate.plan.model import Plan
from curate.storage.exchange import read_part
from curate.storage.formats import FORMATS
from curate.storage.formats.mds import index
from curate.storage.parquet_sink import stored_rows, write_groups
from curate.storage.store import Damaged, Store

#: Moved out in this order; the manifest comes last and alone.
ENTRIES = (
    "rejected",
    "quarantine",
    "mixture",
    *FORMATS,
    "clusters.parquet",
    "timings.jsonl",
    "report.json",
    "report.md",
    "report.html",
    "README.md",
)

#: Rows of clusters.parquet that are sorted at a time: what the driver holds of them.
CLUSTER_RUN = 1 << 17

Reports = Callable[[dict[str, Any], list[dict[str, Any]]], dict[str, bytes]]


def publish(
    plan: Plan, store: Store, outcome: Outcome, epoch: int, reports: Reports, *, keep_work: bool
) -> dict[str, Any]:
    """Build the publication and reveal it; gives the manifest."""
    staging = f".publish-{epoch}"
    reach("publish.started")
    remove_leftovers(store)
    try:
        files = _rejected(store, outcome, staging)
        files += _quarantine(store, outcome, staging)
        files += _mixture(store, outcome, staging)
        largest = Largest()
        files += _clusters(plan, store, outcome, staging, largest)
        clusters = largest.shown(store, _survivors_before(plan, outcome))
    except Damaged as error:
        take_back(store, error.path)
        raise
    reach("publish.linked")
    stores = append_to_stores(plan, store, outcome)
    manifest = _manifest(plan, outcome, files)
    manifest |= {"clusters": clusters} | ({"stores": stores} if stores else {})
    for name, body in reports(manifest, outcome.timings).items():
        store.replace(f"{staging}/{name}", body)
    store.replace(f"{staging}/manifest.json", _json(manifest))
    reach("publish.manifest")
    present = {name.split("/")[1] for name in store.names(staging)}
    for name in ENTRIES:
        if name not in present:  # of a publish that was killed, of another recipe
            store.remove(name)
    store.reveal(staging, [name for name in ENTRIES if name in present])
    store.reveal(staging, ["manifest.json"])
    reach("publish.promised")
    store.remove(staging)
    if not keep_work:
        sweep(store)
    reach("publish.swept")
    return manifest


def sweep(store: Store) -> None:
    """Remove what only a run in progress needs. Safe to repeat."""
    store.remove("commits")
    store.remove("work")


def remove_leftovers(store: Store) -> None:
    """Remove what killed attempts to publish or to write a single object left."""
    for name in _top_level(store):
        if name.startswith(".publish-"):
            store.remove(name)
    store.remove_partial("")
    store.remove_partial("filters")


def _top_level(store: Store) -> list[str]:
    root = getattr(store, "root", None)
    if root is not None:
        return sorted(path.name for path in root.iterdir())
    return sorted({name.split("/")[0] for name in store.names("")})


def _rejected(store: Store, outcome: Outcome, staging: str) -> list[dict[str, Any]]:
    files = []
    for segment, commits in outcome.segments:
        number = 0
        for name in commits:
            for entry in read_commit(store, name).dataset("rejected"):
                target = f"rejected/{segment}/{number:05d}.parquet"
                files.append(_place(store, entry, staging, target))
                number += 1
    return files


def _quarantine(store: Store, outcome: Outcome, staging: str) -> list[dict[str, Any]]:
    """Write what could not be read, in the order of the plan's shards, a task's at a time."""
    entries = (
        entry
        for name in outcome.segments[0][1]
        for entry in read_commit(store, name).dataset("quarantined")
    )
    written = write_groups(
        store,
        f"{staging}/quarantine/00000.parquet",
        schema.QUARANTINE_SCHEMA,
        stored_rows(store, entries),
        dataset="quarantine",
        level=3,
    )
    return [_listed(written, "quarantine/00000.parquet")]


def _mixture(store: Store, outcome: Outcome, staging: str) -> list[dict[str, Any]]:
    files = []
    for phase, commits in outcome.product:
        number = 0
        for name in commits:
            commit = read_commit(store, name)
            for entry in commit.dataset("mixture"):
                target = f"mixture/{phase}/part-{number:05d}.parquet"
                files.append(_place(store, entry, staging, target))
                for other in commit.files:
                    if other["dataset"] in FORMATS:
                        target = f"{other['dataset']}/{phase}/part-{number:05d}{other['suffix']}"
                        files.append(_place(store, other, staging, target))
                number += 1
    return files + _indexes(store, staging, files)


def _indexes(store: Store, staging: str, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the list of shards that each folder of MDS needs."""
    folders: dict[str, list[dict[str, Any]]] = {}
    for entry in files:
        if entry["path"].startswith("mds/"):
            folders.setdefault(entry["path"].rpartition("/")[0], []).append(entry)
    written = []
    for folder, shards in folders.items():
        name = f"{folder}/index.json"
        listed = [(s["path"].rpartition("/")[2], s["bytes"], s["rows"]) for s in shards]
        with store.writing(f"{staging}/{name}") as sink:
            sink.write(index(listed))
            entry = {"bytes": sink.bytes, "sha256": sink.sha256, "rows": 0}
        written.append(_listed(entry, name))
    return written


def _survivors_before(plan: Plan, outcome: Outcome) -> dict[str, list[str]]:
    """Name the commits that hold the documents that each barrier decided on."""
    return {
        barrier.name: commits
        for segment, (_, commits) in zip(plan.segments, outcome.segments, strict=False)
        for barrier in segment.barriers
    }


def _clusters(
    plan: Plan, store: Store, outcome: Outcome, staging: str, largest: Largest
) -> list[dict[str, Any]]:
    """Write a row for each document of a cluster of two or more, per dedup stage."""
    barriers = [b for segment in plan.segments for b in segment.barriers if b is not plan.mix]
    if not barriers:
        return []
    columns = ["id", "cluster", "cluster_size", "duplicate_of", "jaccard"]
    fields = [schema.DECISIONS_SCHEMA.field(name) for name in columns]
    written = write_groups(
        store,
        f"{staging}/clusters.parquet",
        pa.schema([("stage", pa.string()), *fields]),
        _cluster_rows(store, outcome, [barrier.name for barrier in barriers], columns, largest),
        dataset="clusters",
        level=3,
    )
    return [_listed(written, "clusters.parquet")]


def _cluster_rows(
    store: Store, outcome: Outcome, stages: list[str], columns: list[str], largest: Largest
) -> Iterator[pa.Table]:
    """Give the rows in runs, each sorted by cluster and id; one run where the stage has fewer rows."""
    keys = [("cluster", "ascending"), ("id", "ascending")]
    for stage in stages:
        run: list[pa.Table] = []
        for name in outcome.decisions[stage]:
            for table in read_part(store, read_commit(store, name).dataset("decisions"), None):
                clustered = table.filter(pc.is_valid(table.column("cluster")))
                largest.see(stage, clustered)
                rows = clustered.select(columns)
                run.append(rows.add_column(0, "stage", pa.repeat(stage, rows.num_rows)))
                if sum(table.num_rows for table in run) >= CLUSTER_RUN:
                    yield pa.concat_tables(run).sort_by(keys)
                    run = []
        if run:
            yield pa.concat_tables(run).sort_by(keys)


def _place(store: Store, entry: dict[str, Any], staging: str, target: str) -> dict[str, Any]:
    store.place(entry["path"], f"{staging}/{target}")
    return _listed(entry, target)


def _listed(entry: dict[str, Any], path: str) -> dict[str, Any]:
    return {
        "path": path,
        "bytes": entry["bytes"],
        "sha256": entry["sha256"],
        "rows": entry["rows"],
    }


def _manifest(plan: Plan, outcome: Outcome, files: list[dict[str, Any]]) -> dict[str, Any]:
    books = outcome.ledger.files.values()
    stages: list[Any] = [
        stage for segment in plan.segments for stage in (*segment.stages, *segment.barriers)
    ]
    models = {stage.name: stage.model_digest for stage in stages if stage.model_digest is not None}
    return {
        "manifest": 1,
        "contract": schema.CONTRACT_VERSION,
        "curate": __version__,
        "recipe": plan.recipe.model_dump(mode="json"),
        "profiles": plan.profiles.digest,
        "plan": plan.fingerprint,
        "stages": plan.stage_names,
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "packages": package_versions(),
        },
        "models": models,
        "facts": {stage.name: stage.facts for stage in stages if stage.facts is not None},
        "counted_with": counted_with(plan),
        "inputs": plan.inputs,
        "files": sorted(files, key=lambda entry: str(entry["path"])),
        "totals": {
            "records": sum(book.records for book in books),
            "skipped": sum(book.skipped.total() for book in books),
            "quarantined": sum(book.quarantined.total() for book in books),
            "documents": sum(book.documents for book in books),
            "dropped": sum(book.dropped.total() for book in books),
            "curated": sum(book.curated for book in books),
            "taken": sum(book.taken for book in books),
            "rows": sum(f["rows"] for f in files if f["path"].startswith("mixture/")),
        },
        "mixture": outcome.mixture,
        "ledger": outcome.ledger.to_json(),
        "samples": outcome.samples,
    }


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False) + "\n").encode()
