"""Records of chat datasets, one function per layout: a record gives its conversations.

A layout takes what it reads out of the record; what is left becomes ``meta``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from curate.sources import fields
from curate.sources.chat.trees import Paths, conversations_of
from curate.sources.chat.turns import (
    SPELLINGS,
    Defect,
    Message,
    Spelling,
    kind,
    message,
    spoken,
    told_by,
)

#: Fields that hold the turns, and in which spelling they are there most often.
TURNS = {
    "messages": "openai",
    "conversation": "openai",
    "conversations": "sharegpt",
    "items": "sharegpt",
    "utterances": "utterances",
}
#: Fields of a single question with its answer, as datasets of instructions call them.
_INPUTS, _OUTPUTS = ("input", "context"), ("output", "response")


class Conversation(NamedTuple):
    """Messages, and the worse answer of preference data; ``extras`` are what turns held besides."""

    messages: list[Message]
    rejected: list[Message] | None = None
    extras: list[dict[str, object]] | None = None


class Options(NamedTuple):
    """What a recipe says about a record's layout; see Chat."""

    layout: str = "auto"
    field: str | None = None
    paths: Paths = "best"
    nulls: bool = False


Record = dict[str, object]


def read(record: Record, options: Options) -> list[Conversation]:
    """Read a record; Defect where it cannot be. An empty list: there is not one turn in it."""
    layout = told(record, options) if options.layout == "auto" else options.layout
    found = LAYOUTS[layout](record, options._replace(layout=layout))
    return [one for one in found if one.messages]


def told(record: Record, options: Options) -> str:
    """Tell the layout of a record by its fields; where none fits, as turns, which says what is missing.

    >>> told({"instruction": "Say hi", "output": "Hi"}, Options())
    'alpaca'
    """
    if options.field is not None or any(isinstance(record.get(name), list) for name in TURNS):
        return "turns"
    if isinstance(record.get("prompt"), dict) and "replies" in record["prompt"]:  # type: ignore[operator]
        return "oasst"
    if "instruction" in record and any(name in record for name in (*_OUTPUTS, "instances")):
        return "alpaca"
    return "turns"


def _turns(record: Record, options: Options) -> Iterator[Conversation]:
    """Read a list of turns, or preference data: what was said before, and two answers."""
    extras: list[dict[str, object]] = []
    spelling, turns = _listed(record, options)
    before = [
        *_system(record, turns),
        *(message(turn, spelling, extras, nulls=options.nulls) for turn in turns),
    ]
    if "chosen" not in record or "rejected" not in record:
        yield Conversation(before, None, extras)
        return
    before = before or _answer(record.pop("prompt", None) or [], "user", spelling)
    chosen = _continued(before, _answer(record.pop("chosen"), "assistant", spelling))
    rejected = _continued(before, _answer(record.pop("rejected"), "assistant", spelling))
    yield Conversation(chosen, rejected, extras)


def _listed(record: Record, options: Options) -> tuple[Spelling | None, list[object]]:
    """Take the turns out of a record; none where it holds preferences alone."""
    spelling = SPELLINGS.get(options.layout)
    # The fields that go with a layout first: a record may have several.
    names = sorted(TURNS, key=lambda name: spelling is not None and TURNS[name] != options.layout)
    for name in (options.field,) if options.field else names:
        turns = fields.take(record, name)
        if isinstance(turns, list):
            return spelling or told_by(turns[0] if turns else None), turns
        if turns is not fields.MISSING:
            raise Defect("bad_turn", f"'{name}' is {kind(turns)} instead of a list")
    if "chosen" in record and "rejected" in record:
        return spelling, []
    raise Defect("missing_messages", fields.missing(options.field or names[0], record))


def _system(record: Record, turns: list[object]) -> list[Message]:
    said = record.get("system")
    if not isinstance(said, str) or not said or not turns:
        return []
    first = turns[0]
    if isinstance(first, dict) and "system" in (first.get("role"), first.get("from")):
        return []
    del record["system"]
    return [spoken("system", said)]


def _answer(value: object, role: str, spelling: Spelling | None) -> list[Message]:
    """Read one side of a preference, or the prompt: a string, one turn, or a list of turns."""
    if isinstance(value, str):
        return [spoken(role, value)]
    if value is None:
        raise Defect("null_turn", "one side of the preference is null")
    return [message(turn, spelling, []) for turn in (value if isinstance(value, list) else [value])]


def _continued(before: list[Message], answer: list[Message]) -> list[Message]:
    """Put the turns before an answer that does not repeat them."""
    repeats = len(answer) > len(before) and answer[: len(before)] == before
    return answer if repeats else before + answer


def _alpaca(record: Record, options: Options) -> Iterator[Conversation]:
    """Read an instruction with its input and output; several of them under ``instances``."""
    instruction = record.pop("instruction", fields.MISSING)
    if instruction is fields.MISSING:
        raise Defect("missing_messages", fields.missing("instruction", record))
    before = (
        [spoken("system", said)] if isinstance(said := record.get("system"), str) and said else []
    )
    if before:
        del record["system"]
    history = record.pop("history", None) or []
    for pair in history if isinstance(history, list) else [history]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Defect("bad_turn", "'history' is no list of question and answer")
        before += [
            spoken("user", _words(pair[0], options)),
            spoken("assistant", _words(pair[1], options)),
        ]
    instances = record.pop("instances", None)
    if instances is None:
        instances = [record]
    elif not isinstance(instances, list):
        raise Defect("bad_turn", f"'instances' is {kind(instances)} instead of a list")
    for instance in instances:
        if not isinstance(instance, dict):
            raise Defect("bad_turn", f"an instance is {kind(instance)} instead of an object")
        given = next((instance.pop(name) for name in _INPUTS if name in instance), None)
        name = next((name for name in _OUTPUTS if name in instance), None)
        if name is None:
            raise Defect("missing_messages", fields.missing(_OUTPUTS[0], instance))
        answer = _words(instance.pop(name), options)
        parts = [_words(instruction, options), _words(given or "", options)]
        asked = "\n\n".join(part for part in parts if part) if instruction is not None else None
        extras = [instance] if instance is not record else None
        yield Conversation(
            [*before, spoken("user", asked), spoken("assistant", answer)], None, extras
        )


def _words(value: object, options: Options) -> str | None:
    if value is None:
        if options.nulls:
            return None
        raise Defect("null_turn", "an instruction or its output is null")
    if not isinstance(value, str):
        raise Defect("turn_not_string", f"an instruction or its output is {kind(value)}")
    return value


def _oasst(record: Record, options: Options) -> Iterator[Conversation]:
    """Read the paths of a tree of messages."""
    root = record.pop("prompt", fields.MISSING)
    if root is fields.MISSING:
        raise Defect("missing_messages", fields.missing("prompt", record))
    for path in conversations_of(root, options.paths):
        extras: list[dict[str, object]] = []
        turns = [message(turn, SPELLINGS["oasst"], extras, nulls=options.nulls) for turn in path]
        yield Conversation(turns, None, extras)


Layout = Literal["auto", "openai", "sharegpt", "utterances", "alpaca", "oasst"]

LAYOUTS: Mapping[str, Callable[[Record, Options], Iterator[Conversation]]] = {
    "turns": _turns,
    "openai": _turns,
    "sharegpt": _turns,
    "utterances": _turns,
    "alpaca": _alpaca,
    "oasst": _oasst,
}
