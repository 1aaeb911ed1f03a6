"""`curate compare`: what changed between two finished runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli.options import Json

#: The longest example in a line of 80 columns.
_TEXT = 72


def command(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A finished run.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another one.")],
    json: Json = False,
) -> int:
    """Show what changed between two finished runs.

    Counts per rule, source and language, and the documents that changed sides, with examples.
    Documents are joined by id, in bounded memory. Exit code 0 whether they differ or not.

    Example: curate compare out/demo out/demo
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, table

    found = api.compare_runs(before, after)
    if json:
        answer(as_json(found))
        return 0
    totals = [(name, *counts) for name, counts in found["totals"].items()]
    table(("", "before", "after"), totals)
    different = [(n, a, b, f"{b - a:+}") for n, (a, b) in found["rules"].items() if a != b]
    if different:
        answer()
        table(("dropped by", "before", "after", "change"), different)
    for title in ("sources", "languages"):
        answer()
        header = (title, "before", "after", "tokens before", "after")
        table(header, [(name, *counts) for name, counts in found[title].items()])
    answer()
    if not found["changed"]:
        answer("no document changed sides")
    for change in found["changed"]:
        _print_change(change)
    return 0


def _print_change(change: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, printable_line

    answer(printable_line(f"{change['before']} -> {change['after']}: {change['documents']}"))
    for example in change["examples"]:
        values = [f"{value:g}" for value in example["values"] if value is not None]
        measured = f" ({', '.join(values)})" if values else ""
        answer(printable_line(f"  {example['id']}{measured}"))
        answer("    " + _cut(printable_line(example["text"]), _TEXT))


def _cut(text: str, width: int) -> str:
    """Return text in at most so many columns, of which a wide character takes two."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "\u2026"
