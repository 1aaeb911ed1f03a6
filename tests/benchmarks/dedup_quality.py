"""Measure what dedup finds and what it removes wrongly, against all exact pairs.

    python -m tests.benchmarks.dedup_quality [--documents 20000] [--scripts Latin,Thai] [--seeds 5]
    CURATE_SHARED_DATA=... python -m tests.benchmarks.dedup_quality --real
    CURATE_SHARED_DATA=... python -m tests.benchmarks.dedup_quality --edited [--documents 2000]

*Recall*: of the pairs with an exact Jaccard of at least 0.8, the share with at most one kept.
*Precision*: of the removed documents, the share whose witness was kept and has a Jaccard of at
least 0.8 with it. *Promise*: the recall of the same pairs by the S-curve of the bands, that is of
pairs which are missed one by one. Copies of one document are missed together, so the misses of one
corpus scatter: their standard deviation is printed with the number expected, and `--seeds` sums
corpora, each with permutations of its own. `--edited` plants copies with the edits of people and
sites in real texts of many languages.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import os
import random
import re
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

import curate
from curate.dedup.fuzzy.lsh import choose_bands
from curate.dedup.options import Shingling
from tests.benchmarks import exact_pairs, planted

THRESHOLD, RECALL = 0.8, 0.97


class Measured(NamedTuple):
    """What a dedup found and removed; `expected` and `variance` are those of the misses."""

    documents: int
    removed: int
    right: int
    pairs: int
    missed: int
    expected: float
    variance: float
    seconds: float

    def line(self, name: str) -> str:
        """Return the figures in words."""
        pairs = max(1, self.pairs)
        return (
            f"{name:12} {self.documents:7} documents {self.pairs:8} pairs, removed "
            f"{self.removed:7}: precision {self.right / max(1, self.removed):.5f}, "
            f"recall {1 - self.missed / pairs:.4f} (promise {1 - self.expected / pairs:.4f}): "
            f"missed {self.missed}, expected {self.expected:.1f} +- {self.variance**0.5:.1f}; "
            f"{self.seconds:.1f} s"
        )


def measure(name: str, texts: pa.LargeStringArray, shingling: Shingling, seed: int = 1) -> Measured:
    """Dedup texts, compare with all exact pairs, print a line."""
    measured = _measured(texts, shingling, seed)
    print(measured.line(name), flush=True)
    return measured


def _measured(texts: pa.LargeStringArray, shingling: Shingling, seed: int) -> Measured:
    ids = [str(row) for row in range(len(texts))]
    started = time.perf_counter()
    table = curate.deduplicate(
        pa.table({"id": ids, "text": texts}),
        threshold=THRESHOLD,
        recall=RECALL,
        shingle=shingling.kind,
        ngram=shingling.ngram,
        seed=seed,
    )
    seconds = time.perf_counter() - started
    rules = table["dropped_by"].to_pylist()
    witness = table["duplicate_of"].to_pylist()
    sets = exact_pairs.sets_of(texts, shingling)
    removed = [row for row, rule in enumerate(rules) if rule and not rule.endswith(":empty")]
    right = [
        rules[int(witness[row])] is None
        and exact_pairs.similarity(sets[row], sets[int(witness[row])]) >= THRESHOLD
        for row in removed
    ]
    truth = exact_pairs.pairs(sets, THRESHOLD)
    missed = sum(rules[a] is None and rules[b] is None for a, b in truth)
    bands, rows = choose_bands(THRESHOLD, RECALL)
    chance = (1 - np.array(list(truth.values())) ** rows) ** bands
    # At most: as if all pairs that a document is in were missed together.
    degree = np.bincount(np.array(list(truth), np.int64).reshape(-1), minlength=len(texts))
    together = [max(degree[a], degree[b]) for a, b in truth]
    variance = float(np.sum(chance * (1 - chance) * together))
    counts = len(texts), len(removed), sum(right), len(truth), missed
    return Measured(*counts, float(chance.sum()), variance, seconds)


def generated(scripts: list[str], documents: int, seeds: int) -> None:
    for script in scripts:
        parts = []
        for seed in range(1, seeds + 1):
            corpus = planted.near_copies(script, documents, seed=seed)
            texts = corpus.table["text"].combine_chunks()
            parts.append(_measured(texts, Shingling(), seed))
        print(Measured(*map(sum, zip(*parts, strict=True))).line(script), flush=True)
    for script in scripts:
        for name, corpus in (
            ("template", planted.boilerplate(script, min(documents, 10_000))),
            ("chain", planted.chain(script, 500)),
        ):
            table = curate.deduplicate(corpus.table)
            lost = sum(rule is not None for rule in table["dropped_by"].to_pylist())
            print(f"{script:12} {name}: {lost} of {corpus.table.num_rows} removed", flush=True)


#: Ends of sentences, after which texts are cut for edits.
_SENTENCES = re.compile(r"(?<=[.!?\u0964\u061f\u1362])\s+|(?<=[\u3002\uff01\uff1f])|\n+")


def edited_copy(text: str, others: list[str], draw: random.Random) -> str:
    """Return a copy as people and sites make them: one or two edits of a real text."""
    parts = [part for part in _SENTENCES.split(text) if part.strip()]
    for _ in range(draw.randint(1, 2)):
        place = draw.randrange(len(parts))
        match draw.choice(["drop", "add", "frame", "swap", "typo", "number", "case"]):
            case "drop" if len(parts) > 1:
                del parts[place]
            case "add":
                parts.insert(place, draw.choice(_SENTENCES.split(draw.choice(others))))
            case "frame":
                parts = [draw.choice(others)[:30], *parts, draw.choice(others)[:60]]
            case "swap":
                parts[0], parts[place] = parts[place], parts[0]
            case "typo":
                at = draw.randrange(len(parts[place]))
                parts[place] = parts[place][:at] + parts[place][at + 1 :]
            case "number":
                parts[place] = re.sub(r"\d", lambda _: str(draw.randrange(10)), parts[place])
            case _:
                parts[place] = parts[place].upper()
        parts = [part for part in parts if part.strip()] or [text]
    return " ".join(parts)


def edited(shared: Path, documents: int) -> None:
    """Plant up to three edited copies of each real text, in every language that has texts."""
    languages: dict[str, list[str]] = {}
    for path in sorted((shared / "text").glob("*.jsonl.gz")):
        name = path.name.partition("-")[0]
        name = name if name != "african" else path.name.partition("lines-")[2][:3]
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            languages.setdefault(name, []).extend(json.loads(line)["text"] for line in lines)
    parts = []
    for name, texts in languages.items():
        draw = random.Random(name)
        draw.shuffle(texts)
        originals = [text for text in texts if text.strip()][:documents]
        copies = [
            edited_copy(text, originals, draw)
            for text in originals
            for _ in range(draw.randint(0, 3))
        ]
        parts.append(measure(name, pa.array(originals + copies, pa.large_string()), Shingling()))
    print(Measured(*map(sum, zip(*parts, strict=True))).line("all"), flush=True)


def floods(documents: int) -> None:
    """Compare the time of identical documents with that of distinct ones: it must not be longer."""
    seconds = {}
    for identical in (False, True):
        table = planted.short_documents("Latin", documents, identical=identical)
        started = time.process_time()
        kept = curate.deduplicate(table)["dropped_by"].null_count
        seconds[identical] = time.process_time() - started
        word = "identical" if identical else "distinct"
        print(f"{documents} {word}: kept {kept}, {seconds[identical]:.1f} CPU s", flush=True)
    print(f"identical take {seconds[True] / seconds[False]:.2f} times as long as distinct ones")


def real(shared: Path) -> None:
    with lzma.open(shared / "dedup/fcc-curriculum-docs.dev.jsonl.xz", "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    measure("fcc", pa.array(texts, pa.large_string()), Shingling("char", 5))
    everything = []
    for path in sorted((shared / "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            everything += [json.loads(line)["text"] for line in lines]
    measure("all texts", pa.array(everything, pa.large_string()), Shingling())
    for name in ("tg-ru-news-pairs", "tg-en-news-pairs", "copycat-cc-pairs"):
        with gzip.open(shared / f"dedup/{name}.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        judged: dict[str, list[int]] = {}
        for row in rows:
            table = curate.deduplicate(pa.table({"text": [row["text_a"], row["text_b"]]}))
            verdict = str(row.get("label"))
            judged.setdefault(verdict, []).append(2 - table["dropped_by"].null_count)
        counts = ", ".join(f"{k}: {sum(v)} of {len(v)}" for k, v in sorted(judged.items()))
        print(f"{name}: pairs of which one is removed, by the judges' label: {counts}")
    with gzip.open(shared / "dedup/ndd-r8.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    table = curate.deduplicate(pa.table({"text": [row["text"] for row in rows]}))
    removed = [rule is not None for rule in table["dropped_by"].to_pylist()]
    for planted_copy in (1, 0):
        of = [
            g for g, row in zip(removed, rows, strict=True) if row["near_dup_file"] == planted_copy
        ]
        print(f"ndd-r8: near_dup_file={planted_copy}: {sum(of)} of {len(of)} removed")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--scripts", default=",".join(planted.SCRIPTS))
    parser.add_argument("--flood", type=int, default=0, help="identical and distinct documents")
    parser.add_argument("--real", action="store_true", help="the sets at $CURATE_SHARED_DATA")
    parser.add_argument("--seeds", type=int, default=1, help="generated corpora of each script")
    parser.add_argument("--edited", action="store_true", help="real texts with edited copies")
    arguments = parser.parse_args()
    if arguments.real:
        real(Path(os.environ["CURATE_SHARED_DATA"]))
    elif arguments.edited:
        edited(Path(os.environ["CURATE_SHARED_DATA"]), arguments.documents)
    elif arguments.flood:
        floods(arguments.flood)
    else:
        generated(arguments.scripts.split(","), arguments.documents, arguments.seeds)


if __name__ == "__main__":
    main()
