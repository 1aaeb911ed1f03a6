"""Perplexity by n-gram models of clean text: speed, size, and what it tells apart.

Usage: python -m tests.benchmarks.perplexity [--labels] [LANGUAGE ...]

For each language with clean documents of two sources or more in $CURATE_SHARED_DATA/text: a model
of all sources but the largest, its file and the CPU seconds of its training; MB/s of one core on
the source left out (the best of five), and on the same characters shuffled, the worst case; the
perplexity of both (medians of documents), and that of clean text of another language.

``--labels`` prints instead what the models tell of pages that people labelled
(tests/benchmarks/human_labels.py): per language the chance that a bad page has a higher perplexity
than a good one (AUC), by a model of all clean text of the language.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.calibrate.ngram import train
from curate.signals.ngram_model import NgramModel
from curate.tuning.card import auc
from tests.benchmarks.clean_text import LANGUAGES, sources
from tests.benchmarks.human_labels import OURS, ROWS, read_rows


def measured(model: NgramModel, texts: list[str]) -> tuple[float, float]:
    """Return MB/s, the best of five, and the median perplexity."""
    column = pa.array(texts, pa.large_string())
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        costs, lengths = model.costs(column)
        seconds.append(time.process_time() - begin)
    size = sum(len(text.encode()) for text in texts)
    return size / min(seconds) / 1e6, float(np.median(np.exp(costs / 1e6 / np.maximum(lengths, 1))))


def of_labels(languages: list[str]) -> None:
    """Print the AUC of perplexity on pages that people labelled, a line per language."""
    rows = read_rows(Path(os.environ.get("CURATE_SHARED_DATA", "."), ROWS))
    print("language   pages   bad     AUC")
    for language in languages:
        of = [row for row in rows if OURS.get(row["lang_predicted"]) == language]
        of = of or [row for row in rows if row["lang_predicted"] == language]
        bad = np.array([row["bad"] for row in of], bool)
        if not (bad.any() and (known := sources(language))):
            continue
        model = train(language, [text for texts in known.values() for text in texts])
        costs, lengths = model.costs(pa.array([row["text"] for row in of], pa.large_string()))
        area = auc(-costs / np.maximum(lengths, 1), ~bad)
        print(f"{language:9} {len(of):6} {bad.sum():5} {area or 0.0:7.3f}", flush=True)


def main() -> None:
    """Print a line per language."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    parser.add_argument("--labels", action="store_true", help="pages that people labelled")
    arguments = parser.parse_args()
    if arguments.labels:
        of_labels(arguments.languages)
        return
    header = ("n-grams", "file kB", "train s", "MB/s", "shuffled", "clean", "shuffled", "foreign")
    print("language ", *(f"{name:>9}" for name in header))
    for language in arguments.languages:
        known = sources(language)
        if len(known) < 2:
            continue
        unseen = known.pop(max(known, key=lambda name: sum(map(len, known[name]))))
        begin = time.process_time()
        model = train(language, [text for texts in known.values() for text in texts])
        seconds = time.process_time() - begin
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder, "model.npz"))
            size = Path(folder, "model.npz").stat().st_size
        drawn = random.Random(1)
        shuffled = ["".join(drawn.sample(text, len(text))) for text in unseen]
        other = "eng_Latn" if language != "eng_Latn" else "tur_Latn"
        foreign = [text for texts in sources(other).values() for text in texts]
        speed, clean = measured(model, unseen)
        worst, mixed = measured(model, shuffled)
        _, strange = measured(model, foreign)
        print(
            f"{language:9} {model.card['ngrams']:9,} {size / 1e3:9.0f} {seconds:9.1f} {speed:9.1f}"
            f" {worst:9.1f} {clean:9.2f} {mixed:9.1f} {strange:9.1f}"
        )


if __name__ == "__main__":
    main()
