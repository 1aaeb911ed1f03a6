"""Cut web archives (WARC and ARC; plain, gzip, zstd) into records, each with its place in the file.

A record is read whole or reported as damage with its byte range; damage costs the records that it
touches and no other. The reader walks from record to record by their stated lengths, accepts a
length only if a record or the end follows, and else searches for the next beginning.

Pieces: a piece yields what is between the first beginning at or after its start and the first one
at or after its end, so that the pieces of a file yield each record once, wherever the file is cut.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import IO, NamedTuple

from curate.sources.base import Damage, Piece, Skip
from curate.sources.inflate import GZIP_MAGIC, ZSTD_MAGIC
from curate.sources.members import (
    GZIP_MEMBERS,
    ZSTD_DICTIONARY,
    Member,
    MemberError,
    Packing,
    StoredBytes,
    find_member,
    first_bytes,
    zstd_members,
)
from curate.sources.web.record_heads import ARC, MAX_HEAD, WARC, Dialect, Headers
from curate.sources.web.record_walk import SHOWN, DamagedRange, WholeRecord, Window, walk

#: A record above this is quarantined as ``too_large`` and never kept in memory.
MAX_RECORD_BYTES = 64 << 20

_VERIFIED = 2 << 20  # a member up to this size is inflated and verified before it is parsed
_CHUNK = 1 << 20
_FALSE_STARTS = 16  # broken members that may begin inside one broken member
_REWINDS = 4  # times that a member is inflated again because a huge length in it was wrong


class ArchiveRecord(NamedTuple):
    """One record. ``headers`` have lower-case names; ``offset`` and ``length`` are as stored."""

    locator: str
    offset: int
    length: int
    kind: str
    headers: Headers
    block: bytes


# --- plain files ---------------------------------------------------------------------------------


class _FileWindow(Window):
    def __init__(self, handle: IO[bytes], size: int, start: int, chunk: int = _CHUNK) -> None:
        super().__init__()
        self._handle, self._size, self._chunk = handle, size, chunk
        self._load(start)

    def more(self) -> bytes:
        return self._handle.read(self._chunk)

    def pass_over(self, length: int, dialect: Dialect) -> bool:
        start = self.place
        if start + length > self._size:
            return False
        self._load(start + length)
        if self.ends_clearly(dialect):
            return True
        self._load(start)
        return False

    def _load(self, place: int) -> None:
        """Move to a place without reading what is before it, except what shows a boundary."""
        before = min(4, place)
        self._base, self.data, self.pos, self._ended = place - before, b"", 0, False
        self._handle.seek(self._base)
        self.drop(before)


def _plain_records(
    handle: IO[bytes], size: int, dialect: Dialect, piece: Piece, cap: int, digests: bool
) -> Iterator[ArchiveRecord | Damage | Skip]:
    window = _FileWindow(handle, size, piece.start)
    if piece.start > 0:
        window.seek_boundary(dialect)

    def over(window: Window) -> bool:
        # The next piece finds a beginning only after a blank line; any other belongs to this piece.
        if window.place < piece.end or not dialect.mark.match(window.data, window.pos):
            return False
        before = window.data[max(0, window.pos - 4) : window.pos + dialect.peek]
        found = dialect.boundary.search(before)
        return found is not None and found.end() == min(4, window.pos)

    for item in walk(window, dialect, cap, over):
        if isinstance(item, DamagedRange):
            yield Damage(item.reason, item.start, item.end - item.start, item.error, item.head)
            continue
        yield _checked(str(item.start), item.start, window.place - item.start, item, digests)


def _checked(
    locator: str, offset: int, length: int, item: WholeRecord, digests: bool
) -> ArchiveRecord | Damage:
    """Return a record, or damage where its block is not what its digest says.

    A record that something odd follows is compared always: its length may be wrong.
    """
    # A revisit repeats the digest of the block that it refers to.
    checked = (digests or not item.sure) and item.headers.get(b"warc-type") != b"revisit"
    stated = item.headers.get(b"warc-block-digest") if checked else None
    if stated and not matches_digest(item.block, stated):
        error = f"the block is not {stated[:100].decode('ascii', 'replace')}"
        return Damage("digest", offset, length, error, item.block[:SHOWN])
    return _record(locator, offset, length, item.headers, item.block)


def matches_digest(block: bytes, stated: bytes) -> bool:
    """Return whether a block has a digest ``sha1:<base 32, 16 or 64>``; True for unknown kinds.

    >>> matches_digest(b"abc", b"sha1:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5")
    True
    >>> matches_digest(b"abd", b"md5:900150983cd24fb0d6963f7d28e17f72")
    False
    """
    kind, _, value = stated.partition(b":")
    name = kind.strip().lower().replace(b"-", b"").decode("ascii", "replace")
    if name not in ("md5", "sha1", "sha256", "sha512"):
        return True
    digest = hashlib.new(name, block, usedforsecurity=False).digest()
    expected = value.strip().rstrip(b"=")
    upper = expected.upper()
    return (
        upper == base64.b32encode(digest).rstrip(b"=")
        or upper == digest.hex().upper().encode()
        or expected == base64.b64encode(digest).rstrip(b"=")
    )


# --- gzip and zstd files -------------------------------------------------------------------------


class _MemberWindow(Window):
    """One member, and those after it that continue a record instead of beginning one."""

    ends_with_file = False

    def __init__(self, stored: StoredBytes, member: Member, data: bytes, dialect: Dialect) -> None:
        super().__init__()
        self._stored, self._dialect, self.member = stored, dialect, member
        self._inflated, self._starts = len(data), [(0, member.offset)]
        self.data, self._rewinds = data, 0

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
            end = self.member.end
            packing = self.member.packing
            end = packing.skip_frames(self._stored, end)
            if not packing.starts_at(self._stored, end) or begins_member(
                self._stored, self._dialect, packing, end
            ):
                break
            self.member = Member(self._stored, end, self.member.cap, packing=packing)
            self._starts.append((self._inflated, end))
        return b""

    def pass_over(self, length: int, dialect: Dialect) -> bool:
        place = self.place
        if self.drop(length) and self.ends_clearly(dialect):
            return True
        if self._rewinds < _REWINDS:
            self._rewinds += 1
            start, packing = self._starts[0][1], self.member.packing
            self.member = Member(self._stored, start, self.member.cap, packing=packing)
            self.data, self.pos, self._base = b"", 0, 0
            self._inflated, self.broken, self._ended = 0, None, False
            del self._starts[1:]
            self.drop(place)
        return False

    def stored_at(self, place: int) -> tuple[int, int]:
        """Return the offset of the member that contains a place, and the place in its bytes."""
        start, offset = self._starts[bisect_right(self._starts, (place, self._stored.size)) - 1]
        return offset, place - start


def begins_member(stored: StoredBytes, dialect: Dialect, packing: Packing, offset: int) -> bool:
    """Return whether there is a member at an offset that begins with a record."""
    first = first_bytes(stored, offset, dialect.peek, packing)
    return bool(dialect.mark.match(first.lstrip(b"\0\r\n")))


def _member_records(
    stored: StoredBytes, packing: Packing, dialect: Dialect, piece: Piece, cap: int, digests: bool
) -> Iterator[ArchiveRecord | Damage | Skip]:
    begins = partial(begins_member, stored, dialect, packing)

    def resume(position: int) -> int:
        return find_member(stored, position, begins, packing=packing)

    digests = digests and packing.name == "zstd"  # a checksum is an option of zstd frames
    at = resume(piece.start) if piece.start else 0
    reached, false_starts = 0, 0
    while at < stored.size and (at < piece.end or not begins(at)):
        if (after := packing.skip_frames(stored, at)) > at:
            at = after
            continue
        if stored.read(at, 1) == b"\0" and stored.rest_is_zero(at):
            yield Skip("padding")
            return
        member = Member(stored, at, cap, packing=packing)
        data, error = _verify(member)
        if member.done and not error:
            only = _only_record(data, dialect, cap)
            if only:
                yield _checked(str(at), at, member.end - at, only, digests)
                at = member.end
                continue
        if error:
            # A wrong checksum does not show which bytes are wrong: nothing of the member is used.
            # Else inflate again in small steps: what precedes the damage may be whole records.
            data = b""
            if not error.reason.endswith("_checksum"):
                member = Member(stored, at, cap, step=64, packing=packing)
        window = _MemberWindow(stored, member, data, dialect)
        broken: DamagedRange | None = None
        for item in walk(window, dialect, cap, lambda window: False):
            offset, inner = window.stored_at(item.start)
            if isinstance(item, WholeRecord):
                locator = f"{offset}:{inner}" if inner else str(offset)
                yield _checked(locator, offset, window.member.end - offset, item, digests)
            elif window.broken and item.reason == window.broken.reason:
                broken = item
            else:
                end = max(window.member.end, offset + 1)
                yield Damage(item.reason, offset, end - offset, item.error, item.head)
        if window.broken is None:
            at = window.member.end
            continue
        member = window.member
        offset = window.stored_at(broken.start)[0] if broken else member.offset
        at = member.offset + 1
        # A beginning inside bytes that failed before may be false, and each costs an inflation.
        if at < reached:
            false_starts += 1
            if false_starts > _FALSE_STARTS:
                at = reached
        else:
            false_starts = 0
        reached = max(reached, member.end)
        at = resume(at)
        head = broken.head if broken else stored.read(offset, SHOWN)
        yield Damage(window.broken.reason, offset, at - offset, str(window.broken), head)


def _verify(member: Member) -> tuple[bytes, MemberError | None]:
    """Inflate a member completely if it is small, so that it is verified before it is parsed."""
    parts = []
    length = 0
    try:
        while length < _VERIFIED and not member.done:
            part = member.read(_VERIFIED - length)
            parts.append(part)
            length += len(part)
    except MemberError as error:
        return b"".join(parts), error
    return parts[0] if len(parts) == 1 else b"".join(parts), None


def _only_record(data: bytes, dialect: Dialect, cap: int) -> WholeRecord | None:
    """Read a member that contains one record and nothing else, as nearly all do."""
    if not dialect.mark.match(data):
        return None
    head = dialect.head(data, 0, MAX_HEAD)
    if head is None or head.length is None or head.length > cap:
        return None
    end = head.end + head.length
    if end > len(data) or len(data) - end > 8 or data[end:].strip(b"\r\n"):
        return None
    return WholeRecord(0, head.headers, data[head.end : end])


# --- files ---------------------------------------------------------------------------------------


def _record(
    locator: str, offset: int, length: int, headers: Headers, block: bytes
) -> ArchiveRecord:
    kind = headers.get(b"warc-type", b"").decode("ascii", "replace").lower()
    return ArchiveRecord(locator, offset, length, kind, headers, block)


_OTHER_PACKINGS = {
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}


def _layout(stored: StoredBytes, name: str) -> tuple[Packing | str, Dialect]:
    """Return the packing and the dialect, also where the file's first bytes are damaged.

    The packing is a string where it has no members: ``plain``, or one that is not read. Raise
    MemberError where zstd's dictionary is damaged.
    """
    first = stored.read(0, ARC.peek)
    name = name.lower()
    dialects = (ARC, WARC) if ".arc" in name else (WARC, ARC)
    for dialect in (WARC, ARC):
        if dialect.mark.match(first):
            return "plain", dialect
    is_gzip = first.startswith(GZIP_MAGIC)
    # Other skippable frames than a dictionary have fifteen magics: the name says that it is zstd.
    by_name = name.endswith(".zst") and not is_gzip
    is_zstd = by_name or first.startswith((ZSTD_MAGIC, ZSTD_DICTIONARY))
    packing = zstd_members(stored) if is_zstd else GZIP_MEMBERS
    for dialect in dialects:
        begins = partial(begins_member, stored, dialect, packing)
        if find_member(stored, 0, begins, _CHUNK, packing) < stored.size:
            return packing, dialect
    if is_zstd or is_gzip:
        return packing, dialects[0]
    for mark, other in _OTHER_PACKINGS.items():
        if first.startswith(mark):
            return other, WARC
    return GZIP_MEMBERS if name.endswith(".gz") else "plain", dialects[0]


def archive_records(
    handle: IO[bytes],
    size: int,
    piece: Piece,
    *,
    name: str = "",
    max_record_bytes: int = MAX_RECORD_BYTES,
    check_digests: bool = True,
) -> Iterator[ArchiveRecord | Damage | Skip]:
    """Yield the records that begin in a piece of an archive, in file order; content raises nothing.

    ``check_digests`` compares each block with the digest that its record states, in plain and zstd
    files, which have no certain checksum as gzip members do. An empty file is one damage (an
    archive has at least one record), and so is one of empty members; zeros at the end are skipped
    as ``padding``. Packings other than gzip and zstd are one damage ``packing``: unpack them first.
    Limitation: where a blind cut is inside a record that itself contains an uncompressed web
    archive, or one that could not be compressed, the piece cannot distinguish inner records from
    outer ones.
    """
    if size == 0:
        yield Damage("empty_file", 0, 0, "the file has no bytes")
        return
    stored = StoredBytes(handle, size)
    try:
        packing, dialect = _layout(stored, name)
    except MemberError as error:
        if piece.start == 0:
            yield Damage(error.reason, 0, size, str(error), stored.read(0, SHOWN))
        return
    if isinstance(packing, Packing):
        found = _member_records(stored, packing, dialect, piece, max_record_bytes, check_digests)
        is_empty = piece == Piece(0, size)
        for item in found:
            is_empty = False
            yield item
        if is_empty:
            yield Damage("empty_file", 0, size, "the file has no records")
    elif packing == "plain":
        yield from _plain_records(handle, size, dialect, piece, max_record_bytes, check_digests)
    elif piece.start == 0:
        yield Damage("packing", 0, size, f"{packing} is not read: unpack it or use gzip or zstd")


def cut_archive(
    handle: IO[bytes], size: int, target_bytes: int, *, name: str = "", local: bool = False
) -> list[Piece]:
    """Cut an archive into pieces of about ``target_bytes``; one where it is one long member.

    A gzip or zstd file is cut anywhere if its first member ends early, because then each record
    has a member of its own. A plain file is cut at true beginnings if it is ``local``, by jumping
    from head to head, because pages about web archives contain what looks like a beginning.
    """
    stored = StoredBytes(handle, size)
    try:
        packing, dialect = _layout(stored, name)
    except MemberError:
        return [Piece(0, size)]
    step = max(1, target_bytes)
    starts = [0]
    if packing == "plain" and local:
        window = _FileWindow(handle, size, 0, chunk=1 << 12)
        for item in walk(window, dialect, -1, lambda _: False):
            if item.start - starts[-1] >= step:
                starts.append(item.start)
    elif packing == "plain" or (isinstance(packing, Packing) and _ends_early(stored, packing)):
        starts = list(range(0, size, step))
    return [Piece(*ends) for ends in pairwise([*starts, size])]


def _ends_early(stored: StoredBytes, packing: Packing) -> bool:
    start = packing.skip_frames(stored, 0)
    member = Member(stored, start, MAX_RECORD_BYTES, packing=packing)
    try:
        while not member.done and member.end < start + _CHUNK:
            member.read(_CHUNK)
    except MemberError:
        return False
    return member.done and member.end < stored.size
