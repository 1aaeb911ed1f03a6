"""`curate report`: rebuild the report of a finished run."""

from __future__ import annotations

from curate.cli.options import Json, RunFolder


def command(run: RunFolder, json: Json = False) -> int:
    """Rebuild a finished run's report and print it.

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
