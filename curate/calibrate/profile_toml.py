"""A calibrated profile as the file that a linguist edits further."""

from __future__ import annotations

import json
import textwrap

from curate.calibrate.derive import HEAD, MIDDLE, Calibration
from curate.recipe.profile import Rule


def to_toml(result: Calibration) -> str:
    """Write the differences from the profile it extends, with the measurements as a comment."""
    profile = result.profile
    head = f"{summary(result)}."
    if result.rules:
        head += " By rule: " + ", ".join(f"{k} {v:.1%}" for k, v in result.rules.items()) + "."
    if result.doubts:
        head += f" Not to be trusted: {'; '.join(result.doubts)}."
    lines = [*(f"# {line}" for line in textwrap.wrap(" ".join(head.split()), 110))]
    lines += [f"describes = {_text(profile.describes)}", f"extends = {_text(result.extends)}", ""]
    scripts = ", ".join(map(_text, profile.identify.scripts))
    lines += ["[identify]", f"scripts = [{scripts}]"]
    if profile.identify.letters:
        lines.append(f"letters = {_text(profile.identify.letters)}")
    words = profile.lists.get("stop_words", ())
    if words:
        quoted = " ".join(f"{_text(word)}," for word in words)
        wrapped = textwrap.wrap(quoted, 110, break_long_words=False, break_on_hyphens=False)
        lines += ["", "[lists]", "stop_words = [", *(f"  {line}" for line in wrapped), "]"]
    section = profile.perplexity
    if result.model is not None and section.head is not None and section.middle is not None:
        share, other = HEAD, MIDDLE
        lines += ["", f"# Of clean text that was held out, {share:.0%} is in the head, {other:.0%}"]
        lines += ["# in the head or the middle.", "[perplexity]", f"model = {_text(section.model)}"]
        lines += [f"head = {section.head:g}", f"middle = {section.middle:g}"]
    for name, rule in profile.rules.items():
        if name in result.changed:
            lines += ["", f"[rules.{name}]", *_rule(rule)]
    return "\n".join(lines) + "\n"


def summary(result: Calibration) -> str:
    """Return in one line what set the limits, and what they reject of text that was held out."""
    held = result.held_out
    if result.domains == 1:
        how = "in blocks of the one source"
    elif result.in_blocks is not None:
        how = f"by source, {result.in_blocks} in blocks"
    else:
        how = "by source"
    return (
        f"{result.documents} documents of {_many(result.domains, 'source')},"
        f" {_many(result.duplicates, 'duplicate')}, {result.short} too short:"
        f" {result.calibrated_on} set the limits; held out {how},"
        f" {result.false_rejection:.1%} would be rejected"
        f" (95 % interval {held.low:.1%} to {held.high:.1%})"
    )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _rule(rule: Rule) -> list[str]:
    lines = [f"signal = {_text(rule.signal)}"]
    lines += [f"min = {rule.min:g}"] if rule.min is not None else []
    lines += [f"max = {rule.max:g}"] if rule.max is not None else []
    lines += [f"undefined = {_text(rule.undefined)}"] if rule.undefined != "drop" else []
    return [*lines, f"why = {_text(rule.why)}", f"source = {_text(rule.source)}"]


def _text(text: str) -> str:
    # JSON strings are TOML strings, except for DEL, which no word of ours contains.
    return json.dumps(text, ensure_ascii=False)
