"""A calibrated profile as the file that a linguist goes on with."""

from __future__ import annotations

import json
import textwrap

from curate.calibrate.derive import Calibration
from curate.recipe.profile import Rule


def to_toml(found: Calibration) -> str:
    """Write what differs from the profile that it extends, with what was measured as a comment."""
    profile = found.profile
    head = (
        f"{found.documents} clean documents of {found.domains} domains, {found.short} too short:"
        f" {found.calibrated_on} of them, chosen by hash, set the limits; of {found.held_out} others"
        f" {found.false_rejection:.1%} fall to these rules."
    )
    if found.rules:
        head += " By rule: " + ", ".join(f"{k} {v:.1%}" for k, v in found.rules.items()) + "."
    lines = [*(f"# {line}" for line in textwrap.wrap(head, 110))]
    lines += [f"describes = {_text(profile.describes)}", f"extends = {_text(found.extends)}", ""]
    lines += ["[identify]", f"scripts = {_texts(profile.identify.scripts)}"]
    if profile.identify.letters:
        lines.append(f"letters = {_text(profile.identify.letters)}")
    words = profile.lists.get("stop_words", ())
    if words:
        quoted = " ".join(f"{_text(word)}," for word in words)
        wrapped = textwrap.wrap(quoted, 110, break_long_words=False, break_on_hyphens=False)
        lines += ["", "[lists]", "stop_words = [", *(f"  {line}" for line in wrapped), "]"]
    for name, rule in profile.rules.items():
        if name in found.changed:
            lines += ["", f"[rules.{name}]", *_rule(rule)]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> list[str]:
    lines = [f"signal = {_text(rule.signal)}"]
    lines += [f"min = {rule.min:g}"] if rule.min is not None else []
    lines += [f"max = {rule.max:g}"] if rule.max is not None else []
    lines += [f"undefined = {_text(rule.undefined)}"] if rule.undefined != "drop" else []
    return [*lines, f"why = {_text(rule.why)}", f"source = {_text(rule.source)}"]


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for DEL, which no word of ours holds.
    return json.dumps(text, ensure_ascii=False)


def _texts(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"
