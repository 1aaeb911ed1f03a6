"""`curate plan`: what a recipe would do, and take."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe.")],
    input: Annotated[list[str] | None, typer.Option(help="SOURCE=PATH, repeatable.")] = None,
    set: Annotated[list[str] | None, typer.Option(help="key.path=value, repeatable.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Print a recipe's segments, columns, S-curve and estimated cost; nothing is run or written.

    Example: curate plan demo
    """
    from curate import plan as planning
    from curate.cli.inputs import replaced
    from curate.cli.terminal import answer, as_json, size, table
    from curate.outline import outline
    from curate.recipe import model

    plan = planning.build(model.load(recipe, inputs=dict(replaced(input)), settings=set or ()))
    said = outline(plan)
    if json:
        answer(as_json(said))
        return 0
    answer(f"{said['recipe']}: {said['describes']}")
    answer()
    table(
        ("source", "format", "files", "stored", "shards"),
        [
            (name, s["format"], s["files"], size(s["bytes"]), s["shards"])
            for name, s in said["sources"].items()
        ],
    )
    for number, segment in enumerate(said["segments"]):
        answer()
        answer(f"segment {number}")
        rows = []
        for stage in [*segment["stages"], *segment["barriers"]]:
            kind = "barrier" if stage in segment["barriers"] else "map"
            does = ["+" + name for name in stage["adds"] if not name.startswith("signal_")]
            signals = sum(name.startswith("signal_") for name in stage["adds"])
            does += [f"+{signals} signals"] if signals else []
            does += ["~" + name for name in stage["rewrites"] if name not in stage["adds"]]
            rows.append((stage["name"], kind, " ".join(does)))
        table(("stage", "kind", "columns: + added, ~ rewritten"), rows)
    for name, curve in said["curves"].items():
        answer()
        answer(
            f"{name}: {curve['bands']} bands x {curve['rows']} rows = {curve['permutations']}"
            f" permutations; a pair is looked at, and then verified at {curve['threshold']:g}, with"
        )
        answer("  " + "  ".join(f"{s:g}: {p:.3f}" for s, p in curve["looked_at"]))
    if said["mixture"]:
        answer()
        for phase in said["mixture"]["phases"]:
            shares = ", ".join(f"{group} {share:.4f}" for group, share in phase["shares"].items())
            answer(f"mixture, phase {phase['phase']}, by {said['mixture']['unit']}: {shares}")
    cost = said["estimate"]
    answer()
    answer(
        f"estimate: {size(cost['text_bytes'])} of text, {size(cost['disk_bytes'])} of disk,"
        f" {size(cost['memory_bytes_per_worker'])} of memory per worker, {cost['core_seconds']:g}"
        " core-seconds"
    )
    return 0
