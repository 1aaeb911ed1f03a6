"""WET files (text that Common Crawl extracted) as a source: conversion records -> documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from curate.sources.base import ByteLimit, Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.web.sniffing import content_type
from curate.sources.web.warc import archive_document, header_text, other_kind, split
from curate.sources.web.warc_records import MAX_RECORD_BYTES, ArchiveRecord, archive_records


@dataclass(frozen=True)
class Wet:
    """Read WET files, plain, gzip or zstd: one document per conversion record of type text/plain.

    The text is UTF-8; invalid bytes become replacement characters, counted in ``meta``.
    """

    max_record_bytes: ByteLimit = MAX_RECORD_BYTES
    """Bytes of a record above which it is quarantined."""
    check_digests: bool = True
    """Check digests of records in plain and zstd files; gzip has checksums."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        return tuple(kind + end for kind in (".warc.wet", ".wet") for end in ("", ".gz", ".zst"))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut the file between records, unless it is one long gzip member; see cut_archive."""
        return split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the piece's records in file order."""
        with file.open() as handle:
            for record in archive_records(
                handle,
                file.size,
                piece,
                name=file.name,
                max_record_bytes=self.max_record_bytes,
                check_digests=self.check_digests,
            ):
                yield _document(record) if isinstance(record, ArchiveRecord) else record


def _document(record: ArchiveRecord) -> Document | Skip | Damage:
    if record.kind != "conversion":
        return other_kind(record)
    if b"warc-segment-number" in record.headers:
        return Skip("segmented")
    media, _ = content_type(record.headers.get(b"content-type", b""))
    if media not in ("", "text/plain"):
        return Skip("not_text")
    replaced = 0
    try:
        text = record.block.decode("utf-8")
    except UnicodeDecodeError:
        text = record.block.decode("utf-8", "replace")
        replaced = text.count("\ufffd")
        if replaced * 20 > len(text):
            what = f"{replaced} replacements in {len(text)} characters of UTF-8"
            head = record.block[:4096]
            return Damage("undecodable", record.offset, record.length, what, head)
    text = text.strip()
    if not text:
        return Skip("no_text")
    facts = {
        "languages": header_text(record, b"warc-identified-content-language"),
        "record_id": header_text(record, b"warc-record-id"),
        "refers_to": header_text(record, b"warc-refers-to"),
        "truncated": header_text(record, b"warc-truncated"),
        "replaced": replaced or None,
    }
    return archive_document(record, text, facts)
