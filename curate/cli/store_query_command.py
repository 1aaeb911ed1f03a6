"""`curate store query`: what a dedup store holds that is near a text."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.options import Json, TextField
from curate.errors import RecipeError


def command(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or address of the store.")],
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="A text, - for the text on stdin, or a file, folder, pattern or address.",
        ),
    ],
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most documents for each text.")
    ] = 10,
    min_jaccard: Annotated[
        float, typer.Option(min=0, max=1, metavar="J", help="The least similarity.")
    ] = 0.0,
    format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="The format of files; default: by the ending."),
    ] = None,
    text_field: TextField = "text",
    json: Json = False,
) -> int:
    """Find documents of a dedup store that are near a text.

    TEXT may be files: their documents are looked up one by one. Each pair is compared exactly:
    jaccard is the similarity of the two sets of shingles, contained the share of the text's
    shingles that the stored document has. The text is compared as it is: what a recipe repairs or
    trims before its dedup is not done here. Documents are found by the band keys of the store, so
    far ones are found rarely; the chance is printed. With --json one line for each text.

    In the store of an exact_dedup are the documents with the same text or address, in that of a
    line_dedup those with lines of the text, in that of a substring_dedup those with spans of it;
    contained is then the share of its lines or bytes.

    Example: curate store query out/seen sample_data/books.parquet --limit 1
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, say, table
    from curate.inspection import store_query

    stored = store_query.stored_parameters(store)
    damaged: Counter[str] = Counter()
    texts = found = 0
    for batch in _batches(text, format, text_field, damaged):
        matches: dict[str, list[dict[str, Any]]] = {id: [] for id in batch.column("id").to_pylist()}
        rows = api.query_store(store, batch, limit=limit, min_jaccard=min_jaccard).to_pylist()
        for row in rows:
            matches[row.pop("query")].append(row)
        texts += len(matches)
        found += sum(map(bool, matches.values()))
        if json:
            for id, near_it in matches.items():
                answer(as_json({"query": id, "matches": near_it}, None))
        elif rows:
            cells = [_cells(id, row) for id, near_it in matches.items() for row in near_it]
            table(("text", "jaccard", "contained", "id", "source", "generation", "recipe"), cells)
    for reason, count in sorted(damaged.items()):
        say(f"{count:>9} records that could not be read: {reason}")
    if not texts:
        raise RecipeError("there is no text to compare", where=text, hint="name the field: --text")
    what = "near them" if store_query.is_near(stored) else "with the same, or a part of them,"
    say(f"{found} of {texts} texts have a document {what} in {store}")
    if not store_query.is_near(stored):
        return 0
    near = store_query.parameters_of(store)
    say(
        "a document is found with a chance of "
        + ", ".join(f"{store_query.chance(near, j):.1%} at jaccard {j}" for j in (0.9, 0.8, 0.5))
    )
    return 0


def _batches(text: str, format: str | None, field: str, damaged: Counter[str]) -> Iterator[Any]:
    """Yield the texts as tables: the one that was typed or is on stdin, or those of files."""
    from curate.api.inputs import format_of_name
    from curate.api.jobs import batches_of

    is_address = not re.search(r"\s", text) and ("://" in text or format_of_name(text) is not None)
    if format is not None or is_address or _exists(text):
        yield from batches_of([text], format=format, text=field, damaged=damaged)
        return
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    import pyarrow as pa

    yield pa.table({"id": ["text"], "text": [text]})


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a text that is too long for a name, or holds a NUL
        return False


def _cells(id: str, row: dict[str, Any]) -> tuple[object, ...]:
    near = ("-" if row[name] is None else f"{row[name]:.3f}" for name in ("jaccard", "contained"))
    return (id, *near, row["id"], row["source"], row["generation"], row["recipe"])
