"""Records of chat datasets, one function per layout, from a record to its conversations.

A layout removes what it reads from the record; what is left becomes ``meta``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from curate.sources import fields
from curate.sources.chat.calls import Defect, kind, parsed, read_tools
from curate.sources.chat.trees import Paths, conversations_of
from curate.sources.chat.turns import (
    ROLES,
    TURN_FIELDS,
    Message,
    TurnFields,
    TurnReader,
    check_answers,
    check_count,
    detect_fields,
    plain_message,
)

#: Fields that contain the turns, and the layout that each most often has.
TURNS = {
    "messages": "openai",
    "conversation": "openai",
    "conversations": "sharegpt",
    "items": "sharegpt",
    "utterances": "utterances",
    "contents": "gemini",
}
#: Fields of a single question with its answer, as datasets of instructions name them.
_INPUTS, _OUTPUTS = ("input", "context"), ("output", "response", "answer")
#: Fields of a question and of its answer, where a record has both.
_ASKED = ("prompt", "question", "query", "inputs", "input")
_ANSWERED = ("completion", "response", "answer", "targets", "output", "target")
#: Fields of the question of preference data without turns.
_PROMPTS = ("prompt", "question", "instruction", "input")
#: Fields beside the turns that hold the system's turn.
_SYSTEMS = ("system", "system_prompt")
_GEMINI_SYSTEM = ("systemInstruction", "system_instruction")
#: Fields beside whole conversations that hold the worse answer.
_WORSE = ("rejected", "rejected_response", "rejected_messages")
#: What turns refer to by a sign such as <image>, and a field of the record holds.
_MEDIA = ("image", "video", "audio")
#: How Anthropic's preference data (HH-RLHF) writes turns into one string.
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}
_TRANSCRIPT = "\n\nHuman:"
_SPEAKER = re.compile(rf"\n\n({'|'.join(_SPEAKERS)}):")
#: Fields with the tools, OpenAI's name of today and the older one.
_TOOLS = ("tools", "functions")
#: All fields that a layout may read.
FIELDS = frozenset(
    [*TURNS, *_INPUTS, *_OUTPUTS, *_PROMPTS, *_SYSTEMS, *_TOOLS, "history", "instances", "chosen"]
).union(
    [*_ASKED, *_ANSWERED, *_WORSE, *_GEMINI_SYSTEM],
    ["preferred_output", "non_preferred_output", "label", "kto_tag"],
)


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
    roles: Mapping[str, str] = ROLES

    def reader(self, names: TurnFields | None, extras: list[dict[str, object]]) -> TurnReader:
        """Return what reads turns with these fields of role and content."""
        return TurnReader(names, self.roles, extras, self.nulls)


JsonRecord = dict[str, Any]


def read(record: JsonRecord, options: LayoutOptions) -> list[Conversation]:
    """Return the conversations of a record, none without turns; raise Defect if it is invalid."""
    _take_apart(record)
    if record.get("kto_tag") is False:
        raise Defect("unwanted_answer", "kto_tag says that this answer is not wanted")
    layout = detect_layout(record, options) if options.layout == "auto" else options.layout
    found, turns = [], 0
    for conversation in LAYOUTS[layout](record, options._replace(layout=layout)):
        turns += len(conversation.messages) + len(conversation.rejected or ())
        check_count(turns)
        if conversation.messages:
            found.append(conversation)
    for conversation in found:
        check_answers(conversation.messages)
        if conversation.rejected:
            check_answers(conversation.rejected)
        _check_media(record, conversation.messages)
    return found


def _check_media(record: JsonRecord, messages: list[Message]) -> None:
    """Raise Defect where turns refer to an image, a video or a sound of the record."""
    for medium in _MEDIA:
        if record.get(medium) or record.get(f"{medium}s"):
            sign = f"<{medium}"
            if any(sign in (message["content"] or "") for message in messages):
                what = f"a turn has {sign}> for what the field '{medium}' or '{medium}s' holds"
                raise Defect(f"{medium}_part", what)


def _take_apart(record: JsonRecord) -> None:
    """Bring OpenAI's preference data and Gemini's system turn to the fields of everybody else's."""
    for name in _GEMINI_SYSTEM:
        system = record.get(name)
        if isinstance(system, dict) and "parts" in system and "system" not in record:
            reader = TurnReader(TURN_FIELDS["gemini"], ROLES, [])
            turn = {"role": "system", "parts": record.pop(name)["parts"]}
            record["system"] = reader.messages([turn])[0]["content"]
    given = record.get("input")
    if isinstance(given, dict) and "preferred_output" in record:
        record.update({"messages": [], **record.pop("input")})
        record["chosen"] = record.pop("preferred_output")
        record["rejected"] = record.pop("non_preferred_output", None)


