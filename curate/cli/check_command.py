"""`curate check`: do profiles leave clean text alone."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    profiles: Annotated[
        list[str] | None, typer.Argument(help="Profiles; all with samples if none.")
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0, max=1, help="False rejection that is allowed.")
    ] = 0.02,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Run each profile on clean samples of its language; exit 3 above its false-rejection budget.

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
        complain(f"profile {name} rejects {checked[name]['share']:.1%} of its clean samples")
    return 3 if failed else 0
