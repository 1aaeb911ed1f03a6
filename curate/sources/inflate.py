"""Bounded decompression: every call of a decoder returns a bounded number of bytes.

The decoders here and those of bz2 and lzma have one interface: they keep the input that a call did
not read, and continue with it at the next call.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: zlib's ``wbits`` for gzip; it then verifies checksum and length of a member.
GZIP = 31
#: zstd has no call that bounds the output, so it gets little input at a time: a block of 4 bytes
#: may give 128 KiB, so at most 32 MiB come back.
ZSTD_FEED = 1024

Stored = bytes | memoryview


class DecodeError(Exception):
    """Bytes that are not what their compression allows, or do not match their checksum."""


class WindowError(DecodeError):
    """A stream that needs more memory than its reader may use."""

    def __init__(self, kind: str, limit: int, window: int | None = None) -> None:
        size = f"a window of {window >> 20} MiB" if window else "a window"
        super().__init__(
            f"{kind}: {size} above the limit of {limit >> 20} MiB: raise the source's "
            "max_window_bytes, or compress the file again with a smaller window"
        )


class Decoder(Protocol):
    """A decoder of one compressed stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the stream."""

    def decompress(self, data: Stored, max_length: int) -> bytes:
        """Return at most about ``max_length`` plain bytes of the unread input and ``data``."""


class Zlib:
    """A decoder of gzip, zlib or raw deflate."""

    def __init__(self, wbits: int = GZIP) -> None:
        self._inner = zlib.decompressobj(wbits)
        self._unread = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: Stored, max_length: int) -> bytes:
        unread = self._unread + data if self._unread else data
        try:
            plain = self._inner.decompress(unread, max_length)
        except zlib.error as error:
            raise DecodeError(str(error)) from None
        self._unread = self._inner.unconsumed_tail
        return plain

    def return_unread(self) -> int:
        """Forget the input that the last call did not read, and return its length."""
        length = len(self._inner.unused_data) if self._inner.eof else len(self._unread)
        self._unread = b""
        return length


class Zstd:
    """A decoder of zstd frames; the output is bounded by feeding it ZSTD_FEED bytes at a time.

    A window costs the memory of what was written to it. So a frame may ask for any window, but one
    whose window is above ``max_window_size`` (0: the library's limit) may give only as much.

    ``dictionary`` is what frames may refer to, empty for none.
    """

    def __init__(self, max_window_size: int = 0, dictionary: bytes = b"") -> None:
        import zstandard

        self._limit = max_window_size
        window = min(1 << 31, sys.maxsize // 4) if max_window_size else 0
        words = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._inner = zstandard.ZstdDecompressor(
            dict_data=words, max_window_size=window
        ).decompressobj()
        self._error = zstandard.ZstdError
        self._unread, self._at = b"", 0
        self._parameters = zstandard.get_frame_parameters
        self._head, self._window, self._plain_bytes = b"", 0, 0

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        unused: bytes = self._inner.unused_data
        return unused + self._unread[self._at :]

    def decompress(self, data: Stored, max_length: int) -> bytes:
        if data:
            self._unread, self._at = self._unread[self._at :] + data, 0
        if len(self._head) < 18:  # the longest header
            self._read_head(data)
        parts: list[bytes] = []
        length = 0
        while self._at < len(self._unread) and length < max_length and not self._inner.eof:
            try:
                part = self._inner.decompress(self._unread[self._at : self._at + ZSTD_FEED])
            except self._error as error:
                raise DecodeError(str(error)) from None
            self._at = min(self._at + ZSTD_FEED, len(self._unread))
            length += len(part)
            parts.append(part)
            self._plain_bytes += len(part)
            if self._limit and self._window > self._limit < self._plain_bytes:
                raise WindowError("zstd", self._limit, self._window)
        return b"".join(parts)

    def _read_head(self, data: Stored) -> None:
        self._head += bytes(data[: 18 - len(self._head)])
        with suppress(self._error):  # not enough of it, or the decoder says what is wrong
            self._window = self._parameters(self._head).window_size

    def return_unread(self) -> int:
        """Forget the input that the last call did not read, and return its length."""
        length = len(self._unread) - self._at
        if self._inner.eof:
            length += len(self._inner.unused_data)
        self._unread, self._at = b"", 0
        return length


def portions(data: bytes, size: int) -> Iterator[memoryview]:
    """Yield the data in portions of ``size`` bytes, without a copy."""
    view = memoryview(data)
    return (view[at : at + size] for at in range(0, len(data), size))


def decode(decoder: Decoder, data: Iterable[Stored], limit: int) -> tuple[bytes, str]:
    """Decode to the stream's end, the first error, or just past ``limit`` bytes of output.

    Return the plain bytes (over ``limit`` if the stream has more) and the error's text. What a
    failing call has decoded is lost, so the portions of ``data`` decide what an error costs.
    """
    parts: list[bytes] = []
    length = 0
    try:
        for portion in data:
            part = decoder.decompress(portion, limit - length + 1)
            length += len(part)
            parts.append(part)
            if decoder.eof or length > limit:
                break
    except DecodeError as error:
        return b"".join(parts), str(error)
    return b"".join(parts), ""
