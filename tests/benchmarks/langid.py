"""Language identification against fastText's own runtime, on the same texts, in one thread.

Usage: python tests/benchmarks/langid.py [FOLDER]   (default: $CURATE_SHARED_DATA/text)

The folder holds *.jsonl.gz files with a field "text". Both sides get the texts ready to read; each is
measured alternately and the best of three rounds is taken, because other work on the machine only ever
makes a round slower. Prints MB/s of text and the ratio as JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fasttext

from curate.langid import model
from curate.langid.identify import _buffers, _large_strings, identify


def read(folder: Path, per_file: int = 500) -> list[str]:
    texts = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line, _ in zip(lines, range(per_file))]
    return texts


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    default = Path(os.environ.get("CURATE_SHARED_DATA", "."), "text")
    texts = read(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
    if not texts:
        raise SystemExit("no *.jsonl.gz with texts found: name a folder or set CURATE_SHARED_DATA")
    column = _large_strings(texts)
    data, offsets = _buffers(column)
    mine = model.load()
    reference = fasttext.load_model(str(model.default_path()))
    lines = [text.replace("\n", " ") + "\n" for text in texts]
    identify(column.slice(0, 2))  # compiles

    rounds: dict[str, list[float]] = {"ours": [], "identify": [], "fasttext": []}
    for _ in range(3):
        rounds["ours"].append(seconds(lambda: mine.predict(data, offsets)))
        rounds["identify"].append(seconds(lambda: identify(column)))
        rounds["fasttext"].append(
            seconds(lambda: [reference.f.predict(line, 1, 0.0, "strict") for line in lines])
        )
    speed = {name: len(data) / 1e6 / min(taken) for name, taken in rounds.items()}
    print(
        json.dumps(
            {
                "texts": len(texts),
                "megabytes": round(len(data) / 1e6, 1),
                "megabytes_per_second": {name: round(value, 1) for name, value in speed.items()},
                "ratio": round(speed["ours"] / speed["fasttext"], 2),
                "ratio_with_rules": round(speed["identify"] / speed["fasttext"], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
