"""A calibrated profile as the file that a linguist edits further."""

from __future__ import annotations

import json
import textwrap

from curate.calibrate.derive import Calibration
from curate.recipe.profile import Rule


def to_toml(result: Calibration) -> str:
    """Write the differences from the profile it extends, with the measurements as a comment."""
    profile = result.profile
    head = (
        f"{result.documents} clean documents of {result.domains} domains, {result.short} too short:"
        f" {result.calibrated_on} of them, chosen by hash, set the limits;"
        f" of {result.held_out} others {result.false_rejection:.1%} fall to these rules."
    )
    if result.rules:
        head += " By rule: " + ", ".join(f"{k} {v:.1%}" for k, v in result.rules.items()) + "."
    lines = [*(f"# {line}" for line in textwrap.wrap(head, 110))]
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
    for name, rule in profile.rules.items():
        if name in result.changed:
            lines += ["", f"[rules.{name}]", *_rule(rule)]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> list[str]:
    lines = [f"signal = {_text(rule.signal)}"]
    lines += [f"min = {rule.min:g}"] if rule.min is not None else []
    lines += [f"max = {rule.max:g}"] if rule.max is not None else []
    lines += [f"undefined = {_text(rule.undefined)}"] if rule.undefined != "drop" else []
    return [*lines, f"why = {_text(rule.why)}", f"source = {_text(rule.source)}"]


def _text(text: str) -> str:
    # JSON strings are TOML strings, except for DEL, which no word of ours contains.
    return json.dumps(text, ensure_ascii=False)
