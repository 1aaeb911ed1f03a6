"""One turn of a conversation, with any dataset's field names, as messages.

An unknown role is damage: a conversation with a guessed role teaches a model to speak for the user.
Empty strings are kept; rules judge them later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from curate import schema
from curate.sources.chat.calls import Defect, kind, read_calls, written
from curate.sources.fields import is_number

Message = dict[str, Any]

#: The role of a turn that is nothing but calls of the assistant.
CALL = "function_call"

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
    "model": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "function_call": CALL,
    "tool_call": CALL,
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
    "tool_response": "tool",
    "function_response": "tool",
}
#: What a recipe's ``roles`` may name.
OUR_ROLES = ("system", "user", "assistant", "tool", CALL)

_EMPTY: Message = dict.fromkeys(field.name for field in schema.MESSAGE)

#: Turns of all conversations of a record; each takes about 700 bytes of memory.
MOST_TURNS = 100_000

#: What datasets call the weight of a turn in training, and whether it is trained on.
_WEIGHTS, _TRAINED = ("weight", "loss_weight", "loss_scale"), ("loss", "train", "training")
#: What datasets call the reasoning before an answer; a turn of it alone, as in OpenAI's Harmony.
_REASONING = ("reasoning_content", "reasoning", "thinking")
_THOUGHT = "thought"

_TEXT_PARTS = ("text", "input_text", "output_text")
#: Types of parts that no text holds, by the reason why the conversation is not read.
_OTHER_PARTS = {
    name: f"{medium}_part"
    for medium, names in {
        "image": ("image", "image_url", "input_image", "image_base64"),
        "audio": ("audio", "audio_url", "input_audio"),
        "video": ("video", "video_url", "input_video"),
        "file": ("file", "input_file", "document"),
    }.items()
    for name in names
}


class TurnFields(NamedTuple):
    """The fields of a turn that contain the role, the content and the speaker's name."""

    role: str
    content: str
    name: str | None


TURN_FIELDS: Mapping[str, TurnFields] = {
    "openai": TurnFields("role", "content", "name"),
    "sharegpt": TurnFields("from", "value", "name"),
    "utterances": TurnFields("name", "text", None),
    "oasst": TurnFields("role", "text", None),
    "gemini": TurnFields("role", "parts", None),
    "langchain": TurnFields("type", "content", "name"),
}


def detect_fields(turn: object) -> TurnFields | None:
    """Return the fields whose role and content a turn has; else those whose role it has.

    >>> detect_fields({"from": "human", "content": "?"})
    TurnFields(role='from', content='content', name='name')
    """
    if not isinstance(turn, dict):
        return None
    with_role = [each for each in TURN_FIELDS.values() if each.role in turn]
    complete = next((each for each in with_role if each.content in turn), None)
    if complete or not with_role:
        return complete
    contents = (each.content for each in TURN_FIELDS.values() if each.content in turn)
    return with_role[0]._replace(content=next(contents, with_role[0].content))


def plain_message(role: str, content: str | None) -> Message:
    """Return a message of nothing but a role and a content."""
    return {**_EMPTY, "role": role, "content": content}


def check_count(turns: int) -> None:
    """Raise Defect if turns are too many to be held in memory."""
    if turns > MOST_TURNS:
        raise Defect(
            "too_many_turns", f"the conversations of a record have over {MOST_TURNS} turns"
        )


