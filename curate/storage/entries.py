"""What a run writes about its files, as types: entries of files, commits, the manifest.

They share one format number, `RUN_FORMAT`, in ``manifest.json`` and ``work/run.json``. A folder
with another number is refused: see `check_format`. `StoreFile` and `Tombstone` belong to a dedup
store, which has its own number (``dedup_store.FORMAT``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from curate._version import __version__
from curate.errors import RefusedError
from curate.protocol.ledger import Ledger

#: The format of a run's own files. It changes with any key of them.
RUN_FORMAT = 2

#: Longest excerpt of a document among the examples of rejects.
SAMPLE_CHARACTERS = 400


class _Record:
    """A flat record: its JSON has its fields, except those that are None."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Parse what :meth:`to_json` returned."""
        return cls(**fields)


@dataclass(frozen=True)
class FileEntry(_Record):
    """One file of a commit or of the manifest."""

    dataset: str
    path: str
    bytes: int
    sha256: str
    rows: int
    suffix: str | None = None  #: the end of its published name, for formats besides Parquet
    version: str | None = None  #: in object stores, of files that are published: the ETag
    keys: list[list[int]] | None = None  #: survivors: first and last shuffle key of each block
    schema: str | None = None  #: exchange files: Arrow IPC in base64
    #: exchange files: ``[part, offset, stored bytes, bytes, crc32]`` of each block
    blocks: list[list[int]] | None = None

    def published_as(self, path: str) -> FileEntry:
        """Return the entry of the manifest: the same bytes under the published path."""
        return FileEntry(self.dataset, path, self.bytes, self.sha256, self.rows)


@dataclass(frozen=True)
class StoreFile(_Record):
    """One file of a generation of a dedup store, or of one that is being made."""

    dataset: str
    task: int  #: the number of the task that wrote it
    path: str
    bytes: int
    sha256: str
    rows: int
    highs: list[list[int]] | None = None  #: ``keys``: lowest and highest ``high`` of each row group
    sources: dict[str, int] | None = None  #: ``documents``: how many of each source
    footer: int | None = None  #: CRC-32 of the Parquet footer, which has no checksum of its own


@dataclass(frozen=True)
class Tombstone(_Record):
    """A source, or a generation, of a dedup store that no longer counts."""

    before: int  #: the number of generations when it was removed
    source: str | None = None
    generation: int | None = None


@dataclass(frozen=True)
class RejectExample(_Record):
    """A dropped row that the report may show, with the beginning of its text."""

    id: str
    dropped_by: str
    text: str
    bytes: int  #: of the whole text
    source: str | None = None
    lang: str | None = None
    url: str | None = None
    dropped_value: float | None = None
    duplicate_of: str | None = None
    jaccard: float | None = None


@dataclass(frozen=True)
class ClusterExample(_Record):
    """A large cluster: excerpts, from character ``start``, of a kept and a removed document."""

    stage: str
    cluster: str
    documents: int
    start: int
    kept: str | None = None
    removed: str | None = None
    removed_id: str | None = None
    jaccard: float | None = None


@dataclass(frozen=True)
class StoreUse(_Record):
    """The dedup store of one stage: what it was compared with, and what it added."""

    stage: str
    address: str
    compared_with: list[int]  #: generations
    removed: list[list[Any]]  #: ``[generation, source]`` that no longer count
    added_to: str | None = None
    generation: int | None = None


@dataclass(frozen=True)
class TakedownRecord(_Record):
    """One takedown: what was asked for, when, and how much went; nothing of the documents."""

    when: str  #: ISO 8601, UTC
    kind: str  #: of the list: url, domain or id
    asked: int  #: its entries
    sha256: str  #: of the list
    list: str  #: the file that holds it
    matched: int  #: documents that match the list themselves
    copies: bool  #: whether copies of them went, too
    copies_left: int  #: documents that hold a copy and stayed
    documents: dict[str, int]  #: that went, by what they were: product, over_budget, dropped
    rows: int  #: of the product that went
    stores: dict[str, int]  #: address of a dedup store → documents that went


@dataclass(frozen=True)
class Totals(_Record):
    """The sums of the ledger, and the rows of the product."""

    records: int = 0
    skipped: int = 0
    quarantined: int = 0
    documents: int = 0
    dropped: int = 0
    curated: int = 0
    taken: int = 0
    rows: int = 0


@dataclass
class TaskNotes:
    """What a task leaves for later tasks and the report, besides files and counts."""

    schema: str | None = None  #: of the survivors: Arrow IPC in base64
    texts: str | None = None  #: the commit that has the survivors' texts, if it is another one
    rejected_schema: str | None = None  #: the digest of that of the dropped rows
    samples: list[RejectExample] = field(default_factory=list)
    stored: list[StoreFile] = field(default_factory=list)  #: files for a dedup store
    taken_bytes: dict[str, int] = field(default_factory=dict)  #: by phase
    placed_rows: dict[str, int] = field(default_factory=dict)  #: by phase

    def to_json(self) -> dict[str, Any]:
        """Return the notes as JSON values; what is empty is left out."""
        return {name: _plain(value) for name, value in vars(self).items() if value}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TaskNotes:
        """Parse what :meth:`to_json` returned."""
        records = {
            "samples": [RejectExample.from_json(row) for row in fields.get("samples", ())],
            "stored": [StoreFile.from_json(entry) for entry in fields.get("stored", ())],
        }
        return cls(**{**fields, **records})


