"""Read gzip and zstd files member by member, so that damage costs a member and not the file.

Web archives compress each record into a gzip member or zstd frame of its own; both are called
members here. ``gzip.open`` and most readers treat the members as one stream: a flipped bit ends the
file, a truncated member ends it without an error. Here each member is inflated alone, in bounded
portions, with its checksum and length verified, and the reader can look for the next member after a
broken one.

A zstd file may begin with a skippable frame that holds the dictionary of all others, itself plain
or one zstd frame (https://iipc.github.io/warc-specifications/specifications/warc-zstd/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from curate.sources.inflate import (
    GZIP_MAGIC,
    ZSTD_FEED,
    ZSTD_MAGIC,
    DecodeError,
    Zlib,
    Zstd,
    decode,
    portions,
)

_BLOCK = 1 << 20  # bytes per read of the stored file
#: Stored bytes per call of zlib: what follows a member's end is copied once per member.
_SLICE = 1 << 14
_CHUNK = 1 << 20  # inflated bytes per portion
_MAX_WINDOW = 1 << 27  # of a zstd frame; also the limit of the program zstd without --long=31
_MAX_DICTIONARY = 1 << 25
#: The magic of the skippable frame that holds a dictionary.
ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"
_RATIO = 200  # text inflates 3 to 30 times; deflate's limit is 1,032


class StoredBytes:
    """Random access to a file in blocks; sequential reading costs one read per block."""

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle, self.size = handle, size
        self._base, self._block = 0, b""

    def _load(self, position: int) -> int:
        """Load the block at a position; return the position within the block."""
        start = position - self._base
        if not 0 <= start < len(self._block):
            self._handle.seek(position)
            self._base, start = position, 0
            self._block = self._handle.read(_BLOCK)
        return start

    def at(self, position: int, length: int) -> memoryview:
        """Return up to ``length`` bytes from a position; empty only at the end of the file."""
        start = self._load(position)
        return memoryview(self._block)[start : start + length]

    def read(self, position: int, length: int) -> bytes:
        """Read exactly ``length`` bytes from a position, fewer only at the end of the file."""
        parts = []
        while length > 0:
            part = self.at(position, length)
            if not part:
                break
            parts.append(bytes(part))
            position, length = position + len(part), length - len(part)
        return b"".join(parts)

    def find(self, needle: bytes, position: int) -> int:
        """Return the next occurrence from a position on, -1 if there is none."""
        while position < self.size:
            start = self._load(position)
            found = self._block.find(needle, start)
            if found >= 0:
                return self._base + found
            seam = self._base + len(self._block)
            if seam == position:
                return -1
            # The needle may cross the seam of two blocks.
            position = max(position, seam - len(needle) + 1)
            if (inside := self.read(position, 2 * len(needle) - 2).find(needle)) >= 0:
                return position + inside
            position = seam
        return -1

    def rest_is_zero(self, position: int) -> bool:
        """Return whether only zero bytes follow, as in tape blocks and preallocated files."""
        while part := self.at(position, _BLOCK):
            if part.tobytes().strip(b"\0"):
                return False
            position += len(part)
        return True


@dataclass(frozen=True)
class Packing:
    """How the members of a file are compressed: ``gzip`` or ``zstd``, and zstd's dictionary."""

    name: str
    magic: bytes
    dictionary: bytes = b""

    def decoder(self) -> Zlib | Zstd:
        """Return a decoder of one member."""
        return Zlib() if self.name == "gzip" else Zstd(_MAX_WINDOW, self.dictionary)

    def starts_at(self, stored: StoredBytes, offset: int) -> bool:
        """Return whether a member's magic is at an offset."""
        return stored.read(offset, len(self.magic)) == self.magic

    def skip_frames(self, stored: StoredBytes, offset: int) -> int:
        """Return the offset after zstd's skippable frames, which contain no records."""
        while self.name == "zstd" and (length := _skippable(stored, offset)):
            offset += length
        return offset


GZIP_MEMBERS = Packing("gzip", GZIP_MAGIC)


def _skippable(stored: StoredBytes, offset: int) -> int:
    """Return the length of the skippable frame at an offset, 0 where there is none or no end."""
    head = stored.read(offset, 8)
    if len(head) < 8 or head[1:4] != b"\x2a\x4d\x18" or head[0] >> 4 != 5:
        return 0
    length = 8 + int.from_bytes(head[4:], "little")
    return length if offset + length <= stored.size else 0


