"""How the runs of a page become lines: what sets them apart, white space, items, rows of tables."""

from __future__ import annotations

import html
import re
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.jit import kernel
from curate.sources.raised import lowered, raised
from curate.sources.web.markup import Markup
from curate.sources.web.markup_tables import (
    APART,
    BLOCK,
    CELL,
    LOWER,
    NUMBER_AT,
    OVER,
    PARAGRAPH,
    ROOT,
    ROW,
    TABLE,
    TAGS,
    UPPER,
    tables,
)

# How a run is set apart from the one before it.
_SPACE, _TAB, _LINE, _EMPTY_LINE = 1, 2, 3, 4

# Bytes below 9 do not occur in text that is written; these stand for what Python puts in.
_JOINT, _CELL, _ROW, _ITEM, _ITEM_END = 1, 2, 3, 4, 5
# Around a run in sup and in sub.
_RAISED, _LOWERED, _LEVEL = 6, 7, 8

#: Bytes up to which a cell is a value: what is inside it does not start new lines.
_SMALL_CELL: Final = 200


@kernel
def _gaps(
    tag: Any, parent: Any, first: Any, last: Any, letters: Any, runs: Any, small: Any, kinds: Any,
    tags: Any,
) -> Any:  # fmt: skip
    """Return for each run, and behind the last one, how it is set apart from the run before it."""
    gaps = np.zeros(runs + 1, np.int8)
    in_cell = np.zeros(len(tag), np.int8)
    for e in range(1, len(tag)):
        kind = kinds[tag[e]]
        in_cell[e] = in_cell[parent[e]]
        gap = 0
        if kind & CELL:
            in_cell[e] = letters[e] <= small
            gap = _TAB
        elif kind & (ROW | TABLE):
            in_cell[e] = 0
            gap = _EMPTY_LINE if kind & TABLE else _LINE
        elif kind & BLOCK or tag[e] == tags[1]:
            gap = _EMPTY_LINE if kind & PARAGRAPH and tag[parent[e]] != tags[2] else _LINE
            if in_cell[e]:
                gap = _SPACE
        elif kind & APART:
            gap = _SPACE
        if gap:
            gaps[first[e]] = max(gaps[first[e]], gap)
            gaps[last[e]] = max(gaps[last[e]], gap)
    return gaps


@kernel
def _closing_brackets(tag: Any, parent: Any, end: Any, first: Any, last: Any, kinds: Any) -> Any:
    """Return what stands before each element in MathML, and the brackets behind each run.

    The parts of fractions, powers, indices and roots stand above and beside each other there: 1
    over 2 is not 12. A part of several elements is put in brackets.
    """
    signs, brackets = np.zeros(len(tag), np.uint8), np.zeros(len(tag), np.int8)
    shuts = np.zeros(last[0] + 1, np.int32)
    part = np.zeros(len(tag), np.int32)
    for e in range(1, len(tag)):
        drawn = kinds[tag[parent[e]]] & (OVER | LOWER | UPPER)
        root = kinds[tag[e]] & ROOT
        if not (drawn or root) or last[e] == first[e]:
            continue
        if drawn:
            part[parent[e]] += 1
            if part[parent[e]] > 1:
                is_index = drawn & LOWER and part[parent[e]] == 2
                signs[e] = 47 if drawn & OVER else 95 if is_index else 94
        brackets[e] = end[e] - e > 2
        shuts[last[e] - 1] += brackets[e]
    return signs, brackets, shuts


