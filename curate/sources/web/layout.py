"""How the runs of a page become lines: what sets them apart, white space, items, rows of tables."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.kernels.jit import kernel
from curate.sources.web.markup import Markup
from curate.sources.web.markup_tables import BLOCK, CELL, PARAGRAPH, ROW, TABLE, TAGS, tables

# How a run is set apart from the one before it.
_SPACE, _TAB, _LINE, _EMPTY_LINE = 1, 2, 3, 4

# Bytes below 9 do not occur in text that is written; these stand for what Python puts in.
_JOINT, _CELL, _ROW, _ITEM, _ITEM_END = 1, 2, 3, 4, 5

#: Bytes up to which a cell is a value: what is inside it does not start new lines.
_SMALL_CELL: Final = 200


@kernel
def _gaps(
    tag: Any, parent: Any, first: Any, last: Any, letters: Any, runs: Any, kinds: Any, tags: Any
) -> Any:
    """Return for each run, and behind the last one, how it is set apart from the run before it."""
    gaps = np.zeros(runs + 1, np.int8)
    in_cell = np.zeros(len(tag), np.int8)
    for e in range(1, len(tag)):
        kind = kinds[tag[e]]
        in_cell[e] = in_cell[parent[e]]
        gap = 0
        if kind & CELL:
            in_cell[e] = letters[e] <= _SMALL_CELL
            gap = _TAB
        elif kind & (ROW | TABLE):
            in_cell[e] = 0
            gap = _EMPTY_LINE if kind & TABLE else _LINE
        elif kind & BLOCK or tag[e] == tags[1]:
            gap = _EMPTY_LINE if kind & PARAGRAPH and tag[parent[e]] != tags[2] else _LINE
            if in_cell[e]:
                gap = _SPACE
        if gap:
            gaps[first[e]] = max(gaps[first[e]], gap)
            gaps[last[e]] = max(gaps[last[e]], gap)
    return gaps


@kernel
def _render(
    data: Any, tag: Any, parent: Any, first: Any, last: Any, run_start: Any, run_end: Any,
    run_element: Any, kept: Any, gaps: Any, kinds: Any, tags: Any, out: Any,
) -> Any:  # fmt: skip
    """Write the kept runs, white space collapsed as a browser does; return the number of bytes.

    Between runs that nothing sets apart a `_JOINT` is written, so that no character reference
    arises that neither run has. `_ROW` is written before a row, `_CELL` between its cells, and
    `_ITEM`, a number if the list has them, and `_ITEM_END` before an item.
    """
    runs = len(run_start)
    item_at, row_at = np.full(runs + 1, -1, np.int32), np.full(runs + 1, -1, np.int32)
    number, count = np.zeros(len(tag), np.int32), np.zeros(len(tag), np.int32)
    pre = np.zeros(len(tag), np.int8)
    for e in range(1, len(tag)):
        above = parent[e]
        pre[e] = 1 if tag[e] == tags[8] else pre[above]
        if tag[e] == tags[2]:
            count[above] += 1
            number[e] = count[above] if tag[above] == tags[3] else 0
            item_at[first[e]] = e
        elif tag[e] == tags[4]:
            row_at[first[e]] = e
    size, gap, space, item, row = 0, 0, False, -1, -1
    digits = np.empty(10, np.uint8)
    for run in range(runs):
        gap = max(gap, gaps[run])
        item = item_at[run] if item_at[run] >= 0 else item
        row = row_at[run] if row_at[run] >= 0 else row
        if not kept[run]:
            continue
        e = run_element[run]
        joined = size == 0 or gap > 0
        for at in range(run_start[run], run_end[run]):
            byte = data[at]
            if byte <= 32:
                blank = byte == 32 or (byte >= 9 and byte <= 13)
                literal = blank and pre[e] and byte != 13 and not (byte == 10 and gap)
                if not literal:
                    space = space or blank
                    continue
            if gap and size:
                if gap == _EMPTY_LINE:
                    out[size], out[size + 1] = 10, 10
                    size += 2
                else:
                    out[size] = 10 if gap == _LINE else _CELL if gap == _TAB else 32
                    size += 1
            elif space and size:
                out[size] = 32
                size += 1
            elif not joined:
                out[size] = _JOINT
                size += 1
            gap, space, joined = 0, False, True
            if row >= 0:
                if run < last[row]:
                    out[size] = _ROW
                    size += 1
                row = -1
            if item >= 0:
                if run < last[item]:
                    out[size] = _ITEM
                    size += 1
                    rest, length = number[item], 0
                    while rest > 0:
                        digits[length] = 48 + rest % 10
                        rest //= 10
                        length += 1
                    while length > 0:
                        length -= 1
                        out[size] = digits[length]
                        size += 1
                    out[size] = _ITEM_END
                    size += 1
                item = -1
            out[size] = byte
            size += 1
    return size


def text_of(markup: Markup, kept: npt.NDArray[np.bool_], letters: Any, markdown: bool) -> str:
    """Return the kept runs as text, character references decoded."""
    kinds = tables().kinds
    gaps = _gaps(
        markup.tag, markup.parent, markup.first_run, markup.last_run, letters,
        len(markup.run_start), kinds, TAGS,
    )  # fmt: skip
    room = int((markup.run_end - markup.run_start)[kept].sum()) + 20 * len(kept) + 20
    out = np.empty(room, np.uint8)
    size = _render(
        markup.data, markup.tag, markup.parent, markup.first_run, markup.last_run,
        markup.run_start, markup.run_end, markup.run_element, kept, gaps, kinds, TAGS, out,
    )  # fmt: skip
    text = out[:size].tobytes().decode("utf-8", "replace")
    if "&" in text:
        text = html.unescape(text)
    text = text.replace("\x01", "")
    text = _markdown_rows(text) if markdown else text.replace("\x03", "").replace("\x02", "\t")
    text = _MARKER.sub(lambda item: f"{item[1]}. " if item[1] else "• ", text)
    return _EMPTY_LINES.sub("\n\n", text).strip()


_MARKER: Final = re.compile("\x04(\\d*)\x05")
_EMPTY_LINES: Final = re.compile(r"\n\s*\n")
_ROWS: Final = re.compile("\x03[^\n]*(?:\n\x03[^\n]*)*")


def _markdown_rows(text: str) -> str:
    """Write rows of cells as Markdown tables; rows of one cell are lines."""

    def table(found: re.Match[str]) -> str:
        rows = [line[1:].split("\x02") for line in found[0].split("\n")]
        width = max(map(len, rows))
        if width == 1:
            return "\n".join(row[0] for row in rows)
        lines = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row + [""] * (width - len(row)))
            + " |"
            for row in rows
        ]  # fmt: skip
        return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])

    return _ROWS.sub(table, text).replace("\x03", "").replace("\x02", "\t")
