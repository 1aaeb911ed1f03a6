"""Stored bytes to plain bytes: gzip, bzip2, xz and zstd streams, in which every loss is reported.

At the end of a truncated file most libraries return what they have, without an error. Here every
stream has to end where its format says that it ends. Everything before the damage is delivered,
then :class:`Broken` reports what could not be read, in offsets of the file as stored.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import IO, NamedTuple

from curate.sources.base import Damage, Piece
from curate.sources.inflate import GZIP_MAGIC, ZSTD_MAGIC, Decoder, WindowError, Zlib, Zstd

#: The plain bytes of one block.
BLOCK = 256 * 1024
#: The bytes of a run of lines, about.
RUN = 1024 * 1024
#: How much of a compressed file is read at a time: what follows a stream's end is copied once per
#: stream, and some files hold one small gzip member per record.
_FEED = 32 * 1024
#: The largest ratio of plain to stored bytes once a file has given more than FREE plain bytes. gzip
#: and deflate reach 1,029:1 at most; real text stays under 50:1 even where it repeats itself.
MAX_RATIO = 250
FREE = 64 * 1024 * 1024
#: Memory for the window of a zstd frame or an xz stream. ``zstd --long`` means 128 MiB, ``xz -9``
#: 64 MiB, and archives of forums are made with 2 GiB.
WINDOW = 256 * 1024 * 1024

#: The endings of compressed files, which follow the ending of a format.
PACKINGS = ("", ".gz", ".zst", ".bz2", ".xz")
_SUFFIXES = {".gz": "gzip", ".bgz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}

#: Containers that nothing here reads; as text each would be damage line by line.
_UNSUPPORTED = {
    "zip": re.compile(rb"PK\x03\x04"),
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "lzip": re.compile(rb"LZIP\x01"),
    # Older than xz and without a checksum. Usual properties; a size unknown or below 1 TiB.
    "lzma": re.compile(rb"\x5d\x00\x00[\x00-\xff]{2}(?:\xff{8}|[\x00-\xff]{5}\x00{3})"),
    "lzop": re.compile(rb"\x89LZO\0"),
    "compress": re.compile(rb"\x1f\x9d[\x80-\x9f]"),
    "snappy": re.compile(rb"\xff\x06\0\0sNaPpY"),
    "Parquet": re.compile(rb"PAR1"),
    "Arrow": re.compile(rb"ARROW1\0\0"),
}


class Broken(Exception):
    """The rest of a file cannot be read. Everything before it is good and was delivered."""

    def __init__(self, damage: Damage) -> None:
        self.damage = damage
        super().__init__(damage.error)


class Block(NamedTuple):
    """Some plain bytes; ``stored`` is the offset in the file of the stream that contains them.

    For a file that is not compressed it is the offset of the bytes themselves.
    """

    stored: int
    data: bytes


_DECODERS: dict[str, Callable[[int], Decoder]] = {
    "gzip": lambda _: Zlib(),
    "bzip2": lambda _: bz2.BZ2Decompressor(),
    "xz": lambda window: lzma.LZMADecompressor(memlimit=window),
    "zstd": Zstd,
}


def compression(head: bytes) -> str | None:
    """Return the compression that a file's first bytes show; None if they show none.

    The bytes decide, not the name: downloads lose their ``.gz`` or keep it after being unpacked.

    >>> compression(b"BZh91AY&SY..."), compression(b"BZh is a word here")
    ('bzip2', None)
    """
    return next((name for name, magic in MAGIC.items() if magic.match(head)), None)


def plain_name(name: str) -> str:
    """Return a file's name without the ending of a compression.

    >>> plain_name("a/b.jsonl.gz"), plain_name("b.jsonl")
    ('a/b.jsonl', 'b.jsonl')
    """
    return next((name[: -len(end)] for end in _SUFFIXES if name.endswith(end)), name)


def blocks(
    handle: IO[bytes],
    name: str,
    *,
    start: int = 0,
    is_plain: bool = False,
    window: int = WINDOW,
) -> Iterator[Block]:
    """Yield the plain bytes of a file from the stored offset ``start`` on, block by block.

    ``start`` is any offset of a file that is known to be plain, or the beginning of a gzip member,
    bzip2 stream, xz stream or zstd frame. Several of them in a row are read as one.
    Raise :class:`Broken` after the last good bytes, with one of these reasons: ``truncated`` (the
    file ends inside a stream), ``corrupt`` (the decoder or a checksum refuses), ``trailing_data``
    (what follows a stream is no stream), ``bad_magic`` (the bytes are not in the compression that
    the name states), ``bomb`` (more than MAX_RATIO bytes out for one in), ``window_too_large`` (it
    takes more than ``window`` bytes of memory to go on), ``unsupported_container``.

    An error is detected up to one block after the wrong byte, so its offset is that of the stream
    in which it was found, and a few kilobytes before it may be missing or, where only the checksum
    at the end reveals the error, wrong.
    """
    handle.seek(start)
    head = handle.read(BLOCK)
    kind = None if is_plain else compression(head)
    if kind is None:
        refused = None if start or is_plain else _refused(head, name)
        if refused:
            reason, what = refused
            raise Broken(_damage(handle, reason, 0, what, head))
        while head:
            yield Block(start, head)
            start += len(head)
            head = handle.read(BLOCK)
        return
    yield from _decoded(handle, kind, head, start, window)


def is_one_piece(head: bytes, name: str) -> bool:
    """Return whether :func:`blocks` decompresses a file or refuses it, by its first `BLOCK`.

    What lies behind is no text of its own then, and is read from the begin of the file only.
    """
    return bool(compression(head) or _refused(head, name))


def _refused(head: bytes, name: str) -> tuple[str, str] | None:
    """Return reason and error of a file that is neither plain nor in a compression known here."""
    stated = next((kind for end, kind in _SUFFIXES.items() if name.endswith(end)), None)
    if stated and len(head) < 16 and _may_begin(head, stated):
        return "truncated", f"{len(head)} bytes are no {stated} stream"
    for other, magic in _UNSUPPORTED.items():
        if magic.match(head):
            what = f"this is {other}, which is not read here: unpack the file first"
            return "unsupported_container", what
    if stated and not _is_text(head):
        return "bad_magic", f"this is not {stated}"
    return None


def _decoded(
    handle: IO[bytes], kind: str, data: bytes, offset: int, window: int
) -> Iterator[Block]:
    decoder, began = _DECODERS[kind](window), offset
    stored_end, plain_bytes, first = offset + len(data), 0, offset
    while True:
        try:
            plain = decoder.decompress(data, BLOCK)
        except WindowError as error:
            raise Broken(_damage(handle, "window_too_large", began, str(error))) from None
        except Exception as error:
            if kind == "xz" and "Memory usage limit" in str(error):
                what = str(WindowError(kind, window))
                raise Broken(_damage(handle, "window_too_large", began, what)) from None
            # DecodeError, OSError, EOFError, lzma.LZMAError: all mean the same.
            raise Broken(_damage(handle, "corrupt", began, f"{kind}: {error}")) from None
        data = b""
        if plain:
            plain_bytes += len(plain)
            stored = stored_end - first
            if plain_bytes > FREE and plain_bytes > MAX_RATIO * stored:
                what = f"{kind}: {plain_bytes} bytes out of {stored}, more than {MAX_RATIO}:1"
                raise Broken(_damage(handle, "bomb", began, what))
            yield Block(began, plain)
        if decoder.eof:
            data = decoder.unused_data
            if len(data) < 16:
                data += handle.read(_FEED)
            if not (data := _without_padding(handle, data)):
                return
            stored_end = handle.tell()
            began = stored_end - len(data)
            if compression(data) != kind:
                what = f"what follows the {kind} stream is not {kind}"
                raise Broken(_damage(handle, "trailing_data", began, what, data))
            decoder = _DECODERS[kind](window)
        elif len(plain) < BLOCK:
            data = handle.read(_FEED)
            stored_end += len(data)
            if not data and not plain:
                what = f"the file ends inside a {kind} stream"
                raise Broken(_damage(handle, "truncated", began, what))


def _without_padding(handle: IO[bytes], data: bytes) -> bytes:
    """Skip the zeros that tape blocks and xz insert between streams."""
    while data and not (data := data.lstrip(b"\0")):
        data = handle.read(_FEED)
    return data


def _may_begin(head: bytes, kind: str) -> bool:
    """Return whether a few bytes, or none, may be the beginning of a magic number."""
    magic = {"gzip": GZIP_MAGIC, "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": ZSTD_MAGIC}
    return head.startswith(magic[kind]) or magic[kind].startswith(head)


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head[:4096])
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _damage(handle: IO[bytes], reason: str, offset: int, error: str, head: bytes = b"") -> Damage:
    size = handle.seek(0, 2)
    if not head:
        handle.seek(offset)
        head = handle.read(4096)
    return Damage(reason, offset, size - offset, error, head[:4096])


class Line(NamedTuple):
    """One line without its newline. ``data`` is None where it was longer than the cap."""

    offset: int
    length: int
    data: bytes | None
    head: bytes = b""


class Run(NamedTuple):
    """Whole lines with their newlines, of which the last line of a file may have none."""

    offset: int
    data: bytes

    def lines(self, cap: int) -> Iterator[Line]:
        """Yield the lines, without their newlines."""
        offset = self.offset
        *complete, last = self.data.split(b"\n")
        for line in [*complete, last] if last else complete:
            kept = len(line) <= cap
            yield Line(offset, len(line), line if kept else None, b"" if kept else line[:4096])
            offset += len(line) + 1


def _bounded(stream: Iterator[Block]) -> Iterator[bytes]:
    """Yield the bytes of blocks, at most `RUN` at a time: a few stored ones may be many."""
    for _, data in stream:
        for start in range(0, len(data), RUN) if len(data) > RUN else (0,):
            yield data[start : start + RUN] if len(data) > RUN else data


def runs(
    stream: Iterator[Block], *, offset: int = 0, end: int | None = None, cap: int
) -> Iterator[Run | Line]:
    """Yield lines in runs of about `RUN` bytes, the last of which reaches ``end`` if it can.

    A line that is longer than that has a run of its own, and is here only once while it is used.
    One over ``cap`` bytes is not kept in memory: only its offset, length and head are reported, by
    itself where it is longer than a block. A line that breaks off where the stream does is part of
    that damage and is not yielded.
    """
    whole: list[bytes] = []
    parts: list[bytes] = []
    held = length = 0  # bytes of lines that are complete, and of the one that is not
    longest = min(cap, RUN)
    try:
        for data in _bounded(stream):
            at = data.find(b"\n")
            length += at if at >= 0 else len(data)
            if length <= cap or not parts:
                parts.append(data[:at] if at >= 0 else data)
            if at < 0:
                continue
            if length > longest:
                if whole:
                    yield Run(offset, b"".join(whole))
                long, parts = [*parts, b"\n"], []
                yield _by_itself(offset + held, length, long, cap)
                offset += held + length + 1
                whole, held = [], 0
            else:
                whole += [*parts, b"\n"]
                held += length + 1
            last = data.rfind(b"\n") + 1
            whole.append(data[at + 1 : last])
            held += last - at - 1
            parts, length = [data[last:]], len(data) - last
            if held >= RUN or (end is not None and offset + held >= end):
                yield Run(offset, b"".join(whole))
                offset += held
                whole, held = [], 0
    except Broken:
        if held:
            yield Run(offset, b"".join(whole))
        raise
    if length <= longest:
        whole += parts
    if rest := b"".join(whole):
        yield Run(offset, rest)
    if length > longest:
        yield _by_itself(offset + held, length, parts, cap)


def _by_itself(offset: int, length: int, parts: list[bytes], cap: int) -> Run | Line:
    """Return a long line; empty the list of its parts."""
    if length > cap:
        return Line(offset, length, None, b"".join(parts[:2])[:4096])
    data = b"".join(parts)
    parts.clear()
    return Run(offset, data)


def lines(stream: Iterator[Block], *, offset: int = 0, cap: int) -> Iterator[Line]:
    """Yield lines with the offset of their first byte among the plain bytes, as `runs` has them.

    A last line without a newline counts; an empty file has no line.
    """
    for run in runs(stream, offset=offset, cap=cap):
        yield from run.lines(cap) if isinstance(run, Run) else [run]


def runs_in(
    handle: IO[bytes], name: str, piece: Piece, cap: int, window: int = WINDOW
) -> Iterator[Run | Line]:
    """Yield the lines that begin in a piece, in runs. A compressed file is one piece."""
    is_compressed = False
    if not piece.start:
        handle.seek(0)
        is_compressed = compression(handle.read(16)) is not None
    start = max(0, piece.start - 1)
    end = None if is_compressed else piece.end
    stream = blocks(handle, name, start=start, is_plain=piece.start > 0, window=window)
    found = runs(stream, offset=start, end=end, cap=cap)
    first = next(found, None) if piece.start else None
    if isinstance(first, Run):  # its first line began before the piece, or is the newline before it
        begin = first.data.find(b"\n") + 1 or len(first.data)
        found = chain([Run(first.offset + begin, first.data[begin:])], found)
    for run in found:
        if end is not None and run.offset >= end:
            return
        if end is not None and isinstance(run, Run):
            last = run.data.find(b"\n", end - 1 - run.offset) + 1 or len(run.data)
            run = Run(run.offset, run.data[:last])
        if run.data != b"":
            yield run


def lines_in(
    handle: IO[bytes], name: str, piece: Piece, cap: int, window: int = WINDOW
) -> Iterator[Line]:
    """Yield the lines that begin in a piece, one by one."""
    for run in runs_in(handle, name, piece, cap, window):
        yield from run.lines(cap) if isinstance(run, Run) else [run]


def cut(size: int, target_bytes: int) -> list[Piece]:
    """Cut bytes into equal pieces of at most ``target_bytes``; an empty file is one piece.

    >>> cut(10, 4)
    [Piece(start=0, end=3), Piece(start=3, end=6), Piece(start=6, end=10)]
    """
    count = max(1, -(-size // max(1, target_bytes)))
    edges = [size * i // count for i in range(count + 1)]
    return [Piece(start, end) for start, end in pairwise(edges)]
