"""What a dedup compares: which rows, and what of each row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import replace_rows
from curate.kernels.unicode import TURKIC_LETTERS
from curate.protocol.chat import exact_parts, rejected_turns, render, text_of_role, without_tools
from curate.protocol.routing import integers, read_docs
from curate.protocol.stage import Inputs
from curate.schema import INPUT_LABELS, whole

#: What a conversation holds besides the words of its text.
_CONVERSATION = ("messages", "rejected", "tools")
#: Languages that write ı and i, two letters: Turkish, Azerbaijani, Crimean Tatar, Gagauz, and Tatar
#: and Kazakh in Latin letters.
_DOTLESS = (
    "(?i)^(__label__)?((tur|tr|aze|az|azj|azb|crh|gag)([_-].*)?|(tat|tt|kaz|kk)[_-]Latn([_-].*)?)$"
)
#: What a record's fields have where one of them may be such a label.
_LABELLED = '(?i)"lang(uage)?":"(__label__)?(tu|tr|az|cr|ga|ta|tt|ka|kk)'


def columns_of(on: str) -> tuple[str, ...]:
    """Return the names of the columns that hold what is compared."""
    return {"prompt": ("messages",), "text": ("text", *_CONVERSATION)}.get(on, (on,))


def compared_texts(table: pa.Table, on: str) -> pa.Array:
    """Return what of each row is compared: its text, its address, or what the user of a chat wrote.

    The text of a conversation is without its tools, which many conversations share. Null for a
    prompt where there is no conversation: such a row is never a duplicate by prompt.
    """
    if on == "prompt":
        return text_of_role(whole(table.column("messages")), "user")
    column = whole(table.column(on))
    if on == "url" or "tools" not in table.column_names:
        return column
    tools = whole(table.column("tools"))
    rows = np.flatnonzero(np.asarray(tools.is_valid()))
    short = [without_tools(column[row].as_py() or "", tools[row].as_py()) for row in rows.tolist()]
    return _replaced(column, rows, short)


def without_turkic_capitals(table: pa.Table, texts: pa.Array) -> pa.Array:
    """Return texts with I as ı and İ as i in rows whose language has both letters.

    Where case is folded. The language is what a stage has written in `lang`, else a label of the
    input: its column or field `lang` or `language`. What has one of their letters is judged by that
    (`kernels.folding`), with the same result, and left as it is.
    """
    rows = np.flatnonzero(np.asarray(pc.fill_null(_dotless_rows(table), False)))
    chosen = texts.take(pa.array(rows))
    judged = pc.fill_null(pc.match_substring_regex(chosen, f"[{TURKIC_LETTERS}]"), True)
    rows, chosen = rows[~np.asarray(judged)], chosen.filter(pc.invert(judged))
    if not len(rows):
        return texts
    for capital, small in (("I\u0307", "i"), ("İ", "i"), ("I", "ı")):
        chosen = pc.replace_substring(chosen, capital, small)
    return replace_rows(texts, rows, chosen)


def _dotless_rows(table: pa.Table) -> pa.Array:
    """Return whether each row's label is that of a language with ı and i; null without a label."""
    if "lang" in table.column_names:
        labels = whole(table.column("lang")).dictionary_encode()
        # A pattern of Arrow is compiled by each call; Python keeps it.
        found = [
            re.fullmatch(_DOTLESS, label) is not None for label in labels.dictionary.to_pylist()
        ]
        return pa.array(found, pa.bool_()).take(labels.indices)
    found = pa.nulls(len(table), pa.bool_())
    for name in (name for name in INPUT_LABELS if name in table.column_names):
        column = whole(table.column(name))
        if name == "meta":
            found = pc.coalesce(found, _labelled_dotless(column))
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found = pc.coalesce(found, pc.match_substring_regex(column, _DOTLESS))
    return found


def _labelled_dotless(meta: pa.Array) -> pa.Array:
    """Return whether a field of each record in JSON labels it with such a language."""
    found = np.asarray(pc.fill_null(pc.match_substring_regex(meta, _LABELLED), False)).copy()
    for row in np.flatnonzero(found).tolist():
        record = json.loads(meta[row].as_py())
        labels = [record.get(name) for name in ("lang", "language")]
        label = next((label for label in labels if isinstance(label, str)), "")
        found[row] = re.match(_DOTLESS, label) is not None
    return pa.array(found)


def compared_exactly(table: pa.Table, on: str) -> list[tuple[int, str]]:
    """Return the rows of conversations that hold more than words, each with a hash of that.

    Two conversations are duplicates by text only if these are equal, too (``exact_parts``).
    """
    if on != "text" or not set(_CONVERSATION) <= set(table.column_names):
        return []
    messages = whole(table.column("messages"))
    if messages.null_count == len(messages):
        return []
    more = pc.or_(pc.is_valid(table.column("rejected")), pc.is_valid(table.column("tools")))
    turns = messages.flatten()
    held = pc.match_substring(pc.fill_null(turns.field("content"), ""), "<tool_call>")
    for name in ("name", "tool_calls", "tool_call_id", "weight"):
        held = pc.or_(held, turns.field(name).is_valid())
    parents = pc.list_parent_indices(messages).filter(held)
    rows = np.union1d(np.asarray(parents), np.flatnonzero(np.asarray(more)))
    columns = [whole(table.column(name)) for name in _CONVERSATION]
    found = ((row, exact_parts(*(each[row].as_py() for each in columns))) for row in rows.tolist())
    return [(row, part) for row, part in found if part is not None]


def searched_texts(table: pa.Table) -> pa.Array:
    """Return the texts in which text of others is searched: with the worse answers, too."""
    column = whole(table.column("text"))
    rejected = whole(table.column("rejected"))
    rows = np.flatnonzero(np.asarray(rejected.is_valid()))
    messages = whole(table.column("messages"))
    texts = [
        f"{column[row].as_py() or ''}\n\n"
        f"{render(rejected_turns(messages[row].as_py() or [], rejected[row].as_py()))}"
        for row in rows.tolist()
    ]
    return _replaced(column, rows, texts)


def with_exact_parts(table: pa.Table, on: str, texts: pa.Array) -> pa.Array:
    """Return texts that are equal only where what is compared exactly is equal, too."""
    parts = compared_exactly(table, on)
    rows = np.array([row for row, _ in parts], np.int64)
    return _replaced(texts, rows, [f"{texts[row].as_py() or ''} {part}" for row, part in parts])


def _replaced(column: pa.Array, rows: np.ndarray, texts: list[str]) -> pa.Array:
    return replace_rows(column, rows, pa.array(texts, column.type)) if len(rows) else column


def active_rows(inputs: Inputs, dataset: str) -> Iterator[pa.Table]:
    """Yield the rows of a dataset that no earlier barrier of the group dropped."""
    decided = read_docs(inputs, "decided")
    for table in inputs.stream(dataset):
        yield table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
