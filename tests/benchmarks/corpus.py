"""A deterministic corpus with planted near copies, from real paragraphs at $CURATE_SHARED_DATA.

Paragraphs are dealt like a shuffled deck and their words are shuffled within a paragraph from the
second time on, so that unrelated documents share no shingles by construction.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import random
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

#: Kind of copy → share of its words that are replaced, deleted or inserted.
KINDS = {"exact": 0.0, "words_1": 0.01, "words_5": 0.05, "words_10": 0.10, "words_20": 0.20}


class Corpus(NamedTuple):
    """Documents (`id`, `text`), and for each the row of its original and its kind."""

    table: pa.Table
    original: list[int]
    kind: list[str]


def paragraphs(language: str) -> list[str]:
    """Return the distinct paragraphs over 40 characters of a language (en, ru, ja, kk ...)."""
    folder = os.environ.get("CURATE_SHARED_DATA")
    if not folder:
        raise SystemExit("set CURATE_SHARED_DATA to a folder with text/<language>-*.jsonl.gz")
    long_parts: list[str] = []
    for path in sorted(Path(folder, "text").glob(f"{language}-*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line).get("text") or ""
                long_parts += [part for part in text.split("\n") if len(part) > 40]
    return sorted(set(long_parts))


def make(language: str, *, documents: int, seed: int = 1, median_bytes: int = 2_500) -> Corpus:
    """Deal documents of log-normal length; 15 % of them get one to six copies of a random kind."""
    draw = random.Random(seed)
    pool = paragraphs(language)
    vocabulary = sorted({word for text in pool[::7] for word in text.split()})
    spaced = len(vocabulary) > len(pool) // 4
    deck: list[str] = []
    dealt = 0
    texts: list[str] = []
    original: list[int] = []
    kind: list[str] = []

    def shuffled(text: str) -> str:
        units = text.split() if spaced else list(text)
        draw.shuffle(units)
        return (" " if spaced else "").join(units)

    while len(texts) < documents:
        target = min(200_000, max(300, median_bytes * math.exp(draw.gauss(0, 0.8))))
        parts: list[str] = []
        while sum(len(part.encode()) for part in parts) < target:
            if not deck:
                deck = draw.sample(pool, len(pool))
                dealt += 1
            parts.append(deck.pop() if dealt == 1 else shuffled(deck.pop()))
        first = len(texts)
        texts.append("\n".join(parts))
        original.append(first)
        kind.append("original")
        if draw.random() < 0.15:
            for _ in range(min(6, 1 + int(-math.log(1 - draw.random()) / 0.7))):
                chosen = draw.choice(list(KINDS))
                copy = [_edited(part, KINDS[chosen], vocabulary, spaced, draw) for part in parts]
                texts.append("\n".join(copy))
                original.append(first)
                kind.append(chosen)
    order = draw.sample(range(len(texts)), len(texts))
    place = {old: new for new, old in enumerate(order)}
    table = pa.table(
        {
            "id": [f"d{new:08d}" for new in range(len(texts))],
            "text": pa.array([texts[old] for old in order], pa.large_string()),
        }
    )
    return Corpus(table, [place[original[old]] for old in order], [kind[old] for old in order])


def _edited(
    text: str, share: float, vocabulary: list[str], spaced: bool, draw: random.Random
) -> str:
    units = text.split(" ") if spaced else list(text)
    edited: list[str] = []
    for unit in units:
        if draw.random() >= share:
            edited.append(unit)
            continue
        other = draw.choice(vocabulary) if spaced else draw.choice(draw.choice(vocabulary))
        edited += draw.choice([[other], [other], [], [unit, other]])
    return (" " if spaced else "").join(edited)
