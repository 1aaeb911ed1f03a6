"""`curate plan`: what a recipe would do and cost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from curate.cli.options import Inputs, Json, RecipeName, Settings, Without, parse_inputs

#: Bytes of text from which the mixture's sample is chosen.
SCAN = 32 << 20


def command(
    recipe: RecipeName,
    input: Inputs = None,
    set: Settings = None,
    without: Without = None,
    sample: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Documents to estimate the mixture from; 0: read nothing of the inputs, and take"
            " what is usual of their formats.",
        ),
    ] = 300,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE=SIZE",
            help="Estimate as if a source had so many stored bytes, for example web=80TB.",
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, metavar="N", help="Nodes of a cluster.")] = 1,
    cores: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Cores of a node; default: this one's.")
    ] = None,
    price: Annotated[
        float, typer.Option(min=0, metavar="X", help="Price of a node for an hour.")
    ] = 0.0,
    json: Json = False,
) -> int:
    """Show what a recipe would do and cost; run nothing.

    Prints the sources, the segments with the columns that their stages add, the S-curve of dedup,
    the expected mixture (available, asked, got), and an estimate of documents, text, tokens, disk,
    memory, time, requests to an object store, and cost; a few megabytes of each source are read for
    it.

    Example: curate plan demo --nodes 4 --cores 16 --price 0.80 --assume web=2TB
    """
    import os

    from curate.cli.terminal import answer, as_json
    from curate.errors import CurateError
    from curate.inspection import first_records
    from curate.inspection.sampled import DOCUMENTS, sample_sources
    from curate.plan import build as planning
    from curate.plan.estimate import on_nodes, warnings
    from curate.plan.outline import outline
    from curate.recipe.recipe import load_recipe

    inputs = dict(parse_inputs(input))
    plan = planning.build(
        load_recipe(recipe, inputs=inputs, settings=set or (), without=without or ())
    )
    first_records.check(plan)
    sizes = _sizes(assume, plan.sources)
    sampled, unread = {}, []
    try:
        sampled = sample_sources(plan, sizes, min(DOCUMENTS, 4 * sample)) if sample else {}
    except CurateError as error:
        unread = [f"the inputs were not measured: {error}"]
    outlined = outline(plan, sizes, sampled)
    cost = outlined["estimate"]
    cost |= on_nodes(cost, nodes, cores or os.cpu_count() or 1, price)
    cost["warnings"] = [*unread, *warnings(cost)]
    if outlined["mixture"] and sample:
        from curate.inspection.dry_run import dry_run

        text = {name: source["text_estimated"] for name, source in outlined["sources"].items()}
        try:
            tried = dry_run(plan, plan.mix.name, sample=sample, scan=SCAN, text_bytes=text)
            outlined["mixture"] |= {"table": tried.mixture, "note": tried.note}
        except CurateError as error:  # such as a group without documents in the sample
            outlined["mixture"] |= {
                "table": [],
                "note": f"no estimate from {sample} documents: {error}",
            }
    if json:
        answer(as_json(outlined))
    else:
        _print(outlined, recipe)
    return 0


def _sizes(options: list[str] | None, sources: Iterable[str]) -> dict[str, int]:
    """Return the sizes of ``--assume``; raise RecipeError for one that is none, or no source."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    from curate.errors import RecipeError, nearest

    sizes = {}
    for option in options or ():
        name, _, size = option.partition("=")
        if name not in sources:
            raise RecipeError(f"--assume: no source '{name}'", hint=nearest(name, sources))
        wrong = RecipeError(f"--assume: '{size}' is no size", hint="such as 500MB, 1.5TB or 2TiB")
        # The library reads what a size begins with: 1,5TB as 1 byte.
        if not re.fullmatch(r"\d*\.?\d+\s*[A-Za-z]*", size.strip()):
            raise wrong
        try:
            sizes[name] = int(TypeAdapter(ByteSize).validate_python(size))
        except ValidationError:
            raise wrong from None
    return sizes


