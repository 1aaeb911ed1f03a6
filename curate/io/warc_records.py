"""Cut web archives (WARC and ARC, plain or gzip) into records, each with its place in the file.

A record is found whole or reported as damage with its byte range; damage costs the records that it
touches and no other. The reader walks from record to record by their stated lengths, believes a
length only if a record or the end follows, and else looks for the next beginning itself.

Pieces: a piece yields what lies between the first beginning at or after its start and the first one
at or after its end, so that the pieces of a file give its records once each, whoever cuts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from curate.io.gzip_members import (
    MAGIC,
    Member,
    MemberError,
    StoredBytes,
    find_member,
    first_bytes,
)
from curate.io.records import Damage, Piece, Skip

#: A record above this is quarantined as ``too_large``, never held in memory.
MAX_RECORD_BYTES = 64 << 20

_MAX_HEAD = 1 << 16
_HELD = 2 << 20  # a member up to this size is inflated and verified before it is looked at
_CHUNK = 1 << 20
_SHOWN = 4096  # bytes of a damaged record that quarantine shows
_FALSE_STARTS = 16  # broken members that may begin inside one broken member

Headers = dict[bytes, bytes]


class ArchiveRecord(NamedTuple):
    """One record. ``headers`` have lower-case names; ``offset`` and ``length`` are as stored."""

    locator: str
    offset: int
    length: int
    kind: str
    headers: Headers
    block: bytes


class _Head(NamedTuple):
    end: int  # bytes up to the block
    length: int | None
    headers: Headers


class Dialect(NamedTuple):
    """How records begin: a test, a search, and the reader of a record's head."""

    peek: int  # bytes that ``mark`` may need to see
    mark: re.Pattern[bytes]  # matches at the beginning of a record
    boundary: re.Pattern[bytes]  # finds what stands before a record, up to its beginning
    cut: Callable[[bytes], bool]  # could these last bytes of a file be the beginning of a record?
    head: Callable[[bytes, int, int], _Head | None]


# --- heads ---------------------------------------------------------------------------------------


def parse_headers(lines: list[bytes]) -> Headers:
    """Read header lines into a dictionary with lower-case names; folded lines are joined.

    The first of several headers of one name wins; lines without a colon are passed over.

    >>> parse_headers([b"WARC-Type: response", b"X: a", b" b"])
    {b'warc-type': b'response', b'x': b'a b'}
    """
    headers: Headers = {}
    name = b""
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if name:
                headers[name] += b" " + line.strip()
            continue
        name, colon, value = line.partition(b":")
        name = name.strip().lower() if colon else b""
        if name and name not in headers:
            headers[name] = value.strip()
        elif name:
            name = b""
    return headers


def _length(text: bytes | None) -> int | None:
    # int() would accept '+1', '1_0' and 4,300 digits; a length is at most 15 plain digits.
    return int(text) if text is not None and len(text) < 16 and text.isdigit() else None


def _warc_head(data: bytes, start: int, limit: int) -> _Head | None:
    end = data.find(b"\r\n\r\n", start, limit)
    width = 4
    if end < 0 or data.find(b"\n", start, end) != data.find(b"\r\n", start, end) + 1:
        end, width = data.find(b"\n\n", start, limit), 2
        if end < 0:
            return None
    lines = data[start:end].split(b"\n")
    headers = parse_headers([line.rstrip(b"\r") for line in lines[1:]])
    return _Head(end + width - start, _length(headers.get(b"content-length")), headers)


_ARC_LINE = re.compile(
    rb"([A-Za-z][A-Za-z0-9+.-]{1,20}:\S{0,8192}) (\S{1,64}) (\d{14}) (\S{1,256})"
    rb"(?: \S{1,512}){0,5} (\d{1,15})\r?\n"
)


def _arc_head(data: bytes, start: int, limit: int) -> _Head | None:
    line = _ARC_LINE.match(data, start, limit)
    if line is None:
        return None
    url, _, date, media, length = line.groups()
    kind = b"warcinfo" if url.startswith(b"filedesc:") else b"response"
    stamp = b"%s-%s-%sT%s:%s:%sZ" % tuple(
        date[a:b] for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
    )
    headers = {
        b"warc-type": kind,
        b"warc-target-uri": url,
        b"warc-date": stamp,
        b"x-arc-content-type": media,
    }
    return _Head(line.end() - start, int(length), headers)


