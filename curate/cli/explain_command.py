"""`curate explain`: what became of one document."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.cli.options import Json


def command(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Folder or address of a finished run; with --text also a recipe."
        ),
    ],
    documents: Annotated[
        list[str] | None,
        typer.Argument(metavar="DOCUMENT", help="Ids, URLs, or SOURCE/FILE#OFFSET of damage."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="FILE", help="A text instead of a document; - is stdin."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="The source that --text is taken for."),
    ] = None,
    json: Json = False,
) -> int:
    """Explain what became of documents, or would of one.

    Prints where it is, or which rule dropped it with which value, or which kept document it
    repeats and where the two differ; then what each stage did to its text, from a replay of the
    input, each rule of its language with its limits and the value measured, and the places in the
    text that a rule dropped it for.

    Example: curate explain out/demo https://pages-7.example/login
    """
    from curate import api
    from curate.cli.terminal import answer, as_json, say
    from curate.errors import RecipeError

    if (not documents) == (text is None):
        raise RecipeError("explain wants a document or --text", hint="one of them, not both")
    if text is not None:
        steps = api.explain_text(run, _text_of(text), source=source)
        if json:
            answer(as_json(steps))
            return 0
        dropped = steps[-1].get("dropped_by")
        answer(f"dropped by {dropped}" if dropped else "passes every stage that sees it alone")
        _replay(steps)
        return 0
    outcomes = [outcome for one in documents or () for outcome in api.explain(run, one)]
    if json:
        answer(as_json(outcomes))
        return 0
    for number, outcome in enumerate(outcomes):
        if number:
            answer()
        _print(outcome)
    signals = [
        rule["signal"]
        for outcome in outcomes
        for step in outcome.get("replay") or ()
        for rule in step.get("rules") or ()
        if not rule["holds"]
    ]
    if signals:
        say(f"next: curate sweep {run} --signal {signals[0]} draws what other limits would keep")
    return 0


def _text_of(name: str) -> str:
    """Return the content of a file or of stdin; bytes that are no UTF-8 are replaced."""
    import sys
    from pathlib import Path

    from curate.errors import RecipeError

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise RecipeError(f"{error.strerror or error}", where=name) from error
    return data.decode(errors="replace")


def _print(outcome: dict[str, Any]) -> None:
    from curate.cli.terminal import answer, printable_line
    from curate.schema import file_key, make_id

    name = outcome.get("id") or make_id(
        file_key(outcome["source"], outcome["file"]), outcome["offset"]
    )
    answer(printable_line(name))
    if outcome.get("url"):
        answer(printable_line(f"  {outcome['url']}"))
    for line in _verdict(outcome):
        answer(printable_line(f"  {line}"))
    names = ("lang", "lang_score", "lang2", "n_tokens", "cluster_size")
    facts = [f"{name} {_number(outcome[name])}" for name in names if name in outcome]
    if facts:
        answer("  " + "  ".join(facts))
    if outcome.get("difference"):
        answer()
        _beside(outcome["difference"])
    if outcome.get("replay"):
        _replay(outcome["replay"])
    elif outcome.get("no_replay"):
        answer(printable_line(f"  (stages not replayed: {outcome['no_replay']})"))


def _verdict(outcome: dict[str, Any]) -> list[str]:
    """Return the lines that describe how the document ended."""
    kind = outcome["outcome"]
    if kind == "quarantined":
        lines = [
            f"quarantined: {outcome['reason']}, {outcome['length']} bytes at offset"
            f" {outcome['offset']} of {outcome['file']}",
            outcome["error"],
            f"begins {outcome['head'][:72]!r}",
        ]
        return [line for line in lines if line]
    if kind == "kept":
        copies = ", ".join(f"{phase}: {n} x" for phase, n in outcome["copies"].items())
        return [f"kept, in the mixture ({copies}): {outcome['where']}"]
    if kind == "over_budget":
        drawn = f"drawn at u = {outcome['dropped_value']:.4f}"
        return [
            f"curated, but over the budget of its group: {drawn}",
            *(
                f"phase {row['phase']}, group {row['group']}: {row['available']} {row['unit']}"
                f" available, {row['asked']} asked, {row['amount']} taken from the lowest u on"
                for row in outcome.get("groups", ())
            ),
            f"see {outcome['where']}",
        ]
    if kind == "no_group":
        return [f"curated, but no group of the mixture takes it: {outcome['where']}"]
    value = outcome.get("dropped_value")
    measured = "" if value is None else f", measured {_number(value)}"
    lines = [f"dropped by {outcome['dropped_by']}{measured}: {outcome['where']}"]
    if outcome.get("duplicate_of"):
        alike = "" if outcome.get("jaccard") is None else f", Jaccard {outcome['jaccard']:.3f}"
        lines.append(f"duplicate of {outcome['duplicate_of']}{alike}")
        for witness in outcome.get("witness", ()):
            by = f" by {witness['dropped_by']}" if witness.get("dropped_by") else ""
            place = f": {witness['where']}" if witness["outcome"] in ("stored", "unknown") else ""
            lines.append(
                f"which was {_WITNESS.get(witness['outcome'], witness['outcome'])}{by}{place}"
            )
    return lines


#: A witness was kept by the dedup; a later stage may still have dropped it.
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
                step.get("dropped_by")
                or step.get("lang")
                or " ".join(f"{key}={n}" for key, n in step["did"].items()),
            )
            for step in steps
        ],
    )
    before = ""
    for step in steps:
        if step["changed"]:
            answer()
            _difference(step["stage"], before, step["text"])
        before = step.get("text", before)
        if step.get("rules"):
            answer()
            _rules(step["rules"])
            _places(step["rules"], before)


def _beside(difference: list[tuple[str, str]]) -> None:
    """Print where a duplicate and the kept text differ, as wdiff does."""
    import textwrap

    from curate.cli.terminal import answer, printable_line

    marked = {"same": "{}", "kept": "{{+{}+}}", "removed": "[-{}-]"}
    text = printable_line("".join(marked[kind].format(part) for kind, part in difference))
    answer("beside the kept text, [-only here-] {+only in the kept one+}:")
    lines = textwrap.wrap(text, _WIDTH) or ["(the same)"]
    for line in lines[:_LINES]:
        answer(f"  {line}")
    if len(lines) > _LINES:
        answer(f"  … {len(lines) - _LINES} lines more; --json has all")


def _places(rules: list[dict[str, Any]], text: str) -> None:
    """Print the parts of the text that failing rules come from, each once."""
    from curate.cli.terminal import answer, printable_line

    by_part: dict[tuple[tuple[int, int], ...], list[str]] = {}
    spread = []
    for rule in rules:
        if rule.get("places") == []:
            spread.append(rule["rule"])
        for place in rule.get("places", ()):
            found = by_part.setdefault(tuple(map(tuple, place["spans"])), [])
            found.append(f"{rule['rule']} {_number(place['without'])}")
    if by_part:
        answer()
        answer("where the failing rules come from, and what they measure without it:")
    for spans, without in sorted(by_part.items()):
        start, end = spans[0]
        line = text.count("\n", 0, start) + 1
        more = f" and {len(spans) - 1} more" if len(spans) > 1 else ""
        answer(printable_line(f"  line {line}{more}: {text[start:end].strip()[:_WIDTH]}"))
        answer(f"    {', '.join(without)}")
    if spread:
        answer()
        answer(f"from all of the text: {', '.join(spread)}")


#: Lines of a text's difference that are shown, and characters of each.
_LINES, _WIDTH = 12, 100


def _difference(stage: str, before: str, after: str) -> None:
    """Print the lines that a stage removed and wrote."""
    from difflib import unified_diff

    from curate.cli.terminal import answer, printable_line

    lines = [
        line
        for line in unified_diff(
            before.splitlines()[:_COMPARED], after.splitlines()[:_COMPARED], n=0, lineterm=""
        )
        if not line.startswith(("---", "+++", "@@"))
    ]
    answer(f"{stage} changed" + (":" if lines else " spaces or ends of lines"))
    for line in lines[:_LINES]:
        answer("  " + printable_line(line[:_WIDTH]))
    if len(lines) > _LINES:
        answer(f"  … {len(lines) - _LINES} lines more; --json has the texts")


#: Lines that are compared: the comparison takes the square of them.
_COMPARED = 2_000


def _reason(rule: dict[str, Any]) -> str:
    """Return what a rule that fails removes, and where its limit is from."""
    why = f": {rule['why']}" if rule["why"] else ""
    return f"fails{why}" + (f" (limit: {rule['source']})" if rule["source"] else "")


def _rules(rules: list[dict[str, Any]]) -> None:
    from curate.cli.terminal import table

    def limit(value: float | None) -> str:
        return "" if value is None else f"{value:g}"

    table(
        ("rule", "measured", "from", "to", ""),
        [
            (
                rule["rule"],
                "undefined" if rule["value"] is None else _number(rule["value"])[:40],
                limit(rule["min"]) or ", ".join(rule.get("allowed", ()))[:40],
                limit(rule["max"])
                or ("not " + ", ".join(rule["refused"])[:40] if rule.get("refused") else ""),
                "" if rule["holds"] else _reason(rule),
            )
            for rule in rules
        ],
    )
