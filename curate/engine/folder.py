"""A run's folder as a whole: one writer at a time, and never the results of two different runs."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from curate._version import __version__
from curate.engine.lease import held
from curate.engine.publish import ENTRIES, remove_leftovers, sweep
from curate.errors import RecipeError, RefusedError, ResourceError
from curate.failpoint import reach
from curate.storage.entries import RUN_FORMAT, Manifest, check_format
from curate.storage.store import LocalStore, Store, as_resource_error

_STATE = "work/run.json"
_OURS = {*ENTRIES, "manifest.json", "recipe.toml", "filters", "work", "commits", ".lock"}


@contextmanager
def only_writer(store: Store) -> Iterator[Callable[[], None]]:
    """Hold the folder's lock; the kernel releases it when the process dies, so none goes stale.

    Object stores have no lock but a lease. Yield a function to call before publishing: it raises
    RefusedError where the lease was lost.
    """
    if not isinstance(store, LocalStore):
        if store.address.startswith("memory:"):
            raise RecipeError(
                "what is written to memory:// is gone when the command ends", where=store.address
            )
        with held(store) as lease:
            yield lease.check
        return
    _refuse_foreign(store)  # before anything is touched
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW  # a linked .lock would be emptied
        handle = os.fdopen(os.open(store.root / ".lock", flags, 0o644), "r+")
    except OSError as error:
        raise ResourceError(
            f"cannot write to the output folder: {error.strerror}", where=store.address
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            raise RefusedError(
                f"another run is writing here ({handle.read().strip() or 'unknown'})",
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


def published(store: Store) -> Manifest | None:
    """Return the manifest if the folder contains a finished run; refuse one of another format."""
    fields = _fields(store, "manifest.json")
    try:
        return None if fields is None else Manifest.from_json(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(store, "manifest.json", error) from None


def _fields(store: Store, name: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(store.read(name))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise _damaged(store, name, error) from None
    if not isinstance(fields, dict) or not fields:
        raise _damaged(store, name, "it is not a table with keys")
    check_format(fields, store.address)
    return fields


def _damaged(store: Store, name: str, why: object) -> RefusedError:
    shown = f"no {why}" if isinstance(why, KeyError) else str(why)
    return RefusedError(
        f"{name} is damaged, so it is not known what this folder holds: {shown}",
        where=store.address,
        hint="choose another --output, or --fresh to replace what is here",
    )


def begin(
    store: Store, plan: str, inputs: Mapping[str, str], *, resume: bool, fresh: bool
) -> tuple[int, Manifest | None]:
    """Enter a folder: return the run's epoch, and the manifest if the run is finished.

    Refuse a folder with foreign files, of another format, or with work of another recipe or of
    other inputs: with ``resume`` the tasks that are still the same are used, with ``fresh`` none.
    """
    _refuse_foreign(store)
    if fresh:
        clear(store)
    manifest = published(store)
    if manifest is not None:
        differences = _differences(manifest.plan, manifest.inputs, plan, inputs)
        if differences:
            raise RefusedError(
                f"the folder holds another run: {differences}",
                where=store.address,
                hint="choose another --output, or --fresh to replace it",
            )
        if store.staging(0):
            remove_leftovers(store)
        sweep(store)
        return 0, manifest
    epoch = 1
    state = _fields(store, _STATE)
    if state is not None:
        try:
            differences = _differences(state["plan"], state["inputs"], plan, inputs)
            epoch = state["epoch"] + 1
        except (KeyError, TypeError, AttributeError) as error:
            raise _damaged(store, _STATE, error) from None
        if differences and not resume:
            raise RefusedError(
                f"the folder holds an unfinished run, and it was another one: {differences}",
                where=store.address,
                hint="--resume to go on with what is still valid, --fresh to start over",
            )
    _write_state(store, epoch, plan, inputs)
    reach("run.started")
    return epoch, None


def _write_state(store: Store, epoch: int, plan: str, inputs: Mapping[str, str]) -> None:
    body = {
        "format": RUN_FORMAT,
        "curate": __version__,
        "epoch": epoch,
        "plan": plan,
        "inputs": inputs,
    }
    store.replace(_STATE, json.dumps(body, sort_keys=True).encode())


def clear(store: Store) -> None:
    """Remove a run: the manifest first, the state that marks the folder as a run's last."""
    _write_state(store, 0, "cleared", {})
    store.remove("manifest.json")
    for name in sorted(_OURS - {".lock", "manifest.json", "work"}):
        store.remove(name)
    store.remove("work")


def _refuse_foreign(store: Store) -> None:
    # A user's own project has a README.md and filters/ too: without the state of an unfinished run
    # or the manifest of a finished one, nothing here may be overwritten or cleared.
    run_here = any(store.size(name) is not None for name in ("manifest.json", _STATE))
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


def _differences(
    old_plan: str, old: Mapping[str, str], plan: str, inputs: Mapping[str, str]
) -> str:
    """Return what differs, as one line; empty when nothing does."""
    differences = []
    if old_plan != plan:
        differences.append("recipe, profiles or version changed")
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
