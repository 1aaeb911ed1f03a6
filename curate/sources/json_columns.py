"""Runs of JSON lines as tables of documents: most lines by a kernel, the others by the caller.

What a line means is defined by the careful reader (:mod:`curate.sources.jsonl`). The kernel takes
the lines of which it knows that the answer is the same, and that is most of them; the careful
reader gets each of the others, in its place, and whole runs where they are many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.sources import fields, json_kernel, json_objects, json_types
from curate.sources.base import DocumentTable, Note, Record, Skip
from curate.sources.columns import Columns
from curate.sources.json_kernel import (
    BLANK,
    CAREFUL,
    CHECKED,
    FALSE,
    FRACTION,
    INTEGER,
    JSON,
    NULL,
    NULL_TEXT,
    STRING,
    TEXT,
    TRUE,
)
from curate.sources.streams import Run

#: One careful line in so many makes its whole run careful: a table is cut at each of them.
_FEW = 16
#: The column of the fields that no other has, and that of those that nobody wants.
_META, _UNWANTED = 1, 2
_ANY = 255
_EXACT = 2**53


class _Column(NamedTuple):
    name: str  #: of the column
    type: pa.DataType
    way: int = JSON
    kinds: int = _ANY


class Fields(NamedTuple):
    """What is read from records: the names of fields, and how the others are kept."""

    text: str
    id: str | None
    url: str | None
    date: str | None
    license: str | None
    meta: tuple[str, ...] | None
    passed: Columns | None
    as_json: tuple[str, ...]

    @property
    def are_plain(self) -> bool:
        """Whether each name is one field of a record, and no two options name the same."""
        names = [self.text, *filter(None, (self.url, self.date, self.license))]
        steps = [*names, self.id or self.text]
        return (
            len(set(names)) == len(names)
            and self.id != self.text
            and not any("." in name or name == "*" for name in steps)
        )


class _Found(NamedTuple):
    """What the kernel found in a run."""

    lines: np.ndarray  #: of each line its first byte, its length, and what it is
    rows: np.ndarray  #: of each document the number of its line
    table: pa.Table
    noted: int  #: fields that stay in ``meta`` because they have no one type


class Reader:
    """Reads runs of lines. ``careful`` yields the records of a run that is not for the kernel."""

    def __init__(
        self, wanted: Fields, longest: int, careful: Callable[[Run], Iterable[Record]]
    ) -> None:
        self._longest = longest
        self._careful = careful
        self._columns = [
            _Column("text", pa.large_string(), TEXT, STRING | NULL),
            _Column("meta", pa.large_string(), CHECKED),
            _Column("", pa.large_string()),
        ]
        targets = {wanted.text: [0]}
        self._add(targets, wanted.url, _Column("url", pa.string(), TEXT, STRING | NULL))
        self._add(targets, wanted.license, _Column("license", pa.string(), TEXT, STRING | NULL))
        self._add(targets, wanted.date, _Column("date", pa.timestamp("us", tz="UTC")))
        if wanted.passed is not None:
            for name, new in wanted.passed.names:
                if name != wanted.text:
                    kind = wanted.passed.carried.field(new).type
                    self._add(targets, name, _column(new, kind))
        others = [_META if wanted.meta is None else _UNWANTED]
        kept = wanted.meta or ()
        for name in filter(None, (wanted.id, *wanted.as_json, *kept)):
            targets.setdefault(name, [_META] if name in kept else [*others])
        self._own_id = None
        if wanted.id:
            self._own_id = len(self._columns)
            targets[wanted.id].insert(0, self._own_id)
            self._columns.append(_Column("", pa.large_string()))
        encoded = [name.encode("utf-8", "surrogatepass") for name in targets]
        width = max(map(len, targets.values())) + 1
        places = [row + [-1] * (width - len(row)) for row in [*targets.values(), others]]
        self._names = (
            np.frombuffer(b"".join(encoded) + b"\0", np.uint8),
            np.cumsum([0, *map(len, encoded)], dtype=np.int64),
            np.array(places, np.int64),
            np.array([n in wanted.as_json and n != wanted.text for n in targets], np.int64),
            np.array([column.way for column in self._columns], np.int64),
            np.array([column.kinds for column in self._columns], np.int64),
        )

    def _add(self, targets: dict[str, list[int]], name: str | None, column: _Column) -> None:
        if name:
            targets.setdefault(name, []).append(len(self._columns))
            self._columns.append(column)

    def read(self, run: Run) -> Iterator[Record]:
        """Yield the documents of a run, in order, and what else its lines are."""
        found = None if json_objects.is_complex(run.data) else self._read(run)
        careful = np.flatnonzero(found.lines[:, 2] == CAREFUL) if found else None
        few = 1 + len(found.lines) // _FEW if found and len(found.lines) > 1 else 0
        if found is None or careful is None or len(careful) > few:
            yield from self._careful(run)
            return
        done = 0
        for line, row in zip(careful.tolist(), np.searchsorted(found.rows, careful).tolist()):
            if row > done:
                yield DocumentTable(found.table.slice(done, row - done))
                done = row
            begin, length, _ = found.lines[line].tolist()
            yield from self._careful(Run(run.offset + begin, run.data[begin : begin + length]))
        if len(found.rows) > done:
            yield DocumentTable(found.table.slice(done))
        for status, reason in ((BLANK, "blank_line"), (NULL_TEXT, "null_text")):
            if count := int(np.count_nonzero(found.lines[:, 2] == status)):
                yield Skip(reason, count)
        if found.noted:
            yield Note("column_as_json", found.noted)

    def _read(self, run: Run) -> _Found | None:
        """Return what the kernel finds in a run; None if a value fits no column of its kind."""
        data = run.data if run.data.endswith(b"\n") else run.data + b"\n"
        n_lines, n_columns = data.count(b"\n"), len(self._columns)
        out = np.empty(n_columns * len(data), np.uint8)
        offsets = np.zeros((n_columns, n_lines + 1), np.int64)
        valid = np.empty((n_columns, n_lines), np.uint8)
        lines, rows = np.empty((n_lines, 3), np.int64), np.empty((n_lines, 2), np.int64)
        fractions, counts = np.empty((len(data) // 8, 3), np.int64), np.empty(2, np.int64)
        json_kernel.read_lines(
            np.frombuffer(data, np.uint8), self._longest, *self._names, _META,
            out, offsets, valid, lines, rows, fractions, counts,
        )  # fmt: skip
        n_rows, n_fractions = counts.tolist()
        rows, noted = rows[:n_rows].T
        spans = fractions[:n_fractions]
        odd = set(spans[_differ(data, spans), 2].tolist())
        locators = lines[rows, 0] + run.offset
        columns: dict[str, pa.Array] = {}
        try:
            for c, column in enumerate(self._columns):
                stored = pa.Array.from_buffers(
                    pa.large_string(),
                    n_rows,
                    [
                        pa.py_buffer(np.packbits(valid[c, :n_rows], bitorder="little")),
                        pa.py_buffer(offsets[c, : n_rows + 1]),
                        pa.py_buffer(out[c * len(data) :][: offsets[c, n_rows]]),
                    ],
                )
                if c == _UNWANTED:
                    continue
                if c == self._own_id:
                    own = map(fields.with_own_id, map(str, locators.tolist()), _values(stored))
                    columns["locator"] = pa.array(own, pa.string())
                else:
                    columns[column.name] = _converted(stored, column, odd)
        except (pa.ArrowInvalid, OverflowError):
            return None
        columns.setdefault("locator", pa.array(locators).cast(pa.string()))
        table = pa.table(columns)
        if odd:
            places = np.array(sorted(odd))
            lines[rows[places], 2] = CAREFUL
            rows, noted = np.delete(rows, places), np.delete(noted, places)
            table = table.take(np.delete(np.arange(n_rows), places))
        return _Found(lines, rows, table, int(noted.sum()))


def _column(name: str, kind: pa.DataType) -> _Column:
    """Return how a column that passes through is read."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _Column(name, kind, TEXT, STRING | NULL)
    if pa.types.is_boolean(kind):
        return _Column(name, kind, JSON, TRUE | FALSE | NULL)
    if kind == pa.int64():
        return _Column(name, kind, JSON, INTEGER | NULL)
    if kind == pa.float64():
        return _Column(name, kind, JSON, INTEGER | FRACTION | NULL)
    return _Column(name, kind)


