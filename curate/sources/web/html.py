"""Bytes of a page -> its text, as one pure function.

Three extractors. ``curate`` (the default, `main_content`) is a kernel of ours: linear in the page,
no parser in native code, so it runs where it is called. Resiliparse (rule-based, in native code)
and trafilatura (an optional dependency) run inside the sandbox. On 60 news pages their token F1 is
.976, .938 and .964, their speeds as 19 : 10 : 1 (tests/benchmarks/html.py). All extract prose only:
no links, no alternative texts, no form fields.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from curate.errors import RecipeError, nearest
from curate.sources.decoding import decode

#: Elements that may be open at a time where an extractor in native code reads the page; browsers
#: stop at 512. Its time grows with the square of them: 2 000 cost 0.1 s, 20 000 cost 9 s.
MOST_NESTED = 2_000

#: Signs ``<`` of a page: what an extractor holds of each takes about 100 bytes.
MOST_TAGS = 2_000_000

#: Tags, without those of elements that have no content or that others of their kind close.
_NESTING = re.compile(
    r"<(/?)(?!(?:p|li|d[td]|t[rdh]|thead|tbody|tfoot|colgroup|option|optgroup|rb|rt|rtc|rp|area|base"
    r"|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|html|head|body)\b)[a-zA-Z]"
)

EXTRACTORS = ("curate", "resiliparse", "trafilatura")


class Page(NamedTuple):
    """A body, whether it is markup, and the transport's charset if any."""

    body: bytes
    markup: bool = True
    charset: str = ""


class PageText(NamedTuple):
    """Text and how it was decoded and found, or the ``reason`` why there is none."""

    text: str
    encoding: str = ""
    by: str = ""
    replaced: int = 0
    #: binary | no_text | too_many_tags | too_nested | extract_timeout | extract_crash
    #: | extract_error; else empty
    reason: str = ""
    #: how ``curate`` found the text: main | paragraphs | page | noscript; empty for others
    way: str = ""


class Extraction(NamedTuple):
    """How a page becomes text: an extractor and its options."""

    extractor: str = "curate"
    main_content: bool = True
    comments: bool = False
    tables: Literal["plain", "markdown"] = "plain"


DEFAULT = Extraction()


def check_extractor(name: str) -> None:
    """Raise RecipeError for an extractor that does not exist or is not installed."""
    if name not in EXTRACTORS:
        raise RecipeError(f"no extractor '{name}'", hint=nearest(name, EXTRACTORS))
    if name == "trafilatura":
        from importlib.util import find_spec

        if find_spec("trafilatura") is None:
            raise RecipeError(
                "the extractor trafilatura is not installed",
                hint="pip install 'curate-corpus[trafilatura]', or extract = \"curate\"",
            )


def page_text(page: Page, how: Extraction = DEFAULT) -> PageText:
    """Decode a page and extract its text; plain text is decoded only.

    An empty result is ``no_text``, a body that is no text in any encoding ``binary``.

    >>> page_text(Page(b"<nav>Home</nav><p>Salem, alem! This is a paragraph of text.</p>")).text
    'Salem, alem! This is a paragraph of text.'
    """
    if page.markup and page.body.count(b"<") > MOST_TAGS:
        return PageText(f"the page has more than {MOST_TAGS} tags", reason="too_many_tags")
    decoded = decode(page.body, page.charset or None, markup=page.markup)
    if decoded is None:
        return PageText("", reason="binary")
    text = decoded.text
    way = ""
    if page.markup and how.extractor == "curate":
        from curate.sources.web.main_content import main_content

        text, way = main_content(
            text.encode("utf-8", "replace"),
            whole=not how.main_content,
            comments=how.comments,
            table_style=how.tables,
        )
    elif page.markup:
        if nesting(text) > MOST_NESTED:
            error = f"more than {MOST_NESTED} elements are open at a time"
            return PageText(error, reason="too_nested")
        extract = _resiliparse if how.extractor == "resiliparse" else _trafilatura
        text = extract(text, how)
    text = text.strip()
    reason = "" if text else "no_text"
    return PageText(text, decoded.encoding, decoded.by, decoded.replaced, reason, way)


def nesting(markup: str) -> int:
    """Return about how many elements of a page are open at a time, at most; in linear time.

    >>> nesting("<div><p>a<p>b<br><b>c</b></div><i>d</i>")
    2
    """
    depth = most = 0
    for tag in _NESTING.finditer(markup):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        most = max(most, depth)
    return most


def _resiliparse(markup: str, how: Extraction) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(
        markup,
        preserve_formatting=True,
        main_content=how.main_content,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=how.comments,
        # No by-lines and dates: precision 0.873 -> 0.889 on 60 articles, recall the same.
        post_meta=False,
    )
    return text


def _trafilatura(markup: str, how: Extraction) -> str:
    import trafilatura

    if not how.main_content:
        return trafilatura.html2txt(markup) or ""
    text: str | None = trafilatura.extract(
        markup, favor_precision=True, include_comments=how.comments, include_tables=False
    )
    return text or ""
