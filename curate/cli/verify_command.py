"""`curate verify`: does a finished run keep its promises."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="Folder or address of a finished run.")],
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Check a finished run: files and digests, accounting, keys, witnesses of removed duplicates.

    Example: curate verify out/demo
    """
    from curate.cli.terminal import answer, as_json, complain
    from curate.engine.verify import manifest_of, verify
    from curate.io.store import open_store

    store = open_store(run)
    problems = verify(store)
    manifest = manifest_of(store)
    if json:
        answer(as_json({"problems": problems, "totals": manifest["totals"]}))
    else:
        for problem in problems:
            complain(problem)
        if not problems:
            answer(
                f"sound: {len(manifest['files'])} files, {manifest['totals']['records']} records"
                " accounted for, every removed duplicate has a kept witness"
            )
    return 1 if problems else 0
