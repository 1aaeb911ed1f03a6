"""Rows of a sidecar: the key of a document, and the values of columns for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, ResourceError
from curate.sources import fields, json_objects, json_types, parquet_rows
from curate.sources.base import Damage, InputFile, Note, Piece, Skip, safe_in_id
from curate.sources.columns import plain
from curate.sources.files import identity
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet, column

#: The name of the key among the columns whose types are looked for; no column can have it.
KEY = "#key"
#: Records of JSON lines in a table.
_ROWS = 10_000


def typed(
    format: str, files: Sequence[InputFile], key: str, columns: Mapping[str, str]
) -> dict[str, pa.DataType | None]:
    """Return the types of the columns and, as `KEY`, of the key; RecipeError for one that lacks."""
    chosen = {KEY: key, **columns}
    if format == "jsonl":
        return Jsonl("", columns=chosen).typed_columns(files)
    for file in files:
        with file.open() as handle:
            opened = parquet_rows.open_parquet(handle, file.size)
        if isinstance(opened, Damage):
            raise RecipeError(f"{file.name} cannot be read: {opened.error}")
    return Parquet("", columns=chosen).typed_columns(files)


def is_key(kind: pa.DataType | None, by: str) -> bool:
    """Return whether a type can hold keys: texts, integers for own ids, bytes for hashes.

    None is that of JSON values of several types: own ids are texts and integers in one file.
    """
    types = pa.types
    if kind is None:
        return by == "own_id"
    kind = plain(kind)
    texts = (types.is_string, types.is_large_string, types.is_null)
    hashes = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    more = {"id": (), "url": (), "own_id": (types.is_integer,)}.get(by, hashes)
    return any(test(kind) for test in (*texts, *more))


@dataclass(frozen=True)
class SidecarFiles:
    """The files of a sidecar, cut into pieces, and what is taken from them."""

    name: str
    format: str
    by: str
    key: str  #: the field of the key
    columns: tuple[tuple[str, str], ...]  #: names, and their fields
    files: tuple[InputFile, ...]
    identities: tuple[str, ...]  #: of the files
    pieces: tuple[tuple[int, Piece], ...]  #: numbers of files, and pieces of them
    encoded: bytes  #: the types in which the columns travel, as an Arrow schema

    @cached_property
    def values(self) -> pa.DataType:
        """The type of a row's values: a struct with the columns."""
        return pa.struct(list(pa.ipc.read_schema(pa.py_buffer(self.encoded))))

    def read(self, number: int) -> Iterator[pa.Table]:
        """Yield the rows of a piece: ``key`` (text, or null), ``values``, ``unfit``.

        ``unfit`` counts the values of the row that are null because they do not fit their type.
        Raise ResourceError where a record cannot be read, or the file is not what was planned.
        """
        file, piece = self.pieces[number]
        yield from self._rows(self.files[file], piece)
        now = identity(self.files[file], listed=False)
        if now != self.identities[file]:
            raise ResourceError(
                f"the sidecar '{self.name}' changed while the run was reading it",
                where=self.files[file].path,
                hint="when it is complete, run again with --resume",
            )

    def _rows(self, file: InputFile, piece: Piece) -> Iterator[pa.Table]:
        try:
            tables = self._parquet if self.format == "parquet" else self._json
            for keys, values, unfit in tables(file, piece):
                key = _as_keys(keys, self.by)
                columns = {"key": key, "values": values, "unfit": unfit.cast(pa.int32())}
                yield pa.table(columns)
        except OSError as error:
            raise ResourceError(
                f"the sidecar '{self.name}' cannot be read: {error.strerror or error}",
                where=file.path,
            ) from error

    def _parquet(self, file: InputFile, piece: Piece) -> Iterator[tuple[Any, Any, Any]]:
        paths = [self.key, *(path for _, path in self.columns)]
        wanted = frozenset((*paths, *(path.partition(".")[0] for path in paths)))
        for batch in parquet_rows.records(file, piece, wanted, False):
            if isinstance(batch, Damage | Note):
                raise self._unreadable(file, batch)
            table = batch.table
            kept = [
                column(table, path).cast(self.values.field(name).type)
                for name, path in self.columns
            ]
            values = pa.StructArray.from_arrays(kept, fields=list(self.values))
            yield column(table, self.key), values, pa.repeat(0, table.num_rows)

    def _json(self, file: InputFile, piece: Piece) -> Iterator[tuple[Any, Any, Any]]:
        checks = [
            (name, path, json_types.fits(self.values.field(name).type))
            for name, path in self.columns
        ]
        records = json_objects.objects(file, piece)
        while items := list(islice(records, _ROWS)):
            keys: list[object] = []
            rows: list[dict[str, object]] = []
            unfit: list[int] = []
            for item in items:
                if isinstance(item, Skip):
                    continue
                if isinstance(item, Damage):
                    raise self._unreadable(file, item)
                keys.append(_of_json(fields.at(item.record, self.key)))
                found = [(n, fields.at(item.record, path), fit) for n, path, fit in checks]
                held = {n: v for n, v, fit in found if v is not fields.MISSING and fit(v)}
                rows.append(held)
                unfit.append(sum(v is not fields.MISSING for _, v, _ in found) - len(held))
            yield pa.array(keys, pa.string()), pa.array(rows, self.values), pa.array(unfit)

    def _unreadable(self, file: InputFile, damage: Damage | Note) -> ResourceError:
        if isinstance(damage, Note):
            what = damage.what
        else:
            what = f"{damage.reason} at byte {damage.offset}: {damage.error[:200]}"
        return ResourceError(
            f"the sidecar '{self.name}' has a record that cannot be read: {what}",
            where=file.path,
            hint="repair the file, then run again with --resume",
        )


