"""`curate stage`: one stage of a recipe, tried or run."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    name: Annotated[str, typer.Argument(help="A stage of the recipe, for example `judge`.")],
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe.")],
    output: Annotated[str | None, typer.Option(help="Where to write; not with --dry-run.")] = None,
    input: Annotated[list[str] | None, typer.Option(help="SOURCE=PATH, repeatable.")] = None,
    set: Annotated[list[str] | None, typer.Option(help="key.path=value, repeatable.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try it on a sample; write nothing.")
    ] = False,
    sample: Annotated[int, typer.Option(min=1, help="Documents of the sample.")] = 200,
    scan: Annotated[int, typer.Option(min=1, help="Bytes of text to choose from.")] = 64 << 20,
    engine: Annotated[str, typer.Option(help="ray or in-process.")] = "in-process",
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Run a recipe up to one stage, or try that stage on a sample of documents.

    Example: curate stage judge demo --dry-run --sample 200
    """
    from curate.cli.inputs import replaced
    from curate.errors import RecipeError
    from curate.recipe import model

    read = model.load(recipe, inputs=dict(replaced(input)), settings=set or ())
    if dry_run:
        return _try(name, read, sample, scan, json)
    if output is None:
        raise RecipeError("stage needs --output, or --dry-run to write nothing")
    from curate import api
    from curate.cli.terminal import answer, progress

    listener = progress()
    try:
        result = api.run(api.until(read, name), output=output, engine=engine, progress=listener)
    finally:
        listener.close()
    answer(f"documents: {result.output.rstrip('/')}/mixture")
    return result.exit_code


def _try(name: str, recipe: object, sample: int, scan: int, json: bool) -> int:
    from curate import plan as planning
    from curate.cli.terminal import answer, as_json, table
    from curate.engine.dry_run import dry_run
    from curate.recipe.model import Recipe

    assert isinstance(recipe, Recipe)
    tried = dry_run(planning.build(recipe), name, sample=sample, scan=scan)
    if json:
        answer(as_json({**tried._asdict(), "kept": tried.kept._asdict()}))
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
    if tried.tally:
        answer()
        table(("counted", "times"), list(tried.tally.items()))
    if tried.mixture:
        answer()
        table(
            ("phase", "group", "asked", "available", "got", "share asked", "share got"),
            [
                (
                    row["phase"],
                    row["group"],
                    row["asked"],
                    row["available"],
                    row["amount"],
                    f"{row['asked_share']:.4f}",
                    f"{row['share'] or 0:.4f}",
                )
                for row in tried.mixture
            ],
        )
    for example in tried.examples:
        answer()
        value = example["dropped_value"]
        measured = "" if value is None else f" = {value:g}"
        answer(f"{example['dropped_by']}{measured}  {example['id']}")
        answer(f"  {example['text']}")
    return 0
