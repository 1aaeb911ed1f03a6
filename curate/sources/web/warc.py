"""Web archives (WARC, ARC) as a source: stored responses with markup or plain text -> documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Annotated, Literal, NamedTuple

from pydantic import Field

from curate.rights.licenses import page_license
from curate.rights.robots import Directive, directives, statements
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.web.html import Extraction, Page, PageText, check_extractor
from curate.sources.web.http_message import HttpDamage, HttpResponse, decoded, parse_response
from curate.sources.web.sandbox import PageLimits, page_texts
from curate.sources.web.sniffing import content_type, page_kind
from curate.sources.web.warc_records import (
    MAX_RECORD_BYTES,
    ArchiveRecord,
    archive_records,
    cut_archive,
)

_KINDS = (
    *("warcinfo", "request", "response", "resource"),
    *("metadata", "revisit", "conversion", "continuation"),
)
# Pages are extracted several at a time; more than this would only use memory.
_BATCH_PAGES = 32
_BATCH_BYTES = 1 << 20
_HEAD = 4096


class _PendingPage(NamedTuple):
    """A page to be extracted, with what its document needs besides the text."""

    record: ArchiveRecord
    response: HttpResponse
    media: str
    page: Page
    license: tuple[str, str] | None = None  #: and how the page states it
    robots: str | None = None  #: what the page says to robots


@dataclass(frozen=True)
class Warc:
    """Read WARC and ARC files, plain, gzip or zstd: one document per page of HTML or text.

    Pages are responses with the status 200 and resource records of a web address. Everything else
    is skipped under its reason (``request``, ``http_404``, ``segmented``, ``not_html:image``,
    ``no_text`` ...) or quarantined with its byte range.
    ``extract`` is the extractor of curate/sources/web/html.py; ``main_content`` leaves out
    navigation and other boilerplate.
    """

    extract: str = "curate"
    """The extractor: ``curate``, ``resiliparse`` or ``trafilatura``. Example: "trafilatura"."""
    main_content: bool = True
    """Leave out navigation and other boilerplate."""
    comments: bool = False
    """Keep what readers wrote below, for pages of questions and answers."""
    tables: Literal["plain", "markdown"] = "plain"
    """Separate cells by tabs, or write rows as Markdown tables (``curate`` alone)."""
    refuse: tuple[Directive, ...] = ()
    """What a page may not say about itself, in ``X-Robots-Tag``, ``<meta name="robots">`` or
    ``tdm-reservation``: ``noindex``, ``noai``, ``noimageai`` or ``tdm`` (mining is reserved). Such
    pages are skipped as ``robots:<directive>``. Example: ["noai", "tdm"]."""
    rights: bool = False
    """Keep what pages say of their rights, for the stage ``rights``: the licence in ``license``,
    and in ``meta`` how it is stated (``license_by``) and words to robots (``robots_said``)."""
    max_record_bytes: ByteLimit = MAX_RECORD_BYTES
    """Bytes of a record above which it is quarantined."""
    check_digests: bool = True
    """Verify WARC digests of plain and zstd files (gzip members have CRCs)."""
    page_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    """CPU time that one page may take."""
    page_memory_bytes: Annotated[int, Field(ge=1 << 28, le=1 << 40)] = 2 << 30
    """Address space of the extraction process."""

    def __post_init__(self) -> None:
        check_extractor(self.extract)

    @property
    def suffixes(self) -> tuple[str, ...]:
        return tuple(kind + end for kind in (".warc", ".arc") for end in ("", ".gz", ".zst"))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut the file between records, unless it is one long gzip member; see cut_archive."""
        return split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the piece's records in file order; pages are extracted in batches."""
        with file.open() as handle:
            yield from self.outcomes(self.records(handle, file, piece))

    def records(
        self, handle: IO[bytes], file: InputFile, piece: Piece
    ) -> Iterator[ArchiveRecord | Damage | Skip]:
        """Yield the records of an archive that begin in a piece."""
        return archive_records(
            handle,
            file.size,
            piece,
            name=file.name,
            max_record_bytes=self.max_record_bytes,
            check_digests=self.check_digests,
        )

    def outcomes(
        self, records: Iterable[ArchiveRecord | Damage | Skip]
    ) -> Iterator[Document | Skip | Damage]:
        """Yield what becomes of each record, one for one; pages are extracted in batches."""
        pending: list[Skip | Damage | _PendingPage] = []
        pages = size = 0
        for record in records:
            item = self._parse(record) if isinstance(record, ArchiveRecord) else record
            pending.append(item)
            if isinstance(item, _PendingPage):
                pages, size = pages + 1, size + len(item.page.body)
            if pages >= _BATCH_PAGES or size >= _BATCH_BYTES or len(pending) >= 1024:
                yield from self._extracted(pending)
                pending, pages, size = [], 0, 0
        yield from self._extracted(pending)

    def _extracted(
        self, pending: list[Skip | Damage | _PendingPage]
    ) -> Iterator[Document | Skip | Damage]:
        pages = [item.page for item in pending if isinstance(item, _PendingPage)]
        how = Extraction(self.extract, self.main_content, self.comments, self.tables)
        limits = PageLimits(self.page_seconds, self.page_memory_bytes)
        answers = iter(page_texts(pages, how, limits))
        for item in pending:
            yield _document(item, next(answers)) if isinstance(item, _PendingPage) else item

    def _parse(self, record: ArchiveRecord) -> Skip | Damage | _PendingPage:
        if record.kind not in ("response", "resource"):
            return other_kind(record)
        if b"warc-segment-number" in record.headers:
            return Skip("segmented")
        stated = record.headers.get(b"content-type", b"")
        is_http = stated.startswith(b"application/http") or bool(_HTTP.match(record.block))
        if record.kind == "resource" and not is_http:
            # Crawlers also store their own notes, pictures and texts, under urn: and other names.
            if not _WEB.match(record.headers.get(b"warc-target-uri", b"")):
                return Skip("resource")
            plain = HttpResponse(0, {b"content-type": stated}, record.block)
            parsed = decoded(plain, self.max_record_bytes)
        elif not is_http:
            return Skip("not_http")
        else:
            parsed = parse_response(record.block, self.max_record_bytes)
        if isinstance(parsed, HttpDamage):
            head = record.block[:_HEAD]
            return Damage(parsed.reason, record.offset, record.length, parsed.error, head)
        if is_http and parsed.status != 200:
            return Skip(f"http_{parsed.status:03d}" if parsed.status else "http_no_status")
        response = parsed
        media, charset = content_type(response.headers.get(b"content-type", b""))
        identified, _ = content_type(record.headers.get(b"warc-identified-payload-type", b""))
        kind = page_kind(media, response.body, identified)
        if not kind.read_as:
            return Skip("not_html:" + kind.what)
        if not response.body.strip():
            return Skip("empty_body")
        is_html = kind.read_as == "html"
        if self.refuse:
            says = directives(response.headers, response.body, is_html=is_html)
            for directive in self.refuse:
                if directive in says:
                    return Skip(f"robots:{directive}")
        page = Page(response.body, is_html, charset)
        if not self.rights:
            return _PendingPage(record, response, media, page)
        said = statements(response.headers, response.body, is_html=is_html)
        license = page_license(response.body) if is_html else None
        return _PendingPage(record, response, media, page, license, " ".join(said))


