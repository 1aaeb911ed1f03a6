"""A run's folder as a whole: one writer at a time, and never the results of two different runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

from curate._version import __version__
from curate.engine.lease import held
from curate.engine.publish import ENTRIES, MANIFEST, remove_leftovers, sweep
from curate.errors import RecipeError, RefusedError, ResourceError
from curate.failpoint import reach
from curate.logging_setup import LOGGER
from curate.storage.entries import RUN_FORMAT, Manifest, check_format, sealed, unsealed
from curate.storage.store import LocalStore, Store, as_resource_error

STATE = "work/run.json"
_OURS = {*ENTRIES, "work", "commits", ".lock"}


@contextmanager
def only_writer(store: Store) -> Iterator[Callable[[], None]]:
    """Hold the folder's lock; the kernel releases it when the process dies, so none goes stale.

    Object stores have no lock but a lease. Yield a function to call before publishing: it raises
    RefusedError where the lease was lost.
    """
    if not isinstance(store, LocalStore):
        with held(store) as lease:
            yield lease.check
        return
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        handle = _open_lock(store, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ResourceError(
            f"cannot write to the output folder: {error.strerror}",
            where=store.address,
            hint="mend that (space, permissions, the disk), or choose another --output",
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError(
                f"another run is writing here ({handle.read(200).strip() or 'unknown'})",
                where=store.address,
                hint="wait for it, or choose another --output",
            ) from None
        try:
            handle.seek(0)
            handle.truncate()
            handle.write(f"pid {os.getpid()} on {socket.gethostname()}")
            handle.flush()
            reach("run.locked")
        except OSError as error:
            raise as_resource_error(error, store.address) from error
        yield lambda: None


def _open_lock(store: LocalStore, flags: int) -> IO[str]:
    """Open the lock file; refuse one that is a link or has a second name: both would be emptied."""
    path = store.root / ".lock"
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise RefusedError(
                "its .lock is a link or no file, so it was not made by a run",
                where=store.address,
                hint="remove that .lock, or choose another --output",
            )
    mode = "r+" if flags & os.O_RDWR else "r"
    return os.fdopen(os.open(path, flags | os.O_NOFOLLOW, 0o644), mode, errors="replace")


def holder(store: LocalStore) -> tuple[str, bool] | None:
    """Return who took the folder's lock last, and whether it holds it still; None for no lock."""
    try:
        handle = _open_lock(store, os.O_RDONLY)
    except (OSError, RefusedError):
        return None
    with handle:
        who = handle.read(200).strip() or "unknown"
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return who, True
    return who, False


