"""The difference of two documents, word by word, with long equal parts shortened."""

from __future__ import annotations

import difflib
import re

#: An equal part longer than this many characters is cut in its middle.
_LONGEST_SAME = 120

#: Texts of more characters are compared by lines, and at most so many of them.
_LONG, _MOST_PARTS = 10_000, 10_000

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def compare(kept: str | None, removed: str | None) -> tuple[tuple[str, str], ...]:
    """Return parts (same, kept or removed; text) in order; none where a text is missing.

    Words are compared; characters where the text has few spaces, as in scripts without them; lines
    of long texts, because the time grows with the square of the parts. Texts of very many lines
    give nothing.

    >>> compare("one two three", "one 2 three")
    (('same', 'one '), ('kept', 'two'), ('removed', '2'), ('same', ' three'))
    """
    if kept is None or removed is None:
        return ()
    long = max(len(kept), len(removed)) > _LONG
    left, right = _tokens(kept, long), _tokens(removed, long)
    if max(len(left), len(right)) > _MOST_PARTS:
        return ()
    parts: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        if kind == "equal":
            parts.append(("same", _shortened("".join(left[a:a_end]))))
            continue
        if a_end > a:
            parts.append(("kept", "".join(left[a:a_end])))
        if b_end > b:
            parts.append(("removed", "".join(right[b:b_end])))
    return tuple(parts)


def _tokens(text: str, long: bool) -> list[str]:
    if long:
        return text.splitlines(keepends=True)
    spaces = sum(map(str.isspace, text))
    return _WORDS.findall(text) if 20 * spaces > len(text) else list(text)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_SAME:
        return text
    half = _LONGEST_SAME // 2
    return f"{text[:half]} … {text[-half:]}"