_HTTP = re.compile(rb"HTTP/\d", re.I)
_WEB = re.compile(rb"<?(?:(?:https?|ftp)://|file:/)", re.I)


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut an archive between records, unless it is one long gzip member; see cut_archive."""
    with file.open() as handle:
        return cut_archive(
            handle, file.size, target_bytes, name=file.name, local="://" not in file.path
        )


def other_kind(record: ArchiveRecord) -> Skip:
    """Return the skip of a record whose kind the source does not read."""
    return Skip(record.kind if record.kind in _KINDS else "unknown_type")


def _document(pending: _PendingPage, answer: PageText) -> Document | Skip | Damage:
    record, response, media, page = pending[:4]
    if answer.reason in ("no_text", "binary"):
        return Skip(answer.reason)
    if answer.reason:
        head = page.body[:_HEAD]
        return Damage(answer.reason, record.offset, record.length, answer.text, head)
    truncated = header_text(record, b"warc-truncated") or ("body" if response.cut else None)
    facts = {
        "status": response.status or None,
        "content_type": media or None,
        "charset": answer.encoding,
        "charset_by": answer.by,
        "charset_declared": page.charset or None,
        "replaced": answer.replaced or None,
        "content": answer.way or None,
        "truncated": truncated,
        "record_id": header_text(record, b"warc-record-id"),
        "license_by": pending.license and pending.license[1],
        "robots_said": pending.robots,
    }
    document = archive_document(record, answer.text, facts)
    return document._replace(license=pending.license[0]) if pending.license else document


def archive_document(
    record: ArchiveRecord, text: str, facts: dict[str, str | int | None]
) -> Document:
    """Return the document of a record. ``meta`` is the known facts as JSON."""
    known = {key: value for key, value in facts.items() if value is not None}
    return Document(
        locator=record.locator,
        text=text,
        url=target_url(record),
        date=archive_date(record.headers.get(b"warc-date", b"")),
        meta=json.dumps(known, ensure_ascii=False, separators=(",", ":")),
    )


def header_text(record: ArchiveRecord, name: bytes) -> str | None:
    """Return a record header as text, None where it is missing or empty."""
    return record.headers.get(name, b"").decode("utf-8", "replace") or None


def target_url(record: ArchiveRecord) -> str | None:
    """Return the address of a record; some early writers put it in angle brackets."""
    url = header_text(record, b"warc-target-uri")
    return url.strip("<>") or None if url else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def archive_date(value: bytes) -> int | None:
    """Return a WARC-Date as microseconds since the epoch, UTC; None where it is no date.

    >>> archive_date(b"2024-05-18T01:58:10Z"), archive_date(b"yesterday")
    (1715997490000000, None)
    """
    try:
        moment = datetime.fromisoformat(value.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
