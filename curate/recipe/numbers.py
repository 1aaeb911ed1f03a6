"""Numbers of a recipe as exact fractions, and ratios of them."""

from __future__ import annotations

import re
from fractions import Fraction

#: A part of a ratio. The bounds keep the exact number of ``1e999999999`` from being made.
_NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{0,18})?([eE][-+]?\d{1,2}|/\d{1,18})?", re.ASCII)


def exact(number: float) -> Fraction:
    """Return a number through its shortest decimal form: 0.1 in a recipe means one tenth."""
    return Fraction(repr(number))


def ratio_parts(ratio: str, groups: tuple[str, ...]) -> dict[str, Fraction]:
    """Return each group's part of a ratio; raise ValueError where it is none for these groups."""
    written = [part.strip() for part in ratio.split(":")]
    try:
        if not all(map(_NUMBER.fullmatch, written)):
            raise ValueError
        parts = [Fraction(part) for part in written]
    except (ValueError, ZeroDivisionError):
        shown = ratio if len(ratio) <= 100 else ratio[:100] + "…"
        raise ValueError(
            f"ratio '{shown}' is not numbers with colons between, like '3:1:3'"
        ) from None
    if len(parts) != len(groups):
        raise ValueError(f"ratio '{ratio}' has {len(parts)} parts for {len(groups)} groups")
    if min(parts) < 0:
        raise ValueError(f"ratio '{ratio}' has a part below 0")
    return dict(zip(groups, parts, strict=True))
