"""Take an HTTP response apart: status, headers, and the body with its codings undone.

The headers of a stored body are often wrong: crawlers store bodies dechunked and inflated under the
original headers, servers label plain bodies as gzip, connections break. A coding that the body does
not show is ignored; a coding that breaks off leaves what was decoded so far, marked as cut. Every
coding is capped by bytes of output.
"""

from __future__ import annotations

from typing import NamedTuple

from curate.sources.inflate import (
    GZIP,
    GZIP_MAGIC,
    ZSTD_FEED,
    ZSTD_MAGIC,
    Zlib,
    Zstd,
    decode,
    portions,
)
from curate.sources.web.record_heads import Headers, parse_headers

_MAX_HEAD = 1 << 18
_MAX_CODINGS = 4
_MAX_MEMBERS = 16  # gzip members in one body; each costs a copy of what follows


class HttpResponse(NamedTuple):
    """A response; ``cut`` is whether the body ends before its codings do."""

    status: int
    headers: Headers
    body: bytes
    cut: bool = False


class HttpDamage(NamedTuple):
    """A response that cannot be read; ``reason`` is the code that quarantine counts."""

    reason: str
    error: str


def parse_response(block: bytes, max_body_bytes: int) -> HttpResponse | HttpDamage:
    r"""Split a stored response into status, headers and decoded body.

    The head ends at the first empty line, with or without carriage returns; a block that is all
    head has an empty body. Status 0 means a status line without a number.

    >>> parse_response(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hi", 1000)[:1]
    (200,)
    >>> parse_response(b"220 smtp.example.com", 1000)
    HttpDamage(reason='http_head', error='no HTTP status line')
    """
    if block[:5].upper() != b"HTTP/":
        return HttpDamage("http_head", "no HTTP status line")
    head, body = _split_head(block)
    if head is None:
        return HttpDamage("http_head", f"no empty line within {_MAX_HEAD} bytes")
    lines = [line.rstrip(b"\r") for line in head.split(b"\n")]
    words = lines[0].split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else 0
    headers = parse_headers(lines[1:])
    cut = False
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        body, cut = dechunk(body)
    codings = headers.get(b"content-encoding", b"").lower().split(b",")
    if len(codings) > _MAX_CODINGS:
        return HttpDamage("content_encoding", f"{len(codings)} codings on one body")
    for coding in reversed(codings):
        name = coding.strip().decode("ascii", "replace")
        if name in ("", "identity", "none", "utf-8") or not body:
            continue
        decoded = undo_coding(name, body, max_body_bytes)
        if isinstance(decoded, HttpDamage):
            return decoded
        body, broke = decoded
        cut = cut or broke
    return HttpResponse(status, headers, body, cut)


def _split_head(block: bytes) -> tuple[bytes | None, bytes]:
    crlf, lf = block.find(b"\r\n\r\n", 0, _MAX_HEAD), block.find(b"\n\n", 0, _MAX_HEAD)
    if crlf >= 0 and (lf < 0 or crlf < lf):
        return block[:crlf], block[crlf + 4 :]
    if lf >= 0:
        return block[:lf], block[lf + 2 :]
    return (block, b"") if len(block) <= _MAX_HEAD else (None, b"")


def dechunk(body: bytes) -> tuple[bytes, bool]:
    r"""Undo chunked transfer; return the body and whether it breaks off.

    A body that does not begin with a chunk size was stored dechunked and is returned as it is.

    >>> dechunk(b"4\r\nwiki\r\n0\r\n\r\n")
    (b'wiki', False)
    >>> dechunk(b"9\r\nwiki")
    (b'wiki', True)
    >>> dechunk(b"<html>")
    (b'<html>', False)
    """
    parts: list[bytes] = []
    at = 0
    while True:
        line = body.find(b"\n", at, at + 4096)
        size = _chunk_size(body[at:line]) if line >= 0 else None
        if size is None:
            if not parts:
                return body, False
            # The crawler lost count: what follows is left out because it may be framing.
            return b"".join(parts), True
        if size == 0:
            return b"".join(parts), False
        start = line + 1
        parts.append(body[start : start + size])
        if start + size > len(body):
            return b"".join(parts), True
        at = start + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0


