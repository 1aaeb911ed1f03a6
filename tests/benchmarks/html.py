"""Extraction of page content: token F1 and speed of curate, resiliparse and trafilatura.

Usage: CURATE_SHARED_DATA=... python -m tests.benchmarks.html

Pages and gold are the development part of Scrapinghub's article extraction benchmark. Token F1 is
the mean over pages of the harmonic mean of precision and recall on bags of words. MB/s count the
bytes of the pages by the CPU's time, decoding included; the extractors take turns, and the best of
three rounds counts.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

from curate.sources.web.html import EXTRACTORS, Extraction, Page, page_text

ROUNDS = 3

#: Pieces of pages that make parsers slow when they are repeated.
HOSTILE = (
    b"<div>", b"</div>", b"<a ", b"<!--", b'<p class="', b"<title>", b"<li>", b"<td>", b"<p>a",
    b"<", b"<b><p>", b"<ol><li>x", b"<table><tr><td>x", b"<math><annotation>x",
)  # fmt: skip


def gold() -> list[tuple[bytes, str]]:
    """Return pages and the text of the article in each."""
    folder = Path(os.environ["CURATE_SHARED_DATA"], "html")
    with gzip.open(folder / "zyte-article-groundtruth.dev.jsonl.gz", "rt") as lines:
        texts = {row["id"]: row["articleBody"] for row in map(json.loads, lines)}
    found = []
    with tarfile.open(folder / "zyte-article-html.dev.tar") as archive:
        for member in archive:
            name = Path(member.name).name.removesuffix(".html.gz")
            file = archive.extractfile(member)
            if name in texts and file is not None:
                found.append((gzip.decompress(file.read()), texts[name]))
    return found


def token_f1(found: str, wanted: str) -> float:
    """Return the F1 of two bags of words.

    >>> token_f1("a b b", "a b c")
    0.6666666666666666
    """
    a, b = Counter(re.findall(r"\w+", found)), Counter(re.findall(r"\w+", wanted))
    common = (a & b).total()
    return 2 * common / (a.total() + b.total()) if common else 0.0


def main() -> None:
    """Print a line per extractor."""
    if "CURATE_SHARED_DATA" not in os.environ:
        sys.exit("needs $CURATE_SHARED_DATA")
    pages = gold()
    size = sum(len(body) for body, _ in pages) / 1e6
    seconds = dict.fromkeys(EXTRACTORS, float("inf"))
    scores: dict[str, list[float]] = {}
    for name in EXTRACTORS * ROUNDS:
        how = Extraction(name)
        page_text(Page(b"<p>x"), how)
        start = time.process_time()
        texts = [page_text(Page(body), how).text for body, _ in pages]
        seconds[name] = min(seconds[name], time.process_time() - start)
        scores[name] = [token_f1(text, wanted) for text, (_, wanted) in zip(texts, pages)]
    print(f"{len(pages)} pages, {size:.1f} MB")
    for name in EXTRACTORS:
        ratio = seconds["trafilatura"] / seconds[name]
        print(
            f"{name:12} token F1 {sum(scores[name]) / len(pages):.4f},"
            f" lowest {min(scores[name]):.2f}"
            f"   {size / seconds[name]:7.1f} MB/s, {ratio:.1f} times trafilatura"
        )
    print("hostile pages, seconds at 1 and 4 MB (linear work: 1 to 4)")
    for piece in HOSTILE:
        times = []
        for size_of_page in (1_000_000, 4_000_000):
            start = time.process_time()
            page_text(Page(piece * (size_of_page // len(piece))))
            times.append(time.process_time() - start)
        print(f"{piece.decode():22} {times[0]:6.2f} {times[1]:6.2f}")


if __name__ == "__main__":
    main()
