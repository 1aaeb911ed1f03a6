"""Places where a test can make a run die: ``CURATE_FAILPOINT=name:action:nth``.

Actions: ``kill``, ``sigint``, ``sigterm``, ``sigstop`` (that signal to this process), ``enospc`` and
``eio`` (the error that the kernel would give).
The n-th time the point is reached, counted per process from 1. Unset, a point costs one look-up.
Several points are separated by commas. ``CURATE_FAILPOINT_ONCE=<path>``: whoever creates this file
first fires; so a retried task, or a resumed run, gets through.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from pathlib import Path

#: Every point in the product, so that a campaign can visit them all.
POINTS = (
    "run.locked",
    "run.started",
    "task.started",
    "table.read",
    "sink.opened",
    "sink.flushed",
    "sink.closed",
    "sink.checked",
    "commit.before",
    "commit.written",
    "commit.linked",
    "segment.done",
    "step.done",
    "publish.started",
    "publish.linked",
    "publish.manifest",
    "publish.renaming",
    "publish.renamed",
    "publish.promised",
    "publish.swept",
)

#: Points of runs that add to a dedup store, before the publish is promised.
STORE_POINTS = ("store.before", "store.appended")

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Pass a point; die here if the environment says so."""
    wanted = os.environ.get("CURATE_FAILPOINT")
    if not wanted:
        return
    _reached[name] += 1
    for rule in wanted.split(","):
        point, action, nth = rule.split(":")
        if point == name and _reached[name] == int(nth) and _first():
            _act(name, action)


def _first() -> bool:
    once = os.environ.get("CURATE_FAILPOINT_ONCE")
    if not once:
        return True
    try:
        Path(once).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(name: str, action: str) -> None:
    signals = {
        "kill": signal.SIGKILL,
        "sigint": signal.SIGINT,
        "sigterm": signal.SIGTERM,
        "sigstop": signal.SIGSTOP,
    }
    if action in signals:
        os.kill(os.getpid(), signals[action])
        return
    codes = {"enospc": errno.ENOSPC, "eio": errno.EIO}
    raise OSError(codes[action], f"failpoint {name}")
