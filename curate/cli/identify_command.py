"""`curate identify`: the language of documents."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, patterns or addresses.")],
    format: Annotated[
        str | None, typer.Option(help="warc, wet, wikipedia, jsonl, parquet, text or chat.")
    ] = None,
    text: Annotated[str, typer.Option(help="The text field of JSONL or Parquet.")] = "text",
    lines: Annotated[
        bool, typer.Option("--lines", help="One document per line of a text file.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Path or hf:// name of a fastText model.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per document.")] = False,
) -> int:
    """Print the language of each document, and a count per language on stderr.

    Example: curate identify sample_data/news.jsonl.zst --text content.body
    """
    import json as encoder

    from curate import api
    from curate.cli.terminal import answer, say

    counts: dict[str, int] = {}
    for row in api.identify_paths(paths, format=format, text=text, lines=lines, model=model):
        counts[row["lang"]] = counts.get(row["lang"], 0) + 1
        if json:
            answer(encoder.dumps(row, ensure_ascii=False))
        else:
            answer(f"{row['lang']}\t{row['lang_score']:.3f}\t{row['lang2'] or ''}\t{row['id']}")
    for lang, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        say(f"{count:>9} {lang}")
    return 0
