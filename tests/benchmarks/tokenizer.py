"""Time the extension of a tokenizer: counting pieces, learning merges, proving them.

Run: ``CURATE_SHARED_DATA=... python -m tests.benchmarks.tokenizer [megabytes] [tokens] [base]
[language]`` (100, 32000, tekken, both). One process, CPU seconds. Reading ends where the counter is
full, as in `curate tokenizer extend`: the megabytes are those that were read. The words are those
of the Kazakh texts, as often as there; each tenth is the beginning of one and the end of another,
so that new words go on coming as they do in larger text (the different pieces are printed). A
second table is of Japanese, whose pieces are long and seldom equal: each sentence is made of the
halves of two.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pyarrow as pa

from curate.tokens.base import load_base
from curate.tokens.extend import extend
from curate.tokens.pieces import PieceCounter

BATCH = 1 << 20


def words_of(pattern: str, cut: str) -> list[str]:
    folder = Path(os.environ["CURATE_SHARED_DATA"]) / "text"
    texts = []
    for path in sorted(folder.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    return [word for text in texts for word in re.split(cut, text) if word]


def batches(words: list[str], space: str, mixed: float, size: int) -> Iterator[pa.Array]:
    rng = random.Random(0)
    while size > 0:
        texts, made = [], 0
        while made < BATCH:
            drawn = rng.choices(words, k=500)
            for i in range(len(drawn)):
                if rng.random() < mixed:
                    other = rng.choice(words)
                    drawn[i] = drawn[i][: len(drawn[i]) // 2] + other[len(other) // 2 :]
            texts.append(space.join(drawn))
            made += len(texts[-1].encode())
        size -= made
        yield pa.array(texts, pa.large_string())


def main(megabytes: int, tokens: int, name: str, only: str | None) -> None:
    start = process_time()
    base = load_base(name)
    warm = PieceCounter(base)
    warm.add(pa.array(["бір екі бір екі"], pa.large_string()))
    extend(base, warm.pieces(), add=1)
    print(f"load {name}, and compile: {process_time() - start:.1f} s")
    print("text      MB  different pieces  count s  learn and prove s  new tokens  peak GB")
    for label, pattern, cut, space, mixed in (
        ("Kazakh", "kk-*", r"\s+", " ", 0.1),
        ("Japanese", "ja-*", r"(?<=[。、])", "", 1.0),
    ):
        if only not in (None, label):
            continue
        words = words_of(pattern, cut)
        counting, count_time, size = PieceCounter(base), 0.0, 0
        for batch in batches(words, space, mixed, megabytes * 1_000_000):
            start = process_time()
            counting.add(batch)
            count_time += process_time() - start
            size += batch.nbytes
            if counting.full:
                break
        start = process_time()
        pieces = counting.pieces()
        count_time += process_time() - start
        start = process_time()
        extension = extend(base, pieces, add=tokens)
        learn_time = process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{label:8} {size / 1e6:4.0f} {len(pieces.counts):17,} {count_time:8.1f}"
            f" {learn_time:18.1f} {len(extension.tokens):11,} {peak:8.1f}"
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 100,
        int(given[1]) if len(given) > 1 else 32_000,
        given[2] if len(given) > 2 else "tekken",
        given[3] if len(given) > 3 else None,
    )
