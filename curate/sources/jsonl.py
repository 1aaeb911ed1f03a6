"""Documents from JSON: a text field, a few fields that are columns, and the rest as ``meta``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from curate.sources import fields, json_objects, selection, streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Note, Piece, Record, Skip
from curate.sources.json_objects import JsonObject


@dataclass(frozen=True)
class Jsonl:
    """Read JSON lines, an array, or objects printed over many lines; plain or compressed.

    Options name fields: by their names, or in dotted steps (``content.body``). ``url``, ``date``
    and ``license`` are optional in each record. What no option names is stored in ``meta``
    (``meta`` may name the fields to keep; an empty list keeps none), and so are the keys of
    partitioned folders (``year=2024/``), which a field of the same name goes before. A date that
    cannot be read stays in ``meta`` unchanged. The locator is the record's byte offset,
    decompressed where compressed, of UTF-8 where the file is UTF-16 or UTF-32.

    Skips: ``blank_line``, ``null_text``. Damage: ``missing_text``, ``text_not_string`` and what
    :func:`curate.sources.json_objects.objects` names. A value that cannot be read costs its record
    only where it is the text: in other fields that are kept it becomes null, or its characters
    U+FFFD, and is noted as ``damaged_fields``.
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
    max_window_bytes: ByteLimit = streams.WINDOW
    """Memory for the window of a zstd or xz file; up to 2 GiB for those made with --long=31."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        return json_objects.SUFFIXES

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file of plain lines anywhere: a line belongs to the piece where it begins."""
        return json_objects.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each record, in file order."""
        partitions = fields.partitions(file.name)
        found = json_objects.objects(file, piece, self.max_record_bytes, self.max_window_bytes)
        for item in found:
            if not isinstance(item, JsonObject):
                yield item
                continue
            yield self._document(item, partitions)
            if item.damaged:
                kept = sum(self._keeps(path) for path, _ in item.damaged)
                if kept and item.damage_of(self.text) is None:
                    yield Note("damaged_fields", kept)

    def _keeps(self, path: str) -> bool:
        if self.meta is None:
            return True
        names = (*self.meta, self.id, self.url, self.date, self.license)
        return any(name and f"{path}.".startswith(f"{name}.") for name in names)

    def _document(self, item: JsonObject, partitions: dict[str, object]) -> Record:
        offset, length, record, raw, damaged = item
        if damaged and (damage := item.damage_of(self.text)):
            return damage
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
