"""`curate report`: rebuild the report of a finished run."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json, RunFolder


def command(
    run: RunFolder,
    slides: Annotated[
        bool,
        typer.Option("--slides", help="Write three SVG pictures for a talk, too: slide-*.svg."),
    ] = False,
    json: Json = False,
) -> int:
    """Rebuild a finished run's report and print it.

    Example: curate report out/demo
    """
    import json as decoder

    from curate import api
    from curate.cli.terminal import answer, as_json, say

    files = api.rebuild_report(run, slides=slides)
    for name in files:
        if name.endswith(".svg"):
            say(f"slide: {run.rstrip('/')}/{name}")
    if json:
        answer(as_json(decoder.loads(files["report.json"])))
    else:
        answer(files["report.md"].decode())
    return 0
