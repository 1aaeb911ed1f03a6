"""The one rendering of a conversation as text; everything that needs chat as text calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def render(messages: Sequence[Mapping[str, object]] | None) -> str | None:
    r"""Render messages as ``role: content`` paragraphs; None stays None.

    >>> render([{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Сәлем!"}])
    'user: Сәлем\n\nassistant: Сәлем!'
    """
    if messages is None:
        return None
    return "\n\n".join(f"{turn['role']}: {turn['content'] or ''}" for turn in messages)
