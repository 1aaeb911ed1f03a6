"""Take an HTTP response apart: status, headers, and the body with its codings undone.

The headers of a stored body are often wrong: crawlers store bodies dechunked and inflated under the
original headers, servers label plain bodies as gzip or do not label coded ones, connections break.
A coding that the body does not show is ignored, one that a page shows without a header is undone;
a coding that breaks off leaves what was decoded so far, marked as cut. Every coding is capped by
bytes of output.
"""

from __future__ import annotations

import re
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
_MAX_INTERIM = 8  # heads before the final one
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


# HTTP/0.9 has no head; ICY is what servers of audio streams answer, which browsers accept.
_STATUS = re.compile(
    rb"(?:HTTP(?:/[0-9.]{1,8})?|ICY)(?:[ \t]{1,8}(\d{3})(?!\d)|(?=[ \t\r\n]))[^\r\n]{0,4096}", re.I
)
_TYPED = re.compile(rb"\ncontent-type[ \t]*:", re.I)
_HEADER = re.compile(rb"\r?\n[A-Za-z][A-Za-z0-9-]{0,63}[ \t]*:")
_HEAD_END = re.compile(rb"\n\r?\n|\n(?=<)")
#: Headers whose several lines are one list.
_LISTS = frozenset((b"content-type", b"content-encoding", b"transfer-encoding", b"x-robots-tag"))
_NO_CODINGS = frozenset(
    ("", "identity", "none", "utf-8", "utf8", "binary", "7bit", "8bit", "chunked", "aws-chunked")
)


def parse_response(block: bytes, max_body_bytes: int) -> HttpResponse | HttpDamage:
    r"""Split a stored response into status, headers and decoded body.

    The head ends at the first empty line, with or without carriage returns, or where a line begins
    with markup; a block that is all head has an empty body. Heads of interim responses (1xx, a
    proxy's, which states no type) are passed over. Status 0 is a status line without a number.

    >>> parse_response(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hi", 1000)[:1]
    (200,)
    >>> parse_response(b"220 smtp.example.com", 1000)
    HttpDamage(reason='http_head', error='no HTTP status line')
    """
    body, head = block, None
    for _ in range(_MAX_INTERIM):
        body = body.lstrip(b"\r\n") if body[:1] in (b"\r", b"\n") else body
        line = _STATUS.match(body)
        if line is None:
            return HttpDamage("http_head", "no HTTP status line")
        head, body = _split_head(body)
        if head is None:
            return HttpDamage("http_head", f"no empty line within {_MAX_HEAD} bytes")
        status = int(line[1] or 0)
        follows = _STATUS.match(body.lstrip(b"\r\n"))
        if not follows or not _is_interim(status, head, body.lstrip(b"\r\n")[follows.end() :]):
            break
    lines = [text.rstrip(b"\r") for text in (head or b"").split(b"\n")]
    return decoded(HttpResponse(status, parse_headers(lines[1:], _LISTS), body), max_body_bytes)


def _is_interim(status: int, head: bytes, behind: bytes) -> bool:
    """Return whether a head that another status line follows is a server's or proxy's before it.

    A proxy's states no type, and a header is behind the line.
    """
    if 100 <= status < 200 or b"connection established" in head[:200].lower():
        return True
    return status // 100 != 3 and not _TYPED.search(head) and bool(_HEADER.match(behind))


def decoded(response: HttpResponse, max_body_bytes: int) -> HttpResponse | HttpDamage:
    r"""Undo the codings of a body: those that its headers state, and those that it shows.

    >>> stored = HttpResponse(200, {}, b"4\r\nwiki\r\n0\r\n\r\n")
    >>> decoded(stored, 1000)
    HttpResponse(status=200, headers={}, body=b'wiki', cut=False)
    """
    headers, body = response.headers, response.body
    transfer = _codings(headers, b"transfer-encoding")
    content = _codings(headers, b"content-encoding")
    cut = False
    if _whole_chunks(body) is None and ("chunked" in transfer or "chunked" in content):
        body, cut = dechunk(body)
    codings = [name for name in (*content, *transfer) if name not in _NO_CODINGS]
    if len(codings) > _MAX_CODINGS:
        return HttpDamage("content_encoding", f"{len(codings)} codings on one body")
    codings.reverse()
    for undone in range(2 * _MAX_CODINGS):
        if (plain := _whole_chunks(body)) is not None:
            body = plain
        name = codings[undone] if undone < len(codings) else _shown_coding(body, headers)
        if not name or not body:
            break
        undoing = undo_coding(name, body, max_body_bytes)
        if isinstance(undoing, HttpDamage):
            return undoing
        body, broke = undoing
        cut = cut or broke
    return response._replace(body=body, cut=cut)


