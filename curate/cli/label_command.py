"""`curate label`: texts, one after the other, to call good or bad."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import TextField

if TYPE_CHECKING:
    from curate.cli.keyboard import Keys, Lines
    from curate.tuning.labelling import Session

_KEYS = "y good  n bad  r reason  s skip  b back  m more  q quit"
_RULE = "─" * 78

#: The most of a text that is shown at once.
_CHARACTERS, _LINES = 1500, 24


def command(
    labels: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSON lines of texts, as curate sample makes them."),
    ],
    text: TextField = "text",
    again: Annotated[
        bool, typer.Option("--again", help="Go through all rows, also those that have an answer.")
    ] = False,
) -> int:
    """Label texts as good or bad with single keys.

    Each answer is saved at once, as `label` in the row. Called again, it goes on with the first row
    that has no answer. What rules said of a text is not shown, so that it does not sway you. The
    keys 1 and 0 are good and bad on any keyboard layout; from a pipe, each line is a key.

    Example: curate label labels.jsonl
    """
    from curate.cli.keyboard import keyboard
    from curate.cli.terminal import answer
    from curate.tuning.labelling import Session

    session = Session(labels, text=text, again=again)
    with keyboard() as keys:
        while session.current is not None and _label(session, keys):
            pass
    counts = session.counts()
    answer(", ".join(f"{count} {name}" for name, count in counts.items()))
    if counts["good"] and counts["bad"]:
        answer(f"next: curate evaluate {labels}")
    return 0


def _label(session: Session, keys: Keys | Lines) -> bool:
    """Show a row and take keys until it has an answer; return False to stop."""
    from curate.cli.terminal import answer, printable_line

    row = session.current or {}
    counts = session.counts()
    answer(f"{_RULE}\n{session.at + 1} of {len(session.rows)}, {counts['open']} open")
    facts = [str(row[name])[:200] for name in ("lang", "source", "url") if row.get(name)]
    if facts:
        answer(printable_line("  ".join(facts)))
    for name in ("label", "reason"):
        if row.get(name):
            answer(printable_line(f"{name}: {str(row[name])[:200]}"))
    answer()
    text = session.text
    shown = _show(text, 0)
    answer(_KEYS)
    while True:
        sys.stdout.flush()
        key = keys.key()
        key = key and key.lower()
        if key is None or key == "q":
            return False
        if key in ("y", "1"):
            session.answer("good")
        elif key in ("n", "0"):
            session.answer("bad")
        elif key == "s":
            session.skip()
        elif key == "b":
            session.back()
        elif key == "r":
            answer("reason, then Enter:")
            sys.stdout.flush()
            session.give_reason(keys.line())
            answer(_KEYS)
            continue
        elif key == "m":
            shown = _show(text, shown)
            answer(_KEYS)
            continue
        else:
            if key.strip():
                answer(f"keys: {_KEYS}")
            continue
        return True


def _show(text: str, begin: int) -> int:
    """Print a piece of a text from a position on; return the position behind it."""
    from curate.cli.terminal import answer

    if begin >= len(text):
        answer("(this is the whole text)" if text else "(no text)")
        return begin
    end = min(len(text), begin + _CHARACTERS)
    at = begin
    for _ in range(_LINES):
        at = text.find("\n", at, end) + 1
        if not at:
            break
    end = at or end
    answer(text[begin:end].rstrip("\n"))
    if end < len(text):
        answer(f"… {len(text) - end:,} more characters (m shows more)")
    return end
