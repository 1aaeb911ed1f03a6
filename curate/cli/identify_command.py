"""`curate identify`: identify the language of documents."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json, TextField


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Files, folders, patterns or addresses.")
    ],
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="warc, wet, wikipedia, wikipedia_html, jsonl, parquet, text or chat; default: by"
            " the ending.",
        ),
    ] = None,
    text: TextField = "text",
    lines: Annotated[
        bool, typer.Option("--lines", help="Make each line of a text file a document.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Path or hf:// name of a fastText model.")
    ] = None,
    json: Json = False,
) -> int:
    """Print the language of each document.

    One line per document on stdout: label, score, second label, id. Counts per language and of
    unreadable records are on stderr.

    Example: curate identify sample_data/news.jsonl.zst --text content.body
    """
    from collections import Counter

    from curate import api
    from curate.cli.terminal import answer, as_json, complain, printable_line, say

    counts: Counter[str] = Counter()
    damaged: Counter[str] = Counter()
    for row in api.identify_paths(
        paths, format=format, text=text, lines=lines, model=model, damaged=damaged
    ):
        counts[row["lang"]] += 1
        if json:
            answer(as_json(row, None))
        else:
            cells = (row["lang"], f"{row['lang_score']:.3f}", row["lang2"] or "", row["id"])
            answer("\t".join(printable_line(cell) for cell in cells))
    for lang, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        say(f"{count:>9} {lang}")
    for reason, count in sorted(damaged.items()):
        say(f"{count:>9} records that could not be read: {reason}")
    if not counts:
        what = "could be read" if damaged else "was found: the files hold none"
        complain(
            f"not one document {what}\n"
            "  next: name the field with --text FIELD, or the format with --format chat"
        )
        return 3
    return 0
