"""The commit protocol of all engines: a task's output becomes visible atomically, or not at all.

An attempt writes under ``work/<segment>/<key>/<attempt>/``. When its files are complete and
checked, one small object ``commits/<segment>/<key>.json`` is created *if absent*; this is the
commit. Data files are never renamed, and the engine opens only files that a commit names. The key
is a digest of everything that the task's answer depends on, so "resume" is: list the commits, run
the rest.
"""

from __future__ import annotations

import ctypes
import resource
import socket
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from curate.engine.bundles import BundleWriter, bundles_of, read_bundles
from curate.errors import CurateError, InternalError
from curate.failpoint import reach
from curate.logging_setup import LogRecord, collected_records
from curate.paths.remote import in_order
from curate.protocol.ledger import Ledger
from curate.storage.entries import Commit, FileEntry, TaskNotes, sealed, unsealed
from curate.storage.formats import OUTPUT_FORMATS
from curate.storage.store import Damaged, Store, as_resource_error, open_store
from curate.storage.survivors import Survivors

#: Datasets whose files are copied to published names, as they are.
PUBLISHED = ("mixture", "rejected", *OUTPUT_FORMATS)

#: The largest commit, compressed, that comes back with a finished task: Ray sends it by itself.
RETURNED_BYTES = 64 << 10
#: Bytes of them that wait for those of earlier tasks; what is more is read from the store.
WAITING_BYTES = 64 << 20
#: The size of a process up to which it keeps what a task has used.
_KEPT_BYTES = 1 << 30


@dataclass
class Attempt:
    """One try at a task: where it writes, and what it will commit."""

    store: Store
    folder: str
    ledger: Ledger = field(default_factory=Ledger)
    files: list[FileEntry] = field(default_factory=list)
    notes: TaskNotes = field(default_factory=TaskNotes)
    stages: dict[str, float] = field(default_factory=dict)  #: seconds in each; not committed


class Job(Protocol):
    """What all tasks of a segment or step share; frozen, picklable, pure except for its files.

    Neither it nor an assignment grows with the number of shards: each task gets its own names.
    """

    def run(self, assignment: Any, attempt: Attempt) -> None:
        """Run one task. ``assignment`` is what only this task has: a shard, what it reads."""


@dataclass(frozen=True)
class Task:
    """One unit of work for an engine."""

    segment: str
    index: int
    key: str
    assignment: Any

    @property
    def commit(self) -> str:
        """The name of the object that marks this task as done."""
        return commit_name(self.segment, self.key)


def commit_name(segment: str, key: str) -> str:
    """Return the name of the object that marks the task with this key as done."""
    return f"commits/{segment}/{key}.json"


class Finished(NamedTuple):
    """What an engine reports to the driver of a committed task; never part of the answer."""

    task: int
    seconds: float
    peak_bytes: int
    host: str
    stages: dict[str, float]
    log: tuple[LogRecord, ...] = ()  #: already shown where the task ran
    commit: bytes = b""  #: what was committed, compressed; empty where the driver is to read it


def execute(address: str, job: Job, task: Task) -> Finished:
    """Run one task of a job and commit it. Raise CurateError; an OSError becomes a ResourceError.

    What is logged meanwhile is written to ``work/log/``, one file per attempt that logs anything.
    """
    store = open_store(address)
    started = time.perf_counter()
    _forget_peak()
    attempt = Attempt(store, f"work/{task.segment}/{task.key}/{uuid.uuid4().hex}")
    with collected_records() as records:
        try:
            packed = zlib.compress(_attempt(job, task, attempt), 1)
        finally:
            if records:
                _write_log(task, attempt, records)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return_memory(_KEPT_BYTES)
    return Finished(
        task.index,
        time.perf_counter() - started,
        peak,
        socket.gethostname(),
        {name: round(seconds, 4) for name, seconds in attempt.stages.items()},
        tuple(records),
        packed if len(packed) <= RETURNED_BYTES else b"",
    )


