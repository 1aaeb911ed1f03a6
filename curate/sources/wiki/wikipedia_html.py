"""Articles of Wikimedia's HTML dumps (Enterprise), JSON lines in a tar archive, or of ZIM files.

The fields are those of https://enterprise.wikimedia.com/docs/data-dictionary/. Other fields are
ignored, and so is the wikitext that stands beside the HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from curate.sources import fields, json_objects, streams
from curate.sources.base import (
    ByteLimit,
    Damage,
    Document,
    InputFile,
    Note,
    Piece,
    Record,
    Skip,
    safe_in_id,
)
from curate.sources.json_objects import JsonObject
from curate.sources.streams import Block, Broken
from curate.sources.web.html import MOST_TAGS
from curate.sources.wiki.repeats import Repeats
from curate.sources.wiki.tar_members import Member, is_tar, members
from curate.sources.wiki.wikipedia import SAFE_IN_ADDRESS
from curate.sources.wiki.zim_file import MAGIC, Content, Zim, is_zim

_HEAD = 4096
_HTML = "article_body.html"
#: What the metadata of a ZIM file says (https://wiki.openzim.org/wiki/Metadata).
_FACTS = ("Name", "Language", "Source", "License")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)


class _ZimPage(NamedTuple):
    """A page of a ZIM file, and what the file says of all its pages."""

    content: Content
    facts: dict[str, str]


@dataclass(frozen=True)
class WikipediaHtml:
    """Read articles of HTML dumps: Wikimedia Enterprise's NDJSON (in tar.gz, tar, alone), and ZIM.

    The page is as the wiki shows it: numbers and words that templates make are there, which
    `wikipedia` has to cut. Locators (the page id), urls, dates and titles are those of `wikipedia`,
    so that one source can take the place of the other; `license` is the one that the record names.
    A heading is left out if its section is empty, and items begin with `- `.

    Always left out, each counted in the report: `references_left_out` (marks such as [1], lists of
    notes), `edit_links`, `hatnotes`, `notices` (of maintenance, short descriptions), `navigation`
    (navboxes, contents, sister projects, authority control), `figures` and their captions,
    `coordinates`, `audio` links, and what is `hidden`. By option: `tables`, `formulas`,
    `infoboxes`; with a formula goes the parenthesis or the sentence around it, counted as
    `sentences_cut` and `parentheses_cut`.

    A ZIM file (Kiwix; also of other wikis of MediaWiki) has no page ids, dates or licences of
    articles: the locator is the path in the file (`Абай_Құнанбайұлы`; of an entry that is not in
    the order of its directory, with the entry's number), `license` what the file
    states for all, and `url` that path at the wiki that the file names as its source. Its
    directory is read anew for each piece.

    Skips: `namespace_<n>`, `redirect`, `disambiguation`, `no_text`, `blank_line`, of ZIM files
    `not_an_article` (pictures, styles, metadata). Damage: `missing_html`, `html_not_string`,
    `too_many_tags`, `no_page_id`, `bad_namespace`, `bad_tar_header`, `truncated`, `bad_zim`,
    `bad_zim_entry`, `too_large`, and what JSON lines and compressed files have. An archive is read
    from begin to end in one piece: in a broken gzip stream the rest is lost, and counted as one
    damage.
    """

    tables: Literal["markdown", "drop"] = "markdown"
    """Write tables as Markdown, or leave them out."""
    formulas: Literal["tex", "drop"] = "tex"
    """Write formulas as TeX between dollar signs, or cut the sentence around each."""
    infoboxes: bool = False
    """Keep the boxes of facts beside articles, as Markdown."""
    max_record_bytes: ByteLimit = json_objects.CAP
    """Bytes of a record above which it is quarantined."""
    max_window_bytes: ByteLimit = streams.WINDOW
    """Memory for the window of a zstd or xz file; up to 2 GiB for those made with --long=31."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        packed = tuple(end + packing for packing in streams.PACKINGS for end in (".tar", ".ndjson"))
        return (*packed, ".tgz", ".zim")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a ZIM file anywhere; files of lines stay whole: pages stand in them twice."""
        with file.open() as handle:
            cut = is_zim(handle.read(len(MAGIC)))
        return streams.cut(file.size, target_bytes) if cut else [Piece(0, file.size)]

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each record, in file order; then the notes."""
        noted: Counter[str] = Counter()
        repeats = Repeats()
        with file.open() as handle:
            zipped = is_zim(handle.read(len(MAGIC)))
            try:
                items = self._of_zim(handle, file, piece) if zipped else self._objects(handle, file)
                for item in items:
                    if isinstance(item, JsonObject):
                        yield repeats.named(self._record(item, noted))
                    else:
                        yield self._page(item, noted) if isinstance(item, _ZimPage) else item
            except Broken as broken:
                yield broken.damage
        yield from (Note(what, count) for what, count in sorted(noted.items()) if count)

    def compile(self) -> None:
        """Compile the kernels that read pages, or load them if they are stored."""
        from curate.sources.wiki import parsoid

        parsoid.compile_kernels()

    def _objects(self, handle: IO[bytes], file: InputFile) -> Iterator[JsonObject | Skip | Damage]:
        cap = self.max_record_bytes
        stream = streams.blocks(handle, file.name, window=self.max_window_bytes)
        first = next(stream, Block(0, b""))
        stream = chain([first], stream)
        for member in members(stream) if is_tar(first.data) else [Member(0, stream)]:
            if isinstance(member, Damage):
                yield member
                continue
            for line in streams.lines(member.blocks, offset=member.offset, cap=cap):
                yield from json_objects.objects_in(line, cap)

    def _of_zim(
        self, handle: IO[bytes], file: InputFile, piece: Piece
    ) -> Iterator[_ZimPage | Skip | Damage]:
        try:
            zim = Zim(handle, file.size, file.name)
        except Broken:
            if piece.start:  # the first piece says so
                return
            raise
        found = yield from zim.find(piece)
        if found.redirects:
            yield Skip("redirect", found.redirects)
        if found.others:
            yield Skip("not_an_article", found.others)
        facts = {name: zim.text(found.facts[name]) for name in _FACTS if name in found.facts}
        for content in zim.contents(found.pages, self.max_record_bytes):
            yield content if isinstance(content, Damage) else _ZimPage(content, facts)

    def _page(self, item: _ZimPage, noted: Counter[str]) -> Record:
        content, facts = item
        if content.data is None:
            what = f"a page of {content.length} bytes"
            return Damage("too_large", content.offset, 0, what)
        if content.data.count(b"<") > MOST_TAGS:
            what = f"the page has more than {MOST_TAGS} tags"
            return Damage("too_many_tags", content.offset, 0, what, content.data[:_HEAD])
        page = content.page
        about = {
            "title": page.title,
            "wiki": facts.get("Name", ""),
            "language": facts.get("Language", ""),
        }
        host = facts.get("Source", "").removeprefix("https://").removeprefix("http://").strip("/")
        return self._article(
            content.data, safe_in_id(page.locator), about, noted,
            url=_address(f"https://{host}/wiki/{page.path}") if _HOST.fullmatch(host) else None,
            license=facts.get("License") or None,
        )  # fmt: skip

    def _record(self, item: JsonObject, noted: Counter[str]) -> Record:
        record = item.record
        number = _within(record, "namespace", "identifier")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            return _damage(item, "bad_namespace", "namespace.identifier is no number")
        if number:
            return Skip(f"namespace_{max(-99, min(9999, number))}")
        page_id = str(record.get("identifier", ""))
        if not (page_id.isascii() and page_id.isdigit() and len(page_id) < 20):
            return _damage(item, "no_page_id", "'identifier' is no number of a page")
        if damage := item.damage_of(_HTML):
            return damage
        html = _within(record, "article_body", "html")
        if html is None:
            return _damage(item, "missing_html", fields.missing(_HTML, record))
        if not isinstance(html, str):
            return _damage(item, "html_not_string", f"'{_HTML}' is a {type(html).__name__}")
        if html.count("<") > MOST_TAGS:
            return _damage(item, "too_many_tags", f"the page has more than {MOST_TAGS} tags")
        facts = {
            "title": _string(record.get("name")),
            "revision": _version(record),
            "wiki": _string(_within(record, "is_part_of", "identifier")),
            "language": _string(_within(record, "in_language", "identifier")),
        }
        return self._article(
            html.encode("utf-8", "replace"), page_id, facts, noted,
            url=_address(record.get("url")),
            date=fields.microseconds(record.get("date_modified")),
            license=_license(record.get("license")),
        )  # fmt: skip

    def _article(
        self, html: bytes, locator: str, about: dict[str, str], noted: Counter[str], **columns: Any
    ) -> Record:
        from curate.sources.wiki import parsoid  # compiles kernels, or loads them

        how = parsoid.Rendering(self.tables == "markdown", self.formulas == "tex", self.infoboxes)
        article = parsoid.article(html, how)
        if article.is_redirect:
            return Skip("redirect")
        if article.is_disambiguation:
            return Skip("disambiguation")
        noted.update({f"{name}_left_out": count for name, count in article.left_out.items()})
        noted["sentences_cut"] += article.sentences
        noted["parentheses_cut"] += article.parentheses
        if not article.text:
            return Skip("no_text")
        facts = about | {
            "sentences_cut": article.sentences,
            "parentheses_cut": article.parentheses,
        }
        facts |= {
            f"{name}_left_out": article.left_out[name]
            for name in ("tables", "formulas", "infoboxes")
        }
        meta = fields.leftovers({name: value for name, value in facts.items() if value})
        return Document(locator, article.text, meta=meta, **columns)


def _damage(item: JsonObject, reason: str, error: str) -> Damage:
    return Damage(reason, item.offset, item.length, error, item.raw[:_HEAD])


def _within(record: dict[str, Any], *names: str) -> Any:
    """Return a value of an object in an object; None where one of them is not there."""
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _version(record: dict[str, Any]) -> str:
    """Return the number of the revision, as text."""
    value = _within(record, "version", "identifier")
    return str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""


def _address(value: object) -> str | None:
    """Return the address of an article, escaped as that of the XML source is."""
    try:
        parts = urlsplit(_string(value))
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    return f"{parts.scheme}://{host}{quote(unquote(parts.path), safe=SAFE_IN_ADDRESS)}"


def _license(value: object) -> str | None:
    """Return the names of a record's licences: one, or several with OR between them."""
    stated = value if isinstance(value, list) else [value]
    found = [
        _string(each.get("identifier")) or _string(each.get("name"))
        for each in stated
        if isinstance(each, dict)
    ]
    return " OR ".join(dict.fromkeys(filter(None, found))) or None