class TurnReader(NamedTuple):
    """Reads turns; ``extras`` collects the fields of each turn that no message has.

    ``names`` are the fields of role and content, each turn's own without. With ``nulls`` a content
    may be null.
    """

    names: TurnFields | None
    roles: Mapping[str, str]
    extras: list[dict[str, object]]
    nulls: bool = False

    def messages(self, turns: Sequence[object]) -> list[Message]:
        """Return the turns as messages; a turn ``function_call`` continues that before it.

        A call of ShareGPT after the assistant's words, or after another call, belongs to the same
        message: nobody answered between them.
        """
        check_count(len(turns))
        plain = self._plain_messages(turns)
        if plain is not None:
            return plain
        read: list[Message] = []
        ids: set[object] = set()  # of the calls of the last message
        thought: Message | None = None
        for turn in turns:
            role, messages = self._turn(turn)
            if thought is not None and _is_of(thought, messages[0]):
                read.pop()
                both = (thought["reasoning_content"], messages[0]["reasoning_content"])
                messages[0]["reasoning_content"] = "\n\n".join(each for each in both if each)
            thought = messages[0] if role == _THOUGHT else None
            made = messages[0]["tool_calls"]
            new = {call["id"] for call in made if "id" in call} if made else set()
            if role == CALL and _continues(read, messages[0], ids & new):
                read[-1]["tool_calls"] = read[-1]["tool_calls"] or []
                read[-1]["tool_calls"].extend(made)
                ids |= new
            else:
                read += messages
                ids = new
        for message in read:
            if message["tool_calls"]:
                message["tool_calls"] = written(message["tool_calls"])
        return read

    def _plain_messages(self, turns: Sequence[object]) -> list[Message] | None:
        """Return turns that are all nothing but a known role and words, else None: the fast way."""
        if self.names is None:
            return None
        role_field, content_field, _ = self.names
        read = []
        for turn in turns:
            if not isinstance(turn, dict) or len(turn) != 2:
                return None
            name, content = turn.get(role_field), turn.get(content_field)
            if not isinstance(name, str) or not isinstance(content, str):
                return None
            role = self.roles.get(name)
            if role is None or role == CALL:
                return None
            read.append(plain_message(role, content))
        self.extras.extend({} for _ in read)
        return read

    def _turn(self, turn: object) -> tuple[str, list[Message]]:
        """Return a turn's role, and its messages: one, or one per tool's answer.

        Their calls are a list still.
        """
        if not isinstance(turn, dict):
            raise Defect("bad_turn", f"a turn is {kind(turn)} instead of an object")
        names = self.names or detect_fields(turn)
        if names is None or names.role not in turn:
            known = sorted({each.role for each in TURN_FIELDS.values()})
            raise Defect("bad_turn", f"a turn names no speaker ({', '.join(known)})")
        rest = {name: value for name, value in turn.items() if value is not None}
        role_name = rest.pop(names.role, None)
        role = None
        if isinstance(role_name, str):
            role = self.roles.get(role_name) or self.roles.get(role_name.strip().lower())
        if role is None:
            shown = f"role {str(role_name)[:64]!r} is none of: {', '.join(self.roles)}"
            raise Defect("unknown_role", shown)
        value = rest.pop(names.content, None)
        calls, others = _calls(rest)
        if role == CALL:
            own, more = read_calls(value)
            calls, others, value = [*calls, *own], [*others, *more], None
            if not calls:
                raise Defect("bad_tool_call", f"a turn '{role_name}' has no call")
            _give_ids(calls, rest.pop("tool_call_ids", None))
        content = _content(value)
        calls, others = [*calls, *content.calls], [*others, *content.others]
        message = plain_message("assistant" if role == CALL else role, content.text)
        message["tool_calls"] = calls or None
        if calls and message["role"] != "assistant":
            raise Defect("bad_tool_call", f"a turn of '{role_name}' calls tools")
        alone = role == "assistant" and not calls and content.text
        if alone and rest.get("channel") == "analysis":
            del rest["channel"]
            role, message["content"] = _THOUGHT, ""
            content.thoughts.append(alone)
        _details(message, names, rest, content.thoughts)
        if any(others):
            rest["tool_calls"] = others
        if any(content.leftovers):
            rest[names.content] = content.leftovers
        self.extras.append(rest)
        return role, self._answers(message, content)

    def _answers(self, message: Message, content: _Content) -> list[Message]:
        """Return the answers of tools that a user's turn holds as parts, then its own words."""
        if content.answers and message["role"] not in ("user", "tool"):
            raise Defect("unmatched_tool_call", f"a tool's answer in a turn of {message['role']}")
        if message["content"] is None and not content.answers:
            if message["tool_calls"]:
                message["content"] = ""
            elif not self.nulls:
                raise Defect("null_turn", "a turn has no content")
        own = [] if content.answers and message["content"] is None else [message]
        return [*content.answers, *own]


def _is_of(thought: Message, answer: Message) -> bool:
    """Return whether a turn of reasoning belongs to the message after it."""
    return all(thought[name] == answer[name] for name in ("role", "name", "weight"))


def _continues(read: list[Message], call: Message, same_ids: set[object]) -> bool:
    """Return whether a turn of calls belongs to the last message, one of the assistant."""
    if not read or read[-1]["role"] != "assistant" or same_ids:
        return False
    extra = call["reasoning_content"] is None and call["name"] in (None, read[-1]["name"])
    return extra and bool(call["weight"] == read[-1]["weight"])


