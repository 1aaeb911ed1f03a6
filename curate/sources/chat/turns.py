"""One turn of a conversation, in any dataset's spelling, as a message: who spoke, and the words.

A role that nobody knows is damage: a conversation with a guessed speaker teaches a model to speak
for the user. Empty strings are kept; rules judge them later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from curate.sources import fields

Message = dict[str, str | None]

#: Who speaks, under the names that datasets use.
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


class Spelling(NamedTuple):
    """Where a turn keeps the speaker, the words and a speaker's name."""

    role: str
    content: str
    name: str | None


SPELLINGS: Mapping[str, Spelling] = {
    "openai": Spelling("role", "content", "name"),
    "sharegpt": Spelling("from", "value", None),
    "utterances": Spelling("name", "text", None),
    "oasst": Spelling("role", "text", None),
}


def told_by(turn: object) -> Spelling | None:
    """Find the spelling whose speaker and words a turn has; whose speaker, if it has no words."""
    if not isinstance(turn, dict):
        return None
    known = SPELLINGS.values()
    fitting = (one for one in known if one.role in turn and one.content in turn)
    return next(fitting, next((one for one in known if one.role in turn), None))


def spoken(role: str, content: str | None) -> Message:
    """Give a message of plain words."""
    return {"role": role, "content": content, "name": None, "tool_calls": None}


def message(
    turn: object,
    spelling: Spelling | None,
    extras: list[dict[str, object]],
    *,
    nulls: bool = False,
) -> Message:
    """Read one turn; ``extras`` gets what else it held. Null words are a Defect unless ``nulls``."""
    if not isinstance(turn, dict):
        raise Defect("bad_turn", f"a turn is {kind(turn)} instead of an object")
    spelling = spelling or told_by(turn)
    if spelling is None or spelling.role not in turn:
        known = sorted({one.role for one in SPELLINGS.values()})
        raise Defect("bad_turn", f"a turn names no speaker ({', '.join(known)})")
    turn = dict(turn)
    said = turn.pop(spelling.role)
    role = ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise Defect("unknown_role", f"role {str(said)[:64]!r} is none of: {', '.join(ROLES)}")
    calls = turn.pop("tool_calls", None) or turn.pop("function_call", None)
    words = turn.pop(spelling.content, None)
    content = words if words is None and nulls and not calls else _content(words, bool(calls))
    if said == "function_call":
        content, calls = "", content
    name = turn.pop(spelling.name, None) if spelling.name else None
    extras.append(turn)
    return {
        "role": role,
        "content": content,
        "name": name if isinstance(name, str) else None,
        "tool_calls": calls if isinstance(calls, str) or not calls else _compact(calls),
    }


def _content(value: object, has_calls: bool) -> str:
    """Give a turn's words: a string, or the text parts of a list; null only beside a tool call."""
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
        words = part
        if isinstance(part, dict):
            if part.get("type", "text") not in ("text", "input_text", "output_text"):
                what = f"a part of type {str(part.get('type'))[:64]!r} is no text"
                raise Defect("unknown_content_part", what)
            words = part.get("text", part.get("value"))
        if not isinstance(words, str):
            raise Defect("turn_not_string", f"a part of a turn's content is {kind(words)}")
        parts.append(words)
    return "\n".join(parts)


def kind(value: object) -> str:
    """Name what a value is, for an error."""
    return (
        "null" if value is None else "nothing" if value is fields.MISSING else type(value).__name__
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
