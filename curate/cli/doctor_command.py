"""`curate doctor`: in which state a folder is, and what can safely be done next."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or address of any run.")],
    json: Json = False,
) -> int:
    """Say in which state a folder is, and what to do next.

    Nothing is touched. In an object store it takes up to a minute to see whether a run is at work.
    Exit codes: 0 finished, 1 damaged, 2 nothing here, 4 a run is at work, or the files are not a
    run's or an older version's, 5 unfinished: the same command goes on.

    Example: curate doctor out/demo
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, printable_line

    found = api.diagnose(run)
    code: int = found["exit_code"]
    if json:
        answer(as_json(found))
        return code
    answer(printable_line(f"{found['state']}: {found['what']}"))
    if found["holder"] and found["state"] != "running":
        answer(printable_line(f"  last writer: {found['holder']}"))
    for step, tasks in found["tasks"].items():
        answer(printable_line(f"  {step}: {tasks} done"))
    for problem in found["damaged"]:
        answer(printable_line(f"  {problem}"))
    answer(printable_line(f"  next: {found['next']}"))
    return code
