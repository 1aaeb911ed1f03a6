"""Sentences that the HTML and the Markdown share.

What a recipe or a stage names in them goes through ``show``: `one_line` for a page that escapes by
itself, `code` for Markdown.
"""

from __future__ import annotations

from collections.abc import Callable

from curate.report.format import duration, number, percent, unmatched
from curate.report.model import Report

Show = Callable[[str], str]

#: A slowest task of more than this many times the typical one is mentioned.
_UNEVEN = 5

NOTHING_SHARED = "No document of one source stands in another one."


def describe(report: Report) -> str:
    """Return the recipe's description of itself."""
    return str(report.manifest.recipe.get("describes") or "")


def compare_note(report: Report, show: Show) -> str:
    """Compare the share kept with the figure that the recipe quotes; empty if it quotes none."""
    compare = report.manifest.recipe.get("compare")
    if not compare:
        return ""
    run = report.run
    dedup = (
        f", and dedup alone {percent(report.dedup.kept)} of the documents and"
        f" {percent(report.dedup.kept_bytes)} of the bytes that came to it"
        if report.dedup
        else ""
    )
    return (
        f"This run kept {percent(run.kept)} of the raw documents and {percent(run.kept_bytes)} of"
        f" the raw bytes{dedup}. To compare: {percent(compare['kept_of_raw'])}"
        f" ({show(compare['source'])}). That is an outcome on another pool, not a target."
    )


def sidecar_notes(report: Report, show: Show) -> list[str]:
    """Return what of each sidecar matched."""
    found = report.manifest.sidecars
    return [f"Sidecar {show(each['sidecar'])}: {unmatched(each)}." for each in found]


def takedown_note(report: Report) -> str:
    """Return what was taken down from the run since it was made; empty if nothing was."""
    taken = report.manifest.takedowns
    if not taken:
        return ""
    documents = sum(sum(one.documents.values()) for one in taken)
    rows = sum(one.rows for one in taken)
    left = sum(one.copies_left for one in taken)
    stay = f" {left:,} documents that dedup found to be copies of them stay." if left else ""
    return (
        f"Since the run, {documents:,} documents ({rows:,} rows of the mixture) were taken down,"
        f" the last on {taken[-1].when[:10]}. Nothing was refilled: shares, tokens and epochs are"
        f" those of what is left, what was asked for is that of the run.{stay}"
    )


def counted_note(report: Report, show: Show) -> str:
    """Return which tokenizer counted; empty if none did."""
    counter = report.manifest.counted_with
    if not counter:
        return ""
    return (
        f"Tokens are those of {show(counter['tokenizer'])} (digest"
        f" {show(counter['tokenizer_digest'][:16])}). A word is what whitespace separates."
    )


def packed_note(report: Report, show: Show) -> str:
    """Return how the documents were packed."""
    output = report.manifest.recipe["output"]
    template = output.get("template")
    written = f", conversations by the chat template {show(template)}" if template else ""
    return (
        f"A sequence has {number(output['length'])} tokens{written}. Documents are packed whole,"
        " best-fit decreasing. One that is longer than a sequence is split into full sequences and"
        " a rest; nothing is truncated. Left out: conversations that the template cannot write;"
        " they are rows of the mixture."
    )


def benchmark_note() -> str:
    """Return the meaning of the numbers of evaluation sets."""
    return (
        "An example is a row of a set, counted from 0. Too short: none of its strings has enough"
        " words to be looked for, so that nothing protects it. Looked for: different runs of words,"
        " and whole strings. Found: examples of which some document has a run, or all of a string;"
        " beside them, the row that stands in most documents. Where these are many, look whether it"
        " is an example at all. A document that has something of several sets is dropped or cut"
        " under the one that it shares most with. All rows found, and all too short, are in"
        " report.json."
    )


def time_notes(report: Report, show: Show) -> list[str]:
    """Return what the times include and exclude."""
    time = report.time
    notes = []
    uneven = [
        f"{show(part.name.partition(',')[0])}"
        f" ({duration(part.slowest)} against {duration(part.typical)})"
        for part in time.work
        if part.slowest and part.typical and part.slowest > max(1.0, _UNEVEN * part.typical)
    ]
    if uneven:
        notes.append(
            f"The slowest task took over {_UNEVEN} times the typical one in: {', '.join(uneven)}."
            " That is often start-up: the first tasks on a machine load models and tokenizers and,"
            " once per version of curate, compile the kernels; later runs find them in the cache."
        )
    if time.total is not None:
        notes.append(
            "Seconds are wall-clock time on the driver, from the start of the engine to the last"
            " task. Planning before and publishing after are not in them, nor are tasks that an"
            " earlier, interrupted session had finished."
        )
    return notes


def environment(report: Report) -> list[tuple[str, str]]:
    """Return versions, digests and the size of the input."""
    manifest = report.manifest
    machine = manifest.environment
    packages = ", ".join(
        f"{name} {version}" for name, version in machine["packages"].items() if version
    )
    rows = [
        ("curate", f"{manifest.curate} (contract {manifest.contract})"),
        ("plan", manifest.plan),
        ("profiles", manifest.profiles),
        ("input files", f"{len(manifest.inputs):,}"),
        ("files written", f"{len(manifest.files):,}"),
        ("Python", f"{machine['python']} on {machine['machine']}"),
        ("packages", packages),
    ]
    rows += [(f"model of {stage}", digest) for stage, digest in manifest.models.items()]
    return rows
