"""`curate signals`: what can be measured."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    name: Annotated[str | None, typer.Argument(help="A signal; all of them without.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """List the signals that a profile's rules may name, or print the card of one.

    Example: curate signals mean_word_length
    """
    from dataclasses import asdict

    from curate.cli.terminal import answer, as_json, table
    from curate.signals import SIGNALS, card

    if name is None:
        cards = {each: asdict(card(each)) for each in SIGNALS}
        if json:
            answer(as_json(cards))
        else:
            table(("signal", "what"), [(each, said["what"]) for each, said in cards.items()])
        return 0
    said = asdict(card(name))
    if json:
        answer(as_json(said))
    else:
        for key, value in said.items():
            answer(f"{key}: {value}")
    return 0
