"""`curate evaluate`: rules beside what people said of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from curate.cli.options import Json, TextField


def command(
    labels: Annotated[
        str,
        typer.Argument(metavar="LABELS", help="JSON lines with a text and a label, also packed."),
    ],
    profile: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Judge all rows by this; default: by their language."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Judge by the profiles that a recipe's sources have."),
    ] = None,
    text: TextField = "text",
    label: Annotated[
        str,
        typer.Option("--label-field", metavar="FIELD", help="Field with good or bad, or 1 or 0."),
    ] = "label",
    bad: Annotated[
        list[str] | None,
        typer.Option(
            "--bad-field",
            metavar="FIELD",
            help="Field that is 1 where a text is bad, instead; may be repeated.",
        ),
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang-field", metavar="FIELD", help="Field with the language.")
    ] = "lang",
    source: Annotated[
        str, typer.Option("--source-field", metavar="FIELD", help="Field with the source.")
    ] = "source",
    by: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="Show each rule by lang or by source, too."),
    ] = None,
    json: Json = False,
) -> int:
    """Compare the rules of profiles with labels of people.

    Of each rule and of all together: precision (how many that it drops are bad), recall (how many
    bad ones it drops) and false rejection (how many good ones it drops), with 95 % intervals.

    Example: curate evaluate sample_data/labels.jsonl
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, say

    if by not in (None, "lang", "source"):
        raise typer.BadParameter("lang or source", param_hint="--by")
    found = api.evaluate(
        labels,
        profile=profile,
        recipe=recipe,
        text=text,
        label=label,
        bad=bad or (),
        lang=lang,
        source=source,
    )
    if json:
        answer(as_json(found))
    else:
        _print(found, by)
        say("next: change a limit in filters/ and run the same command again")
        say("      curate sweep RUN --signal SIGNAL draws what other limits would keep")
    return 0


def _print(found: Mapping[str, Any], by: str | None) -> None:
    from curate.cli.terminal import answer, say, table

    labels = found["labels"]
    answer(f"{labels['rows']} labels: {labels['good']} good, {labels['bad']} bad")
    for name, what in (("unlabelled", "without a label"), ("empty", "without a text")):
        if labels[name]:
            say(f"{labels[name]} rows {what} are left out")
    parts = {name: n for name, n in labels["populations"].items() if name != "all"}
    if parts:
        named = ", ".join(f"{n} of {name}" for name, n in parts.items())
        say(
            f"not a fair sample of the run ({named}): recall and false rejection hold for what"
            " was sampled, not for the run"
        )
    header = ("flagged", "precision", "recall", "false rejection")
    whole = found["profile"]
    answer("\nall rules together")
    rows = [("all", *_cells(whole["all"]["all"]))]
    for kind in ("lang", "source"):
        rows += [(f"{name}", *_cells(score)) for name, score in whole[kind].items()]
    table(("of", *header), rows)
    active = {name: one for name, one in found["rules"].items() if one["all"]["all"]["flagged"]}
    if active:
        answer("\neach rule")
        table(("rule", *header), _rules(active, by))
    idle = [name for name in found["rules"] if name not in active]
    if idle := [name for name in idle if not name.endswith("_undefined")]:
        answer(f"\n{len(idle)} more rules flag nothing: {', '.join(idle)}")
    if found["worst_alone"]:
        worst = found["worst_alone"]
        answer(
            f"\nmost good text is lost to {worst['rule']} alone: {worst['good']} that no other"
            " rule drops"
        )


def _rules(rules: Mapping[str, Any], by: str | None) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for rule, scores in rules.items():
        rows.append((rule, *_cells(scores["all"]["all"])))
        parts = scores[by].items() if by else ()
        rows += [(f"  {name}", *_cells(score)) for name, score in parts if score["flagged"]]
    return rows


def _cells(score: Mapping[str, Any]) -> tuple[Any, ...]:
    shares = (score[name] for name in ("precision", "recall", "false_rejection"))
    return (score["flagged"], *map(_share, shares))


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "-"
    return f"{share['value']:.2f} ({share['low']:.2f}-{share['high']:.2f})"
