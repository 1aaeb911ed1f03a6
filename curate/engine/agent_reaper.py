"""A script that ends the agents of a local Ray when its driver has ended, however it ended.

The kernel ends the raylet with its driver, and workers end with the raylet; but the agents, which
the raylet starts, were observed to run on for minutes. It is a process of its own that imports
nothing of curate, so that it starts in milliseconds and survives a driver that is killed.

Usage: ``python agent_reaper.py GROUP``. It waits for a line on stdin, or for its end, which a kill
of the driver causes too. Then it ends the agents in process group GROUP that have no raylet as
parent: once after a line; otherwise for half a minute, because a driver that is killed while Ray
starts leaves a raylet that may still start some.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Seconds during which agents are ended after a driver was killed.
WATCH_SECONDS = 30


def orphans(group: int, processes: Path = Path("/proc")) -> Iterator[int]:
    """Yield the ids of Ray's agents in a process group whose parent is not a raylet."""
    for stat in processes.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # a process that has just ended
            # After the name in parentheses: state, parent, process group.
            _, parent, own_group = stat.read_text().rpartition(")")[2].split()[:3]
            command = _command(stat.parent) if int(own_group) == group else ""
            is_agent = command.startswith("ray::") and "Agent" in command
            if is_agent and "raylet/raylet" not in _command(processes / parent):
                yield int(stat.parent.name)


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b"").decode(errors="replace")
    except OSError:
        return ""


def main(group: int) -> None:
    """Wait for the end of the driver, then end its orphaned agents."""
    rounds = 1 if sys.stdin.readline() else WATCH_SECONDS
    for number in range(rounds):
        for process in orphans(group):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if number + 1 < rounds:
            time.sleep(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
