"""`curate report`: the report of a finished run, built anew."""

from __future__ import annotations

from curate.cli.options import Json, RunFolder


def command(run: RunFolder, json: Json = False) -> int:
    """Build a finished run's report anew and print it.

    Example: curate report out/demo
    """
    import json as decoder

    from curate import api
    from curate.cli.terminal import answer, as_json

    files = api.rebuild_report(run)
    if json:
        answer(as_json(decoder.loads(files["report.json"])))
    else:
        answer(files["report.md"].decode())
    return 0