WARC = Dialect(
    peek=16,
    mark=re.compile(rb"WARC/[01]\.\d"),
    boundary=re.compile(rb"\n\r?\n(?=WARC/[01]\.\d)"),
    cut=lambda tail: b"WARC/1.0".startswith(tail) or b"WARC/0.1".startswith(tail),
    head=_warc_head,
)

ARC = Dialect(
    peek=1 << 14,
    mark=_ARC_LINE,
    boundary=re.compile(rb"\n(?=" + _ARC_LINE.pattern + rb")"),
    cut=lambda tail: b"\n" not in tail,
    head=_arc_head,
)


# --- walking from record to record ---------------------------------------------------------------


class _Found(NamedTuple):
    start: int
    headers: Headers
    block: bytes


class _Bad(NamedTuple):
    start: int
    end: int
    reason: str
    error: str
    head: bytes


class _Window:
    """The part of a stream that the walk looks at. Places are counted from the stream's start."""

    def __init__(self, base: int = 0) -> None:
        self.data, self.pos, self._base = b"", 0, base
        self.broken: MemberError | None = None

    def more(self) -> bytes:
        """Give the stream's next chunk, empty at its end."""
        raise NotImplementedError

    def pass_over(self, length: int, dialect: Dialect) -> bool:
        """Move past a block too large to hold, if a record or the end follows it."""
        raise NotImplementedError

    @property
    def place(self) -> int:
        return self._base + self.pos

    def fill(self, length: int) -> bool:
        """Get ``length`` bytes from the position into the window; False where the stream ends."""
        have = len(self.data) - self.pos
        if have >= length:
            return True
        before = max(0, self.pos - 4)  # a beginning is known by the blank line before it
        parts = [self.data[before:]]
        while have < length and (chunk := self.more()):
            parts.append(chunk)
            have += len(chunk)
        self._base, self.pos = self._base + before, self.pos - before
        self.data = b"".join(parts)
        return have >= length

    def drop(self, length: int) -> bool:
        """Pass over bytes without holding them; False where the stream ends before."""
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

    def ends_here(self, ahead: int, dialect: Dialect) -> bool:
        """Tell whether a record or the end of the stream follows ``ahead`` bytes further on."""
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

    def seek_boundary(self, dialect: Dialect) -> bool:
        """Move to the next beginning at or behind the position, or to the end of the stream."""
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


def _walk(
    window: _Window, dialect: Dialect, cap: int, over: Callable[[_Window], bool]
) -> Iterator[_Found | _Bad]:
    while True:
        window.skip_newlines()
        if not window.fill(1):
            return
        window.fill(dialect.peek)
        if over(window):
            return
        start = window.place
        shown = window.data[window.pos : window.pos + _SHOWN]
        head, error, short = None, "", False
        if not dialect.mark.match(window.data, window.pos):
            reason = "not_a_record"
        elif (head := _read_head(window, dialect)) is None:
            reason, short = "record_head", not window.fill(_MAX_HEAD)
        elif head.length is None:
            reason, error = "content_length", "the record states no length"
        elif head.length > cap:
            reason, error, short = "too_large", f"{head.length} bytes, above {cap}", True
            if window.pass_over(head.end + head.length, dialect):
                yield _Bad(start, window.place, reason, error, shown)
                continue
        else:
            length = head.end + head.length
            if window.ends_here(length, dialect):
                end = window.pos + length
                yield _Found(start, head.headers, window.data[window.pos + head.end : end])
                window.pos = end
                continue
            reason, error = "content_length", f"no record follows after {head.length} bytes"
            short = not window.fill(length)
        window.pos += 1
        if not window.seek_boundary(dialect):
            if window.broken:
                reason, error = window.broken.reason, str(window.broken)
            elif short:
                reason, error = "truncated", "the file ends inside a record"
        yield _Bad(start, window.place, reason, error, shown)


def _read_head(window: _Window, dialect: Dialect) -> _Head | None:
    want = 1024
    while True:
        complete = window.fill(want)
        limit = min(len(window.data), window.pos + _MAX_HEAD)
        head = dialect.head(window.data, window.pos, limit)
        if head or not complete or want >= _MAX_HEAD:
            return head
        want *= 4


# --- plain files ---------------------------------------------------------------------------------


