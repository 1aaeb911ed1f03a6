"""Rows of untrusted Parquet files, validated, a few hundred at a time.

A Parquet footer may name Arrow extension types, and a process that has registered such a type (Ray
Data does) may run code of the file's choice while the schema is built. So pyarrow gets a footer
that names none: such a column is read in the type in which it is stored, if anybody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import nearest
from curate.schema import whole
from curate.sources import fields, row_sizes
from curate.sources.base import Damage, InputFile, Note, Piece
from curate.sources.columns import plain as plain_type
from curate.sources.json_objects import CAP, MAX_PARTS
from curate.sources.parquet_footer import (
    RowGroup,
    fields_claimed,
    row_groups,
    without_extension_types,
)
from curate.sources.streams import FREE, MAX_RATIO

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_MAX_FOOTER = 256 * 1024 * 1024
#: Rows that are decoded at a time.
_ROWS = 256
#: Bytes of a row group, uncompressed, up to which its columns are read as a whole; of larger ones
#: this many stored bytes of each column are in memory.
_AT_ONCE, _BY_PARTS = 128 << 20, 4 << 20
#: What a row, or a value of a list, counts of memory at least: a run of 10^9 nulls is stored in a
#: few bytes.
_VALUE_BYTES = 8
#: Columns, and fields in all of them: what the footer of so many takes once it is parsed.
MAX_COLUMNS, _MAX_FIELDS = 10_000, 40_000


@dataclass(frozen=True)
class OpenParquet:
    """An open file, and its footer as stored."""

    reader: pq.ParquetFile
    footer: bytes
    size: int

    @property
    def largest_group(self) -> int:
        """The bytes of the largest row group, uncompressed."""
        metadata = self.reader.metadata
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return max((group.total_byte_size for group in groups), default=0)

    def stored(self, group: int) -> int:
        """Return the stored bytes of a row group, as the footer claims; at most the file's."""
        return min(self.size, self._place(group)[1])

    @cached_property
    def _groups(self) -> list[RowGroup]:
        return row_groups(self.footer, self.size)

    def in_lists(self, group: int, columns: Iterable[str]) -> int:
        """Return how many values beyond one for each row the footer claims for columns."""
        stated = self._groups[group].in_lists if group < len(self._groups) else {}
        names = {name.encode() for path in columns for name in (path, path.partition(".")[0])}
        return sum(count for name, count in stated.items() if name in names)

    def damage(self, reason: str, group: int, error: str) -> Damage:
        """Return damage of a row group, or of the whole file if the footer has no place for it."""
        return Damage(reason, *self._place(group), error)

    def _place(self, group: int) -> tuple[int, int]:
        return self._groups[group][:2] if group < len(self._groups) else (0, self.size)


class RowBatch(NamedTuple):
    """Some rows of a row group."""

    opened: OpenParquet
    group: int
    first_row: int
    table: pa.Table


