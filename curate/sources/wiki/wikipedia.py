"""Articles of a MediaWiki XML dump (pages-articles), as prose.

Each page is parsed alone (see :mod:`curate.sources.wiki.dump_pages`). A dump that declares a
document type is refused, because its entities are how XML attacks its readers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import IO
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from curate.sources import fields, streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Note, Piece, Record, Skip
from curate.sources.streams import Broken
from curate.sources.wiki import dump_pages, names, wikitext
from curate.sources.wiki.dump_pages import HEAD, DumpSlice, next_stream, slices
from curate.sources.wiki.repeats import Repeats

#: Signs that MediaWiki does not escape in addresses of articles.
SAFE_IN_ADDRESS = "/:,;@()!*'~"
#: The projects that have one licence for their text, by the addresses of their wikis, and which:
#: https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use#7._Licensing_of_Content
_PROJECT = re.compile(
    r"https?://[a-z-]{2,16}\."
    r"(?:wikipedia|wiktionary|wikibooks|wikiquote|wikiversity|wikivoyage)\.org/"
)
_LICENSE = "CC-BY-SA-4.0"
#: What may occur outside of pages: dumps of logs have their own entries.
_BETWEEN = re.compile(rb"\s*(?:</mediawiki\s{0,16}>\s*)?\Z")


@dataclass(frozen=True)
class _Site:
    """The facts about the wiki in the dump's head."""

    base: str | None = None
    wiki: str | None = None
    language: str | None = None
    license: str | None = None  #: of its project, where that has one for all its text
    is_rooted: bool = False  #: whether a root element is open, which has to be closed
    names: names.Names = field(default_factory=names.english)


