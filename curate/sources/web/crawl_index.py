"""Common Crawl's columnar index: from its rows to the byte ranges of records, few requests.

The columns are those of https://commoncrawl.org/columnar-index; rows are sorted by reversed host.
Whatever a row says is checked: a path that leads out of the base is never asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.recipe.languages import SAME, code_of
from curate.schema import whole
from curate.sources import parquet_rows
from curate.sources.base import Damage, InputFile, Note, Piece, Skip
from curate.sources.parquet_rows import RowBatch, column_type

_LANGUAGES, _STATUS, _MEDIA = "content_languages", "fetch_status", "content_mime_detected"
_PLACE = ("warc_filename", "warc_record_offset", "warc_record_length")
_COLUMNS = (_LANGUAGES, _STATUS, _MEDIA, *_PLACE)

#: Where no archive has bytes; file systems refuse to seek further than twice as far.
_MOST_OFFSET = 1 << 43
#: Different files and records of an index that are remembered at a time, to find repeated rows.
_MOST_FILES, _MOST_PLACES = 1 << 20, 1 << 24

#: Codes of the index (those of CLD2) for a language that has another code here, beside `SAME`.
_INDEX_CODES = {"quy": "que", "ayr": "aym", "gaz": "orm", "twi": "aka", "bho": "bih"}

#: Bytes between two records that are read rather than asked around, and of the largest request.
GAP, MOST = 64 << 10, 4 << 20

_SAFE = re.compile(r"(?!\.)[A-Za-z0-9._=-]+(?:/(?!\.)[A-Za-z0-9._=-]+)*")
_LONGEST = 1024


def is_safe(path: str) -> bool:
    """Return whether a path of a crawl's lists leads to a file below the base, and nowhere else.

    >>> is_safe("crawl-data/CC-MAIN-2024-22/wet.paths.gz"), is_safe("../x"), is_safe("//host/x")
    (True, False, False)
    """
    return len(path) <= _LONGEST and _SAFE.fullmatch(path) is not None


def index_codes(given: str) -> frozenset[str]:
    """Return the codes that the index may have for a language: ISO 639-3, of CLD2.

    ``given`` is a label, a code or an English name. The index knows no scripts. Raise RecipeError
    where it is none of them.

    >>> sorted(index_codes("kaz_Cyrl")), sorted(index_codes("ar")), sorted(index_codes("Chinese"))
    (['kaz'], ['ara', 'arb'], ['cmn', 'zho'])
    """
    if given in _INDEX_CODES.values():
        return frozenset((given,))
    code = code_of(given)
    same = {other for other, ours in SAME.items() if ours == code}
    return frozenset({code, *same, _INDEX_CODES.get(code, code)})


class Row(NamedTuple):
    """Where a record is stored."""

    file: str
    offset: int
    length: int


class Range(NamedTuple):
    """Records of a file that one request reads."""

    file: str
    start: int
    end: int
    rows: list[Row]


@dataclass(frozen=True)
class Selection:
    """Which rows are read: status 200, one of the languages, one of the media types."""

    languages: frozenset[str]
    first_only: bool  #: the language that most of the page is in, not any of the three
    media: frozenset[str]
    max_bytes: int  #: of a record as stored

    def rows(self, file: InputFile, piece: Piece) -> Iterator[Row | Damage | Note]:
        """Yield the selected rows of the row groups of a piece; the others are noted by reason."""
        for batch in parquet_rows.records(file, piece, frozenset(_COLUMNS), False):
            if not isinstance(batch, RowBatch):
                yield batch
                continue
            schema = batch.table.schema
            if problem := _problem(schema):
                yield batch.opened.damage("index_columns", batch.group, problem)
                return
            yield from self._selected(batch)

    def _selected(self, batch: RowBatch) -> Iterator[Row | Damage | Note]:
        table = batch.table.append_column("row", pa.array(range(batch.table.num_rows)))
        for what, test in (
            ("index: other status", self._is_good),
            ("index: other language", self._is_language),
            ("index: other media type", self._is_media),
        ):
            kept = table.filter(test(table))
            if kept.num_rows < table.num_rows:
                yield Note(what, table.num_rows - kept.num_rows)
            table = kept
        places = (table.column(name).to_pylist() for name in ("row", *_PLACE))
        for number, path, offset, length in zip(*places):
            if problem := self._wrong(path, offset, length):
                what = f"row {batch.group}:{batch.first_row + number}: {problem}"
                yield batch.opened.damage("index_row", batch.group, what)
            else:
                yield Row(path, offset, length)

    def _is_good(self, table: pa.Table) -> Any:
        return pc.equal(pc.cast(table.column(_STATUS), pa.int64(), safe=False), 200)

    def _is_language(self, table: pa.Table) -> Any:
        any_of = "|".join(sorted(self.languages))
        begin = "^" if self.first_only else "(^|,)"
        return pc.match_substring_regex(_text(table, _LANGUAGES), f"{begin}({any_of})(,|$)")

    def _is_media(self, table: pa.Table) -> Any:
        return pc.is_in(_text(table, _MEDIA), pa.array(sorted(self.media), pa.string()))

    def _wrong(self, path: str | None, offset: int | None, length: int | None) -> str:
        """Return what is wrong with a place, or the empty string."""
        if path is None or not is_safe(path):
            return f"{str(path)[:200]!r} is no path below the base"
        if offset is None or length is None or not 0 <= offset < _MOST_OFFSET or length <= 0:
            return f"offset {offset} and length {length} are no byte range"
        if length > self.max_bytes:
            return f"a record of {length} bytes, above {self.max_bytes}"
        return ""


def _problem(schema: pa.Schema) -> str:
    """Return why a file is no index that states languages and places, or the empty string."""
    for name in _COLUMNS:
        kind = column_type(schema, name)
        if kind is None:
            old = ": crawls before CC-MAIN-2018-39 have none" if name == _LANGUAGES else ""
            return f"the index has no column {name}{old}"
        is_number = name in (_STATUS, *_PLACE[1:])
        right = pa.types.is_integer(kind) if is_number else _is_string(kind)
        if not right:
            return f"column {name} is {str(kind)[:100]}"
    return ""


def _is_string(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind))


def _text(table: pa.Table, name: str) -> Any:
    return whole(table.column(name)).cast(pa.string())


class Places:
    """The places of the rows that a task has read, exactly, in eight bytes each.

    An index that names far more files or records than any of Common Crawl makes it begin
    anew, so that no index fills the memory.
    """

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._seen: npt.NDArray[np.int64] = np.empty(0, np.int64)  # sorted

    def new(self, rows: Iterable[Row]) -> tuple[list[Row], Skip | None]:
        """Return rows sorted by place, each once, and a count of those that stood there before."""
        given = sorted(rows)
        if len(self._files) + len(given) > _MOST_FILES or len(self._seen) > _MOST_PLACES:
            self._files, self._seen = {}, self._seen[:0]
        numbers = [self._files.setdefault(row.file, len(self._files)) for row in given]
        offsets = np.array([row.offset for row in given], np.int64)
        places = np.array(numbers, np.int64) * _MOST_OFFSET + offsets
        firsts = np.sort(np.unique(places, return_index=True)[1])
        starts, ends = (self._seen.searchsorted(places[firsts], side) for side in ("left", "right"))
        firsts = firsts[starts == ends]
        self._seen = np.sort(np.concatenate([self._seen, places[firsts]]), kind="stable")
        repeated = len(given) - len(firsts)
        return [given[at] for at in firsts], Skip("repeated_row", repeated) if repeated else None


def ranges(rows: Iterable[Row]) -> Iterator[Range]:
    """Yield sorted rows in ranges: those at most GAP apart together, up to MOST bytes.

    >>> [len(one.rows) for one in ranges([Row("a", 0, 9), Row("a", 900, 9), Row("b", 0, 9)])]
    [2, 1]
    """
    taken: list[Row] = []
    end = 0
    for row in rows:
        after = row.offset + row.length
        joins = taken and row.file == taken[0].file and row.offset <= end + GAP
        if taken and not (joins and after - taken[0].offset <= MOST):
            yield Range(taken[0].file, taken[0].offset, end, taken)
            taken, end = [], 0
        taken.append(row)
        end = max(end, after)
    if taken:
        yield Range(taken[0].file, taken[0].offset, end, taken)
