"""Spans that a barrier decided to cut out of documents: how they are told, checked and carried out.

A cut is decided on one reading of a text and carried out on another, later one. ``text_hash`` holds
them together: where the text is not what was looked at, cutting would hit something else, and the run
stops. Spans are bytes of the UTF-8 text, ``[start, end)``, in order and apart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import InternalError
from curate.text.arrays import replace_rows

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


def carry_out(
    texts: pa.LargeStringArray, ids: pa.StringArray, decisions: pa.Table, tally: Counter[str]
) -> pa.LargeStringArray:
    """Cut what the decisions say; raise InternalError where a text is not the one they are about.

    Counts ``cut:documents`` and ``cut:bytes``.
    """
    cutting = decisions.filter(pc.is_valid(decisions.column("cuts")))
    at = pc.index_in(ids, value_set=cutting.column("id").combine_chunks())
    rows = np.flatnonzero(np.asarray(at.is_valid()))
    if not len(rows):
        return texts
    told = cutting.take(at.take(pa.array(rows))).select(["id", "cuts", "text_hash"]).to_pylist()
    new: list[str] = []
    for row, said in zip(rows.tolist(), told, strict=True):
        text = texts[row].as_py()
        if text_hash(text) != said["text_hash"]:
            raise InternalError("a text is not the one that cuts were decided on", where=said["id"])
        new.append(without(text, [(span["start"], span["end"]) for span in said["cuts"]]))
        tally["cut:documents"] += 1
        tally["cut:bytes"] += len(text.encode()) - len(new[-1].encode())
    return replace_rows(texts, rows, pa.array(new, pa.large_string()))
