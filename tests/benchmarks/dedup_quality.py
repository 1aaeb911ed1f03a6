"""Measure what dedup finds and what it removes wrongly, against all exact pairs.

    python -m tests.benchmarks.dedup_quality [--documents 20000] [--scripts Latin,Thai]
    CURATE_SHARED_DATA=... python -m tests.benchmarks.dedup_quality --real

*Recall*: of the pairs with an exact Jaccard of at least 0.8, the share with at most one kept.
*Precision*: of the removed documents, the share whose witness was kept and has a Jaccard of at
least 0.8 with it. *Promise*: the recall of the same pairs by the S-curve of the bands.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import curate
from curate.dedup.fuzzy.lsh import choose_bands
from curate.dedup.options import Shingling
from tests.benchmarks import exact_pairs, planted

THRESHOLD, RECALL = 0.8, 0.97


def measure(name: str, texts: pa.LargeStringArray, shingling: Shingling) -> tuple[float, float]:
    """Dedup texts, compare with all exact pairs, print a line; return precision and recall."""
    ids = [str(row) for row in range(len(texts))]
    started = time.perf_counter()
    table = curate.deduplicate(
        pa.table({"id": ids, "text": texts}),
        threshold=THRESHOLD,
        recall=RECALL,
        shingle=shingling.kind,
        ngram=shingling.ngram,
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
    found = [rules[a] is not None or rules[b] is not None for a, b in truth]
    bands, rows = choose_bands(THRESHOLD, RECALL)
    similarities = np.array(list(truth.values()) or [1.0])
    promise = float(np.mean(1 - (1 - similarities**rows) ** bands))
    precision, recall = np.mean(right or [1.0]), np.mean(found or [1.0])
    megabytes = texts.nbytes / 1e6
    print(
        f"{name:12} {len(texts):7} documents {megabytes:7.1f} MB {len(truth):8} pairs, removed "
        f"{len(removed):7}: precision {precision:.5f},"
        f" recall {recall:.4f} (promise {promise:.4f}), "
        f"{seconds:6.1f} s",
        flush=True,
    )
    return float(precision), float(recall)


def generated(scripts: list[str], documents: int) -> None:
    for script in scripts:
        corpus = planted.near_copies(script, documents)
        measure(script, corpus.table["text"].combine_chunks(), Shingling())
    for script in scripts:
        for name, corpus in (
            ("template", planted.boilerplate(script, 10_000)),
            ("chain", planted.chain(script, 500)),
        ):
            table = curate.deduplicate(corpus.table)
            lost = sum(rule is not None for rule in table["dropped_by"].to_pylist())
            print(f"{script:12} {name}: {lost} of {corpus.table.num_rows} removed", flush=True)


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
    arguments = parser.parse_args()
    if arguments.real:
        real(Path(os.environ["CURATE_SHARED_DATA"]))
    elif arguments.flood:
        floods(arguments.flood)
    else:
        generated(arguments.scripts.split(","), arguments.documents)


if __name__ == "__main__":
    main()
