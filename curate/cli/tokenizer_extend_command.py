"""`curate tokenizer extend`: add tokens for a language to a model's tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import Json, TextField


def command(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="The tokenizer: a tokenizer.json, a tokenizer.model of tiktoken's form, tekken,"
            " tiktoken:NAME or hf:REPOSITORY.",
        ),
    ],
    on: Annotated[
        list[str],
        typer.Option(metavar="RUN|PATH", help="A finished run, or files; may be repeated."),
    ],
    add: Annotated[
        str, typer.Option(metavar="N|N%", help="Tokens to add: a number, or a share: 25%.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; it must be new.")],
    lang: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="A language to learn from; may be repeated."),
    ] = None,
    min_count: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often a new token's halves must meet.")
    ] = 2,
    hold_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Documents that are measured, not learned from.")
    ] = 0.01,
    scan: Annotated[
        int, typer.Option(min=1, metavar="BYTES", help="Text to learn from at most.")
    ] = 1 << 30,
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Vectors of old and new tokens: .npy, or .npz."),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="K", help="Similar old tokens per new one, of --vectors.")
    ] = 5,
    text: TextField = "text",
    json: Json = False,
) -> int:
    """Add tokens for a language to a tokenizer.

    They are learned from a run's product; the tokenizer must be byte-level BPE. Every old token
    keeps its id, special tokens too; new ones come behind all of them, and each is proved to be
    what its bytes are encoded as. The folder has tokenizer.json for transformers, tokenizer.model
    for tiktoken, new_tokens.parquet with the old ids and weights that new embeddings are made of,
    and a card with the fertility of all languages before and after, on documents held out.

    Example: curate tokenizer extend tekken --on sample_data/books.parquet --add 50 --output out/kk
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, fixed, printable_line, table

    card = api.extend_tokenizer(
        base,
        on,
        add=add,
        output=output,
        languages=lang or (),
        text=text,
        hold_out=hold_out,
        min_count=min_count,
        scan=scan,
        vectors=vectors,
        top=top,
    )
    if json:
        answer(as_json(card))
        return 0
    vocabulary = card["vocabulary"]
    answer(
        f"{vocabulary['before']:,} tokens, {vocabulary['after']:,} with"
        f" {vocabulary['added']:,} new ones: {printable_line(str(output))}/README.md"
    )
    table(
        (
            "language", "held out", "tokens/word", "extended", "bytes/token", "extended", "tokens",
        ),
        [
            (
                row["language"],
                row["documents"],
                fixed(row["tokens_per_word_before"], 2),
                fixed(row["tokens_per_word_after"], 2),
                fixed(row["bytes_per_token_before"], 2),
                fixed(row["bytes_per_token_after"], 2),
                f"{100 * (row['tokens_after'] / max(1, row['tokens_before']) - 1):+.1f} %",
            )
            for row in card["fertility"]
        ],
    )  # fmt: skip
    return 0