def _of_json(key: object) -> str | None:
    if isinstance(key, str):
        return key
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else None


def _as_keys(keys: Any, by: str) -> pa.LargeStringArray:
    """Return keys in the form that those of documents have."""
    kind = plain(keys.type)
    if keys.type != kind:
        keys = keys.cast(kind)
    types = pa.types
    if by in ("id", "url"):
        return keys.cast(pa.large_string())
    if by == "own_id":
        own = keys.cast(pa.string()).to_pylist()
        return pa.array(
            [None if k is None else safe_in_id(k[:256]) for k in own], pa.large_string()
        )
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return pc.utf8_lower(pc.utf8_trim_whitespace(keys.cast(pa.large_string())))
    return pa.array([None if k is None else k.hex() for k in keys.to_pylist()], pa.large_string())


def split(format: str, file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a file of a sidecar as one of a source."""
    if file.size <= target_bytes:
        return [Piece(0, file.size)]
    cut = parquet_rows.split if format == "parquet" else json_objects.split
    return cut(file, target_bytes)


def format_of(files: Iterable[InputFile], stated: str | None, where: str) -> str:
    """Return the format of a sidecar: as stated, else by the endings of its files."""
    if stated is not None:
        return stated
    found = {_format(file.name.lower()) for file in files}
    if len(found) == 1 and (one := found.pop()):
        return one
    raise RecipeError(
        "the endings of the files do not say one format",
        where=where,
        hint='format = "parquet" or format = "jsonl"',
    )


#: What a folder of a sidecar is searched for.
SUFFIXES = {"parquet": (".parquet", ".pq"), "jsonl": json_objects.SUFFIXES}


def suffixes(stated: str | None) -> tuple[str, ...]:
    """Return the endings that a folder is searched for, of one format or of all."""
    return tuple(s for format, some in SUFFIXES.items() if stated in (None, format) for s in some)


def _format(name: str) -> str | None:
    return next((format for format, some in SUFFIXES.items() if name.endswith(some)), None)