def tools_of(record: JsonRecord, field: str | None) -> str | None:
    """Remove the tools from a record and return them as JSON text; ``field`` as in Chat."""
    for name in _TOOLS if field is None else (field,):
        if record.get(name) is not None:
            return read_tools(record.pop(name))
    return None


def detect_layout(record: JsonRecord, options: LayoutOptions) -> str:
    """Return the layout that a record's fields show; ``turns``, which reports them, if none.

    >>> detect_layout({"instruction": "Say hi", "output": "Hi"}, LayoutOptions())
    'alpaca'
    """
    if options.field is not None or any(_is_list(record[name]) for name in record.keys() & TURNS):
        return "turns"
    if isinstance(record.get("prompt"), dict) and "replies" in record["prompt"]:
        return "oasst"
    if "instruction" in record and any(name in record for name in (*_OUTPUTS, "instances")):
        return "alpaca"
    if all(_pair(record)) and not ("chosen" in record and "rejected" in record):
        return "prompt_completion"
    return "turns"


def _pair(record: JsonRecord) -> tuple[str | None, str | None]:
    """Return the fields of a question and of its answer; none where there is a choice beside."""
    if record.get("choices") or record.get("options"):
        return None, None
    asked = next((name for name in _ASKED if name in record), None)
    return asked, next((name for name in _ANSWERED if name in record), None)


def _is_list(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("["))


