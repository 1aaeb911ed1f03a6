"""Conversations from JSON lines, JSON arrays or Parquet, in the layouts of public datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from curate.errors import RecipeError, nearest
from curate.protocol.chat import render
from curate.sources import fields, json_objects, selection, streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Note, Piece, Record, Skip
from curate.sources.chat import layouts
from curate.sources.chat.calls import Defect, without_nulls
from curate.sources.chat.trees import Paths
from curate.sources.chat.turns import OUR_ROLES, ROLES, Message

if TYPE_CHECKING:
    from curate.sources.parquet_rows import RowBatch

_HEAD = 64 * 1024


@dataclass(frozen=True)
class Chat:
    """Read conversations as ``messages`` and ``text``.

    ``layout`` is how the records are written; ``auto`` detects it by the fields of each:

    - ``openai``: a list of role and content under ``messages`` or ``conversation``
    - ``sharegpt``: a list of from and value under ``conversations`` or ``items``
    - ``utterances``: a list of name and text (instruction_ja); or of type and content (LangChain)
    - Gemini's list of role and parts under ``contents``, with ``systemInstruction``
    - ``alpaca``: ``instruction``, ``input`` and ``output`` (or ``context`` and ``response``),
      ``history`` before them, several under ``instances``
    - ``prompt_completion``: ``prompt`` and ``completion``, strings or lists of turns (or
      ``question``, ``query``, ``inputs`` or ``input``, and ``response``, ``answer``, ``targets``,
      ``output`` or ``target``); with a ``label`` of false (unpaired preferences; in every layout a
      ``kto_tag`` of false) the answer is no example and the record damage
    - ``oasst``: a tree of messages under ``prompt``; ``paths`` sets which become conversations: the
      ``best`` ranked one or ``all`` (curate/sources/chat/trees.py)

    ``field`` names the list of turns where it has another name; the list may be JSON text. A
    ``system`` or ``system_prompt`` beside the turns becomes the first turn. Preference data
    (``chosen``, ``rejected``, with a ``prompt`` or turns before them; whole ``messages`` and
    ``rejected``, ``rejected_response`` or ``rejected_messages``; OpenAI's ``input``,
    ``preferred_output``, ``non_preferred_output``) gives ``messages`` and ``rejected``; a string
    that begins with two line ends and ``Human:`` is read as turns (HH-RLHF). ``exchanges`` is the
    largest number of questions, with their answers, to read. All other fields are ``meta``; those
    of turns are stored there under ``turns``, and conversations that have any are counted
    (``other_fields_of_turns``).

    Calls of tools become ``tool_calls`` in OpenAI's shape, whatever they were: its list or the
    older ``function_call`` (arguments as text or object), ShareGPT's turn ``function_call``, the
    parts ``tool_use`` and ``tool_result`` of Anthropic. ``tools`` (or ``functions``) of a record is
    a list of schemas, or JSON text of it. Reasoning is ``reasoning_content`` (also ``reasoning``,
    ``thinking``), and turns with ``channel: analysis`` (Harmony) are that of the turn after them.
    Calls and reasoning that the content itself writes in tags stay as they are.

    ``only`` and ``without`` select records by the values of their fields, before any are removed:
    ``only = {"response.1" = ["stop"]}`` (curate/sources/selection.py).

    A Parquet column that holds no part of a conversation and cannot be read is left out of
    ``meta``, and its rows are noted as ``damaged_column``.

    A turn whose content is null is damage, or with ``nulls = "keep"`` a turn that the signal
    ``n_null_turns`` counts.

    Skips: ``blank_line``, ``no_turns``, ``only:<path>``, ``without:<path>``. Damage:
    ``missing_messages``, ``bad_turn``, ``unknown_role``, ``null_turn``, ``turn_not_string``,
    ``image_part``, ``audio_part``, ``video_part``, ``file_part``, ``unknown_content_part``,
    ``bad_tool_call`` (no name, or arguments that are no JSON object), ``bad_tools``,
    ``unmatched_tool_call`` (a tool's answer to a call that nobody made), ``bad_weight``,
    ``masked_turn``, ``unwanted_answer``, ``too_deep``, ``too_many_turns`` (100,000 of a record's
    conversations), ``bomb`` (together they are longer than a record may be) and those of JSON or
    Parquet files.
    """

    layout: layouts.Layout = "auto"
    """How the records are written; ``auto`` detects it by the fields of each. Example: "alpaca"."""
    field: str | None = None
    """The field with the list of turns, where it has another name. Example: "dialog"."""
    paths: Paths = "best"
    """Conversations of a tree of messages: the ``best`` ranked one, or ``all``."""
    exchanges: int | None = None
    """Questions, with their answers, to read at most. Example: 1."""
    nulls: Literal["quarantine", "keep"] = "quarantine"
    """What a turn without content is: damage, or a turn that the signal n_null_turns counts."""
    masked: Literal["keep", "quarantine"] | None = None
    """What a conversation is in which an answer has weight 0, so that no model is trained on it:
    kept, or damage. Without it damage where the product has a form that cannot say so (``megatron``
    and ``mds``), else kept. Example: "keep"."""
    roles: Mapping[str, str] = default(default_factory=dict)
    """The role of each name that the data uses, besides the known ones: ``system``, ``user``,
    ``assistant``, ``tool``, or ``function_call`` for turns that are calls. Example:
    { teacher = "user", pupil = "assistant" }."""
    tools: str | None = None
    """The field with the schemas of the tools; without it ``tools`` or ``functions``, and with ""
    none. Example: "available_tools"."""
    only: Mapping[str, tuple[selection.Value, ...]] = default(default_factory=dict)
    """Read only records with these values. Example: { "response.1" = ["stop"] }."""
    without: Mapping[str, tuple[selection.Value, ...]] = default(default_factory=dict)
    """Skip records with these values. Example: { toxic = [true] }."""
    url: str | None = None
    """The field of the address. Example: "url"."""
    date: str | None = None
    """The field of the date. Example: "created_at"."""
    license: str | None = None
    meta: tuple[str, ...] | None = None
    """Fields to keep as JSON; without it all others. Of Parquet files no other columns are read.
    Example: ["topic"]."""
    max_record_bytes: ByteLimit = json_objects.CAP
    """Bytes of a record above which it is quarantined."""
    max_window_bytes: ByteLimit = streams.WINDOW
    """Memory for the window of a zstd or xz file; up to 2 GiB for those made with --long=31."""

    def __post_init__(self) -> None:
        known = get_args(layouts.Layout)
        if self.layout not in known:
            raise RecipeError(f"layout = '{self.layout}': {nearest(self.layout, known)}")
        if self.exchanges is not None and self.exchanges < 1:
            what = f"exchanges = {self.exchanges}"
            raise RecipeError(what, hint="give 1 or more, or leave it out")
        for name, role in self.roles.items():
            if role not in OUR_ROLES:
                raise RecipeError(f"roles: {name} = '{role}'", hint=nearest(role, OUR_ROLES))

    @property
    def suffixes(self) -> tuple[str, ...]:
        return (*json_objects.SUFFIXES, ".parquet")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut plain lines anywhere and Parquet between row groups; keep others whole."""
        if _is_parquet(file):
            from curate.sources import parquet_rows

            return parquet_rows.split(file, target_bytes)
        return json_objects.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield documents, a skip or a damage for each record, in file order."""
        if _is_parquet(file):
            yield from self._from_parquet(file, piece)
            return
        for item in json_objects.objects(file, piece, self.max_record_bytes, self.max_window_bytes):
            if isinstance(item, Skip | Damage):
                yield item
                continue
            names = set(item.record)
            try:
                documents = self._documents(str(item.offset), item.record)
                used = names - set(item.record) - {self.url, self.date, self.license}
                damage = next(filter(None, map(item.damage_of, used)), None)
                yield from [damage] if damage else documents
                if item.damaged and not damage:
                    yield Note("damaged_fields", len(item.damaged))
            except RecursionError:
                what = "too deep to be copied for each conversation"
                yield Damage("too_deep", item.offset, item.length, what, item.raw[:_HEAD])
            except Defect as defect:
                head = item.raw[:_HEAD]
                yield Damage(defect.reason, item.offset, item.length, defect.error, head)

    def _from_parquet(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        from curate.sources import parquet_rows

        for batch in parquet_rows.records(file, piece, self._columns, self.meta is None):
            if not isinstance(batch, parquet_rows.RowBatch):
                yield batch
                continue
            names = batch.table.column_names
            for part in parquet_rows.as_objects(batch, names, self.max_record_bytes):
                if isinstance(part, Damage):
                    yield part
                else:
                    yield from self._from_rows(part)

    def _from_rows(self, batch: RowBatch) -> Iterator[Record]:
        from curate.sources import parquet

        names = batch.table.column_names
        values = zip(*(parquet.to_rows(parquet.column(batch.table, name)) for name in names))
        for row, record in enumerate(values, batch.first_row):
            locator = f"{batch.group}:{row}"
            try:
                row_fields: dict[str, object] = without_nulls(dict(zip(names, record)))
                yield from self._documents(locator, row_fields)
            except Defect as defect:
                error = f"row {locator}: {defect.error}"
                yield batch.opened.damage(defect.reason, batch.group, error)

    def _documents(self, locator: str, record: dict[str, object]) -> list[Record]:
        failed = selection.failed_condition(record, self.only, self.without)
        if failed is not None:
            return [Skip(failed)]
        conversations = layouts.read(record, self._options)
        if self.masked == "quarantine":
            _refuse_masked(conversations)
        tools = layouts.tools_of(record, self.tools) if conversations else None
        records: list[Record] = []
        copied = 0  # conversations of one record may all begin with its longest turn
        for number, (messages, rejected, extras) in enumerate(conversations):
            rest = deepcopy(record) if len(conversations) > 1 else record
            if any(extras or ()):
                rest["turns"] = extras
                records.append(Note("other_fields_of_turns"))
            url, date, license, meta = fields.provenance(
                rest, self.url, self.date, self.license, self.meta
            )
            messages, rejected = self._first(messages), rejected and self._first(rejected)
            text = render(messages, tools) or ""
            copied += len(text)
            bytes_ = copied + len(meta or "") * len(conversations)
            if len(conversations) > 1 and bytes_ > self.max_record_bytes:
                what = f"its conversations have more than {self.max_record_bytes} bytes"
                raise Defect("bomb", what)
            place = f"{locator}:{number}" if number else locator
            records.append(
                Document(place, text, url, date, messages, rejected, tools, license, meta)
            )
        return records or [Skip("no_turns")]

    @cached_property
    def _columns(self) -> frozenset[str]:
        """The columns of a table that a conversation may need; all others are ``meta``."""
        named = (self.field, self.tools, self.url, self.date, self.license, *(self.meta or ()))
        paths = [*filter(None, named), *self.only, *self.without]
        return layouts.FIELDS.union(paths, (path.partition(".")[0] for path in paths))

    @cached_property
    def _options(self) -> layouts.LayoutOptions:
        nulls = self.nulls == "keep"
        return layouts.LayoutOptions(
            self.layout, self.field, self.paths, nulls, {**ROLES, **self.roles}
        )

    def _first(self, messages: list[Message]) -> list[Message]:
        """Cut a conversation before the first question over ``exchanges``."""
        if self.exchanges is not None:
            questions = [at for at, turn in enumerate(messages) if turn["role"] == "user"]
            if len(questions) > self.exchanges:
                return messages[: questions[self.exchanges]]
        return messages


def _refuse_masked(conversations: list[layouts.Conversation]) -> None:
    for conversation in conversations:
        for turn in (*conversation.messages, *(conversation.rejected or ())):
            if turn["role"] == "assistant" and turn["weight"] == 0:
                raise Defect("masked_turn", "an answer has weight 0, and the product has no mask")


def _is_parquet(file: InputFile) -> bool:
    with file.open() as handle:
        return handle.read(4) == b"PAR1"