def as_objects(
    batch: RowBatch, columns: Iterable[str], most_bytes: int | None = None
) -> Iterator[RowBatch | Damage]:
    """Yield a batch in parts small enough to make Python objects of those columns.

    A row is damage that has more than MAX_PARTS lists, objects and values in them
    (``too_complex``), or more than ``most_bytes`` (64 MiB) of text (``too_large``).
    """
    most_bytes = CAP if most_bytes is None else most_bytes
    parts = np.zeros(batch.table.num_rows, np.int64)
    sizes = parts.copy()
    for name in columns:
        values = whole(batch.table.column(name))
        parts += row_sizes.parts(values)
        sizes += row_sizes.text_bytes(values)
    if parts.sum() <= MAX_PARTS // 8 and sizes.sum() <= CAP // 8:
        yield batch
        return
    begin = some_parts = some_bytes = 0
    for row in range(len(parts)):
        is_complex, is_large = parts[row] > MAX_PARTS, sizes[row] > most_bytes
        is_damage = is_complex or is_large
        some_parts, some_bytes = some_parts + parts[row], some_bytes + sizes[row]
        if row > begin and (is_damage or some_parts > MAX_PARTS // 8 or some_bytes > CAP // 8):
            yield _part(batch, begin, row)
            begin, some_parts, some_bytes = row, parts[row], sizes[row]
        if is_damage:
            reason = "too_complex" if is_complex else "too_large"
            what = f"more than {MAX_PARTS} lists, objects and values"
            what = (
                what if is_complex else f"{sizes[row]} bytes of text in columns that become objects"
            )
            what = f"row {batch.group}:{batch.first_row + row}: {what}"
            yield batch.opened.damage(reason, batch.group, what)
            begin, some_parts, some_bytes = row + 1, 0, 0
    if begin < batch.table.num_rows:
        yield _part(batch, begin, batch.table.num_rows)


def _part(batch: RowBatch, begin: int, end: int) -> RowBatch:
    opened, group, first, table = batch
    return RowBatch(opened, group, first + begin, table.slice(begin, end - begin))


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a Parquet file into runs of row groups of about ``target_bytes`` of the file each."""
    with file.open() as handle:
        opened = open_parquet(handle, file.size)
        if isinstance(opened, Damage):
            return [Piece(0, file.size)]
        metadata = opened.reader.metadata
        sizes = [
            max(1, metadata.row_group(i).total_byte_size) for i in range(metadata.num_row_groups)
        ]
    total = sum(sizes)
    edges, piece_bytes = [0], 0
    for group, plain in enumerate(sizes):
        stored = plain * file.size // total  # its share of the file is its share before compression
        if piece_bytes and piece_bytes + stored > target_bytes:
            edges.append(group)
            piece_bytes = 0
        piece_bytes += stored
    return [Piece(start, end) for start, end in pairwise([*edges, max(len(sizes), 1)])]


def batches(
    file: InputFile,
    piece: Piece,
    columns: tuple[str, ...],
    text: str,
    present: frozenset[str] = frozenset(),
) -> Iterator[RowBatch | Damage | Note]:
    """Yield the rows of a piece's row groups, fully validated.

    ``*`` among ``columns`` means all others too. ``text`` names the column that must exist and
    contain strings. Other columns that the file does not have, or whose bytes cannot be read, are
    left out, and their rows noted. Those of ``present`` are read where the file has them.
    """
    needed = frozenset((text, text.partition(".")[0]))
    yield from _batches(file, piece, columns, text, needed, present)


def records(
    file: InputFile, piece: Piece, needed: frozenset[str], others: bool
) -> Iterator[RowBatch | Damage | Note]:
    """Yield rows as :func:`batches` does, of those columns of ``needed`` that the file has.

    With ``others`` all other columns are read too; where one cannot be, its rows are noted.
    """
    yield from _batches(file, piece, None if others else needed, None, needed)


def _batches(
    file: InputFile,
    piece: Piece,
    columns: tuple[str, ...] | frozenset[str] | None,
    text: str | None,
    needed: frozenset[str],
    present: frozenset[str] = frozenset(),
) -> Iterator[RowBatch | Damage | Note]:
    """Read columns in their order, all that a set of names has, or (None) all."""
    with _opened(file) as opened:
        if isinstance(opened, Damage):
            if not piece.start:
                yield opened
            return
        if isinstance(columns, frozenset):
            columns = tuple(name for name in opened.reader.schema_arrow.names if name in columns)
        elif columns is not None and present:
            found = opened.reader.schema_arrow
            also = [name for name in sorted(present) if column_type(found, name) is not None]
            columns = tuple(dict.fromkeys((*columns, *also)))
        problem = _refusal(opened.reader.schema_arrow, columns, text)
        if problem:
            if not piece.start:
                yield Damage(problem[0], 0, file.size, problem[1])
            return
        for group in range(piece.start, min(piece.end, opened.reader.metadata.num_row_groups)):
            yield from _group(opened, group, columns, needed)


@contextmanager
def _opened(file: InputFile) -> Iterator[OpenParquet | Damage]:
    """Open a file so that what is in memory does not grow with its row groups."""
    with file.open() as handle:
        opened = open_parquet(handle, file.size)
        if isinstance(opened, Damage) or opened.largest_group <= _AT_ONCE:
            yield opened
            return
    with file.open(ahead=False) as handle:
        yield open_parquet(handle, file.size, by_parts=True)


def open_parquet(handle: IO[bytes], size: int, *, by_parts: bool = False) -> OpenParquet | Damage:
    """Read a file's footer. With ``by_parts`` columns are read in parts, else as a whole."""
    if size < 12:
        return Damage("truncated", 0, size, f"{size} bytes are no Parquet file")
    handle.seek(size - 8)
    tail = handle.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] == _ENCRYPTED:
        what = "the file is encrypted: decrypt it first, with the key of its owner"
        return Damage("encrypted", 0, size, what, tail)
    if tail[4:] != _MAGIC:
        return Damage("truncated", 0, size, "the file does not end like a Parquet file", tail)
    if length > min(size - 12, _MAX_FOOTER):
        return Damage("bad_footer", size - 8, 8, f"a footer of {length} bytes", tail)
    handle.seek(size - 8 - length)
    footer = handle.read(length)
    columns, all_fields = fields_claimed(footer)
    if columns > MAX_COLUMNS or all_fields > _MAX_FIELDS:
        what = f"{columns} columns of {all_fields} fields, more than {MAX_COLUMNS} of {_MAX_FIELDS}"
        return Damage("too_many_columns", 0, size, what)
    try:
        plain = without_extension_types(footer)
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + plain + tail))
        # Types of Parquet itself (UUID, JSON) would become extension types, too.
        reader = pq.ParquetFile(
            handle,
            metadata=metadata,
            page_checksum_verification=True,
            arrow_extensions_enabled=False,
            buffer_size=_BY_PARTS if by_parts else 0,
            pre_buffer=not by_parts,
        )
        return OpenParquet(reader, footer, size)
    except Exception as error:
        return Damage("bad_footer", size - 8 - length, length, _one_line(error), footer[:4096])


