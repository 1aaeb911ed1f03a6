"""Compare the speed of repair with ftfy's with the same options. Run on demand, never in CI.

    CURATE_SHARED_DATA=... python -m tests.benchmarks.repair [--seconds 2]

Both do the same work on the same real texts: ftfy as FineWeb2 configures it, with NFC; curate
also repairs controls and whitespace. One process, one thread; CPU time, the best of several passes.
``flagged`` is the share of texts that the scan flags, ``ours`` includes the scan.

Then microseconds per page of decoding pages that state their single-byte charset, rightly.
"""

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ftfy
import pyarrow as pa

from curate.sources.decoding import decode
from curate.text import mojibake_scan
from curate.text.code_pages import as_in_pages
from curate.text.repair import repair

TEXTS = {
    "en": [
        "en-state-union-speeches",
        "en-inaugural-speeches",
        "en-lee-news",
        "en-xquad-wikipedia-paragraphs",
    ],
    "ru": ["ru-rurebus-government-docs", "ru-xquad-wikipedia-paragraphs"],
    "ja": ["ja-jaquad-wikipedia-paragraphs"],
    "kk": [
        "kk-kazqad-wikipedia-passages",
        "kk-apertium-wikipedia-articles",
        "kk-kaznerd-news-sentences",
    ],
    "tr": ["tr-tquad-history-paragraphs", "tr-xquad-wikipedia-paragraphs"],
    "ar": ["ar-arcd-wikipedia-paragraphs", "ar-xquad-wikipedia-paragraphs"],
    "de": ["de-xquad-wikipedia-paragraphs"],
    "vi": ["vi-xquad-wikipedia-paragraphs"],
    "zh": ["zh-cmrc2018-wikipedia-paragraphs", "zh-xquad-wikipedia-paragraphs"],
    "ko": ["ko-korquad-wikipedia-paragraphs"],
}
STATED = {
    "en": "cp1252", "ru": "cp1251", "kk": "kz1048", "tr": "cp1254", "ar": "cp1256", "de": "cp1252",
    "vi": "cp1258",
}  # fmt: skip
LABELS = {"vi": "vie_Latn"}  # whose pages store letters in another way than Unicode
OPTIONS = ftfy.TextFixerConfig(
    explain=False,
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=False,
    normalization="NFC",
)


def load(names: list[str]) -> list[str]:
    folder = Path(os.environ["CURATE_SHARED_DATA"]) / "text"
    texts = []
    for name in names:
        with gzip.open(folder / f"{name}.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    return texts


def best(works: list[Callable[[], object]], seconds: float) -> list[float]:
    """Time functions in turn, under the same load of the machine; return the best of each."""
    times: list[list[float]] = [[] for _ in works]
    started = time.perf_counter()
    while not times[-1] or time.perf_counter() - started < seconds * len(works):
        for work, taken in zip(works, times):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    seconds = parser.parse_args().seconds
    sets = {name: load(files) for name, files in TEXTS.items()}
    sets["mixed"] = load(
        sorted(
            p.name.removesuffix(".dev.jsonl.gz")
            for p in (Path(os.environ["CURATE_SHARED_DATA"]) / "text").glob("*xquad*")
        )
    )
    sets["mojibake"] = [text.encode().decode("latin-1") for text in sets["tr"][:500]]
    repair(pa.array(sets["mojibake"], pa.large_string()))  # compiles the kernels
    print(
        f"{'set':10}{'MB':>7}{'flagged':>9}{'scan MB/s':>11}"
        f"{'ours MB/s':>11}{'ftfy MB/s':>11}{'ratio':>8}"
    )
    for name, texts in sets.items():
        array = pa.array(texts, pa.large_string())
        size = sum(len(text.encode()) for text in texts) / 1e6
        flags = mojibake_scan.scan(array).texts
        sample = texts[: max(1, int(len(texts) * min(1, 4 / size)))]
        sampled = sum(len(text.encode()) for text in sample) / 1e6
        works = [
            partial(mojibake_scan.scan, array),
            partial(repair, array),
            lambda sample=sample: [ftfy.fix_text(text, OPTIONS) for text in sample],
        ]
        taken = best(works, seconds)
        scan, ours, peer = size / taken[0], size / taken[1], sampled / taken[2]
        print(
            f"{name:10}{size:7.1f}{(flags > 0).mean():9.3f}{scan:11.0f}"
            f"{ours:11.1f}{peer:11.1f}{ours / peer:8.1f}"
        )
    print(f"{'stated':10}{'pages':>7}{'kB':>7}{'us a page':>11}")
    for name, charset in STATED.items():
        written = (as_in_pages(text, LABELS.get(name, "")) for text in sets[name][:300])
        pages = [f"<p>{text}</p>".encode(charset, "ignore") for text in written]
        pages = [page for page in pages if not page.isascii()]
        works = [lambda pages=pages, charset=charset: [decode(page, charset) for page in pages]]
        (taken,) = best(works, seconds)
        print(
            f"{name:10}{len(pages):7}{sum(map(len, pages)) / 1e3:7.0f}"
            f"{taken / len(pages) * 1e6:11.1f}"
        )


if __name__ == "__main__":
    main()
