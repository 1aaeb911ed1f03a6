"""Pages out of a MediaWiki XML dump (pages-articles), as prose.

The stream is cut at ``<page>`` and ``</page>``: in XML neither can stand inside a text, where ``<``
is escaped. So each page is parsed alone, memory is bounded by one page, and damage costs the page
it is in. No document type is read: entities of its own are how XML attacks its readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from curate.io import fields, streams, wikitext
from curate.io.records import Damage, Document, InputFile, Piece, Record, Skip
from curate.io.streams import Block, Broken

_TAG = re.compile(rb"<(/?)page[\s>]|</mediawiki\s{0,16}>")
_LONGEST_TAG = 32
_OPENING = len("<page>")
#: What may stand outside of pages: dumps of logs have their own entries.
_BETWEEN = re.compile(rb"\s*(?:</mediawiki\s{0,16}>\s*)?\Z")
_HEAD = 4096


class _Cut(NamedTuple):
    """A slice of the dump: a page, or what stands where a page should."""

    kind: str  #: page, unclosed, too_large, outside or end
    offset: int
    length: int
    data: bytes


@dataclass(frozen=True)
class _Site:
    """What the dump's head says about the wiki."""

    base: str | None = None
    wiki: str | None = None
    language: str | None = None
    is_rooted: bool = False  #: whether a root was opened that has to be closed
    namespaces: dict[str, int] = field(default_factory=lambda: wikitext.namespaces({}))


