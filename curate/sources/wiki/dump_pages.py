"""Cut a MediaWiki dump into pages, from any place of it on.

In XML neither ``<page>`` nor ``</page>`` can stand inside a text, where ``<`` is escaped. So the
stream is cut at them without a parser: memory is bounded by one page, damage costs the page it is
in, and a piece of a dump is read without what stands before it.
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
#: How much is kept of what is passed over.
HEAD = 4096

_STREAM = streams.MAGIC["bzip2"]
_LONGEST_MAGIC = 10
#: A dump of many streams shows a second one early: the first holds only the dump's head.
_SHOWN_EARLY = 4 * 1024 * 1024


class Cut(NamedTuple):
    """A slice of the dump.

    ``offset`` is as stored: that of the slice, or of the compressed stream in which it begins;
    ``length`` counts plain bytes.
    """

    kind: str  #: page, unclosed, too_large, outside (between pages) or end (after the last)
    offset: int
    length: int
    data: bytes  #: all of it, or its head where it is too large


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a dump that is not compressed, or is bzip2 in many streams, into equal ranges of bytes."""
    with file.open() as handle:
        head = handle.read(_SHOWN_EARLY)
    kind = streams.compression(head)
    if kind is None or (kind == "bzip2" and _STREAM.search(head, 1)):
        return streams.cut(file.size, target_bytes)
    return [Piece(0, file.size)]


def next_stream(handle: IO[bytes], start: int, end: int) -> int | None:
    """Find the offset of the first bzip2 stream that begins in [start, end); None without one.

    The ten bytes that begin a stream come up by chance once in 10**24 bytes.
    """
    handle.seek(start)
    held, at = b"", start
    while at < end and (block := handle.read(1 << 20)):
        held += block
        if found := _STREAM.search(held):
            return at + found.start() if at + found.start() < end else None
        keep = min(len(held), _LONGEST_MAGIC)
        at += len(held) - keep
        held = held[len(held) - keep :]
    return None


def cuts(stream: Iterable[Block], cap: int, end: int, *, is_plain: bool) -> Iterator[Cut]:
    """Yield the pages that begin in the stream before the stored offset ``end``, and what is between.

    In a compressed file the place of a page is that of the stream in which it begins. The page that
    is open at ``end`` is read to its end. Where the stream breaks, an open page is given as unclosed
    before :class:`curate.sources.streams.Broken` goes on.
    """
    reading = _Reading(cap, is_plain)
    limit: int | None = None  #: ``end`` among the plain bytes, once it is known
    try:
        for stored, block in stream:
            if limit is None and (stored >= end or (is_plain and stored + len(block) >= end)):
                limit = reading.position + max(0, end - stored if is_plain else 0)
            reading.add(stored, block)
            while tag := _TAG.search(reading.held, reading.searched):
                if tag[1] is None or (tag[1] and not reading.in_page):
                    reading.searched = tag.end()  # part of what stands outside
                    continue
                if tag[1]:
                    yield reading.slice(tag.end(), "page")
                    reading.in_page = False
                    continue
                if tag.start() or reading.dropped:
                    yield reading.slice(tag.start(), "unclosed" if reading.in_page else "outside")
                if limit is not None and reading.base >= limit:
                    return
                reading.in_page, reading.searched = True, _OPENING
            reading.pass_over_excess()
    except Broken as broken:
        if reading.in_page:
            yield reading.slice(len(reading.held), "unclosed")
        if broken.damage.offset >= end:
            return  # the piece where it lies tells it
        raise
    yield reading.slice(len(reading.held), "unclosed" if reading.in_page else "end")


class _Reading:
    """The bytes read and not yet given out, and where in the file they stand."""

    def __init__(self, cap: int, is_plain: bool) -> None:
        self._cap, self._is_plain = cap, is_plain
        self.held = bytearray()
        self.base = 0  #: where held[0] is among the plain bytes
        self.dropped = 0  #: bytes of the current slice, before held, that were passed over
        self.searched = 0
        self.in_page = False
        self._stored: deque[tuple[int, int]] = deque()  #: plain position, stored offset

    @property
    def position(self) -> int:
        return self.base + len(self.held)

    def add(self, stored: int, block: bytes) -> None:
        if not self._stored or (not self._is_plain and self._stored[-1][1] != stored):
            self._stored.append((self.position, stored))
        self.held += block

    def slice(self, until: int, kind: str) -> Cut:
        data, length = bytes(self.held[:until]), until + self.dropped
        offset = self._stored_at(self.base - self.dropped)
        del self.held[:until]
        self.base, self.dropped, self.searched = self.base + until, 0, 0
        if self.in_page and length > self._cap:
            return Cut("too_large", offset, length, data[:HEAD])
        return Cut(kind, offset, length, data)

    def _stored_at(self, position: int) -> int:
        while len(self._stored) > 1 and self._stored[1][0] <= position:
            self._stored.popleft()
        at, stored = self._stored[0] if self._stored else (position, 0)
        return stored + (position - at if self._is_plain else 0)

    def pass_over_excess(self) -> None:
        """Keep head and tail of a slice that is too large; remember up to where tags were sought."""
        self.searched = max(self.searched, len(self.held) - _LONGEST_TAG)
        excess = len(self.held) - HEAD - _LONGEST_TAG
        if len(self.held) + self.dropped > self._cap and excess > 0:
            del self.held[HEAD : HEAD + excess]
            self.base, self.dropped = self.base + excess, self.dropped + excess
            self.searched = max(0, self.searched - excess)
