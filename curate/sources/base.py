"""What a source yields, one record at a time, and the protocol that every source keeps.

A record ends in exactly one of four ways: it becomes a document, it is skipped for a reason that
belongs to the format (a redirect, a request record, a 404), it is quarantined because it cannot be
read, or it is part of a table of documents (Parquet). No record is ignored without being counted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa
from pydantic import Field

from curate.paths import open_filesystem
from curate.sources.cache import local_copy

#: The largest record, page or document that a source reads, in bytes: at most 4 GiB.
ByteLimit = Annotated[int, Field(ge=1, le=1 << 32)]

#: Bytes of input below which a source neither compiles nor loads a kernel.
COMPILED = 32 * 1024

_UNSAFE = re.compile(r"[#\x00-\x1f\x7f\udc80-\udcff]")


def safe_in_id(text: str) -> str:
    """Escape what an id must not contain: ``#``, control characters, bytes that are no text.

    >>> safe_in_id("a/b#1.gz")
    'a/b%231.gz'
    """
    return _UNSAFE.sub(lambda sign: f"%{ord(sign[0]) & 0xFF:02X}", text)


class Document(NamedTuple):
    """One document. ``locator`` finds it again, and no other in its file; see curate/schema.py."""

    locator: str
    text: str
    url: str | None = None
    date: int | None = None  #: microseconds since the epoch, UTC
    messages: list[dict[str, Any]] | None = None
    rejected: list[dict[str, Any]] | None = None
    tools: str | None = None  #: JSON
    license: str | None = None
    meta: str | None = None  #: JSON
    columns: dict[str, Any] | None = None  #: that pass through, by their names in the product


@dataclass(frozen=True, slots=True)
class Skip:
    """A record that is not a document by the rules of its format; counted by reason."""

    reason: str
    count: int = 1


class Damage(NamedTuple):
    """A record or byte range that could not be read.

    Offset and length are bytes of the file as stored; those of a JSON record or a page inside a
    compressed file are bytes of the decompressed text.
    """

    reason: str
    offset: int
    length: int
    error: str = ""
    head: bytes = b""  #: its first bytes, at most 64 KiB


@dataclass(frozen=True, slots=True)
class Note:
    """What a source changed in or left out of texts, counted by name. It is no record.

    The report shows it with what the stages changed.
    """

    what: str
    count: int = 1


class DocumentTable(NamedTuple):
    """Many documents: ``locator``, ``text`` and any of Document's other columns.

    With ``id`` and ``source`` in the place of ``locator`` they keep the ids that they have.
    """

    table: pa.Table


class Located(NamedTuple):
    """A record of another file than the one that is read: an index says where it is stored.

    Ids, counts and quarantine name that file, as if it were read.
    """

    file: str  #: its name, as in ids
    record: Document | Skip | Damage


Record = Document | Skip | Damage | DocumentTable | Note | Located


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a source. ``path`` opens it (fsspec address); ids contain ``name``."""

    path: str
    name: str
    size: int
    version: str = ""  #: of a remote file, as its store lists it; see `files.identity`
    content: bytes | None = field(default=None, repr=False, compare=False)  #: if it was read before

    @property
    def is_remote(self) -> bool:
        """Whether the file is at an address, so that each request takes time."""
        return "://" in self.path

    def open(self, *, ahead: bool = True) -> IO[bytes]:
        """Open the stored bytes, without decompression.

        Of a remote file more is read than asked for, because most is read from begin to end;
        without ``ahead`` it is not. Where copies are kept, it is copied first.
        """
        if self.content is not None:
            return io.BytesIO(self.content)
        if not self.is_remote:
            return Path(self.path).open("rb")
        copy = local_copy(self.path, self.size, self.version, self._open_remote)
        return self._open_remote(ahead) if copy is None else copy.open("rb")

    def _open_remote(self, ahead: bool = True) -> IO[bytes]:
        files, path = open_filesystem(self.path)
        options = {} if ahead else {"cache_type": "none"}
        handle: IO[bytes] = files.open(path, "rb", **options)
        return handle


class Piece(NamedTuple):
    """A byte range of a file: its records are those that *begin* in [start, end)."""

    start: int
    end: int


class Source(Protocol):
    """A format reader: a frozen dataclass whose fields are its options."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of the files that a folder is searched for."""

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a file into pieces where its format allows it, else return one piece.

        A file of at most ``target_bytes`` is read whole, as ``Piece(0, size)``, without this call.
        """

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the piece's records in file order. The content of a file raises nothing."""


@runtime_checkable
class ListedSource(Source, Protocol):
    """A source that knows its files itself, and so takes no path."""

    def inputs(self) -> list[InputFile]:
        """Return the files, sorted by name; RecipeError where they cannot be listed."""

    def located(self, name: str) -> tuple[Source, InputFile]:
        """Return a file that `Located` named, and its reader; RecipeError where it is not there."""


@runtime_checkable
class CompiledSource(Source, Protocol):
    """A source that reads by a kernel."""

    def compile(self) -> None:
        """Compile the kernel, or load it if it is stored."""
