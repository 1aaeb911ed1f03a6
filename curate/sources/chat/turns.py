"""One turn of a conversation, with any dataset's field names, as a message of role and content.

An unknown role is damage: a conversation with a guessed role teaches a model to speak for the user.
Empty strings are kept; rules judge them later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from curate.sources import fields

Message = dict[str, str | None]

#: Our role of each name that datasets use.
ROLES: Mapping[str, str] = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "agent": "assistant",
    "function_call": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}


class Defect(Exception):
    """Why a conversation cannot be read."""

    def __init__(self, reason: str, error: str) -> None:
        self.reason, self.error = reason, error
        super().__init__(error)


class TurnFields(NamedTuple):
    """The fields of a turn that contain the role, the content and the speaker's name."""

    role: str
    content: str
    name: str | None


TURN_FIELDS: Mapping[str, TurnFields] = {
    "openai": TurnFields("role", "content", "name"),
    "sharegpt": TurnFields("from", "value", None),
    "utterances": TurnFields("name", "text", None),
    "oasst": TurnFields("role", "text", None),
}


def detect_fields(turn: object) -> TurnFields | None:
    """Return the fields whose role and content a turn has; else those whose role it has."""
    if not isinstance(turn, dict):
        return None
    with_role = [each for each in TURN_FIELDS.values() if each.role in turn]
    complete = (each for each in with_role if each.content in turn)
    return next(complete, with_role[0] if with_role else None)


def plain_message(role: str, content: str | None) -> Message:
    """Return a message without name and tool calls."""
    return {"role": role, "content": content, "name": None, "tool_calls": None}


def read_turn(
    turn: object, names: TurnFields | None, extras: list[dict[str, object]], *, nulls: bool = False
) -> Message:
    """Return a turn as a message; append its other fields to ``extras``.

    Null content is a Defect unless ``nulls``.
    """
    if not isinstance(turn, dict):
        raise Defect("bad_turn", f"a turn is {kind(turn)} instead of an object")
    names = names or detect_fields(turn)
    if names is None or names.role not in turn:
        known = sorted({each.role for each in TURN_FIELDS.values()})
        raise Defect("bad_turn", f"a turn names no speaker ({', '.join(known)})")
    turn = dict(turn)
    role_name = turn.pop(names.role)
    role = ROLES.get(role_name) if isinstance(role_name, str) else None
    if role is None:
        raise Defect("unknown_role", f"role {str(role_name)[:64]!r} is none of: {', '.join(ROLES)}")
    calls = turn.pop("tool_calls", None) or turn.pop("function_call", None)
    value = turn.pop(names.content, None)
    content = value if value is None and nulls and not calls else _content(value, bool(calls))
    if role_name == "function_call":
        content, calls = "", content
    name = turn.pop(names.name, None) if names.name else None
    extras.append(turn)
    return {
        "role": role,
        "content": content,
        "name": name if isinstance(name, str) else None,
        "tool_calls": calls if isinstance(calls, str) or not calls else _compact(calls),
    }


def _content(value: object, has_calls: bool) -> str:
    """Return a turn's content: a string, or the text parts of a list; null only with tool calls."""
    if isinstance(value, str):
        return value
    if value is None:
        if has_calls:
            return ""
        raise Defect("null_turn", "a turn has no content")
    if not isinstance(value, list):
        raise Defect("turn_not_string", f"a turn's content is {kind(value)}")
    parts = []
    for part in value:
        text = part
        if isinstance(part, dict):
            if part.get("type", "text") not in ("text", "input_text", "output_text"):
                what = f"a part of type {str(part.get('type'))[:64]!r} is no text"
                raise Defect("unknown_content_part", what)
            text = part.get("text", part.get("value"))
        if not isinstance(text, str):
            raise Defect("turn_not_string", f"a part of a turn's content is {kind(text)}")
        parts.append(text)
    return "\n".join(parts)


def kind(value: object) -> str:
    """Return the name of a value's type, for an error."""
    if value is None:
        return "null"
    return "nothing" if value is fields.MISSING else type(value).__name__


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
