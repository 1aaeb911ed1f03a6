"""Read gzip files member by member, so that damage costs a member and never the rest of the file.

Web archives compress each record into a gzip member of its own. ``gzip.open`` and most readers
treat the members as one stream: a flipped bit ends the file, a truncated member ends it without an
error. Here each member is inflated alone, in bounded portions, with its checksum and length
verified, and the reader can look for the next member after a broken one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from curate.sources.inflate import GZIP_MAGIC, DecodeError, Zlib

_BLOCK = 1 << 20  # bytes per read of the stored file
#: Stored bytes per call of zlib: what follows a member's end is copied once per member.
_SLICE = 1 << 14
_CHUNK = 1 << 20  # inflated bytes per portion
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


class MemberError(Exception):
    """A member that cannot be inflated; ``reason`` is the code that counts it."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


class Member:
    """One gzip member, inflated portion by portion.

    Once ``done`` is set, ``end`` is known and checksum and length are verified. A member that
    inflates past ``cap`` bytes at more than 200 times its stored size is refused as a bomb.
    """

    def __init__(self, stored: StoredBytes, offset: int, cap: int, step: int = _SLICE) -> None:
        self._stored, self.offset, self.cap, self._step = stored, offset, cap, step
        self._decoder = Zlib()
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
                self._error = MemberError(_reason(str(error)), str(error))
                break
            self.end += len(stored) - self._decoder.return_unread()
            length += len(part)
            parts.append(part)
            if self._decoder.eof:
                self.done = True
                break
            if not stored and not part:
                self._error = MemberError("truncated", "the file ends inside a gzip member")
        self.inflated += length
        if self.inflated > self.cap and self.inflated > _RATIO * (self.end - self.offset):
            self._error = MemberError(
                "bomb", f"inflates more than {_RATIO} times, past {self.cap} bytes"
            )
        if self._error and not length:
            raise self._error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _reason(error: str) -> str:
    if "data check" in error or "length check" in error:
        return "gzip_checksum"
    return "gzip_header" if "header check" in error else "gzip_data"


def first_bytes(stored: StoredBytes, offset: int, length: int = 64) -> bytes:
    """Inflate only the first bytes of the member at an offset; empty where none begins there."""
    if stored.read(offset, 3) != GZIP_MAGIC:
        return b""
    # A header may contain a file name or an extra field of up to 64 KiB before the data.
    for window in (512, 1 << 17):
        decoder = Zlib()
        try:
            plain = decoder.decompress(stored.read(offset, window), length)
        except DecodeError:
            return b""
        if plain or decoder.eof:
            return plain
    return b""


def find_member(
    stored: StoredBytes, position: int, begins: Callable[[int], bool], end: int | None = None
) -> int:
    """Return the next position of gzip's magic where ``begins`` finds the beginning of a record.

    Return ``stored.size`` where none follows, or none before ``end``. The three bytes of the magic
    occur by chance once in 16 MiB of compressed data, so ``begins`` must look inside. Data that
    itself contains a stored web archive can still mislead it.
    """
    while True:
        position = stored.find(GZIP_MAGIC, position)
        if position < 0 or (end is not None and position >= end):
            return stored.size
        if begins(position):
            return position
        position += 1
