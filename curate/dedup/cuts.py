"""Spans that a barrier decided to cut out of documents: how they are told, checked and carried out.

A cut is decided on one reading of a text and carried out on another, later one. ``text_hash`` holds
them together: where the text is not what was looked at, cutting would hit something else, and the run
stops. Spans are bytes of the UTF-8 text, ``[start, end)``, in order and apart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import InternalError
from curate.kernels.arrow import replace_rows
from curate.protocol.routing import shard_of
from curate.protocol.tables import with_text

Spans = list[tuple[int, int]]


def text_hash(text: str) -> bytes:
    """Give the 128-bit hash of a text as it is, byte for byte."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def joined(spans: Sequence[tuple[int, int]]) -> Spans:
    """Sort spans and join those that touch.

    >>> joined([(5, 9), (0, 3), (3, 4)])
    [(0, 4), (5, 9)]
    """
    found: Spans = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    r"""Cut spans of bytes out of a text; line ends that are left at its edges go.

    >>> without("Home\nThe river rose.\nShare", [(0, 5), (21, 26)])
    'The river rose.'
    """
    data, done = text.encode(), 0
    kept: list[bytes] = []
    for start, end in spans:
        kept.append(data[done:start])
        done = end
    return b"".join([*kept, data[done:]]).decode().strip("\n")


#: Decisions of a stage that cuts: `tally` is what the stage counts when it carries one out.
CUT_DECISIONS = schema.DECISIONS_SCHEMA.append(
    pa.field("tally", pa.list_(pa.struct([("name", pa.string()), ("number", pa.int64())])))
)


def undivided(table: pa.Table) -> pa.LargeStringArray:
    """Give the texts that may be cut: empty where the document is a conversation, or has none."""
    texts = schema.whole(table.column("text"))
    if "messages" not in table.column_names:
        return texts
    chat = pc.is_valid(schema.whole(table.column("messages")))
    return pc.if_else(chat, pa.scalar("", pa.large_string()), texts)


def decide_cuts(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Build decisions from rows with `doc`, `id` and what is decided, routed to the documents' shards.

    `cuts` is given as pairs of bytes, `tally` as names and numbers; what is not given is null.
    """
    told = [
        {
            **row,
            "cuts": [{"start": a, "end": b} for a, b in row["cuts"]] if "cuts" in row else None,
            "tally": [{"name": k, "number": n} for k, n in row.get("tally", {}).items()],
        }
        for row in rows
    ]
    table = pa.Table.from_pylist(told, schema=CUT_DECISIONS)
    part = shard_of(np.asarray(schema.whole(table.column("doc"))))
    return table.set_column(table.column_names.index("part"), "part", part).sort_by("doc")


def carry_out(stage: str, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
    """Cut what the decisions say; raise InternalError where a text is not the one they are about.

    What went is written to `cuts`, under the stage's name, so that a replay can cut the same. What was
    measured on a text that is now another (`signal_*`, `n_tokens`) becomes null.
    Counts ``cut:documents``, ``cut:bytes`` and what the decisions say.
    """
    cutting = decisions.filter(pc.is_valid(decisions.column("cuts")))
    ids = schema.whole(table.column("id"))
    at = pc.index_in(ids, value_set=schema.whole(cutting.column("id")))
    rows = np.flatnonzero(np.asarray(at.is_valid()))
    if not len(rows):
        return table
    texts = schema.whole(table.column("text"))
    told = cutting.take(at.take(pa.array(rows))).to_pylist()
    new: list[str] = []
    before = schema.whole(table.column("cuts"))
    went: list[list[dict[str, object]]] = []
    for row, said in zip(rows.tolist(), told, strict=True):
        text = texts[row].as_py()
        if text_hash(text) != said["text_hash"]:
            raise InternalError("a text is not the one that cuts were decided on", where=said["id"])
        new.append(without(text, [(span["start"], span["end"]) for span in said["cuts"]]))
        went.append([*(before[row].as_py() or ()), *({"stage": stage, **s} for s in said["cuts"])])
        tally["cut:documents"] += 1
        tally["cut:bytes"] += len(text.encode()) - len(new[-1].encode())
        for counted in said.get("tally") or ():
            tally[counted["name"]] += counted["number"]
    table = _with(table, {"cuts": _replaced(before, rows, pa.array(went, before.type))})
    cut = replace_rows(texts, rows, pa.array(new, pa.large_string()))
    return unmeasured(with_text(table, cut), rows)


def unmeasured(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Make null what was measured on the texts of rows that are now other texts."""
    cut = np.zeros(table.num_rows, np.bool_)
    cut[rows] = True
    columns = {}
    for name in table.column_names:
        if name == "n_tokens" or name.startswith("signal_"):
            measured = schema.whole(table.column(name))
            columns[name] = pc.if_else(pa.array(cut), pa.scalar(None, measured.type), measured)
    return _with(table, columns)


def _replaced(column: pa.Array, rows: np.ndarray, new: pa.Array) -> pa.Array:
    at = np.arange(len(column))
    at[rows] = len(column) + np.arange(len(rows))
    return pa.concat_arrays([column, new]).take(pa.array(at))


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table
