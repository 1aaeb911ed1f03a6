"""`curate signals`: what can be measured."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="SIGNAL", help="A signal; all of them if absent.")
    ] = None,
    json: Json = False,
) -> int:
    """List the signals that rules may name, or print the card of one.

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
        width = max(len(key) for key in said)
        for key, value in said.items():
            answer(f"{key:<{width}}  {', '.join(value) if isinstance(value, tuple) else value}")
    return 0
