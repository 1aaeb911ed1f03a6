"""ShareGPT's form of a conversation, which chat trainers such as axolotl and FastChat read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Our roles, and what ShareGPT files call them; any other keeps its name.
_FROM = {"user": "human", "assistant": "gpt"}


def sharegpt(messages: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Give ``from`` and ``value`` of each turn.

    >>> sharegpt([{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": None}])
    [{'from': 'human', 'value': 'Сәлем'}, {'from': 'gpt', 'value': ''}]
    """
    return [
        {"from": _FROM.get(str(turn["role"]), turn["role"]), "value": turn["content"] or ""}
        for turn in messages
    ]
