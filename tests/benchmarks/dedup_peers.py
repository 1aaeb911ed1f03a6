"""A whole fuzzy dedup beside the peers: seconds, memory, what was found and what was lost.

    python -m tests.benchmarks.dedup_peers [--documents 40000] [--median-words 400] [--peers PYTHON]

One synthetic corpus (see planted.py) in one Parquet file; every contender reads it and writes what it
keeps, in a process of its own. ``start`` is imports and the loading of kernels, ``work`` all the rest.
``peak MB`` sums the unique memory of its processes, ten times a second. *found*: of the pairs with an
exact Jaccard of at least 0.8, the share of which not both survive. *wrong*: removed documents that
resemble no kept one to at least 0.8.

``--peers`` is the Python of an environment with daft, rensa, datasketch, xxhash, text-dedup and
datatrove; those that it lacks are left out, by name.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks import exact_pairs, planted

SCRIPT = Path(__file__).with_name("dedup_contenders.py")


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
    )
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.1):
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
    return json.loads(said.splitlines()[-1]) | {"peak": peak, "ids": kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--median-words", type=int, default=400)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--runs", type=int, default=1)
    asked = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="dedup-peers-"))
    corpus = planted.near_copies("Latin", asked.documents, median_words=asked.median_words)
    source = room / "corpus.parquet"
    pq.write_table(corpus.table, source, compression="zstd", row_group_size=4096)
    texts = corpus.table["text"].combine_chunks()
    ids = corpus.table["id"].to_pylist()
    sets = exact_pairs.sets_of(texts)
    truth = exact_pairs.pairs(sets, 0.8)
    alike: dict[str, set[str]] = defaultdict(set)
    for a, b in truth:
        alike[ids[a]].add(ids[b])
        alike[ids[b]].add(ids[a])
    megabytes = texts.nbytes / 1e6
    print(
        f"{len(ids)} documents, {megabytes:.0f} MB, {len(truth)} pairs with Jaccard >= 0.8 in {room}"
    )
    print(
        "contender       start s   work s     MB/s  peak MB   removed   found   wrong", flush=True
    )
    wanted = asked.only.split(",") if asked.only else list(CONTENDERS)
    for name in wanted:
        python = sys.executable if name.startswith("curate") else asked.peers
        every = [ran(name, python, source, room, asked.seconds) for _ in range(asked.runs)]
        best = min(every, key=lambda one: one.get("work", float("inf")))
        if "failed" in best:
            print(f"{name:14} {best['failed']}", flush=True)
            continue
        kept = best["ids"]
        found = sum(ids[a] not in kept or ids[b] not in kept for a, b in truth) / max(1, len(truth))
        wrong = sum(i not in kept and not (alike[i] & kept) for i in ids)
        spread = " to ".join(
            f"{s:.1f}" for s in sorted({one["work"] for one in every})[:: asked.runs - 1 or 1]
        )
        print(
            f"{name:14} {best['start']:8.1f} {best['work']:8.1f} {megabytes / best['work']:8.1f}"
            f" {best['peak'] / 1e6:8.0f} {len(ids) - len(kept):9} {found:7.4f} {wrong:7}   ({spread})",
            flush=True,
        )


CONTENDERS = (
    "curate.dedup",
    "curate run",
    "daft",
    "rensa",
    "datasketch",
    "text-dedup",
    "datatrove",
)

if __name__ == "__main__":
    main()
