"""A run's folder as a whole: one writer at a time, and never the results of two different runs."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from curate.engine.publish import ENTRIES, remove_leftovers, sweep
from curate.errors import RefusedError, ResourceError
from curate.failpoint import reach
from curate.storage.store import LocalStore, Store, need_space

_STATE = "work/run.json"
_OURS = {*ENTRIES, "manifest.json", "recipe.toml", "filters", "work", "commits", ".lock"}


@contextmanager
def only_writer(store: Store) -> Iterator[None]:
    """Hold the folder's lock; the kernel gives it back when the process dies, so none goes stale.

    Object stores have no lock: commits are created if absent and named by content, so a second
    writer there does the same work again, and never other work.
    """
    if not isinstance(store, LocalStore):
        yield
        return
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        handle = (store.root / ".lock").open("a+")
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
            raise need_space(error, store.address) from error
        yield


def published(store: Store) -> dict[str, Any] | None:
    """Give the manifest if the folder holds a finished run."""
    try:
        manifest: dict[str, Any] = json.loads(store.read("manifest.json"))
    except FileNotFoundError:
        return None
    return manifest


def begin(
    store: Store, plan: str, inputs: Mapping[str, str], *, resume: bool, fresh: bool
) -> tuple[int, dict[str, Any] | None]:
    """Enter a folder: give the run's epoch, and the manifest if all is done already.

    Refuses a folder with foreign files, and one with another recipe's or other inputs' work: with
    ``resume`` the tasks that are still the same are used, with ``fresh`` nothing is.
    """
    _refuse_foreign(store)
    if fresh:
        clear(store)
    manifest = published(store)
    if manifest is not None:
        said = _differences(manifest["plan"], manifest["inputs"], plan, inputs)
        if said:
            raise RefusedError(
                f"the folder holds another run: {said}",
                where=store.address,
                hint="choose another --output, or --fresh to replace it",
            )
        remove_leftovers(store)
        sweep(store)
        return manifest.get("epoch", 0), manifest
    epoch = 1
    try:
        state = json.loads(store.read(_STATE))
    except FileNotFoundError:
        state = None
    if state is not None:
        said = _differences(state["plan"], state["inputs"], plan, inputs)
        if said and not resume:
            raise RefusedError(
                f"the folder holds an unfinished run, and it was another one: {said}",
                where=store.address,
                hint="--resume to go on with what is still valid, --fresh to start over",
            )
        epoch = state["epoch"] + 1
    body = {"epoch": epoch, "plan": plan, "inputs": dict(inputs)}
    store.replace(_STATE, json.dumps(body, sort_keys=True).encode())
    reach("run.started")
    return epoch, None


def clear(store: Store) -> None:
    """Remove a run: the promise goes first, what says that the folder is ours goes last."""
    state = {"epoch": 0, "plan": "cleared", "inputs": {}}
    store.replace(_STATE, json.dumps(state).encode())
    store.remove("manifest.json")
    for name in sorted(_OURS - {".lock", "manifest.json", "work"}):
        store.remove(name)
    store.remove("work")


def _refuse_foreign(store: Store) -> None:
    if isinstance(store, LocalStore):
        found = {path.name for path in store.root.iterdir()}
    else:
        found = {name.split("/")[0] for name in store.names("")}
    # A user's own project has a README.md and filters/ too: without the state of a run, whether going
    # on or finished, nothing here is ours to write over or clear.
    ours = _OURS if published(store) or store.size(_STATE) is not None else {".lock"}
    foreign = sorted(name for name in found - ours if name == "work" or not name.startswith("."))
    if foreign:
        raise RefusedError(
            f"the folder holds files that are not a run's: {', '.join(foreign[:3])}",
            where=store.address,
            hint="choose an empty or new --output; nothing was touched",
        )


def _differences(
    had_plan: str, had: Mapping[str, str], plan: str, inputs: Mapping[str, str]
) -> str:
    """Name what differs, as one line; empty when nothing does."""
    said = []
    if had_plan != plan:
        said.append("recipe, profiles or version changed")
    groups = {
        "added": sorted(set(inputs) - set(had)),
        "gone": sorted(set(had) - set(inputs)),
        "changed": sorted(name for name in had if name in inputs and had[name] != inputs[name]),
    }
    for what, names in groups.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"input {what}: {', '.join(names[:3])}{more}")
    return "; ".join(said)
