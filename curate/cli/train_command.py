"""`curate train`: make a classifier from good and bad texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import Json, TextField

_Files = list[str] | None


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The classifier's name.")],
    positive: Annotated[
        _Files, typer.Option(metavar="FILE", help="Good texts; may be repeated.")
    ] = None,
    negative: Annotated[
        _Files, typer.Option(metavar="FILE", help="Bad texts; may be repeated.")
    ] = None,
    labels: Annotated[
        _Files,
        typer.Option(
            metavar="FILE", help="JSON lines with text, label (good or bad), lang, source."
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="NAME", help="stacked, signals or fasttext.")
    ] = "stacked",
    lang: Annotated[
        str, typer.Option(metavar="LABEL", help="Language of texts that name none.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The model's file; default: NAME.npz or .bin."),
    ] = None,
    text: TextField = "text",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of folds and training.")] = 0,
    about: Annotated[
        _Files,
        typer.Option(metavar="KEY=VALUE", help="More for the card, for example license=CC0-1.0."),
    ] = None,
    json: Json = False,
) -> int:
    """Train a classifier from good and bad texts.

    stacked: a random forest on signals and on a linear model of character n-grams; signals: without
    the n-grams. Training these needs the extra train, scoring does not. fasttext: a fastText model,
    which other tools read too; its label in a profile is __label__good. The model's card has its
    worth on texts held out, per language and per source, and warns where it separates sources or
    lengths rather than quality. The same texts give the same bytes.

    Example: curate train pages --labels labels.jsonl --lang kaz_Cyrl
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, say, table
    from curate.errors import RecipeError

    notes = dict(pair.partition("=")[::2] for pair in about or [])
    if not (labels or (positive and negative)):
        raise RecipeError(
            "a classifier is trained from good and bad texts",
            hint="--positive FILE --negative FILE, or --labels FILE",
        )
    card = api.train(
        name,
        positive=positive or (),
        negative=negative or (),
        labels=labels or (),
        kind=kind,
        lang=lang,
        output=output,
        text=text,
        seed=seed,
        about=notes,
    )
    if json:
        answer(as_json(card))
    else:
        whole = card["held_out"]
        say(f"{whole['rows']} texts, {whole['good']} good; AUC {whole['auc']} on texts held out")
        table(
            ("min", "false rejection", "precision", "recall", "F1"),
            [
                (f"{p['limit']:.3f}", f"{p['false_rejection']:.1%}", f"{p['precision']:.3f}",
                 f"{p['recall']:.3f}", f"{p['f1']:.3f}")
                for p in whole["curve"]
            ],
        )  # fmt: skip
        groups = {**card["by_language"], **card["by_source"]}
        table(
            ("language or source", "texts", "good", "AUC"),
            [(n or "-", g["rows"], g["good"], g["auc"] or "-") for n, g in groups.items()],
        )
        answer(card["file"])
    for warning in card["warnings"]:
        say(f"warning: {warning}")
    return 0
