"""`curate mix`: a mixture at a ratio alone."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    paths: Annotated[
        list[str], typer.Argument(help="JSONL or Parquet files, folders or patterns.")
    ],
    ratio: Annotated[
        str, typer.Option(help="For example kaz_Cyrl=3,rus_Cyrl+tur_Latn=1,eng_Latn=3.")
    ],
    output: Annotated[
        str | None, typer.Option(help="Folder or address; not with --dry-run.")
    ] = None,
    text: Annotated[str, typer.Option(help="The field with the text.")] = "text",
    unit: Annotated[str, typer.Option(help="tokens, bytes or documents.")] = "tokens",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Units in all; else the most there is.")
    ] = None,
    max_epochs: Annotated[float, typer.Option(min=1, help="How often a document may come.")] = 1.0,
    shortage: Annotated[str, typer.Option(help="shrink, repeat or fail.")] = "shrink",
    seed: Annotated[int, typer.Option(help="Which sample.")] = 0,
    engine: Annotated[str, typer.Option(help="ray or in-process.")] = "ray",
    workers: Annotated[int | None, typer.Option(min=1, help="CPUs to use.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Replace what is in the folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the table; write nothing.")
    ] = False,
) -> int:
    """Mix languages at a ratio of tokens, bytes or documents, to within one document.

    Example: curate mix sample_data/books.parquet --ratio eng_Latn=1,rus_Cyrl=1 --output out/mix
    """
    from curate import api
    from curate.cli.terminal import answer, progress, table
    from curate.errors import RecipeError

    options = {"unit": unit, "budget": budget, "max_epochs": max_epochs, "shortage": shortage}
    recipe = api.mix_recipe(paths, ratio=ratio, text=text, seed=seed, options=options)
    if dry_run:
        from curate import plan as planning
        from curate.engine.dry_run import dry_run as try_it

        tried = try_it(planning.build(recipe), "mix", sample=2000, scan=256 << 20)
        answer(tried.note)
        rows = tried.mixture
    else:
        if output is None:
            raise RecipeError("mix needs --output, or --dry-run to write nothing")
        listener = progress()
        try:
            result = api.run(
                recipe,
                output=output,
                engine=engine,
                workers=workers,
                fresh=fresh,
                progress=listener,
            )
        finally:
            listener.close()
        rows = result.manifest["mixture"]
    table(
        ("phase", "group", "available", "asked", "got", "share asked", "share got", "epochs"),
        [
            (
                row["phase"],
                row["group"],
                row["available"],
                row["asked"],
                row["amount"],
                f"{row['asked_share']:.4f}",
                f"{row['share'] or 0:.4f}",
                f"{row['epochs']:.3f}",
            )
            for row in rows
        ],
    )
    if dry_run:
        return 0
    answer(f"mixture: {result.output.rstrip('/')}/mixture")
    return result.exit_code
