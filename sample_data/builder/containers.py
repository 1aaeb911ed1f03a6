"""Bytes of the containers, from plain values: no clock, no host, no random numbers."""

from __future__ import annotations

import base64
import bz2
import hashlib
import io
import json
import struct
import uuid
import zlib
from collections.abc import Iterable
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def gzip_member(data: bytes) -> bytes:
    """Compress into one gzip member whose header names no time, file or system."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    return (
        b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + body + struct.pack("<II", zlib.crc32(data), len(data))
    )


def damage_member(member: bytes) -> tuple[bytes, str]:
    """Overwrite bytes in the middle of a member; return it and the reason that a reader reports."""
    middle = len(member) // 2
    broken = member[:middle] + b"\xff\x00\xaa\x55" * 6 + member[middle + 24 :]
    try:
        zlib.decompress(broken, 31)
    except zlib.error as error:
        is_checksum = "data check" in str(error) or "length check" in str(error)
        return broken, "gzip_checksum" if is_checksum else "gzip_data"
    raise AssertionError("the member is still whole")


def warc_record(
    kind: str, number: int, url: str | None, content_type: str, block: bytes, **more: str
) -> bytes:
    """Return one WARC 1.0 record, uncompressed. Its id and its time are made of the number."""
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind}/{number}/{url}')}>",
        "WARC-Date": f"2026-03-{1 + number // 100:02d}"
        f"T08:{number // 60 % 60:02d}:{number % 60:02d}Z",
    }
    if url:
        headers["WARC-Target-URI"] = url
    headers |= {key.replace("_", "-"): value for key, value in more.items()}
    if kind in ("response", "conversion"):
        digest = base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()
        headers["WARC-Block-Digest"] = f"sha1:{digest}"
    headers |= {"Content-Type": content_type, "Content-Length": str(len(block))}
    head = "WARC/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return head.encode() + b"\r\n" + block + b"\r\n\r\n"


def http(status: str, content_type: str, body: bytes, **more: str) -> bytes:
    """Return an HTTP response as a crawler stores it."""
    headers = {"Server": "sample", "Content-Type": content_type}
    headers |= {key.replace("_", "-"): value for key, value in more.items()}
    if "Transfer-Encoding" not in headers:
        headers["Content-Length"] = str(len(body))
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return head.encode("latin-1") + b"\r\n" + body


def chunked(body: bytes, size: int = 700) -> bytes:
    """Return a body in the chunks of ``Transfer-Encoding: chunked``."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


#: The block of a warcinfo record.
INFO = b"software: sample\r\nformat: WARC File Format 1.0\r\n"
#: A grey picture of one pixel.
GIF = base64.b64decode("R0lGODlhAQABAIAAAICAgAAAACwAAAAAAQABAAACAkQBADs=")


def json_line(record: dict[str, Any]) -> bytes:
    """Return one line of JSON in UTF-8."""
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def zst(data: bytes) -> bytes:
    """Compress with zstd; the frame states its size and a checksum."""
    return zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data)


def parquet(columns: dict[str, list[Any]]) -> bytes:
    """Return string columns as a Parquet file, sixteen rows to a group."""
    arrays = {
        name: pa.array(values, pa.large_string() if name == "text" else pa.string())
        for name, values in columns.items()
    }
    sink = io.BytesIO()
    pq.write_table(
        pa.table(arrays), sink, row_group_size=16, compression="zstd", compression_level=9,
        use_dictionary=["license", "origin"], store_schema=False, version="2.6",
    )  # fmt: skip
    return sink.getvalue()


def wiki_dump(lang: str, words: dict[str, str], pages: Iterable[dict[str, Any]]) -> bytes:
    """Return a MediaWiki export, bzip2: site info, namespaces and pages."""
    spaces = {
        0: "",
        1: words["talk"],
        6: words["file"],
        10: words["template"],
        14: words["category"],
    }
    listed = "\n".join(
        f'      <namespace key="{key}" case="first-letter"'
        + (f">{name}</namespace>" if name else " />")
        for key, name in spaces.items()
    )
    body = "".join(_wiki_page(page) for page in pages)
    schema = "http://www.mediawiki.org/xml/export-0.11/"
    text = f"""<mediawiki xmlns="{schema}" version="0.11" xml:lang="{lang}">
  <siteinfo>
    <sitename>Sample encyclopedia</sitename>
    <dbname>{lang}wiki</dbname>
    <base>https://{lang}.encyclopedia.example/wiki/</base>
    <generator>sample</generator>
    <case>first-letter</case>
    <namespaces>
{listed}
    </namespaces>
  </siteinfo>
{body}</mediawiki>
"""
    return bz2.compress(text.encode(), 9)


def _wiki_page(page: dict[str, Any]) -> str:
    number, text = page["id"], page["text"]
    redirect = (
        f'\n    <redirect title="{escape(page["redirect"])}" />' if "redirect" in page else ""
    )
    return f"""  <page>
    <title>{escape(page["title"])}</title>
    <ns>{page["ns"]}</ns>
    <id>{number}</id>{redirect}
    <revision>
      <id>{number + 9000}</id>
      <timestamp>2026-02-{number % 27 + 1:02d}T10:00:00Z</timestamp>
      <contributor>
        <username>Sample</username>
        <id>7</id>
      </contributor>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="{len(text.encode())}" xml:space="preserve">{escape(text, quote=False)}</text>
    </revision>
  </page>
"""
