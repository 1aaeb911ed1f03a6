"""`curate signals`: the signals that can be measured."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="SIGNAL", help="A signal; default: all.")
    ] = None,
    json: Json = False,
) -> int:
    """List the signals that rules may name.

    With SIGNAL: print its card.

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
            table(("signal", "what"), [(each, one["what"]) for each, one in cards.items()])
        return 0
    fields = asdict(card(name))
    if json:
        answer(as_json(fields))
    else:
        width = max(len(key) for key in fields)
        for key, value in fields.items():
            answer(f"{key:<{width}}  {', '.join(value) if isinstance(value, tuple) else value}")
    return 0