def _forget_peak() -> None:
    """Let Linux measure this process's largest memory anew: that of a task, not of all before."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def return_memory(kept_bytes: int) -> None:
    """Let both allocators return to the system what is no longer used by a process that is larger.

    The next task would take it again, page by page: 5 % of the CPU time of a run of small tasks.
    """
    with suppress(OSError):
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        if resident < kept_bytes:
            return
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _attempt(job: Job, task: Task, attempt: Attempt) -> bytes:
    """Run and commit a task; return the commit's object.

    Leave nothing of an attempt that fails or is not the first.
    """
    first = False
    try:
        reach("task.started")
        job.run(task.assignment, attempt)
        reach("commit.before")
        body, first = commit_attempt(attempt.store, task, attempt)
        return body
    except Damaged as error:
        revoke(attempt.store, error.path)
        raise
    except OSError as error:
        raise as_resource_error(error, attempt.store.address) from error
    finally:
        if not first:
            _abandon(attempt)


def _write_log(task: Task, attempt: Attempt, records: list[LogRecord]) -> None:
    unique = attempt.folder.rpartition("/")[2][:8]
    name = f"work/log/{task.segment}-{task.index:05d}-{unique}.log"
    with suppress(OSError, CurateError):  # a log must not fail a task
        attempt.store.replace(name, "".join(f"{record}\n" for record in records).encode())


def commit_attempt(store: Store, task: Task, attempt: Attempt) -> tuple[bytes, bool]:
    """Commit a task; return the commit's object, and whether this attempt was the first."""
    if any(entry.dataset in PUBLISHED for entry in attempt.files):
        versions = store.versions(attempt.folder)
        attempt.files = [replace(e, version=versions.get(e.path)) for e in attempt.files]
    commit = Commit(task.commit, attempt.files, attempt.notes, attempt.ledger.to_json())
    body = sealed(commit.to_json())
    reach("commit.written")
    if store.create(task.commit, body):
        reach("commit.linked")
        return body, True
    # Another attempt was first (a retry after a lost acknowledgement, a slow duplicate). Its answer
    # must equal this one; if not, the run is not deterministic, which is never concealed.
    first = read_commit(store, task.commit)
    if _content(commit) != _content(first):
        raise InternalError(
            "two attempts at one task gave different bytes",
            where=f"{store.address}/{task.commit}",
            hint="please report this with the recipe: a stage is not deterministic",
        )
    return sealed(first.to_json()), False


def _content(commit: Commit) -> list[tuple[str, str, int]]:
    return [(entry.dataset, entry.sha256, entry.rows) for entry in commit.files]


def _abandon(attempt: Attempt) -> None:
    # Best effort: the rest of a failed attempt is invisible to readers and swept after publishing.
    try:
        attempt.store.remove(attempt.folder)
    except (OSError, CurateError):
        return


def revoke(store: Store, path: str) -> None:
    """Remove the commit that names a damaged file, so that its task runs again."""
    folders = path.split("/")
    if folders[0] == "work" and len(folders) > 3:
        _remove_commit(store, f"commits/{folders[1]}/{folders[2]}.json")


def _remove_commit(store: Store, name: str) -> None:
    # Its copy first: a copy alone counts nothing, but it would count again beside a new commit.
    store.remove(bundles_of(name.split("/")[1]))
    store.remove(name)


def read_commit(store: Store, name: str) -> Commit:
    """Read a commit. Raise Damaged, and remove it, where it cannot be read."""
    return _parsed(store, name, _body(store, name))


def _body(store: Store, name: str) -> bytes | None:
    """Return a commit's object, None where there is none."""
    try:
        return store.read(name)
    except FileNotFoundError:
        return None


def _parsed(store: Store, name: str, body: bytes | None) -> Commit:
    """Return a commit of its object. Raise Damaged, and remove it, where that is not one."""
    if body is None:
        raise Damaged(name)
    if commit := _commit_in(name, body):
        return commit
    _remove_commit(store, name)
    raise Damaged(name)


def _commit_in(name: str, body: bytes) -> Commit | None:
    """Return a commit of its object, None where its bytes are not those of one."""
    try:
        return Commit.from_json(name, unsealed(body))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


