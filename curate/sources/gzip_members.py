"""Read gzip files member by member, so that damage costs a member and never the rest of the file.

Web archives compress each record into a gzip member of its own. ``gzip.open`` and most readers treat
the members as one stream: a flipped bit ends the file, a cut one ends it in silence. Here each member
is inflated alone, in bounded portions, with its checksum and length verified (zlib does that for
``wbits=31``), and the reader can look for the next member behind a broken one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import IO

MAGIC = b"\x1f\x8b\x08"

_BLOCK = 1 << 20  # bytes per read of the stored file
_SLICE = (
    1 << 14
)  # stored bytes per call of zlib: what follows a member's end is copied once per member
_CHUNK = 1 << 20  # inflated bytes per portion
_RATIO = 200  # text inflates 3 to 30 times; deflate's limit is 1,032


class StoredBytes:
    """Random access to a file in blocks; sequential reading costs one read per block."""

    def __init__(self, handle: IO[bytes], size: int) -> None:
        self._handle, self.size = handle, size
        self._base, self._block = 0, b""

    def _load(self, position: int) -> int:
        """Make the block hold a position; give the position's place in it."""
        start = position - self._base
        if not 0 <= start < len(self._block):
            self._handle.seek(position)
            self._base, start = position, 0
            self._block = self._handle.read(_BLOCK)
        return start

    def at(self, position: int, length: int) -> memoryview:
        """Give up to ``length`` bytes from a position; empty only at the end of the file."""
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
        """Find the next occurrence from a position, -1 if there is none."""
        while position < self.size:
            start = self._load(position)
            found = self._block.find(needle, start)
            if found >= 0:
                return self._base + found
            seam = self._base + len(self._block)
            if seam == position:
                return -1
            # The needle may lie across the seam of two blocks.
            position = max(position, seam - len(needle) + 1)
            if (inside := self.read(position, 2 * len(needle) - 2).find(needle)) >= 0:
                return position + inside
            position = seam
        return -1

    def rest_is_zero(self, position: int) -> bool:
        """Tell whether only zero bytes follow, as tape blocks and preallocated files leave them."""
        while part := self.at(position, _BLOCK):
            if part.tobytes().strip(b"\0"):
                return False
            position += len(part)
        return True


class MemberError(Exception):
    """A member that cannot be inflated; ``reason`` is the code it is counted under."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


class Member:
    """One gzip member, inflated portion by portion.

    ``end`` is known, and checksum and length are verified, once ``done`` is set. A member that
    inflates past ``cap`` bytes at more than 200 times its stored size is refused as a bomb.
    """

    __slots__ = (
        "_error",
        "_inflater",
        "_step",
        "_stored",
        "cap",
        "done",
        "end",
        "inflated",
        "offset",
    )

    def __init__(self, stored: StoredBytes, offset: int, cap: int, step: int = _SLICE) -> None:
        self._stored, self.offset, self.cap, self._step = stored, offset, cap, step
        self._inflater = zlib.decompressobj(31)
        self._error: MemberError | None = None
        self.end, self.inflated, self.done = offset, 0, False

    def read(self, limit: int = _CHUNK) -> bytes:
        """Inflate the next portion of about ``limit`` bytes; empty when the member is done.

        Raises MemberError where the member is damaged, cut or a bomb, after what stands before
        the damage has been given.
        """
        if self.done:
            return b""
        parts = []
        got = 0
        inflater = self._inflater
        while got < limit and self._error is None:
            piece = self._stored.at(self.end, self._step)
            try:
                out = inflater.decompress(piece, limit - got)
            except zlib.error as error:
                self._error = MemberError(_reason(error), str(error))
                break
            if inflater.eof:
                self.end += len(piece) - len(inflater.unused_data)
                self.done = True
            else:
                self.end += len(piece) - len(inflater.unconsumed_tail)
            got += len(out)
            parts.append(out)
            if self.done:
                break
            if not piece and not out:
                self._error = MemberError("truncated", "the file ends inside a gzip member")
        self.inflated += got
        if self.inflated > self.cap and self.inflated > _RATIO * (self.end - self.offset):
            self._error = MemberError(
                "bomb", f"inflates more than {_RATIO} times, past {self.cap} bytes"
            )
        if self._error and not got:
            raise self._error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _reason(error: zlib.error) -> str:
    text = str(error)
    if "data check" in text or "length check" in text:
        return "gzip_checksum"
    return "gzip_header" if "header check" in text else "gzip_data"


def first_bytes(stored: StoredBytes, offset: int, length: int = 64) -> bytes:
    """Inflate only the first bytes of the member at an offset; empty where none begins there."""
    if stored.read(offset, 3) != MAGIC:
        return b""
    inflater = zlib.decompressobj(31)
    # A header may carry a file name or an extra field of up to 64 KiB in front of the data.
    for window in (512, 1 << 17):
        try:
            out = inflater.decompress(stored.read(offset, window), length)
        except zlib.error:
            return b""
        if out or inflater.eof:
            return out
        inflater = zlib.decompressobj(31)
    return b""


def find_member(
    stored: StoredBytes, position: int, begins: Callable[[int], bool], end: int | None = None
) -> int:
    """Find the next gzip magic from a position where ``begins`` finds the beginning of a record.

    Gives ``stored.size`` where none follows, or none before ``end``. The three bytes of the magic
    occur by chance once in 16 MiB of compressed data, so ``begins`` must look inside. Data that
    itself holds a stored web archive can still deceive it.
    """
    while True:
        position = stored.find(MAGIC, position)
        if position < 0 or (end is not None and position >= end):
            return stored.size
        if begins(position):
            return position
        position += 1