class _FileWindow(_Window):
    def __init__(self, handle: IO[bytes], size: int, start: int) -> None:
        super().__init__(max(0, start - 4))
        self._handle, self._size = handle, size
        handle.seek(self._base)
        self.fill(start - self._base)
        self.pos = start - self._base

    def more(self) -> bytes:
        return self._handle.read(_CHUNK)

    def pass_over(self, length: int, dialect: Dialect) -> bool:
        end = self.place + length
        here = self._base + len(self.data)
        if end > self._size:
            return False
        self._handle.seek(end)
        tail = self._handle.read(dialect.peek).lstrip(b"\r\n")
        if tail and not dialect.mark.match(tail):
            self._handle.seek(here)
            return False
        self._base, self.data, self.pos = end - 4, b"", 0
        self._handle.seek(end - 4)
        return self.drop(4)


def _plain_records(
    handle: IO[bytes], size: int, dialect: Dialect, piece: Piece, cap: int
) -> Iterator[ArchiveRecord | Damage | Skip]:
    window = _FileWindow(handle, size, piece.start)
    if piece.start > 0:
        window.seek_boundary(dialect)

    def over(window: _Window) -> bool:
        # The next piece finds a beginning only behind its blank line; any other is still ours.
        if window.place < piece.end or not dialect.mark.match(window.data, window.pos):
            return False
        before = window.data[max(0, window.pos - 4) : window.pos + dialect.peek]
        found = dialect.boundary.search(before)
        return found is not None and found.end() == min(4, window.pos)

    for item in _walk(window, dialect, cap, over):
        if isinstance(item, _Bad):
            yield Damage(item.reason, item.start, item.end - item.start, item.error, item.head)
        else:
            length = window.place - item.start
            yield _record(str(item.start), item.start, length, item.headers, item.block)


# --- gzip files ----------------------------------------------------------------------------------


class _MemberWindow(_Window):
    """One member, and those behind it that continue a record instead of beginning one."""

    def __init__(self, stored: StoredBytes, member: Member, data: bytes, dialect: Dialect) -> None:
        super().__init__()
        self._stored, self._dialect, self.member = stored, dialect, member
        self._inflated, self._starts = len(data), [(0, member.offset)]
        self.data = data

    def more(self) -> bytes:
        while self.broken is None:
            try:
                chunk = self.member.read(_CHUNK)
            except MemberError as error:
                self.broken = error
                break
            if chunk:
                self._inflated += len(chunk)
                return chunk
            if not self.member.done:
                continue
            behind = self.member.end
            if self._stored.read(behind, 3) != MAGIC or begins_member(
                self._stored, self._dialect, behind
            ):
                break
            self.member = Member(self._stored, behind, self.member.cap)
            self._starts.append((self._inflated, behind))
        return b""

    def pass_over(self, length: int, dialect: Dialect) -> bool:
        return self.drop(length) and self.ends_here(0, dialect)

    def stored_at(self, place: int) -> tuple[int, int]:
        """Give the member that holds a place, and where in its inflated bytes."""
        start, offset = max(s for s in self._starts if s[0] <= place)
        return offset, place - start


def begins_member(stored: StoredBytes, dialect: Dialect, offset: int) -> bool:
    """Tell whether a gzip member stands at an offset and begins with a record."""
    return bool(dialect.mark.match(first_bytes(stored, offset, dialect.peek)))


def _gzip_records(
    stored: StoredBytes, dialect: Dialect, piece: Piece, cap: int
) -> Iterator[ArchiveRecord | Damage | Skip]:
    def resume(position: int) -> int:
        return find_member(stored, position, lambda data: bool(dialect.mark.match(data)))

    at = resume(piece.start) if piece.start else 0
    reached, false_starts = 0, 0
    while at < stored.size and (at < piece.end or not begins_member(stored, dialect, at)):
        if stored.at(at, 1)[0] == 0 and stored.rest_is_zero(at):
            yield Skip("padding")
            return
        member = Member(stored, at, cap)
        data, failed = _hold(member)
        if member.done and not failed:
            whole = _only_record(data, dialect, cap)
            if whole:
                yield _record(str(at), at, member.end - at, whole.headers, whole.block)
                at = member.end
                continue
        if failed and failed.reason == "gzip_checksum":
            # Something in it is wrong and nobody can tell what.
            data = b""
        elif failed:
            # Again in small steps: what stands before the damage may be whole records.
            member = Member(stored, at, cap, step=64)
            data = b""
        window = _MemberWindow(stored, member, data, dialect)
        bad: _Bad | None = None
        for item in _walk(window, dialect, cap, lambda window: False):
            offset, inner = window.stored_at(item.start)
            if isinstance(item, _Found):
                locator = f"{offset}:{inner}" if inner else str(offset)
                yield _record(locator, offset, window.member.end - offset, item.headers, item.block)
            elif window.broken and item.reason == window.broken.reason:
                bad = item
            else:
                end = max(window.member.end, offset + 1)
                yield Damage(item.reason, offset, end - offset, item.error, item.head)
        if window.broken is None:
            at = window.member.end
            continue
        member = window.member
        offset = window.stored_at(bad.start)[0] if bad else member.offset
        at = member.offset + 1
        if at < reached:
            false_starts += 1
            if false_starts > _FALSE_STARTS:
                at = reached
        else:
            false_starts = 0
        reached = max(reached, member.end)
        at = resume(at)
        head = bad.head if bad else stored.read(offset, _SHOWN)
        yield Damage(window.broken.reason, offset, at - offset, str(window.broken), head)


