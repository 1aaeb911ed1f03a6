"""`curate check`: do profiles leave clean text alone."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json


def command(
    profiles: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROFILE", help="All that have clean samples if none."),
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="False rejections allowed.")
    ] = 0.02,
    json: Json = False,
) -> int:
    """Run profiles on clean text of their languages.

    Exit code 3 if one of them rejects more than the budget.

    Example: curate check kaz_Cyrl
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, complain, table

    checked = api.check(profiles or None)
    if json:
        answer(as_json(checked))
    else:
        table(
            ("profile", "samples", "rejected", "share", "worst rule"),
            [
                (
                    name,
                    row["samples"],
                    row["rejected"],
                    f"{row['share']:.1%}",
                    next(iter(row["rules"]), ""),
                )
                for name, row in checked.items()
            ],
        )
    failed = [name for name, row in checked.items() if row["share"] > budget]
    for name in failed:
        complain(
            f"profile {name} rejects {checked[name]['share']:.1%} of its clean samples,"
            f" {budget:.1%} are allowed"
        )
    return 3 if failed else 0
