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
    open: Annotated[
        bool, typer.Option("--open", help="Open report.html in a browser; print nothing.")
    ] = False,
    json: Json = False,
) -> int:
    """Rebuild a finished run's report and print it.

    On a terminal its tables fit the width; in a pipe it is Markdown.

    Example: curate report out/demo
    """
    import json as decoder
    import webbrowser
    from pathlib import Path

    from curate import api
    from curate.cli.terminal import answer, as_json, print_markdown, say
    from curate.errors import RecipeError, ResourceError

    files = api.rebuild_report(run, slides=slides)
    for name in files:
        if name.endswith(".svg"):
            say(f"slide: {run.rstrip('/')}/{name}")
    if open:
        if "://" in run:
            raise RecipeError("a browser opens what is on this machine", where=run)
        page = Path(run) / "report.html"
        if not webbrowser.open(page.resolve().as_uri()):
            raise ResourceError(
                "no browser could be started", where=str(page), hint="open it there"
            )
        answer(str(page))
    elif json:
        answer(as_json(decoder.loads(files["report.json"])))
    else:
        print_markdown(files["report.md"].decode())
    return 0