@dataclass(frozen=True)
class Commit:
    """The commit of one task: its files, counts and notes."""

    name: str
    files: Sequence[FileEntry]
    notes: TaskNotes
    counts: Mapping[str, Any]  #: the ledger as JSON values

    @property
    def ledger(self) -> Ledger:
        """The task's counts; parsed on request, because most readers need only the files."""
        return Ledger.from_json(self.counts)

    def dataset(self, name: str) -> list[FileEntry]:
        """Return the entries of one dataset's files, in the order in which they were written."""
        return [entry for entry in self.files if entry.dataset == name]

    def to_json(self) -> dict[str, Any]:
        """Return the commit as JSON values; its name is the name of its object."""
        return {
            "files": [entry.to_json() for entry in self.files],
            "ledger": self.counts,
            "notes": self.notes.to_json(),
        }

    @classmethod
    def from_json(cls, name: str, fields: Mapping[str, Any]) -> Commit:
        """Parse what :meth:`to_json` returned."""
        files = [FileEntry.from_json(entry) for entry in fields["files"]]
        return cls(name, files, TaskNotes.from_json(fields["notes"]), fields["ledger"])


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``: what a finished run was made of, contains and counted."""

    contract: int
    curate: str  #: the version that wrote it
    recipe: Mapping[str, Any]
    profiles: str
    plan: str
    stages: Sequence[str]
    environment: Mapping[str, Any]
    models: Mapping[str, str]
    inputs: Mapping[str, str]
    files: Sequence[FileEntry]
    totals: Totals
    mixture: list[dict[str, Any]]  #: the rows of ``mixture.summary``
    ledger: Ledger
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counted_with: Mapping[str, str] | None = None
    samples: Sequence[RejectExample] = ()
    clusters: Sequence[ClusterExample] = ()
    stores: Sequence[StoreUse] = ()
    takedowns: Sequence[TakedownRecord] = ()
    sidecars: Sequence[Mapping[str, Any]] = ()  #: what of each matched: ``stages.sidecars.COUNTS``
    repairs: Mapping[str, int] | None = None  #: damaged files that were made again, by folder

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values; what only some runs have, where there is any."""
        return {"format": RUN_FORMAT} | {
            name: _plain(value)
            for name, value in vars(self).items()
            if value or name not in ("stores", "takedowns", "sidecars", "repairs")
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Manifest:
        """Parse what :meth:`to_json` returned."""
        known: dict[str, Any] = {name: fields[name] for name in fields if name != "format"}
        for name, kind in (
            ("files", FileEntry),
            ("samples", RejectExample),
            ("clusters", ClusterExample),
            ("stores", StoreUse),
            ("takedowns", TakedownRecord),
        ):
            known[name] = tuple(kind.from_json(record) for record in fields.get(name, ()))
        known["totals"] = Totals.from_json(fields["totals"])
        known["ledger"] = Ledger.from_json(fields["ledger"])
        return cls(**known)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.to_json() if isinstance(value, (_Record, Ledger)) else value


def sealed(fields: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Return fields as JSON whose first key is a digest of all that follows it.

    >>> sealed({"rows": 3})[:12], sealed({"rows": 3})[-11:]
    (b'{"digest": "', b'","rows":3}')
    """
    separators = (",", ":") if indent is None else None
    body = json.dumps(fields, ensure_ascii=False, indent=indent, separators=separators)[1:].encode()
    return b'{"digest": "' + hashlib.sha256(body).hexdigest().encode() + b'",' + body


def unsealed(body: bytes) -> Any:
    """Return what was sealed, without its digest; raise ValueError where its bytes changed since.

    Files of older versions have no digest.
    """
    fields = json.loads(body)
    if isinstance(fields, dict) and "digest" in fields:
        head, _, rest = body.partition(b'",')
        expected = b'{"digest": "' + hashlib.sha256(rest.removesuffix(b"\n")).hexdigest().encode()
        if head != expected:
            raise ValueError("its bytes changed since it was written")
        del fields["digest"]
    return fields


def check_format(fields: Mapping[str, Any], address: str) -> None:
    """Refuse a run's folder that was written in another format.

    ``fields`` is its ``manifest.json`` or ``work/run.json``. Old versions wrote the number under
    the key ``manifest``, or not at all.
    """
    number = fields.get("format", fields.get("manifest", 1))
    if number != RUN_FORMAT:
        version = fields.get("curate")
        writer = f"curate {version}" if version else "an older version of curate"
        raise RefusedError(
            f"the run in this folder was written by {writer} in format {number},"
            f" and curate {__version__} reads format {RUN_FORMAT} only",
            where=address,
            hint="run the recipe again with --fresh, or use the version that wrote it",
        )
