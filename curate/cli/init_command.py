"""`curate init`: write a first recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the recipe; it is written to NAME.toml.")
    ],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders, patterns or addresses; SOURCE=PATH names the source. In a"
            " terminal: asked for.",
        ),
    ] = None,
    ratio: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO", help="Languages with weights: kk=3,ru+tr=1,en=3. [all that is kept]"
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="tokens, bytes or documents.")
    ] = "tokens",
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="N", help="Amount in all, in the unit.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="What counts tokens. [tekken]")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text-field", "--text", metavar="FIELD", help="Field with the text. [found]"
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Replace the file if it exists.")] = False,
) -> int:
    """Write a commented recipe for files of yours.

    Formats and fields are found by looking at the files, and it is checked that the recipe can be
    run. Without PATH it asks, in a terminal.

    Example: curate init mine books=sample_data/books.parquet --ratio kk=3,en=1
    """
    from curate.api.new_recipe import new_recipe
    from curate.cli.terminal import answer, say
    from curate.errors import RecipeError, RefusedError
    from curate.storage.store import open_store

    name = name.removesuffix(".toml")
    file = Path(f"{name}.toml")
    if file.exists() and not fresh:
        raise RefusedError("the file exists", where=str(file), hint="another NAME, or --fresh")
    if not paths:
        if not sys.stdin.isatty():
            raise RecipeError("no data is named", hint=f"curate init {name} FILE_OR_FOLDER")
        paths, ratio = _ask(ratio)
    recipe = new_recipe(
        name, paths, ratio=ratio, unit=unit, budget=budget, tokenizer=tokenizer, text=text
    )
    open_store(".").replace(file.name, recipe.encode())
    answer(str(file))
    say(f"next: curate plan {file}\nthen: curate run {file} --output out/{name}")
    return 0


def _ask(ratio: str | None) -> tuple[list[str], str | None]:
    """Ask for what the command line leaves out; an empty line ends the paths."""
    paths: list[str] = []
    while path := _answer(
        "More data (empty: no more): "
        if paths
        else "Data (file, folder, pattern or address; SOURCE=PATH names it): "
    ):
        paths.append(path)
    if not paths:
        raise typer.Abort
    asked = "Ratio of languages, such as kk=3,ru+tr=1,en=3 (empty: all that is kept): "
    return paths, ratio or _answer(asked) or None


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
