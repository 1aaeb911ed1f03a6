"""Spans that a barrier decided to cut out of documents: how they are recorded, checked and cut.

A cut is decided on one reading of a text and applied to another, later one. ``text_hash`` connects
them: where the text is not the one that was decided on, the cut would remove something else, and
the run stops. Spans are bytes of the UTF-8 text, ``[start, end)``, in order and disjoint.
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
from curate.protocol.tallies import CUT, tally_key

Spans = list[tuple[int, int]]


def text_hash(text: str) -> bytes:
    """Return the 128-bit hash of a text as it is, byte for byte."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def joined(spans: Sequence[tuple[int, int]]) -> Spans:
    """Sort spans and join those that touch.

    >>> joined([(5, 9), (0, 3), (3, 4)])
    [(0, 4), (5, 9)]
    """
    merged: Spans = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    r"""Cut spans of bytes out of a text; line ends that are left at its edges are removed.

    >>> without("Home\nThe river rose.\nShare", [(0, 5), (21, 26)])
    'The river rose.'
    """
    data, done = text.encode(), 0
    kept: list[bytes] = []
    for start, end in spans:
        kept.append(data[done:start])
        done = end
    return b"".join([*kept, data[done:]]).decode().strip("\n")


#: Decisions of a stage that cuts: `tally` is what the stage counts when it applies one.
CUT_DECISIONS = schema.DECISIONS_SCHEMA.append(
    pa.field("tally", pa.list_(pa.struct([("name", pa.string()), ("number", pa.int64())])))
)


def undivided(table: pa.Table) -> pa.LargeStringArray:
    """Return the texts that may be cut: empty where the document is a conversation, or has none."""
    texts = schema.whole(table.column("text"))
    if "messages" not in table.column_names:
        return texts
    chat = pc.is_valid(schema.whole(table.column("messages")))
    return pc.if_else(chat, pa.scalar("", pa.large_string()), texts)


def decide_cuts(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Build decisions from rows with `doc`, `id` and the decision, routed to the documents' shards.

    `cuts` are pairs of byte offsets, `tally` maps names to numbers; absent values become null.
    """
    records = [
        {
            **row,
            "cuts": [{"start": a, "end": b} for a, b in row["cuts"]] if "cuts" in row else None,
            "tally": [{"name": k, "number": n} for k, n in row.get("tally", {}).items()],
        }
        for row in rows
    ]
    table = pa.Table.from_pylist(records, schema=CUT_DECISIONS)
    part = shard_of(np.asarray(schema.whole(table.column("doc"))))
    return table.set_column(table.column_names.index("part"), "part", part).sort_by("doc")


def cut_or_drop(
    text: str, spans: Spans, left: str, share: float, max_cut: float, tally: Mapping[str, int]
) -> dict[str, object]:
    """Return the decision to cut spans; or to drop a text of which too little would be left."""
    if not left.strip():
        return {"dropped_by": "nothing_left", "dropped_value": share}
    if share > max_cut:
        return {"dropped_by": "mostly_repeated", "dropped_value": share}
    return {"cuts": spans, "text_hash": text_hash(text), "tally": tally}


def apply_cuts(stage: str, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
    """Cut the spans of decisions; raise InternalError where a text is not the one decided on.

    The spans are recorded in `cuts`, under the stage's name, so that a replay can cut the same.
    Measurements of a text that was changed (`signal_*`, `MEASURED_COLUMNS`) become null.
    Counts ``cut:documents``, ``cut:bytes`` and the tallies of the decisions.
    """
    cutting = decisions.filter(pc.is_valid(decisions.column("cuts")))
    ids = schema.whole(table.column("id"))
    at = pc.index_in(ids, value_set=schema.whole(cutting.column("id")))
    rows = np.flatnonzero(np.asarray(at.is_valid()))
    if not len(rows):
        return table
    texts = schema.whole(table.column("text"))
    new: list[str] = []
    before = schema.whole(table.column("cuts"))
    after: list[list[dict[str, object]]] = []
    chosen = cutting.take(at.take(pa.array(rows))).to_pylist()
    for row, decision in zip(rows.tolist(), chosen, strict=True):
        text, spans = texts[row].as_py(), decision["cuts"]
        if text_hash(text) != decision["text_hash"]:
            raise InternalError(
                "a text is not the one that cuts were decided on", where=decision["id"]
            )
        new.append(without(text, [(span["start"], span["end"]) for span in spans]))
        after.append([*(before[row].as_py() or ()), *({"stage": stage, **s} for s in spans)])
        tally[tally_key(CUT, "documents")] += 1
        tally[tally_key(CUT, "bytes")] += len(text.encode()) - len(new[-1].encode())
        for counted in decision.get("tally") or ():
            tally[counted["name"]] += counted["number"]
    cuts = replace_rows(before, rows, pa.array(after, before.type))
    table = _set_columns(table, {"cuts": cuts})
    cut = replace_rows(texts, rows, pa.array(new, pa.large_string()))
    return unmeasured(with_text(table, cut), rows)


def unmeasured(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Set to null the measurements of the texts of rows whose texts changed."""
    cut = np.zeros(table.num_rows, np.bool_)
    cut[rows] = True
    columns = {}
    for name in table.column_names:
        if name in schema.MEASURED_COLUMNS or name.startswith("signal_"):
            measured = schema.whole(table.column(name))
            columns[name] = pc.if_else(pa.array(cut), pa.scalar(None, measured.type), measured)
    return _set_columns(table, columns)


def _set_columns(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table
