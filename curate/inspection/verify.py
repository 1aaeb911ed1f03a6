"""Check a published folder against its manifest, offline: files, counts, witnesses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.engine.folder import Unreadable, published, wrong_sizes
from curate.errors import InternalError, RefusedError
from curate.inspection.doctor import diagnose
from curate.inspection.verify_packed import packed_problems
from curate.mixture.sampling import sample_key
from curate.rights.lists import Keys, contains, keys_of
from curate.schema import whole
from curate.storage.dedup_store import stored_ids
from curate.storage.entries import Manifest, StoreUse
from curate.storage.formats import OUTPUT_FORMATS
from curate.storage.store import LocalStore, Store, open_store, sha256_of
from curate.storage.store_takedown import tombstones


def verify(store: Store) -> list[str]:
    """Return everything that is wrong with a published folder, one sentence each; empty when sound.

    Checked: every file of the manifest exists with its size, SHA-256 and rows, and no other
    Parquet file does; the ledger's identities hold and agree with the rows; (id, phase, epoch) is a
    key of the product; every removed duplicate names a witness that its dedup stage kept: a row of
    the product or one that a later stage dropped, or a document of the store that it was compared
    with; packed sequences are sound, and hold each document of the product that was not left out.
    """
    manifest = manifest_of(store)
    damaged = list(_damaged(store, manifest))
    problems = [*damaged, *_strays(store, manifest), *_counts(manifest)]
    if damaged:
        return [*problems, "keys and witnesses were not checked: not all files are whole"]
    return [*problems, *_rows(store, manifest), *packed_problems(store, manifest)]


def _damaged(store: Store, manifest: Manifest) -> Iterator[str]:
    wrong = wrong_sizes(store, manifest)
    for entry in manifest.files:
        if entry.path in wrong:
            yield wrong[entry.path]
        elif sha256_of(store, entry.path) != entry.sha256:
            yield f"{entry.path}: its bytes changed"


def _strays(store: Store, manifest: Manifest) -> Iterator[str]:
    named = {entry.path for entry in manifest.files}
    for folder in ("mixture", "rejected", "quarantine", "takedowns", *OUTPUT_FORMATS):
        for path in store.names(folder):
            if path not in named:
                yield f"{path}: not in the manifest"


def _counts(manifest: Manifest) -> Iterator[str]:
    try:
        manifest.ledger.check(manifest.stages)
    except InternalError as error:
        yield f"ledger: {error}"
    rows = dict.fromkeys(("mixture", "rejected", "quarantine"), 0)
    for entry in manifest.files:
        folder = entry.path.split("/")[0]
        rows[folder] = rows.get(folder, 0) + entry.rows
    totals = manifest.totals
    expected = {
        "mixture": totals.rows,
        "rejected": totals.dropped + totals.curated - totals.taken - taken_down(manifest),
        "quarantine": totals.quarantined,
    }
    for folder, count in expected.items():
        if rows[folder] != count:
            yield f"{folder}: {rows[folder]} rows, but the ledger says {count}"


def taken_down(manifest: Manifest) -> int:
    """Return how many documents are counted as dropped and have no row: those taken down."""
    return sum(
        count
        for file in manifest.ledger.files.values()
        for verdict, count in file.dropped.items()
        if verdict.endswith(f":{schema.TAKEN_DOWN}")
    )


def _rows(store: Store, manifest: Manifest) -> Iterator[str]:
    """Check keys and witnesses on 64-bit hashes of ids: 8 bytes per row, however long the texts."""
    copies: list[np.ndarray] = []
    product: list[np.ndarray] = []
    dropped: dict[str, list[np.ndarray]] = {}
    witnesses: dict[str, list[pa.Table]] = {}
    for entry in manifest.files:
        if entry.path.startswith("mixture/"):
            for table in _columns(store, entry.path, ["id", "phase", "epoch"]):
                key = pc.binary_join_element_wise(
                    table.column("id"),
                    table.column("phase"),
                    table.column("epoch").cast(pa.string()),
                    "\0",
                )
                copies.append(sample_key(key, 1))
                product.append(np.unique(sample_key(table.column("id"), 1)))
        elif entry.path.startswith("rejected/"):
            for table in _columns(store, entry.path, ["id", "dropped_by", "duplicate_of"]):
                stages = pc.replace_substring_regex(table.column("dropped_by"), ":.*$", "")
                for stage in pc.unique(stages).to_pylist():
                    rejects = table.filter(pc.equal(stages, stage))
                    dropped.setdefault(stage, []).append(sample_key(rejects.column("id"), 1))
                    if "duplicate_of" in rejects.column_names:
                        named = rejects.filter(pc.is_valid(rejects.column("duplicate_of")))
                        if named.num_rows:
                            witnesses.setdefault(stage, []).append(
                                named.select(["id", "duplicate_of"])
                            )
    keys = np.concatenate(copies) if copies else np.empty(0, np.uint64)
    if len(np.unique(keys)) != len(keys):
        yield f"mixture: {len(keys) - len(np.unique(keys))} rows have the key of another row"
    order = {stage: number for number, stage in enumerate(manifest.stages)}
    stores = {use.stage: use for use in manifest.stores}
    for stage, tables in witnesses.items():
        kept = np.concatenate([*product, *_dropped_by(dropped, order, stage, later=True)])
        dropped_before = np.concatenate([*_dropped_by(dropped, order, stage, later=False)])
        named = pa.concat_tables(tables)
        names = sample_key(named.column("duplicate_of"), 1)
        lost = ~np.isin(names, kept)
        # A copy takes over the witness of its own witness, so any later stage's store may have it.
        uses = [use for other, use in stores.items() if order.get(other, 0) >= order[stage]]
        for use in uses if lost.any() else ():
            try:
                lost[lost] = ~_in_store(
                    use, names[lost], keys_of(whole(named.column("duplicate_of")))[lost]
                )
            except RefusedError as error:
                yield f"witnesses of {stage} were not looked up: {error.what}"
                lost[:] = False
        for row in np.flatnonzero(lost)[:3]:
            how = "was not kept" if np.isin(names[row], dropped_before) else "is nowhere"
            yield (
                f"{named.column('id')[int(row)]}: removed by {stage} for"
                f" {named.column('duplicate_of')[int(row)]}, which {how}"
            )


def _dropped_by(
    dropped: dict[str, list[np.ndarray]], order: dict[str, int], stage: str, *, later: bool
) -> Iterator[np.ndarray]:
    """Yield the keys of what later stages dropped, or of what this one and earlier ones did."""
    yield np.empty(0, np.uint64)
    for other, lists in dropped.items():
        if (order.get(other, 0) > order[stage]) is later:
            yield from lists


def _in_store(use: StoreUse, names: np.ndarray, ids_of_names: Keys) -> np.ndarray:
    """Return which ids are in the generations that a stage was compared with, or were until now."""
    found = contains(tombstones(open_store(use.address)).keys()["id"], ids_of_names)
    for ids in stored_ids(use.address, use.compared_with):
        found |= np.isin(names, sample_key(ids, 1))
    return found


def _columns(store: Store, path: str, columns: list[str]) -> Iterator[pa.Table]:
    with store.open(path) as handle:
        file = pq.ParquetFile(handle)
        existing = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=existing, use_threads=False)


def manifest_of(store: Store) -> Manifest:
    """Return a published folder's manifest; raise RefusedError, with what there is, without one."""
    try:
        manifest = published(store)
    except NotADirectoryError:
        manifest = None  # a file, which may be one of a run's
    except Unreadable as error:
        hint = f"curate doctor {store.address} says what can be done"
        raise RefusedError(error.what, where=error.where, hint=hint) from None
    if manifest is None:
        found = diagnose(store, patient=False)
        is_file = isinstance(store, LocalStore) and store.root.is_file()
        near = _runs_near(store.address) if found.state in ("empty", "foreign") else []
        hint = f"did you mean {' or '.join(near)}?" if near else found.next
        what = "this is a file" if is_file else found.what
        hint = "name the folder of a run" if is_file and not near else hint
        raise RefusedError(f"no finished run here: {what}", where=store.address, hint=hint)
    return manifest


def _runs_near(address: str, most: int = 3) -> list[str]:
    """Return the finished runs around or in a folder of this machine, or of nearly its name."""
    if "://" in address:
        return []
    folder = Path(address)
    around = [each for each in folder.parents if (each / "manifest.json").is_file()]
    if around:
        return [os.path.relpath(around[0])]
    inside = [each.parent for each in folder.glob("*/manifest.json")]
    beside = {each.parent.name: each.parent for each in folder.parent.glob("*/manifest.json")}
    close = get_close_matches(folder.name, beside)
    shown = sorted(inside)[:most] or [beside[name] for name in close]
    return [os.path.relpath(each) for each in shown]