def _converted(stored: pa.LargeStringArray, column: _Column, odd: set[int]) -> pa.Array:
    """Return a column in its type; add the rows with a value that is not of it to ``odd``.

    Raise ArrowInvalid for a number that the type does not hold.
    """
    if column.name == "date":
        values = _values(stored)
        dates = list(map(fields.microseconds, values))
        odd.update(
            row
            for row, (value, date) in enumerate(zip(values, dates))
            if date is None and value is not None
        )
        return pa.array(dates, column.type)
    if column.kinds != _ANY:
        made = stored.cast(column.type)
        if column.type == pa.float64():
            # A double need not hold a larger integer, and the text may have been one.
            odd.update(np.flatnonzero(pc.greater(pc.abs(made).fill_null(0), _EXACT)).tolist())
        return made
    if column.way == CHECKED:
        return stored
    values = _values(stored)
    fit = json_types.fits(column.type)
    for row, value in enumerate(values):
        if not fit(value):
            odd.add(row)
            values[row] = None
    return pa.array(values, column.type)


def _values(stored: pa.LargeStringArray) -> list[Any]:
    """Return values of JSON, None where there are none."""
    found: list[Any] = json.loads("[" + ",".join(pc.fill_null(stored, "null").to_pylist()) + "]")
    return found


def _differ(data: bytes, spans: np.ndarray) -> np.ndarray:
    """Return where numbers are written otherwise than Python writes them."""
    texts = [data[start:end].decode() for start, end in zip(*spans[:, :2].T.tolist())]
    written = list(map(repr, map(float, texts)))
    if texts == written:
        return np.zeros(0, np.int64)
    return np.flatnonzero([one != other for one, other in zip(texts, written)])
