"""`curate dedup`: near-duplicate removal alone."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import EngineName, Files, Fresh, Json, Output, TextField, Workers, can_begin


def command(
    paths: Files,
    output: Output,
    text: TextField = "text",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, metavar="J", help="Jaccard similarity of a duplicate.")
    ] = 0.8,
    recall: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="P", help="Chance that a pair just there is looked at."),
    ] = 0.97,
    shingle: Annotated[str, typer.Option(metavar="KIND", help="word or char.")] = "word",
    ngram: Annotated[
        int, typer.Option(min=1, metavar="N", help="Words or characters per shingle.")
    ] = 5,
    keep: Annotated[
        str, typer.Option(metavar="ORDER", help="longest, newest, oldest or source_priority.")
    ] = "longest",
    engine: EngineName = "ray",
    workers: Workers = None,
    fresh: Fresh = False,
    json: Json = False,
) -> int:
    """Remove exact and near duplicates from files.

    Every removed document names a kept one that it was compared with. Writes the survivors (mixture/),
    the removed (rejected/), clusters.parquet and the report.
    Coming from text-dedup: --num_perm, -b and -r follow from --threshold and --recall; --ngram is the
    same. From datatrove's MinhashConfig: n_grams is --ngram; 14 buckets of 8 hashes is about
    --recall 0.92.

    Example: curate dedup sample_data/books.parquet --output out/dedup
    """
    from curate import api
    from curate.cli import outcome
    from curate.cli.terminal import answer, progress

    can_begin(engine, None, output)
    listener = progress()
    try:
        result = api.dedup_paths(
            paths,
            output=output,
            text=text,
            options={
                "threshold": threshold,
                "recall": recall,
                "shingle": shingle,
                "ngram": ngram,
                "keep": keep,
            },
            engine=engine,
            workers=workers,
            fresh=fresh,
            progress=listener,
        )
    finally:
        listener.close()
    if not json:
        totals = result.manifest["totals"]
        kept = totals["curated"] / max(1, totals["documents"])
        answer(f"kept {totals['curated']} of {totals['documents']} documents ({kept:.1%})")
        answer(f"clusters: {result.output.rstrip('/')}/clusters.parquet")
    return outcome.tell(result, json)
