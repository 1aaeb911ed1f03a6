"""Documents from JSON: a text field, a few fields that are columns, and the rest as ``meta``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from curate.sources import fields, json_objects, selection
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.json_objects import JsonObject


@dataclass(frozen=True)
class Jsonl:
    """Read JSON lines, an array, or objects printed over many lines; plain or compressed.

    Options name fields: by their names, or in dotted steps (``content.body``). ``url``, ``date``
    and ``license`` are optional in each record. What no option names is stored in ``meta``
    (``meta`` may name the fields to keep; an empty list keeps none), and so are the keys of
    partitioned folders (``year=2024/``), which a field of the same name goes before. A date that
    cannot be read stays in ``meta`` unchanged. The locator is the record's byte offset,
    decompressed where compressed.

    Skips: ``blank_line``, ``null_text``. Damage: ``missing_text``, ``text_not_string`` and what
    :func:`curate.sources.json_objects.objects` names.
    """

    text: str = "text"
    """The field of the text. Example: "content.body"."""
    id: str | None = None
    """The field of the record's own id; the ids of the run then end in ``~<own id>``.
    Example: "doc_id"."""
    url: str | None = None
    """The field of the address. Example: "url"."""
    date: str | None = None
    """The field of the date. Example: "crawled_at"."""
    license: str | None = None
    meta: tuple[str, ...] | None = None
    """Fields to keep as JSON; without it all others. Example: ["title"]."""
    max_record_bytes: ByteLimit = json_objects.CAP
    """Bytes of a record above which it is quarantined."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        return json_objects.SUFFIXES

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file of plain lines anywhere: a line belongs to the piece where it begins."""
        return json_objects.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each record, in file order."""
        partitions = fields.partitions(file.name)
        for item in json_objects.objects(file, piece, self.max_record_bytes):
            yield self._document(item, partitions) if isinstance(item, JsonObject) else item

    def _document(self, item: JsonObject, partitions: dict[str, object]) -> Record:
        offset, length, record, raw = item
        text = fields.take(record, self.text)
        if text is None:
            return Skip("null_text")
        if not isinstance(text, str):
            if text is fields.MISSING:
                reason, error = "missing_text", fields.missing(self.text, record)
            else:
                reason, error = "text_not_string", f"'{self.text}' is a {type(text).__name__}"
            return Damage(reason, offset, length, error, raw[: 64 * 1024])
        if partitions:
            record = partitions | record
        own = next(selection.values(record, self.id), None) if self.id else None
        url, date, license, meta = fields.provenance(
            record, self.url, self.date, self.license, self.meta
        )
        locator = fields.with_own_id(str(offset), own)
        return Document(locator, text, url, date, license=license, meta=meta)
