"""Spans of bytes in a text, and where they are once the text has lost lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: First byte, byte after the last, and what is there.
Span = tuple[int, int, str]


def moved(spans: Sequence[Span], before: str, after: str) -> list[Span] | None:
    r"""Give spans of one text in the text that it became; None where that cannot be told.

    A span stays with its line: what goes with a removed line is gone. It cannot be told when a line
    that holds a span may have changed within, nor when two equal lines hold different spans. Spans
    are given in order; the work is linear.

    >>> moved([(12, 29, "email")], "Home | News\nemail@example.com\nShare", "email@example.com")
    [(0, 17, 'email')]
    >>> moved([(0, 17, "email")], "email@example.com [1]", "email@example.com") is None
    True
    """
    held: dict[bytes, list[Span]] = {}
    missing: Counter[bytes] = Counter()
    begin = place = 0
    for line in before.encode().split(b"\n"):
        end = begin + len(line)
        mine: list[Span] = []
        while place < len(spans) and spans[place][0] <= end:
            first, last, kind = spans[place]
            if last > end:
                return None
            mine.append((first - begin, last - begin, kind))
            place += 1
        if held.setdefault(line, mine) != mine:
            return None
        if mine:
            missing[line] += 1
        begin = end + 1
    found: list[Span] = []
    begin = 0
    changed = False
    for line in after.encode().split(b"\n"):
        changed |= line not in held
        found += [(begin + first, begin + last, kind) for first, last, kind in held.get(line, ())]
        missing[line] -= 1
        begin += len(line) + 1
    return None if changed and any(count > 0 for count in missing.values()) else found
