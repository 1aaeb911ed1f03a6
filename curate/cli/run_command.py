"""`curate run`: a recipe into a folder."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, for example `demo`.")],
    output: Annotated[str, typer.Option(help="Folder or address of the run.")],
    input: Annotated[
        list[str] | None,
        typer.Option(help="SOURCE=PATH, repeatable; sources not named are left out."),
    ] = None,
    engine: Annotated[str, typer.Option(help="ray or in-process.")] = "ray",
    workers: Annotated[int | None, typer.Option(min=1, help="CPUs to use.")] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster; `auto` inside `ray job submit`.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on although recipe or inputs changed.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away what is in the folder first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and plan, write nothing.")
    ] = False,
    keep_work: Annotated[
        bool, typer.Option("--keep-work", help="Keep intermediate files after publishing.")
    ] = False,
    set: Annotated[
        list[str] | None, typer.Option(help="key.path=value, replaces one key of the recipe.")
    ] = None,
) -> int:
    """Run a recipe into a folder; run again after any death, it goes on where it was.

    Example: curate run demo --output out
    """
    from curate import api
    from curate.cli import terminal
    from curate.cli.inputs import replaced

    if dry_run:
        from curate.cli import plan_command

        return plan_command.command(recipe, input=input, set=set)
    listener = terminal.progress()
    try:
        result = api.run(
            recipe,
            output=output,
            inputs=replaced(input),
            engine=engine,
            workers=workers,
            address=address,
            resume=resume,
            fresh=fresh,
            keep_work=keep_work,
            settings=set or (),
            progress=listener,
        )
    finally:
        listener.close()
    totals = result.manifest["totals"]
    if result.reused:
        terminal.say("this run was finished before; nothing to do")
    terminal.say(
        f"{totals['records']} records: {totals['skipped']} skipped, {totals['quarantined']} quarantined,"
        f" {totals['documents']} documents; {totals['dropped']} dropped, {totals['curated']} curated,"
        f" {totals['taken']} taken"
    )
    for row in result.manifest["mixture"]:
        if row.get("share") is not None:
            terminal.say(
                f"  {row['phase']} {row['group']}: asked {row['asked_share']:.4f}, got {row['share']:.4f},"
                f" {row['documents']} documents, {row['tokens']} tokens"
            )
    for complaint in result.complaints:
        terminal.complain(complaint)
    base = result.output.rstrip("/")
    terminal.answer(f"mixture: {base}/mixture")
    terminal.answer(f"report:  {base}/report.html")
    return result.exit_code