def zstd_members(stored: StoredBytes) -> Packing:
    """Return the packing of a zstd file, with the dictionary in its first frame.

    Raise MemberError where there is a dictionary that cannot be read.
    """
    length = _skippable(stored, 0)
    if stored.read(0, 4) != ZSTD_DICTIONARY:
        return Packing("zstd", ZSTD_MAGIC)
    if not length or length > _MAX_DICTIONARY:
        raise MemberError("zstd_dictionary", f"a dictionary of {length} bytes")
    words = stored.read(8, length - 8)
    if words.startswith(ZSTD_MAGIC):
        decoder = Zstd(_MAX_WINDOW)
        words, error = decode(decoder, portions(words, ZSTD_FEED), _MAX_DICTIONARY)
        if error or not decoder.eof or len(words) > _MAX_DICTIONARY:
            raise MemberError("zstd_dictionary", error or "the dictionary has no end")
    return Packing("zstd", ZSTD_MAGIC, words)


class MemberError(Exception):
    """A member that cannot be inflated; ``reason`` is the code that counts it."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


class Member:
    """One gzip member or zstd frame, inflated portion by portion.

    Once ``done`` is set, ``end`` is known and checksum and length are verified. A member that
    inflates past ``cap`` bytes at more than 200 times its stored size is refused as a bomb.
    """

    def __init__(
        self,
        stored: StoredBytes,
        offset: int,
        cap: int,
        step: int = _SLICE,
        packing: Packing = GZIP_MEMBERS,
    ) -> None:
        self._stored, self.offset, self.cap, self._step = stored, offset, cap, step
        self.packing, self._decoder = packing, packing.decoder()
        self._error: MemberError | None = None
        self.end, self.inflated, self.done = offset, 0, False

    def read(self, limit: int = _CHUNK) -> bytes:
        """Inflate the next portion of about ``limit`` bytes; empty when the member is done.

        Raise MemberError where the member is damaged, truncated or a bomb, after everything before
        the damage has been returned.
        """
        if self.done:
            return b""
        parts = []
        length = 0
        while length < limit and self._error is None:
            stored = self._stored.at(self.end, self._step)
            try:
                part = self._decoder.decompress(stored, limit - length)
            except DecodeError as error:
                self._error = MemberError(_reason(self.packing, str(error)), str(error))
                break
            self.end += len(stored) - self._decoder.return_unread()
            length += len(part)
            parts.append(part)
            if self._decoder.eof:
                self.done = True
                break
            if not stored and not part:
                what = "gzip member" if self.packing.name == "gzip" else "zstd frame"
                self._error = MemberError("truncated", f"the file ends inside a {what}")
        self.inflated += length
        if self.inflated > self.cap and self.inflated > _RATIO * (self.end - self.offset):
            self._error = MemberError(
                "bomb", f"inflates more than {_RATIO} times, past {self.cap} bytes"
            )
        if self._error and not length:
            raise self._error
        return parts[0] if len(parts) == 1 else b"".join(parts)


_REASONS = {
    "data check": "checksum",
    "length check": "checksum",
    "match checksum": "checksum",
    "header check": "header",
    "frame descriptor": "header",
    "frame parameter": "header",
    "Dictionary": "dictionary",
    "too much memory": "window",
    "window": "window",
}


def _reason(packing: Packing, error: str) -> str:
    kinds = (kind for words, kind in _REASONS.items() if words in error)
    return f"{packing.name}_{next(kinds, 'data')}"


def first_bytes(
    stored: StoredBytes, offset: int, length: int = 64, packing: Packing = GZIP_MEMBERS
) -> bytes:
    """Inflate only the first bytes of the member at an offset; empty where none begins there."""
    if not packing.starts_at(stored, offset):
        return b""
    # A header may contain a file name or an extra field of up to 64 KiB before the data.
    for window in (512, 1 << 17):
        decoder = packing.decoder()
        try:
            plain = decoder.decompress(stored.read(offset, window), length)[:length]
        except DecodeError:
            return b""
        if plain or decoder.eof:
            return plain
    return b""


def find_member(
    stored: StoredBytes,
    position: int,
    begins: Callable[[int], bool],
    end: int | None = None,
    packing: Packing = GZIP_MEMBERS,
) -> int:
    """Return the next position of the magic where ``begins`` finds the beginning of a record.

    Return ``stored.size`` where none follows, or none before ``end``. The three bytes of gzip's
    magic occur by chance once in 16 MiB of compressed data, so ``begins`` must look inside. Data
    that itself contains a stored web archive can still mislead it.
    """
    while True:
        position = stored.find(packing.magic, position)
        if position < 0 or (end is not None and position >= end):
            return stored.size
        if begins(position):
            return position
        position += 1