@dataclass(frozen=True)
class Wikipedia:
    """Read articles from a pages-articles dump: plain, bzip2 (one stream or many), gzip, xz, zstd.

    Files of bare ``<page>`` elements are read too. Only the last revision of a page is used. The
    locator is the page id (``:1`` behind it where the page occurs again); ``meta`` contains title,
    revision, wiki and language. A broken stream of a bzip2 dump of many streams costs that stream;
    in other compressed files it costs the rest.

    Where a template had words that only the wiki knows, the parenthesis or the sentence around it
    is cut: ``meta`` and the report count ``sentences_cut`` and ``parentheses_cut``.

    Skips: ``namespace_<n>``, ``redirect``, ``not_wikitext``, ``deleted_text``, ``no_text`` (nothing
    is left without markup), ``no_whole_sentence`` (all were cut). Damage: ``bad_xml``,
    ``unclosed_page``, ``too_large``, ``outside_page`` (bytes between pages that belong to none),
    ``no_page_id``, ``no_revision``, ``doctype``, ``bad_siteinfo``, ``truncated`` (the closing tag
    of the dump is missing).
    """

    max_page_bytes: ByteLimit = 16 * 1024 * 1024
    """Bytes of a page above which it is quarantined. MediaWiki refuses articles over 2 MiB; escaped
    as XML they are at most six times as long."""
    project_license: bool = False
    """Whether `license` is that of the Wikimedia project whose dump it is: CC-BY-SA-4.0 for
    Wikipedia, Wiktionary, Wikibooks, Wikiquote, Wikiversity and Wikivoyage; of other wikis none."""
    max_window_bytes: ByteLimit = streams.WINDOW
    """Memory for the window of a zstd or xz file; up to 2 GiB for those made with --long=31."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        return tuple(".xml" + packing for packing in sorted(streams.PACKINGS))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut plain dumps and those of many bzip2 streams; a page is read where it begins."""
        return dump_pages.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each page, in file order; then the notes."""
        noted: Counter[str] = Counter()
        yield from map(Repeats().named, self._records(file, piece, noted))
        yield from (Note(what, count) for what, count in noted.items() if count)

    def _records(self, file: InputFile, piece: Piece, noted: Counter[str]) -> Iterator[Record]:
        with file.open() as handle:
            head, kind = self._head(handle, file)
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                if not piece.start:
                    what = "the dump declares a document type or entities"
                    yield Damage("doctype", 0, file.size, what, head[:HEAD])
                return
            site, problem = _site(head)
            if not self.project_license:
                site = replace(site, license=None)
            if problem and not piece.start:
                yield Damage("bad_siteinfo", 0, len(head), problem, head[:HEAD])
            start: int | None = piece.start
            if kind and piece.start:
                start = next_stream(handle, piece.start, piece.end)
            while start is not None:
                try:
                    rest = Piece(start, piece.end)
                    yield from self._pages(handle, file, rest, site, kind, noted)
                    return
                except Broken as broken:
                    damage = broken.damage
                # The damage reaches to the next stream, which may be another piece's; behind a bomb
                # nothing more of this piece is read.
                end = piece.end
                if damage.reason != "bomb":
                    after = damage.offset + 1
                    end = (kind == "bzip2" and next_stream(handle, after, file.size)) or file.size
                yield damage._replace(length=end - damage.offset)
                start = end if end < piece.end else None

    def _head(self, handle: IO[bytes], file: InputFile) -> tuple[bytes, str | None]:
        """Return what precedes the first page, and how the file is compressed."""
        kind = streams.compression(handle.read(16))
        stream = streams.blocks(handle, file.name, window=self.max_window_bytes)
        with suppress(Broken):
            for part in slices(stream, self.max_page_bytes, file.size, is_plain=kind is None):
                return (part.data if part.kind in ("outside", "end") else b""), kind
        return b"", kind

    def _pages(
        self,
        handle: IO[bytes],
        file: InputFile,
        piece: Piece,
        site: _Site,
        kind: str | None,
        noted: Counter[str],
    ) -> Iterator[Record]:
        is_plain = kind is None and piece.start > 0
        stream = streams.blocks(
            handle, file.name, start=piece.start, is_plain=is_plain, window=self.max_window_bytes
        )
        is_first = True
        for part in slices(stream, self.max_page_bytes, piece.end, is_plain=kind is None):
            # The head, or the end of a page that began before the piece.
            is_before, is_first = is_first and part.kind in ("outside", "end"), False
            if is_before and (piece.start or site.is_rooted):
                if part.kind == "end" and not piece.start and b"</mediawiki" not in part.data:
                    yield _damage(part, "truncated", "the dump's closing tag is missing")
                continue
            record = _record(part, site, noted)
            if record is not None:
                yield record


def _site(head: bytes) -> tuple[_Site, str]:
    """Return the facts before the first page, none in a file of bare pages, and their error."""
    if b"<mediawiki" not in head:
        return _Site(), ""
    if b"</mediawiki" not in head:
        head += b"</mediawiki>"
    try:
        root = ElementTree.fromstring(head)
    except (ElementTree.ParseError, ValueError) as error:
        return _Site(is_rooted=True), f"the dump's head: {error}"
    texts: dict[str, str] = {}
    stated: dict[str, int] = {}
    for element in root.iter():
        tag, text = _local(element), element.text or ""
        if tag == "namespace":
            with suppress(ValueError):
                stated[text] = int(element.get("key", ""))
        else:
            texts.setdefault(tag, text)
    language = root.get("{http://www.w3.org/XML/1998/namespace}lang")
    base = _article_base(texts.get("base", ""))
    return _Site(
        base=base,
        license=_LICENSE if base and _PROJECT.match(base) else None,
        wiki=texts.get("dbname"),
        language=language,
        is_rooted=True,
        names=names.of_wiki(language, stated),
    ), ""


def _article_base(main_page: str) -> str | None:
    """Return the beginning of all addresses of the wiki, from the address of its main page."""
    parts = urlsplit(main_page)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}{parts.path.rpartition('/')[0]}/"


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _record(part: DumpSlice, site: _Site, noted: Counter[str]) -> Record | None:
    """Return the record of a slice; None for the space between pages."""
    if part.kind == "page":
        return _page(part, site, noted)
    if part.kind == "unclosed":
        what = "the page does not end before the next begins, or the file does"
        return _damage(part, "unclosed_page", what)
    if part.kind == "too_large":
        return _damage(part, "too_large", f"{part.length} bytes in one page")
    if len(part.data) < part.length or not _BETWEEN.match(part.data):
        return _damage(part, "outside_page", "bytes that belong to no page")
    if part.kind == "end" and site.is_rooted and b"</mediawiki" not in part.data:
        return _damage(part, "truncated", "the dump's closing tag is missing")
    return None


def _damage(part: DumpSlice, reason: str, error: str) -> Damage:
    return Damage(reason, part.offset, part.length, error, part.data[:HEAD])


def _page(part: DumpSlice, site: _Site, noted: Counter[str]) -> Record:
    try:
        page = ElementTree.fromstring(part.data)
    except (ElementTree.ParseError, ValueError) as problem:
        return _damage(part, "bad_xml", str(problem))
    elements = {_local(element): element for element in page}  # the last revision wins
    title = _text(elements, "title")
    number = _namespace(_text(elements, "ns"), title, site)
    if number:
        return Skip(f"namespace_{number}")
    if "redirect" in elements:
        return Skip("redirect")
    page_id = _text(elements, "id").strip()
    if not (page_id.isascii() and page_id.isdigit() and len(page_id) < 20):
        return _damage(part, "no_page_id", "a page without a number of its own")
    revision = {_local(element): element for element in elements.get("revision", ())}
    text = revision.get("text")
    if text is None:
        return _damage(part, "no_revision", f"page {page_id} has no revision with a text")
    if text.get("deleted") is not None:
        return Skip("deleted_text")
    if _text(revision, "model").strip() not in ("", "wikitext"):
        return Skip("not_wikitext")
    markup = text.text or ""
    # Dumps before 2012 have no element for redirects.
    if markup[:100].lstrip().casefold().startswith(site.names.redirects):
        return Skip("redirect")
    prose = wikitext.prose(markup, site.names, title)
    noted["sentences_cut"] += prose.sentences
    noted["parentheses_cut"] += prose.parentheses
    if not prose.text:
        return Skip("no_whole_sentence" if prose.sentences else "no_text")
    facts: dict[str, object] = {
        "title": title,
        "revision": _text(revision, "id"),
        "wiki": site.wiki,
        "language": site.language,
        "sentences_cut": prose.sentences,
        "parentheses_cut": prose.parentheses,
    }
    return Document(
        page_id,
        prose.text,
        url=_address(site, title),
        date=fields.microseconds(_text(revision, "timestamp")),
        license=site.license,
        meta=fields.leftovers({name: value for name, value in facts.items() if value}),
    )


def _address(site: _Site, title: str) -> str | None:
    if site.base is None or not title:
        return None
    return site.base + quote(title.replace(" ", "_"), safe=SAFE_IN_ADDRESS)


def _text(elements: Mapping[str, ElementTree.Element], tag: str) -> str:
    element = elements.get(tag)
    return (element.text or "") if element is not None else ""


def _namespace(number: str, title: str, site: _Site) -> int:
    """Return the page's namespace; in dumps before 2012 only the title shows it."""
    try:
        return max(-99, min(9999, int(number[:8])))
    except ValueError:
        prefix, colon, _ = title.partition(":")
        return (site.names.namespace(prefix) or 0) if colon else 0
