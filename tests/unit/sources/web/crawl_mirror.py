"""A small mirror of Common Crawl: files and an index of our own, and a server with faults."""

from __future__ import annotations

import gzip
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.sources.web.archives import html, record, response

SNAPSHOT = "CC-MAIN-2024-22"
SEGMENT = f"crawl-data/{SNAPSHOT}/segments/1715971057216.39"
INDEX = f"cc-index/table/cc-main/warc/crawl={SNAPSHOT}/subset=warc"

TEXTS = {
    "kaz": "Бұл сынақ беті, оның ішінде бірнеше сөйлем бар. Екінші сөйлем де осында тұр.",
    "kaz,rus": "Қазақша мәтін мен русский текст бір бетте қатар тұр, осылай да болады екен.",
    "rus,kaz,eng": "Это страница на русском языке, и в ней есть одно қазақша сөз для проверки.",
    "eng": "This page is written in English and nobody who asks for Kazakh should get it.",
    None: "12345 67890 12345 67890 12345 67890 12345 67890 12345 67890 12345 67890 12345",
}


def warc_name(number: int) -> str:
    return f"{SEGMENT}/warc/CC-MAIN-20240517233122-20240518023122-{number:05d}.warc.gz"


def write_mirror(root: Path, files: int = 2, pages: int = 6, index_files: int = 1) -> list[dict]:
    """Write WARC and WET files, their lists, and an index; return its rows."""
    rows: list[dict] = []
    languages = list(TEXTS)
    for number in range(files):
        name = warc_name(number)
        body, wet = bytearray(), bytearray()
        info = record("warcinfo", b"software: hand\r\n", Content_Type="application/warc-fields")
        body += gzip.compress(info, mtime=0)
        wet += gzip.compress(info, mtime=0)
        for page in range(pages):
            said = languages[(page + number) % len(languages)]
            url = f"https://h{number}.example.kz/{page}"
            text = f"{TEXTS[said]} {number} {page} " * 4
            body += gzip.compress(record("request", b"GET / HTTP/1.1\r\n\r\n", url=url), mtime=0)
            member = gzip.compress(response(url, html(text)), mtime=0)
            rows.append(
                {
                    "url_surtkey": f"kz,example,h{number})/{page}",
                    "url": url,
                    "fetch_status": 200,
                    "content_mime_detected": "text/html",
                    "content_languages": said,
                    "warc_filename": name,
                    "warc_record_offset": len(body),
                    "warc_record_length": len(member),
                }
            )
            body += member
            conversion = record("conversion", text.encode(), url=url, Content_Type="text/plain")
            wet += gzip.compress(conversion, mtime=0)
        write(root, name, bytes(body))
        write(root, wet_name(number), bytes(wet))
    for kind, name in (("warc", warc_name), ("wet", wet_name)):
        write_list(root, kind, [name(number) for number in range(files)])
    write_index(root, rows, index_files)
    return rows


def wet_name(number: int) -> str:
    return warc_name(number).replace("/warc/", "/wet/").replace(".warc.gz", ".warc.wet.gz")


def write_list(root: Path, kind: str, names: list[str]) -> None:
    text = "".join(f"{name}\n" for name in names).encode()
    write(root, f"crawl-data/{SNAPSHOT}/{kind}.paths.gz", gzip.compress(text, mtime=0))


def write_index(root: Path, rows: list[dict], files: int = 1) -> None:
    """Write rows as files of the index with two rows per row group, and the list of them."""
    kinds = {"fetch_status": pa.int16(), "warc_record_offset": pa.int32()}
    kinds |= {"warc_record_length": pa.int32()}
    names = []
    for number in range(files):
        part = rows[number * len(rows) // files : (number + 1) * len(rows) // files]
        columns = {
            key: pa.array([row.get(key) for row in part], kinds.get(key, pa.string()))
            for key in rows[0]
        }
        names.append(f"{INDEX}/part-{number:05d}.c000.gz.parquet")
        path = root / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, row_group_size=4, compression="gzip")
    other = names[0].replace("subset=warc", "subset=robotstxt")
    write_list(root, "cc-index-table", [other, *names])


def write(root: Path, name: str, data: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)


class Crawl(BaseHTTPRequestHandler):
    """Serve a folder in ranges; before that, what ``faults`` lists for a path, one per request."""

    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]
    faults: ClassVar[dict[str, list[str]]]
    asked: ClassVar[dict[str, list[str]]]

    def do_HEAD(self) -> None:
        self._serve(head=True)

    def do_GET(self) -> None:
        self._serve(head=False)

    def _serve(self, head: bool) -> None:
        name = self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        if not head:
            self.asked[name].append(wanted)
        fault = self.faults[name].pop(0) if self.faults.get(name) and not head else ""
        path = self.root / name
        if fault.isdigit() or not path.is_file():
            self._answer(int(fault or 404), b"busy", head, Retry_After="0", Location="/elsewhere")
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        if not found or fault == "whole":
            self._answer(200, data, head)
            return
        start, last = int(found[1]), min(int(found[2]), len(data) - 1)
        if start >= len(data):
            self._answer(416, b"", head)
            return
        body = data[start : last + 1]
        place = f"bytes {start}-{last}/{len(data)}"
        if fault == "other range":
            place = f"bytes {start + 1}-{last + 1}/{len(data)}"
        if fault == "earlier range":
            body, place = data[start - 1 : last + 1], f"bytes {start - 1}-{last}/{len(data)}"
        if fault == "shorter":  # than the file and the request allow
            body, place = body[:-1], f"bytes {start}-{last - 1}/{len(data)}"
        if fault == "more":
            body += b"more than was asked for"
        self._answer(206, body, head, cut=fault == "cut", slow=fault == "slow", Content_Range=place)

    def _answer(
        self,
        status: int,
        body: bytes,
        head: bool,
        cut: bool = False,
        slow: bool = False,
        **more: Any,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{len(body)}"')
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if head:
            return
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        for at in range(0, len(body), 64) if slow else (0,):
            self.wfile.write(body[at : at + 64] if slow else body)
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, type[Crawl]]]:
    """Yield the address of a server of a folder, and its class with ``faults`` and ``asked``."""
    handler = type("Served", (Crawl,), {"root": root, "faults": {}, "asked": defaultdict(list)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
