"""`curate stage`: try one stage of a recipe, or run up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli import completion, options

if TYPE_CHECKING:
    from curate.recipe.recipe import Recipe


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STAGE",
            help="A stage of the recipe, for example judge.",
            autocompletion=completion.stages,
        ),
    ],
    recipe: options.RecipeName,
    output: options.OutputUnlessDry = None,
    input: options.Inputs = None,
    set: options.Settings = None,
    without: options.Without = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try the stage on a sample; write nothing.")
    ] = False,
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="Documents in the sample.")] = 200,
    scan: Annotated[
        int, typer.Option(min=1, metavar="BYTES", help="Bytes of text to choose the sample from.")
    ] = 64 << 20,
    engine: options.EngineName = "auto",
    workers: options.Workers = None,
    address: options.Address = None,
    force: options.Force = False,
    json: options.Json = False,
) -> int:
    """Try one stage on a sample, or run a recipe up to it.

    With --dry-run: prints the share kept with its 95 % interval, each rule, and examples. The
    sample is chosen by hash, so the same command prints the same result. A dedup stage is tried on
    all documents scanned. With --output: runs everything up to and including the stage; what it
    kept is in mixture/.

    Example: curate stage judge demo --dry-run --sample 200
    """
    from curate.errors import RecipeError
    from curate.recipe.recipe import load_recipe

    if output is None and not dry_run:
        raise RecipeError("stage needs --output", hint="or --dry-run, which writes nothing")
    inputs = dict(options.parse_inputs(input))
    read = load_recipe(recipe, inputs=inputs, settings=set or (), without=without or ())
    if dry_run:
        return _try(name, read, sample, scan, json)
    from curate import api
    from curate.cli import print_result
    from curate.cli.terminal import progress

    options.check_output(engine, address, str(output))
    with progress() as listener:
        result = api.run(
            api.until(read, name),
            output=str(output),
            engine=engine,
            workers=workers,
            address=address,
            force=force,
            progress=listener,
        )
    return print_result.print_result(result, json)


def _try(name: str, recipe: Recipe, sample: int, scan: int, json: bool) -> int:
    from curate.cli import print_result
    from curate.cli.terminal import answer, as_json, printable_line, table
    from curate.inspection.dry_run import dry_run
    from curate.plan import build as planning

    tried = dry_run(planning.build(recipe), name, sample=sample, scan=scan)
    if json:
        answer(as_json(tried.as_json()))
        return 0
    low, high = tried.kept.low, tried.kept.high
    answer(
        f"{tried.stage}: kept {tried.kept.share:.1%} of {tried.came} documents"
        f" (95 % interval {low:.1%} to {high:.1%}); {tried.scanned} scanned, nothing written"
    )
    if tried.note:
        answer(tried.note)
    if tried.dropped:
        answer()
        table(
            ("rule", "dropped", "share", "95 % interval"),
            [
                (rule, count, f"{share:.1%}", f"{low:.1%} to {high:.1%}")
                for rule, (count, (share, low, high)) in tried.dropped.items()
            ],
        )
    if counted := list(tried.short_tally.items()):
        answer()
        # Which examples of evaluation sets were found is in --json: there may be thousands.
        table(("counted", "times"), counted)
    if tried.mixture:
        answer()
        print_result.mixture(tried.mixture, answer)
    for example in tried.examples:
        answer()
        value = example["dropped_value"]
        measured = "" if value is None else f" = {value:.4g}"
        answer(printable_line(f"{example['dropped_by']}{measured}  {example['id']}"))
        if example.get("duplicate_of"):
            answer(printable_line(f"  duplicate of {example['duplicate_of']}"))
        answer(printable_line(f"  {example['text']}"))
    return 0
