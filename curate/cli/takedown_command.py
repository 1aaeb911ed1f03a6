"""`curate takedown`: take documents out of a finished run and of its dedup stores."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json, RunFolder


def command(
    run: RunFolder,
    urls: Annotated[
        str | None, typer.Option(metavar="FILE", help="Addresses of pages, one per line.")
    ] = None,
    domains: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Domains, one per line; each with all hosts below it."),
    ] = None,
    ids: Annotated[
        str | None, typer.Option(metavar="FILE", help="Ids of documents, one per line.")
    ] = None,
    keep_copies: Annotated[
        bool,
        typer.Option("--keep-copies", help="Leave what a dedup found to be a copy of the text."),
    ] = False,
    without_stores: Annotated[
        bool, typer.Option("--without-stores", help="Leave the run's dedup stores as they are.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go; change nothing.")
    ] = False,
    json: Json = False,
) -> int:
    """Take documents out of a finished run, for good.

    They leave the product in all its forms, rejected/, the clusters, the report and kept work, and
    the dedup stores that the run used; later runs with such a store drop what comes back. Counts
    balance (rule taken_down), digests are renewed, and takedowns/ keeps the list that was given.
    Nothing is refilled: the report states the ratio that is left. Killed at any moment, the run is
    as before or as after; the same command again ends it, and changes nothing once it is done.

    Example: curate takedown out/demo --domains domains.txt --dry-run
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, printable_line, say

    done = api.take_down(
        run,
        urls=urls,
        domains=domains,
        ids=ids,
        copies=not keep_copies,
        stores=not without_stores,
        dry_run=dry_run,
    )
    if json:
        answer(as_json(done))
        return 0
    counts, total = done["documents"], sum(done["documents"].values())
    copies = total - done["matched"]
    answer(
        f"{'would be ' if dry_run else ''}taken down: {total:,} documents"
        f" ({done['matched']:,} on the list, {copies:,} copies of their texts)"
    )
    answer(
        f"  {counts['product']:,} of the product in {done['rows']:,} rows,"
        f" {counts['over_budget']:,} over budget, {counts['dropped']:,} that were dropped"
    )
    for address, documents in done["stores"].items():
        answer(printable_line(f"  {documents:,} of the dedup store {address}"))
    if done["copies_left"]:
        answer(f"  {done['copies_left']:,} documents that dedup found to be copies stay")
    if done["without_address"] and not ids:
        say(
            f"{done['without_address']:,} documents of the run have no address, so only --ids takes"
            " them"
        )
    if not dry_run and not done["changed"]:
        say("nothing was left to take down")
    return 0
