"""Take documents out of a finished run, and out of the dedup stores that it used, for good.

The product, ``rejected/`` and the clusters are written anew without them, beside what is there, and
become visible in one step as a run does (`publish`): on a disk by a rename, on an object store by
the manifest, after which the older files go. Before that step the dedup stores are made to forget
them, after it the work that a run kept is removed. So whatever is killed, the folder shows the old
or the new product, and the same takedown again ends what was begun.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.engine.folder import only_writer, published, unfinished, wrong_sizes
from curate.engine.publish import ENTRIES, MANIFEST, remove_leftovers, sweep
from curate.engine.takedown_counts import TakedownCounts
from curate.engine.takedown_find import Found, Request, find
from curate.engine.takedown_stores import count_in_store, forget, stores_of
from curate.errors import RefusedError
from curate.failpoint import reach
from curate.plan.model import output_forms
from curate.recipe.recipe import Recipe
from curate.rights.lists import Looked, contains, keys_of
from curate.storage.entries import FileEntry, Manifest, TakedownRecord, sealed
from curate.storage.formats import OUTPUT_FORMATS, Output, write
from curate.storage.formats.mds import index
from curate.storage.parquet_sink import write_groups
from curate.storage.store import Store, open_store
from curate.tokens import counter

#: The lists of what was asked for, one file per takedown.
FOLDER = "takedowns"

#: Where a disk holds the new product until it is visible, and for a moment the older one.
STAGING = ".publish-takedown/"

_URL_IN_BYTES = re.compile(rb"https?://[^\s\"'<>\x00-\x20]{3,2000}", re.IGNORECASE)

Reports = Callable[[Manifest, Sequence[Mapping[str, Any]]], dict[str, bytes]]


@dataclass(frozen=True)
class Done:
    """What a takedown did, or would do."""

    documents: dict[str, int]  #: by what they were: product, over_budget, dropped
    asked: int
    copies_left: int
    nameless: int  #: documents of the run without an address
    rows: int  #: of the product
    stores: dict[str, int | None]  #: address → documents, None where that is not known
    changed: bool  #: whether anything was written


def take_down(address: str, request: Request, reports: Reports, *, dry_run: bool = False) -> Done:
    """Take documents out of a finished run; with ``dry_run`` only count them.

    Raise RefusedError where there is no finished run, where its files are not whole, and where a
    dedup store that it used is gone.
    """
    store = open_store(address)
    with nullcontext() if dry_run else only_writer(store):
        if not dry_run:
            store.settle(ENTRIES)
        manifest = _finished(store)
        if not dry_run:
            remove_leftovers(store)
            _remove_strays(store, manifest)
        recipe = Recipe.model_validate(manifest.recipe)
        stores = stores_of(manifest) if request.stores else {}
        found = find(store, manifest, request)
        work = _Takedown(store, manifest, recipe, request, found)
        if dry_run:
            work.count()
            known = {
                name: count_in_store(at, request, found, own) for name, (at, own) in stores.items()
            }
            return work.done(known, changed=False)
        is_new = len(found) > 0 or not any(
            (record.kind, record.sha256) == (request.kind, work.digest)
            for record in manifest.takedowns
        )
        if is_new:
            work.stage()
        erased = {name: forget(at, request, found, own) for name, (at, own) in stores.items()}
        if is_new:
            work.publish(reports, erased)
        sweep(store)
        return work.done(dict(erased), changed=is_new or any(erased.values()))


def _finished(store: Store) -> Manifest:
    manifest, state = published(store), unfinished(store)
    if manifest is None or state is not None:
        raise RefusedError(
            "no finished run here" if manifest is None else "a run is to replace what is here",
            where=store.address,
            hint=f"curate doctor {store.address}",
        )
    for problem in wrong_sizes(store, manifest).values():
        raise RefusedError(
            f"the run is damaged: {problem}",
            where=store.address,
            hint=f"curate verify {store.address} lists all that is wrong",
        )
    return manifest


def _remove_strays(store: Store, manifest: Manifest) -> None:
    """Remove what a killed takedown left of the older product, where no manifest names it.

    On a disk it leaves nothing, so there such files are somebody else's.
    """
    named = {entry.path for entry in manifest.files}
    for folder in ("mixture", "rejected", "quarantine", FOLDER, *OUTPUT_FORMATS):
        for path in store.names(folder):
            if path in named:
                continue
            if store.staging(0):
                raise RefusedError(
                    f"{path} is no file of the run", where=store.address, hint="move it elsewhere"
                )
            store.remove(path)


class _Takedown:
    """One takedown of a run: what is staged, counted and published."""

    def __init__(
        self, store: Store, manifest: Manifest, recipe: Recipe, request: Request, found: Found
    ) -> None:
        self.store, self.manifest, self.request, self.found = store, manifest, request, found
        self.counts = TakedownCounts(manifest, recipe.seeded_mixture)
        self.forms = output_forms(recipe.output, (manifest.counted_with or {}).get("tokenizer"))
        _check_tokenizer(store, manifest, self.forms)
        self.number = len(manifest.takedowns)
        self.staging = STAGING if store.staging(0) else ""
        self.asked = "".join(f"{line}\n" for line in request.lines).encode()
        self.digest = _sha256(self.asked)
        self.files: list[FileEntry] = []  #: of the new product
        self.clusters: set[str] = set()  #: that lost a member
        self.gone_ids: set[str] = set()

    def count(self) -> None:
        """Count what would be taken out, without writing."""
        for entry in self._in_order():
            for _, gone, table in self._groups(entry):
                self._counted(entry, gone, table)

    def stage(self) -> None:
        """Write all files that change, beside those that are there."""
        changed_parts: set[str] = set()
        for entry in self._in_order():
            if entry.path == "clusters.parquet" or entry.path.startswith("rejected/"):
                self._rewrite(entry)
            elif entry.path.startswith("mixture/") and self._rewrite(entry):
                phase, name = entry.path.split("/")[1:]
                changed_parts.add(f"{phase}/{name.removesuffix('.parquet')}.")
            elif entry.path.startswith("quarantine/"):
                self._quarantine(entry)
            elif entry.path.split("/")[0] not in ("mixture", *OUTPUT_FORMATS):
                self._keep(entry)
        for entry in self.manifest.files:
            form, _, below = entry.path.partition("/")
            kept = form in OUTPUT_FORMATS and not entry.path.endswith("/index.json")
            if kept and not any(below.startswith(part) for part in changed_parts):
                self._keep(entry)
        self._index()
        name = f"{FOLDER}/{self.number:05d}.txt"
        with self.store.writing(f"{self.staging}{name}") as sink:
            sink.write(self.asked)
            self.files.append(FileEntry("takedown", name, sink.bytes, sink.sha256, 0))
        reach("takedown.staged")

    def publish(self, reports: Reports, erased: Mapping[str, int]) -> None:
        """Make the new product visible in one step; remove the older one."""
        store, older = self.store, self.manifest
        rows = sum(e.rows for e in self.files if e.path.startswith("mixture/"))
        record = TakedownRecord(
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            kind=self.request.kind,
            asked=len(self.request.lines),
            sha256=self.digest,
            list=f"{FOLDER}/{self.number:05d}.txt",
            matched=self.found.asked,
            copies=self.request.copies,
            copies_left=self.found.copies_left,
            documents=dict(sorted(self.counts.documents.items())),
            rows=self.counts.rows["mixture"],
            stores=dict(erased),
        )
        manifest = replace(
            older,
            stages=self.counts.stages,
            files=sorted(self.files, key=lambda entry: entry.path),
            totals=self.counts.totals(rows),
            mixture=self.counts.mixture,
            ledger=self.counts.ledger,
            samples=[
                replace(one, duplicate_of=None) if one.duplicate_of in self.gone_ids else one
                for one in older.samples
                if one.id not in self.gone_ids
            ],
            clusters=[
                one
                for one in older.clusters
                if one.cluster not in self.clusters and one.removed_id not in self.gone_ids
            ],
            takedowns=(*older.takedowns, record),
        )
        manifest.ledger.check(manifest.stages)
        body = sealed(manifest.to_json(), indent=1) + b"\n"
        pages = reports(manifest, _timings(store))
        for name, page in (pages | ({MANIFEST: body} if self.staging else {})).items():
            if self.staging:
                with store.writing(f"{self.staging}{name}") as sink:
                    sink.write(page)
        for entry in self.files:
            path = f"{self.staging}{entry.path}"
            if store.size(path) != entry.bytes:
                raise RefusedError("a file is not what was just written to it", where=path)
        reach("takedown.checked")
        store.publish(self.staging, ENTRIES)
        if not self.staging:
            store.replace(MANIFEST, body)
            reach("takedown.manifest")
            for name, page in pages.items():
                store.replace(name, page)
            _remove_strays(store, manifest)
        reach("takedown.published")

    def done(self, stores: Mapping[str, int | None], *, changed: bool) -> Done:
        """Return what was done, or would be."""
        return Done(
            documents={
                name: self.counts.documents[name] for name in ("product", "over_budget", "dropped")
            },
            asked=self.found.asked,
            copies_left=self.found.copies_left,
            nameless=self.found.nameless,
            rows=self.counts.rows["mixture"],
            stores=dict(stores),
            changed=changed,
        )

    def _in_order(self) -> list[FileEntry]:
        """Return the files of the run; those of the mixture by the order of its phases."""
        phases = {str(row["phase"]): at for at, row in enumerate(self.manifest.mixture)}

        def order(entry: FileEntry) -> tuple[int, str]:
            folder, *below = entry.path.split("/")
            return (phases.get(below[0], len(phases)) if folder == "mixture" else -1), entry.path

        return sorted(self.manifest.files, key=order)

    def _groups(self, entry: FileEntry) -> Iterator[tuple[int, np.ndarray, pa.Table | None]]:
        """Yield row groups: their number, which rows go, and all rows where any is concerned.

        No row of these names a document that goes, except those that go themselves.
        """
        if not entry.path.startswith(("mixture/", "rejected/", "clusters.parquet")):
            return
        with self.store.open(entry.path) as handle:
            file = pq.ParquetFile(handle, page_checksum_verification=True)
            names = file.schema_arrow.names
            told = [name for name in ("id", "duplicate_of", "cluster") if name in names]
            for group in range(file.num_row_groups):
                narrow = file.read_row_group(group, columns=told, use_threads=False)
                hits = {
                    name: contains(self.found.gone, keys_of(schema.whole(narrow.column(name))))
                    for name in told
                }
                gone = hits["id"]
                if entry.path == "clusters.parquet":
                    gone = gone | hits["cluster"]
                if any(hit.any() for hit in hits.values()):
                    table = file.read_row_group(group, use_threads=False)
                    yield group, gone, _without_references(table, hits)
                else:
                    yield group, gone, None

    def _counted(self, entry: FileEntry, gone: np.ndarray, table: pa.Table | None) -> None:
        if table is None or not gone.any():
            return
        taken = table.filter(pa.array(gone))
        self.gone_ids.update(taken.column("id").to_pylist())
        if "cluster" in taken.column_names:
            self.clusters.update(filter(None, pc.unique(taken.column("cluster")).to_pylist()))
        if entry.path.startswith("mixture/"):
            self.counts.product(taken)
        elif entry.path.startswith("rejected/"):
            self.counts.rejected(taken)

    def _rewrite(self, entry: FileEntry) -> bool:
        """Write a file of rows without what goes; return whether rows went."""
        taken, concerned = 0, False
        for _, gone, table in self._groups(entry):
            taken += int(gone.sum())
            concerned |= table is not None
            self._counted(entry, gone, table)
        if not concerned:
            self._keep(entry)
            return False
        if taken < entry.rows or entry.path == "clusters.parquet":
            path = self._write_rows(entry)
        if taken and entry.path.startswith("mixture/"):
            self._tally(entry.path, -1)
            if taken < entry.rows:
                self._write_forms(path)
        return taken > 0

    def _write_rows(self, entry: FileEntry) -> str:
        """Write a file without the rows that go; return its path in the new product."""
        path = self._named(entry.path)
        name = f"{self.staging}{path}"
        with self.store.open(entry.path) as handle:
            file = pq.ParquetFile(handle)

            def kept() -> Iterator[pa.Table]:
                for group, gone, table in self._groups(entry):
                    if table is None:
                        yield file.read_row_group(group, use_threads=False)
                    elif not gone.all():
                        yield table.filter(pa.array(~gone))

            rows = file.schema_arrow
            written = write_groups(self.store, name, rows, kept(), dataset=entry.dataset)
        self.files.append(written.published_as(path))
        return path

    def _write_forms(self, path: str) -> None:
        """Write the part of the product in the run's other forms."""
        _, phase, name = path.split("/")
        for form, entry in self._forms(f"{self.staging}{path}", +1):
            target = f"{form}/{phase}/{name.removesuffix('.parquet')}{entry.suffix}"
            self.store.link(entry.path, f"{self.staging}{target}")
            self.files.append(entry.published_as(target))

    def _tally(self, path: str, sign: int) -> None:
        """Count what the forms counted of a part, by writing them once more."""
        for _ in self._forms(path, sign):
            pass

    def _forms(self, path: str, sign: int) -> Iterator[tuple[str, FileEntry]]:
        """Yield the files of a part in each form, which are there until the next form's are."""
        if not self.forms.formats:
            return
        with self.store.open(path) as handle:
            table = pq.ParquetFile(handle).read(use_threads=False).combine_chunks()
        scratch = f"{self.staging}.forms"
        for form in self.forms.formats:
            counted: Counter[str] = Counter()
            for entry in write(form, self.store, scratch, table, self.forms, counted):
                yield form, entry
            self.counts.tally(counted, sign)
            self.store.remove(scratch)

    def _index(self) -> None:
        """Write the list of shards that each folder of MDS needs."""
        folders: dict[str, list[tuple[str, int, int]]] = {}
        for entry in sorted(self.files, key=lambda entry: entry.path):
            if entry.path.startswith("mds/"):
                folder, _, name = entry.path.rpartition("/")
                folders.setdefault(folder, []).append((name, entry.bytes, entry.rows))
        for folder, shards in folders.items():
            path = f"{folder}/index.json"
            with self.store.writing(f"{self.staging}{path}") as sink:
                sink.write(index(shards))
                self.files.append(FileEntry("mds", path, sink.bytes, sink.sha256, 0))

    def _quarantine(self, entry: FileEntry) -> None:
        """Empty the bytes of damaged records that name what goes; their counts stay."""
        with self.store.open(entry.path) as handle:
            tables = list(_blanked(pq.ParquetFile(handle), self.request))
        if not any(count for _, count in tables):
            self._keep(entry)
            return
        self.counts.rows["quarantine"] += sum(count for _, count in tables)
        path = self._named(entry.path)
        written = write_groups(
            self.store,
            f"{self.staging}{path}",
            schema.QUARANTINE_SCHEMA,
            (table for table, _ in tables),
            dataset="quarantine",
        )
        self.files.append(written.published_as(path))

    def _keep(self, entry: FileEntry) -> None:
        if self.staging:
            self.store.link(entry.path, f"{self.staging}{entry.path}")
        self.files.append(entry)

    def _named(self, path: str) -> str:
        """Return a file's new name: another one where the older file is not moved away."""
        if self.staging:
            return path
        return re.sub(r"(\.t\d+)?\.parquet$", f".t{self.number + 1}.parquet", path)


