"""Measure the memory of a mixture: count and mix at two sizes, from Parquet to published product.

Run: ``python -m tests.benchmarks.mixture [--documents 100000 1000000] [--engine ray]``. Each size
runs in a process of its own. Printed are the peak resident memory of the driver and of the largest
worker, and the seconds of each step; the shards have the same size at both sizes, so that only what
grows with the number of documents can make a difference. The corpus is generated: words of random
letters, log-normal lengths of about 300 bytes, four sources, one of them scarce and one
machine-translated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RECIPE = """
name = "million"
[shards]
input_bytes = 8_000_000
output_bytes = 16_000_000
[sources.kk]
format = "parquet"
path = "{folder}/kk-*.parquet"
[sources.kk_mt]
format = "parquet"
path = "{folder}/mt-*.parquet"
origin = "mt"
[sources.ru]
format = "parquet"
path = "{folder}/ru-*.parquet"
[sources.en]
format = "parquet"
path = "{folder}/en-*.parquet"
[[stages]]
use = "count"
[mixture]
unit = "tokens"
shortage = "repeat"
max_epochs = 2
[mixture.groups.kazakh]
sources = ["kk", "kk_mt"]
[mixture.groups.russian]
sources = ["ru"]
[mixture.groups.english]
sources = ["en"]
[[mixture.caps]]
origin = "mt"
max_share = 0.24
[mixture.validation]
share = 0.001
[[mixture.phases]]
name = "first"
budget = {first}
weights = {{ english = 1 }}
[[mixture.phases]]
name = "second"
budget = {second}
weights = {{ kazakh = 3, russian = 1, english = 3 }}
[output]
formats = {formats}
"""

#: Share of the documents by source.
SOURCES = {"kk": 0.2, "mt": 0.2, "ru": 0.25, "en": 0.35}
PER_FILE = 25_000


def write_corpus(folder: Path, documents: int, mean: int) -> None:
    """Write Parquet files of random words, deterministic for the same arguments."""
    rng = np.random.default_rng(7)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    words = np.array(
        [bytes(rng.choice(letters, rng.integers(2, 10))).decode() for _ in range(20_000)], object
    )
    for source, share in SOURCES.items():
        left, number = round(documents * share), 0
        while left:
            rows = min(PER_FILE, left)
            lengths = np.maximum(1, rng.lognormal(np.log(mean / 6.5) - 0.3, 0.8, rows).astype(int))
            drawn = words[rng.integers(0, len(words), lengths.sum())]
            ends = np.cumsum(lengths)
            texts = [" ".join(drawn[a:b]) for a, b in zip(ends - lengths, ends)]
            table = pa.table({"text": pa.array(texts, pa.large_string())})
            pq.write_table(table, folder / f"{source}-{number:04d}.parquet", row_group_size=5_000)
            left, number = left - rows, number + 1


def measure(folder: Path, documents: int, engine: str, mean: int, formats: list[str]) -> None:
    """Run one size in this process and print its measurements as JSON."""
    from curate import api

    recipe = folder / "recipe.toml"
    tokens = documents * mean / 2.6
    recipe.write_text(
        RECIPE.format(
            folder=folder,
            first=round(tokens * 0.1),
            second=round(tokens * 0.5),
            formats=json.dumps(formats),
        )
    )
    started = time.perf_counter()
    result = api.run(str(recipe), output=folder / "out", engine=engine, workers=2)
    wall = time.perf_counter() - started
    driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows = [
        json.loads(line) for line in (folder / "out" / "timings.jsonl").read_text().splitlines()
    ]
    steps: dict[str, float] = {}
    peaks: dict[str, int] = {}
    for row in rows:
        if "wall" in row:
            steps[row["segment"]] = steps.get(row["segment"], 0) + row["wall"]
        else:
            peaks[row["segment"]] = max(peaks.get(row["segment"], 0), row["peak_bytes"])
    record = {
        "documents": documents, "wall": wall, "driver": driver, "steps": steps, "peaks": peaks,
        "totals": result.manifest["totals"], "mixture": result.manifest["mixture"],
        "tasks": sum("task" in row for row in rows), "parts": parts_of(folder / "out", "second"),
    }  # fmt: skip
    print(json.dumps(record))


def parts_of(out: Path, phase: str) -> list[dict[str, float]]:
    """Return each part's shares of tokens by source, in order."""
    parts = []
    for path in sorted((out / "mixture" / phase).glob("*.parquet")):
        table = pq.read_table(path, columns=["source", "n_tokens"]).group_by("source")
        sums = table.aggregate([("n_tokens", "sum")]).to_pylist()
        total = sum(row["n_tokens_sum"] for row in sums)
        parts.append({row["source"]: row["n_tokens_sum"] / total for row in sums})
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--bytes", type=int, default=300, help="mean bytes of a document")
    parser.add_argument("--engine", default="ray")
    parser.add_argument("--formats", nargs="*", default=["parquet"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(
            Path(arguments.one),
            arguments.documents[0],
            arguments.engine,
            arguments.bytes,
            arguments.formats,
        )
        return
    for documents in arguments.documents:
        with tempfile.TemporaryDirectory(prefix="mixture-") as name:
            write_corpus(Path(name), documents, arguments.bytes)
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.mixture", "--one", name,
                 "--documents", str(documents),
                 "--engine", arguments.engine, "--bytes", str(arguments.bytes),
                  "--formats", *arguments.formats],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                sys.exit(done.stderr)
            report(json.loads(done.stdout.splitlines()[-1]))


def report(record: dict) -> None:
    totals = record["totals"]
    print(f"\n{record['documents']:,} documents, {record['tasks']} tasks, {record['wall']:.1f} s")
    print(f"  taken {totals['taken']:,} of {totals['curated']:,}; {totals['rows']:,} rows")
    print(
        f"  peak memory: driver {record['driver'] / 1e6:.0f} MB;"
        f" largest worker {max(record['peaks'].values()) / 1e6:.0f} MB"
    )
    for step, seconds in record["steps"].items():
        peak = record["peaks"].get(step)
        print(f"    {step:<24}{seconds:8.1f} s" + (f"{peak / 1e6:8.0f} MB" if peak else ""))
    english = [part.get("en", 0.0) for part in record["parts"]]
    print(
        f"  parts of phase second: {len(english)}; share of English from {min(english):.4f} to"
        f" {max(english):.4f}"
    )
    for row in record["mixture"]:
        target = "-" if row["asked_share"] is None else f"{row['asked_share']:.5f}"
        print(
            f"  {row['phase']:<11}{row['group']:<9} asked {target} got {row['share'] or 0:.5f}"
            f"  available {row['available']:>11,}  got {row['amount']:>11,}"
            f"  epochs {row['epochs']:.3f}"
            f"  short of {row['shortage']:,}"
        )


if __name__ == "__main__":
    main()
