"""What a run tells while it works: to a listener, and to whoever reads ``work/status.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from curate.storage.store import LocalStore, Store

#: The file in which a run says how far it is, from the first seconds to its end.
STATUS = "work/status.json"

#: Seconds between two writes of it: on a disk, in an object store.
EVERY, EVERY_REMOTE = 2.0, 15.0


class Progress(Protocol):
    """A listener that is notified of the run's progress."""

    def note(self, text: str) -> None: ...
    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, share: float, seconds_left: float | None) -> None: ...
    def finish(self) -> None: ...


class Silent:
    """A progress listener that prints nothing.

    Examples
    --------
    >>> Silent().start("reading", total=10, done=0)
    """

    def note(self, text: str) -> None:
        """Take a line on what was decided before the work began."""

    def start(self, label: str, total: int, done: int) -> None:
        """Begin a step of ``total`` tasks, ``done`` of them in an earlier run."""

    def advance(self, share: float, seconds_left: float | None) -> None:
        """Count a task; take the share of the whole run that is done, and how long the rest takes.

        Where nothing is known about the pace yet, ``seconds_left`` is None.
        """

    def finish(self) -> None:
        """End the step."""


class Remaining:
    """How much of a run is done and how long the rest takes, at the pace so far.

    A step counts as much as the plan expects of it, its tasks alike. What an earlier run did says
    nothing about the pace, nor does the first task where ``compiles``: it took the compiler's time.

    >>> now = [0.0]
    >>> left = Remaining({"reading": 0.8, "mix": 0.2}, lambda: now[0])
    >>> left.start("reading", total=4, done=0)
    >>> now[0] = 10.0
    >>> left.advance()
    >>> left.share, left.seconds
    (0.2, 40.0)
    """

    def __init__(
        self, shares: Mapping[str, float], clock: Callable[[], float], *, compiles: bool = False
    ) -> None:
        self._clock, self._shares, self._compiles = clock, dict(shares), compiles
        self._finished = self._reused = self._task = 0.0
        self._ends: float | None = None  #: the share at the end of the step at hand
        self._since: float | None = None

    def start(self, label: str, total: int, done: int) -> None:
        """Begin a step; one that was not expected, or comes again, counts nothing."""
        self.finish()
        share = self._shares.pop(label, 0.0)
        self._task = share / max(1, total)
        self._ends = self._finished + share
        self._finished += self._task * done
        self._reused += self._task * done
        if self._since is None and done < total:
            self._since = self._clock()

    def advance(self) -> None:
        """Count a task."""
        self._finished += self._task
        if self._compiles:
            self._compiles, self._reused, self._since = False, self._finished, self._clock()

    def finish(self) -> None:
        """End the step."""
        if self._ends is not None:
            self._finished, self._ends = self._ends, None

    @property
    def share(self) -> float:
        """Return the share that is done, 0 to 1."""
        return round(min(1.0, self._finished), 6)

    @property
    def seconds(self) -> float | None:
        """Return how long the rest takes; None before anything was done."""
        worked = self._finished - self._reused
        if self._since is None or worked <= 0:
            return None
        return (self._clock() - self._since) / worked * max(0.0, 1 - self._finished)


class Status:
    """Informs a listener how far the run is, and writes it into the run's folder now and then.

    The file is for whoever looks, so a write that fails is no failure of the run.
    """

    def __init__(
        self,
        listener: Progress,
        store: Store,
        shares: Mapping[str, float],
        clock: Callable[[], float] = time.time,
        *,
        compiles: bool = False,
    ) -> None:
        self._listener, self._store, self._clock = listener, store, clock
        self._every = EVERY if isinstance(store, LocalStore) else EVERY_REMOTE
        self._remaining = Remaining(shares, clock, compiles=compiles)
        self._began = self._written = clock()
        self._step: dict[str, Any] = {}
        self._peak = self._tasks = 0

    def note(self, text: str) -> None:
        """Pass a line on."""
        self._listener.note(text)

    def start(self, label: str, total: int, done: int) -> None:
        """Begin a step."""
        self._remaining.start(label, total, done)
        self._step = {"step": label, "tasks": total, "done": done}
        self._listener.start(label, total, done)
        self._write()

    def advance(self, peak_bytes: int) -> None:
        """Count a finished task, whose process had at most so many bytes of memory."""
        self._remaining.advance()
        self._step["done"] += 1
        self._tasks += 1
        self._peak = max(self._peak, peak_bytes)
        self._listener.advance(self._remaining.share, self._remaining.seconds)
        self._write()

    def finish(self) -> None:
        """End the step."""
        self._remaining.finish()
        self._listener.finish()

    def _write(self) -> None:
        now = self._clock()
        if now - self._written < self._every:
            return
        self._written = now
        left = self._remaining.seconds
        state = self._step | {
            "share": self._remaining.share,
            "seconds_left": None if left is None else round(left, 1),
            "tasks_of_run": self._tasks,
            "peak_bytes": self._peak,
            "began": round(self._began, 3),
            "written": round(now, 3),
        }
        with suppress(OSError):
            self._store.replace(STATUS, json.dumps(state).encode())
