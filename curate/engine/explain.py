"""The fate of one record: where it ended, by which rule, and what each stage did to it on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.engine.reading import Batch, read_shard
from curate.engine.verify import manifest_of
from curate.errors import RecipeError
from curate.io.store import Store
from curate.plan import Plan, PlannedPiece, Shard

_SHOWN = ("id", "source", "url", "lang", "lang_score", "lang2", "lang2_score", "n_tokens",
          "cluster", "cluster_size", "duplicate_of", "jaccard", "dropped_by", "dropped_value")  # fmt: skip


def fates(store: Store, wanted: str) -> list[dict[str, Any]]:
    """Find a document or damaged record by id, URL, or ``<source>/<file>#<offset>``.

    One entry per row found: ``fate`` (kept, dropped, over_budget, quarantined), ``where`` (the
    file), and the columns that explain it; a kept document's copies are counted by phase.
    """
    manifest = manifest_of(store)
    found: list[dict[str, Any]] = []
    kept: dict[str, dict[str, Any]] = {}
    for entry in manifest["files"]:
        path = entry["path"]
        folder = path.split("/")[0]
        if folder == "quarantine":
            found += _quarantined(store, path, wanted)
            continue
        for row in _matches(store, path, wanted):
            signals = {k: v for k, v in row.items() if k.startswith("signal_") and v is not None}
            shown = {name: row[name] for name in _SHOWN if row.get(name) is not None}
            if folder == "mixture":
                seen = kept.setdefault(
                    row["id"],
                    {"fate": "kept", "where": path, **shown, "copies": {}, "signals": signals},
                )
                seen["copies"][row["phase"]] = seen["copies"].get(row["phase"], 0) + 1
            else:
                over = row["dropped_by"].startswith(f"{manifest['stages'][-1]}:")
                fate = "over_budget" if over else "dropped"
                found.append({"fate": fate, "where": path, **shown, "signals": signals})
    return [*kept.values(), *found]


def replay(plan: Plan, id: str) -> Iterator[dict[str, Any]]:
    """Re-read a record from its id and run the map stages on it: yields what each stage changed."""
    source, file, locator = parts_of(id)
    planned = next(
        (
            piece
            for shard in plan.shards
            if shard.source == source
            for piece in shard.pieces
            if piece.file.name == file
        ),
        None,
    )
    if planned is None:
        raise RecipeError(f"the input file of '{id}' is not where the recipe has it", where=file)
    table = _document(plan, source, planned, id)
    if table is None:
        raise RecipeError(f"no document at '{locator}'", where=f"{source}/{file}")
    yield {"stage": "read", "text": table.column("text")[0].as_py(), "did": {}}
    for segment in plan.segments:
        for stage in segment.stages:
            tally: Counter[str] = Counter()
            before = table
            table = stage.apply(table, tally)
            yield {
                "stage": stage.name,
                "did": dict(tally),
                "changed": before.column("text")[0].as_py() != table.column("text")[0].as_py(),
                "text": table.column("text")[0].as_py(),
                "dropped_by": table.column("dropped_by")[0].as_py(),
                "dropped_value": table.column("dropped_value")[0].as_py(),
            }
            if table.column("dropped_by")[0].as_py() is not None:
                return


def parts_of(id: str) -> tuple[str, str, str]:
    """Split an id into source, file and locator.

    >>> parts_of("web/2024/a.warc.gz#311")
    ('web', '2024/a.warc.gz', '311')
    """
    path, _, locator = id.rpartition("#")
    source, _, file = path.partition("/")
    return source, file, locator


def _document(plan: Plan, source: str, planned: PlannedPiece, id: str) -> pa.Table | None:
    whole = [
        piece
        for shard in plan.shards
        if shard.source == source
        for piece in shard.pieces
        if piece.file.name == planned.file.name
    ]
    shard = Shard(source, tuple(whole))
    batch: Batch
    for batch in read_shard(plan.sources[source], shard, plan.recipe.shards.batch_bytes):
        mine = batch.documents.filter(pc.equal(batch.documents.column("id"), id))
        if mine.num_rows:
            return mine
    return None


def _matches(store: Store, path: str, wanted: str) -> Iterator[dict[str, Any]]:
    with store.open(path) as handle:
        file = pq.ParquetFile(handle)
        names = [
            name for name in file.schema_arrow.names if name not in ("text", "messages", "meta")
        ]
        for group in range(file.num_row_groups):
            keys = file.read_row_group(group, columns=["id", "url"])
            hit = pc.or_kleene(
                pc.equal(keys.column("id"), wanted),
                pc.fill_null(pc.equal(keys.column("url"), wanted), False),
            )
            if pc.any(hit).as_py():
                yield from file.read_row_group(group, columns=names).filter(hit).to_pylist()


def _quarantined(store: Store, path: str, wanted: str) -> Iterator[dict[str, Any]]:
    with store.open(path) as handle:
        table = pq.read_table(handle).cast(schema.QUARANTINE_SCHEMA)
    for row in table.to_pylist():
        address = f"{row['source']}/{row['file']}"
        if wanted in (address, f"{address}#{row['offset']}"):
            head = row.pop("head") or b""
            yield {
                "fate": "quarantined",
                "where": path,
                **row,
                "head": head[:200].decode("utf-8", "replace"),
            }
