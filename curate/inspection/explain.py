"""What became of one record: where it is, which rule decided, and what each stage did to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.engine.reading import Batch, read_shard
from curate.errors import RecipeError, nearest
from curate.inspection.finished_rows import readable
from curate.inspection.places import places
from curate.inspection.verify import manifest_of
from curate.plan import build as planning
from curate.plan.model import Plan, PlannedPiece, Segment, Shard, SourcePlan
from curate.protocol.in_memory import apply
from curate.protocol.stage import MapStage
from curate.protocol.tables import with_columns, with_text
from curate.protocol.tallies import CUT, tally_key
from curate.recipe.recipe import Recipe
from curate.signals.verdict import column_of, failures
from curate.sources.base import ListedSource, Piece
from curate.sources.files import identity
from curate.stages.judge import Judge
from curate.stages.line_dedup import cut_again
from curate.storage.dedup_store import stored_rows_of
from curate.storage.store import Store

#: Columns of a document that explain its outcome.
_SHOWN = (
    "id", "source", "origin", "url", "lang", "lang_score", "lang2", "lang2_score", "pii_spans",
    "n_tokens", "cluster", "cluster_size", "duplicate_of", "jaccard", "cuts", "dropped_by",
    "dropped_value",
)  # fmt: skip


def find_outcomes(store: Store, key: str) -> list[dict[str, Any]]:
    """Find a document or damaged record by id, own id, URL, or ``<source>/<file>#<offset>``.

    Return one entry per row found: ``outcome`` (kept, dropped, over_budget, no_group, quarantined),
    ``where`` (the file), and the columns that explain it; a kept document's copies are counted by
    phase. The list is empty for an unknown id; records that were only skipped leave no row.
    """
    manifest = manifest_of(store)
    outcomes: list[dict[str, Any]] = []
    kept: dict[str, dict[str, Any]] = {}
    for entry in manifest.files:
        path = entry.path
        folder = path.split("/")[0]
        with readable(store, path):
            if folder == "quarantine":
                outcomes += _quarantined(store, path, key)
            rows = list(_matches(store, path, key)) if folder in ("mixture", "rejected") else []
        for row in rows:
            signals = {k: v for k, v in row.items() if k.startswith("signal_") and v is not None}
            shown = {name: row[name] for name in _SHOWN if row.get(name) is not None}
            if folder == "mixture":
                first = {"outcome": "kept", "where": path, **shown, "copies": {}}
                copies = kept.setdefault(row["id"], first | {"signals": signals})["copies"]
                copies[row["phase"]] = copies.get(row["phase"], 0) + 1
            else:
                stage, _, rule = row["dropped_by"].partition(":")
                # The last stage is the mix: its rules are why a curated document was not taken.
                outcome = rule if stage == manifest.stages[-1] else "dropped"
                outcomes.append({"outcome": outcome, "where": path, **shown, "signals": signals})
    return [*kept.values(), *outcomes]


def text_of(store: Store, path: str, id: str) -> str | None:
    """Return the text of a document in a file of the run; None where it has none."""
    with readable(store, path), store.open(path) as handle:
        file = pq.ParquetFile(handle, page_checksum_verification=True)
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"], use_threads=False).column("id")
            at = pc.index(ids, id).as_py()
            if at >= 0:
                texts = file.read_row_group(group, columns=["text"], use_threads=False)
                text: str | None = texts.column("text")[at].as_py()
                return text
    return None


def find_in_stores(store: Store, id: str) -> list[dict[str, Any]]:
    """Find an id in the dedup stores that a run was compared with: where, and of which source."""
    rows = []
    for used in manifest_of(store).stores:
        for number in used.compared_with:
            place = f"generation {number} of {used.address}"
            for row in stored_rows_of(used.address, number, id):
                rows.append({"outcome": "stored", "where": place, **row})
    return rows


def replay(
    plan: Plan,
    id: str,
    dropped_by: str | None = None,
    cuts: Sequence[Mapping[str, Any]] = (),
    signals: Mapping[str, float] | None = None,
) -> Iterator[dict[str, Any]]:
    """Re-read a record from its id, run the map stages on it, and yield what each stage changed.

    Cuts depend on other documents, so they cannot be replayed from one record: ``cuts`` is that
    column of the document's row, and the same bytes are cut again at their stage. Buckets and ranks
    depend on them, too, and are taken from its ``signals``. The replay ends
    with the stage that drops the document, or at the barrier that ``dropped_by`` names. ``text`` is
    contained where a stage changed it.
    """
    source, file, locator = schema.split_id(id)
    pieces = [
        piece
        for shard in plan.shards
        if shard.source == source
        for piece in shard.pieces
        if piece.file.name == file
    ]
    read = plan.sources.get(source)
    if not pieces and read is not None and isinstance(read.reader, ListedSource):
        reader, found = read.reader.located(file)  # an index led to the record
        read = read._replace(reader=reader)
        pieces = [PlannedPiece(found, Piece(int(locator), int(locator) + 1), identity(found))]
    if not pieces or read is None:
        raise RecipeError(f"the input file of '{id}' is not where the recipe has it", where=file)
    table = _document(read, pieces, id, locator, plan.recipe.shards.batch_bytes)
    if table is None:
        raise RecipeError(f"no document at '{locator}'", where=schema.file_key(source, file))
    yield from _replayed(plan.segments, table, dropped_by, cuts, signals)


def replay_text(recipe: Recipe, text: str, source: str | None = None) -> list[dict[str, Any]]:
    """Run the map stages of a recipe on a text, as :func:`replay` does on a record.

    Dedup and mixture need other documents, and are left out. ``source`` names a source of the
    recipe, whose profile may have rules of its own; by default it is the first one.
    """
    name = source or next(iter(recipe.sources))
    if name not in recipe.sources:
        raise RecipeError(f"the recipe has no source '{name}'", hint=nearest(name, recipe.sources))
    values = {"id": f"{name}/text#0", "source": name, "text": text}
    columns = {
        field.name: pa.array([values.get(field.name)], field.type)
        for field in schema.DOCUMENT_SCHEMA
    }
    segments = planning.segments(recipe, planning.profiles(recipe))
    return list(_replayed(segments, pa.table(columns)))


def _replayed(
    segments: Sequence[Segment],
    table: pa.Table,
    dropped_by: str | None = None,
    cuts: Sequence[Mapping[str, Any]] = (),
    signals: Mapping[str, float] | None = None,
) -> Iterator[dict[str, Any]]:
    before = table.column("text")[0].as_py() or ""
    yield {"stage": "read", "text": before, "characters": len(before), "did": {}, "changed": False}
    last = (dropped_by or "").partition(":")[0]
    measured_by: dict[str, MapStage] = {}
    for segment in segments:
        for stage in segment.stages:
            tally: Counter[str] = Counter()
            rules = _judged(stage, table, measured_by) if isinstance(stage, Judge) else []
            table = stage.apply(table, tally)
            measured_by |= dict.fromkeys(stage.adds, stage)
            after = table.column("text")[0].as_py() or ""
            dropped = table.column("dropped_by")[0].as_py()
            yield {
                "stage": stage.name,
                "did": {name: count for name, count in sorted(tally.items()) if count},
                "changed": after != before,
                "characters": len(after),
                **({"text": after} if after != before else {}),
                **({"rules": rules} if rules else {}),
                **({"lang": table.column("lang")[0].as_py()} if "lang" in stage.adds else {}),
                "dropped_by": dropped,
                "dropped_value": table.column("dropped_value")[0].as_py(),
            }
            before = after
            if dropped is not None:
                return
        for barrier in segment.barriers:
            if barrier.name == last:
                return
            if barrier.fills:
                table = apply(barrier, table)
            if barrier.only_numbers and signals is not None:
                numbers = {name: pa.array([signals.get(name)]) for name in barrier.adds}
                unknown = pa.nulls(1, pa.float64())
                table = with_columns(
                    table, {n: unknown if v.null_count else v for n, v in numbers.items()}
                )
            spans = [(cut["start"], cut["end"]) for cut in cuts if cut["stage"] == barrier.name]
            if spans:
                after = cut_again(before, spans)
                size = len(before.encode()) - len(after.encode())
                yield {
                    "stage": barrier.name,
                    "did": {tally_key(CUT, "bytes"): size, tally_key(CUT, "spans"): len(spans)},
                    "changed": after != before,
                    "characters": len(after),
                    "text": after,
                    "dropped_by": None,
                    "dropped_value": None,
                }
                before = after
                table = with_text(table, pa.array([after], pa.large_string()))


def _judged(
    stage: Judge, table: pa.Table, measured_by: Mapping[str, MapStage]
) -> list[dict[str, Any]]:
    """Return each rule of the document's profile with the value measured and whether it holds.

    A rule that fails has the ``places`` in the text that its value comes from.
    """
    found = []
    for profile, _ in stage.profiles.groups(table):
        failed = {name for name, rows in failures(table, profile).items() if rows[0]}
        for name, rule in profile.rules.items():
            found.append(
                {"rule": name, "signal": rule.signal, "min": rule.min, "max": rule.max,
                 "allowed": list(rule.allowed), "refused": list(rule.refused),
                 "value": column_of(table, rule.signal)[0].as_py(),
                 "holds": not {name, f"{name}_undefined"} & failed,
                 "why": rule.why, "source": rule.source, "profile": profile.name}
            )  # fmt: skip
    where = places(measured_by, table, [one for one in found if not one["holds"]])
    return [one | ({"places": where[one["rule"]]} if one["rule"] in where else {}) for one in found]


def _document(
    source: SourcePlan, pieces: list[PlannedPiece], id: str, locator: str, batch_bytes: int
) -> pa.Table | None:
    """Find one document of a file, beginning with the piece that contains its offset."""
    offset = int(locator) if locator.isdecimal() else 0
    first = sorted(pieces, key=lambda one: not one.piece.start <= offset < one.piece.end)
    batch: Batch
    for planned in first:
        for batch in read_shard(source, Shard(source.name, (planned,)), batch_bytes):
            row = batch.documents.filter(pc.equal(batch.documents.column("id"), id))
            if row.num_rows:
                return row
    return None


def _matches(store: Store, path: str, key: str) -> Iterator[dict[str, Any]]:
    own = f"~{key}"  # the id of the record itself, where the source keeps one
    with store.open(path) as handle:
        file = pq.ParquetFile(handle, page_checksum_verification=True)
        shown = filter(schema.is_ours, file.schema_arrow.names)
        names = [name for name in shown if name not in ("text", "messages", "meta")]
        for group in range(file.num_row_groups):
            keys = file.read_row_group(group, columns=["id", "url"], use_threads=False)
            matches = pc.or_kleene(
                pc.or_(pc.equal(keys.column("id"), key), pc.ends_with(keys.column("id"), own)),
                pc.fill_null(pc.equal(keys.column("url"), key), False),
            )
            if pc.any(matches).as_py():
                rows = file.read_row_group(group, columns=names, use_threads=False)
                yield from rows.filter(matches).to_pylist()


def _quarantined(store: Store, path: str, key: str) -> Iterator[dict[str, Any]]:
    with store.open(path) as handle:
        file = pq.ParquetFile(handle, page_checksum_verification=True)
        table = file.read(use_threads=False).cast(schema.QUARANTINE_SCHEMA)
    for row in table.to_pylist():
        file = schema.file_key(row["source"], row["file"])
        if key in (file, schema.make_id(file, row["offset"])):
            head = row.pop("head") or b""
            yield {
                "outcome": "quarantined",
                "where": path,
                **row,
                "head": head[:200].decode("utf-8", "replace"),
            }
