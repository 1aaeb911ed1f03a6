"""Plain text files: one document per file, per line or per paragraph."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Literal

from curate.errors import RecipeError, nearest
from curate.sources import streams
from curate.sources.base import ByteLimit, Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.decoding import decode, is_cut_at_newlines
from curate.sources.json_objects import recoded
from curate.sources.streams import Block, Broken, Line

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
#: Encodings whose bytes are UTF-8 as well, of text with zero bytes and escapes that nobody wrote.
_DISGUISED = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "iso2022_jp")
_FEWEST_ZEROS = 4  # fewer are what a crash leaves


@dataclass(frozen=True)
class PlainText:
    """Read text files, plain or compressed, as documents: ``file``, ``line`` or ``blank_line``.

    The locator is empty where a file is a document, else the byte offset (decompressed where
    compressed, of UTF-8 where the file is UTF-16 or UTF-32) of its line or paragraph. A byte order
    mark overrides ``encoding``; ``auto`` is UTF-8 and, for whole files that are not, the encoding
    that :mod:`curate.sources.decoding` finds without a replacement character. A single line is too
    short for that: it is damage. Lines may end as those of an old Macintosh.

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
            head = handle.read(streams.BLOCK)
        if streams.is_one_piece(head, file.name) or _wide(head) or _is_old_mac(head):
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
                parts, encoding = self._lines(handle, file, piece)
                if self.split_on == "blank_line":
                    parts = _paragraphs(parts, self.max_document_bytes)
                for line in parts:
                    yield self._document(str(line.offset), line, encoding)
            except Broken as broken:
                yield broken.damage

    def _lines(
        self, handle: IO[bytes], file: InputFile, piece: Piece
    ) -> tuple[Iterator[Line], str | None]:
        """Return the lines that begin in a piece, and their encoding if it is not the declared."""
        cap, window = self.max_document_bytes, self.max_window_bytes
        if not piece.start:
            stream = streams.blocks(handle, file.name, window=window)
            first = next(stream, None)
            stream = chain([first] if first else [], stream)
            if first and (wide := _wide(first.data)):
                return streams.lines(recoded(stream, wide, file.size), cap=cap), "utf-8"
            if first and _is_old_mac(first.data):
                stream = (Block(at, data.replace(b"\r", b"\n")) for at, data in stream)
                return streams.lines(stream, cap=cap), None
        return streams.lines_in(handle, file.name, piece, cap, window), None

    def _document(self, locator: str, line: Line, known: str | None = None) -> Record:
        offset, length, data, head = line
        if data is None:
            what = f"{length} bytes in one document"
            return Damage("too_large", offset, length, what, head)
        mark, encoding = next(
            ((mark, name) for mark, name in _MARKS if not offset and data.startswith(mark)),
            (b"", known or self._declared),
        )
        if offset and encoding == "utf-8":  # files are joined, each with its mark
            data = data.removeprefix(codecs.BOM_UTF8)
        undeclared = self.encoding == "auto" and not mark and not locator
        try:
            # UTF-16 and UTF-32 need their mark for the order of bytes.
            text = data.removeprefix(mark if encoding == "utf-8" else b"").decode(encoding)
            if undeclared and _is_disguised(data[:4096]):
                guess = decode(data, markup=False)
                if guess and guess.encoding in _DISGUISED and "\0" not in guess.text:
                    text = guess.text
        except UnicodeError as error:
            guess = decode(data, markup=False) if undeclared else None
            if guess is None or guess.replaced:
                return Damage("invalid_text", offset, length, str(error)[:200], data[:_HEAD])
            text = guess.text
        if not text.strip():
            return Skip("blank_line" if locator else "empty_file")
        return Document(locator, text.rstrip("\r\n") if locator else text)


def _wide(head: bytes) -> str | None:
    """Return the encoding of a file that begins with the mark of UTF-16 or UTF-32."""
    return next((name for mark, name in _MARKS[1:] if head.startswith(mark)), None)


def _is_disguised(head: bytes) -> bool:
    return b"\x1b$" in head or head.count(0) >= _FEWEST_ZEROS


def _is_old_mac(head: bytes) -> bool:
    return b"\r" in head[:-1] and b"\n" not in head


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
        if line.data is not None and not line.data.removeprefix(codecs.BOM_UTF8).strip():
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