def published(store: Store) -> Manifest | None:
    """Return the manifest if the folder contains a finished run; refuse one of another format."""
    fields = _fields(store, MANIFEST)
    try:
        return None if fields is None else Manifest.from_json(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(store, MANIFEST, error) from None


def unfinished(store: Store) -> dict[str, Any] | None:
    """Return the state of a run that is not finished yet, if one is in the folder.

    While it replaces an older product, there is a manifest as well: that of the older one.
    """
    state = _fields(store, STATE)
    older = _digest_of_manifest(store)
    return None if state is None or (older and state.get("replaces") != older) else state


def wrong_sizes(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return the files of a finished run that are gone or have another size, each in a sentence."""
    folders = sorted({entry.path.split("/")[0] for entry in manifest.files if "/" in entry.path})
    sizes = {path: size for folder in folders for path, size in store.sizes(folder).items()}
    wrong = {}
    for entry in manifest.files:
        size = sizes.get(entry.path) if "/" in entry.path else store.size(entry.path)
        if size != entry.bytes:
            found = "missing" if size is None else f"{size} bytes, not {entry.bytes}"
            wrong[entry.path] = f"{entry.path}: {found}"
    return wrong


def _digest_of_manifest(store: Store) -> str | None:
    try:
        return hashlib.sha256(store.read(MANIFEST)).hexdigest()
    except FileNotFoundError:
        return None


def _fields(store: Store, name: str) -> dict[str, Any] | None:
    try:
        fields = unsealed(store.read(name))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise _damaged(store, name, error) from None
    if not isinstance(fields, dict) or not fields:
        raise _damaged(store, name, "it is not a table with keys")
    check_format(fields, store.address)
    return fields


class Unreadable(RefusedError):
    """A file that says what a folder holds is damaged."""

    name = ""


def _damaged(store: Store, name: str, why: object) -> Unreadable:
    shown = f"no {why}" if isinstance(why, KeyError) else str(why)
    error = Unreadable(
        f"{name} is damaged, so it is not known what this folder holds: {shown}",
        where=store.address,
        hint="choose another --output, or --fresh to replace what is here",
    )
    error.name = name
    return error


class RunId(NamedTuple):
    """What makes two runs the same: plan and inputs. ``parts`` say which part of a plan differs."""

    plan: str  #: the plan's fingerprint
    inputs: Mapping[str, str]
    parts: Mapping[str, str]


class Entry(NamedTuple):
    """What a run finds in its folder: the manifest of the finished run, or the epoch to go on as.

    ``fresh`` says that nothing of the work that is there is used, ``differences`` what changed
    since that work was done.
    """

    epoch: int
    manifest: Manifest | None
    fresh: bool
    differences: str = ""


def keeps_work(store: Store) -> bool:
    """Return whether the run in a folder was started with the wish that its work is kept."""
    return bool((_fields(store, STATE) or {}).get("keep_work"))


def examine(store: Store, run: RunId, *, resume: bool, fresh: bool) -> Entry:
    """Return how a run would enter a folder; nothing is touched.

    Refuse a folder with foreign files, of another format, or with work of another recipe or of
    other inputs: with ``resume`` the tasks that are still the same are used (those of a finished
    run where its work was kept), with ``fresh`` none.
    """
    if any(part.startswith("memory:") for part in store.address.split("::")):
        raise RecipeError(
            "what is written to memory:// is gone when the command ends", where=store.address
        )
    refuse_foreign(store)
    if fresh:
        return Entry(1, None, fresh=True)
    state = unfinished(store)
    try:
        if state is not None:
            older = RunId(state["plan"], state["inputs"], state.get("parts", {}))
            differences = _differences(older, run)
            if differences and not resume:
                raise RefusedError(
                    f"the folder holds an unfinished run, and it was another one: {differences}",
                    where=store.address,
                    hint="--resume to go on with what is still valid, --fresh to start over",
                )
            return Entry(state["epoch"] + 1, None, fresh=False, differences=differences)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(store, STATE, error) from None
    manifest = published(store)
    if manifest is None:
        return Entry(1, None, fresh=False)
    kept = (_fields(store, STATE) or {}) if keeps_work(store) else {}
    differences = _differences(RunId(manifest.plan, manifest.inputs, kept.get("parts", {})), run)
    if differences and kept and resume:
        return Entry(kept["epoch"] + 1, None, fresh=False, differences=differences)
    if differences:
        valid = "--resume to go on with what is still valid of its work, "
        none = "its work was not kept (--keep-work), so --resume has nothing to go on with: "
        raise RefusedError(
            f"the folder holds another run: {differences}",
            where=store.address,
            hint=(valid if kept else none if resume else "")
            + "choose another --output, or --fresh to replace it",
        )
    for problem in wrong_sizes(store, manifest).values():
        raise RefusedError(
            f"the finished run here is damaged: {problem}",
            where=store.address,
            hint="--fresh to make it again; curate verify lists all that is wrong",
        )
    return Entry(0, manifest, fresh=False)


def begin(store: Store, run: RunId, *, resume: bool, fresh: bool, keep_work: bool = False) -> Entry:
    """Enter a folder that `examine` allows; return what it found.

    With ``fresh`` a finished product stays until the new one replaces it.
    """
    refuse_foreign(store)
    store.settle(ENTRIES)
    entry = examine(store, run, resume=resume, fresh=fresh)
    if store.staging(0) or entry.manifest is None:
        remove_leftovers(store)
    if entry.manifest is not None:
        if not keeps_work(store):
            sweep(store)
        return entry
    body = {
        "format": RUN_FORMAT,
        "curate": __version__,
        "epoch": entry.epoch,
        "keep_work": keep_work,
        **run._asdict(),
    }
    older = _digest_of_manifest(store)
    if older is not None:
        _warn_of_takedowns(store)
    store.replace(STATE, sealed(body | ({"replaces": older} if older else {})))
    if entry.fresh:
        store.remove("commits")
        for name in {"/".join(name.split("/")[:2]) for name in store.names("work")} - {STATE}:
            store.remove(name)
    reach("run.started")
    return entry


def _warn_of_takedowns(store: Store) -> None:
    """Say that a run that replaces another one brings back what was taken down from that."""
    with suppress(RefusedError):
        manifest = published(store)
        lists = [one.list for one in manifest.takedowns] if manifest else []
        if lists:
            LOGGER.warning(
                "the run that this one replaces had takedowns (%s): the same inputs bring those"
                " documents back, unless a stage url_filter has copies of the lists as block_lists",
                ", ".join(lists),
            )


def refuse_foreign(store: Store) -> None:
    """Raise RefusedError where a folder has files that are not a run's."""
    # A user's own project has a README.md and filters/ too: without the state of an unfinished run
    # or the manifest of a finished one, nothing here may be overwritten or cleared.
    run_here = any(store.size(name) is not None for name in (MANIFEST, STATE))
    foreign = sorted(
        name
        for name in set(store.top()) - (_OURS if run_here else {".lock"})
        if name == "work" or not name.startswith(".")
    )
    if foreign:
        raise RefusedError(
            f"the folder holds files that are not a run's: {', '.join(foreign[:3])}",
            where=store.address,
            hint="choose an empty or new --output; nothing was touched",
        )


def _differences(old_run: RunId, run: RunId) -> str:
    """Return what differs, as one line; empty when nothing does."""
    differences = []
    if old_run.plan != run.plan:
        parts = sorted(old_run.parts.keys() | run.parts.keys())
        changed = [name for name in parts if old_run.parts.get(name) != run.parts.get(name)]
        which = ", ".join(changed) if old_run.parts and changed else "recipe, profiles or version"
        differences.append(f"{which} changed")
    old, inputs = old_run.inputs, run.inputs
    groups = {
        "added": sorted(set(inputs) - set(old)),
        "gone": sorted(set(old) - set(inputs)),
        "changed": sorted(name for name in old if name in inputs and old[name] != inputs[name]),
    }
    for what, names in groups.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            differences.append(f"input {what}: {', '.join(names[:3])}{more}")
    return "; ".join(differences)
