"""The text of a page that is its content: which elements are kept, and how their text is laid out.

1. *Measure.* Each block has the letters of its own text, those in links, and the marks that end or
   divide sentences. A block is a **paragraph of prose** when it is long enough, holds few links,
   and has such a mark (or is so long that it needs none: Thai and Lao have no marks).
2. *Choose a root.* The element marked up as the article, else the smallest element that holds
   nearly all prose, or most of it while the rest of the page is no prose. Prose inside boilerplate
   (nav, aside, class words such as `sidebar`) counts only where the page has little other prose.
3. *Leave out* blocks below the root that hold little of its prose and are boilerplate, hidden,
   captions, or mostly links. Inline elements are never left out for a class word.
4. *Second look.* Where less than a fifth of the page's prose was kept, all its paragraphs are the
   text; where there are none, all that is visible. The way that was taken is reported.

No rule knows a language. The limits were set on the 60 news pages of tests/benchmarks/html.py
(token F1 .976). Moving one of them by a quarter costs at most .003 there; keeping captions costs
.010. Gold pages in 25 languages are in tests/unit/sources/web/test_main_content.py.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int64

from curate.kernels.jit import inline, kernel
from curate.sources.web.markup import (
    BLOCK,
    BODY,
    BOILERPLATE,
    CAPTION,
    CELL,
    COMMENTS,
    CONTENT,
    FIGURE,
    FORMULA,
    HIDDEN,
    HIDDEN_WORD,
    LAYER,
    MAIN_ROLE,
    NEGATIVE,
    OTHER_ROLE,
    PARAGRAPH,
    ROW,
    TABLE,
    TAG,
    TEX,
    UNSEEN,
    Markup,
    parse,
    tables,
)

Way = Literal["main", "paragraphs", "page"]

#: Bytes of text without spaces, from which a block may be a paragraph of prose (80 Latin letters,
#: 27 ideographs), and from which it needs no mark between sentences.
PROSE_BYTES: Final = 80
UNMARKED_BYTES: Final = 240
#: Percent of a paragraph's letters that may be links, and of any other block's.
PROSE_LINKS: Final = 40
BLOCK_LINKS: Final = 60
#: Percent of the page's prose that the root needs: marked up as the article; a child while the rest
#: of its parent is prose too; a child while the rest is not.
MARKED_SHARE: Final = 50
CHILD_SHARE: Final = 85
DENSE_SHARE: Final = 50
#: An article that holds three times the prose of the next one needs this share only.
ALONE_SHARE: Final = 25
#: Percent of the root's prose from which a block is kept although it looks like boilerplate.
KEPT_SHARE: Final = 25
CAPTION_SHARE: Final = 20
HIDDEN_SHARE: Final = 50
#: The second look is taken where less than this fraction of the page's prose was kept.
SECOND_LOOK: Final = 5


class Content(NamedTuple):
    """The text of a page and the way that was taken to it."""

    text: str
    way: Way


def main_content(
    page: bytes,
    *,
    whole: bool = False,
    comments: bool = False,
    table_style: Literal["plain", "markdown"] = "plain",
) -> Content:
    """Return the content of a page in UTF-8 as text.

    Parameters
    ----------
    page : bytes
        Markup in UTF-8; any bytes are taken.
    whole : bool
        Return all that is visible instead.
    comments : bool
        Keep what readers wrote below, for pages of questions and answers.
    table_style : {"plain", "markdown"}
        Cells are separated by tabs, or rows are rows of a Markdown table.

    Returns
    -------
    Content
        Paragraphs are separated by empty lines, items and rows by line ends.

    Examples
    --------
    >>> page = b"<nav><a href=/>Home</a></nav><p>Salem, &#228;lem! <i>Two</i> words.</p>"
    >>> main_content(page).text
    'Salem, älem! Two words.'
    """
    markup = parse(page)
    shape = (markup.tag, markup.parent, markup.end, markup.hints)
    seen = _seen(*shape, tables().kinds, _TAGS)
    letters, marks = _measure(markup.data, markup.run_start, markup.run_end)
    weights = _weigh(*shape, markup.run_element, letters, marks, seen, tables().kinds, _TAGS)
    in_prose = weights.prose[weights.block[markup.run_element]] > 0
    shown = _select(
        *shape, markup.run_element, 0, seen, *weights, True, True, tables().kinds, _TAGS
    )
    kept: npt.NDArray[np.bool_] = shown
    way: Way = "page"
    if not whole:
        root = _root(*shape, *weights, tables().kinds)
        kept = _select(
            *shape, markup.run_element, root, seen, *weights, False, comments, tables().kinds, _TAGS
        )
        way = "main"
        clean = in_prose & (weights.boilerplate[markup.run_element] == 0)
        if SECOND_LOOK * letters[kept & in_prose].sum() < letters[shown & clean].sum():
            kept, way = shown & in_prose, "paragraphs"
        if not letters[kept].any():
            kept, way = shown, "page"
    text = _text(markup, kept, weights.all_letters, table_style == "markdown")
    return Content(text, way)


#: Numbers of the tags that the kernels ask for, in their order.
_TAGS: Final = np.array(
    [
        TAG["a"],
        TAG["br"],
        TAG["li"],
        TAG["ol"],
        TAG["tr"],
        TAG["math"],
        TAG["annotation"],
        TAG["form"],
        TAG["pre"],
    ],
    np.int64,
)
_TAGS.flags.writeable = False


class _Weights(NamedTuple):
    """What each element holds; all but ``block`` and ``prose`` include its descendants."""

    block: npt.NDArray[np.int32]  #: the nearest block, itself included
    prose: npt.NDArray[np.int64]  #: letters of its own text if that is a paragraph of prose
    own: npt.NDArray[np.int64]  #: letters of its own text, inline descendants included
    own_links: npt.NDArray[np.int64]
    all_prose: npt.NDArray[np.int64]
    clean_prose: npt.NDArray[np.int64]  #: that is not inside boilerplate
    all_letters: npt.NDArray[np.int64]
    all_links: npt.NDArray[np.int64]
    boilerplate: npt.NDArray[np.int8]  #: whether it or an ancestor looks like boilerplate


@kernel
def _seen(tag: Any, parent: Any, end: Any, hints: Any, kinds: Any, tags: Any) -> Any:
    """Return for each element whether a reader sees its text, as far as names alone tell.

    Readings of ruby are left out. A formula is there once: as its TeX where it is annotated with
    it, and then neither as MathML nor as KaTeX's second layer.
    """
    n = len(tag)
    seen = np.ones(n, np.int8)
    in_formula = np.zeros(n, np.int8)
    for e in range(1, n):
        above = parent[e]
        seen[e] = seen[above]
        in_formula[e] = in_formula[above]
        if kinds[tag[e]] & UNSEEN:
            seen[e] = 0
        if hints[e] & FORMULA:
            in_formula[e] = 1
        if hints[e] & LAYER and (in_formula[above] or hints[e] & FORMULA):
            seen[e] = 0
        if tag[e] == tags[6]:  # annotation
            seen[e] = 0
    for e in range(1, n):
        if tag[e] != tags[5]:  # math
            continue
        source = 0
        for below in range(e + 1, end[e]):
            if tag[below] == tags[6] and hints[below] & TEX:
                source = below
        if source:
            for below in range(e, end[e]):
                inside = below < end[source] and source < end[below]
                seen[below] = 1 if inside and seen[parent[e]] else 0
    return seen


@inline
def _is_mark(first: Any, second: Any, third: Any) -> Any:
    """Return whether two or three bytes of UTF-8 are a mark that ends or divides sentences."""
    if first == 0xE3:
        return second == 0x80 and (third == 0x81 or third == 0x82)  # 、 。
    if first == 0xEF:
        return second == 0xBC and (
            third == 0x81 or third == 0x8C or third == 0x8E or third == 0x9A or third == 0x9B
            or third == 0x9F
        )  # ！ ， ． ： ； ？  # fmt: skip
    if first == 0xD8:
        return second == 0x8C or second == 0x9B or second == 0x9F  # Arabic , ; ?
    if first == 0xDB:
        return second == 0x94  # Urdu
    if first == 0xD6:
        return second == 0x89  # Armenian
    if first == 0xE0:
        return second == 0xA5 and (third == 0xA4 or third == 0xA5)  # danda
    if first == 0xE1:
        return (
            (second == 0x8D and third >= 0xA1 and third <= 0xA8)  # Ethiopic
            or (second == 0x81 and (third == 0x8A or third == 0x8B))  # Myanmar
            or (second == 0x9F and (third == 0x94 or third == 0x95))  # Khmer
        )
    return False


@kernel
def _measure(data: Any, run_start: Any, run_end: Any) -> Any:
    """Return for each run its bytes without ASCII space, and its marks."""
    letters, marks = np.zeros(len(run_start), np.int64), np.zeros(len(run_start), np.int64)
    for run in range(len(run_start)):
        end = run_end[run]
        for at in range(run_start[run], end):
            byte = data[at]
            if byte <= 32:
                continue
            letters[run] += 1
            if byte < 128:
                if (
                    byte == 44 or byte == 46 or byte == 33 or byte == 63 or byte == 58
                    or byte == 59
                ):  # fmt: skip
                    marks[run] += 1
            elif byte >= 0xC0 and at + 1 < end:
                third = data[at + 2] if at + 2 < end else 0
                if _is_mark(byte, data[at + 1], third):
                    marks[run] += 1
    return letters, marks


@kernel
def _weigh_kernel(
    tag: Any, parent: Any, hints: Any, run_element: Any, letters: Any, marks: Any, seen: Any,
    kinds: Any, tags: Any,
) -> Any:  # fmt: skip
    n = len(tag)
    block, in_link = np.zeros(n, np.int32), np.zeros(n, np.int8)
    boilerplate = np.zeros(n, np.int8)
    for e in range(1, n):
        above, kind = parent[e], kinds[tag[e]]
        block[e] = e if kind & BLOCK else block[above]
        in_link[e] = 1 if tag[e] == tags[0] else in_link[above]
        boilerplate[e] = boilerplate[above]
        if kind & BLOCK and (kind & BOILERPLATE or hints[e] & (NEGATIVE | COMMENTS | OTHER_ROLE)):
            boilerplate[e] = 1
        if kind & CONTENT:  # Its class words name topics.
            boilerplate[e] = boilerplate[above]
    own, own_links = np.zeros(n, np.int64), np.zeros(n, np.int64)
    own_marks = np.zeros(n, np.int64)
    for run in range(len(run_element)):
        e = run_element[run]
        if seen[e]:
            own[block[e]] += letters[run]
            own_marks[block[e]] += marks[run]
            if in_link[e]:
                own_links[block[e]] += letters[run]
    prose, clean = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for e in range(n):
        enough = UNMARKED_BYTES if own_marks[e] == 0 else PROSE_BYTES
        if own[e] >= enough and own_links[e] * 100 < own[e] * PROSE_LINKS:
            prose[e] = own[e]
            if not boilerplate[e]:
                clean[e] = own[e]
    all_prose, all_letters, all_links = prose.copy(), own.copy(), own_links.copy()
    for e in range(n - 1, 0, -1):
        above = parent[e]
        all_prose[above] += all_prose[e]
        clean[above] += clean[e]
        all_letters[above] += all_letters[e]
        all_links[above] += all_links[e]
    return block, prose, own, own_links, all_prose, clean, all_letters, all_links, boilerplate


def _weigh(*arrays: Any) -> _Weights:
    """Return what each element holds."""
    tag, parent, _, hints, *rest = arrays
    return _Weights(*_weigh_kernel(tag, parent, hints, *rest))


@kernel
def _root(
    tag: Any, parent: Any, end: Any, hints: Any, block: Any, prose: Any, own: Any, own_links: Any,
    all_prose: Any, clean: Any, letters: Any, links: Any, boilerplate: Any, kinds: Any,
) -> Any:  # fmt: skip
    """Return the element below which the content is."""
    n = len(tag)
    held = clean if clean[0] * 100 >= all_prose[0] * PROSE_LINKS else all_prose
    root = 0
    for e in range(1, n):  # itemprop="articleBody"
        if (
            hints[e] & BODY
            and held[e] * 100 >= held[0] * MARKED_SHARE
            and held[e] > held[root] * (root > 0)
        ):
            root = e
    if root == 0:
        best, second = 0, int64(0)
        for e in range(1, n):  # article, main and their roles
            if not (kinds[tag[e]] & CONTENT or hints[e] & MAIN_ROLE) or held[e] == 0:
                continue
            inside = best > 0 and e < end[best]
            if inside and held[e] * 100 >= held[best] * 80:
                best = e
            elif not inside and (best == 0 or held[e] > held[best]):
                second = held[best] if best else int64(0)
                best = e
            elif not inside:
                second = max(second, held[e])
        if best and (
            held[best] * 100 >= held[0] * MARKED_SHARE
            or (held[best] >= 3 * second and held[best] * 100 >= held[0] * ALONE_SHARE)
        ):
            root = best
    while held[root] > 0:  # Down, while one child has nearly all.
        chosen = 0
        child = root + 1
        while child < end[root]:
            if own[child] < held[child] and (boilerplate[root] or not boilerplate[child]):
                text, all_text = letters[child] - links[child], letters[root] - links[root]
                nearly_all = held[child] * 100 >= held[root] * CHILD_SHARE
                rest = held[root] - held[child]
                dense = (
                    held[child] * 100 >= held[root] * DENSE_SHARE
                    and held[child] * 100 >= letters[child] * 65
                    and rest * 100 < (letters[root] - letters[child]) * 50
                )
                if (nearly_all and text * 100 >= all_text * 70) or (
                    dense and text * 100 >= all_text * 25
                ):
                    chosen = child
                    break
            child = end[child]
        if chosen == 0:
            break
        root = chosen
    return root


@kernel
def _select(
    tag: Any, parent: Any, end: Any, hints: Any, run_element: Any, root: Any, seen: Any,
    block: Any, prose: Any, own: Any, own_links: Any, all_prose: Any, clean: Any, letters: Any,
    links: Any, boilerplate: Any, whole: Any, comments: Any, kinds: Any, tags: Any,
) -> Any:  # fmt: skip
    """Return for each run whether it is kept: below the root, and in nothing that is left out."""
    n = len(tag)
    state = np.zeros(n, np.int8)
    state[root] = seen[root]
    total = max(all_prose[root], 1)
    unwanted = NEGATIVE | OTHER_ROLE if comments else NEGATIVE | OTHER_ROLE | COMMENTS
    for e in range(root + 1, end[root]):
        if not state[parent[e]] or not seen[e]:
            continue
        kind, share = kinds[tag[e]], all_prose[e] * 100 // total
        state[e] = 1
        limit = int64(0)  # the percentage of the prose that such an element must hold
        if hints[e] & HIDDEN:
            limit = int64(HIDDEN_SHARE)
        elif whole or not kind & BLOCK:
            continue
        elif hints[e] & HIDDEN_WORD or links[e] * 100 > letters[e] * BLOCK_LINKS:
            limit = int64(HIDDEN_SHARE)
        elif (
            kind & BOILERPLATE or (hints[e] & unwanted and not kind & CONTENT) or tag[e] == tags[7]
        ):
            limit = int64(KEPT_SHARE)
        elif hints[e] & CAPTION or kind & FIGURE:
            limit = int64(CAPTION_SHARE)
        if share < limit:
            state[e] = 0
    kept = np.zeros(len(run_element), np.bool_)
    for run in range(len(run_element)):
        kept[run] = state[run_element[run]] == 1
    return kept


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


def _text(markup: Markup, kept: npt.NDArray[np.bool_], letters: Any, markdown: bool) -> str:
    """Return the kept runs as text, character references decoded."""
    kinds = tables().kinds
    gaps = _gaps(
        markup.tag, markup.parent, markup.first_run, markup.last_run, letters,
        len(markup.run_start), kinds, _TAGS,
    )  # fmt: skip
    room = int((markup.run_end - markup.run_start)[kept].sum()) + 20 * len(kept) + 20
    out = np.empty(room, np.uint8)
    size = _render(
        markup.data, markup.tag, markup.parent, markup.first_run, markup.last_run,
        markup.run_start, markup.run_end, markup.run_element, kept, gaps, kinds, _TAGS, out,
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
