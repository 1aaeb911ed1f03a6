"""Plain text files: one document per file, per line or per paragraph."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from curate.errors import RecipeError, nearest
from curate.sources import streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.decoding import decode, is_cut_at_newlines
from curate.sources.streams import Broken, Line

_HEAD = 64 * 1024
#: Longer marks first: UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SPLITS = ("blank_line", "file", "line")


@dataclass(frozen=True)
class PlainText:
    """Read text files, plain or compressed, as documents: ``file``, ``line`` or ``blank_line``.

    The locator is empty where a file is a document, else the byte offset (decompressed where
    compressed) of its line or paragraph. A byte order mark overrides ``encoding``; ``auto`` is
    UTF-8 and, for whole files that are not, the encoding that :mod:`curate.sources.decoding` finds
    without a replacement character. A single line is too short for that: it is damage.

    Skips: ``blank_line``, ``empty_file``. Damage: ``invalid_text``, ``too_large`` and the reasons
    of :func:`curate.sources.streams.blocks`.
    """

    split_on: Literal["file", "line", "blank_line"] = "file"
    """What a document is: a file, a line, or the text between blank lines."""
    encoding: str = "auto"
    """Encoding of files without a byte order mark; ``auto`` detects it. Example: "windows-1251"."""
    max_document_bytes: ByteLimit = 64 * 1024 * 1024
    """Bytes of a document above which it is quarantined."""
    max_window_bytes: ByteLimit = streams.WINDOW
    """Memory for the window of a zstd or xz file; up to 2 GiB for those made with --long=31."""

    def __post_init__(self) -> None:
        if self.split_on not in _SPLITS:
            raise RecipeError(f"split_on = '{self.split_on}': {nearest(self.split_on, _SPLITS)}")
        if not is_cut_at_newlines(self._declared) and self.split_on != "file":
            raise RecipeError(
                f"files in {self.encoding} cannot be cut at newlines",
                hint="convert them to UTF-8, or leave out split_on",
            )

    @property
    def _declared(self) -> str:
        return "utf-8" if self.encoding == "auto" else self.encoding

    @property
    def suffixes(self) -> tuple[str, ...]:
        return tuple(".txt" + packing for packing in streams.PACKINGS)

    def split(self, file: InputFile, target_bytes: int) -> list[Piece]:
        """Cut a plain file of lines anywhere; keep others whole."""
        if self.split_on != "line":
            return [Piece(0, file.size)]
        with file.open() as handle:
            head = handle.read(16)
        if streams.compression(head):
            return [Piece(0, file.size)]
        return streams.cut(file.size, target_bytes)

    def read(self, file: InputFile, piece: Piece) -> Iterator[Record]:
        """Yield the documents that begin in a piece, in file order."""
        with file.open() as handle:
            try:
                if self.split_on == "file":
                    stream = streams.blocks(handle, file.name, window=self.max_window_bytes)
                    yield self._document("", _all(stream, self.max_document_bytes))
                    return
                parts = streams.lines_in(
                    handle, file.name, piece, self.max_document_bytes, self.max_window_bytes
                )
                if self.split_on == "blank_line":
                    parts = _paragraphs(parts, self.max_document_bytes)
                for line in parts:
                    yield self._document(str(line.offset), line)
            except Broken as broken:
                yield broken.damage

    def _document(self, locator: str, line: Line) -> Record:
        offset, length, data, head = line
        if data is None:
            what = f"{length} bytes in one document"
            return Damage("too_large", offset, length, what, head)
        mark, encoding = next(
            ((mark, name) for mark, name in _MARKS if not offset and data.startswith(mark)),
            (b"", self._declared),
        )
        try:
            # UTF-16 and UTF-32 need their mark for the order of bytes.
            text = data.removeprefix(mark if encoding == "utf-8" else b"").decode(encoding)
        except UnicodeError as error:
            undeclared = self.encoding == "auto" and not mark and not locator
            guess = decode(data, markup=False) if undeclared else None
            if guess is None or guess.replaced:
                return Damage("invalid_text", offset, length, str(error)[:200], data[:_HEAD])
            text = guess.text
        if not text.strip():
            return Skip("blank_line" if locator else "empty_file")
        return Document(locator, text.rstrip("\r\n") if locator else text)


def _all(stream: Iterator[streams.Block], cap: int) -> Line:
    """Return all bytes of a file as one line; a damaged file is no document."""
    parts: list[bytes] = []
    length = 0
    for _, data in stream:
        length += len(data)
        if length <= cap:
            parts.append(data)
    if length > cap:
        return Line(0, length, None, b"".join(parts[:1])[:_HEAD])
    return Line(0, length, b"".join(parts))


def _paragraphs(lines: Iterator[Line], cap: int) -> Iterator[Line]:
    """Join lines up to the next blank one. A run of blank lines only separates paragraphs."""
    parts: list[bytes] = []
    offset = length = 0
    too_large = False
    for line in lines:
        if line.data is not None and not line.data.strip():
            if length:
                yield Line(offset, length - 1, *_joined(parts, too_large))
            parts, length, too_large = [], 0, False
            continue
        if not length:
            offset = line.offset
        length += line.length + 1
        too_large = too_large or line.data is None or length > cap
        if not too_large or not parts:
            parts.append(line.data if line.data is not None else line.head)
    if length:
        yield Line(offset, length - 1, *_joined(parts, too_large))


def _joined(parts: list[bytes], too_large: bool) -> tuple[bytes | None, bytes]:
    text = b"\n".join(parts)
    return (None, text[:_HEAD]) if too_large else (text, b"")
