"""Conversations as text, and in the two forms that trainers read: ShareGPT and OpenAI messages.

A conversation is a list of messages (``MESSAGE`` in curate/schema.py) and its ``tools``.
``tool_calls`` is the JSON text of a list of ``{"id", "type": "function", "function": {"name",
"arguments"}}`` as OpenAI writes it: ``arguments`` is JSON text, ``id`` only where there is one.
``tools`` is the JSON text of a list of ``{"type": "function", "function": {...}}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Message = Mapping[str, Any]
Messages = Sequence[Message]

#: ShareGPT's names of the roles.
SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
#: ShareGPT's name of a turn that calls tools.
SHAREGPT_CALL = "function_call"

#: Fields of a message besides role, content and calls, as both forms write them.
_DETAILS = ("reasoning_content", "name", "tool_call_id", "weight")
#: Longer JSON texts are not remembered.
_SHORT = 1 << 14


def render(messages: Messages | None, tools: str | None = None) -> str | None:
    r"""Return messages as ``role: content`` paragraphs, after one of the tools; None stays None.

    Reasoning and calls are written in the tags that most templates have for them; the keys of JSON
    are sorted, so that their order makes no difference.

    >>> render([{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Сәлем!"}])
    'user: Сәлем\n\nassistant: Сәлем!'
    >>> call = '[{"type":"function","function":{"name":"f","arguments":"{\\"y\\":2,\\"x\\":1}"}}]'
    >>> print(render([{"role": "assistant", "content": "", "tool_calls": call},
    ...               {"role": "tool", "content": "3", "name": "f"}]))
    assistant: <tool_call>
    {"name": "f", "arguments": {"x": 1, "y": 2}}
    </tool_call>
    <BLANKLINE>
    tool name=f: 3
    """
    if messages is None:
        return None
    return "\n\n".join(_tools_paragraph(tools) + [_paragraph(message) for message in messages])


def without_tools(text: str, tools: str | None) -> str:
    """Return a rendering without its paragraph of tools.

    >>> without_tools(render([{"role": "user", "content": "a"}], "[]"), "[]")
    'user: a'
    """
    return text.removeprefix("".join(f"{part}\n\n" for part in _tools_paragraph(tools)))


def _tools_paragraph(tools: str | None) -> list[str]:
    return [f"tools: {_canonical(tools)}"] if tools else []


def _paragraph(message: Message) -> str:
    return f"{_label(message)}: {turn_text(message)}"


def turn_text(message: Message) -> str:
    """Return what a turn says: its reasoning and its calls in tags, around its content."""
    content, calls = message["content"] or "", message.get("tool_calls")
    if calls:
        content += ("\n" if content else "") + _tagged(calls)
    return _thought(message) + content


def _label(message: Message) -> str:
    """Return the role, and whose turn it is where the message says so."""
    name, answered = message.get("name"), message.get("tool_call_id")
    label: str = message["role"] + (f" name={name}" if name else "")
    return f"{label} tool_call_id={answered}" if answered else label


def _thought(message: Message) -> str:
    reasoning = message.get("reasoning_content")
    return f"<think>\n{reasoning}\n</think>\n\n" if reasoning else ""


def _tagged(calls: str | None) -> str:
    if not calls:
        return ""
    try:
        written = [_written(_flat(call)) for call in json.loads(calls)]
    except (ValueError, KeyError, TypeError, RecursionError):  # calls of another shape
        written = [calls]
    return "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in written)


def _flat(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as name, arguments as an object with sorted keys, and its id if it has one."""
    function = call["function"]
    arguments = json.loads(_canonical(function["arguments"]))
    flat = {"name": function["name"], "arguments": arguments}
    return flat | ({"id": call["id"]} if call.get("id") is not None else {})


def _canonical(text: str) -> str:
    """Return JSON text with sorted keys; other text as it is."""
    return _remembered(text) if len(text) <= _SHORT else _sorted(text)


def _sorted(text: str) -> str:
    try:
        return _written(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


_remembered = lru_cache(maxsize=256)(_sorted)  # many conversations have the same tools


def _written(value: object, **options: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, **options)
    return text if text.isascii() or _is_unicode(text) else json.dumps(value, **options)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, escaped in the JSON
        return False
    return True


def content_offsets(messages: Messages, tools: str | None = None) -> list[tuple[int, int]]:
    """Return where the reasoning and the content of each message begin in the rendering, in bytes.

    >>> content_offsets([{"role": "user", "content": "Сәлем"}, {"role": "tool", "content": "1"}])
    [(6, 6), (24, 24)]
    """
    starts: list[tuple[int, int]] = []
    place = sum(len(part.encode()) + 2 for part in _tools_paragraph(tools))
    for message in messages:
        thought = place + len(f"{_label(message)}: ".encode())
        content = thought + len(_thought(message).encode())
        starts.append((thought + len("<think>\n") if content > thought else thought, content))
        place += len(_paragraph(message).encode()) + 2
    return starts


def rejected_turns(messages: Messages, rejected: Messages) -> Messages:
    """Return the messages of the worse conversation after those that both begin with."""
    same = 0
    while same < min(len(messages), len(rejected)) and messages[same] == rejected[same]:
        same += 1
    return rejected[same:]


def loss_pieces(messages: Messages, tools: str | None = None) -> list[tuple[str, bool]] | None:
    r"""Return the rendering in pieces, each with whether a model is trained on it; None if on all.

    A model is not trained on turns of weight 0.

    >>> loss_pieces([{"role": "user", "content": "?"},
    ...              {"role": "assistant", "content": "a", "weight": 0.0}])
    [('user: ?\n\n', True), ('assistant: a', False)]
    """
    if all(message.get("weight") != 0 for message in messages):
        return None
    pieces = [(part, True) for part in _tools_paragraph(tools)]
    pieces += [(_paragraph(message), message.get("weight") != 0) for message in messages]
    return [(f"{text}\n\n", trained) for text, trained in pieces[:-1]] + pieces[-1:]


def exact_parts(messages: Messages, rejected: Messages | None, tools: str | None) -> str | None:
    """Return a hash of what conversations must share exactly to be duplicates; None for plain ones.

    That are the tools, the calls (also those that the content writes in ``<tool_call>``), which
    call each tool answers, names, weights other than 1, and the worse answer, whose letter case and
    spacing do not count. Words are compared elsewhere; one letter of an argument is another call.
    """
    parts: list[Any] = [
        (number, *found)
        for number, message in enumerate(messages)
        if any(found := _exact_parts(message))
    ]
    if rejected is not None:
        worse = render(rejected_turns(messages, rejected)) or ""
        parts.append(("rejected", " ".join(worse.casefold().split())))
        parts += [found for message in rejected if any(found := _exact_parts(message))]
    if tools:
        parts.append(("tools", _canonical(tools)))
    if not parts:
        return None
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _exact_parts(message: Message) -> tuple[Any, ...]:
    weight = message.get("weight")
    return (
        _tagged(message.get("tool_calls")),
        [_canonical(call.strip()) for call in _calls_in_tags(message["content"] or "")],
        message.get("tool_call_id"),
        message.get("name"),
        None if weight == 1 else f"{weight:g}" if weight is not None else None,
    )


def _calls_in_tags(content: str) -> list[str]:
    """Return the calls that a content writes as the templates of Hermes and Qwen do."""
    # Not by a regular expression: it would search for the end of each tag again.
    opened = (part.partition("</tool_call>") for part in content.split("<tool_call>")[1:])
    return [call for call, closed, _ in opened if closed]


def sharegpt(messages: Messages, rejected: Messages | None = None) -> dict[str, Any]:
    """Return a conversation as ShareGPT's ``conversations``: a list of ``from`` and ``value``.

    Calls are a turn ``function_call`` of their own, after the assistant's content in the same
    message: ``value`` is the JSON text of ``{"name", "arguments"}``, or of a list of those. What
    ShareGPT has no names for stands beside them in the turn, under OpenAI's names; the ids of calls
    under ``tool_call_ids``. Preference data has the turns that both sides share under
    ``conversations``, and the two answers under ``chosen`` and ``rejected``: one turn each, or the
    whole conversations as lists where a side has more.

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
    after = {side[same]["from"] for side in (turns, other) if same}
    if SHAREGPT_CALL in after and turns[same - 1]["from"] == SHAREGPT_ROLES["assistant"]:
        same -= 1  # readers join what the assistant says before a call with the call
    if len(turns) == len(other) == same + 1:
        return {"conversations": turns[:same], "chosen": turns[same], "rejected": other[same]}
    return {"conversations": turns[:same], "chosen": turns, "rejected": other}


def _sharegpt_turns(messages: Messages) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        calls, content, details = message.get("tool_calls"), message["content"], _details(message)
        if content or not calls:
            turns.append({"from": SHAREGPT_ROLES[message["role"]], "value": content} | details)
            details = {name: details[name] for name in ("weight",) if name in details}
        if calls:
            flat = [_flat(call) for call in json.loads(calls)]
            ids = [call.pop("id", None) for call in flat]
            value = _written(flat[0] if len(flat) == 1 else flat)
            turn = {"from": SHAREGPT_CALL, "value": value} | details
            turns.append(turn | ({"tool_call_ids": ids} if any(ids) else {}))
    return turns


def openai(messages: Messages) -> list[dict[str, Any]]:
    """Return OpenAI messages: no keys without a value, calls as a list of objects.

    >>> openai([{"role": "user", "content": "Сәлем", "name": None, "tool_calls": None}])
    [{'role': 'user', 'content': 'Сәлем'}]
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        turn: dict[str, Any] = {"role": message["role"], "content": message["content"]}
        turn |= _details(message)
        calls = message.get("tool_calls")
        if calls:
            turn["tool_calls"] = json.loads(calls)
        turns.append(turn)
    return turns


def sharegpt_tools(tools: str) -> str:
    """Return tools as ShareGPT's field has them: the JSON text of a list of bare schemas.

    >>> sharegpt_tools('[{"type": "function", "function": {"name": "f"}}]')
    '[{"name": "f"}]'
    """
    listed = json.loads(tools)
    bare = all(set(tool) == {"type", "function"} for tool in listed)
    return _written([tool["function"] for tool in listed]) if bare else tools


def _details(message: Message) -> dict[str, Any]:
    found = {name: message[name] for name in _DETAILS if message.get(name) is not None}
    if "weight" in found and found["weight"] == int(found["weight"]):
        found["weight"] = int(found["weight"])
    return found


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