def _print(outlined: dict[str, Any], written: str) -> None:
    from curate.cli.terminal import answer, printable_line, say, table
    from curate.report.format import size

    answer(printable_line(": ".join(filter(None, (outlined["recipe"], outlined["describes"])))))
    answer()
    table(
        ("source", "format", "files", "stored", "shards", "text", "documents", "from"),
        [
            (
                name,
                source["format"],
                source["files"],
                size(source["bytes"]),
                source["shards"],
                size(source["text_estimated"]),
                source["documents_estimated"],
                f"{source['sampled']} read" if source["sampled"] else "the usual",
            )
            for name, source in outlined["sources"].items()
        ],
    )
    for number, segment in enumerate(outlined["segments"]):
        answer()
        answer(f"segment {number}")
        table(
            ("stage", "kind", "columns: + added, ~ rewritten"),
            [
                (stage["name"], kind, _columns(stage))
                for kind, stages in (("map", segment["stages"]), ("barrier", segment["barriers"]))
                for stage in stages
            ],
        )
    for name, curve in outlined["curves"].items():
        answer()
        answer(
            f"{name}: {curve['bands']} bands x {curve['rows']} rows = {curve['permutations']}"
            f" permutations; verified at {_measure(curve)} {curve['threshold']:g}"
        )
        points = [(s, p) for s, p in curve["looked_at"] if round(s * 20) % 2 == 0 or s >= 0.7]
        answer("  Jaccard" + "".join(f"{s:6.2f}" for s, _ in points))
        answer("  found  " + "".join(f"{p:6.3f}" for _, p in points))
    if outlined["mixture"]:
        answer()
        for phase in outlined["mixture"]["phases"]:
            shares = ", ".join(f"{group} {share:.4f}" for group, share in phase["shares"].items())
            answer(f"mixture, phase {phase['phase']}, by {outlined['mixture']['unit']}: {shares}")
        if "table" in outlined["mixture"]:
            from curate.cli import print_result

            answer()
            print_result.mixture(outlined["mixture"]["table"], answer)
            answer(outlined["mixture"]["note"])
    for name, store in outlined["stores"].items():
        answer()
        answer(
            f"{name}: store {store['address']}: {store['documents']} documents in"
            f" {store['generations']} generations, {size(store['bytes'])};"
            f" about {size(store['bytes_per_document'])} more for each document kept"
            + ("" if store["adds"] else " by a run that adds to it")
        )
    _print_estimate(outlined["estimate"])
    name = outlined["recipe"]
    say(
        printable_line(
            f"next: curate run {written} --output out/{name}; with --dry-run on a sample"
        )
    )


def _print_estimate(cost: dict[str, Any]) -> None:
    from curate.cli.terminal import answer
    from curate.report.format import duration, size

    answer()
    tokens = f", {cost['tokens']:,} tokens kept" if cost["tokens"] else ""
    answer(
        f"estimate: {cost['documents']:,} documents, {size(cost['text_bytes'])} of text{tokens};"
        f" {size(cost['disk_bytes'])} of disk while it runs, {size(cost['product_bytes'])} of it"
        f" mixture and rejected; {size(cost['memory_bytes_per_worker'])} of memory per task;"
        f" {duration(cost['core_seconds'])} on one core"
    )
    answer(
        f"  by the rates that `curate bench` measured here on {cost['rates']}"
        if cost["rates"]
        else "  by shipped rates; `curate bench` measures this machine's, in a minute"
    )
    answer("  as if 3 documents in 10 had a like one")
    answer(
        f"  on {cost['nodes']} {'node' if cost['nodes'] == 1 else 'nodes'} of {cost['cores']}"
        f" cores: {duration(cost['seconds'])}, {duration(cost['seconds_alone'])} of it in the"
        f" driver and in single tasks; {size(cost['memory_bytes_per_node'])} of memory and"
        f" {size(cost['disk_bytes_per_node'])} of disk per node"
        + (f"; it costs {cost['cost']:,.2f}" if cost["cost"] else "")
    )
    answer(
        f"  {cost['tasks']:,} tasks on {cost['shards']:,} shards and up to {cost['partitions']:,}"
        f" partitions; in an object store about {cost['requests']:,} requests"
    )
    for warning in cost["warnings"]:
        answer(f"  warning: {warning}")


def _measure(curve: dict[str, Any]) -> str:
    if curve["similarity"] == "jaccard":
        return "Jaccard"
    return f"containment (a Jaccard similarity of {curve['aim']:g} or more)"


def _columns(stage: dict[str, Any]) -> str:
    does = ["+" + name for name in stage["adds"] if not name.startswith("signal_")]
    signals = sum(name.startswith("signal_") for name in stage["adds"])
    does += [f"+{signals} signals"] if signals else []
    does += ["~" + name for name in stage["rewrites"] if name not in stage["adds"]]
    return " ".join(does)
