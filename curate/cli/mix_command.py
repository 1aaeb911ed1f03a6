"""`curate mix`: mix languages at a ratio."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli import options


def command(
    paths: options.Files,
    ratio: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO",
            help="Languages and weights: kaz_Cyrl=3,rus_Cyrl+tur_Latn=1,eng_Latn=3.",
        ),
    ] = None,
    output: options.OutputUnlessDry = None,
    text: options.TextField = "text",
    id: options.IdField = None,
    url: options.UrlField = None,
    date: options.DateField = None,
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="tokens, bytes or documents.")
    ] = "tokens",
    budget: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Amount in all; else as much as possible."),
    ] = None,
    max_epochs: Annotated[
        float, typer.Option(min=1, metavar="N", help="Passes over a document at most.")
    ] = 1.0,
    shortage: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="shrink, repeat or fail where a group has too little;"
            " repeat if --max-epochs is above 1, else shrink.",
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="A", help="Weigh a group's languages by amount ** A."),
    ] = 1.0,
    validation: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Hold out this share of the documents, at most 0.5."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the sample.")] = 0,
    engine: options.EngineName = "auto",
    workers: options.Workers = None,
    address: options.Address = None,
    fresh: options.Fresh = False,
    force: options.Force = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--candidates",
            min=1,
            metavar="N",
            help="Draw N mixtures of a finished run for proxy runs: a table, and a recipe of each.",
        ),
    ] = None,
    around: Annotated[
        str,
        typer.Option(
            metavar="CENTRE",
            help="With --candidates: their mean is the mixture's ratio, or natural (as available).",
        ),
    ] = "ratio",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the table; write nothing.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Mix languages at a ratio of tokens, bytes or documents.

    The ratio is met to within one document per group.

    Example: curate mix sample_data/books.parquet --ratio eng_Latn=1,rus_Cyrl=1 --output out/mix

    PATH may be a recipe that mixes (.toml). With --candidates it is the folder of a finished run,
    or such a recipe.
    """
    from curate import api
    from curate.cli import print_result
    from curate.cli.terminal import answer, as_json, progress, say
    from curate.errors import RecipeError

    if output is None and not dry_run:
        raise RecipeError("mix needs --output", hint="or --dry-run, which writes nothing")
    is_recipe = len(paths) == 1 and paths[0].endswith(".toml")
    stated = {
        "--ratio": ratio is not None,
        "--unit": unit != "tokens",
        "--budget": budget is not None,
        "--max-epochs": max_epochs != 1,
        "--shortage": shortage is not None,
        "--alpha": alpha != 1,
        "--validation": validation is not None,
        "--seed": seed != 0,
    }
    if count is not None:
        allowed = ("--budget", "--seed") if is_recipe else ("--budget", "--seed", "--ratio")
        _refuse([name for name in stated if stated[name] and name not in allowed], "the candidates")
        if len(paths) != 1:
            raise RecipeError("candidates are drawn of one finished run", hint="name its folder")
        if around not in ("ratio", "natural"):
            raise RecipeError(f"--around {around}", hint="ratio or natural")
        rows = api.mix_candidates(
            paths[0],
            count,
            seed=seed,
            budget=budget,
            around="natural" if around == "natural" else "ratio",
            ratio=ratio,
            output=None if dry_run else output,
        )
        if json:
            answer(as_json(rows))
        else:
            print_result.candidates(rows, answer)
            if not dry_run:
                answer(f"candidates: {output}")
                say(f"next: curate mix {output}/candidate-01.toml --output DIR")
        return 0
    if is_recipe:
        _refuse([name for name in stated if stated[name]], paths[0])
        from curate.recipe.recipe import load_recipe

        recipe = load_recipe(paths[0])
    elif ratio is None:
        raise RecipeError("mix needs --ratio", hint="--ratio kaz_Cyrl=3,eng_Latn=1")
    else:
        recipe = api.mix_recipe(
            paths,
            ratio=ratio,
            text=text,
            id=id,
            url=url,
            date=date,
            unit=unit,
            budget=budget,
            max_epochs=max_epochs,
            shortage=shortage,
            alpha=alpha,
            validation=validation,
            seed=seed,
        )
    if dry_run:
        from curate.inspection.dry_run import dry_run as try_it
        from curate.plan import build as planning
        from curate.plan.outline import outline

        plan = planning.build(recipe)
        sources = outline(plan)["sources"]
        sizes = {name: source["text_estimated"] for name, source in sources.items()}
        tried = try_it(plan, plan.mix.name, sample=2000, scan=256 << 20, text_bytes=sizes)
        if json:
            answer(as_json({"mixture": tried.mixture, "note": tried.note}))
        else:
            say(tried.note)
            print_result.mixture(tried.mixture, answer)
        return 0
    options.check_output(engine, address, str(output))
    with progress() as listener:
        result = api.run(
            recipe,
            output=str(output),
            engine=engine,
            workers=workers,
            address=address,
            fresh=fresh,
            force=force,
            progress=listener,
        )
    if not json:
        print_result.mixture(result.manifest["mixture"], answer)
    return print_result.print_result(result, json)


def _refuse(options_given: list[str], who: str) -> None:
    """Raise RecipeError where options say what a recipe says."""
    from curate.errors import RecipeError

    if options_given:
        raise RecipeError(
            f"the mixture of {who} is in a recipe, and {options_given[0]} says something else",
            hint="change the key [mixture] of the recipe",
        )
