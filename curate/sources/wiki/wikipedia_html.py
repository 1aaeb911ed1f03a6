"""Articles of Wikimedia's HTML dumps (Enterprise): JSON lines in a tar archive, as prose.

The fields are those of https://enterprise.wikimedia.com/docs/data-dictionary/. Other fields are
ignored, and so is the wikitext that stands beside the HTML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from curate.sources import fields, json_objects, streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Note, Piece, Record, Skip
from curate.sources.json_objects import JsonObject
from curate.sources.streams import Block, Broken
from curate.sources.web.html import MOST_TAGS
from curate.sources.wiki.tar_members import is_tar, members
from curate.sources.wiki.wikipedia import SAFE_IN_ADDRESS

_HEAD = 4096
_HTML = "article_body.html"


@dataclass(frozen=True)
class WikipediaHtml:
    """Read articles of Wikimedia's HTML dumps (Enterprise): NDJSON in tar.gz, in tar, or alone.

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

    Skips: `namespace_<n>`, `redirect`, `disambiguation`, `no_text`, `blank_line`. Damage:
    `missing_html`, `html_not_string`, `too_many_tags`, `no_page_id`, `bad_namespace`,
    `bad_tar_header`, `truncated`, and what JSON lines and compressed files have. An archive is read
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

    @property
    def suffixes(self) -> tuple[str, ...]:
        packed = tuple(end + packing for packing in streams.PACKINGS for end in (".tar", ".ndjson"))
        return (*packed, ".tgz")

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file of plain lines anywhere; archives and compressed files stay whole."""
        with file.open() as handle:
            head = handle.read(512)
        if streams.compression(head) or is_tar(head):
            return [Piece(0, file.size)]
        return streams.cut(file.size, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each record, in file order; then the notes."""
        noted: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        with file.open() as handle:
            try:
                for item in self._objects(handle, file, piece):
                    record = self._record(item, noted) if isinstance(item, JsonObject) else item
                    if isinstance(record, Document):  # a dump may have a page twice
                        page, repeat = record.locator, seen[record.locator]
                        seen[page] += 1
                        record = record._replace(locator=f"{page}:{repeat}" if repeat else page)
                    yield record
            except Broken as broken:
                yield broken.damage
        yield from (Note(what, count) for what, count in sorted(noted.items()) if count)

    def compile(self) -> None:
        """Compile the kernels that read pages, or load them if they are stored."""
        from curate.sources.wiki import parsoid

        parsoid.compile_kernels()

    def _objects(
        self, handle: IO[bytes], file: InputFile, piece: Piece
    ) -> Iterator[JsonObject | Skip | Damage]:
        cap = self.max_record_bytes
        if piece.start:
            for line in streams.lines_in(handle, file.name, piece, cap):
                yield from json_objects.objects_in(line, cap)
            return
        stream = streams.blocks(handle, file.name)
        first = next(stream, Block(0, b""))
        if not is_tar(first.data):
            for line in streams.lines_in(handle, file.name, piece, cap):
                yield from json_objects.objects_in(line, cap)
            return
        for member in members(chain([first], stream)):
            if isinstance(member, Damage):
                yield member
                continue
            for line in streams.lines(member.blocks, offset=member.offset, cap=cap):
                yield from json_objects.objects_in(line, cap)

    def _record(self, item: JsonObject, noted: Counter[str]) -> Record:
        from curate.sources.wiki import parsoid  # compiles kernels, or loads them

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
        how = parsoid.Rendering(self.tables == "markdown", self.formulas == "tex", self.infoboxes)
        article = parsoid.article(html.encode("utf-8", "replace"), how)
        if article.is_redirect:
            return Skip("redirect")
        if article.is_disambiguation:
            return Skip("disambiguation")
        noted.update({f"{name}_left_out": count for name, count in article.left_out.items()})
        noted["sentences_cut"] += article.sentences
        noted["parentheses_cut"] += article.parentheses
        if not article.text:
            return Skip("no_text")
        facts = {
            "title": _string(record.get("name")),
            "revision": _version(record),
            "wiki": _string(_within(record, "is_part_of", "identifier")),
            "language": _string(_within(record, "in_language", "identifier")),
            "sentences_cut": article.sentences,
            "parentheses_cut": article.parentheses,
        }
        facts |= {
            f"{name}_left_out": article.left_out[name]
            for name in ("tables", "formulas", "infoboxes")
        }
        return Document(
            page_id,
            article.text,
            url=_address(record.get("url")),
            date=fields.microseconds(record.get("date_modified")),
            license=_license(record.get("license")),
            meta=fields.leftovers({name: value for name, value in facts.items() if value}),
        )


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
