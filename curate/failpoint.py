"""Places where a test can make a run die: ``CURATE_FAILPOINT=name:action:nth``.

Actions: ``kill``, ``sigint``, ``sigterm``, ``sigstop`` (send that signal to this process),
``enospc`` and ``eio`` (raise the error that the kernel would). A rule applies the n-th time that
its point is reached, counted per process from 1. Without the variable a point costs one look-up.
Several rules are separated by commas. ``CURATE_FAILPOINT_ONCE=<path>``: only the process that
creates this file acts, so that a retried task, or a resumed run, succeeds.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from pathlib import Path

_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Count a point as reached, and carry out the action that the environment sets for it."""
    rules = os.environ.get("CURATE_FAILPOINT")
    if not rules:
        return
    _reached[name] += 1
    for rule in rules.split(","):
        point, action, nth = rule.split(":")
        if point == name and _reached[name] == int(nth) and _first():
            _act(name, action)


def _first() -> bool:
    marker = os.environ.get("CURATE_FAILPOINT_ONCE")
    if not marker:
        return True
    try:
        Path(marker).touch(exist_ok=False)
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
