"""Publishing: what was committed becomes a product that people glob.

Everything is built under ``.publish-<epoch>/`` and then moved out, entry by entry, ``manifest.json``
last. The manifest is the promise: while it is not there, nothing is published; once it is, every file
that it names is whole. Publishing is never done from ``finally``, and a killed publish starts over.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate import __version__, schema
from curate.engine.commit import read_commit
from curate.engine.driver import Outcome
from curate.failpoint import reach
from curate.io.exchange import read_part
from curate.io.sink import write_parquet
from curate.io.store import Store
from curate.plan import Plan

#: Moved out in this order; the manifest comes last and alone.
ENTRIES = (
    "rejected",
    "quarantine",
    "mixture",
    "clusters.parquet",
    "timings.jsonl",
    "report.json",
    "report.md",
    "report.html",
    "README.md",
)

#: Packages whose version can change a row.
_VERSIONS = (
    "curate-corpus",
    "datasketch",
    "fastwarc",
    "ftfy",
    "mistral-common",
    "numba",
    "numpy",
    "pyarrow",
    "ray",
    "resiliparse",
    "tiktoken",
    "tokenizers",
)

Reports = Callable[[dict[str, Any], list[dict[str, Any]]], dict[str, bytes]]


def publish(
    plan: Plan, store: Store, outcome: Outcome, epoch: int, reports: Reports, *, keep_work: bool
) -> dict[str, Any]:
    """Build the publication and reveal it; gives the manifest."""
    staging = f".publish-{epoch}"
    reach("publish.started")
    for name in [entry for entry in _top_level(store) if entry.startswith(".publish-")]:
        store.remove(name)
    files = _rejected(store, outcome, staging)
    files += _quarantine(store, outcome, staging)
    files += _mixture(store, outcome, staging)
    files += _clusters(plan, store, outcome, staging)
    reach("publish.linked")
    manifest = _manifest(plan, outcome, files)
    for name, body in reports(manifest, outcome.timings).items():
        store.replace(f"{staging}/{name}", body)
    store.replace(f"{staging}/manifest.json", _json(manifest))
    reach("publish.manifest")
    present = {name.split("/")[1] for name in store.names(staging)}
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
    tables = []
    for name in outcome.segments[0][1]:
        for entry in read_commit(store, name).dataset("quarantined"):
            with store.open(entry["path"]) as handle:
                tables.append(pq.read_table(handle))
    table = (
        pa.concat_tables(tables) if tables else schema.QUARANTINE_SCHEMA.empty_table()
    ).combine_chunks()
    keys = [("source", "ascending"), ("file", "ascending"), ("offset", "ascending")]
    ordered = table.take(pa.compute.sort_indices(table, sort_keys=keys))
    entry = write_parquet(
        store,
        f"{staging}/quarantine/00000.parquet",
        ordered,
        dataset="quarantine",
        level=3,
    )
    return [_listed(entry, "quarantine/00000.parquet")]


def _mixture(store: Store, outcome: Outcome, staging: str) -> list[dict[str, Any]]:
    files = []
    for phase, commits in outcome.product:
        number = 0
        for name in commits:
            for entry in read_commit(store, name).dataset("mixture"):
                target = f"mixture/{phase}/part-{number:05d}.parquet"
                files.append(_place(store, entry, staging, target))
                number += 1
    return files


def _clusters(plan: Plan, store: Store, outcome: Outcome, staging: str) -> list[dict[str, Any]]:
    """Write a row for each document of a cluster of two or more, per dedup stage."""
    columns = ["id", "cluster", "cluster_size", "duplicate_of", "jaccard"]
    barriers = [b for segment in plan.segments for b in segment.barriers if b is not plan.mix]
    if not barriers:
        return []
    tables = []
    for barrier in barriers:
        for name in outcome.decisions[barrier.name]:
            for table in read_part(store, read_commit(store, name).dataset("decisions"), None):
                rows = table.filter(pa.compute.is_valid(table.column("cluster"))).select(columns)
                tables.append(rows.add_column(0, "stage", pa.repeat(barrier.name, rows.num_rows)))
    empty = pa.schema(
        [("stage", pa.string()), *(schema.DECISIONS_SCHEMA.field(name) for name in columns)]
    ).empty_table()
    table = pa.concat_tables([empty, *(t.cast(empty.schema) for t in tables)])
    keys = [("stage", "ascending"), ("cluster", "ascending"), ("id", "ascending")]
    ordered = table.take(pa.compute.sort_indices(table, sort_keys=keys)).combine_chunks()
    entry = write_parquet(
        store, f"{staging}/clusters.parquet", ordered, dataset="clusters", level=3
    )
    return [_listed(entry, "clusters.parquet")]


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
    models = {
        stage.name: stage.model_digest
        for segment in plan.segments
        for stage in segment.stages
        if hasattr(stage, "model_digest")
    }
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
            "packages": {name: _version(name) for name in _VERSIONS},
        },
        "models": models,
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
        "samples": _fair(outcome.samples),
    }


def _fair(samples: list[dict[str, Any]], per_rule: int = 5) -> list[dict[str, Any]]:
    """Of all tasks' examples, the few per rule whose ids hash lowest."""
    kept: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for row in samples:
        key = hashlib.blake2b(row["id"].encode(), digest_size=8).hexdigest()
        kept.setdefault(row["dropped_by"], []).append((key, row))
    return [
        row
        for _, rows in sorted(kept.items())
        for _, row in sorted(rows, key=lambda pair: pair[0])[:per_rule]
    ]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False) + "\n").encode()
