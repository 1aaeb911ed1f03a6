"""`curate plan`: what a recipe would do and cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli.options import Inputs, Json, RecipeName, Settings, parse_inputs

#: Bytes of text from which the mixture's sample is chosen.
SCAN = 32 << 20


def command(
    recipe: RecipeName,
    input: Inputs = None,
    set: Settings = None,
    sample: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Documents to estimate the mixture from; 0: only its shares."
        ),
    ] = 300,
    json: Json = False,
) -> int:
    """Show what a recipe would do and cost; run nothing.

    Prints the sources, the segments with the columns that their stages add, the S-curve of dedup,
    the expected mixture (available, asked, got), and an estimate of disk, memory and time.

    Example: curate plan demo
    """
    from curate.cli.terminal import answer, as_json
    from curate.errors import CurateError
    from curate.plan import build as planning
    from curate.plan.outline import outline
    from curate.recipe.recipe import load_recipe

    plan = planning.build(load_recipe(recipe, inputs=dict(parse_inputs(input)), settings=set or ()))
    outlined = outline(plan)
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
        _print(outlined)
    return 0


def _print(outlined: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, printable_line, table
    from curate.report.format import duration, size

    answer(printable_line(f"{outlined['recipe']}: {outlined['describes']}"))
    answer()
    table(
        ("source", "format", "files", "stored", "shards", "text (estimated)"),
        [
            (
                name,
                source["format"],
                source["files"],
                size(source["bytes"]),
                source["shards"],
                size(source["text_estimated"]),
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
        answer("  a pair of Jaccard  " + "  ".join(f"{s:5.2f}" for s, _ in points))
        answer("  is looked at with  " + "  ".join(f"{p:5.3f}" for _, p in points))
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
    cost = outlined["estimate"]
    answer()
    answer(
        f"estimate: {size(cost['text_bytes'])} of text; {size(cost['disk_bytes'])} of disk while it"
        f" runs; {size(cost['memory_bytes_per_worker'])} of memory per worker;"
        f" {duration(cost['core_seconds'])} on one core"
    )
    answer(
        f"  by the rates that `curate bench` measured here on {cost['rates']}"
        if cost["rates"]
        else "  by shipped rates; `curate bench` measures this machine's, in a minute"
    )
    for name, part in outlined["dedups"].items():
        answer(
            f"  of it {name}, should 3 documents in 10 have a like one: {size(part['disk'])} of"
            f" disk, {size(part['shuffled'])} sent between tasks, {size(part['label_task'])} in the"
            " task that labels clusters"
        )


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
