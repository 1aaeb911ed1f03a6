"""`curate report`: the report of a finished run, built anew."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="Folder or address of a finished run.")],
    json: Annotated[bool, typer.Option("--json", help="Print report.json instead.")] = False,
) -> int:
    """Build a finished run's report anew from its manifest, and print it.

    Example: curate report out/demo
    """
    from curate import api
    from curate.cli.terminal import answer

    files = api.rebuild_report(run)
    answer(files["report.json" if json else "report.md"].decode())
    return 0
