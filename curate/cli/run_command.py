"""`curate run`: run a recipe into a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli import options


def command(
    recipe: options.RecipeName,
    output: options.OutputUnlessDry = None,
    input: options.Inputs = None,
    set: options.Settings = None,
    without: options.Without = None,
    engine: options.EngineName = "auto",
    workers: options.Workers = None,
    address: options.Address = None,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=0,
            help="How long a Ray cluster may have no CPU. [no limit]",
        ),
    ] = None,
    resume: options.Resume = False,
    fresh: options.Fresh = False,
    force: options.Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan, and try all stages on a sample; write nothing.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Documents in the sample of a dry run. [300]"),
    ] = None,
    keep_work: Annotated[
        bool,
        typer.Option(
            "--keep-work", help="Keep intermediate files; --resume then judges by changed rules."
        ),
    ] = False,
    json: options.Json = False,
) -> int:
    """Run a recipe into a folder.

    With --dry-run: what each stage keeps of a sample, with its 95 % interval, rules and examples,
    and what the whole comes to.

    After an interruption the same command continues where it stopped; after success it does
    nothing.

    Example: curate run demo --output out/demo
    """
    from curate import api
    from curate.cli import print_result, terminal
    from curate.errors import RecipeError

    if dry_run:
        from curate.cli.dry_run import try_all
        from curate.recipe.recipe import load_recipe

        inputs = dict(options.parse_inputs(input))
        return try_all(
            load_recipe(recipe, inputs=inputs, settings=set or (), without=without or ()),
            sample or 300,
            json,
        )
    if sample is not None:
        raise RecipeError("--sample is of a dry run alone", hint="add --dry-run, or leave it out")
    if output is None:
        raise RecipeError("run needs --output", hint="or --dry-run, which writes nothing")
    options.check_output(engine, address, output)
    with terminal.progress() as listener:
        result = api.run(
            recipe,
            output=output,
            inputs=options.parse_inputs(input),
            engine=engine,
            workers=workers,
            address=address,
            wait=wait,
            resume=resume,
            fresh=fresh,
            force=force,
            keep_work=keep_work,
            settings=set or (),
            without=without or (),
            progress=listener,
        )
    if not json:
        print_result.mixture(result.manifest["mixture"], terminal.say)
    return print_result.print_result(result, json)