@kernel
def _render(
    data: Any, tag: Any, parent: Any, end: Any, hints: Any, first: Any, last: Any, run_start: Any,
    run_end: Any, run_element: Any, kept: Any, gaps: Any, kinds: Any, tags: Any, columns: Any,
    before: Any, behind: Any, blanks: Any, out: Any,
) -> Any:  # fmt: skip
    """Write the kept runs, white space collapsed as a browser does; return the number of bytes.

    Between runs that nothing sets apart a `_JOINT` is written, so that no character reference
    arises that neither run has. `_ROW` is written before a row, `_CELL` between its cells, and
    `_ITEM`, a number if the list has them, and `_ITEM_END` before an item. Runs in ``sup`` and
    ``sub`` are between `_RAISED` or `_LOWERED` and `_LEVEL`. For ``columns``, ``before`` and
    ``behind`` see `Marks`; each is empty where nobody wants it.
    """
    runs = len(run_start)
    item_at, row_at = np.full(runs + 1, -1, np.int32), np.full(runs + 1, -1, np.int32)
    number, count = np.full(len(tag), -1, np.int32), np.zeros(len(tag), np.int32)
    pre, level = np.zeros(len(tag), np.int8), np.zeros(len(tag), np.int8)
    formula = False
    for e in range(1, len(tag)):
        above = parent[e]
        pre[e] = 1 if tag[e] == tags[8] else pre[above]
        if tag[e] == tags[12] or tag[e] == tags[13]:
            level[e] = _RAISED if tag[e] == tags[12] else _LOWERED
        elif not kinds[tag[e]] & BLOCK:
            level[e] = level[above]
        formula = formula or tag[e] == tags[5]
        said = (hints[e] >> NUMBER_AT) - 1
        if tag[e] == tags[2]:
            count[above] = said if said >= 0 else count[above] + 1
            number[e] = count[above] if tag[above] == tags[3] else -1
            item_at[first[e]] = e
        elif tag[e] == tags[3] and said >= 0:
            count[e] = said - 1
        elif tag[e] == tags[4]:
            row_at[first[e]] = e
    size, gap, space, item, row, column = 0, 0, False, -1, -1, 0
    digits = np.empty(10, np.uint8)
    signs, brackets, shuts = np.empty(0, np.uint8), np.empty(0, np.int8), np.empty(0, np.int32)
    if formula:
        signs, brackets, shuts = _closing_brackets(tag, parent, end, first, last, kinds)
    waiting, pending, element = 0, np.empty(32, np.uint8), 1
    for run in range(runs):
        while formula and element < len(tag) and first[element] <= run:
            if waiting < 28:
                if signs[element]:
                    pending[waiting] = signs[element]
                    waiting += 1
                if kinds[tag[element]] & ROOT and last[element] > first[element]:
                    for byte in (0xE2, 0x88, 0x9A):
                        pending[waiting] = byte
                        waiting += 1
                if brackets[element]:
                    pending[waiting] = 40
                    waiting += 1
            element += 1
        gap = max(gap, gaps[run])
        item = item_at[run] if item_at[run] >= 0 else item
        row = row_at[run] if row_at[run] >= 0 else row
        if not kept[run]:
            waiting = 0
            continue
        e = run_element[run]
        joined, begun = size == 0 or gap > 0, False
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
                    if gap == _TAB and len(columns):
                        for _ in range(min(columns[run] - column - 1, blanks)):  # empty cells
                            out[size] = _CELL
                            size += 1
                            blanks -= 1
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
                    if len(columns):
                        for _ in range(min(columns[run], blanks)):
                            out[size] = _CELL
                            size += 1
                            blanks -= 1
                row = -1
            if len(columns):
                column = columns[run]
            if len(before) and before[run] and not begun:
                out[size] = before[run]
                size += 1
            if item >= 0:
                if run < last[item]:
                    out[size] = _ITEM
                    size += 1
                    rest, length = number[item], 0
                    while rest > 0 or (rest == 0 and length == 0):
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
            if waiting:
                if size and out[size - 1] == 32 and (pending[0] == 94 or pending[0] == 95):
                    size -= 1
                out[size : size + waiting] = pending[:waiting]
                size += waiting
                waiting = 0
            if level[e] and not begun:
                out[size] = level[e]
                size += 1
            begun = True
            out[size] = byte
            size += 1
        if begun and level[e]:
            out[size] = _LEVEL
            size += 1
        if begun and len(behind) and behind[run]:
            out[size] = behind[run]
            size += 1
        if formula and shuts[run]:
            out[size : size + shuts[run]] = 41
            size += shuts[run]
    return size