def _refusal(
    schema: pa.Schema, columns: tuple[str, ...] | None, text: str | None
) -> tuple[str, str] | None:
    """Return the reason and the error why the file cannot be read, or None."""
    if len(schema) > MAX_COLUMNS:
        return "too_many_columns", f"{len(schema)} columns, more than {MAX_COLUMNS}"
    named = [name for name in columns or () if name != "*"]
    every = schema.names if columns is None or "*" in columns else []
    for path in dict.fromkeys((*named, *every)):
        kind = column_type(schema, path)
        if kind is None and path == text:
            return "missing_text", f"no column '{path}': {nearest_column(path, schema.names)}"
        if len(schema.get_all_field_indices(path.partition(".")[0])) > 1:
            return "duplicate_column", f"two columns are named '{path}'"
        if path == text and kind is not None and not is_text(kind):
            return "text_not_string", f"column '{path}' is {str(kind)[:200]}"
    return None


def nearest_column(path: str, names: list[str]) -> str:
    """Return a hint that names the column most like one that is not there."""
    return nearest(path, map(fields.shown, names[:1000]))[:300] if names else "there are no columns"


def column_type(schema: pa.Schema, path: str) -> pa.DataType | None:
    """Return the type of a column, or of a field of its structs; None where there is none."""
    if path in schema.names:
        return schema.field(schema.get_all_field_indices(path)[0]).type
    first, _, rest = path.partition(".")
    if not rest or first not in schema.names:
        return None
    kind = schema.field(schema.get_all_field_indices(first)[0]).type
    for step in rest.split("."):
        if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
            return None
        kind = kind.field(kind.get_field_index(step)).type
    return kind


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of a type may contain text: strings of any kind, or their bytes."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_null(kind)
    )


def _group(
    opened: OpenParquet, group: int, columns: tuple[str, ...] | None, needed: frozenset[str]
) -> Iterator[RowBatch | Damage | Note]:
    schema = opened.reader.schema_arrow
    named = [name for name in columns or () if name != "*"]
    every = schema.names if columns is None or "*" in columns else []
    names = dict.fromkeys((*named, *every))
    row_count = opened.reader.metadata.row_group(group).num_rows
    left_out = [name for name in names if column_type(schema, name) is None]
    if left_out and row_count:
        yield Note("missing_column", row_count)
    done = plain = 0
    allowed = max(FREE, MAX_RATIO * opened.stored(group))
    in_lists = opened.in_lists(group, names)
    if _VALUE_BYTES * in_lists > allowed:  # known before a row of them is in memory as a whole
        what = f"row group {group} has {in_lists} values in lists, over {MAX_RATIO} times its size"
        yield opened.damage("bomb", group, what)
        return
    while True:
        readable = [name for name in names if name not in left_out]
        try:
            for table in _tables(opened, group, readable, done):
                first, done = done, done + table.num_rows
                for item in _valid_rows(RowBatch(opened, group, first, table), needed):
                    plain += _plain_bytes(item.table) if isinstance(item, RowBatch) else 0
                    if plain > allowed:
                        what = f"row group {group} holds over {MAX_RATIO} times what is stored"
                        what = f"{what}, from row {first} on"
                        yield opened.damage("bomb", group, what)
                        return
                    yield item
            break
        except Exception as error:
            broken = [name for name in readable if not _can_be_read(opened, group, name)]
            if not broken or needed.intersection(broken):
                # Where only the owner of a key can read a column, pyarrow says so in many ways.
                reason = "encrypted" if "ecrypt" in str(error) else "corrupt"
                what = f"row group {group}, from row {done} on: {_one_line(error)}"
                yield opened.damage(reason, group, what)
                return
            yield Note("damaged_column", row_count - done)
            left_out += broken
    if done != row_count:
        what = f"row group {group} holds {done} rows and claims {row_count}"
        yield opened.damage("row_count", group, what)


