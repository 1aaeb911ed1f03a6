"""`curate explain`: the fate of one document."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli.options import Json, RunFolder


def command(
    run: RunFolder,
    document: Annotated[
        str,
        typer.Argument(metavar="DOCUMENT", help="An id, a URL, or SOURCE/FILE#OFFSET of damage."),
    ],
    json: Json = False,
) -> int:
    """Tell what became of a document, and why.

    Where it is, or which rule dropped it with which number, or which kept document it repeats; then
    what each stage did to its text, from a replay of the input.

    Example: curate explain out/demo https://pages-7.example/login
    """
    from curate import api
    from curate.cli.terminal import answer, as_json

    told = api.explain(run, document)
    if json:
        answer(as_json(told))
        return 0
    for number, fate in enumerate(told):
        if number:
            answer()
        _tell(fate)
    return 0


def _tell(fate: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, one_line
    from curate.schema import file_key, make_id

    name = fate.get("id") or make_id(file_key(fate["source"], fate["file"]), fate["offset"])
    answer(one_line(name))
    if fate.get("url"):
        answer(one_line(f"  {fate['url']}"))
    for line in _verdict(fate):
        answer(one_line(f"  {line}"))
    names = ("lang", "lang_score", "lang2", "n_tokens", "cluster_size")
    facts = [f"{name} {_number(fate[name])}" for name in names if name in fate]
    if facts:
        answer("  " + "  ".join(facts))
    if fate.get("replay"):
        _replay(fate["replay"])
    elif fate.get("no_replay"):
        answer(one_line(f"  (stages not replayed: {fate['no_replay']})"))


def _verdict(fate: dict[str, Any]) -> list[str]:
    """Say in sentences how the document ended."""
    kind = fate["fate"]
    if kind == "quarantined":
        lines = [
            f"quarantined: {fate['reason']}, {fate['length']} bytes at offset {fate['offset']} of"
            f" {fate['file']}",
            fate["error"],
            f"begins {fate['head'][:72]!r}",
        ]
        return [line for line in lines if line]
    if kind == "kept":
        copies = ", ".join(f"{phase}: {n} x" for phase, n in fate["copies"].items())
        return [f"kept, in the mixture ({copies}): {fate['where']}"]
    if kind == "over_budget":
        lines = [
            f"curated, but over the budget of its group: drawn at u = {fate['dropped_value']:.4f}"
        ]
        lines += [
            f"phase {row['phase']}, group {row['group']}: {row['available']} {row['unit']} available,"
            f" {row['asked']} asked, {row['amount']} taken from the lowest u on"
            for row in fate.get("groups", ())
        ]
        return [*lines, f"see {fate['where']}"]
    if kind == "no_group":
        return [f"curated, but no group of the mixture takes it: {fate['where']}"]
    value = fate.get("dropped_value")
    measured = "" if value is None else f", measured {_number(value)}"
    lines = [f"dropped by {fate['dropped_by']}{measured}: {fate['where']}"]
    if fate.get("duplicate_of"):
        alike = "" if fate.get("jaccard") is None else f", Jaccard {fate['jaccard']:.3f}"
        lines.append(f"duplicate of {fate['duplicate_of']}{alike}")
        for witness in fate.get("witness", ()):
            by = f" by {witness['dropped_by']}" if witness.get("dropped_by") else ""
            place = f": {witness['where']}" if witness["fate"] in ("stored", "unknown") else ""
            lines.append(f"which was {_WITNESS.get(witness['fate'], witness['fate'])}{by}{place}")
    return lines


#: A witness was kept by the dedup; what came after may still have ended it.
_WITNESS = {
    "kept": "kept, and is in the mixture",
    "over_budget": "kept, then left out",
    "no_group": "kept, then left out",
    "dropped": "kept, then dropped",
    "stored": "kept by an earlier run",
    "unknown": "kept by an earlier run, and the store does not answer",
}


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _replay(steps: list[dict[str, Any]]) -> None:
    from curate.cli.terminal import answer, table

    answer()
    table(
        ("stage", "characters", "text", "did"),
        [
            (
                step["stage"],
                step["characters"],
                "changed" if step["changed"] else "",
                step.get("dropped_by") or " ".join(f"{key}={n}" for key, n in step["did"].items()),
            )
            for step in steps
        ],
    )
