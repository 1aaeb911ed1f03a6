"""`curate top`: how far a run is that works now, in another terminal or on another machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli.options import Json

#: Seconds between two looks.
EVERY = 2.0


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or address of a run.")],
    once: Annotated[
        bool, typer.Option("--once", help="Look once; so it is also where there is no terminal.")
    ] = False,
    json: Json = False,
) -> int:
    """Show how far a run is, until it ends.

    The run writes this to `work/status.json` in its folder, every two seconds on a disk and every
    fifteen in an object store. Where no run is at work, this is `curate doctor`.

    Example: curate top out/demo --once
    """
    import sys
    import time

    from curate import api
    from curate.cli import doctor_command
    from curate.cli.terminal import answer, as_json

    found = api.status(run)
    if found is None:
        return doctor_command.command(run, json)
    if json or once or not sys.stdout.isatty():
        answer(as_json(found) if json else _shown(found, time.time()))
        return 0
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, transient=True) as live:
        while found is not None:
            live.update(Text(_shown(found, time.time())), refresh=True)
            time.sleep(EVERY)
            found = api.status(run)
    return doctor_command.command(run)


def _shown(found: dict[str, Any], now: float) -> str:
    """Return the lines that say how far a run is."""
    from curate.cli.terminal import printable_line
    from curate.report.format import duration, size

    if found["step"] is None:
        return "at work, but nothing was written yet"
    left = found["seconds_left"]
    lines = [
        f"{found['step']}: {found['done']} of {found['tasks']} tasks",
        f"all: {found['share']:.0%}, {duration(now - found['began'])} so far"
        + ("" if left is None else f", {duration(left)} left"),
        f"memory of a task: {size(found['peak_bytes'])} at most",
        f"as of {duration(max(0.0, now - found['written']))} ago",
    ]
    return "\n".join(map(printable_line, lines))
