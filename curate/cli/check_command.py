"""`curate check`: count what profiles reject of clean text."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json, SourceField, TextField


def command(
    profiles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROFILE", help="Names or paths; default: all that have clean samples."
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Your own clean documents; may be repeated."),
    ] = None,
    text: TextField = "text",
    source_field: SourceField = None,
    budget: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="False rejections allowed.")
    ] = 0.02,
    json: Json = False,
) -> int:
    """Run profiles on clean text of their languages.

    The columns low and high are the 95 % interval of the share. Exit code 3 if a profile rejects
    more than the budget; its rules are then listed. A reference that says little is named.

    Example: curate check kaz_Cyrl
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, complain, table

    checked = api.check(
        profiles or None,
        reference=reference or None,
        text=text,
        source=source_field,
        budget=budget,
    )
    if json:
        answer(as_json(checked))
    else:
        table(
            ("profile", "samples", "sources", "rejected", "share", "low", "high", "worst rule"),
            [
                (
                    name,
                    row["samples"],
                    row["domains"],
                    row["rejected"],
                    *(f"{row[part]:.1%}" for part in ("share", "low", "high")),
                    next(iter(row["rules"]), ""),
                )
                for name, row in checked.items()
            ],
        )
    failed = [name for name, row in checked.items() if row["share"] > budget]
    for name in failed:
        rules = ", ".join(f"{rule} {share:.1%}" for rule, share in checked[name]["rules"].items())
        complain(
            f"profile {name} rejects {checked[name]['share']:.1%} of its clean samples,"
            f" {budget:.1%} are allowed; by rule: {rules}"
        )
    for name, row in checked.items():
        if row.get("doubts"):
            complain(f"the reference says little of {name}: {'; '.join(row['doubts'])}")
    return 3 if failed else 0
