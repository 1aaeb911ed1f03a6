"""Measure the memory of dedup runs as the corpus of generated short documents grows.

    python -m tests.benchmarks.dedup_scale [--documents 1000000,10000000] [--words 20] [--workers 2]

One document in ten is a near copy of another one. Prints, for each size, seconds, the largest
memory (RSS) of the driver and of any worker, the largest size of the run's folder,
and what was removed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks import planted
from tests.faults.kills import descendants

RECIPE = """\
name = "scale"
[sources.parquet]
format = "parquet"
path = []
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
[shards]
input_bytes = 33554432
"""


def write(folder: Path, documents: int, words: int) -> int:
    """Write files of 250,000 documents; return the bytes of text."""
    folder.mkdir()
    writer = planted.Writer("Latin", 7, words=200_000)
    size = 0
    for number, start in enumerate(range(0, documents, 250_000)):
        count = min(250_000, documents - start)
        drawn = writer.draw.choice(writer._words, (count, words), p=writer._chances)
        near = np.flatnonzero(writer.draw.random(count) < 0.1)
        drawn[near] = drawn[near // 2]
        drawn[near, 0] = writer.words(len(near))
        texts = pa.array([" ".join(row) for row in drawn.tolist()], pa.large_string())
        size += texts.nbytes
        pq.write_table(
            pa.table({"text": texts}), folder / f"{number:04d}.parquet", row_group_size=50_000
        )
    return size


def rss(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS")), 0)


def folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total


def measure(documents: int, words: int, workers: int, room: Path) -> None:
    source, out, recipe = room / "in", room / "out", room / "scale.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    size = write(source, documents, words)
    engine = (
        ["--engine", "ray", "--workers", str(workers)] if workers else ["--engine", "in-process"]
    )
    line = [sys.executable, "-m", "curate", "run", str(recipe), "--input", f"parquet={source}"]
    started = time.monotonic()
    process = subprocess.Popen(
        [*line, "--output", str(out), *engine],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = {"driver": 0, "worker": 0, "folder": 0}
    ended = threading.Event()

    def watch() -> None:
        measured_at = 0.0
        while not ended.wait(0.2):
            peak["driver"] = max(peak["driver"], rss(process.pid))
            for pid, command in descendants(process.pid):
                if command.startswith("ray::") and "Agent" not in command:
                    peak["worker"] = max(peak["worker"], rss(pid))
            if time.monotonic() - measured_at > 5:
                peak["folder"] = max(peak["folder"], folder_bytes(out))
                measured_at = time.monotonic()

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, errors = process.communicate()
    ended.set()
    watcher.join()
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}\n{errors[-2000:]}")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    ratio = report["dedup"]["documents"]
    print(
        f"{documents:9} documents, {size / 1e6:6.0f} MB: {seconds:7.1f} s,"
        f" driver {peak['driver'] / 1e6:6.0f} MB, "
        f"worker {peak['worker'] / 1e6:6.0f} MB, folder {peak['folder'] / 1e6:6.0f} MB; "
        f"kept {ratio['after']} of {ratio['before']}",
        flush=True,
    )
    shutil.rmtree(source)
    shutil.rmtree(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", default="1000000,10000000")
    parser.add_argument("--words", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2, help="of Ray; 0: in this process")
    arguments = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="dedup-scale-"))
    for documents in arguments.documents.split(","):
        measure(int(documents), arguments.words, arguments.workers, room)
    shutil.rmtree(room)


if __name__ == "__main__":
    main()
