"""`curate explain`: the fate of one document."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def command(
    run: Annotated[str, typer.Argument(help="Folder or address of a finished run.")],
    document: Annotated[str, typer.Argument(help="An id, a URL, or SOURCE/FILE#OFFSET.")],
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> int:
    """Tell what became of a document: where it is, or which rule dropped it, and what was changed.

    Example: curate explain out/demo https://example.org/page
    """
    from curate import api
    from curate.cli.terminal import answer, as_json

    told = api.explain(run, document)
    if json:
        answer(as_json(told))
        return 0
    for fate in told:
        _tell(fate)
    return 0


def _tell(fate: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, table

    name = fate.get("id") or f"{fate['source']}/{fate['file']}#{fate['offset']}"
    answer(name)
    if fate.get("url"):
        answer(f"  {fate['url']}")
    if fate["fate"] == "quarantined":
        answer(
            f"  quarantined: {fate['reason']}, {fate['length']} bytes at offset {fate['offset']}"
        )
        if fate["error"]:
            answer(f"  {fate['error']}")
    elif fate["fate"] == "kept":
        copies = ", ".join(f"{phase}: {n} x" for phase, n in fate["copies"].items())
        answer(f"  kept, in the mixture ({copies}): {fate['where']}")
    elif fate["fate"] == "over_budget":
        answer(f"  curated, but the mixture has no room for it ({fate['dropped_by']})")
    else:
        value = fate.get("dropped_value")
        measured = "" if value is None else f", measured {value:g}"
        answer(f"  dropped by {fate['dropped_by']}{measured}: {fate['where']}")
    if fate.get("duplicate_of"):
        alike = "" if fate.get("jaccard") is None else f", Jaccard {fate['jaccard']:.3f}"
        answer(f"  duplicate of {fate['duplicate_of']}{alike}")
        answer(f"  which was {fate.get('witness', 'kept')}")
    facts = [
        (k, fate[k])
        for k in ("lang", "lang_score", "lang2", "n_tokens", "cluster_size")
        if k in fate
    ]
    if facts:
        answer("  " + "  ".join(f"{key} {value}" for key, value in facts))
    if fate.get("replay"):
        answer()
        table(
            ("stage", "text", "did"),
            [
                (
                    step["stage"],
                    "changed" if step.get("changed") else "",
                    step.get("dropped_by")
                    or " ".join(f"{key}={n}" for key, n in step["did"].items()),
                )
                for step in fate["replay"]
            ],
        )
    elif fate.get("no_replay"):
        answer(f"  (stages not replayed: {fate['no_replay']})")
