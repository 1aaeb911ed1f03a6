"""Walk through the bytes of a web archive from record to record.

The walk accepts a stated length if a record or the end of the stream follows it, at most a few
stray bytes further on, or if the block ends as its dialect says and contains no other beginning.
Else it reports damage and searches for the next beginning directly after the damaged one, so that a
length that is too long does not hide the records after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

from curate.sources.members import MemberError
from curate.sources.web.record_heads import MAX_HEAD, Dialect, Head, Headers

#: Bytes of a damaged record that quarantine shows.
SHOWN = 4096
#: Stray bytes between two records that cost neither of them.
STRAY = 16


class WholeRecord(NamedTuple):
    """A record that was read completely; ``sure`` unless something odd follows it."""

    start: int
    headers: Headers
    block: bytes
    sure: bool = True


class DamagedRange(NamedTuple):
    """A range of the stream that is not a whole record; ``head`` contains its first bytes."""

    start: int
    end: int
    reason: str
    error: str
    head: bytes


class Window(ABC):
    """The loaded part of a stream. Places are counted from the stream's start."""

    #: Whether the stream ends where the file does, so that missing bytes mean a truncated file.
    ends_with_file = True

    def __init__(self, base: int = 0) -> None:
        self.data, self.pos, self._base = b"", 0, base
        self.broken: MemberError | None = None
        self._ended = False

    @abstractmethod
    def more(self) -> bytes:
        """Return the stream's next chunk, empty at its end."""

    @abstractmethod
    def pass_over(self, length: int, dialect: Dialect) -> bool:
        """Move past a block that is too large for memory, if a record or the end follows it."""

    @property
    def place(self) -> int:
        return self._base + self.pos

    def fill(self, length: int) -> bool:
        """Load ``length`` bytes from the position on; return False where the stream ends before."""
        have = len(self.data) - self.pos
        if have >= length:
            return True
        if self._ended:
            return False
        before = max(0, self.pos - 4)  # a beginning is recognised by the blank line before it
        parts = [self.data[before:]]
        while have < length and not self._ended:
            chunk = self.more()
            parts.append(chunk)
            have += len(chunk)
            self._ended = not chunk
        self._base, self.pos = self._base + before, self.pos - before
        self.data = b"".join(parts)
        return have >= length

    def drop(self, length: int) -> bool:
        """Skip bytes without keeping them; return False where the stream ends before."""
        while True:
            have = len(self.data) - self.pos
            if length <= have:
                self.pos += length
                return True
            length -= have
            self.pos = len(self.data)
            if not self.fill(1):
                return False

    def skip_newlines(self) -> None:
        while self.fill(1) and self.data[self.pos] in b"\r\n":
            self.pos += 1

    def skip_zeros(self) -> None:
        while self.fill(1) and self.data[self.pos] == 0:
            rest = self.data[self.pos : self.pos + (1 << 16)]
            self.pos += len(rest) - len(rest.lstrip(b"\0"))

    def ends_here(self, ahead: int, dialect: Dialect) -> bool:
        """Return whether a record or the end of the stream follows ``ahead`` bytes further on."""
        complete = self.fill(ahead + dialect.peek)
        at = self.pos + ahead
        tail = self.data[at : at + dialect.peek]
        if at > len(self.data):
            return False
        tail = tail.lstrip(b"\r\n")
        if dialect.mark.match(tail):
            return True
        if self.broken:
            return False
        return not tail or (not complete and dialect.cut(tail))

    def stray(self, ahead: int, dialect: Dialect) -> int | None:
        """Return how many stray bytes are between a place and the next beginning or the end.

        None means more than STRAY.
        """
        complete = self.fill(ahead + STRAY + dialect.peek)
        at = self.pos + ahead
        for count in range(min(STRAY, len(self.data) - at) + 1):
            if dialect.mark.match(self.data, at + count):
                return count
        left = len(self.data) - at
        return left if not complete and not self.broken and left <= STRAY else None

    def ends_oddly(self, ahead: int, dialect: Dialect) -> bool:
        """Return whether a block ends ``ahead`` bytes further on although no record follows it.

        That is so where few stray bytes separate it from the next record or the end, or where it
        ends as the dialect says; both must be so if the block contains the beginning of a record,
        because a length that is too long may end anywhere.
        """
        if self.broken or not self.fill(ahead):
            return False
        near = self.stray(ahead, dialect) is not None
        at = self.pos + ahead
        ended = bool(dialect.ending.match(self.data, at))
        if near and ended:
            return True
        return (near or ended) and not dialect.boundary.search(self.data, self.pos, at)

    def ends_clearly(self, dialect: Dialect) -> bool:
        """Return whether a block that was passed over ends at the position."""
        if self.ends_here(0, dialect):
            return True
        near = self.stray(0, dialect) is not None
        return near and bool(dialect.ending.match(self.data, self.pos))

    def seek_boundary(self, dialect: Dialect) -> bool:
        """Move to the next beginning at or after the position, or to the end of the stream."""
        while True:
            start = max(0, self.pos - 4)
            found = dialect.boundary.search(self.data, start)
            while found and found.end() < self.pos:
                found = dialect.boundary.search(self.data, found.start() + 1)
            if found:
                self.pos = found.end()
                return True
            self.pos = max(self.pos, len(self.data) - dialect.peek)
            if not self.fill(len(self.data) - self.pos + 1):
                self.pos = len(self.data)
                return False


