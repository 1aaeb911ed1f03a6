"""Documents from JSON: a text field, a few fields that are columns, and the rest as ``meta``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from dataclasses import field as default
from itertools import islice

import pyarrow as pa

from curate.errors import RecipeError, nearest
from curate.sources import fields, json_objects, json_types, selection, streams
from curate.sources.base import (
    COMPILED,
    ByteLimit,
    Damage,
    Document,
    InputFile,
    Note,
    Piece,
    Record,
    Skip,
)
from curate.sources.columns import Chosen, Columns, fields_of
from curate.sources.json_objects import JsonObject
from curate.sources.streams import Line, Run

#: Files whose first records tell the types of columns (evenly spread), and records of each.
FILES, RECORDS = 8, 500
#: Names of fields that are remembered to tell the nearest one.
_NAMES = 1000

Reading = Callable[[Run], Iterator[Record]]


class _Typed:
    """Takes the fields that pass through out of records.

    Of the names, ``paths`` may be steps into objects; ``ours`` are read for columns of ours, too.
    """

    def __init__(
        self, passed: Columns, ours: tuple[str | None, ...], paths: Collection[str]
    ) -> None:
        kinds = passed.carried
        self._checks = [
            (
                name,
                new,
                json_types.fits(kinds.field(new).type),
                name in ours,
                "." in name and name in paths,
            )
            for name, new in passed.names
        ]

    def take(self, record: dict[str, object]) -> tuple[dict[str, object], int]:
        """Remove what fits its type, unless a column of ours is read from it; count what does not.

        Return the values by their names in the product, and the count.
        """
        values: dict[str, object] = {}
        unfit = 0
        taken = []
        for name, new, fit, is_ours, is_path in self._checks:
            value = fields.at(record, name) if is_path else record.get(name, fields.MISSING)
            if value is fields.MISSING:
                continue
            if fit(value):
                values[new] = value
                if not is_ours:
                    taken.append((name, is_path))
            else:
                unfit += 1
        for name, is_path in taken:  # two columns may have one field
            if is_path:
                fields.take(record, name)
            else:
                record.pop(name, None)
        return values, unfit


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
    columns: Chosen = ()
    """Fields to keep as columns of the product, with the types that the first 500 records of up to
    8 files have; ["*"]: all but the text. What does not fit its type, or was not seen there, stays
    in ``meta``. One with a name of curate's own is called ``input_<name>``. A table gives columns
    names of your choice: { quality = "meta.score" }. Example: ["score"]."""
    passed: Columns | None = default(default=None, metadata={"planned": True})
    as_json: tuple[str, ...] = default(default=(), metadata={"planned": True})
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
        document = self.documents(partitions)

        def careful(run: Run | Line | Damage) -> Iterator[Record]:
            """Read records one by one: the reader that takes every line."""
            for item in json_objects.objects_in(run, self.max_record_bytes):
                if isinstance(item, JsonObject):
                    yield from document(item)
                else:
                    yield item

        read = None
        for run in json_objects.runs(file, piece, self.max_record_bytes, self.max_window_bytes):
            if isinstance(run, Run) and len(run.data) >= COMPILED:
                read = read or (careful if partitions else self._columns(careful))
                yield from read(run)
            else:
                yield from careful(run)

    def compile(self) -> None:
        """Compile the kernel that reads runs of lines, or load it if it is stored."""
        list(self._columns(lambda _: iter(()))(Run(0, b"{}\n")))

    def _columns(self, careful: Reading) -> Reading:
        """Return the reader of runs in columns, where it can follow the options."""
        from curate.sources import json_columns  # compiles a kernel, or loads it

        names = json_columns.Fields(
            self.text, self.id, self.url, self.date, self.license, self.meta,
            self.passed, self.as_json,
        )  # fmt: skip
        nested = any("." in path for path in fields_of(self.columns).values())
        if nested or not names.are_plain:
            return careful
        return json_columns.Reader(names, self.max_record_bytes, careful).read

    def objects(self, file: InputFile, piece: Piece) -> Iterator[JsonObject | Skip | Damage]:
        """Yield the records of a piece as they are stored."""
        return json_objects.objects(file, piece, self.max_record_bytes, self.max_window_bytes)

    def documents(self, partitions: dict[str, object]) -> Callable[[JsonObject], Iterator[Record]]:
        """Return what makes a document of a record, of files in partitioned folders."""
        ours = (self.url, self.date, self.license)
        paths = fields_of(self.columns).values()
        typed = _Typed(self.passed, ours, paths) if self.passed else None

        def documents(item: JsonObject) -> Iterator[Record]:
            yield from self._document(item, partitions, typed)
            if item.damaged:
                kept = sum(self._keeps(path) for path, _ in item.damaged)
                if kept and item.damage_of(self.text) is None:
                    yield Note("damaged_fields", kept)

        return documents

    def _keeps(self, path: str) -> bool:
        if self.meta is None:
            return True
        names = (*self.meta, self.id, self.url, self.date, self.license)
        return any(name and f"{path}.".startswith(f"{name}.") for name in names)

    def typed_columns(self, files: Iterable[InputFile]) -> dict[str, pa.DataType | None]:
        """Return the type of each field to keep; None where no type holds the values looked at.

        Raise RecipeError where none of the records has a field that is named.
        """
        listed = [file for file in files if file.size]
        step = max(1, -(-len(listed) // FILES))
        wanted, every = fields_of(self.columns), "*" in self.columns
        names: dict[str, None] = {}

        def kept() -> Iterator[dict[str, object]]:
            for file in listed[::step]:
                for record in islice(self._others(file), RECORDS):
                    if len(names) < _NAMES:
                        names.update(dict.fromkeys(islice(fields.paths(record), _NAMES)))
                    values = {name: fields.at(record, path) for name, path in wanted.items()}
                    there = {n: value for n, value in values.items() if value is not fields.MISSING}
                    yield record | there if every else there

        found = json_types.types_of(kept())
        for name, path in wanted.items():
            if name not in found and names:
                raise RecipeError(
                    f"no record that was looked at has the field '{fields.shown(path)}' of columns",
                    hint=nearest(path, map(fields.shown, names))[:300],
                )
        return found

    def _others(self, file: InputFile) -> Iterator[dict[str, object]]:
        """Yield the fields of records besides the text."""
        partitions = fields.partitions(file.name)
        for item in self.objects(file, Piece(0, file.size)):
            if isinstance(item, JsonObject):
                fields.take(item.record, self.text)
                yield partitions | item.record

    def _document(
        self, item: JsonObject, partitions: dict[str, object], typed: _Typed | None
    ) -> Iterator[Record]:
        offset, length, record, raw, damaged = item
        if damaged and (damage := item.damage_of(self.text)):
            yield damage
            return
        text = fields.take(record, self.text)
        if text is None:
            yield Skip("null_text")
            return
        if not isinstance(text, str):
            if text is fields.MISSING:
                reason, error = "missing_text", fields.missing(self.text, record)
            else:
                reason, error = "text_not_string", f"'{self.text}' is a {type(text).__name__}"
            yield Damage(reason, offset, length, error, raw[: 64 * 1024])
            return
        for name, value in partitions.items():
            record.setdefault(name, value)
        own = next(selection.values(record, self.id), None) if self.id else None
        columns, unfit = typed.take(record) if typed else (None, 0)
        unfit += sum(name in record for name in self.as_json)
        url, date, license, meta = fields.provenance(
            record, self.url, self.date, self.license, self.meta
        )
        locator = fields.with_own_id(str(offset), own)
        yield Document(locator, text, url, date, license=license, meta=meta, columns=columns)
        if unfit:
            yield Note("column_as_json", unfit)