@dataclass(frozen=True)
class Wikipedia:
    """Read articles from a pages-articles dump: plain, bzip2 (one stream or many), gzip, xz, zstd.

    Files of bare ``<page>`` elements are read too. Only the last revision of a page counts. The
    locator is the page id; ``meta`` holds title, revision, wiki and language. Positions in damage
    count decompressed bytes, but for the reasons of :func:`curate.io.streams.blocks`.

    Skips: ``namespace_<n>``, ``redirect``, ``not_wikitext``, ``deleted_text``, ``no_text`` (nothing
    is left when markup is gone). Damage: ``bad_xml``, ``unclosed_page``, ``too_large``,
    ``outside_page`` (bytes between pages that belong to none), ``no_page_id``, ``no_revision``,
    ``doctype``, ``bad_siteinfo``, ``truncated`` (the dump's closing tag is missing).
    """

    max_page_bytes: int = 64 * 1024 * 1024

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a directory is searched for."""
        return tuple(".xml" + c for c in ("", ".bz2", ".gz", ".xz", ".zst"))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Keep the file whole: what the head says about namespaces is needed for every page."""
        return [Piece(0, file.size)]

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each page, in file order."""
        site = None
        with file.open() as handle:
            try:
                for part in _cuts(streams.blocks(handle, file.name), self.max_page_bytes):
                    if site is None:
                        head = part.data if part.kind in ("outside", "end") else b""
                        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                            what = "the dump declares a document type or entities"
                            yield Damage("doctype", 0, file.size, what, head[:_HEAD])
                            return
                        site, problem = _site(head)
                        if problem:
                            yield Damage("bad_siteinfo", 0, part.length, problem, head[:_HEAD])
                        if part.kind == "outside":
                            continue
                    record = _record(part, site)
                    if record is not None:
                        yield record
            except Broken as broken:
                yield broken.damage


def _cuts(stream: Iterable[Block], cap: int) -> Iterator[_Cut]:
    """Cut the dump into pages and what stands between them; the last cut is what follows them."""
    held = bytearray()
    base = 0  #: the offset of held[0]
    dropped = 0  #: bytes of the current slice that were not kept
    searched = 0
    in_page = False

    def slice_until(end: int, kind: str) -> _Cut:
        nonlocal base, dropped, searched
        data, length = bytes(held[:end]), end + dropped
        offset = base - dropped
        del held[:end]
        base, dropped, searched = base + end, 0, 0
        return _Cut("too_large" if length > cap else kind, offset, length, data)

    for _, block in stream:
        held += block
        while tag := _TAG.search(held, searched):
            if tag[1] is None:
                searched = tag.end()  # </mediawiki> is part of what stands outside
            elif tag[1]:
                if in_page:
                    in_page = False
                    yield slice_until(tag.end(), "page")
                else:
                    searched = tag.end()
            else:
                if tag.start() or dropped:
                    yield slice_until(tag.start(), "unclosed" if in_page else "outside")
                in_page, searched = True, _OPENING
        searched = max(searched, len(held) - _LONGEST_TAG)
        if len(held) + dropped > cap and len(held) > _HEAD + _LONGEST_TAG:
            excess = len(held) - _LONGEST_TAG - _HEAD
            del held[_HEAD : _HEAD + excess]
            base, dropped, searched = base + excess, dropped + excess, max(0, searched - excess)
    yield slice_until(len(held), "unclosed" if in_page else "end")


def _site(head: bytes) -> tuple[_Site, str]:
    """Read what stands before the first page; a file of bare pages has nothing there."""
    opened = head.find(b"<mediawiki")
    if opened < 0:
        return _Site(), ""
    if b"</mediawiki" not in head:
        head += b"</mediawiki>"
    try:
        root = ElementTree.fromstring(head)
    except (ElementTree.ParseError, ValueError) as error:
        return _Site(is_rooted=True), f"the dump's head: {error}"
    found: dict[str, str] = {}
    names: dict[str, int] = {}
    for element in root.iter():
        tag, text = _local(element), element.text or ""
        if tag == "namespace":
            with suppress(ValueError):
                names[text] = int(element.get("key", ""))
        else:
            found.setdefault(tag, text)
    return _Site(
        base=_article_base(found.get("base", "")),
        wiki=found.get("dbname"),
        language=root.get("{http://www.w3.org/XML/1998/namespace}lang"),
        is_rooted=True,
        namespaces=wikitext.namespaces(names),
    ), ""


def _article_base(main_page: str) -> str | None:
    """Turn the address of the main page into what all addresses of the wiki begin with."""
    parts = urlsplit(main_page)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}{parts.path.rpartition('/')[0]}/"


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _record(part: _Cut, site: _Site) -> Record | None:
    """Turn a slice into what it is; None for the space between pages."""
    if part.kind == "page":
        return _page(part, site)
    if part.kind == "unclosed":
        what = "the page does not end before the next begins, or the file does"
        return _damage(part, "unclosed_page", what)
    if part.kind == "too_large":
        return _damage(part, "too_large", f"{part.length} bytes in one page")
    if not _BETWEEN.match(part.data):
        return _damage(part, "outside_page", "bytes that belong to no page")
    if part.kind == "end" and site.is_rooted and b"</mediawiki" not in part.data:
        return _damage(part, "truncated", "the dump's closing tag is missing")
    return None


def _damage(part: _Cut, reason: str, error: str) -> Damage:
    return Damage(reason, part.offset, part.length, error, part.data[:_HEAD])


def _page(part: _Cut, site: _Site) -> Record:
    try:
        page = ElementTree.fromstring(part.data)
    except (ElementTree.ParseError, ValueError) as problem:
        return _damage(part, "bad_xml", str(problem))
    said = {_local(element): element for element in page}  # the last revision wins
    title = _text(said, "title")
    number = _namespace(_text(said, "ns"), title, site)
    if number:
        return Skip(f"namespace_{number}")
    if "redirect" in said:
        return Skip("redirect")
    identity = _text(said, "id").strip()
    if not (identity.isascii() and identity.isdigit() and len(identity) < 20):
        return _damage(part, "no_page_id", "a page without a number of its own")
    revision = {_local(element): element for element in said.get("revision", ())}
    text = revision.get("text")
    if text is None:
        return _damage(part, "no_revision", f"page {identity} has no revision with a text")
    if text.get("deleted") is not None:
        return Skip("deleted_text")
    if _text(revision, "model").strip() not in ("", "wikitext"):
        return Skip("not_wikitext")
    markup = text.text or ""
    if (
        markup[:32].lstrip().upper().startswith("#REDIRECT")
    ):  # dumps before 2012 have no element for it
        return Skip("redirect")
    prose = wikitext.plain_text(markup, site.namespaces)
    if not prose:
        return Skip("no_text")
    facts = {
        "title": title,
        "revision": _text(revision, "id"),
        "wiki": site.wiki,
        "language": site.language,
    }
    return Document(
        identity,
        prose,
        url=_address(site, title),
        date=fields.microseconds(_text(revision, "timestamp")),
        meta=fields.leftovers({name: value for name, value in facts.items() if value}),
    )


def _address(site: _Site, title: str) -> str | None:
    if site.base is None or not title:
        return None
    return site.base + quote(title.replace(" ", "_"), safe="/:,;@()!*'~")


def _text(elements: Mapping[str, ElementTree.Element], tag: str) -> str:
    element = elements.get(tag)
    return (element.text or "") if element is not None else ""


def _namespace(number: str, title: str, site: _Site) -> int:
    """Read the page's namespace; dumps before 2012 tell it by the title alone."""
    try:
        return max(-99, min(9999, int(number[:8])))
    except ValueError:
        prefix, colon, _ = title.partition(":")
        return site.namespaces.get(prefix.strip().casefold(), 0) if colon else 0