def _calls(turn: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Remove the calls from a turn, in the notation of today or the older one, and return them."""
    calls, others = read_calls(turn.pop("tool_calls", None))
    old, more = read_calls(turn.pop("function_call", None))
    return [*calls, *old], [*others, *more]


def _give_ids(calls: list[dict[str, Any]], ids: object) -> None:
    """Set the ids of calls that a ShareGPT turn has beside them."""
    if isinstance(ids, list) and len(ids) == len(calls):
        for call, id_ in zip(calls, ids, strict=True):
            if id_ is not None and "id" not in call:
                rest = dict(call)
                call.clear()
                call.update({"id": str(id_)} | rest)


def _details(
    message: Message, names: TurnFields, turn: dict[str, Any], thoughts: list[str]
) -> None:
    """Move the other fields of a message from a turn; what has another type stays there."""
    if names.name and isinstance(turn.get(names.name), str):
        message["name"] = turn.pop(names.name)
    if message["role"] == "tool" and isinstance(turn.get("tool_call_id"), str | int):
        message["tool_call_id"] = str(turn.pop("tool_call_id"))
    if message["role"] == "assistant":
        for name in _REASONING:
            if isinstance(turn.get(name), str) and (not thoughts or turn[name] in thoughts):
                thoughts = [turn.pop(name)]
        message["reasoning_content"] = "\n\n".join(thoughts) or None
    stated = next((name for name in _WEIGHTS if name in turn), None)
    stated = stated or next((name for name in _TRAINED if isinstance(turn.get(name), bool)), None)
    if stated is not None:
        weight = turn.pop(stated)
        if not is_number(weight) or weight < 0:
            raise Defect("bad_weight", f"the weight of a turn is {str(weight)[:64]!r}")
        message["weight"] = float(weight)


class _Content(NamedTuple):
    """A turn's content: its text, and what Anthropic's lists of parts hold besides."""

    text: str | None
    calls: list[dict[str, Any]]
    others: list[dict[str, Any]]
    answers: list[Message]
    thoughts: list[str]
    leftovers: list[dict[str, Any]]


def _content(value: object) -> _Content:
    """Read a turn's content: a string, null, or a list of parts."""
    content = _Content(None, [], [], [], [], [])
    if value is None or isinstance(value, str):
        return content._replace(text=value)
    if not isinstance(value, list):
        raise Defect("turn_not_string", f"a turn's content is {kind(value)}")
    texts: list[str] = []
    for part in value:
        if not isinstance(part, dict):
            texts.append(_text(part))
            continue
        rest = {name: each for name, each in part.items() if each is not None}
        type_ = rest.get("type", "text")
        if type_ in _TEXT_PARTS:
            if content.calls:
                raise Defect("bad_tool_call", "words after a call in one turn")
            rest.pop("type", None)
            name = next((name for name in ("text", "value") if name in rest), None)
            if name is None:
                names = ", ".join(map(str, rest))[:64]
                raise Defect("turn_not_string", f"a part has no text, but: {names or 'nothing'}")
            text = _text(rest.pop(name))
            (content.thoughts if rest.pop("thought", None) is True else texts).append(text)
        elif type_ == "thinking":
            rest.pop("type")
            content.thoughts.append(_text(rest.pop("thinking", None)))
        elif type_ == "tool_use":
            calls, others = read_calls(rest)
            content.calls.extend(calls)
            content.others.extend(others)
            rest = {}
        elif type_ == "tool_result":
            if texts:
                raise Defect("unmatched_tool_call", "a tool's answer after words in one turn")
            rest.pop("type")
            content.answers.append(_answer(rest))
        else:
            reason = _OTHER_PARTS.get(str(type_), "unknown_content_part")
            raise Defect(reason, f"a part of type {str(type_)[:64]!r} is no text")
        content.leftovers.append(rest)
    return content._replace(text="\n".join(texts) if texts or not value else None)


def _answer(part: dict[str, Any]) -> Message:
    """Return a part that holds a tool's answer as a message, and remove what it takes."""
    inner = _content(part.pop("content", ""))
    if inner.calls or inner.answers:
        raise Defect("bad_turn", "a call inside a tool's answer")
    message = plain_message("tool", inner.text or "")
    if isinstance(part.get("tool_use_id"), str):
        message["tool_call_id"] = part.pop("tool_use_id")
    return message


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Defect("turn_not_string", f"a part of a turn's content is {kind(value)}")
    return value


def check_answers(messages: Sequence[Message]) -> None:
    """Raise Defect where a tool answers a call that nobody made before it.

    Answers may come in another order than the calls; calls without ids fit any answer.
    """
    called: set[str] = set()
    unnamed = False
    for message in messages:
        if message["tool_calls"]:
            ids = [call.get("id") for call in json.loads(message["tool_calls"])]
            unnamed = unnamed or None in ids
            called.update(filter(None, ids))
        answered = message["tool_call_id"]
        if answered is not None and answered not in called and not unnamed:
            raise Defect("unmatched_tool_call", f"no call before has the id {answered[:64]!r}")
