"""`curate dedup`: remove duplicates alone."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli import options


def command(
    paths: options.Files,
    output: options.Output,
    text: options.TextField = "text",
    id: options.IdField = None,
    url: options.UrlField = None,
    date: options.DateField = None,
    threshold: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="J", help="Similarity from which a document is a duplicate."
        ),
    ] = 0.8,
    recall: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="P", help="Probability that a pair at the threshold is compared."
        ),
    ] = 0.97,
    bands: Annotated[
        int | None, typer.Option(min=1, metavar="B", help="LSH bands, instead of --recall.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, metavar="R", help="Rows per band, with --bands.")
    ] = None,
    similarity: Annotated[
        str, typer.Option(metavar="KIND", help="jaccard, or containment: pages inside longer ones.")
    ] = "jaccard",
    length_ratio: Annotated[
        float,
        typer.Option(min=1, metavar="N", help="How many times longer a containing page may be."),
    ] = 2.0,
    shingle: Annotated[str, typer.Option(metavar="KIND", help="word or char.")] = "word",
    ngram: Annotated[
        int, typer.Option(min=1, metavar="N", help="Words or characters per shingle.")
    ] = 5,
    fold: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="What does not count: case, width, punctuation, symbols, numbers, diacritics.",
        ),
    ] = "case,width,punctuation",
    keep: Annotated[
        str,
        typer.Option(
            metavar="ORDER", help="longest, newest, oldest, source_priority or best:SIGNAL."
        ),
    ] = "longest",
    source_priority: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Sources in order of preference; paths are NAME=PATH."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Remove duplicates of a dedup store's documents, too."),
    ] = None,
    store_to: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Compare with this dedup store, and add what is kept."),
    ] = None,
    engine: options.EngineName = "auto",
    workers: options.Workers = None,
    address: options.Address = None,
    resume: options.Resume = False,
    fresh: options.Fresh = False,
    force: options.Force = False,
    json: options.Json = False,
) -> int:
    """Remove exact and near duplicates from files.

    Every removed document names a kept one that it was compared with. Writes the documents kept
    (mixture/), those removed (rejected/), clusters.parquet and the report. A path may be NAME=PATH:
    the name is then the source of its documents. curate/dedup/PRIMER.md translates the options of
    text-dedup, datatrove and NeMo Curator.

    Example: curate dedup sample_data/books.parquet --output out/dedup --store-to out/seen
    """
    from curate import api
    from curate.cli import print_result
    from curate.cli.terminal import answer, progress

    options.check_output(engine, address, output)
    with progress() as listener:
        result = api.dedup_paths(
            paths,
            output=output,
            text=text,
            id=id,
            url=url,
            date=date,
            threshold=threshold,
            recall=recall,
            bands=bands,
            rows=rows,
            similarity=similarity,
            length_ratio=length_ratio,
            shingle=shingle,
            ngram=ngram,
            fold=[name for name in fold.split(",") if name],
            keep=keep,
            source_priority=source_priority.split(",") if source_priority else None,
            against=against,
            store=store_to,
            engine=engine,
            workers=workers,
            address=address,
            resume=resume,
            fresh=fresh,
            force=force,
            progress=listener,
        )
    if not json:
        totals = result.manifest["totals"]
        kept = totals["curated"] / max(1, totals["documents"])
        answer(f"kept {totals['curated']} of {totals['documents']} documents ({kept:.1%})")
        for store in result.manifest.get("stores", ()):
            if "added_to" in store:
                answer(f"dedup store: {store['added_to']}, generation {store['generation']}")
        answer(f"clusters: {result.output.rstrip('/')}/clusters.parquet")
    return print_result.print_result(result, json)
