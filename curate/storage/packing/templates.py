"""Named chat templates: a conversation as pieces of text and special tokens.

Only a template writes special tokens; what a message says is text, whatever it looks like. An
answer is what a model writes itself: the reasoning, content and calls of an assistant's turn, and
the token that ends it. Reasoning and calls are written as `curate.protocol.chat.render` does,
except Mistral's calls, which have tokens of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from curate.protocol.chat import Message, Messages, turn_text


class Piece(NamedTuple):
    """A run of text, or one special token by its name."""

    text: str
    answer: bool | None = None  #: None: of no answer; False: of an answer of weight 0
    special: bool = False


class Unfit(Exception):
    """A template cannot write a conversation; the argument is the reason under which it counts."""


@dataclass(frozen=True)
class NamedTemplate:
    """A template of ours, and the special tokens that a tokenizer needs for it."""

    begin: str | None  #: the token before a conversation; None: the tokenizer's own, if any
    special: tuple[str, ...]
    write: Callable[[Messages, str | None], Iterator[Piece]]

    def pieces(self, messages: Messages, tools: str | None, *, answers: bool = True) -> list[Piece]:
        """Return a conversation's pieces, without the token before them; ``answers`` are free."""
        return list(self.write(messages, tools))


def _special(*names: str) -> list[Piece]:
    return [Piece(name, special=True) for name in names]


def _answer(message: Message) -> bool | None:
    return message.get("weight") != 0 if message["role"] == "assistant" else None


def _turns(messages: Messages, tools: str | None) -> Iterator[Message]:
    """Yield the messages, with the tools at the end of the system prompt."""
    schemas = f"<tools>\n{_json(tools)}\n</tools>" if tools else ""
    head = messages[0] if messages and messages[0]["role"] == "system" else None
    if schemas:
        before = f"{head['content']}\n\n" if head and head["content"] else ""
        yield {"role": "system", "content": before + schemas}
    elif head:
        yield head
    yield from messages[1:] if head else messages


def _json(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False)


def _llama_3(messages: Messages, tools: str | None) -> Iterator[Piece]:
    for turn in _turns(messages, tools):
        answer = _answer(turn)
        yield Piece("<|start_header_id|>", special=True)
        yield Piece("ipython" if turn["role"] == "tool" else turn["role"])
        yield Piece("<|end_header_id|>", special=True)
        yield Piece("\n\n")
        yield Piece(turn_text(turn).strip(), answer)
        yield Piece("<|eot_id|>", answer, special=True)


def _chatml(messages: Messages, tools: str | None) -> Iterator[Piece]:
    for turn in _turns(messages, tools):
        answer = _answer(turn)
        yield Piece("<|im_start|>", special=True)
        yield Piece(f"{turn['role']}\n")
        yield Piece(turn_text(turn), answer)
        yield Piece("<|im_end|>", answer, special=True)
        yield Piece("\n")


def _mistral(messages: Messages, tools: str | None) -> Iterator[Piece]:
    """Yield the form of mistral_common's version 7: tools stand before the last question."""
    asked = [at for at, turn in enumerate(messages) if turn["role"] == "user"]
    for at, turn in enumerate(messages):
        if tools and at == (asked[-1] if asked else 0):
            yield from _special("[AVAILABLE_TOOLS]")
            yield Piece(_json(tools))
            yield from _special("[/AVAILABLE_TOOLS]")
        yield from _MISTRAL_TURNS[turn["role"]](turn)


def _mistral_tool(turn: Message) -> Iterator[Piece]:
    yield from _special("[TOOL_RESULTS]")
    yield Piece(turn.get("tool_call_id") or "")
    yield from _special("[TOOL_CONTENT]")
    yield Piece(turn["content"] or "")
    yield from _special("[/TOOL_RESULTS]")


def _mistral_answer(turn: Message) -> Iterator[Piece]:
    answer, calls = _answer(turn), turn.get("tool_calls")
    yield Piece(turn_text({**turn, "tool_calls": None}).rstrip(" "), answer)
    if calls:
        yield Piece("[TOOL_CALLS]", answer, special=True)
        yield Piece(
            json.dumps([_mistral_call(call) for call in json.loads(calls)], ensure_ascii=False),
            answer,
        )
    yield Piece("</s>", answer, special=True)


def _mistral_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    flat = {"name": function["name"], "arguments": parsed(function["arguments"])}
    return flat | ({"id": call["id"]} if call.get("id") else {})


def parsed(text: Any) -> Any:
    """Return the value of a JSON text; what is none stays as it is.

    >>> parsed('{"x": 1}'), parsed("{x")
    ({'x': 1}, '{x')
    """
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return text


def _between(begin: str, end: str) -> Callable[[Message], Iterator[Piece]]:
    def turn(message: Message) -> Iterator[Piece]:
        yield from _special(begin)
        yield Piece(message["content"] or "")
        yield from _special(end)

    return turn


_MISTRAL_TURNS: dict[str, Callable[[Message], Iterator[Piece]]] = {
    "system": _between("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    "user": _between("[INST]", "[/INST]"),
    "assistant": _mistral_answer,
    "tool": _mistral_tool,
}

#: Templates by the names that a recipe gives.
NAMED = {
    "llama-3": NamedTemplate(
        "<|begin_of_text|>",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        _llama_3,
    ),
    "chatml": NamedTemplate(None, ("<|im_start|>", "<|im_end|>"), _chatml),
    "mistral": NamedTemplate(
        "<s>",
        (
            "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
            "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]",
            "[TOOL_CONTENT]", "[/TOOL_RESULTS]",
        ),
        _mistral,
    ),
}  # fmt: skip
