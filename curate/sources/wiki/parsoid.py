"""HTML as MediaWiki's parser Parsoid writes it -> prose, headings, lists, tables and formulas.

The page is read by the pass of :mod:`curate.sources.web.markup`, in linear time. What is left out
is known by what MediaWiki and the large wikis call it in ``class``, ``id``, ``typeof``, ``rel``,
``property`` and ``role``: whole names, in no language. Names of Parsoid:
https://www.mediawiki.org/wiki/Specs/HTML
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numba import int64

from curate.kernels.jit import kernel
from curate.sources.web.layout import Marks, text_of
from curate.sources.web.main_content import measure, seen_elements
from curate.sources.web.markup import parse
from curate.sources.web.markup_tables import (
    ALTERNATIVE,
    COLUMNS,
    COLUMNS_AT,
    HIDDEN,
    MOST_SPANNED,
    NAMES_IN,
    NUMBER,
    PICTURED,
    PRESENT,
    ROWS,
    ROWS_AT,
    STYLE,
    TAG,
    TAGS,
    TEX,
    VALUE,
    Tables,
    tables,
    tables_of,
)
from curate.sources.wiki.holes import HOLE, without_holes
from curate.sources.wiki.wikitext import without_remains

#: Hints besides those of any page (below 1 << 15); what is left out first, each with its count.
_FIRST: Final = 15
LEFT_OUT: Final = {
    "references": "reference references reflist mw-references-wrap mw:extension/ref"
    " mw:extension/references mw-cite-backlink",
    "edit_links": "mw-editsection editsection mw-editsection-like",
    "hatnotes": "hatnote dablink rellink homonymie bandeau-homonymie",
    "notices": "ambox tmbox ombox cmbox imbox fmbox dmbox mbox-small mbox-text stub asbox"
    " bandeau-container bandeau-article metadata noprint shortdescription mw-empty-elt"
    " inline-template template-fact mw-indicators mw-indicator",
    "navigation": "navbox navbox-styles navbox-inner navbox-container navbar vertical-navbox"
    " sidebar sidebar-navbox side-box sistersitebox sister-box authority-control"
    " portalbox portal-bar portal-box portal bandeau-portail toc toclimit-2 toclimit-3 catlinks"
    " printfooter succession-box navigation-not-searchable navigation normdaten"
    " mw:pageprop/category mw:pageprop/toc",
    "figures": "thumb thumbinner thumbcaption gallery gallerybox mw-gallery-traditional"
    " mw:file mw:file/thumb mw:file/frame mw:file/frameless mw:image mw:image/thumb mw:image/frame"
    " mw:image/frameless mw:extension/gallery mw:extension/timeline mw:extension/graph"
    " mw:extension/chart mw:extension/score mw:extension/imagemap mw:extension/mapframe"
    " mw-kartographer-container",
    "coordinates": "coordinates geo geo-default geo-dms geo-dec geo-nondefault geo-multi-punct"
    " geo-inline-hidden geo-inline",
    "audio": "haudio audiolink audio-player ext-phonos ext-phonos-playbutton listen mw:audio"
    " mw:video mw:file/audio mw:extension/phonos",
    "infoboxes": "infobox infobox_v2 infobox_v3 infobox-table infobox_v2-table",
}
_BITS: Final = {name: 1 << (_FIRST + place) for place, name in enumerate(LEFT_OUT)}
_AFTER: Final = _FIRST + len(LEFT_OUT)
_MATH, _LAYOUT, _REDIRECT, _DISAMBIGUATION = (1 << (_AFTER + place) for place in range(4))
_OTHER: Final = {
    _MATH: "mwe-math-element mw:extension/math mw:extension/chem mw:extension/ce",
    _LAYOUT: "presentation none",
    _REDIRECT: "mw:pageprop/redirect",
    _DISAMBIGUATION: "mw:pageprop/disambiguation",
    PICTURED: "mwe-math-fallback-image-inline mwe-math-fallback-image-display",
}
_INFOBOX: Final = _BITS["infoboxes"]
#: Names of what is left out, by the numbers that the kernel gives them.
REASONS: Final = (*LEFT_OUT, "hidden", "tables")
_HIDDEN_ONE, _TABLE_ONE = len(LEFT_OUT) + 1, len(LEFT_OUT) + 2

# Bytes that `text_of` writes; a heading that begins with a formula has a byte of its own.
_HEADING, _FORMULA, _BOTH, _FORMULA_END = 14, 15, 16, 17

#: Bytes up to which a cell is a cell, and not a column of a page that is laid out as a table.
_SMALL_CELL: Final = 2000
_HEADING_LINE: Final = re.compile("\x0e([^\n]*)\n+(?=[^\n\x0e])")
_FORMULAS: Final = re.compile("\x0f([^\x0f\x11]*)\x11")
#: Marks that are left where elements overlap in ways that no formula or heading has.
_MARKS: Final = dict.fromkeys((_HEADING, _FORMULA, _BOTH, _FORMULA_END))
_STYLE: Final = re.compile(r"\{\s*\\(?:display|text|script)style\b\s*(.*)\}", re.DOTALL)
_PLACE: Final = "\x12"


class Rendering(NamedTuple):
    """What is kept of a page besides its prose."""

    tables: bool = True  #: as Markdown
    formulas: bool = True  #: as TeX
    infoboxes: bool = False


class Article(NamedTuple):
    """The text of a page, and how many of each kind were left out."""

    text: str
    left_out: Counter[str]
    sentences: int = 0  #: that were cut because a formula in them was
    parentheses: int = 0
    is_redirect: bool = False
    is_disambiguation: bool = False


_KEPT: Final = Rendering()


def article(page: bytes, how: Rendering = _KEPT) -> Article:
    """Return the text of a page that Parsoid wrote, in UTF-8.

    Paragraphs are separated by empty lines. A heading has its own line and is left out if its
    section is empty; an item of a list begins with ``- ``; rows are rows of Markdown tables; a
    formula is its TeX between dollar signs. Where formulas are left out, so is the parenthesis or
    the sentence around each.

    >>> article(b"<p>Almaty<sup class='reference'>[1]</sup> lies at <span>785</span> m.</p>").text
    'Almaty lies at 785 m.'
    """
    markup = parse(page, _tables())
    kinds = tables().kinds
    letters = measure(markup.data, markup.run_start, markup.run_end)[0]
    shape = (markup.tag, markup.parent, markup.end, markup.hints)
    seen = seen_elements(*shape, False, kinds, TAGS)
    wanted = sum(_BITS.values()) - (_INFOBOX if how.infoboxes else 0)
    column, blanks = _columns(markup.tag, markup.parent, markup.hints, len(page))
    kept, columns, before, behind, counts, sizes, formulas = _choose(
        *shape, markup.first_run, markup.last_run, markup.run_element, letters, seen, column,
        np.int64(wanted), how.tables, _levels(),
    )  # fmt: skip
    marks = Marks(columns, before, behind, int(blanks), "- ", _SMALL_CELL)
    text = text_of(markup, kept, sizes, True, marks)
    found: list[str] = []

    def take(formula: re.Match[str]) -> str:
        found.append(_tex(formula[1].replace("\x0e", "")))
        return _PLACE

    text = _FORMULAS.sub(take, text.replace("\x10", "\x0e\x0f"))
    text = _HEADING_LINE.sub(r"\1\n", text).translate(_MARKS)
    text = without_remains(text)
    left_out = Counter({name: int(counts[i]) for i, name in enumerate(REASONS, 1) if counts[i]})
    sentences = parentheses = 0
    if how.formulas:
        formula = iter(found)
        text = "".join(next(formula) if sign == _PLACE else sign for sign in _pieces(text))
    elif formulas:
        left_out["formulas"] = int(formulas)
        text, sentences, parentheses = _without_formulas(text)
    hints = int(np.bitwise_or.reduce(markup.hints))
    return Article(
        text.strip(), left_out, sentences, parentheses,
        bool(hints & _REDIRECT), bool(hints & _DISAMBIGUATION),
    )  # fmt: skip


def compile_kernels() -> None:
    """Compile the kernels of a page, or load them if they are stored."""
    article(b"<p>text</p>")


def _pieces(text: str) -> list[str]:
    return re.split(f"({_PLACE})", text)


def _tex(text: str) -> str:
    """Return a formula without the style that MediaWiki wraps it in, between dollar signs."""
    text = text.strip()
    inner = _STYLE.fullmatch(text)
    return f"${(inner[1] if inner else text).strip()}$"


def _without_formulas(text: str) -> tuple[str, int, int]:
    lines: list[str] = []
    sentences = parentheses = 0
    for line in text.replace(_PLACE, HOLE).split("\n"):
        if HOLE in line:
            mark = "- " if line.startswith("- ") else ""
            line, cut, asides = without_holes(line.removeprefix(mark), is_item=bool(mark))
            sentences, parentheses = sentences + cut, parentheses + asides
            line = mark + line if line else ""
            if not line:
                continue
        lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)), sentences, parentheses


@cache
def _tables() -> Tables:
    attributes = dict.fromkeys(("class", "id", "typeof", "rel", "property", "role"), NAMES_IN)
    attributes |= {"hidden": PRESENT, "style": STYLE, "encoding": VALUE, "alt": ALTERNATIVE}
    attributes |= {"colspan": COLUMNS, "rowspan": ROWS, "start": NUMBER, "value": NUMBER}
    hints: dict[str, int] = {}
    for bit, names in [(_BITS[name], names) for name, names in LEFT_OUT.items()] + [
        *_OTHER.items()
    ]:
        for name in names.split():
            hints[name] = hints.get(name, 0) | bit
    return tables_of(attributes, hints, {"application/x-tex": TEX, "math/tex": TEX})


@cache
def _levels() -> Any:
    """Return the level of a heading by the number of its tag, 0 for what is none."""
    levels = np.zeros(len(tables().kinds), np.int64)
    for level in range(1, 7):
        levels[TAG[f"h{level}"]] = level
    return levels


_TABLE, _TD, _TH, _TR = TAG["table"], TAG["td"], TAG["th"], TAG["tr"]
_MATH_TAG: Final = TAG["math"]


@kernel
def _columns(tag: Any, parent: Any, hints: Any, most: Any) -> Any:
    """Return the column that each element is in, and how many empty cells there may be.

    A cell that takes several columns or rows leaves all but its first empty. Beyond the first 64
    columns, and ``most`` empty ones, each cell is taken as one column of one row.
    """
    n, width = len(tag), MOST_SPANNED + 1
    table, region = np.zeros(n, np.int32), np.full(n, -1, np.int32)
    regions = 0
    for e in range(1, n):
        table[e] = e if tag[e] == _TABLE else table[parent[e]]
        is_cell = tag[e] == _TD or tag[e] == _TH
        if is_cell and (hints[e] >> ROWS_AT) & MOST_SPANNED > 1 and region[table[e]] < 0:
            region[table[e]] = regions
            regions += 1
    taken = np.zeros((regions, width), np.uint8)  # rows below that a cell above still takes
    column, cells = np.zeros(n, np.int32), np.zeros(n, np.int32)
    row = np.zeros(n, np.int32)  # of a table: its newest
    blanks = int64(0)
    for e in range(1, n):
        above, here = parent[e], region[table[e]]
        column[e] = column[above]
        if tag[e] == _TR or tag[e] == _TABLE:
            column[e] = 0
            if here >= 0 and tag[e] == _TR:
                if row[table[e]]:
                    for place in range(cells[row[table[e]]], width):
                        taken[here, place] -= taken[here, place] > 0
                row[table[e]] = e
        elif tag[e] == _TD or tag[e] == _TH:
            at = cells[above]
            while here >= 0 and at < width and taken[here, at]:
                taken[here, at] -= 1
                at += 1
                blanks += 1
            column[e] = at
            more = max(((hints[e] >> COLUMNS_AT) & MOST_SPANNED) - 1, 0)
            rows = max(((hints[e] >> ROWS_AT) & MOST_SPANNED) - 1, 0)
            if blanks >= most or at + more >= width:
                more = 0
            blanks += more
            if here >= 0 and at + more < width:
                for place in range(at, at + more + 1):
                    taken[here, place] = rows
            cells[above] = at + more + 1
    return column, blanks + n


@kernel
def _choose(
    tag: Any, parent: Any, end: Any, hints: Any, first: Any, last: Any, run_element: Any,
    letters: Any, seen: Any, column: Any, wanted: Any, with_tables: Any, levels: Any,
) -> Any:  # fmt: skip
    """Return what is kept of each run, and the marks around it.

    Besides: how many elements were left out for each of `REASONS`, the bytes below each element,
    and the number of formulas.
    """
    n, runs = len(tag), len(run_element)
    formula, source = np.zeros(n, np.int32), np.zeros(n, np.int32)
    tex = np.zeros(n, np.int32)  # the annotation that an element is in
    for e in range(1, n):
        above = parent[e]
        formula[e] = formula[above]
        if formula[e] == 0 and (hints[e] & _MATH or tag[e] == _MATH_TAG):
            formula[e] = e
        tex[e] = tex[above]
        if formula[e] and hints[e] & TEX and tex[e] == 0:
            tex[e] = e
            if source[formula[e]] == 0 or hints[source[formula[e]]] & PICTURED:
                source[formula[e]] = e
        elif formula[e] and hints[e] & PICTURED and last[e] > first[e] and not source[formula[e]]:
            source[formula[e]] = e
            tex[e] = e
    total = np.zeros(runs + 1, np.int64)
    for run in range(runs):
        total[run + 1] = total[run] + letters[run]
    reason = np.zeros(n, np.uint8)
    counts = np.zeros(32, np.int64)
    heading = np.zeros(n, np.int32)
    sizes = np.zeros(n, np.int64)
    for e in range(1, n):
        above = parent[e]
        sizes[e] = total[last[e]] - total[first[e]]
        heading[e] = e if levels[tag[e]] and not heading[above] else heading[above]
        reason[e] = reason[above]
        if reason[e] or formula[above]:
            continue
        found, why = hints[e] & wanted, 0
        if found:
            while not found & (1 << (_FIRST + why)):
                why += 1
            why += 1
        elif hints[e] & HIDDEN and formula[e] != e:
            why = _HIDDEN_ONE
        elif tag[e] == _TABLE and not with_tables and not hints[e] & (_LAYOUT | _INFOBOX):
            why = _TABLE_ONE
        reason[e] = why
        if why and sizes[e]:
            counts[why] += 1
    sizes[0] = total[runs]
    kept = np.zeros(runs, np.bool_)
    for run in range(runs):
        e = run_element[run]
        if reason[e]:
            continue
        written = source[formula[e]] if formula[e] else 0
        kept[run] = tex[e] == written if written else seen[e]
    # Headings wait for the first line below them.
    shown = np.zeros(n, np.bool_)
    waiting, depth = np.zeros(8, np.int32), 0
    for run in range(runs):
        if not kept[run] or letters[run] == 0:
            continue
        h = heading[run_element[run]]
        if h == 0:
            for place in range(depth):
                shown[waiting[place]] = True
            depth = 0
        elif depth == 0 or waiting[depth - 1] != h:
            while depth and levels[tag[waiting[depth - 1]]] >= levels[tag[h]]:
                depth -= 1
            waiting[depth] = h
            depth += 1
    columns = np.zeros(runs, np.int32)
    before, behind = np.zeros(runs, np.uint8), np.zeros(runs, np.uint8)
    begun, open_formula, ended, formulas = 0, 0, 0, 0
    for run in range(runs):
        e = run_element[run]
        columns[run] = column[e]
        h = heading[e]
        if h and not shown[h]:
            kept[run] = False
        if not kept[run] or letters[run] == 0:
            continue
        f = formula[e]
        if open_formula and f != open_formula:
            behind[ended] = _FORMULA_END
            open_formula = 0
        if h and h != begun:
            before[run] = _HEADING
            begun = h
        if f and f != open_formula:
            before[run] = _BOTH if before[run] else _FORMULA
            open_formula = f
            formulas += 1
        ended = run
    if open_formula:
        behind[ended] = _FORMULA_END
    return kept, columns, before, behind, counts, sizes, formulas