def _chunk_size(line: bytes) -> int | None:
    digits = line.partition(b";")[0].strip()
    if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(digits, 16)


def undo_coding(name: str, body: bytes, limit: int) -> tuple[bytes, bool] | HttpDamage:
    """Undo one content coding; return the body and whether it breaks off.

    A body that is not in the stated coding at all is returned unchanged if it looks like text.
    """
    if name in ("gzip", "x-gzip"):
        if body[:2] != b"\x1f\x8b":
            return body, False
        return _inflate(body, GZIP, limit)
    if name in ("deflate", "x-deflate"):
        zlib_framed = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
        decoded = _inflate(body, 15 if zlib_framed else -15, limit)
        return (body, False) if _is_lie(decoded, body) else decoded
    if name in ("br", "x-br"):
        decoded = _unbrotli(body, limit)
        return (body, False) if _is_lie(decoded, body) else decoded
    if name == "zstd":
        if body[:4] != ZSTD_MAGIC:
            return body, False
        return _unzstd(body, limit)
    if looks_like_text(body):
        return body, False
    return HttpDamage("content_encoding", f"unknown coding {name[:40]!r}")


def looks_like_text(body: bytes) -> bool:
    """Return whether the first bytes may be markup or prose: no control bytes but whitespace."""
    return not body[:512].translate(None, _TEXT_BYTES)


_TEXT_BYTES = bytes(byte for byte in range(256) if byte >= 32 or byte in b"\t\n\r\f\x1b")


def _is_lie(decoded: tuple[bytes, bool] | HttpDamage, body: bytes) -> bool:
    if not looks_like_text(body):
        return False
    if isinstance(decoded, HttpDamage):
        return decoded.reason == "content_encoding"
    return decoded[1] and not looks_like_text(decoded[0])


def _bomb(body: bytes, limit: int) -> HttpDamage:
    return HttpDamage("bomb", f"a body of {len(body)} bytes inflates past {limit}")


def _inflate(body: bytes, wbits: int, limit: int) -> tuple[bytes, bool] | HttpDamage:
    plain, data, error = b"", body, ""
    for _ in range(_MAX_MEMBERS):
        decoder = Zlib(wbits)
        part, error = decode(decoder, (data,), limit - len(plain))
        plain += part
        if len(plain) > limit:
            return _bomb(body, limit)
        data = decoder.unused_data
        if wbits != GZIP or not data.startswith(GZIP_MAGIC):
            break  # else several gzip members in a row are one body
    if not plain and error:
        # zlib returns nothing from a call that fails: decode what is before it in small steps.
        plain, _ = decode(Zlib(wbits), portions(body, max(1, len(body) >> 15)), limit)
    if not plain:
        return HttpDamage("content_encoding", error or "the coded body ends at its beginning")
    return plain, not decoder.eof


def _unbrotli(body: bytes, limit: int) -> tuple[bytes, bool] | HttpDamage:
    try:
        import brotli  # type: ignore[import-untyped]
    except ImportError:
        return HttpDamage("content_encoding", "brotli bodies need the package brotli")
    parts: list[bytes] = []
    total = 0
    decoder = brotli.Decompressor()
    data = body
    try:
        while not decoder.is_finished():
            part = decoder.process(data, output_buffer_limit=min(1 << 20, limit - total + 1))
            data = b""
            if not part and decoder.can_accept_more_data():
                break
            total += len(part)
            parts.append(part)
            if total > limit:
                return _bomb(body, limit)
    except brotli.error as problem:
        if not total:
            return HttpDamage("content_encoding", f"brotli: {problem}")
        return b"".join(parts), True
    if not total and not decoder.is_finished():
        return HttpDamage("content_encoding", "brotli: the body ends at its beginning")
    return b"".join(parts), not decoder.is_finished()


def _unzstd(body: bytes, limit: int) -> tuple[bytes, bool] | HttpDamage:
    decoder = Zstd(max_window_size=1 << 27)
    plain, error = decode(decoder, portions(body, ZSTD_FEED), limit)
    if len(plain) > limit:
        return _bomb(body, limit)
    if not plain and not decoder.eof:
        error = error or "the body ends at its beginning"
        return HttpDamage("content_encoding", f"zstd: {error}")
    return plain, not decoder.eof
