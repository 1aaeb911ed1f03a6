"""Compare a whole fuzzy dedup with its peers: seconds, memory, pairs found, wrong removals.

    python -m tests.benchmarks.dedup_peers [--documents 40000] [--median-words 400] [--peers PYTHON]
    python -m tests.benchmarks.dedup_peers --documents 1000000 --median-words 135 --peers PYTHON

One synthetic corpus (see planted.py) in one Parquet file; every contender reads it and writes what
it keeps, in a process of its own. ``start`` is imports and the loading of kernels, ``work`` all the
rest: the median of the runs, followed by their range. ``peak MB`` sums the unique memory of its
processes, read twice a second (a reading stops them for a moment), or is the peak of the first of
them. *found*: of the pairs with an exact Jaccard of at least 0.8, the share of which at most one is
kept. *wrong*: removed documents without a kept one of Jaccard 0.8. Up to 100,000 documents all
pairs are known; above, those within the planted families, which here are the same.

``--peers`` is the Python of an environment with daft, rensa, datasketch, xxhash, text-dedup and
datatrove; contenders that it lacks are reported and left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks import exact_pairs, planted

SCRIPT = Path(__file__).with_name("dedup_contenders.py")
#: Arrow allocates from jemalloc in every contender: on virtual machines the first write to a fresh
#: page is slow, and Arrow's default pool returns pages and requests them again.
ENVIRONMENT = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}


def memory(root: int) -> int:
    """Return the proportional set size (PSS) of a process and its descendants, in bytes."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children[int(stat[1])].append(int(entry.name))
    total, todo = 0, [root]
    while todo:
        process = todo.pop()
        todo += children[process]
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def run(name: str, python: str, source: Path, folder: Path, seconds: int) -> dict[str, object]:
    """Run one contender; return what it printed and its peak memory, or its error."""
    out = folder / (name.replace(" ", "-") + ".parquet")
    process = subprocess.Popen(
        # -P: a module of this folder (html.py) has the name of one of the standard library.
        [python, "-P", str(SCRIPT), name, str(source), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.5):
            peak = max(peak, memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return {"failed": f"not done after {seconds} s"}
    finally:
        ended.set()
        watcher.join()
    if process.returncode:
        return {"failed": errors.strip().splitlines()[-1][:100] if errors else "failed"}
    kept = set(Path(str(out) + ".kept").read_text(encoding="utf-8").split("\n"))
    record = json.loads(output.splitlines()[-1])
    return record | {"peak": max(peak, record["rss"]), "ids": kept}


def alike_pairs(corpus: planted.Planted) -> list[tuple[int, int]]:
    """Return the pairs of documents with a Jaccard similarity of at least 0.8."""
    sets = exact_pairs.sets_of(corpus.table["text"].combine_chunks())
    if len(sets) <= 100_000:
        return list(exact_pairs.pairs(sets, 0.8))
    families: dict[int, list[int]] = defaultdict(list)
    for document, family in enumerate(corpus.family):
        families[family].append(document)
    return [
        (a, b)
        for members in families.values()
        for a, b in itertools.combinations(members, 2)
        if exact_pairs.similarity(sets[a], sets[b]) >= 0.8
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--median-words", type=int, default=400)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--room", help="a folder that keeps the corpus and its pairs")
    arguments = parser.parse_args()
    folder = Path(arguments.room or tempfile.mkdtemp(prefix="dedup-peers-"))
    source, pairs = folder / "corpus.parquet", folder / "pairs.json"
    if not pairs.exists():
        folder.mkdir(exist_ok=True)
        corpus = planted.near_copies(
            "Latin", arguments.documents, median_words=arguments.median_words
        )
        pq.write_table(corpus.table, source, compression="zstd", row_group_size=4096)
        pairs.write_text(json.dumps(alike_pairs(corpus)))
    megabytes = pq.read_table(source, columns=["text"]).nbytes / 1e6
    ids = pq.read_table(source, columns=["id"])["id"].to_pylist()
    truth = json.loads(pairs.read_text())
    alike: dict[str, set[str]] = defaultdict(set)
    for a, b in truth:
        alike[ids[a]].add(ids[b])
        alike[ids[b]].add(ids[a])
    print(
        f"{len(ids)} documents, {megabytes:.0f} MB,"
        f" {len(truth)} pairs with Jaccard >= 0.8 in {folder}"
    )
    print(
        "contender       start s   work s     MB/s  peak MB   removed   found   wrong", flush=True
    )
    names = arguments.only.split(",") if arguments.only else list(CONTENDERS)
    for name in names:
        python = sys.executable if name.startswith("curate") else arguments.peers
        runs = [run(name, python, source, folder, arguments.seconds) for _ in range(arguments.runs)]
        failed = next((one["failed"] for one in runs if "failed" in one), None)
        if failed:
            print(f"{name:14} {failed}", flush=True)
            continue
        runs.sort(key=lambda one: float(one["work"]))
        median = runs[len(runs) // 2]
        kept = median["ids"]
        found = sum(ids[a] not in kept or ids[b] not in kept for a, b in truth) / max(1, len(truth))
        wrong = sum(i not in kept and not (alike[i] & kept) for i in ids)
        spread = f"{runs[0]['work']:.2f} to {runs[-1]['work']:.2f}"
        print(
            f"{name:14} {median['start']:8.1f} {median['work']:8.2f}"
            f" {megabytes / median['work']:8.1f} {median['peak'] / 1e6:8.0f}"
            f" {len(ids) - len(kept):9} {found:7.4f} {wrong:7}   ({spread})",
            flush=True,
        )


CONTENDERS = (
    "curate table",
    "curate 14x8",
    "curate run",
    "daft",
    "rensa",
    "datasketch",
    "text-dedup",
    "datatrove",
)

if __name__ == "__main__":
    main()
