"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli import completion
from curate.errors import RecipeError, RefusedError
from curate.paths import local_path

RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="Name or path of a recipe, for example demo.",
        autocompletion=completion.recipes,
    ),
]
RunFolder = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder or address of a finished run.")
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Files, folders, patterns or addresses; the ending of each file tells its format.",
    ),
]
Output = Annotated[str, typer.Option(metavar="DIR", help="Folder or address of the result.")]
OutputUnlessDry = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Folder or address of the result; not with --dry-run."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE=PATH",
        help="Paths of a source; may be repeated. Sources not named are then left out.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Replace a key of the recipe, for example seed=7 or stages.fuzzy_dedup.threshold=0.7.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="GROUP", help="Leave a group out of the mixture; may be repeated."),
]
EngineName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="ray, in-process, or auto: in-process where Ray would cost more.",
        autocompletion=completion.engines,
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="CPUs to use on Ray.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A Ray cluster: HOST:PORT, auto inside `ray job submit`, or local for one of its own;"
        " else RAY_ADDRESS, else local.",
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Start over. A finished product stays until the new one replaces it."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Run although disk or memory is estimated not to suffice."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue although recipe, profiles or inputs changed.")
]
TextField = Annotated[
    str, typer.Option("--text-field", "--text", metavar="FIELD", help="Field with the text.")
]
SourceField = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Field with the source of a document, instead of its file."),
]
IdField = Annotated[
    str | None,
    typer.Option("--id-field", metavar="FIELD", help="Field with a record's own id."),
]
DateField = Annotated[
    str | None,
    typer.Option(
        "--date-field",
        metavar="FIELD",
        help="Field with the date, in ISO 8601 or as a number since 1970.",
    ),
]
UrlField = Annotated[
    str | None, typer.Option("--url-field", metavar="FIELD", help="Field with the address.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def parse_inputs(options: list[str] | None) -> dict[str, list[str]]:
    """Parse SOURCE=PATH options; a source named twice has both paths.

    >>> parse_inputs(["wiki=a.xml", "wiki=b.xml"])
    {'wiki': ['a.xml', 'b.xml']}
    """
    inputs: dict[str, list[str]] = {}
    for item in options or []:
        source, equals, path = item.partition("=")
        if not equals or not source or not path:
            raise RecipeError(
                f"--input needs SOURCE=PATH, not '{item}'", hint="for example --input wiki=dump.xml"
            )
        inputs.setdefault(source, []).append(path)
    return inputs


def check_output(engine: str, address: str | None, output: str) -> None:
    """Refuse an engine, address or output that cannot work.

    Raise RecipeError for an unknown engine and for ``ray://``, RefusedError for an output that is
    a file.
    """
    from curate.api.engines import check_engine

    check_engine(engine, address)
    if not output.strip():
        hint = "is a variable not set? The current folder is named ."
        raise RecipeError("the name of the output is empty", hint=hint)
    if "://" in output:
        return
    folder = local_path(output)
    first = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if first is not None and not first.is_dir():
        what = "the output is" if first == folder else "a part of the output's path is"
        raise RefusedError(
            f"{what} a file, not a folder", where=str(first), hint="choose another --output"
        )
