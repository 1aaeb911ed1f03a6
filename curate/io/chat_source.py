"""Conversations: ShareGPT, OpenAI messages and utterances, mapped to one form.

A role that nobody knows is damage: a conversation with a guessed speaker teaches a model to speak
for the user. So is a turn without content. Empty strings are kept; rules judge them later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from curate.errors import RecipeError, nearest
from curate.io import fields, json_objects
from curate.io.records import Damage, Document, InputFile, Piece, Record, Skip
from curate.text.chat import render

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

_HEAD = 64 * 1024


class _Layout(NamedTuple):
    """Where a format keeps the turns, and in a turn the speaker, the words and a speaker's name."""

    turns: tuple[str, ...]
    role: str
    content: str
    name: str | None


FORMATS: Mapping[str, _Layout] = {
    "openai": _Layout(("messages", "conversation"), "role", "content", "name"),
    "sharegpt": _Layout(("conversations", "items"), "from", "value", None),
    "utterances": _Layout(("utterances",), "name", "text", None),
}


class _Defect(Exception):
    """Why a conversation cannot be read."""

    def __init__(self, reason: str, error: str) -> None:
        self.reason, self.error = reason, error
        super().__init__(error)


@dataclass(frozen=True)
class Chat:
    """Read conversations from JSON lines, JSON arrays or Parquet, as ``messages`` and ``text``.

    ``format`` is ``openai`` (role, content), ``sharegpt`` (from, value), ``utterances`` (name,
    text: instruction_ja) or ``auto``, which tells by the fields of each record. ``field`` names the
    turns where they are under a name of their own. A ``system`` string beside the turns becomes the
    first turn. Preference data (``chosen``, ``rejected``, with a ``prompt`` or turns before them)
    gives ``messages`` and ``rejected``. All other fields are ``meta``; those of turns stand there
    under ``turns``.

    Skips: ``blank_line``, ``no_turns``. Damage: ``missing_messages``, ``bad_turn``,
    ``unknown_role``, ``null_turn``, ``turn_not_string``, ``unknown_content_part`` and what JSON or
    Parquet files are damaged by.
    """

    format: Literal["auto", "openai", "sharegpt", "utterances"] = "auto"
    field: str | None = None
    url: str | None = None
    date: str | None = None
    license: str | None = None
    meta: tuple[str, ...] | None = None
    max_record_bytes: int = json_objects.CAP

    def __post_init__(self) -> None:
        known = ("auto", *FORMATS)
        if self.format not in known:
            raise RecipeError(f"format = '{self.format}': {nearest(self.format, known)}")

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a directory is searched for."""
        plain = (".jsonl", ".ndjson", ".jsonlines", ".json")
        packed = (p + c for c in ("", ".gz", ".zst", ".bz2", ".xz") for p in plain)
        return (*packed, ".parquet")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut plain lines anywhere and Parquet between row groups; keep others whole."""
        if _is_parquet(file):
            from curate.io import parquet

            return parquet.split(file, target_bytes)
        return json_objects.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each conversation, in file order."""
        if _is_parquet(file):
            yield from self._from_parquet(file, piece)
            return
        for found in json_objects.objects(file, piece, self.max_record_bytes):
            if isinstance(found, Skip | Damage):
                yield found
                continue
            try:
                yield self._document(str(found.offset), found.record)
            except _Defect as defect:
                head = found.raw[:_HEAD]
                yield Damage(defect.reason, found.offset, found.length, defect.error, head)

    def _from_parquet(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        from curate.io import parquet

        for batch in parquet.batches(file, piece, None, None):
            if isinstance(batch, Damage):
                yield batch
                continue
            names = batch.table.column_names
            values = zip(*(parquet.to_rows(parquet.column(batch.table, name)) for name in names))
            for row, record in enumerate(values, batch.first_row):
                locator = f"{batch.group}:{row}"
                try:
                    yield self._document(locator, _without_nulls(zip(names, record)))
                except _Defect as defect:
                    error = f"row {locator}: {defect.error}"
                    yield batch.opened.damage(defect.reason, batch.group, error)

    def _document(self, locator: str, record: dict[str, object]) -> Record:
        layout, turns = self._turns(record)
        extras: list[dict[str, object]] = []
        before = [*_system(record, turns), *_messages(turns, layout, extras)]
        if "chosen" in record and "rejected" in record:
            before = before or _answer(record.pop("prompt", None) or [], "user", layout)
            messages = _continued(before, _answer(record.pop("chosen"), "assistant", layout))
            rejected = _continued(before, _answer(record.pop("rejected"), "assistant", layout))
        else:
            messages, rejected = before, None
        if not messages:
            return Skip("no_turns")
        if any(extras):
            record["turns"] = extras
        url, date, license, meta = fields.described(
            record, self.url, self.date, self.license, self.meta
        )
        text = render(messages) or ""
        return Document(locator, text, url, date, messages, rejected, license, meta)

    def _turns(self, record: dict[str, object]) -> tuple[_Layout | None, list[object]]:
        """Take the turns out of a record; none where it holds preferences alone."""
        formats = [FORMATS[self.format]] if self.format != "auto" else list(FORMATS.values())
        names = (self.field,) if self.field else tuple(n for form in formats for n in form.turns)
        for name in names:
            turns = fields.take(record, name)
            if isinstance(turns, list):
                fitting = [form for form in formats if name in form.turns] or formats
                return (fitting[0] if self.format != "auto" else _told_by(turns)), turns
            if turns is not fields.MISSING:
                raise _Defect("bad_turn", f"'{name}' is {_kind(turns)} instead of a list")
        if "chosen" in record and "rejected" in record:
            return None, []
        raise _Defect("missing_messages", fields.missing(names[0], record))


def _told_by(turns: list[object]) -> _Layout | None:
    """Find the format whose speaker and words the first turn has."""
    first = turns[0] if turns else None
    if not isinstance(first, dict):
        return None
    fitting = (form for form in FORMATS.values() if form.role in first and form.content in first)
    return next(fitting, next((form for form in FORMATS.values() if form.role in first), None))


def _messages(
    turns: list[object], layout: _Layout | None, extras: list[dict[str, object]]
) -> list[Message]:
    return [_message(turn, layout or _told_by([turn]), extras) for turn in turns]


def _message(turn: object, layout: _Layout | None, extras: list[dict[str, object]]) -> Message:
    if not isinstance(turn, dict):
        raise _Defect("bad_turn", f"a turn is {_kind(turn)} instead of an object")
    if layout is None or layout.role not in turn:
        known = sorted({form.role for form in FORMATS.values()})
        raise _Defect("bad_turn", f"a turn names no speaker ({', '.join(known)})")
    turn = dict(turn)
    said = turn.pop(layout.role)
    role = ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise _Defect("unknown_role", f"role {str(said)[:64]!r} is none of: {', '.join(ROLES)}")
    calls = turn.pop("tool_calls", None) or turn.pop("function_call", None)
    content = _content(turn.pop(layout.content, None), has_calls=bool(calls))
    if said == "function_call":
        content, calls = "", content
    name = turn.pop(layout.name, None) if layout.name else None
    extras.append(turn)
    return {
        "role": role,
        "content": content,
        "name": name if isinstance(name, str) else None,
        "tool_calls": calls if isinstance(calls, str) or not calls else _compact(calls),
    }


def _content(value: object, *, has_calls: bool) -> str:
    """Give a turn's words: a string, or the text parts of a list; null only beside a tool call."""
    if isinstance(value, str):
        return value
    if value is None:
        if has_calls:
            return ""
        raise _Defect("null_turn", "a turn has no content")
    if not isinstance(value, list):
        raise _Defect("turn_not_string", f"a turn's content is {_kind(value)}")
    parts = []
    for part in value:
        words = part
        if isinstance(part, dict):
            if part.get("type", "text") not in ("text", "input_text", "output_text"):
                what = f"a part of type {str(part.get('type'))[:64]!r} is no text"
                raise _Defect("unknown_content_part", what)
            words = part.get("text", part.get("value"))
        if not isinstance(words, str):
            raise _Defect("turn_not_string", f"a part of a turn's content is {_kind(words)}")
        parts.append(words)
    return "\n".join(parts)


