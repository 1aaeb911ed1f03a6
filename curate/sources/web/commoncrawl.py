"""Common Crawl as a source: snapshots by name, whole or the pages of some languages."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from curate.errors import RecipeError
from curate.paths.remote import in_order
from curate.sources.base import Damage, InputFile, Located, Piece, Record, Skip
from curate.sources.files import LOOKED_AT, list_files
from curate.sources.parquet_rows import split as split_index
from curate.sources.path_list import read_list
from curate.sources.ranges import Answer, Ranges
from curate.sources.web.crawl_index import (
    Places,
    Range,
    Row,
    Selection,
    index_codes,
    is_safe,
    ranges,
)
from curate.sources.web.warc import Warc
from curate.sources.web.warc_records import ArchiveRecord
from curate.sources.web.wet import Wet

_SNAPSHOT = re.compile(r"CC-MAIN-\d{4}(-\d{2}|-\d{4})?")
_TABLE = "cc-index/table/cc-main/warc"
#: Rows of the index that are sorted by file and place before they are fetched.
_WINDOW = 50_000


@dataclass(frozen=True)
class CommonCrawl(Warc):
    """Read snapshots of Common Crawl: whole files, or the pages of some languages.

    Without ``languages`` the files that ``warc.paths.gz`` or ``wet.paths.gz`` of a snapshot lists
    are read whole, as by the formats ``warc`` and ``wet``. With ``languages`` the input files are
    those of the columnar index (``cc-index-table.paths.gz``, subset ``warc``): the records of its
    rows with status 200, a language and a media type of the list are read by range requests, those
    that lie near each other by one. Ids are those of the whole files. Rows that are not selected
    are noted (``index: other status``, ``index: other language``, ``index: other media type``);
    every other row is a document, a skip as in WARC or ``repeated_row``, or quarantined:
    ``missing`` (no such file, or it ends before the record), ``truncated``, ``index_row`` (an
    unsafe path, no range), and what else a WARC record can have. There is no ``path``.
    """

    snapshots: tuple[str, ...] = ()
    """Snapshots, as https://index.commoncrawl.org lists them. Example: ["CC-MAIN-2024-22"]."""
    languages: tuple[str, ...] = ()
    """Languages of pages: labels, ISO 639 codes or English names. CLD2 found them, without scripts;
    ``identify`` looks again. Example: ["kaz"]."""
    match: Literal["any", "first"] = "any"
    """Whether any of a page's up to three languages counts, or only the one of most of it."""
    media: tuple[str, ...] = ("text/html", "application/xhtml+xml", "text/plain")
    """Media types of pages, as the index detected them."""
    kind: Literal["warc", "wet"] = "warc"
    """Pages (warc), or the text that Common Crawl extracted (wet), which has no index."""
    limit_files: Annotated[int, Field(ge=1)] | None = None
    """Read only the first files of each snapshot's list. With languages these are files of the
    index, which is sorted by reversed host: the first hold the first top-level domains.
    Example: 10."""
    base: str = "https://data.commoncrawl.org/"
    """Address of the root of the archive, or of a mirror: https, s3, a folder or any other that
    fsspec knows. Nothing else is contacted. Example: "s3://commoncrawl/"."""
    requests: Annotated[int, Field(ge=1, le=64)] = 4
    """Range requests of one task at a time; a run has as many tasks at a time as workers."""
    on_unreachable: Literal["stop", "quarantine"] = "stop"
    """When a server fails for minutes: stop, so that the run can be resumed, or quarantine the
    records as ``unreachable``. Then another run may hold other documents."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.snapshots:
            raise ValueError('name snapshots, such as snapshots = ["CC-MAIN-2024-22"]')
        for name in self.snapshots:
            if not _SNAPSHOT.fullmatch(name):
                raise ValueError(f"'{name[:100]}' is no snapshot; they are named CC-MAIN-2024-22")
        if "?" in self.base or "#" in self.base:
            raise ValueError("base is a folder, and no address with a query")
        if self.kind == "wet":
            self._check_wet()
        _ = self._codes

    def _check_wet(self) -> None:
        """Raise ValueError for options that WET files have no use for."""
        if self.languages:
            raise ValueError(
                "WET files have no index: with languages, kind is 'warc'; without, all WET files"
                " are read and identify finds the language"
            )
        defaults = {field.name: field.default for field in fields(Warc)}
        for name in defaults.keys() - {field.name for field in fields(Wet)}:
            if getattr(self, name) != defaults[name]:
                raise ValueError(f"WET files hold no pages: leave out {name}, or set kind = 'warc'")

    @property
    def _codes(self) -> frozenset[str]:
        return frozenset(code for name in self.languages for code in index_codes(name))

    @property
    def _whole(self) -> Warc | Wet:
        """The reader of whole files."""
        reader = Wet if self.kind == "wet" else Warc
        return reader(**{field.name: getattr(self, field.name) for field in fields(reader)})

    def inputs(self) -> list[InputFile]:
        """Return the files of the snapshots' lists, named by their paths below the base."""
        found = [file for name in dict.fromkeys(self.snapshots) for file in self._of(name)]
        return sorted(found, key=lambda file: file.name)

    def located(self, name: str) -> tuple[Warc | Wet, InputFile]:
        """Return the file of a record that the index led to, with the reader of whole files."""
        if not is_safe(name):
            raise RecipeError(f"{name[:200]!r} is no path below the base", where=self._root)
        return self._whole, _file(self._root, name)

    def _of(self, snapshot: str) -> list[InputFile]:
        names = self._listed(snapshot)[: self.limit_files]
        if not names:
            what = f"{snapshot} lists no file" + (" of the index" if self.languages else "")
            raise RecipeError(what, where=f"{self._root}/crawl-data/{snapshot}")
        look = partial(_file, self._root)
        return list(in_order(look, names, LOOKED_AT if "://" in self._root else 1))

    @property
    def _root(self) -> str:
        return self.base.removeprefix("file://").rstrip("/") or "/"

    def _listed(self, snapshot: str) -> list[str]:
        """Return the paths of a snapshot's list that are read, in its order."""
        kind = "cc-index-table" if self.languages else self.kind
        listing = f"crawl-data/{snapshot}/{kind}.paths.gz"
        try:
            file = _file(self._root, listing)
        except RecipeError as error:
            if names := self._in_folder(snapshot):
                return names
            raise RecipeError(
                f"{snapshot} has no {kind}.paths.gz there: {error.what}",
                where=f"{self._root}/{listing}",
                hint="see https://index.commoncrawl.org for the names of snapshots"
                " (the index states languages since CC-MAIN-2018-39), or name another base",
            ) from None
        names = read_list(file)
        if unsafe := [name for name in names if not is_safe(name)]:
            what = f"the list names {unsafe[0][:200]!r}, which is no path below the base"
            raise RecipeError(what, where=file.path)
        of_pages = f"crawl={snapshot}/subset=warc/"
        return [name for name in names if not self.languages or of_pages in name]

    def _in_folder(self, snapshot: str) -> list[str]:
        """Return the paths of a mirror without lists, whose folders can be searched, sorted."""
        folder, kind, end = f"crawl-data/{snapshot}/segments", f"/{self.kind}/", ".gz"
        if self.languages:
            folder, kind, end = f"{_TABLE}/crawl={snapshot}/subset=warc", "", ".parquet"
        try:
            files = list_files(f"{self._root}/{folder}", self._root).files
        except RecipeError:
            return []
        names = [file.name for file in files if file.name.endswith(end) and kind in file.name]
        return list(filter(is_safe, names))

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut an archive between records, a file of the index between row groups."""
        if self.languages:
            return split_index(file, target_bytes)
        return self._whole.split(file, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the records of a piece: in file order, or in the order of their places."""
        if not self.languages:
            yield from self._whole.read(file, piece)
            return
        select = Selection(
            self._codes, self.match == "first", frozenset(self.media), self.max_record_bytes
        )
        window: list[Row] = []
        places = Places()
        for item in select.rows(file, piece):
            if not isinstance(item, Row):
                yield item
                continue
            window.append(item)
            if len(window) >= _WINDOW:
                yield from self._fetched(*places.new(window))
                window = []
        yield from self._fetched(*places.new(window))

    def _fetched(self, rows: list[Row], repeated: Skip | None) -> Iterator[Record]:
        if repeated:
            yield repeated
        if not rows:
            return
        files: deque[str] = deque()  # of records whose pages are being extracted
        fetch = partial(self._fetch, Ranges(self._root))

        def records() -> Iterator[ArchiveRecord | Damage | Skip]:
            # One at a time, because rows of an index may overlap: unpacked, they have no bound.
            for asked, answer in in_order(fetch, ranges(rows), self.requests):
                for row in asked.rows:
                    files.append(row.file)
                    yield self._record(answer, asked.start, row)

        for record in self.outcomes(records()):
            yield Located(files.popleft(), record)

    def _fetch(self, base: Ranges, asked: Range) -> tuple[Range, Answer | OSError]:
        """Read a range; with ``on_unreachable = "quarantine"`` return why it cannot be read."""
        try:
            return asked, base.read(asked.file, asked.start, asked.end)
        except OSError as error:
            if self.on_unreachable == "stop":
                where = f"{asked.file}, bytes {asked.start} to {asked.end - 1}"
                raise OSError(f"{where}: {error.strerror or error}") from error
            return asked, error

    def _record(
        self, answer: Answer | OSError, start: int, row: Row
    ) -> ArchiveRecord | Damage | Skip:
        """Return the record at the begin of a row's bytes, with its place in the whole file."""
        if isinstance(answer, OSError):
            return Damage("unreachable", row.offset, row.length, str(answer))
        begin = row.offset - start
        lacking = begin + row.length - len(answer.data)
        if lacking > 0:
            head = answer.data[begin : begin + 4096]
            what = (
                answer.missing or f"the file ends {min(lacking, row.length)} bytes before its end"
            )
            return Damage("truncated" if head else "missing", row.offset, row.length, what, head)
        data = answer.data[begin : begin + row.length]
        stored = InputFile(row.file, row.file, len(data))
        item = next(self.records(io.BytesIO(data), stored, Piece(0, 1)))
        if isinstance(item, ArchiveRecord):
            return item._replace(locator=str(row.offset), offset=row.offset)
        if isinstance(item, Damage):
            return item._replace(offset=row.offset, length=row.length)
        return item


def _file(root: str, name: str) -> InputFile:
    """Return a file below the root, named by its path there."""
    (file,) = list_files(f"{root.rstrip('/')}/{name}", root).files
    return file
