"""Builders of small web archives for the tests: by hand, so that they can be wrong on purpose."""

from __future__ import annotations

import gzip
import io
import random

from curate.sources.base import Damage, Piece, Record, Skip
from curate.sources.web.warc_records import ArchiveRecord, archive_records, cut_archive


def record(
    kind: str, block: bytes, *, url: str = "", length: int | None = None, **more: str
) -> bytes:
    lines = ["WARC/1.0", f"WARC-Type: {kind}", "WARC-Date: 2024-05-18T01:58:10Z"]
    lines.append(f"WARC-Record-ID: <urn:uuid:{kind}-{url}>")
    if url:
        lines.append(f"WARC-Target-URI: {url}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    lines.append(f"Content-Length: {len(block) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def response(url: str, body: bytes, *head: str, status: str = "200 OK", **more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(head or ("Content-Type: text/html; charset=utf-8",))]
    block = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    more = {"Content_Type": "application/http; msgtype=response"} | more
    return record("response", block, url=url, **more)


def html(text: str) -> bytes:
    return f"<html><body><p>{text}</p></body></html>".encode()


def small_archive(records: int = 6, seed: int = 1) -> list[bytes]:
    """Return a few records of unequal size, some compressible, some not."""
    dice = random.Random(seed)
    found = [record("warcinfo", b"software: hand\r\n", Content_Type="application/warc-fields")]
    for number in range(records - 1):
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(400)))
        words = html(f"page {number} " + "bir eki ush " * dice.randrange(40))
        found.append(response(f"http://x.example/{number}", words + noise))
    return found


def members(records: list[bytes]) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in records)


def read(
    data: bytes, start: int = 0, end: int | None = None, **options: int | str
) -> list[ArchiveRecord | Damage | Skip]:
    piece = Piece(start, len(data) if end is None else end)
    return list(archive_records(io.BytesIO(data), len(data), piece, **options))


def cut(data: bytes, target: int, *, local: bool = False) -> list[Piece]:
    return cut_archive(io.BytesIO(data), len(data), target, local=local)


def blocks(found: list[ArchiveRecord | Damage | Skip]) -> list[bytes]:
    return [item.block for item in found if isinstance(item, ArchiveRecord)]


def damages(found: list[Record] | list[ArchiveRecord | Damage | Skip]) -> list[Damage]:
    return [item for item in found if isinstance(item, Damage)]