class Marks(NamedTuple):
    """What a caller wants written besides the text; `text_of` returns the marks as they are.

    The bytes are 14 to 31, which occur in no text. Nothing is written in a run of spaces.
    """

    columns: npt.NDArray[np.int32]  #: of the cell that a run is in, from 0: empty cells are counted
    before: npt.NDArray[np.uint8]  #: a byte before a run, 0 for none
    behind: npt.NDArray[np.uint8]
    blanks: int  #: empty cells that are written, at most
    item: str  #: what stands before each item of a list
    small_cell: int  #: bytes up to which what is inside a cell does not start new lines


_NONE: Final = Marks(
    np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.uint8), 0, "", _SMALL_CELL
)


def text_of(
    markup: Markup,
    kept: npt.NDArray[np.bool_],
    letters: Any,
    markdown: bool,
    marks: Marks = _NONE,
) -> str:
    """Return the kept runs as text, character references decoded."""
    kinds = tables().kinds
    gaps = _gaps(
        markup.tag, markup.parent, markup.first_run, markup.last_run, letters,
        len(markup.run_start), marks.small_cell, kinds, TAGS,
    )  # fmt: skip
    room = (
        int((markup.run_end - markup.run_start)[kept].sum())
        + 24 * len(kept)
        + 6 * len(markup.tag)
        + marks.blanks
        + 20
    )
    out = np.empty(room, np.uint8)
    size = _render(
        markup.data, markup.tag, markup.parent, markup.end, markup.hints, markup.first_run,
        markup.last_run, markup.run_start, markup.run_end, markup.run_element, kept, gaps, kinds,
        TAGS, marks.columns, marks.before, marks.behind, marks.blanks, out,
    )  # fmt: skip
    text = out[:size].tobytes().decode("utf-8", "replace")
    if "&" in text:
        text = html.unescape(text)
    text = text.replace("\x01", "")
    if "\x08" in text:
        text = _LEVELS.sub(_written_level, text)
    text = _markdown_rows(text) if markdown else text.replace("\x03", "").replace("\x02", "\t")
    if marks.item:
        text = _MARKER.sub(marks.item, text)
    else:
        text = _MARKER.sub(lambda item: f"{item[1]}. " if item[1] else "• ", text)
    return _EMPTY_LINES.sub("\n\n", text).strip()


_LEVELS: Final = re.compile("([\x06\x07])([^\x06-\x08]*)\x08")


def _written_level(found: re.Match[str]) -> str:
    if found[1] == "\x06":
        return raised(found[2])
    text, begin, end = found.string, found.start(), found.end()
    return lowered(found[2], text[max(0, begin - 1) : begin], text[end : end + 1])


_MARKER: Final = re.compile("\x04(\\d*)\x05")
_EMPTY_LINES: Final = re.compile(r"\n\s*\n")
#: Cells of a table whose short rows are filled up in any case.
_FILLED: Final = 10_000
_ROWS: Final = re.compile("\x03[^\n]*(?:\n\x03[^\n]*)*")


def _markdown_rows(text: str) -> str:
    """Write rows of cells as Markdown tables; rows of one cell are lines."""

    def table(found: re.Match[str]) -> str:
        rows = [line[1:].split("\x02") for line in found[0].split("\n")]
        width = max(map(len, rows))
        if width == 1:
            return "\n".join(row[0] for row in rows)
        # Short rows are filled up, but where that would make a page many times as long.
        filled = width if width * len(rows) <= _FILLED + 4 * sum(map(len, rows)) else 0
        rows[0] += [""] * (width - len(rows[0]))
        lines = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row + [""] * (filled - len(row)))
            + " |"
            for row in rows
        ]  # fmt: skip
        return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])

    return _ROWS.sub(table, text).replace("\x03", "").replace("\x02", "\t")