def walk(
    window: Window, dialect: Dialect, cap: int, over: Callable[[Window], bool]
) -> Iterator[WholeRecord | DamagedRange]:
    """Yield the records and damaged ranges of a stream, in order, until the end or ``over``.

    ``over`` is called at the beginning of each record. Blocks above ``cap`` are skipped as
    ``too_large`` and never kept in memory.
    """
    while True:
        window.skip_newlines()
        if not window.fill(1):
            return
        window.fill(dialect.peek)
        if over(window):
            return
        start = window.place
        shown = window.data[window.pos : window.pos + SHOWN]
        head, error, short = None, "", False
        if not dialect.mark.match(window.data, window.pos):
            reason = "not_a_record"
            window.skip_zeros()
            stray = window.stray(0, dialect)
            if stray is not None and (start or window.fill(stray + 1)):
                window.pos += stray
                error = f"{window.place - start} bytes between two records"
                yield DamagedRange(start, window.place, "stray_bytes", error, shown)
                continue
        elif (head := _read_head(window, dialect)) is None:
            reason, short = "record_head", not window.fill(MAX_HEAD)
        elif head.length is None:
            reason, error = "content_length", "the head states no single length"
        elif head.length > cap:
            reason, error, short = "too_large", f"{head.length} bytes, above {cap}", True
            if window.pass_over(head.end + head.length, dialect):
                yield DamagedRange(start, window.place, reason, error, shown)
                continue
        else:
            length = head.end + head.length
            sure = window.ends_here(length, dialect)
            if sure or window.ends_oddly(length, dialect):
                end = window.pos + length
                block = window.data[window.pos + head.end : end]
                window.pos = end
                yield WholeRecord(start, head.headers, block, sure)
                continue
            reason, error = "content_length", f"no record follows after {head.length} bytes"
            short = not window.fill(length)
        window.pos += 1
        if not window.seek_boundary(dialect):
            if window.broken:
                reason, error = window.broken.reason, str(window.broken)
            elif short and window.ends_with_file:
                reason, error = "truncated", "the file ends inside a record"
        yield DamagedRange(start, window.place, reason, error, shown)


def _read_head(window: Window, dialect: Dialect) -> Head | None:
    length = 1024
    while True:
        complete = window.fill(length)
        limit = min(len(window.data), window.pos + MAX_HEAD)
        head = dialect.head(window.data, window.pos, limit)
        if head or not complete or length >= MAX_HEAD:
            return head
        length *= 4
