"""`curate calibrate`: derive a profile for a language from clean text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import SourceField, TextField


def command(
    lang: Annotated[
        str, typer.Option(metavar="LABEL", help="The language, ISO 639-3 and script: kaz_Cyrl.")
    ],
    reference: Annotated[
        list[str], typer.Option(metavar="FILE", help="Clean documents: files, folders, patterns.")
    ],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="More files for --reference.")
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="tail, mean_std or quantile.")
    ] = "tail",
    share: Annotated[
        float,
        typer.Option(min=0, max=0.1, metavar="SHARE", help="Clean text that one rule may drop."),
    ] = 0.002,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Clean English for mean_std and quantile."),
    ] = None,
    text: TextField = "text",
    source_field: SourceField = None,
    perplexity: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also train an n-gram model, for the signal perplexity: an .npz."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write to instead of stdout.")
    ] = None,
) -> int:
    """Derive a language's profile from clean text.

    All documents that are long enough set the limits; duplicates count once. What the profile would
    wrongly reject is measured on sources that a profile of the others has not seen; a file of many
    documents is a source. tail: a limit excludes a small share of the clean documents. mean_std: it
    is as many standard deviations from the mean as the English limit is in English. quantile: it
    excludes the share that the English limit excludes. Function words are those that documents of
    every source use. Exit code 3 if more than 2 % of the held-out text would be rejected.

    Example: curate calibrate --lang kaz_Cyrl --reference sample_data/texts/kaz_Cyrl
    """
    from curate import api
    from curate.calibrate import BUDGET, summary, to_toml
    from curate.cli.terminal import answer, complain, say
    from curate.errors import RecipeError
    from curate.storage.store import open_store

    if output is not None:
        if output.is_dir():
            raise RecipeError("--output is a folder", where=str(output), hint="name a file in it")
        output.parent.mkdir(parents=True, exist_ok=True)  # what cannot be is known before the work
    derived = api.calibrate(
        lang,
        [*reference, *(more or [])],
        method=method,
        share=share,
        anchor=anchor,
        text=text,
        source=source_field,
        perplexity=perplexity,
    )
    profile = to_toml(derived)
    if output is None:
        answer(profile.rstrip())
    else:
        open_store(str(output.parent)).replace(output.name, profile.encode())
        answer(str(output))
    say(summary(derived))
    for rule, part in derived.rules.items():
        say(f"{part:>9.1%} {rule}")
    if len(derived.sources) > 1 and derived.rules:
        source, worst = next(iter(derived.sources.items()))
        say(f"most of {source}: {worst.value:.1%} of {worst.of}")
    if derived.model is not None:
        card = derived.model.card
        say(f"{perplexity}: {card['ngrams']} n-grams of {card['characters']} characters")
    if output is not None:
        say(f"next: read it, then curate check {output} --reference TEXTS that it has not seen")
    if derived.doubts:
        complain(f"the profile is not to be trusted: {'; '.join(derived.doubts)}")
    return 3 if derived.false_rejection > BUDGET else 0
