"""Spans of bytes in a text, and their positions after lines were removed from the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: First byte, byte after the last, and kind.
Span = tuple[int, int, str]


def move_spans(spans: Sequence[Span], before: str, after: str) -> list[Span] | None:
    r"""Return the spans of one text in the text that it became, or None if that is ambiguous.

    A span stays with its line: removed lines lose theirs. It is ambiguous if a line with a span may
    have changed within, or if two equal lines have different spans. Spans must be in order; the
    work is linear.

    >>> move_spans([(12, 29, "email")], "Home | News\nemail@example.com\nNow", "email@example.com")
    [(0, 17, 'email')]
    >>> move_spans([(0, 17, "email")], "email@example.com [1]", "email@example.com") is None
    True
    """
    by_line: dict[bytes, list[Span]] = {}
    missing: Counter[bytes] = Counter()
    begin = place = 0
    for line in before.encode().split(b"\n"):
        end = begin + len(line)
        in_line: list[Span] = []
        while place < len(spans) and spans[place][0] <= end:
            first, last, kind = spans[place]
            if last > end:
                return None
            in_line.append((first - begin, last - begin, kind))
            place += 1
        if by_line.setdefault(line, in_line) != in_line:
            return None
        if in_line:
            missing[line] += 1
        begin = end + 1
    moved: list[Span] = []
    begin = 0
    changed = False
    for line in after.encode().split(b"\n"):
        changed |= line not in by_line
        moved += [
            (begin + first, begin + last, kind) for first, last, kind in by_line.get(line, ())
        ]
        missing[line] -= 1
        begin += len(line) + 1
    return None if changed and any(count > 0 for count in missing.values()) else moved
