"""What the pass over HTML looks up: kinds of elements, and hints in attributes, as hash tables."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

# What an element is, by its name.
VOID: Final = 1  #: has no content and no end tag
RAW: Final = 2  #: its content is text up to its end tag, never markup
UNSEEN: Final = 4  #: a reader of the page does not see its text as prose
BLOCK: Final = 8
PARAGRAPH: Final = 16  #: set off by an empty line
FIGURE: Final = 32  #: figure and its caption
CELL: Final = 64
ROW: Final = 128
TABLE: Final = 256
BOILERPLATE: Final = 512  #: nav, aside, footer: usually not the content
CONTENT: Final = 1024  #: article, main
CODE: Final = 2048  #: script, style: without an end tag it takes the rest of the page
# The parts of a formula, set apart by where they stand.
OVER: Final = 4096  #: the second part is below the first: a fraction
LOWER: Final = 8192  #: the second part is an index
UPPER: Final = 16384  #: the last part is an exponent
ROOT: Final = 32768
HEADING: Final = 65536  #: a heading or a term, whose id is its text
ITEM: Final = 131072  #: of a list or a table, which is kept or left out as a whole
LIST: Final = 262144
APART: Final = 524288  #: a cell of a matrix, set apart by a space
READING: Final = 1048576  #: a part of ruby, which the next one ends

# What attributes hint at.
NEGATIVE: Final = 1  #: a class or id word of boilerplate
COMMENTS: Final = 2  #: a class or id word of readers' comments
CAPTION: Final = 4
HIDDEN: Final = 8  #: the attribute hidden, or display:none
BODY: Final = 16  #: itemprop="articleBody"
MAIN_ROLE: Final = 32  #: role="main" or "article"
OTHER_ROLE: Final = 64  #: role="navigation", "banner", "complementary" or "contentinfo"
FORMULA: Final = 128  #: the class word katex
LAYER: Final = 256  #: the class word html: with katex, the second layer of a formula
TEX: Final = 512  #: encoding="application/x-tex", type="math/tex"
HIDDEN_WORD: Final = 1024  #: a class word that means hidden, often only on some screens
JAX: Final = 2048  #: the class word Jax: a layer that MathJax wrote
PREVIEW: Final = 4096  #: with Jax, what stands there until the formula is drawn
ASSISTIVE: Final = 8192  #: inside Jax, the formula as MathML behind the drawn one
PICTURED: Final = 16384  #: a class word of a picture that shows a formula, whose text is its TeX
REFERENCE: Final = 32768  #: the attribute href
INSIDE: Final = 65536  #: an href to a place of the same page
NAMED: Final = 131072  #: the attribute name or id
SECOND: Final = 1 << 30  #: the class word mwe: behind a formula, the picture of it
WIDGET: Final = 1 << 28  #: NEGATIVE, but for the pieces of which some programs build whole pages
BUILT: Final = 1 << 29  #: a class word of such a program

_KINDS: Final = {
    VOID: "area base br col embed hr img input link meta param source track wbr",
    RAW: "script style title iframe noembed noframes xmp textarea",
    UNSEEN: "script style title iframe noembed noframes textarea template svg head select option"
    " datalist audio video object canvas button noscript dialog rt rp rtc"
    " annotation annotation-xml mphantom",
    BLOCK: "address article aside blockquote body caption center dd details div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup html legend li listing main"
    " menu nav ol p pre section summary table tbody td tfoot th thead tr ul dialog",
    PARAGRAPH: "blockquote dl figure h1 h2 h3 h4 h5 h6 listing menu ol p pre table ul",
    FIGURE: "figure figcaption",
    CELL: "td th",
    ROW: "tr",
    TABLE: "table",
    BOILERPLATE: "nav aside footer",
    CONTENT: "article main",
    CODE: "script style",
    OVER: "mfrac",
    LOWER: "msub munder msubsup munderover",
    UPPER: "msup msubsup munderover",
    ROOT: "msqrt",
    HEADING: "h1 h2 h3 h4 h5 h6 dt",
    ITEM: "li dt dd td th tr tbody thead tfoot",
    LIST: "ul ol menu dl",
    APART: "mtr mtd",
    READING: "rb rt rp rtc",
}
#: What XHTML and XML of journals put before the names of MathML.
_PREFIXES: Final = ("mml:", "m:")

#: Groups of tags of which one closes the last: (members, tags that the search does not leave).
_GROUPS: Final = (
    ("li", "ul ol menu"),
    ("dt dd", "dl"),
    ("td th", "tr table"),
    ("tr", "tbody thead tfoot table"),
    ("tbody thead tfoot", "table"),
)

#: Words of classes and ids, split at what is no letter and before capitals.
_HINTS: Final = {
    NEGATIVE: "nav navigation navbar menu menus breadcrumb breadcrumbs sidebar sidenav aside footer"
    " masthead share sharing sharer social socials addthis sharethis related recommend recommended"
    " recommendation recommendations promo promotion promos advert advertisement ads adv ad dfp gpt"
    " sponsor sponsored outbrain taboola newsletter newsletters subscribe subscription signup popup"
    " modal cookie cookies consent gdpr paywall login toolbar pagination pager tags"
    " tag taglist byline author authors bio meta metadata dateline timestamp pubdate trending"
    " popular mostread readmore seealso skip rail teaser teasers banner disclaimer copyright"
    " credits legal topics keywords sitemap tools print disqus livefyre follow",
    WIDGET: "widget widgets",
    BUILT: "elementor sow",  # Elementor, SiteOrigin
    COMMENTS: "comment comments commentlist respond replies",
    CAPTION: "caption credit photocredit figcaption",
    HIDDEN_WORD: "hidden visuallyhidden screenreader offscreen",
    FORMULA: "katex",
    LAYER: "html",
    JAX: "jax",
    PREVIEW: "preview",
    ASSISTIVE: "assistive",
    PICTURED: "latex tex texrender mwe",
    SECOND: "mwe",
}


def fnv(name: str) -> int:
    """Return the FNV-1a hash of a name's UTF-8 bytes, 64 bits.

    >>> hex(fnv("p"))
    '0xaf63ed4c8602096f'
    """
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


#: The known names.
NAMES: Final = tuple(dict.fromkeys(f"{' '.join(_KINDS.values())} math a sup sub".split()))
#: The number of a name among `NAMES`, from 1; 0 is any unknown name.
TAG: Final = {name: number for number, name in enumerate(NAMES, 1)}
_OF_MATH: Final = [
    name for name in NAMES if name.startswith(("annotation", "m")) and name not in ("menu", "main")
]
_TAGS: Final = TAG | {prefix + name: TAG[name] for prefix in _PREFIXES for name in _OF_MATH}


class Tables(NamedTuple):
    """What the pass looks up: hash tables of names, attributes and hints, and kinds of tags."""

    tag_keys: npt.NDArray[np.uint64]
    tag_values: npt.NDArray[np.int64]
    attribute_keys: npt.NDArray[np.uint64]
    attribute_values: npt.NDArray[np.int64]
    hint_keys: npt.NDArray[np.uint64]
    hint_values: npt.NDArray[np.int64]
    value_keys: npt.NDArray[np.uint64]
    value_values: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    members: npt.NDArray[np.int64]  #: the group that a tag belongs to, -1 for none
    closes: npt.NDArray[np.int64]  #: the group of which a start tag closes the last
    bounds: npt.NDArray[np.int64]  #: bit per group that a search does not leave the tag for


#: What is looked for in the value of an attribute: words inside its names (CLASS), its first word
#: (VALUE), its names as they are, set apart by spaces (NAMES_IN), how many columns or rows a cell
#: takes, or the number of an item: hints have them from the bits `COLUMNS_AT`, `ROWS_AT` and
#: `NUMBER_AT` on (one more than the number, which may be 0), and 0 where it is not said.
CLASS, VALUE, STYLE, PRESENT, ALTERNATIVE, NAMES_IN, COLUMNS, ROWS, NUMBER = range(1, 10)
#: An id has words as classes have, but in headings; of a name only that it is there counts, and of
#: an address where it leads.
ID, NAME, ADDRESS = range(10, 13)
COLUMNS_AT: Final = 32
ROWS_AT: Final = 40
NUMBER_AT: Final = 48
MOST_SPANNED: Final = 63
MOST_NUMBER: Final = 9999


@cache
def tables() -> Tables:
    """Return the tables of the pass over any page, built once."""
    hints: dict[str, int] = {}
    for bit, words in _HINTS.items():
        for word in words.split():
            hints[word] = hints.get(word, 0) | bit
    attributes = {"class": CLASS, "id": ID, "hidden": PRESENT, "style": STYLE}
    attributes |= {"name": NAME, "href": ADDRESS}
    attributes |= {"alt": ALTERNATIVE, "start": NUMBER, "value": NUMBER}
    attributes |= dict.fromkeys(("itemprop", "role", "encoding", "type"), VALUE)
    values = {"articlebody": BODY, "main": MAIN_ROLE, "article": MAIN_ROLE}
    values |= dict.fromkeys(("application/x-tex", "math/tex", "math/asciimath"), TEX)
    values |= dict.fromkeys(("navigation", "banner", "complementary", "contentinfo"), OTHER_ROLE)
    return tables_of(attributes, hints, values)


def tables_of(attributes: dict[str, int], hints: dict[str, int], values: dict[str, int]) -> Tables:
    """Return tables for a pass that looks for other hints; all names are in lower case.

    ``attributes`` says by name what is looked for in an attribute; ``hints`` has the hints of its
    names, or of words in them, and ``values`` those of first words.
    """
    kinds = np.zeros(len(NAMES) + 1, np.int64)
    for bit, names in _KINDS.items():
        for name in names.split():
            kinds[TAG[name]] |= bit
    # Paragraphs are group 0: every block that is in no other group closes an open one.
    blocks = kinds & BLOCK > 0
    members, bounds = np.full(len(kinds), -1, np.int64), blocks.astype(np.int64)
    members[TAG["p"]] = 0
    for group, (names, limits) in enumerate(_GROUPS, 1):
        members[[TAG[name] for name in names.split()]] = group
        bounds[[TAG[name] for name in limits.split()]] |= 1 << group
    closes = np.where(blocks & (members < 0), 0, members)
    made = Tables(
        *_hash_table(_TAGS), *_hash_table(attributes), *_hash_table(hints), *_hash_table(values),
        kinds, members, closes, bounds,
    )  # fmt: skip
    for array in made:
        array.flags.writeable = False
    return made


def _hash_table(entries: dict[str, int]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Lay entries out by open addressing in a table that is at most a quarter full."""
    size = 1 << (4 * len(entries)).bit_length()
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for name, value in entries.items():
        key = fnv(name)
        at = key & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at], values[at] = key, value
    return keys, values


#: Numbers of the tags that the kernels ask for, in their order.
TAGS: Final = np.array(
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
        TAG["img"],
        TAG["script"],
        TAG["noscript"],
        TAG["sup"],
        TAG["sub"],
        TAG["footer"],
        TAG["blockquote"],
    ],
    np.int64,
)
TAGS.flags.writeable = False
