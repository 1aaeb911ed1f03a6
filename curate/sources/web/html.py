"""Bytes of a page -> its text, as one pure function that runs inside the sandbox.

Two extractors: Resiliparse (default: rule-based, in native code, some 1,500 pages a second and
core, without word lists of any language) and trafilatura (about 60 a second; optional dependency).
Both are set to extract prose only: no links, no alternative texts, no form fields.
"""

from __future__ import annotations

from typing import NamedTuple

from curate.errors import RecipeError, nearest
from curate.sources.decoding import decode

EXTRACTORS = ("resiliparse", "trafilatura")


class Page(NamedTuple):
    """The sandbox's input: a body, whether it is markup, and the transport's charset if any."""

    body: bytes
    markup: bool = True
    charset: str = ""


class PageText(NamedTuple):
    """The sandbox's output: text and how it was decoded, or the ``reason`` why there is none."""

    text: str
    encoding: str = ""
    by: str = ""
    replaced: int = 0
    #: binary | no_text | extract_timeout | extract_crash | extract_error; else empty
    reason: str = ""


def check_extractor(name: str) -> None:
    """Raise RecipeError for an extractor that does not exist or is not installed."""
    if name not in EXTRACTORS:
        raise RecipeError(f"no extractor '{name}'", hint=nearest(name, EXTRACTORS))
    if name == "trafilatura":
        from importlib.util import find_spec

        if find_spec("trafilatura") is None:
            raise RecipeError(
                "the extractor trafilatura is not installed",
                hint="pip install 'curate-corpus[trafilatura]', or extract = \"resiliparse\"",
            )


def page_text(page: Page, extractor: str = "resiliparse", main_content: bool = True) -> PageText:
    """Decode a page and extract its text; plain text is decoded only.

    An empty result is ``no_text``, a body that is no text in any encoding ``binary``.

    >>> page_text(Page(b"<nav>Home</nav><p>Salem, alem! This is a paragraph of text.</p>")).text
    'Salem, alem! This is a paragraph of text.'
    """
    decoded = decode(page.body, page.charset or None, markup=page.markup)
    if decoded is None:
        return PageText("", reason="binary")
    text = decoded.text
    if page.markup:
        extract = _resiliparse if extractor == "resiliparse" else _trafilatura
        text = extract(text, main_content)
    text = text.strip()
    return PageText(text, decoded.encoding, decoded.by, decoded.replaced, "" if text else "no_text")


def _resiliparse(markup: str, main_content: bool) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(
        markup,
        preserve_formatting=True,
        main_content=main_content,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=False,
        # No by-lines and dates: precision 0.873 -> 0.889 on 60 articles, recall the same.
        post_meta=False,
    )
    return text


def _trafilatura(markup: str, main_content: bool) -> str:
    import trafilatura

    if not main_content:
        return trafilatura.html2txt(markup) or ""
    text: str | None = trafilatura.extract(
        markup, favor_precision=True, include_comments=False, include_tables=False
    )
    return text or ""