def _hold(member: Member) -> tuple[bytes, MemberError | None]:
    """Inflate a member whole if it is small, so that it is verified before it is looked at."""
    parts = []
    held = 0
    try:
        while held < _HELD and not member.done:
            part = member.read(_HELD - held)
            parts.append(part)
            held += len(part)
    except MemberError as error:
        return b"".join(parts), error
    return parts[0] if len(parts) == 1 else b"".join(parts), None


def _only_record(data: bytes, dialect: Dialect, cap: int) -> _Found | None:
    """Read a member that holds one record and nothing else, as nearly all do."""
    if not dialect.mark.match(data):
        return None
    head = dialect.head(data, 0, _MAX_HEAD)
    if head is None or head.length is None or head.length > cap:
        return None
    end = head.end + head.length
    if end > len(data) or len(data) - end > 8 or data[end:].strip(b"\r\n"):
        return None
    return _Found(0, head.headers, data[head.end : end])


# --- files ---------------------------------------------------------------------------------------


def _record(
    locator: str, offset: int, length: int, headers: Headers, block: bytes
) -> ArchiveRecord:
    kind = headers.get(b"warc-type", b"").decode("ascii", "replace").lower()
    return ArchiveRecord(locator, offset, length, kind, headers, block)


_OTHER_PACKINGS = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}


def _packing(first: bytes) -> str | None:
    if first.startswith(MAGIC):
        return "gzip"
    return next((name for mark, name in _OTHER_PACKINGS.items() if first.startswith(mark)), None)


def _dialect(name: str, first: bytes) -> Dialect:
    if WARC.mark.match(first):
        return WARC
    return ARC if ARC.mark.match(first) or ".arc" in name.lower() else WARC


def archive_records(
    handle: IO[bytes],
    size: int,
    piece: Piece,
    *,
    name: str = "",
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Iterator[ArchiveRecord | Damage | Skip]:
    """Read the records that begin in a piece of an archive, in file order; never raises for content.

    An empty file is one damage (an archive has at least a record); zeros at the end are skipped as
    ``padding``. Packings other than gzip are one damage ``packing``: unpack them first.
    Goes wrong where a cut falls into a record that itself stores an uncompressed or incompressible
    web archive: the piece cannot tell the inner records from outer ones.
    """
    if size == 0:
        yield Damage("empty_file", 0, 0, "the file has no bytes")
        return
    stored = StoredBytes(handle, size)
    first = stored.read(0, ARC.peek)
    packing = _packing(first)
    if packing == "gzip":
        dialect = _dialect(name, first_bytes(stored, 0, ARC.peek))
        yield from _gzip_records(stored, dialect, piece, max_record_bytes)
    elif packing:
        if piece.start == 0:
            yield Damage("packing", 0, size, f"{packing} is not read: unpack it or use gzip")
    else:
        yield from _plain_records(handle, size, _dialect(name, first), piece, max_record_bytes)


def cut_archive(handle: IO[bytes], size: int, target_bytes: int) -> list[Piece]:
    """Cut an archive every ``target_bytes``; one piece where it is one long gzip member.

    Looks at the first member only: it ends early where each record has a member of its own.
    """
    stored = StoredBytes(handle, size)
    packing = _packing(stored.read(0, 16))
    if packing not in (None, "gzip"):
        return [Piece(0, size)]
    if packing == "gzip":
        member = Member(stored, 0, 0)
        try:
            while not member.done and member.end < _CHUNK:
                member.read(_CHUNK)
        except MemberError:
            member.done = False
        if not member.done or member.end >= size:
            return [Piece(0, size)]
    step = max(1, target_bytes)
    starts = range(0, max(size, 1), step)
    return [Piece(start, min(start + step, size)) for start in starts]
