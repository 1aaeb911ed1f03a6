"""`curate sample`: documents of a finished run to read and to label."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli import completion
from curate.cli.options import Json, RunFolder


def command(
    run: RunFolder,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="Of the documents that this rule dropped.")
    ] = None,
    kept: Annotated[
        bool, typer.Option("--kept", help="Of the documents that passed every stage.")
    ] = False,
    edge: Annotated[
        str | None,
        typer.Option(
            metavar="SIGNAL",
            help="Those nearest to the limits of a signal, half on each side, among the documents"
            " that no other rule drops.",
        ),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(
            metavar="LANG",
            help="Of one language: a label, code or name.",
            autocompletion=completion.labels,
        ),
    ] = None,
    by_source: Annotated[
        bool, typer.Option("--by-source", help="The same number of each source.")
    ] = False,
    n: Annotated[
        int, typer.Option("-n", min=1, max=100_000, metavar="N", help="How many documents.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed, other ones.")] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "--out",
            metavar="FILE",
            help="Write JSON lines for `curate label` and `evaluate`.",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Take a fair sample of a finished run, for labels.

    The documents with the smallest hash of seed and id: the same ones in every run over the same
    input, whatever its rules.

    Example: curate sample out/demo -n 3
    """
    from curate import api
    from curate.cli.terminal import answer, as_json

    rows = api.sample(
        run,
        n,
        rule=rule,
        kept=kept,
        edge=edge,
        lang=lang,
        by_source=by_source,
        seed=seed,
        output=out,
    )
    if json:
        answer(as_json(rows))
    elif out is not None:
        answer(f"{len(rows)} documents: {out}")
        answer(f"next: curate label {out}")
    else:
        for row in rows:
            _print(row)
    return 0


def _print(row: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, printable_line

    verdict = "kept"
    if row["dropped_by"]:
        value = row["dropped_value"]
        verdict = f"dropped by {row['dropped_by']}" + ("" if value is None else f" ({value:.4g})")
    answer(printable_line(f"{row['id']}  {row['lang'] or ''}  {verdict}"))
    text = " ".join((row["text"] or "")[:800].split())
    answer(printable_line(f"  {text[:300]}{' …' if len(text) > 300 else ''}"))