def _tables(
    opened: OpenParquet, group: int, columns: list[str], skipped_rows: int
) -> Iterator[pa.Table]:
    views: list[tuple[int, pa.DataType]] | None = None  # of which Arrow cannot take rows
    stream = opened.reader.iter_batches(
        # A dictionary makes a row as large as its largest value, whatever the encoded size is.
        batch_size=max(1, min(_ROWS, opened.reader.metadata.row_group(group).num_rows)),
        row_groups=[group],
        columns=columns,
        use_threads=False,
    )
    for part in stream:
        table = pa.Table.from_batches([part])
        table.validate()
        if views is None:
            kinds = enumerate(table.schema.types)
            views = [(place, plain_type(kind)) for place, kind in kinds if "_view" in str(kind)]
        for place, kind in views:
            table = table.set_column(
                place, table.column_names[place], table.column(place).cast(kind)
            )
        if table.num_rows > skipped_rows:
            yield table.slice(skipped_rows)
        skipped_rows = max(0, skipped_rows - table.num_rows)


def _plain_bytes(table: pa.Table) -> int:
    """Return the bytes of valid rows, each with its own copy of a dictionary's value, and 8 more.

    Nulls count too: a row group of 10^9 takes a few kilobytes.
    """
    total: int = _VALUE_BYTES * table.num_rows
    for column in table.columns:
        total += column.nbytes
        if pa.types.is_dictionary(column.type) and _has_length(column.type.value_type):
            for part in column.chunks:
                lengths = pc.binary_length(part.dictionary).take(part.indices)
                total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    return total


def _has_length(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def _can_be_read(opened: OpenParquet, group: int, name: str) -> bool:
    try:
        for _ in _tables(opened, group, [name], 0):
            pass
    except Exception:
        return False
    return True


def _valid_rows(batch: RowBatch, needed: frozenset[str]) -> Iterator[RowBatch | Damage | Note]:
    """Validate a batch fully. An invalid string costs its row if it is in a column needed."""
    if _is_valid(batch.table):
        if batch.table.num_rows:
            yield batch
        return
    batch, note = _without_invalid(batch, needed)
    if note.count:
        yield note
    opened, group, first, table = batch
    begin = 0
    for row in range(table.num_rows):
        if not _is_valid(table.take([row])):
            if row > begin:
                yield _part(batch, begin, row)
            what = f"row {group}:{first + row} has a string that is not UTF-8"
            yield opened.damage("invalid_utf8", group, what)
            begin = row + 1
    if begin < table.num_rows:
        yield _part(batch, begin, table.num_rows)


def _is_valid(values: Any) -> bool:
    # A slice of a struct does not do: what it contains is validated as a whole.
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _without_invalid(batch: RowBatch, needed: frozenset[str]) -> tuple[RowBatch, Note]:
    """Return a batch in which invalid values outside of columns needed are null, and a count."""
    table, count = batch.table, 0
    for place, name in enumerate(table.column_names):
        values = table.column(place)
        if name in needed or _is_valid(values):
            continue
        valid = [_is_valid(values.take([row])) for row in range(len(values))]
        count += valid.count(False)
        nulls = pa.scalar(None, values.type)
        table = table.set_column(place, name, pc.if_else(pa.array(valid), values, nulls))
    return batch._replace(table=table), Note("damaged_fields", count)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