def _check_tokenizer(store: Store, manifest: Manifest, forms: Output) -> None:
    """Refuse to write tokens with another tokenizer than the run did, where that is known."""
    known = manifest.counted_with or {}
    if forms.model_digest is None or forms.tokenizer != known.get("tokenizer"):
        return
    if counter(forms.tokenizer).digest != known.get("tokenizer_digest"):
        raise RefusedError(
            f"the tokenizer {forms.tokenizer} is another one than it was in the run",
            where=store.address,
            hint="bring the older one back, because forms of the product hold its tokens",
        )


def _without_references(table: pa.Table, hits: Mapping[str, np.ndarray]) -> pa.Table:
    """Let no row name a document that goes, as its witness or the head of its cluster."""
    for name, along in (("duplicate_of", ("duplicate_of", "jaccard")), ("cluster", ("cluster",))):
        if name in hits and hits[name].any():
            for column in along:
                at = table.column_names.index(column)
                values = pc.if_else(pa.array(hits[name]), None, schema.whole(table.column(column)))
                table = table.set_column(at, table.schema.field(at), values)
    return table


def _blanked(file: pq.ParquetFile, request: Request) -> Iterator[tuple[pa.Table, int]]:
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, use_threads=False).to_pylist()
        count = 0
        for row in rows:
            if _names(row, request):
                row["head"], row["error"] = b"", "taken down"
                count += 1
        yield pa.Table.from_pylist(rows, schema=file.schema_arrow), count


def _names(row: Mapping[str, Any], request: Request) -> bool:
    """Return whether a damaged record is, or its first bytes name, what is taken down."""
    if request.kind == "id":
        own = f"{schema.file_key(row['source'], row['file'])}#{row['offset']}"
        return bool(contains(request.entries.keys, keys_of([own]))[0])
    urls = [found.decode("utf-8", "replace") for found in _URL_IN_BYTES.findall(row["head"] or b"")]
    return bool(urls) and bool(Looked(urls).matching(request.entries).any())


def _timings(store: Store) -> list[Mapping[str, Any]]:
    try:
        return [json.loads(line) for line in store.read("timings.jsonl").splitlines()]
    except (FileNotFoundError, ValueError, RecursionError):
        return []


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