def _system(record: dict[str, object], turns: list[object]) -> list[Message]:
    said = record.get("system")
    if not isinstance(said, str) or not said or not turns:
        return []
    first = turns[0]
    if isinstance(first, dict) and "system" in (first.get("role"), first.get("from")):
        return []
    del record["system"]
    return [{"role": "system", "content": said, "name": None, "tool_calls": None}]


def _answer(value: object, role: str, layout: _Layout | None) -> list[Message]:
    """Read one side of a preference, or the prompt: a string, one turn, or a list of turns."""
    if isinstance(value, str):
        return [{"role": role, "content": value, "name": None, "tool_calls": None}]
    if value is None:
        raise _Defect("null_turn", "one side of the preference is null")
    return _messages(value if isinstance(value, list) else [value], layout, [])


def _continued(before: list[Message], answer: list[Message]) -> list[Message]:
    """Put the turns before an answer that does not repeat them."""
    return answer if answer[: len(before)] == before else before + answer


def _kind(value: object) -> str:
    return (
        "null" if value is None else "nothing" if value is fields.MISSING else type(value).__name__
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _without_nulls(record: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Drop the columns that a row leaves null: in a table every row has every column."""
    return {name: value for name, value in record if value is not None}


def _is_parquet(file: InputFile) -> bool:
    with file.open() as handle:
        return handle.read(4) == b"PAR1"
