"""Documents of CSV and TSV files: records as JSON has them, with strings as their values."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import pyarrow as pa

from curate.errors import RecipeError
from curate.sources import fields, json_objects, streams
from curate.sources.base import Damage, InputFile, Piece, Record, Skip
from curate.sources.columns import Chosen
from curate.sources.decoding import is_cut_at_newlines
from curate.sources.json_objects import JsonObject, recoded
from curate.sources.jsonl import Jsonl
from curate.sources.streams import Block, Broken, Line

_HEAD = 64 * 1024
MOST_COLUMNS = 10_000
#: Bytes that each further line of a record counts besides its own.
_LINE_BYTES = 64
#: What a first line is tried with, the most usual first.
_DELIMITERS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
#: A number as JSON writes it, so that neither "007" nor "1,5" is one.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(\.\d+)?([eE][+-]?\d{1,3})?")
_NO_TEXT = re.compile("[\udc80-\udcff]")
#: The line by which a spreadsheet names the delimiter, before the header.
_SEPARATOR = re.compile(rb"\"?sep=(.)\"?\r?", re.IGNORECASE)


@dataclass(frozen=True)
class Csv(Jsonl):
    """Read CSV and TSV files with a header, plain or compressed (RFC 4180).

    Options name columns; what no option names is stored in ``meta``, as strings. A record may reach
    over lines inside quotes, so a file is not cut: it is one task, and streamed. The locator is the
    record's byte offset as in JSON lines. A byte order mark overrides ``encoding``. In joined files
    the header may occur again, and a mark at any record. Empty fields beyond the header's are left
    out.

    Skips: ``blank_line``, ``repeated_header``. Damage: ``missing_text`` (no such column),
    ``bad_csv`` (quotes that do not close, or end inside a field), ``field_count`` (more or fewer
    fields than the header), ``duplicate_column`` and ``too_many_columns`` (10,000; of the header),
    ``too_large``, ``too_complex``, ``invalid_utf8`` and the reasons of
    :func:`curate.sources.streams.blocks`. After a broken record reading goes on at its second line.
    """

    columns: Chosen = ()
    """Columns to keep as columns of the product: of numbers where the first 500 records of up to 8
    files have only numbers in it, else of strings; ["*"]: all but the text. An empty value is null
    among numbers. A table gives columns names of your choice: { quality = "score" }. Example:
    ["score"]."""
    delimiter: str = "auto"
    """What is between fields; `auto` takes what divides the first line into most, or what a line
    `sep=;` before it names. Example: ";"."""
    quote: str = '"'
    """What is around fields that hold delimiters, quotes or newlines; "" where quotes are letters,
    and every line is a record, as in many TSV files. Example: ""."""
    escape: str = ""
    """What makes the next sign a letter, as Spark and MySQL write it. Example: "\\\\"."""
    names: tuple[str, ...] = ()
    """Names of the columns of files that have no header. Example: ["id", "text"]."""
    encoding: str = "utf-8"
    """Encoding of files without a byte order mark. Example: "windows-1254"."""

    def __post_init__(self) -> None:
        if self.delimiter != "auto" and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise RecipeError(f"delimiter = {self.delimiter!r} is not one character")
        for name in ("quote", "escape"):
            sign = getattr(self, name)
            if len(sign) > 1 or sign in ("\r", "\n", self.delimiter):
                raise RecipeError(f"{name} = {sign!r} is neither one character nor empty")
        if not is_cut_at_newlines(self.encoding):
            raise RecipeError(
                f"files in {self.encoding} cannot be cut at newlines",
                hint="a byte order mark tells UTF-16; convert other files to UTF-8",
            )

    @property
    def suffixes(self) -> tuple[str, ...]:
        return tuple(end + packing for packing in streams.PACKINGS for end in (".csv", ".tsv"))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Leave a file whole."""
        return [Piece(0, file.size)]

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield a document, a skip or a damage for each record, in file order."""
        documents = self.documents(fields.partitions(file.name))
        numbers = [
            name
            for name, ours in (self.passed.names if self.passed else ())
            if self.passed and not pa.types.is_string(self.passed.carried.field(ours).type)
        ]
        for item in self.objects(file, piece):
            if isinstance(item, JsonObject):
                for name in numbers:
                    item.record[name] = _number(item.record.get(name))
                yield from documents(item)
            else:
                yield item

    def compile(self) -> None:
        """Do nothing: no kernel reads these files."""

    def typed_columns(self, files: Iterable[InputFile]) -> dict[str, pa.DataType | None]:
        """Return the type of each column to keep: of numbers, or strings."""
        found = super().typed_columns(files)
        return {
            name: kind if kind is not None and pa.types.is_primitive(kind) else pa.string()
            for name, kind in found.items()
        }

    def _others(self, file: InputFile) -> Iterator[dict[str, object]]:
        for record in super()._others(file):
            yield {name: _number(value) for name, value in record.items()}

    def objects(self, file: InputFile, piece: Piece) -> Iterator[JsonObject | Skip | Damage]:
        """Yield the records of a file by the names of their columns."""
        with file.open() as handle:
            try:
                stream = streams.blocks(handle, file.name, window=self.max_window_bytes)
                first = next(stream, None)
                if first is None:
                    return
                stream, encoding = chain([first], stream), self.encoding
                if first.data.startswith((_BOM, *_WIDE)):
                    encoding = "utf-8"
                if first.data.startswith(_WIDE):
                    stream = recoded(stream, "utf-16", file.size)
                elif b"\n" not in first.data:  # an old Macintosh ends lines so
                    stream = (Block(at, data.replace(b"\r", b"\n")) for at, data in stream)
                lines = streams.lines(stream, cap=self.max_record_bytes)
                yield from self._rows(lines, encoding, file.name)
            except Broken as broken:
                yield broken.damage

    def _rows(
        self, lines: Iterator[Line], encoding: str, name: str
    ) -> Iterator[JsonObject | Skip | Damage]:
        first = next(lines, None)
        if first is None:
            return
        if first.data is not None:
            first = first._replace(data=first.data.removeprefix(_BOM))
        delimiter, named = self.delimiter, _SEPARATOR.fullmatch(first.data or b"")
        if named:
            first = next(lines, None)
            if first is None:
                return
        if delimiter == "auto" and named:
            delimiter = named[1].decode("latin-1")
        elif delimiter == "auto":
            is_tabbed = streams.plain_name(name.lower()).endswith(".tsv")
            delimiter = "\t" if is_tabbed else _delimiter((first.data or b"")[:_HEAD])
        as_written = header = list(self.names)
        feed = _Lines(chain([first], lines), encoding, delimiter, self.max_record_bytes)
        for item in _parsed(feed, delimiter, self.quote, self.escape):
            if not isinstance(item, _Row):
                yield item
                continue
            row, offset, length, raw = item
            if not header:
                as_written, header = row, row if "" not in row else _named(row)
                if len(header) > MOST_COLUMNS:
                    what = f"{len(header)} columns, and at most {MOST_COLUMNS} are read"
                    yield Damage("too_many_columns", offset, length, what, raw[:_HEAD])
                    return
                if len(set(header)) < len(header):
                    double = next(each for each in header if header.count(each) > 1)
                    what = f"the header has '{double[:100]}' more than once"
                    yield Damage("duplicate_column", offset, length, what, raw[:_HEAD])
                    return
                continue
            if len(row) > len(header) and not any(row[len(header) :]):
                row = row[: len(header)]
                item = item._replace(values=row)
            if row == as_written:
                if offset:
                    yield Skip("repeated_header")
            elif len(row) != len(header):
                what = f"{len(row)} fields, the header has {len(header)}"
                yield Damage("field_count", offset, length, what, raw[:_HEAD])
            else:
                yield _record(item, header)


class _Row(NamedTuple):
    """The fields of a record, where it begins, how long it is, and its bytes."""

    values: list[str]
    offset: int
    length: int
    raw: bytes


class _Lines:
    """What the csv module reads from: lines as text, and which of them its record took."""

    def __init__(self, lines: Iterator[Line], encoding: str, delimiter: str, cap: int) -> None:
        self._lines, self._encoding, self._cap = lines, encoding, cap
        self._delimiter = delimiter.encode(encoding, "replace")
        self._waiting: deque[Line] = deque()
        self._held = self._fields = 0
        self.taken: list[Line] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self._held += line.length
        is_long = self._held + _LINE_BYTES * len(self.taken) > self._cap
        if self._held > json_objects.LARGE and line.data is not None:
            self._fields += line.data.count(self._delimiter)
        if line.data is None or is_long or self._fields > json_objects.MAX_PARTS:
            self._waiting.appendleft(line)
            raise StopIteration
        data = line.data
        if not self.taken and self._encoding == "utf-8":
            data = data.removeprefix(_BOM)
        self.taken.append(line)
        text = data.decode(self._encoding, "surrogateescape")
        text += "\n"
        return text

    def begin(self, back: int | None = None) -> None:
        """Begin another record, with the lines of the last one from ``back`` on."""
        if back is not None:
            self._waiting.extendleft(reversed(self.taken[back:]))
        self.taken, self._held, self._fields = [], 0, 0

    def too_long(self) -> Line | None:
        """Remove the next line and return it, if there is one: it did not fit."""
        return self._waiting.popleft() if self._waiting else None


def _parsed(
    lines: _Lines, delimiter: str, quote: str, escape: str
) -> Iterator[_Row | Skip | Damage]:
    """Yield the rows of lines, and what is no row."""
    csv.field_size_limit(2**31 - 1)  # the cap of a record holds before it

    def reader() -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=delimiter,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            escapechar=escape or None,
            strict=True,
        )

    rows = reader()
    while True:
        lines.begin()
        try:
            row = next(rows)
        except StopIteration:
            line = lines.too_long()
            if line is None:
                return
            if line.data is not None:
                what = f"more than {json_objects.MAX_PARTS} fields in one record"
                head = line.data[:_HEAD]
                yield Damage("too_complex", line.offset, line.length, what, head)
            else:
                what = f"{line.length} bytes in one record"
                yield Damage("too_large", line.offset, line.length, what, line.head)
            rows = reader()
            continue
        except csv.Error as error:
            offset, length, data, _ = lines.taken[0]
            what = f"{error} (quote = {quote!r}, escape = {escape!r})"
            yield Damage("bad_csv", offset, length, what, (data or b"")[:_HEAD])
            lines.begin(back=1)
            rows = reader()
            continue
        if not row:
            yield Skip("blank_line")
            continue
        raw = b"\n".join(line.data or b"" for line in lines.taken)
        yield _Row(row, lines.taken[0].offset, len(raw), raw)


def _named(header: list[str]) -> list[str]:
    """Return a header in which one column at most has no name.

    >>> _named(["", "text", "", ""])
    ['', 'text', 'column_3', 'column_4']
    """
    first = header.index("")
    return [
        name or ("" if place == first else f"column_{place + 1}")
        for place, name in enumerate(header)
    ]


def _record(row: _Row, header: list[str]) -> JsonObject:
    """Return a row as a record; values that are no text have replacement characters."""
    values, offset, length, raw = row
    record: dict[str, object] = dict(zip(header, values, strict=True))
    if raw.isascii() or not any(map(_NO_TEXT.search, values)):
        return JsonObject(offset, length, record, raw)
    damaged = [name for name, value in zip(header, values, strict=True) if _NO_TEXT.search(value)]
    record |= {name: _NO_TEXT.sub("\ufffd", str(record[name])) for name in damaged}
    return JsonObject(offset, length, record, raw, tuple((n, "invalid_utf8") for n in damaged))


def _delimiter(line: bytes) -> str:
    """Return the delimiter that divides a line into most fields, a comma where none does.

    >>> _delimiter(b'id;"a, b, c, d";text'), _delimiter(b"text")
    (';', ',')
    """
    text = line.decode("utf-8", "replace").split("\r")[0]
    fields = {sign: next(csv.reader([text], delimiter=sign), []) for sign in _DELIMITERS}

    def fit(sign: str) -> tuple[bool, int]:
        return '"' not in "".join(fields[sign]), len(fields[sign])  # a quote is left of a wrong cut

    return max(_DELIMITERS, key=fit)


def _number(value: object) -> object:
    """Return what a field says as a number, null for an empty one, or the string that it is.

    >>> _number("1.50"), _number("12"), _number("007"), _number("")
    (1.5, 12, '007', None)
    """
    if not value:
        return None
    found = _NUMBER.fullmatch(str(value))
    if found is None:
        return value
    return float(str(value)) if found[1] or found[2] else int(str(value))