def _codings(headers: Headers, name: bytes) -> list[str]:
    value = headers.get(name, b"").lower().decode("ascii", "replace")
    return [part.partition(";")[0].strip(" \t\"'") for part in value.split(",")]


def _split_head(block: bytes) -> tuple[bytes | None, bytes]:
    end = _HEAD_END.search(block, 0, _MAX_HEAD)
    if end is not None:
        return block[: end.start()], block[end.end() :]
    return (block, b"") if len(block) <= _MAX_HEAD else (None, b"")


def dechunk(body: bytes) -> tuple[bytes, bool]:
    r"""Undo chunked transfer; return the body and whether it breaks off.

    A body that does not begin with a chunk was stored dechunked and is returned as it is, also one
    whose first line could be a chunk size but whose chunk does not end as it says. A first chunk
    that is longer than the body is one only if markup or coded bytes follow.

    >>> dechunk(b"4\r\nwiki\r\n0\r\n\r\n")
    (b'wiki', False)
    >>> dechunk(b"9\r\n<p>wiki")
    (b'<p>wiki', True)
    >>> dechunk(b"1984\r\nThe ferry left.")
    (b'1984\r\nThe ferry left.', False)
    >>> dechunk(b"<html>")
    (b'<html>', False)
    """
    parts: list[bytes] = []
    at = 0
    bare = False  # whether a size line ends without a carriage return
    while True:
        line = body.find(b"\n", at, at + 4096)
        size = _chunk_size(body[at:line]) if line >= 0 else None
        start = line + 1
        if size is None:
            if not parts or bare:
                return body, False
            # The crawler lost count: what follows is left out because it may be framing.
            return b"".join(parts), True
        bare = bare or body[line - 1 : line] != b"\r"
        if size == 0:
            stale = not parts and body[start : start + 4096].strip()
            return (body, False) if stale else (b"".join(parts), False)
        at = start + size
        chunk = body[start:at]
        if at > len(body):
            if not parts and looks_like_text(chunk) and not chunk.lstrip().startswith(b"<"):
                return body, False
            return b"".join((*parts, chunk)), True
        end = 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0
        if not end and at < len(body) and not parts:
            return body, False
        parts.append(chunk)
        if at + end >= len(body):
            return b"".join(parts), True
        at += end


_FIRST_CHUNK = re.compile(rb"(?:\r\n)?[0-9a-fA-F]{1,15}[ \t]*(?:;[^\r\n]*)?\r\n")


def _whole_chunks(body: bytes) -> bytes | None:
    """Return what is in chunks from the first size to the last, which no other body shows.

    Some crawlers store chunks and leave out the header that says so. None for any other body.
    """
    if not _FIRST_CHUNK.match(body):
        return None
    parts: list[bytes] = []
    at = 2 if body[:1] == b"\r" else 0
    while True:
        line = body.find(b"\r\n", at, at + 4096)
        size = _chunk_size(body[at:line]) if line >= 0 else None
        if size is None:
            return None
        at = line + 2
        if size == 0:
            return None if not parts or body[at:].strip(b"\r\n") else b"".join(parts)
        parts.append(body[at : at + size])
        at += size + 2
        if body[at - 2 : at] != b"\r\n":
            return None


def _chunk_size(line: bytes) -> int | None:
    digits = line.partition(b";")[0].strip()
    if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(digits, 16)


def undo_coding(name: str, body: bytes, limit: int) -> tuple[bytes, bool] | HttpDamage:
    """Undo one content coding; return the body and whether it breaks off.

    A body that is not in the stated coding at all is returned unchanged if it looks like text. The
    beginnings of gzip and zstd decide, whatever the name.
    """
    name = "gzip" if body.startswith(GZIP_MAGIC) else name
    name = "zstd" if body.startswith(ZSTD_MAGIC) else name
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


def _shown_coding(body: bytes, headers: Headers) -> str:
    """Return the coding that a page's body shows without a header; empty for none.

    Brotli has no magic and cannot be seen. Bodies of other types may be downloads.
    """
    media = headers.get(b"content-type", b"").lower()
    if media and b"text/" not in media and b"xml" not in media:
        return ""
    if body.startswith(GZIP_MAGIC):
        return "gzip"
    if body.startswith(ZSTD_MAGIC):
        return "zstd"
    if body[:1] == b"\x78" and int.from_bytes(body[:2], "big") % 31 == 0:
        start, _ = decode(Zlib(15), portions(body[:4096], 64), 512)
        if len(start) > 8 and looks_like_text(start) and not looks_like_text(body):
            return "deflate"
    return ""


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
