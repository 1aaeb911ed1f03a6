"""The files in a tar archive that is read once, from begin to end, in bounded memory.

A header that is damaged costs its file: the next one is looked for, block by block. (Python's
``tarfile`` parses each header here; as a reader it ends at the first one that is damaged.)
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from curate.sources.base import Damage
from curate.sources.streams import Block

_HEADER = 512
#: Bytes of a PAX header that are read: it holds names, times and the size of a large file.
_MOST_PAX = 1 << 20
_SIZE = re.compile(rb"(?:\A|\n)\d{1,6} size=(\d{1,18})\n")
_PLAIN = re.compile(rb"\s*[{\[]")


class Member(NamedTuple):
    """A file of an archive: read ``blocks`` to its end before the next one is asked for."""

    offset: int  #: where its bytes begin among the plain bytes of the archive
    blocks: Iterator[Block]


class PlainBytes:
    """Plain bytes in the sizes that are asked for."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks, self._held, self._at, self.position = blocks, b"", 0, 0

    def peek(self, length: int) -> bytes:
        """Return the next bytes without taking them, fewer only at the end."""
        while len(self._held) - self._at < length and (block := next(self._blocks, None)):
            self._held, self._at = self._held[self._at :] + block.data, 0
        return self._held[self._at : self._at + length]

    def take(self, most: int) -> bytes:
        """Return at least one byte and at most ``most``; nothing only at the end."""
        if self._at == len(self._held):
            self.peek(1)
        data = self._held[self._at : self._at + most]
        self._at += len(data)
        self.position += len(data)
        return data

    def skip(self, length: int) -> int:
        """Skip bytes; return how many were not there."""
        while length and (data := self.take(length)):
            length -= len(data)
        return length


def is_tar(head: bytes) -> bool:
    """Return whether the first plain bytes of a file are no JSON, so that it is an archive."""
    return bool(head) and not _PLAIN.match(head.removeprefix(b"\xef\xbb\xbf"))


def members(blocks: Iterator[Block]) -> Iterator[Member | Damage]:
    """Yield the regular files of an archive, and what of it is damaged.

    Reasons: ``bad_tar_header`` (bytes up to the next header that can be read), ``truncated`` (the
    archive ends inside a file, or without its mark of the end). What ``blocks`` raises is raised.
    """
    reader, stated = PlainBytes(blocks), None
    ended = False
    while header := reader.peek(_HEADER):
        if not header.strip(b"\0"):
            ended = True
            reader.skip(_HEADER)
            continue
        start = reader.position
        entry = _entry(header)
        if entry is None:
            if ended:
                return  # what is behind the mark of the end is no part of the archive
            reader.skip(_HEADER)
            while (block := reader.peek(_HEADER)) and not _may_begin(block):
                reader.skip(_HEADER)
            what = "this is no header of a file, or it is damaged"
            yield Damage("bad_tar_header", start, reader.position - start, what, header[:64])
            stated = None
            continue
        reader.skip(_HEADER)
        ended = False
        size = entry.size
        if entry.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            parts, left = [], min(size, _MOST_PAX)
            while left and (data := reader.take(left)):
                parts.append(data)
                left -= len(data)
            if found := _SIZE.search(b"".join(parts)):
                stated = int(found[1])
            reader.skip(max(0, size - _MOST_PAX) + -size % _HEADER)
            continue
        if entry.type in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            reader.skip(size + -size % _HEADER)
            continue
        size, stated = size if stated is None else stated, None
        padded = size + -size % _HEADER
        if entry.isreg():
            begin = reader.position
            yield Member(begin, _content(reader, size))
            padded -= reader.position - begin
        elif entry.isdir() or entry.issym() or entry.islnk():
            continue  # these have no content, whatever size they state
        if missing := reader.skip(padded):
            what = f"the archive ends {missing} bytes before a file in it does"
            yield Damage("truncated", reader.position, missing, what)
            return
    if not ended:
        yield Damage("truncated", reader.position, 0, "the archive has no mark of its end")


def _may_begin(block: bytes) -> bool:
    """Return whether a block, after one that is damaged, is a header or the mark of the end."""
    named = block[257:262] == b"ustar" and _entry(block) is not None
    return named or not block.strip(b"\0")


def _entry(header: bytes) -> tarfile.TarInfo | None:
    try:
        entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError):
        return None
    return entry if entry.size >= 0 else None


def _content(reader: PlainBytes, size: int) -> Iterator[Block]:
    while size and (data := reader.take(min(size, 1 << 18))):
        size -= len(data)
        yield Block(0, data)
