"""The lease on a run's prefix of an object store: one driver at a time.

A lease is an object ``.lease-<epoch>``, created if absent, which its holder writes again every
`BEAT` seconds. Another driver watches it: if it changes, the holder works; if it does not for
`PATIENCE` seconds of the watcher's own clock, its holder is dead, and the watcher creates the lease
of the next epoch, which only one can. No clocks of two machines are compared. A holder that finds a
later epoch has lost its lease and publishes nothing; what it commits until then is what the new
holder would commit.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from curate.errors import CurateError, RefusedError, ResourceError
from curate.logging_setup import LOGGER
from curate.storage.store import Store

#: Seconds between two writes of the holder, and without one after which it is dead.
BEAT, PATIENCE = 10.0, 60.0

_PREFIX = ".lease-"


class Lease:
    """The lease that this process holds."""

    def __init__(self, store: Store, epoch: int) -> None:
        self._store, self.name = store, f"{_PREFIX}{epoch:06d}"
        self._holder = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid.uuid4().hex}
        self._beats = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> bool:
        """Create the lease; return whether no other driver was faster."""
        return self._store.create(self.name, self._body())

    def check_exclusive(self) -> None:
        """Raise ResourceError where the store overwrites what is to be created only if absent."""
        try:
            created_twice = self._store.create(self.name, self._body())
        except (OSError, ValueError, TypeError, NotImplementedError) as error:
            raise _no_put_if_absent(self._store, str(error)) from error
        if created_twice:
            raise _no_put_if_absent(self._store, "it overwrote an object that was there")

    def start(self) -> None:
        """Begin to renew the lease."""
        self._thread.start()

    def check(self) -> None:
        """Raise RefusedError if another driver took over."""
        if _latest(self._store) != self.name:
            raise RefusedError(
                "another run took over this folder, because this one did not renew its lease for"
                f" {PATIENCE:g} s",
                where=self._store.address,
                hint="let that one finish; nothing was published by this one",
            )

    def end(self) -> None:
        """Stop renewing, and let the next driver start at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(OSError, CurateError):
            self._store.remove(self.name)

    def _body(self) -> bytes:
        return json.dumps(self._holder | {"beats": self._beats}).encode()

    def _renew(self) -> None:
        while not self._ended.wait(BEAT):
            self._beats += 1
            try:
                if _latest(self._store) != self.name:
                    return  # lost: `check` tells it before anything is published
                self._store.replace(self.name, self._body())
            except (OSError, CurateError) as error:
                LOGGER.warning("the lease could not be renewed: %s", error)


@contextmanager
def held(store: Store, wait: Callable[[float], object] | None = None) -> Iterator[Lease]:
    """Hold the lease of an object store; raise RefusedError where another driver is at work.

    ``wait`` waits for seconds; by default it sleeps.
    """
    lease = _acquire(store, wait or threading.Event().wait)
    try:
        lease.check_exclusive()
        lease.start()
        yield lease
    finally:
        lease.end()


def watch(
    store: Store, patient: bool, wait: Callable[[float], object] | None = None
) -> tuple[str, bool] | None:
    """Return who holds the lease, and whether it works; None where there is no lease.

    Without ``patient`` every lease counts as renewed.
    """
    latest = _latest(store)
    if latest is None:
        return None
    who = _shown(store, latest)
    return who, not (patient and _is_dead(store, latest, wait or threading.Event().wait))


def _acquire(store: Store, wait: Callable[[float], object]) -> Lease:
    while True:
        latest = _latest(store)
        lease = Lease(store, _epoch(latest) + 1)
        if latest is not None and not _is_dead(store, latest, wait):
            raise RefusedError(
                f"another run is writing here ({_shown(store, latest)})",
                where=store.address,
                hint="wait for it, or choose another --output",
            )
        try:
            if lease.take():
                if latest is not None:
                    store.remove(latest)
                return lease
        except (ValueError, TypeError, NotImplementedError) as error:
            raise _no_put_if_absent(store, str(error)) from error


def _latest(store: Store) -> str | None:
    return max((name for name in store.top() if name.startswith(_PREFIX)), default=None)


def _epoch(name: str | None) -> int:
    number = (name or "").removeprefix(_PREFIX)
    return int(number) if number.isdecimal() else 0


def _is_dead(store: Store, name: str, wait: Callable[[float], object]) -> bool:
    """Watch a lease until it changes (False), or has not for long, or is released (True)."""
    try:
        first = store.read(name)
        if _ended_here(first):
            return True
        LOGGER.warning(
            "waiting up to %g s: a lease is here (%s), which a run at work renews",
            PATIENCE,
            _shown(store, name),
        )
        for _ in range(int(PATIENCE // BEAT) + 1):
            wait(BEAT)
            if store.read(name) != first:
                return False
    except FileNotFoundError:
        return True
    LOGGER.warning("that lease was not renewed: its run is dead")
    return True


def _ended_here(body: bytes) -> bool:
    """Return whether the holder was a process of this machine that no longer exists."""
    try:
        holder = json.loads(body)
        if holder["host"] != socket.gethostname():
            return False
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, LookupError, TypeError, OSError, OverflowError):
        return False
    return False


def _shown(store: Store, name: str) -> str:
    with suppress(OSError, ValueError, LookupError, TypeError):
        holder = json.loads(store.read(name))
        return f"pid {int(holder['pid'])} on {str(holder['host'])[:100]!r}"
    return "unknown"


def _no_put_if_absent(store: Store, reason: str) -> ResourceError:
    return ResourceError(
        f"this store cannot create an object only if it is absent: {reason[:200]}",
        where=store.address,
        hint="commits need it (If-None-Match: AWS S3, MinIO, R2, GCS, Azure have it); use such a"
        " store or a folder for --output",
    )
