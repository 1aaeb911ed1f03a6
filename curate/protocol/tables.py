"""What stages do to a Document table: rewrite texts, set columns, drop rows, skip dropped ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema


def on_alive(table: pa.Table, work: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Run ``work`` on the active rows and put dropped rows back, unchanged, in their places."""
    mask = schema.alive(table)
    if pc.all(mask).as_py() is not False:
        return work(table)
    dropped = table.filter(pc.invert(mask))
    worked = work(table.filter(mask))
    for field in worked.schema:
        if field.name not in dropped.column_names:
            dropped = dropped.append_column(field, pa.nulls(dropped.num_rows, field.type))
    both = pa.concat_tables([worked, dropped.select(worked.column_names)])
    is_alive = np.asarray(mask.combine_chunks())
    position = np.empty(table.num_rows, np.int64)
    position[is_alive] = np.arange(worked.num_rows)
    position[~is_alive] = worked.num_rows + np.arange(dropped.num_rows)
    return both.take(pa.array(position))


def with_columns(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    """Set or append columns, in the contract's types where the contract has one."""
    for name, values in columns.items():
        type_ = schema.column_type(name)
        if type_ is not None and values.type != type_:
            values = values.cast(type_)
        at = table.column_names.index(name) if name in table.column_names else -1
        table = table.set_column(at, name, values) if at >= 0 else table.append_column(name, values)
    return table


def texts(table: pa.Table) -> pa.LargeStringArray:
    """Return the text column as one large_string array (the kernels read its buffers)."""
    return schema.whole(table.column("text"))


def with_text(table: pa.Table, new: pa.LargeStringArray) -> pa.Table:
    """Set the texts, and update the columns that refer to their bytes.

    Where a text changed, ``lang_spans`` become null and ``pii_spans`` are moved with it as far as
    possible; see ``curate.protocol.span_offsets``.
    """
    columns: dict[str, pa.Array] = {"text": new}
    span_columns = [name for name in schema.SPAN_COLUMNS if name in table.column_names]
    if span_columns:
        old = texts(table)
        both_null = pc.and_(pc.is_null(old), pc.is_null(new))
        same = pc.coalesce(pc.equal(old, new), both_null)
        for name in span_columns:
            column = schema.whole(table.column(name))
            if name == "lang_spans":
                columns[name] = pc.if_else(same, column, pa.scalar(None, column.type))
            else:
                columns[name] = _moved(column, np.flatnonzero(np.invert(same)), old, new)
    return with_columns(table, columns)


def _moved(
    column: pa.ListArray, rows: np.ndarray, old: pa.LargeStringArray, new: pa.LargeStringArray
) -> pa.ListArray:
    from curate.kernels.arrow import replace_rows
    from curate.protocol.span_offsets import move_spans

    filled = pc.fill_null(pc.greater(pc.list_value_length(column), 0), False)
    rows = rows[np.asarray(filled)[rows]]
    spans = [
        move_spans(
            [tuple(span.values()) for span in column[row].as_py()],
            old[row].as_py() or "",
            new[row].as_py() or "",
        )
        for row in rows.tolist()
    ]
    return replace_rows(column, rows, pa.array(spans, column.type))


def rewrite_text(
    table: pa.Table, fix: Callable[[pa.LargeStringArray], pa.LargeStringArray]
) -> pa.Table:
    """Rewrite documents by a function on texts, aligned with its input.

    A chat document is its ``messages``: each content and reasoning is rewritten by the same
    function and ``text`` is rendered again. Calls and tools are data, not prose: they stay. Null
    texts stay null. The function is called for the texts that are not renderings, then for what
    ``messages`` and ``rejected`` hold where there are any: all contents, then all reasonings, null
    where there is none.
    """
    from curate.protocol.chat import render

    chat = pc.is_valid(table.column("messages")) if "messages" in table.column_names else None
    if chat is None or not pc.any(chat).as_py():
        return with_text(table, fix(texts(table)))
    fixed = fix(pc.if_else(chat.combine_chunks(), pa.scalar(None, pa.large_string()), texts(table)))
    columns: dict[str, pa.Array] = {}
    for name in ("messages", "rejected"):
        column = schema.whole(table.column(name))
        if column.null_count < len(column):
            columns[name] = _with_words(column, fix)
    tools = table.column("tools").to_pylist() if "tools" in table.column_names else []
    rendered = pa.array(
        map(render, columns["messages"].to_pylist(), tools or [None] * table.num_rows),
        pa.large_string(),
    )
    whole = pc.if_else(chat.combine_chunks(), rendered, fixed)
    return with_text(with_columns(table, columns), whole)


def _with_words(
    column: pa.ListArray, fix: Callable[[pa.LargeStringArray], pa.LargeStringArray]
) -> pa.ListArray:
    """Rewrite the contents and the reasonings of a column of messages."""
    flat = column.flatten()
    words = [flat.field("content"), flat.field("reasoning_content")]
    if words[1].null_count == len(flat):
        words[0] = fix(words[0])
    else:
        both = fix(pa.concat_arrays(words))
        words = [both[: len(flat)], both[len(flat) :]]
    new = dict(zip(("content", "reasoning_content"), words, strict=True))
    turns = pa.StructArray.from_arrays(
        [new.get(field.name, flat.field(field.name)) for field in schema.MESSAGE],
        fields=list(schema.MESSAGE),
    )
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), turns, mask=pc.is_null(column))


def drop(table: pa.Table, stage: str, rules: pa.StringArray, values: pa.DoubleArray) -> pa.Table:
    """Set verdicts: where ``rules`` is not null, the row is dropped by ``<stage>:<rule>``."""
    named = pc.binary_join_element_wise(pa.scalar(stage), rules, ":")
    return with_columns(
        table,
        {
            "dropped_by": pc.coalesce(schema.whole(table.column("dropped_by")), named),
            "dropped_value": pc.coalesce(schema.whole(table.column("dropped_value")), values),
        },
    )
