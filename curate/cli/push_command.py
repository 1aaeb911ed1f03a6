"""`curate push`: upload a finished run to the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json, RunFolder


def command(
    run: RunFolder,
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Dataset on the Hub, as owner/name.")
    ],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; else it is private.")
    ] = False,
    reports: Annotated[
        bool,
        typer.Option("--reports", help="Send manifest and reports too; they quote dropped texts."),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Branch to write to; else main.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and list what would be sent; send nothing.")
    ] = False,
    json: Json = False,
) -> int:
    """Upload a finished run to the Hugging Face Hub.

    Uploads the product in all its formats, the card, the recipe and the filters; never rejected
    rows. datasets.load_dataset finds the phases. The run is verified first, and refused if a file
    to send seems to contain a secret. Log in with `hf auth login`, or set HF_TOKEN.

    Example: curate push out/demo my-team/my-mixture --dry-run
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, say, table
    from curate.report.format import size

    done = api.push(
        run, repository, public=public, reports=reports, revision=revision, dry_run=dry_run
    )
    if json:
        answer(as_json({"address": done.address, "files": [list(file) for file in done.files]}))
        return 0
    table(("file", "size"), [(path, size(count)) for path, count in done.files])
    total = size(sum(count for _, count in done.files))
    if done.address is None:
        say(f"{len(done.files)} files, {total}; nothing was sent")
    else:
        say(f"{len(done.files)} files, {total}")
        answer(f"dataset: {done.address}")
    return 0
