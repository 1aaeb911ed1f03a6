"""Sidecars: columns for documents from files beside the inputs, joined by a key.

A join by hash of the key, as the dedups make one: keys of documents and rows of sidecars go to the
partition of their key, and what matches goes back to the shard of the document. So each sidecar is
read once, a partition's keys and matches are all that is in memory, and the answer depends on no
order. The alternative, a sorted index of the sidecar in which each shard looks its keys up, reads
nearly all of it for each shard, because addresses and hashes are spread over it. What the join
costs is another pass over the documents, before the first stage.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.kernels.arrow import buffers
from curate.kernels.blake2b import digests
from curate.protocol.routing import integers, read_table, shard_of
from curate.protocol.stage import Barrier, Inputs, Step
from curate.schema import SIDECARS, whole
from curate.stages.verdicts import partition_of_value

#: Bytes of values that go back to documents in one table.
_TABLE_BYTES = 8 << 20
#: The columns of documents that a key is made of, by what it is; all others are hashes of the text.
_KEY_COLUMNS = {"id": "id", "own_id": "id", "url": "url"}
#: What follows the first ``~`` of the locator of an id: the id of the record itself.
_OWN_ID = "#[^#~]*~(?P<own>[^#]*)$"


class SidecarRows(Protocol):
    """The files of a sidecar, as ``sources.sidecar.SidecarFiles`` reads them."""

    @property
    def name(self) -> str:
        """The name of the sidecar in the recipe."""

    @property
    def by(self) -> str:
        """What the key is."""

    @property
    def pieces(self) -> Sequence[Any]:
        """The pieces of the files."""

    @property
    def files(self) -> Sequence[Any]:
        """The files, each with a ``name``."""

    @property
    def identities(self) -> Sequence[str]:
        """Digests that change when the files do."""

    @property
    def values(self) -> pa.StructType:
        """The type of the values of a row."""

    def read(self, number: int) -> Iterator[pa.Table]:
        """Yield the rows of a piece: ``key``, ``values``, ``unfit``."""


@dataclass(frozen=True)
class Sidecars(Barrier):
    """Fill the columns of all sidecars of a recipe; `plan/build.py` puts it first."""

    sidecars: tuple[SidecarRows, ...]
    bytes_besides: int = 0  #: of the sidecars' files
    name: str = SIDECARS

    @property
    def reads(self) -> tuple[str, ...]:
        keys = (_KEY_COLUMNS.get(sidecar.by, "text") for sidecar in self.sidecars)
        return tuple(dict.fromkeys(("id", *keys)))

    @property
    def fills(self) -> tuple[str, ...]:
        """The columns of the sidecars."""
        return tuple(each.name for sidecar in self.sidecars for each in sidecar.values)

    @property
    def input_files(self) -> Mapping[str, str]:
        """The identities of the files of all sidecars."""
        return {
            f"sidecar {sidecar.name}/{file.name}": identity
            for sidecar in self.sidecars
            for file, identity in zip(sidecar.files, sidecar.identities, strict=True)
        }

    @property
    def rewrites(self) -> tuple[str, ...]:
        """The same: they are null before."""
        return self.fills

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return the id of each row, and its key for each sidecar."""
        keys = {f"key{i}": keys_of(table, each.by) for i, each in enumerate(self.sidecars)}
        return pa.table({"id": table.column("id"), **keys})

    def steps(self) -> tuple[Step, ...]:
        """Return the steps: keys and rows to the partition of their key, then what matches back."""
        rows = tuple(f"rows{i}" for i in range(len(self.sidecars)))
        return (
            Step("keys", "shard", ("sketch",), ("keys",), self._send_keys),
            Step("rows", "partition", (), rows, self._send_rows),
            Step("join", "partition", ("keys", *rows), ("decisions", "sidecar_report"), self._join),
        )

    def _send_keys(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        for table in inputs.stream("sketch"):
            for i in range(len(self.sidecars)):
                rows = table.select(["doc", "id", f"key{i}"]).rename_columns(["doc", "id", "key"])
                number = pa.repeat(pa.scalar(i, pa.int32()), len(rows))
                yield "keys", _routed(rows.append_column("sidecar", number), inputs.partitions)

    def _send_rows(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        for i, sidecar in enumerate(self.sidecars):
            for number in range(inputs.index, len(sidecar.pieces), inputs.partitions):
                for table in sidecar.read(number):
                    yield f"rows{i}", _routed(table, inputs.partitions)

    def _join(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        keys = read_table(inputs, "keys")
        for i, sidecar in enumerate(self.sidecars):
            documents = _NO_KEYS if keys is None else keys.filter(pc.equal(keys["sidecar"], i))
            asked = documents.filter(documents.column("key").is_valid())
            counts = Counter(
                documents=len(documents), documents_without_key=len(documents) - len(asked)
            )
            wanted = pc.unique(whole(asked.column("key")))
            found = _Found(sidecar.values, len(wanted))
            for table in inputs.stream(f"rows{i}"):
                counts["rows"] += len(table)
                counts["values_that_do_not_fit"] += pc.sum(table.column("unfit")).as_py() or 0
                rows = table.filter(table.column("key").is_valid())
                counts["rows_without_key"] += len(table) - len(rows)
                found.add(rows, pc.index_in(whole(rows.column("key")), value_set=wanted))
            found.check(sidecar.name, inputs, f"rows{i}")
            counts["unmatched_rows"] = counts["rows"] - counts["rows_without_key"] - found.count
            matches = found.matches(pc.index_in(whole(asked.column("key")), value_set=wanted))
            hit = matches.is_valid()
            counts["unmatched_documents"] = len(asked) - (pc.sum(hit).as_py() or 0)
            asked, matches = asked.filter(hit), matches.drop_null()
            for start, values in found.tables(matches):
                part = asked.slice(start, len(values))
                yield "decisions", self._decided(part, i, values)
            report = {"sidecar": [sidecar.name], **{name: [counts[name]] for name in COUNTS}}
            report["part"] = [0]
            kinds = [("sidecar", pa.string()), *((name, pa.int64()) for name in COUNTS)]
            yield "sidecar_report", pa.table(report, pa.schema([*kinds, ("part", pa.int32())]))

    def _decided(self, documents: pa.Table, number: int, values: pa.Array) -> pa.Table:
        columns = {
            "doc": documents.column("doc"),
            "id": documents.column("id"),
            "sidecar": documents.column("sidecar"),
        }
        for i, sidecar in enumerate(self.sidecars):
            none = pa.nulls(len(documents), sidecar.values) if i != number else values
            columns[f"values{i}"] = none
        return pa.table(columns | {"part": shard_of(integers(documents, "doc"))})

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Fill the columns of the documents that have a row."""
        if not decisions.num_rows:
            return table
        ids = whole(table.column("id"))
        for i, sidecar in enumerate(self.sidecars):
            own = decisions.filter(pc.equal(decisions.column("sidecar"), i))
            at = pc.index_in(ids, value_set=whole(own.column("id")))
            values = whole(own.column(f"values{i}")).take(at)
            for field, column in zip(sidecar.values, values.flatten(), strict=True):
                place = table.schema.get_field_index(field.name)
                table = table.set_column(place, field, column)
        return table


#: What is counted of each sidecar.
COUNTS = (
    "documents",
    "unmatched_documents",
    "documents_without_key",
    "rows",
    "unmatched_rows",
    "rows_without_key",
    "values_that_do_not_fit",
)

_NO_KEYS = pa.schema(
    [("doc", pa.int64()), ("id", pa.string()), ("key", pa.large_string()), ("sidecar", pa.int32())]
).empty_table()


class _Found:
    """The rows of a partition that documents ask for, and the digests of the keys of all."""

    def __init__(self, values: pa.DataType, wanted: int) -> None:
        self._tables: list[pa.Array] = []
        self._values = values
        self._row_of = np.full(wanted, -1, np.int64)  #: by the number of the key that is wanted
        self._digests: list[np.ndarray] = [np.empty((0, 2), np.uint64)]
        self.count = 0

    def add(self, rows: pa.Table, number: pa.Array) -> None:
        """Add rows; ``number`` is that of their key among those wanted, null for the others."""
        self._digests.append(digests(*buffers(whole(rows.column("key")))))
        hit = rows.filter(number.is_valid())
        self._row_of[number.drop_null().to_numpy()] = np.arange(len(hit)) + self.count
        self.count += len(hit)
        if len(hit):
            self._tables.append(whole(hit.column("values")))

    def check(self, name: str, inputs: Inputs, dataset: str) -> None:
        """Raise RecipeError where two rows have one key."""
        keys = np.concatenate(self._digests)
        keys = keys[np.lexsort((keys[:, 1], keys[:, 0]))]
        again = {pair.tobytes() for pair in keys[1:][(keys[1:] == keys[:-1]).all(axis=1)]}
        if not again:
            return
        twice: set[str] = set()
        for table in inputs.stream(dataset):
            texts = table.column("key").drop_null()
            found = digests(*buffers(whole(texts)))
            twice |= {texts[at].as_py() for at, k in enumerate(found) if k.tobytes() in again}
        raise RecipeError(
            f"the sidecar '{name}' has the key '{min(twice)[:200]}' in more than one row",
            where=f"sidecars.{name}",
            hint="leave one row of each key in its files",
        )

    def matches(self, number: pa.Array) -> pa.Array:
        """Return the row of each document's key, null where there is none."""
        at = pc.fill_null(number, 0).to_numpy(zero_copy_only=False)
        rows = self._row_of[at] if len(self._row_of) else np.full(len(at), -1, np.int64)
        return pa.array(rows, mask=(rows < 0) | np.asarray(number.is_null()))

    def tables(self, rows: pa.Array) -> Iterator[tuple[int, pa.Array]]:
        """Yield the values of rows in tables of bounded size, each with its first place."""
        if not len(rows):
            return
        values = pa.chunked_array(self._tables, self._values)
        step = max(1, _TABLE_BYTES * len(values) // max(1, values.nbytes))
        for start in range(0, len(rows), step):
            yield start, whole(values.take(rows.slice(start, step)))


def _routed(rows: pa.Table, partitions: int) -> pa.Table:
    """Send rows to the partition of their key; those without one to the first."""
    filled = pa.table({"key": pc.fill_null(rows.column("key"), "").cast(pa.string())})
    return rows.append_column("part", partition_of_value(filled, "key", partitions))


def keys_of(table: pa.Table, by: str) -> pa.LargeStringArray:
    """Return the key of each document; null where it has none.

    >>> table = pa.table({"id": ["web/a.jsonl#0~doc7", "web/b.wet#0"], "text": ["a", None]})
    >>> keys_of(table, "own_id").to_pylist()
    ['doc7', None]
    >>> keys_of(table, "md5").to_pylist()
    ['0cc175b9c0f1b6a831c399e269772661', None]
    """
    column = whole(table.column(_KEY_COLUMNS.get(by, "text")))
    if by == "own_id":
        column = pc.struct_field(pc.extract_regex(column.cast(pa.string()), _OWN_ID), "own")
    elif by not in _KEY_COLUMNS:
        column = pa.array([_hash(text, by) for text in column.to_pylist()], pa.string())
    return column.cast(pa.large_string())


def _hash(text: str | None, by: str) -> str | None:
    if text is None:
        return None
    return hashlib.new(by, text.encode(), usedforsecurity=False).hexdigest()
