"""Records of chat datasets, one function per layout, from a record to its conversations.

A layout removes what it reads from the record; what is left becomes ``meta``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from curate.sources import fields
from curate.sources.chat.trees import Paths, conversations_of
from curate.sources.chat.turns import (
    TURN_FIELDS,
    Defect,
    Message,
    TurnFields,
    detect_fields,
    kind,
    plain_message,
    read_turn,
)

#: Fields that contain the turns, and the layout that each most often has.
TURNS = {
    "messages": "openai",
    "conversation": "openai",
    "conversations": "sharegpt",
    "items": "sharegpt",
    "utterances": "utterances",
}
#: Fields of a single question with its answer, as datasets of instructions name them.
_INPUTS, _OUTPUTS = ("input", "context"), ("output", "response")


class Conversation(NamedTuple):
    """Messages, and the worse answer of preference data; ``extras`` are other fields of turns."""

    messages: list[Message]
    rejected: list[Message] | None = None
    extras: list[dict[str, object]] | None = None


class LayoutOptions(NamedTuple):
    """A recipe's options of a record's layout; see Chat."""

    layout: str = "auto"
    field: str | None = None
    paths: Paths = "best"
    nulls: bool = False


JsonRecord = dict[str, object]


def read(record: JsonRecord, options: LayoutOptions) -> list[Conversation]:
    """Return the conversations of a record, none without turns; raise Defect if it is invalid."""
    layout = detect_layout(record, options) if options.layout == "auto" else options.layout
    conversations = LAYOUTS[layout](record, options._replace(layout=layout))
    return [conversation for conversation in conversations if conversation.messages]


def detect_layout(record: JsonRecord, options: LayoutOptions) -> str:
    """Return the layout that a record's fields show; ``turns``, which reports them, if none.

    >>> detect_layout({"instruction": "Say hi", "output": "Hi"}, LayoutOptions())
    'alpaca'
    """
    if options.field is not None or any(isinstance(record.get(name), list) for name in TURNS):
        return "turns"
    if isinstance(record.get("prompt"), dict) and "replies" in record["prompt"]:  # type: ignore[operator]
        return "oasst"
    if "instruction" in record and any(name in record for name in (*_OUTPUTS, "instances")):
        return "alpaca"
    return "turns"


def _turns(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read a list of turns, or preference data: the turns before, and two answers."""
    extras: list[dict[str, object]] = []
    names, turns = _listed(record, options)
    before = [
        *_system(record, turns),
        *(read_turn(turn, names, extras, nulls=options.nulls) for turn in turns),
    ]
    if "chosen" not in record or "rejected" not in record:
        yield Conversation(before, None, extras)
        return
    before = before or _answer(record.pop("prompt", None) or [], "user", names)
    chosen = _continued(before, _answer(record.pop("chosen"), "assistant", names))
    rejected = _continued(before, _answer(record.pop("rejected"), "assistant", names))
    yield Conversation(chosen, rejected, extras)


def _listed(record: JsonRecord, options: LayoutOptions) -> tuple[TurnFields | None, list[object]]:
    """Remove the turns from a record and return them; none if it has preferences alone."""
    names = TURN_FIELDS.get(options.layout)
    # The fields of the layout first: a record may have several.
    lists = sorted(TURNS, key=lambda name: names is not None and TURNS[name] != options.layout)
    for name in (options.field,) if options.field else lists:
        turns = fields.take(record, name)
        if isinstance(turns, list):
            return names or detect_fields(turns[0] if turns else None), turns
        if turns is not fields.MISSING:
            raise Defect("bad_turn", f"'{name}' is {kind(turns)} instead of a list")
    if "chosen" in record and "rejected" in record:
        return names, []
    raise Defect("missing_messages", fields.missing(options.field or lists[0], record))


def _system(record: JsonRecord, turns: list[object]) -> list[Message]:
    system = record.get("system")
    if not isinstance(system, str) or not system or not turns:
        return []
    first = turns[0]
    if isinstance(first, dict) and "system" in (first.get("role"), first.get("from")):
        return []
    del record["system"]
    return [plain_message("system", system)]


def _answer(value: object, role: str, names: TurnFields | None) -> list[Message]:
    """Read one side of a preference, or the prompt: a string, one turn, or a list of turns."""
    if isinstance(value, str):
        return [plain_message(role, value)]
    if value is None:
        raise Defect("null_turn", "one side of the preference is null")
    return [read_turn(turn, names, []) for turn in (value if isinstance(value, list) else [value])]


def _continued(before: list[Message], answer: list[Message]) -> list[Message]:
    """Return the turns and the answer, which may repeat the turns."""
    repeats = len(answer) > len(before) and answer[: len(before)] == before
    return answer if repeats else before + answer


def _alpaca(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read an instruction with its input and output; several of them under ``instances``."""
    instruction = record.pop("instruction", fields.MISSING)
    if instruction is fields.MISSING:
        raise Defect("missing_messages", fields.missing("instruction", record))
    before = _system(record, [instruction])
    history = record.pop("history", None) or []
    for pair in history if isinstance(history, list) else [history]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Defect("bad_turn", "'history' is no list of question and answer")
        before += [
            plain_message("user", _content(pair[0], options)),
            plain_message("assistant", _content(pair[1], options)),
        ]
    instances = record.pop("instances", None)
    if instances is None:
        instances = [record]
    elif not isinstance(instances, list):
        raise Defect("bad_turn", f"'instances' is {kind(instances)} instead of a list")
    for instance in instances:
        if not isinstance(instance, dict):
            raise Defect("bad_turn", f"an instance is {kind(instance)} instead of an object")
        context = next((instance.pop(name) for name in _INPUTS if name in instance), None)
        name = next((name for name in _OUTPUTS if name in instance), None)
        if name is None:
            raise Defect("missing_messages", fields.missing(_OUTPUTS[0], instance))
        answer = _content(instance.pop(name), options)
        parts = [_content(instruction, options), _content(context or "", options)]
        question = "\n\n".join(part for part in parts if part) if instruction is not None else None
        messages = [plain_message("user", question), plain_message("assistant", answer)]
        extras = [instance] if instance is not record else None
        yield Conversation([*before, *messages], None, extras)


def _content(value: object, options: LayoutOptions) -> str | None:
    if value is None:
        if options.nulls:
            return None
        raise Defect("null_turn", "an instruction or its output is null")
    if not isinstance(value, str):
        raise Defect("turn_not_string", f"an instruction or its output is {kind(value)}")
    return value


def _oasst(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read the paths of a tree of messages."""
    root = record.pop("prompt", fields.MISSING)
    if root is fields.MISSING:
        raise Defect("missing_messages", fields.missing("prompt", record))
    for path in conversations_of(root, options.paths):
        extras: list[dict[str, object]] = []
        names = TURN_FIELDS["oasst"]
        turns = [read_turn(turn, names, extras, nulls=options.nulls) for turn in path]
        yield Conversation(turns, None, extras)


Layout = Literal["auto", "openai", "sharegpt", "utterances", "alpaca", "oasst"]

LAYOUTS: Mapping[str, Callable[[JsonRecord, LayoutOptions], Iterator[Conversation]]] = {
    "turns": _turns,
    "openai": _turns,
    "sharegpt": _turns,
    "utterances": _turns,
    "alpaca": _alpaca,
    "oasst": _oasst,
}
