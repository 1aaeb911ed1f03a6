"""`curate calibrate`: derive a profile for a language from clean text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import TextField


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
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write to instead of stdout.")
    ] = None,
) -> int:
    """Derive a language's profile from clean text.

    Half of the documents, chosen by hash, set the limits; the others measure what the profile would
    wrongly reject. tail: a limit excludes a small share of the clean documents. mean_std: it is as
    many standard deviations from the mean as the English limit is in English. quantile: it excludes
    the share that the English limit excludes. Function words are those that documents of every
    domain use; a file of many documents is a domain.

    Example: curate calibrate --lang kaz_Cyrl --reference sample_data/texts/kaz_Cyrl
    """
    from curate import api
    from curate.calibrate import to_toml
    from curate.cli.terminal import answer, say

    derived = api.calibrate(
        lang, [*reference, *(more or [])], method=method, share=share, anchor=anchor, text=text
    )
    profile = to_toml(derived)
    if output is None:
        answer(profile.rstrip())
    else:
        output.write_text(profile, encoding="utf-8")
        answer(str(output))
    say(
        f"{derived.documents} documents, {derived.domains} domains, {derived.short} too short;"
        f" {derived.false_rejection:.1%} of the {derived.held_out} held out would be rejected"
    )
    for rule, part in derived.rules.items():
        say(f"{part:>9.1%} {rule}")
    return 0
