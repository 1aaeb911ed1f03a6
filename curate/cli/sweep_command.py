"""`curate sweep`: what a run would keep at other limits of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from curate.cli import completion
from curate.cli.options import Json, RunFolder

_BAR = 24


def command(
    run: RunFolder,
    signal: Annotated[str, typer.Option(metavar="SIGNAL", help="A signal that the run measured.")],
    lang: Annotated[
        str | None,
        typer.Option(
            metavar="LANG",
            help="Of one language: a label, code or name.",
            autocompletion=completion.labels,
        ),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(
            metavar="VALUE", help="A limit to try; may be repeated. Examples are near it."
        ),
    ] = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page with curves and examples.")
    ] = None,
    json: Json = False,
) -> int:
    """Draw what a run would keep at other limits of a signal.

    Documents, bytes and tokens of what no other rule drops, before deduplication, with examples on
    both sides of the run's own limits (>).

    Example: curate sweep out/demo --signal n_words --lang kk
    """
    from curate import api
    from curate.cli.terminal import answer, as_json

    found = api.sweep(run, signal, lang=lang, at=at or (), html=html)
    if json:
        answer(as_json(found))
        return 0
    _print(found)
    if html is not None:
        answer(f"page: {html}")
    return 0


def _print(found: Mapping[str, Any]) -> None:
    from curate.cli.terminal import answer, printable_line, say

    counts = found["documents"]
    of = f" in {found['lang']}" if found["lang"] else ""
    answer(
        f"{found['signal']}{of}: its limits decide {counts['decided']} of {counts['all']} documents"
        f" and keep {counts['kept']}"
    )
    answer(
        f"other rules drop {counts['dropped_by_other_rules']}"
        f" ({counts['outside_and_dropped_by_other_rules']} of them outside these limits, too);"
        f" {counts['not_measured']} were not measured"
    )
    limited = [one for one in found["limits"] if one["rules"]]
    if not limited:
        say("no profile of this run limits this signal; --at VALUE tries a limit")
    for side, curve in found["curves"].items():
        _print_curve(side, curve)
        for one in found["examples"]:
            if one["side"] != side:
                continue
            sign = "kept" if one["example"] == "kept" else "dropped"
            answer(printable_line(f"{sign} at {one['value']:.4g}: {one['id']} {one['lang'] or ''}"))
            text = " ".join(one["text"].split())
            answer(printable_line(f"  {text[:140]}{' …' if len(text) > 140 else ''}"))


def _print_curve(side: str, curve: Mapping[str, Any]) -> None:
    from curate.cli.terminal import answer

    name = "smallest value kept" if side == "min" else "largest value kept"
    answer(f"\n  {name:>20}  {'documents':{_BAR}} {'':7}  {'bytes':>7}  {'tokens':>7}")
    for point in curve["points"]:
        share = point["documents_share"]
        bar = "█" * round(_BAR * (share or 0))
        mark = ">" if point["profiles"] or point["marked"] else " "
        shares = [_percent(point[f"{name}_share"]) for name in ("documents", "bytes", "tokens")]
        answer(f"{mark} {point['limit']:>20.6g}  {bar:{_BAR}} {'  '.join(shares)}")
    for point in curve["points"]:
        if point["profiles"]:
            shown = ", ".join(point["profiles"][:4])
            more = len(point["profiles"]) - 4
            answer(f"> {point['limit']:.6g}: {shown}" + (f" and {more} more" if more > 0 else ""))
    if curve["tokens_estimated_share"]:
        answer(f"{curve['tokens_estimated_share']:.1%} of the tokens are estimated from bytes")
    answer()


def _percent(share: float | None) -> str:
    return f"{'-':>7}" if share is None else f"{share:7.1%}"
