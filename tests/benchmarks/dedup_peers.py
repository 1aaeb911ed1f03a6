"""A whole fuzzy dedup beside the peers: seconds, memory, what was found and what was lost.

    python -m tests.benchmarks.dedup_peers [--documents 40000] [--median-words 400] [--peers PYTHON]
    python -m tests.benchmarks.dedup_peers --documents 1000000 --median-words 135 --peers PYTHON

One synthetic corpus (see planted.py) in one Parquet file; every contender reads it and writes what
it keeps, in a process of its own. ``start`` is imports and the loading of kernels, ``work`` all the
rest: the median of the runs, and their range behind it. ``peak MB`` sums the unique memory of its
processes, twice a second (looking stops them for a moment), or is what the first of them had at
most. *found*: of the pairs with an exact Jaccard of at least 0.8, the share of which not both
survive. *wrong*: removed documents that resemble no kept one to at least 0.8. Up to 100,000
documents all pairs are known; beyond, those within the planted families, which here is the same.

``--peers`` is the Python of an environment with daft, rensa, datasketch, xxhash, text-dedup and
datatrove; those that it lacks are left out, by name.
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
#: Arrow's memory comes from jemalloc for everybody: on virtual machines the first touch of fresh
#: pages is dear, and Arrow's default pool gives pages back and takes them anew as it goes.
ENVIRONMENT = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}


def memory(root: int) -> int:
    """Give the private and shared-out memory (PSS) of a process and all below it, in bytes."""
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


def ran(name: str, python: str, source: Path, room: Path, seconds: int) -> dict[str, object]:
    """Run one contender; give what it printed and its peak memory, or what went wrong."""
    out = room / (name.replace(" ", "-") + ".parquet")
    process = subprocess.Popen(
        [python, str(SCRIPT), name, str(source), str(out)],
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
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return {"failed": f"not done after {seconds} s"}
    finally:
        ended.set()
        watcher.join()
    if process.returncode:
        return {"failed": complaint.strip().splitlines()[-1][:100] if complaint else "failed"}
    kept = set(Path(str(out) + ".kept").read_text(encoding="utf-8").split("\n"))
    said_last = json.loads(said.splitlines()[-1])
    return said_last | {"peak": max(peak, said_last["rss"]), "ids": kept}


def alike_pairs(corpus: planted.Planted) -> list[tuple[int, int]]:
    """Give the pairs of documents with a Jaccard similarity of at least 0.8."""
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
    asked = parser.parse_args()
    room = Path(asked.room or tempfile.mkdtemp(prefix="dedup-peers-"))
    source, pairs = room / "corpus.parquet", room / "pairs.json"
    if not pairs.exists():
        room.mkdir(exist_ok=True)
        corpus = planted.near_copies("Latin", asked.documents, median_words=asked.median_words)
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
        f" {len(truth)} pairs with Jaccard >= 0.8 in {room}"
    )
    print(
        "contender       start s   work s     MB/s  peak MB   removed   found   wrong", flush=True
    )
    wanted = asked.only.split(",") if asked.only else list(CONTENDERS)
    for name in wanted:
        python = sys.executable if name.startswith("curate") else asked.peers
        every = [ran(name, python, source, room, asked.seconds) for _ in range(asked.runs)]
        failed = next((one["failed"] for one in every if "failed" in one), None)
        if failed:
            print(f"{name:14} {failed}", flush=True)
            continue
        every.sort(key=lambda one: float(one["work"]))
        best = every[len(every) // 2]
        kept = best["ids"]
        found = sum(ids[a] not in kept or ids[b] not in kept for a, b in truth) / max(1, len(truth))
        wrong = sum(i not in kept and not (alike[i] & kept) for i in ids)
        spread = f"{every[0]['work']:.2f} to {every[-1]['work']:.2f}"
        print(
            f"{name:14} {best['start']:8.1f} {best['work']:8.2f} {megabytes / best['work']:8.1f}"
            f" {best['peak'] / 1e6:8.0f} {len(ids) - len(kept):9}"
            f" {found:7.4f} {wrong:7}   ({spread})",
            flush=True,
        )


CONTENDERS = (
    "curate.dedup",
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
