"""Cut a MediaWiki dump into pages, starting at any place of it.

In XML neither ``<page>`` nor ``</page>`` can occur inside a text, where ``<`` is escaped. So the
stream is cut at them without a parser: memory is bounded by one page, damage costs the page it is
in, and a piece of a dump is read without what precedes it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from curate.sources import streams
from curate.sources.base import InputFile, Piece
from curate.sources.streams import Block, Broken

_TAG = re.compile(rb"<(/?)page[\s>]|</mediawiki\s{0,16}>")
_LONGEST_TAG = 32
_OPENING = len("<page>")
#: The first bytes that are kept of a slice that is skipped.
HEAD = 4096

_STREAM = streams.MAGIC["bzip2"]
_LONGEST_MAGIC = 10
#: A dump of many streams has its second one early: the first contains only the dump's head.
_SHOWN_EARLY = 4 * 1024 * 1024


class DumpSlice(NamedTuple):
    """A range of the dump.

    ``offset`` is as stored: that of the slice, or of the compressed stream in which it begins;
    ``length`` counts plain bytes.
    """

    kind: str  #: page, unclosed, too_large, outside (between pages) or end (after the last)
    offset: int
    length: int
    data: bytes  #: all of it, or its head where it is too large


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a plain dump, or one of many bzip2 streams, into equal ranges of bytes."""
    with file.open() as handle:
        head = handle.read(_SHOWN_EARLY)
    is_of_many = streams.compression(head) == "bzip2" and _STREAM.search(head, 1)
    if streams.is_one_piece(head[: streams.BLOCK], file.name) and not is_of_many:
        return [Piece(0, file.size)]
    return streams.cut(file.size, target_bytes)


def next_stream(handle: IO[bytes], start: int, end: int) -> int | None:
    """Return the offset of the first bzip2 stream that begins in [start, end), or None.

    The ten bytes that begin a stream occur by chance once in 10**24 bytes.
    """
    handle.seek(start)
    buffer, at = b"", start
    while at < end and (block := handle.read(1 << 20)):
        buffer += block
        if found := _STREAM.search(buffer):
            return at + found.start() if at + found.start() < end else None
        keep = min(len(buffer), _LONGEST_MAGIC)
        at += len(buffer) - keep
        buffer = buffer[len(buffer) - keep :]
    return None


def slices(stream: Iterable[Block], cap: int, end: int, *, is_plain: bool) -> Iterator[DumpSlice]:
    """Yield the pages that begin before the stored offset ``end``, and what is between them.

    In a compressed file the place of a page is that of the stream in which it begins. The page that
    is open at ``end`` is read to its end. Where the stream breaks, an open page is yielded as
    unclosed before :class:`curate.sources.streams.Broken` is raised.
    """
    buffer = _Buffer(cap, is_plain)
    limit: int | None = None  #: ``end`` among the plain bytes, once it is known
    stored = 0
    try:
        for stored, block in stream:
            if limit is None and (stored >= end or (is_plain and stored + len(block) >= end)):
                limit = buffer.position + max(0, end - stored if is_plain else 0)
            buffer.add(stored, block)
            while tag := _TAG.search(buffer.data, buffer.searched):
                if tag[1] is None or (tag[1] and not buffer.in_page):
                    buffer.searched = tag.end()  # part of what is outside of pages
                    continue
                if tag[1]:
                    yield buffer.slice(tag.end(), "page")
                    buffer.in_page = False
                    continue
                if tag.start() or buffer.skipped:
                    yield buffer.slice(tag.start(), "unclosed" if buffer.in_page else "outside")
                if limit is not None and buffer.base >= limit:
                    return
                buffer.in_page, buffer.searched = True, _OPENING
            buffer.skip_excess()
    except Broken as broken:
        if buffer.in_page:
            yield buffer.slice(len(buffer.data), "unclosed")
        # The piece that contains the damage reports it; but it does not see a stream whose first
        # bytes are wrong, if none begins in it before that one.
        is_unseen = broken.damage.reason == "trailing_data" and stored < end
        if broken.damage.offset >= end and not is_unseen:
            return
        raise
    yield buffer.slice(len(buffer.data), "unclosed" if buffer.in_page else "end")


class _Buffer:
    """The bytes that are read and not yet yielded, and their place in the file."""

    def __init__(self, cap: int, is_plain: bool) -> None:
        self._cap, self._is_plain = cap, is_plain
        self.data = bytearray()
        self.base = 0  #: where data[0] is in the plain bytes
        self.skipped = 0  #: bytes of the current slice, before ``data``, that were not kept
        self.searched = 0
        self.in_page = False
        self._stored: deque[tuple[int, int]] = deque()  #: plain position, stored offset

    @property
    def position(self) -> int:
        return self.base + len(self.data)

    def add(self, stored: int, block: bytes) -> None:
        if not self._stored or (not self._is_plain and self._stored[-1][1] != stored):
            self._stored.append((self.position, stored))
        self.data += block

    def slice(self, until: int, kind: str) -> DumpSlice:
        data, length = bytes(self.data[:until]), until + self.skipped
        offset = self._stored_at(self.base - self.skipped)
        del self.data[:until]
        self.base, self.skipped, self.searched = self.base + until, 0, 0
        if self.in_page and length > self._cap:
            return DumpSlice("too_large", offset, length, data[:HEAD])
        return DumpSlice(kind, offset, length, data)

    def _stored_at(self, position: int) -> int:
        while len(self._stored) > 1 and self._stored[1][0] <= position:
            self._stored.popleft()
        at, stored = self._stored[0] if self._stored else (position, 0)
        return stored + (position - at if self._is_plain else 0)

    def skip_excess(self) -> None:
        """Keep only head and tail of a slice that is too large; note how far tags were searched."""
        self.searched = max(self.searched, len(self.data) - _LONGEST_TAG)
        excess = len(self.data) - HEAD - _LONGEST_TAG
        if len(self.data) + self.skipped > self._cap and excess > 0:
            del self.data[HEAD : HEAD + excess]
            self.base, self.skipped = self.base + excess, self.skipped + excess
            self.searched = max(0, self.searched - excess)
