"""The text of a page that is its content: which elements are kept, and how their text is laid out.

1. *Measure.* Each block has the letters of its own text, those in links, and the marks that end or
   divide sentences. A block is a **paragraph of prose** when it is long enough, holds few links,
   and has such a mark (or is so long that it needs none: Thai and Lao have no marks).
2. *Choose a root.* The element marked up as the article, else the smallest element that holds
   nearly all prose, or most of it while the rest of the page is no prose. Prose inside boilerplate
   (nav, aside, class words such as `sidebar`) counts only where the page has little other prose.
3. *Leave out* blocks below the root that hold little of its prose and are boilerplate, hidden,
   captions, or mostly links; a list or a table of values is judged as a whole. A name is no link,
   nor is the address of a heading in it. Text around links that reads as a **sentence** is no list
   of links: it ends in a mark outside them, or goes on before and behind them. Inline elements are
   never left out for a class word.
4. *Second look.* Where less than a fifth of the page's prose was kept, all its paragraphs are the
   text; where there are none, all that is visible. Prose that stands in noscript only is read where
   a page has no other. The way that was taken is reported.

No rule knows a language. The limits were set on the 60 news pages of tests/benchmarks/html.py.
Gold pages in 25 languages are in tests/unit/sources/web/test_main_content.py.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import int64

from curate.kernels.jit import inline, kernel
from curate.sources.web.layout import text_of
from curate.sources.web.markup import is_letter, parse
from curate.sources.web.markup_tables import (
    ASSISTIVE,
    BLOCK,
    BODY,
    BOILERPLATE,
    CAPTION,
    CELL,
    COMMENTS,
    CONTENT,
    FIGURE,
    FORMULA,
    HEADING,
    HIDDEN,
    HIDDEN_WORD,
    INSIDE,
    ITEM,
    JAX,
    LAYER,
    LIST,
    MAIN_ROLE,
    NAMED,
    NEGATIVE,
    OTHER_ROLE,
    PREVIEW,
    REFERENCE,
    ROW,
    SECOND,
    TABLE,
    TAGS,
    TEX,
    UNSEEN,
    tables,
)

Way = Literal["main", "paragraphs", "page", "noscript"]

#: Bytes of text without spaces, from which a block may be a paragraph of prose (80 Latin letters,
#: 27 ideographs), and from which it needs no mark between sentences.
PROSE_BYTES: Final = 80
UNMARKED_BYTES: Final = 240
#: Percent of a paragraph's letters that may be links, and of any other block's.
PROSE_LINKS: Final = 40
BLOCK_LINKS: Final = 60
#: Bytes of words that a sentence without a mark has before and behind its links, and in percent.
AROUND_BYTES: Final = 6
AROUND_SHARE: Final = 20
#: Percent of the page's prose that the root needs: marked up as the article; a child while the rest
#: of its parent is prose too; a child while the rest is not.
MARKED_SHARE: Final = 50
CHILD_SHARE: Final = 85
DENSE_SHARE: Final = 70
#: An article that holds three times the prose of the next one needs this share only.
ALONE_SHARE: Final = 25
#: Percent of the root's prose from which a block is kept although it looks like boilerplate.
KEPT_SHARE: Final = 25
CAPTION_SHARE: Final = 20
HIDDEN_SHARE: Final = 50
#: Percent of the root's prose that is hidden in pieces, from which they are shown.
FOLDED_SHARE: Final = 80
#: Bytes of prose in noscript that are a page's text where it has no other; less asks for scripts.
NOSCRIPT_BYTES: Final = 160
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
    measures = measure(markup.data, markup.run_start, markup.run_end)
    letters = measures[0]
    seen = seen_elements(*shape, False, tables().kinds, TAGS)
    weights = _weigh(*shape, markup.run_element, *measures, seen, tables().kinds, TAGS)
    without_script = not weights.all_prose[0] and (markup.tag == TAGS[11]).any()
    if without_script:
        with_it = seen_elements(*shape, True, tables().kinds, TAGS)
        more = _weigh(*shape, markup.run_element, *measures, with_it, tables().kinds, TAGS)
        without_script = bool(more.all_prose[0] >= NOSCRIPT_BYTES)
        if without_script:
            seen, weights = with_it, more
    in_prose = weights.prose[weights.block[markup.run_element]] > 0
    shown = _select(*shape, markup.run_element, 0, seen, *weights, True, True, tables().kinds, TAGS)
    kept: npt.NDArray[np.bool_] = shown
    way: Way = "page"
    if not whole:
        root = _root(*shape, *weights, tables().kinds)
        kept = _select(
            *shape, markup.run_element, root, seen, *weights, False, comments, tables().kinds, TAGS
        )
        way = "main"
        clean = in_prose & (weights.boilerplate[markup.run_element] == 0)
        if SECOND_LOOK * letters[kept & in_prose].sum() < letters[shown & clean].sum():
            kept, way = shown & in_prose, "paragraphs"
        if not letters[kept].any():
            kept, way = shown, "page"
    if without_script:
        way = "noscript"
    text = text_of(markup, kept, weights.all_letters, table_style == "markdown")
    return Content(text, way)


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
    sentences: npt.NDArray[np.int64]  #: letters of blocks that are a sentence around links
    boilerplate: npt.NDArray[np.int8]  #: whether it or an ancestor looks like boilerplate


@kernel
def seen_elements(
    tag: Any, parent: Any, end: Any, hints: Any, noscript: Any, kinds: Any, tags: Any
) -> Any:
    """Return for each element whether a reader sees its text, as far as names alone tell.

    Readings of ruby are left out. A formula is there once, whatever layers it has: as its TeX where
    that is in an annotation or a script, else as MathML, else as it was drawn.
    """
    n = len(tag)
    seen = np.ones(n, np.int8)
    source = np.zeros(n, np.int32)  # of an element math: its annotation in TeX
    before = np.zeros(n, np.int32)  # the sibling before
    newest = np.zeros(n, np.int32)  # of an element: its newest child
    math = int64(0)  # the newest, open or closed
    for e in range(1, n):
        above = parent[e]
        before[e], newest[above] = newest[above], e
        if tag[e] == tags[5]:
            math = e
        elif tag[e] == tags[6] and hints[e] & TEX and math and e < end[math]:
            source[math] = e
        if kinds[tag[e]] & UNSEEN and not (tag[e] == tags[10] and hints[e] & TEX):
            seen[e] = noscript and tag[e] == tags[11]
        if (
            hints[e] & LAYER and (hints[e] | hints[above]) & FORMULA and math > above
        ):  # behind its MathML
            seen[e] = 0
        if hints[e] & SECOND and tag[e] == tags[9] and math > above:
            seen[e] = 0
        drawn = before[e]
        if tag[e] == tags[10] and hints[e] & TEX:  # The layers before a script in TeX
            if hints[drawn] & JAX:
                seen[drawn] = 0
                preview = before[drawn]
                if hints[preview] & JAX and hints[preview] & PREVIEW:
                    seen[preview] = 0
        elif (hints[e] & JAX and hints[drawn] & JAX and hints[drawn] & PREVIEW) or (
            hints[e] & ASSISTIVE and hints[above] & JAX and e + 1 < end[e]
        ):
            seen[drawn] = 0
    outer = np.zeros(n, np.int32)  # the outermost formula that has a source
    for e in range(1, n):
        above = parent[e]
        outer[e] = outer[above] if outer[above] or not source[e] else e
        if outer[e]:
            written = source[outer[e]]
            seen[e] = e < end[written] and written < end[e]
        seen[e] = seen[e] and seen[above]
    seen[0] = 1
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
def measure(data: Any, run_start: Any, run_end: Any) -> Any:
    """Return for each run its bytes without ASCII space, its marks, the bytes of its words, and
    whether a mark ends it, but for quotes and brackets.
    """
    runs = len(run_start)
    letters, marks = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
    words, ended = np.zeros(runs, np.int64), np.zeros(runs, np.bool_)
    for run in range(runs):
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
                    ended[run] = byte != 44 and byte != 58
                elif is_letter(byte):
                    words[run] += 1
                    ended[run] = False
                elif byte != 34 and byte != 39 and byte != 41 and byte != 93:
                    ended[run] = False
            elif byte >= 0xC0 and at + 1 < end:
                third = data[at + 2] if at + 2 < end else 0
                if _is_mark(byte, data[at + 1], third):
                    marks[run] += 1
                    ended[run] = True
                elif byte > 0xC2 and byte != 0xE2:  # Those begin signs, spaces and quotes.
                    words[run] += 2 if byte < 0xE0 else 3
                    ended[run] = False
    return letters, marks, words, ended


@kernel
def _weigh_kernel(
    tag: Any, parent: Any, end: Any, hints: Any, run_element: Any, letters: Any, marks: Any,
    words: Any, ended: Any, seen: Any, kinds: Any, tags: Any,
) -> Any:  # fmt: skip
    n = len(tag)
    block, in_link = np.zeros(n, np.int32), np.zeros(n, np.int8)
    boilerplate = np.zeros(n, np.int8)
    for e in range(1, n):
        above, kind = parent[e], kinds[tag[e]]
        block[e] = e if kind & BLOCK else block[above]
        # A name without an address is no link, nor is what leads from a heading to the heading.
        own_place = hints[e] & INSIDE and kinds[tag[block[e]]] & HEADING
        is_link = tag[e] == tags[0] and not own_place and hints[e] & (REFERENCE | NAMED) != NAMED
        in_link[e] = 1 if is_link else in_link[above]
        boilerplate[e] = boilerplate[above]
        named = tag[e] == tags[14] and tag[above] == tags[15]  # who is quoted
        if kind & BLOCK and (
            (kind & BOILERPLATE and not named) or hints[e] & (NEGATIVE | COMMENTS | OTHER_ROLE)
        ):
            boilerplate[e] = 1
        if kind & CONTENT:  # Its class words name topics.
            boilerplate[e] = boilerplate[above]
    own, own_links = np.zeros(n, np.int64), np.zeros(n, np.int64)
    own_marks, before, behind = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    own_words, closed = np.zeros(n, np.int64), np.zeros(n, np.bool_)  # outside links
    for run in range(len(run_element)):
        e = run_element[run]
        if seen[e] and letters[run]:
            at = block[e]
            own[at] += letters[run]
            own_marks[at] += marks[run]
            if in_link[e]:
                own_links[at] += letters[run]
                behind[at] = 0
                closed[at] = False
            else:
                if own_links[at] == 0:
                    before[at] += words[run]
                behind[at] += words[run]
                own_words[at] += words[run]
                closed[at] = ended[run]
    prose, clean = np.zeros(n, np.int64), np.zeros(n, np.int64)
    sentences = np.zeros(n, np.int64)
    for e in range(n):
        if (closed[e] and own_words[e]) or (
            before[e] >= AROUND_BYTES
            and behind[e] >= AROUND_BYTES
            and own_words[e] * 100 >= own[e] * AROUND_SHARE
        ):
            sentences[e] = own[e]
        enough = UNMARKED_BYTES if own_marks[e] == 0 else PROSE_BYTES
        if own[e] >= enough and own_links[e] * 100 < own[e] * PROSE_LINKS:
            prose[e] = own[e]
            if not boilerplate[e]:
                clean[e] = own[e]
    last_child = np.zeros(n, np.int32)
    plain = (prose > 0) | (closed & (own_links * 100 < own * PROSE_LINKS))
    for e in range(1, n):  # Between two sentences, words among or behind links are enough.
        above, after = parent[e], end[e]
        between = plain[last_child[above]] and after < n and parent[after] == above and plain[after]
        if between and own_links[e] and own_words[e] > before[e]:
            sentences[e] = own[e]
        if kinds[tag[e]] & BLOCK:
            last_child[above] = e
    all_prose, all_letters, all_links = prose.copy(), own.copy(), own_links.copy()
    for e in range(n - 1, 0, -1):
        above = parent[e]
        all_prose[above] += all_prose[e]
        clean[above] += clean[e]
        sentences[above] += sentences[e]
        all_letters[above] += all_letters[e]
        all_links[above] += all_links[e]
    return (
        block, prose, own, own_links, all_prose, clean, all_letters, all_links, sentences,
        boilerplate,
    )  # fmt: skip


def _weigh(*arrays: Any) -> _Weights:
    """Return what each element holds."""
    return _Weights(*_weigh_kernel(*arrays))


@kernel
def _root(
    tag: Any, parent: Any, end: Any, hints: Any, block: Any, prose: Any, own: Any, own_links: Any,
    all_prose: Any, clean: Any, letters: Any, links: Any, sentences: Any, boilerplate: Any,
    kinds: Any,
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
def _tables_of_values(tag: Any, parent: Any, all_prose: Any, kinds: Any) -> Any:
    """Return for each element whether it is a table that is no layout of a page.

    Its rows have two cells as a rule, and no cell holds most of its prose.
    """
    n = len(tag)
    table = np.zeros(n, np.int32)  # the nearest one, itself included
    rows, cells, most = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int64)
    for e in range(1, n):
        kind = kinds[tag[e]]
        table[e] = e if kind & TABLE else table[parent[e]]
        if kind & ROW:
            rows[table[e]] += 1
        elif kind & CELL:
            cells[table[e]] += 1
            most[table[e]] = max(most[table[e]], all_prose[e])
    return (
        (rows >= 2) & (2 * cells >= 3 * rows)
        & ((all_prose == 0) | ((rows >= 3) & (2 * most <= all_prose)))
    )  # fmt: skip


@kernel
def _select(
    tag: Any, parent: Any, end: Any, hints: Any, run_element: Any, root: Any, seen: Any,
    block: Any, prose: Any, own: Any, own_links: Any, all_prose: Any, clean: Any, letters: Any,
    links: Any, sentences: Any, boilerplate: Any, whole: Any, comments: Any, kinds: Any,
    tags: Any,
) -> Any:  # fmt: skip
    """Return for each run whether it is kept: below the root, and in nothing that is left out."""
    n = len(tag)
    state = np.zeros(n, np.int8)
    state[root] = seen[root]
    total = max(all_prose[root], 1)
    values = _tables_of_values(tag, parent, all_prose, kinds)
    whole_list = np.zeros(n, np.int8)  # the nearest list or table, and it is no list of links
    above = root
    while kinds[tag[above]] & ITEM and not kinds[tag[above]] & (LIST | TABLE):
        above = parent[above]
    is_list = kinds[tag[above]] & LIST != 0 or values[above]
    whole_list[root] = is_list and links[above] * 100 <= letters[above] * BLOCK_LINKS
    # Answers and tabs that a click shows: all prose that is hidden, if that is most of it.
    hidden, behind = int64(0), 0
    for e in range(root + 1, end[root]):
        if e >= behind and hints[e] & HIDDEN and seen[e]:
            hidden, behind = hidden + all_prose[e], end[e]
    is_folded = hidden * 100 >= total * FOLDED_SHARE
    unwanted = NEGATIVE | OTHER_ROLE if comments else NEGATIVE | OTHER_ROLE | COMMENTS
    for e in range(root + 1, end[root]):
        if not state[parent[e]] or not seen[e]:
            continue
        kind, share = kinds[tag[e]], all_prose[e] * 100 // total
        state[e] = 1
        linked = links[e] * 100 > letters[e] * BLOCK_LINKS and sentences[e] * 2 < letters[e]
        if kind & LIST or (kind & TABLE and values[e]):
            whole_list[e] = not linked
        elif kind & ITEM or letters[e] == letters[parent[e]]:
            whole_list[e] = whole_list[parent[e]]
            linked = linked and not whole_list[e]
        limit = int64(0)  # the percentage of the prose that such an element must hold
        after = end[e]
        if after < n and tag[e + 1] == tags[5] and tag[after] == tags[9] and end[e + 1] == after:
            continue  # the formula that the picture after it shows
        if hints[e] & HIDDEN:
            limit = int64(0 if is_folded and all_prose[e] > 0 else HIDDEN_SHARE)
        elif whole or not kind & BLOCK:
            continue
        elif hints[e] & HIDDEN_WORD or linked:
            limit = int64(HIDDEN_SHARE)
        elif (
            (kind & BOILERPLATE and not (tag[e] == tags[14] and tag[parent[e]] == tags[15]))
            or (hints[e] & unwanted and not kind & CONTENT)
            or tag[e] == tags[7]
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