def _turns(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read a list of turns, or preference data: the turns before, and two answers."""
    extras: list[dict[str, object]] = []
    names, turns = _listed(record, options)
    reader = options.reader(names, extras)
    before = reader.messages(turns)
    if "chosen" not in record or "rejected" not in record:
        system, rejected = _system(record, before), _worse(record, before, reader)
        yield Conversation([*system, *before], rejected and [*system, *rejected], extras)
        return
    before = before or _prompt(record, reader)
    answers = [_answer(record.pop(name), "assistant", reader) for name in ("chosen", "rejected")]
    if before[-1:] == answers[0]:
        before = before[:-1]  # the turns are the chosen conversation
    chosen, rejected = (_continued(before, answer) for answer in answers)
    system = _system(record, chosen)
    yield Conversation([*system, *chosen], [*system, *rejected], extras)


def _listed(record: JsonRecord, options: LayoutOptions) -> tuple[TurnFields | None, list[object]]:
    """Remove the turns from a record and return them; none if it has preferences alone."""
    names = TURN_FIELDS.get(options.layout)
    # The fields of the layout first: a record may have several.
    lists = sorted(TURNS, key=lambda name: names is not None and TURNS[name] != options.layout)
    for name in (options.field,) if options.field else lists:
        turns = fields.take(record, name)
        if isinstance(turns, str) and _is_list(turns):
            turns = parsed(turns, "bad_turn", f"'{name}'")
        if isinstance(turns, list):
            return names or detect_fields(turns[0] if turns else None), turns
        if turns is not fields.MISSING:
            raise Defect("bad_turn", f"'{name}' is {kind(turns)} instead of a list")
    if "chosen" in record and "rejected" in record:
        return names, []
    raise Defect("missing_messages", fields.missing(options.field or lists[0], record))


def _system(record: JsonRecord, messages: list[Message]) -> list[Message]:
    """Remove the system's turn from beside the turns and return it, unless they begin with one."""
    if messages and messages[0]["role"] != "system":
        for name in _SYSTEMS:
            given = record.get(name)
            parts = given if isinstance(given, list) else [given]
            texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
            if given and all(isinstance(text, str) for text in texts):
                del record[name]
                return [plain_message("system", "\n".join(map(str, texts)))]
    return []


def _worse(record: JsonRecord, messages: list[Message], reader: TurnReader) -> list[Message] | None:
    """Remove the worse answer from beside a whole conversation, as our own JSON lines have it.

    It is a conversation from the same first turn on, or it stands for the last turn.
    """
    name = next((name for name in _WORSE if record.get(name)), None)
    if not messages or messages[-1]["role"] != "assistant" or name is None:
        return None
    answer = _answer(record.pop(name), "assistant", reader)
    return answer if answer[0] == messages[0] else [*messages[:-1], *answer]


def _prompt(record: JsonRecord, reader: TurnReader) -> list[Message]:
    """Remove the question of preference data; an instruction's input is part of it."""
    name = next((name for name in _PROMPTS if record.get(name) not in (None, "", [])), None)
    if name is None:
        return []
    prompt = record.pop(name)
    if name == "instruction" and isinstance(prompt, str) and isinstance(record.get("input"), str):
        prompt = "\n\n".join(part for part in (prompt, record.pop("input")) if part)
    return _answer(prompt, "user", reader)


def _answer(value: object, role: str, reader: TurnReader) -> list[Message]:
    """Read one side of a pair: a string, a transcript in one, one turn, or a list of turns."""
    if isinstance(value, str):
        return _transcript(value) or [plain_message(role, value)]
    if value is None:
        raise Defect("null_turn", "one side of the pair is null")
    return reader.messages(value if isinstance(value, list) else [value])


def _transcript(text: str) -> list[Message]:
    r"""Return the turns of a string in the form of HH-RLHF, none of any other.

    A prompt ends with the speaker whose answer follows.

    >>> [turn["content"] for turn in _transcript("\n\nHuman: Hi!\n\nAssistant:")]
    ['Hi!']
    """
    if not text.startswith(_TRANSCRIPT):
        return []
    check_count(sum(text.count(f"\n\n{speaker}:") for speaker in _SPEAKERS))
    parts = _SPEAKER.split(text)[1:]
    turns = [
        plain_message(_SPEAKERS[speaker], words.strip())
        for speaker, words in zip(parts[::2], parts[1::2], strict=True)
    ]
    return turns if turns[-1]["content"] else turns[:-1]


def _continued(before: list[Message], answer: list[Message]) -> list[Message]:
    """Return the turns and the answer, which may be a whole conversation from the first turn on."""
    repeats = len(answer) > len(before) and answer[: len(before)] == before
    begins = answer[:1] == before[:1] != [] and answer[0]["role"] != "assistant"
    return answer if repeats or begins else before + answer


def _prompt_completion(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read a prompt and its completion: strings, or lists of turns."""
    extras: list[dict[str, object]] = []
    reader = options.reader(None, extras)
    asked, answered = _pair(record)
    if asked is None or answered is None:
        name = "prompt" if asked is None else "completion"
        raise Defect("missing_messages", fields.missing(name, record))
    if record.get("label") is False:
        what = "the label says that this answer is not wanted; read others: only = {label = [true]}"
        raise Defect("unwanted_answer", what)
    prompt = record.pop(asked)
    if asked == "question" and isinstance(prompt, str) and isinstance(record.get("context"), str):
        prompt = "\n\n".join(part for part in (prompt, record.pop("context")) if part)
    messages = _history(record, options) if asked == "query" else []
    messages += _answer(prompt, "user", reader)
    messages += _answer(record.pop(answered), "assistant", reader)
    yield Conversation([*_system(record, messages), *messages], None, extras)


def _alpaca(record: JsonRecord, options: LayoutOptions) -> Iterator[Conversation]:
    """Read an instruction with its input and output; several of them under ``instances``."""
    instruction = record.pop("instruction", fields.MISSING)
    if instruction is fields.MISSING:
        raise Defect("missing_messages", fields.missing("instruction", record))
    before = _system(record, [plain_message("user", None)]) + _history(record, options)
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


def _history(record: JsonRecord, options: LayoutOptions) -> list[Message]:
    """Remove the questions and answers before a question from a record and return them as turns."""
    history = record.pop("history", None) or []
    pairs = history if isinstance(history, list) else [history]
    check_count(2 * len(pairs))
    turns: list[Message] = []
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Defect("bad_turn", "'history' is no list of question and answer")
        turns += [
            plain_message("user", _content(pair[0], options)),
            plain_message("assistant", _content(pair[1], options)),
        ]
    return turns


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
        turns = options.reader(TURN_FIELDS["oasst"], extras).messages(path)
        yield Conversation(turns, None, extras)


Layout = Literal[
    "auto", "openai", "sharegpt", "utterances", "alpaca", "prompt_completion", "oasst"
]  # fmt: skip

LAYOUTS: Mapping[str, Callable[[JsonRecord, LayoutOptions], Iterator[Conversation]]] = {
    "turns": _turns,
    "openai": _turns,
    "sharegpt": _turns,
    "utterances": _turns,
    "alpaca": _alpaca,
    "prompt_completion": _prompt_completion,
    "oasst": _oasst,
}
