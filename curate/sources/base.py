"""What a source yields, one record at a time, and the protocol that every source keeps.

A record ends in exactly one of four ways: it became a document, it was skipped for a reason that
belongs to the format (a redirect, a request record, a 404), it was quarantined because it could not
be read, or a whole table of documents came at once (Parquet). Nothing is ever passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import pyarrow as pa


class Document(NamedTuple):
    """One document. ``locator`` finds it again in its file; see ``id`` in curate/schema.py."""

    locator: str
    text: str
    url: str | None = None
    date: int | None = None  #: microseconds since the epoch, UTC
    messages: list[dict[str, str | None]] | None = None
    rejected: list[dict[str, str | None]] | None = None
    license: str | None = None
    meta: str | None = None  #: JSON


@dataclass(frozen=True, slots=True)
class Skip:
    """A record that is no document by the rules of its format; counted by reason."""

    reason: str
    count: int = 1


class Damage(NamedTuple):
    """A record or byte range that could not be read. Offsets and lengths are in the file as stored."""

    reason: str
    offset: int
    length: int
    error: str = ""
    head: bytes = b""  #: the first bytes of it, at most 64 KiB


class Rows(NamedTuple):
    """Many documents at once: ``locator``, ``text`` and any of Document's other columns."""

    table: pa.Table


Record = Document | Skip | Damage | Rows


@dataclass(frozen=True)
class InputFile:
    """One file of a source. ``path`` opens it (fsspec address); ``name`` is what ids carry."""

    path: str
    name: str
    size: int

    def open(self) -> IO[bytes]:
        """Open the stored bytes, no decompression."""
        if "://" not in self.path:
            return Path(self.path).open("rb")
        import fsspec

        handle: IO[bytes] = fsspec.open(self.path, "rb").open()
        return handle


class Piece(NamedTuple):
    """A byte range of a file: its records are those that *begin* in [start, end)."""

    start: int
    end: int


class Source(Protocol):
    """A format reader: a frozen dataclass whose fields are its options."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a directory is searched for."""
        ...

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file where its format allows it; one piece where it does not."""
        ...

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the piece's records in file order. Never raises for what stands in the file."""
        ...
