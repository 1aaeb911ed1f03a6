"""Conversations as text, and in the two forms that trainers read: ShareGPT and OpenAI messages.

A conversation is a list of messages (see ``MESSAGE`` in curate/schema.py): ``role`` is system,
user, assistant or tool, ``tool_calls`` is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Messages = Sequence[Mapping[str, Any]]

#: ShareGPT's names of the roles.
SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def render(messages: Messages | None) -> str | None:
    r"""Return messages as ``role: content`` paragraphs; None stays None.

    >>> render([{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Сәлем!"}])
    'user: Сәлем\n\nassistant: Сәлем!'
    """
    if messages is None:
        return None
    return "\n\n".join(f"{turn['role']}: {turn['content'] or ''}" for turn in messages)


def content_offsets(messages: Messages) -> list[int]:
    """Return where the content of each message begins in the rendering, in bytes.

    >>> content_offsets([{"role": "user", "content": "Сәлем"}, {"role": "tool", "content": "1"}])
    [6, 24]
    """
    starts: list[int] = []
    place = 0
    for turn in messages:
        starts.append(place + len(f"{turn['role']}: ".encode()))
        place = starts[-1] + len((turn["content"] or "").encode()) + 2
    return starts


def sharegpt(messages: Messages, rejected: Messages | None = None) -> dict[str, Any]:
    """Return a conversation as ShareGPT's ``conversations``: a list of ``from`` and ``value``.

    A tool call is a turn ``function_call`` of its own, after the assistant's content in the same
    message. The names of speakers are left out. Preference data has the turns that both sides share
    under ``conversations``, and the two answers under ``chosen`` and ``rejected``: one turn each,
    or the whole conversations as lists where a side has more.

    >>> sharegpt([{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Сәлем!"}])
    {'conversations': [{'from': 'human', 'value': 'Сәлем'}, {'from': 'gpt', 'value': 'Сәлем!'}]}
    """
    turns = _sharegpt_turns(messages)
    if rejected is None:
        return {"conversations": turns}
    other = _sharegpt_turns(rejected)
    same = 0
    while same < min(len(turns), len(other)) - 1 and turns[same] == other[same]:
        same += 1
    if len(turns) == len(other) == same + 1:
        return {"conversations": turns[:same], "chosen": turns[same], "rejected": other[same]}
    return {"conversations": turns[:same], "chosen": turns, "rejected": other}


def _sharegpt_turns(messages: Messages) -> list[dict[str, str | None]]:
    turns: list[dict[str, str | None]] = []
    for message in messages:
        calls = message.get("tool_calls")
        content = message["content"]
        if content or not calls:
            turns.append({"from": SHAREGPT_ROLES[message["role"]], "value": content})
        if calls:
            turns.append({"from": "function_call", "value": calls})
    return turns


def openai(messages: Messages) -> list[dict[str, Any]]:
    """Return OpenAI messages: no keys without a value, tool calls as JSON objects.

    >>> openai([{"role": "user", "content": "Сәлем", "name": None, "tool_calls": None}])
    [{'role': 'user', 'content': 'Сәлем'}]
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        turn: dict[str, Any] = {"role": message["role"], "content": message["content"]}
        if message.get("name") is not None:
            turn["name"] = message["name"]
        calls = message.get("tool_calls")
        if calls:
            try:
                turn["tool_calls"] = json.loads(calls)
            except ValueError:  # a call that is not JSON stays a string
                turn["tool_calls"] = calls
        turns.append(turn)
    return turns


def text_of_role(messages: pa.ListArray, role: str | None) -> pa.LargeStringArray:
    r"""Join the turns of one role (None: of all), an empty line between; null for no conversation.

    >>> from curate import schema
    >>> turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
    ...          {"role": "user", "content": "c"}]
    >>> text_of_role(pa.array([turns, None], pa.list_(schema.MESSAGE)), "user").to_pylist()
    ['a\n\nc', None]
    """
    turns = messages.flatten()
    roles = turns.field("role")
    selected = pc.is_valid(roles) if role is None else pc.equal(roles, role)
    contents = pc.fill_null(turns.field("content").filter(selected), "")
    lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    before = np.concatenate([[0], np.cumsum(selected.to_numpy(zero_copy_only=False))])
    parts = pa.ListArray.from_arrays(pa.array(before[ends].astype(np.int32)), contents)
    joined = pc.binary_join(parts, pa.scalar("\n\n", pa.large_string()))
    return pc.if_else(pc.is_valid(messages), joined, pa.scalar(None, pa.large_string()))
