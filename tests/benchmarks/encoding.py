"""Count legacy files decoded to the right text, and repaired mojibake, beside peers.

    CURATE_SHARED_DATA=... python -m tests.benchmarks.encoding

charset-normalizer and chardet name a charset, under which the file is decoded. ``MB/s`` is
by CPU time. Mojibake: ftfy with the options of repair, and curate.
"""

import os
import time
from pathlib import Path

import chardet
import charset_normalizer
import ftfy
import pyarrow as pa

from curate.sources.decoding import decode
from curate.text.repair import repair
from tests.accuracy.encoding_gold import charset_files, mojibake_cases, plain
from tests.unit.text.test_repair import OPTIONS


def ours(data):
    decoded = decode(data)
    return decoded.text if decoded else None


def by_chardet(data):
    name = chardet.detect(data)["encoding"]
    return data.decode(name, "replace") if name else None


def by_charset_normalizer(data):
    best = charset_normalizer.from_bytes(data).best()
    return str(best) if best else None


def main():
    shared = Path(os.environ["CURATE_SHARED_DATA"])
    files = list(charset_files(shared))
    size = sum(len(data) for _, data, _ in files) / 1e6
    print(f"{len(files)} files in legacy charsets, {size:.1f} MB")
    for name, read in (
        ("curate", ours),
        ("charset-normalizer", by_charset_normalizer),
        ("chardet", by_chardet),
    ):
        started = time.process_time()
        texts = [read(data) for _, data, _ in files]
        seconds = time.process_time() - started
        right = [
            text is not None and plain(text) in expected
            for text, (_, _, expected) in zip(texts, files, strict=True)
        ]
        wrong = sorted(label for (label, _, _), ok in zip(files, right, strict=True) if not ok)
        print(
            f"{name:20} right {sum(right):4}   {size / seconds:8.1f} MB/s"
            f"   wrong: {' '.join(wrong)}"
        )
    cases = list(mojibake_cases(shared))
    fixed = repair(pa.array([text for _, text, _ in cases], pa.large_string()))[0].to_pylist()
    by_ftfy = [ftfy.fix_text(text, OPTIONS) for _, text, _ in cases]
    print(f"{len(cases)} cases of mojibake")
    for name, texts in (("curate", fixed), ("ftfy", by_ftfy)):
        right = sum(
            text.strip() == expected.strip()
            for text, (_, _, expected) in zip(texts, cases, strict=True)
        )
        print(f"{name:20} right {right:4}")


if __name__ == "__main__":
    main()
