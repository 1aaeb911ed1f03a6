"""`curate run`: run a recipe into a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import (
    EngineName,
    Fresh,
    Inputs,
    Json,
    Output,
    RecipeName,
    Resume,
    Settings,
    Workers,
    check_output,
    parse_inputs,
)


def command(
    recipe: RecipeName,
    output: Output,
    input: Inputs = None,
    set: Settings = None,
    engine: EngineName = "ray",
    workers: Workers = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster: auto inside `ray job submit`."),
    ] = None,
    resume: Resume = False,
    fresh: Fresh = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and plan; write nothing.")
    ] = False,
    keep_work: Annotated[
        bool, typer.Option("--keep-work", help="Keep intermediate files after publishing.")
    ] = False,
    json: Json = False,
) -> int:
    """Run a recipe into a folder.

    After an interruption the same command continues where it stopped; after success it does
    nothing.

    Example: curate run demo --output out/demo
    """
    from curate import api
    from curate.cli import outcome, terminal

    if dry_run:
        from curate.cli import plan_command

        return plan_command.command(recipe, input=input, set=set, json=json)
    check_output(engine, address, output)
    listener = terminal.progress()
    try:
        result = api.run(
            recipe,
            output=output,
            inputs=parse_inputs(input),
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
    if not json:
        outcome.mixture(result.manifest["mixture"], terminal.say)
    return outcome.print_result(result, json)