class CommitsInOrder:
    """Commits in the order of their tasks: as they come back with finished tasks, else read.

    Each is added to ``bundles``, beside those that the driver did not find in bundles.
    """

    def __init__(
        self, store: Store, names: Sequence[str], first: int, bundles: BundleWriter | None = None
    ) -> None:
        self._store, self._names, self._next, self._bundles = store, names, first, bundles
        self._waiting: dict[int, bytes] = {}
        self._bytes = 0

    def take(self, finished: Finished) -> Iterator[Commit]:
        """Take what a task returned; yield the commits whose turn it is."""
        self._bytes += len(finished.commit)
        if self._bytes <= WAITING_BYTES:
            self._waiting[finished.task] = finished.commit
        else:
            self._bytes -= len(finished.commit)
        while packed := self._waiting.pop(self._next, b""):
            self._bytes -= len(packed)
            yield self._commit(self._next, zlib.decompress(packed))
            self._next += 1

    def rest(self) -> Iterator[Commit]:
        """Yield the commits whose turn did not come yet; those that are not here are read."""

        def body(number: int) -> tuple[int, bytes | None]:
            packed = self._waiting.pop(number, b"")
            name = self._names[number]
            return number, zlib.decompress(packed) if packed else _body(self._store, name)

        numbers = range(self._next, len(self._names))
        for number, found in in_order(body, numbers, self._store.readers):
            yield self._commit(number, found)

    def _commit(self, number: int, body: bytes | None) -> Commit:
        name = self._names[number]
        commit = _parsed(self._store, name, body)
        if self._bundles is not None and body is not None:
            self._bundles.add(name, body)
        return commit


def read_commits(store: Store, names: Iterable[str]) -> Iterator[Commit]:
    """Yield commits in the order of their names, several being read at the same time."""
    return in_order(partial(read_commit, store), names, store.readers)


def survivors_of(store: Store, commit: Commit) -> Survivors:
    """Return the files with a shard's documents; their texts may be another segment's."""
    narrow = commit.dataset("survivors")
    if not narrow:
        return Survivors((), ())
    texts = read_commit(store, commit.notes.texts) if commit.notes.texts else commit
    return Survivors(tuple(narrow), tuple(texts.dataset("texts")))


def entries_of(store: Store, commits: Iterable[str], dataset: str) -> Iterator[FileEntry]:
    """Yield the entries of one dataset's files, commit by commit."""
    for commit in read_commits(store, commits):
        yield from commit.dataset(dataset)


class Found(NamedTuple):
    """What is there of a task: its commit, None where it has to run."""

    commit: Commit | None
    was_there: bool
    body: bytes | None = None  #: its object, where no bundle has it


def committed(
    store: Store, folder: str, names: Sequence[str], copies: Sequence[str] = ()
) -> Iterator[Found]:
    """Yield what is there of each task of a folder.

    A commit with truncated or missing files is revoked, so that the task runs again. Flipped bits
    are detected when the file is read (checksums of pages and blocks), or before it is published,
    and handled in the same way. Commits and files are listed once, however many tasks there are;
    where there are no commits, nothing else is asked. ``copies`` are bundles, read instead of the
    commits that they have.
    """
    listed = store.sizes(f"commits/{folder}")
    places = {name: number for number, name in enumerate(names) if name in listed}
    if not places:
        yield from repeat(Found(None, False), len(names))
        return
    sizes = store.sizes(f"work/{folder}")

    def whole(commit: Commit) -> bool:
        return all(sizes.get(entry.path) == entry.bytes for entry in commit.files)

    def each() -> Iterator[tuple[int, bytes | None]]:
        """Yield the number of each task, and its commit where a bundle has it."""
        number = 0
        for name, body in read_bundles(store, copies):
            place = places.get(name, -1)
            if place >= number and len(body) == listed[name]:
                yield from zip(range(number, place), repeat(None))
                yield place, body
                number = place + 1
        yield from zip(range(number, len(names)), repeat(None))

    def read(job: tuple[int, bytes | None]) -> tuple[str, bytes | None, bytes | None]:
        number, copy = job
        name = names[number]
        return name, copy, _body(store, name) if copy is None and name in places else None

    for name, copy, body in in_order(read, each(), store.readers):
        if name not in places:
            yield Found(None, False)
            continue
        if copy is not None:
            commit = _commit_in(name, copy)
            if commit and whole(commit):
                yield Found(commit, True)
                continue
            body = _body(store, name)
        try:
            commit = _parsed(store, name, body)
        except Damaged:
            yield Found(None, True)
            continue
        if whole(commit):
            yield Found(commit, True, body)
        else:
            _remove_commit(store, name)
            yield Found(None, True)
