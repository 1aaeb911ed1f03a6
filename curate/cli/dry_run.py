"""`curate run --dry-run`: every stage on a sample, and what the whole would come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.inspection.dry_run import DryRun
    from curate.recipe.recipe import Recipe

#: Bytes of text to choose the sample from.
SCAN = 16 << 20

#: Rules that are shown of each stage.
RULES = 3


def try_all(recipe: Recipe, sample: int, json: bool) -> int:
    """Print what each stage keeps of a sample, and what that means for the whole."""
    from curate.cli import print_result
    from curate.cli.terminal import answer, as_json, fixed, printable_line, say, table
    from curate.inspection import first_records
    from curate.inspection.dry_run import dry_run_all, kept_of_raw
    from curate.plan import build as planning
    from curate.plan.outline import outline
    from curate.report.format import duration, size

    plan = planning.build(recipe)
    first_records.check(plan)
    outlined = outline(plan)
    text = {name: source["text_estimated"] for name, source in outlined["sources"].items()}
    tried = dry_run_all(plan, sample=sample, scan=SCAN, text_bytes=text)
    before_mixture = [each for each in tried if each.stage != plan.mix.name]
    kept, cost = kept_of_raw(before_mixture), outlined["estimate"]
    if json:
        stages = [each.as_json() for each in tried]
        answer(as_json({"stages": stages, "kept": kept._asdict(), "estimate": cost}))
        return 0
    table(
        ("stage", "came", "kept", "95 % interval", "dropped most by"),
        [
            (
                each.stage, each.came, f"{each.kept.share:.1%}",
                f"{each.kept.low:.1%} to {each.kept.high:.1%}", _rules(each),
            )
            for each in before_mixture
        ],
    )  # fmt: skip
    for each in before_mixture:
        if each.note:
            answer(f"{each.stage}: {each.note}")
    for each in before_mixture:
        for example in each.examples[:1]:
            measured = example["dropped_value"]
            value = "" if measured is None else f" = {fixed(measured)}"
            answer()
            answer(printable_line(f"{example['dropped_by']}{value}  {example['id']}"))
            answer(printable_line(f"  {example['text'].strip() or '(empty)'}"))
    for each in tried:
        if each.stage == plan.mix.name:
            answer()
            if each.mixture:
                print_result.mixture(each.mixture, answer)
            answer(each.note)
    answer()
    low, share, high = (f"{part:.1%}" for part in (kept.low, kept.share, kept.high))
    answer(f"all stages keep {share} of the documents ({low} to {high}, before the mixture)")
    answer(
        f"the whole: {size(cost['text_bytes'])} of text, of it about"
        f" {size(cost['text_bytes'] * kept.share)} kept; {size(cost['disk_bytes'])} of disk while"
        f" it runs, {size(cost['memory_bytes_per_worker'])} of memory per worker,"
        f" {duration(cost['core_seconds'])} on one core"
    )
    answer("nothing was written; curate plan shows columns, S-curves, requests and cost")
    say("next: the same command without --dry-run, with --output DIR")
    return 0


def _rules(tried: DryRun) -> str:
    shown = [
        f"{rule.partition(':')[2] or rule} {share.share:.1%}"
        for rule, (_, share) in list(tried.dropped.items())[:RULES]
    ]
    return ", ".join(shown) + (" …" if len(tried.dropped) > RULES else "")
