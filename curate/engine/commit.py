"""The commit core that both engines share: a task's files become part of the run, or never were.

An attempt writes under ``work/<segment>/<key>/<attempt>/``. When its files are whole and checked, one
small object ``commits/<segment>/<key>.json`` is created *if absent*; that act is the commit. Data
files are never renamed, and a reader of ours opens only what a commit names. The key is a digest of
everything the task's answer depends on, so "resume" is: list the commits, run the rest.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from curate.errors import CurateError, InternalError
from curate.failpoint import reach
from curate.protocol.ledger import Ledger
from curate.storage.store import Damaged, Store, need_space, open_store


@dataclass
class Attempt:
    """One try at a task: where it writes, and what it will commit."""

    store: Store
    folder: str
    ledger: Ledger = field(default_factory=Ledger)
    files: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)  #: seconds in each; never committed


class Job(Protocol):
    """What all tasks of a segment or step have in common; frozen, picklable, and pure but for files."""

    def run(self, own: Any, attempt: Attempt) -> None:
        """Do one task. ``own`` is what this task has of its own: a shard, a number."""
        ...


@dataclass(frozen=True)
class Task:
    """One unit of work for an engine."""

    segment: str
    index: int
    key: str
    job: Job
    own: Any

    @property
    def commit(self) -> str:
        """The object that says this task is done."""
        return f"commits/{self.segment}/{self.key}.json"


class Finished(NamedTuple):
    """What an engine tells the driver of a task that is committed; never part of the answer."""

    task: int
    seconds: float
    peak_bytes: int
    host: str
    redone: bool
    stages: dict[str, float]


class Commit(NamedTuple):
    """A commit, read back."""

    name: str
    files: list[dict[str, Any]]
    books: dict[str, Any]
    notes: dict[str, Any]

    @property
    def ledger(self) -> Ledger:
        """The task's counts; built when asked for, since most readers want files."""
        return Ledger.from_json(self.books)

    def dataset(self, name: str) -> list[dict[str, Any]]:
        """The entries of one dataset's files, in the order in which they were written."""
        return [entry for entry in self.files if entry["dataset"] == name]


def execute(address: str, task: Task) -> Finished:
    """Run one task and commit it. Raises CurateError; an OSError becomes a ResourceError."""
    import resource
    import socket

    store = open_store(address)
    started = time.perf_counter()
    attempt = Attempt(store, f"work/{task.segment}/{task.key}/{uuid.uuid4().hex}")
    try:
        reach("task.started")
        task.job.run(task.own, attempt)
        reach("commit.before")
        fresh = _commit(store, task, attempt)
    except Damaged as error:
        _abandon(attempt)
        take_back(store, error.path)
        raise
    except OSError as error:
        _abandon(attempt)
        raise need_space(error, address) from error
    except BaseException:
        _abandon(attempt)
        raise
    if not fresh:
        _abandon(attempt)
    return Finished(
        task.index,
        time.perf_counter() - started,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        socket.gethostname(),
        not fresh,
        {name: round(seconds, 4) for name, seconds in attempt.stages.items()},
    )


def _commit(store: Store, task: Task, attempt: Attempt) -> bool:
    body = json.dumps(
        {"files": attempt.files, "ledger": attempt.ledger.to_json(), "notes": attempt.notes},
        ensure_ascii=False,
        indent=None,
        separators=(",", ":"),
    )
    reach("commit.written")
    if store.create(task.commit, body.encode()):
        reach("commit.linked")
        return True
    # Another attempt was first (a retry after a lost acknowledgement, a slow twin). Its answer
    # must be ours; if it is not, the run is not deterministic, which is never papered over.
    theirs = read_commit(store, task.commit)
    mine = [(e["dataset"], e["sha256"], e["rows"]) for e in attempt.files]
    if mine != [(e["dataset"], e["sha256"], e["rows"]) for e in theirs.files]:
        raise InternalError(
            "two attempts at one task gave different bytes",
            where=f"{store.address}/{task.commit}",
            hint="please report this with the recipe: a stage is not deterministic",
        )
    return False


def _abandon(attempt: Attempt) -> None:
    # Best effort: what is left of a failed attempt is invisible to readers and swept after publish.
    try:
        attempt.store.remove(attempt.folder)
    except (OSError, CurateError):
        return


def take_back(store: Store, path: str) -> None:
    """Remove the commit that names a damaged file, so that its task runs again with the same answer."""
    folders = path.split("/")
    if folders[0] == "work" and len(folders) > 3:
        store.remove(f"commits/{folders[1]}/{folders[2]}.json")


def read_commit(store: Store, name: str) -> Commit:
    """Read a commit. Raises Damaged, and takes it back, where it cannot be read."""
    try:
        said = json.loads(store.read(name))
    except (FileNotFoundError, ValueError) as error:
        store.remove(name)
        raise Damaged(name) from error
    return Commit(name, said["files"], said["ledger"], said["notes"])


def is_done(store: Store, task: Task) -> bool:
    """Tell whether a task is committed and its files are there in their recorded sizes.

    A commit whose files are cut or gone is taken back, so that the task runs again. Flipped bits
    are found by whoever reads the file (checksums of pages and blocks) and cured the same way.
    """
    try:
        commit = read_commit(store, task.commit)
    except Damaged:
        return False
    if all(store.size(entry["path"]) == entry["bytes"] for entry in commit.files):
        return True
    store.remove(task.commit)
    return False
