"""Compare reading web archives and extracting pages with FastWARC and Resiliparse.

python tests/benchmarks/warc.py [--mb 64] [--file PATH.warc.gz]

Without a file, a WARC of generated pages is built in memory. Each line is the best of three runs,
in CPU seconds of this process and its ended children, so that a busy machine changes little.
FastWARC reports no damage; the comparison is of the undamaged path, where both read the same
records.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from curate.sources.base import Document, InputFile, Piece
from curate.sources.web.html import Extraction, Page, page_text
from curate.sources.web.http_message import HttpResponse, parse_response
from curate.sources.web.sandbox import Sandbox
from curate.sources.web.warc import Warc
from curate.sources.web.warc_records import ArchiveRecord, archive_records


def generated(megabytes: int) -> list[bytes]:
    """Build records like a crawl's: a request, a response of some 40 kB, a metadata record."""
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzабвгдежзийклмноп"
    words = ["".join(dice.choices(letters, k=dice.randint(2, 10))) for _ in range(20_000)]
    records, size = [], 0
    while size < megabytes << 20:
        body = "".join(
            f'<div class="c{n}"><p>{" ".join(dice.choices(words, k=60))}.</p>'
            f'<a href="/{n}">x</a></div>'
            for n in range(dice.randint(10, 90))
        )
        page = f"<html><head><title>t</title></head><body>{body}</body></html>".encode()
        url = f"http://x.example/{len(records)}"
        http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
        for kind, block in (
            ("request", b"GET / HTTP/1.1\r\n\r\n"),
            ("response", http),
            ("metadata", b"a: b"),
        ):
            head = (
                f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
                f"WARC-Record-ID: <urn:uuid:{len(records)}>\r\nWARC-Target-URI: {url}\r\n"
                f"Content-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
            )
            records.append(head.encode() + block + b"\r\n\r\n")
            size += len(records[-1])
    return records


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def best(run: Callable[[], int], times: int = 3) -> tuple[float, int]:
    """Return the shortest time of several runs and the value that the run returned."""
    seconds, count = [], 0
    for _ in range(times):
        start = cpu_seconds()
        count = run()
        seconds.append(cpu_seconds() - start)
    return min(seconds), count


def ours(data: bytes) -> int:
    items = archive_records(io.BytesIO(data), len(data), Piece(0, len(data)))
    return sum(isinstance(item, ArchiveRecord) for item in items)


def fastwarc(data: bytes) -> int:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    records = ArchiveIterator(
        io.BytesIO(data), record_types=WarcRecordType.any_type, parse_http=False
    )
    return sum(len(record.reader.read()) >= 0 for record in records)


def gunzip(data: bytes) -> int:
    with gzip.open(io.BytesIO(data)) as stream:
        return sum(iter(lambda: len(stream.read(1 << 20)), 0))


def bodies(data: bytes) -> list[Page]:
    pages = []
    for item in archive_records(io.BytesIO(data), len(data), Piece(0, len(data))):
        if isinstance(item, ArchiveRecord) and item.kind == "response":
            response = parse_response(item.block, 64 << 20)
            if isinstance(response, HttpResponse) and response.status == 200:
                pages.append(Page(response.body, True, "utf-8"))
    return pages


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file:
        packed = options.file.read_bytes()
        packed *= max(1, (options.mb << 18) // len(packed))
        plain = gzip.decompress(packed)
    else:
        records = generated(options.mb)
        plain = b"".join(records)
        packed = b"".join(gzip.compress(record, 6) for record in records)
    megabytes = len(plain) / 1e6
    print(f"{megabytes:.0f} MB, {len(packed) / 1e6:.0f} MB packed; MB/s are of the inflated bytes")

    base: dict[str, float] = {}

    def line(group: str, name: str, run: Callable[[], int], size: float = megabytes) -> None:
        seconds, count = best(run)
        base.setdefault(group, seconds)
        print(
            f"{group:9} {name:34} {size / seconds:8.1f} MB/s {count / seconds:10.0f}/s"
            f"  curate is {seconds / base[group]:.2f} times as fast"
        )

    line("gzip", "curate", lambda: ours(packed))
    line("gzip", "fastwarc", lambda: fastwarc(packed))
    line("gzip", "gzip.open, no records", lambda: gunzip(packed) and 0)
    line("plain", "curate", lambda: ours(plain))
    line("plain", "fastwarc", lambda: fastwarc(plain))

    pages = bodies(packed)[:2000]
    size = sum(len(page.body) for page in pages) / 1e6

    def in_sandbox() -> int:
        sandbox = Sandbox(Extraction("resiliparse"))
        try:
            return sum(len(sandbox.texts(pages[at : at + 32])) for at in range(0, len(pages), 32))
        finally:
            sandbox.close()  # the time of a child counts when it has ended

    line("extract", "curate", lambda: sum(bool(page_text(p)) for p in pages), size)
    line("extract", "resiliparse, in its sandbox, with start", in_sandbox, size)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.warc.gz"
        path.write_bytes(packed)
        file = InputFile(os.fspath(path), path.name, len(packed))
        source = Warc()

        def whole() -> int:
            return sum(isinstance(r, Document) for r in source.read(file, Piece(0, file.size)))

        line("source", "Warc().read: file to documents", whole)


if __name__ == "__main__":
    main()
