"""Compare what `curate plan` says with what came: documents, bytes, disk, memory, tasks, requests.

    python -m tests.benchmarks.planner [--only en-1000,kk-10000,ja-50000,warc,wiki] [--requests]

Each input is planned by the command, then run in a process of its own, and each quantity is printed
as planned, came, and their ratio. Exits 1 where one that does not depend on noise is outside its
band. CPU seconds are printed and not judged: run `curate bench` first, on a quiet machine. Texts
are those of `pipeline`; `warc` and `wiki` read $CURATE_SHARED_DATA. With --requests the run is
written to an S3 server on the loopback, and its requests are counted (needs moto[server] and s3fs;
leave out the large inputs). en-200000 and larger ones take minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from tests.benchmarks import cluster, pipeline

#: Quantity of the plan → how far from 1 its ratio may be; None: printed alone.
BANDS: dict[str, float | None] = {
    "documents": 0.25,
    "text_bytes": 0.25,
    "tokens": 0.25,
    "disk_bytes": 0.25,
    "product_bytes": 0.25,
    "memory_bytes_per_worker": 0.25,
    "tasks": 0.25,
    "requests": 0.25,
    "core_seconds": None,
}

#: Files of $CURATE_SHARED_DATA, and their formats.
FILES = {
    "warc": ("warc", "warc/rewrapped/hplt-cc100.rewrapped.warc.gz"),
    "wiki": ("wikipedia", "wiki/gensim-enwiki-pages-articles1-shortened.xml.bz2"),
}

#: The recipe of `pipeline`, with a count of tokens, and so small partitions that there are several.
RECIPE = pipeline.RECIPE.replace(
    '[mixture]\nunit = "bytes"', '[[stages]]\nuse = "count"\n[mixture]\nunit = "tokens"'
).replace("[limits]", "partition_bytes = 2_000_000\n[limits]")

#: Stored bytes of a shard.
SHARD = 16_000_000


def recipe(name: str, folder: Path) -> Path:
    """Write the inputs and the recipe of a case; return the recipe's path."""
    kind, _, documents = name.partition("-")
    if documents:
        texts = list(islice(pipeline.documents(kind, 1e6), int(documents)))
        pipeline.write(folder / name, texts, pipeline.FILES)
        text = RECIPE.format(folder=folder / name, input_bytes=SHARD)
    else:
        format, file = FILES[kind]
        path = Path(os.environ["CURATE_SHARED_DATA"], file)
        text = RECIPE.format(folder="FOLDER", input_bytes=SHARD)
        text = text.replace("FOLDER/*.jsonl", str(path)).replace('"jsonl"', f'"{format}"')
    written = folder / f"{name}.toml"
    written.write_text(text)
    return written


def planned(recipe: Path) -> dict[str, Any]:
    """Return the estimate that the command prints."""
    command = [sys.executable, "-m", "curate", "-q", "plan", str(recipe), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)["estimate"])


def run(recipe: Path, out: str) -> dict[str, Any]:
    """Run in this process; return what came."""
    from curate import api
    from curate.engine.progress import Silent
    from curate.storage.store import open_store

    class Watching(Silent):
        """Nothing is removed before publishing: what lies there at the last step is the most."""

        disk = 0

        def finish(self) -> None:
            if "://" not in out:
                files = (file for file in Path(out).rglob("*") if file.is_file())
                self.disk = max(self.disk, sum(file.lstat().st_size for file in files))

    watching = Watching()
    result = api.run(recipe, output=out, engine="in-process", progress=watching, force=True)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    store, manifest = open_store(out), result.manifest
    tasks = [json.loads(row) for row in store.read("timings.jsonl").splitlines()]
    tasks = [row for row in tasks if "task" in row]
    stages = manifest["ledger"]["stages"]
    first = next(iter(stages.values()))
    return {
        "documents": manifest["totals"]["documents"],
        "text_bytes": sum(cell[-1] for cell in first["input"]),
        "tokens": sum(row["available"] for row in manifest["mixture"]),
        "disk_bytes": watching.disk,
        "product_bytes": sum(
            entry["bytes"]
            for entry in manifest["files"]
            if entry["dataset"] in ("mixture", "rejected")
        ),
        "memory_bytes_per_worker": max(row["peak_bytes"] for row in tasks),
        "tasks": len(tasks),
        "core_seconds": spent.ru_utime + spent.ru_stime,
    }


def came(recipe: Path, out: str, folder: Path) -> dict[str, Any]:
    """Run in a process of its own; return what came."""
    answer = folder / "answer.json"
    own = [sys.executable, "-m", "tests.benchmarks.planner", "--run", str(recipe), out]
    subprocess.run([*own, str(answer)], check=True)
    return dict(json.loads(answer.read_text()))


def main() -> int:
    """Parse arguments, plan and run each input, print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="en-1000,kk-10000,ja-50000,warc,wiki")
    parser.add_argument("--requests", action="store_true")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        path, out, answer = arguments.run
        Path(answer).write_text(json.dumps(run(Path(path), out)))
        return 0
    with cluster.s3(0.0) if arguments.requests else nullcontext() as server:
        return compare(arguments.only.split(","), server)


def compare(names: list[str], server: cluster.Faulty | None) -> int:
    """Print planned, came and their ratio of each input; return 1 where one is outside its band."""
    outside = []
    print(f"{'':12s} {'':24s} {'planned':>16s} {'came':>16s} {'ratio':>6s}")
    for name in names:
        with tempfile.TemporaryDirectory(prefix="curate-planner-") as temporary:
            folder = Path(temporary)
            path = recipe(name, folder)
            plan = planned(path)
            if server is None:
                found = came(path, str(folder / "out"), folder)
            else:
                before = server.requests
                found = came(path, f"s3://corpus-0/{name}", folder)
                found["requests"] = server.requests - before
        for quantity, band in BANDS.items():
            if not found.get(quantity):
                continue
            ratio = plan[quantity] / found[quantity]
            mark = ""
            if band is not None and not 1 - band <= ratio <= 1 + band:
                mark = "  OUTSIDE"
                outside.append(f"{name} {quantity}")
            numbers = f"{plan[quantity]:16,.0f} {found[quantity]:16,.0f} {ratio:6.2f}{mark}"
            print(f"{name:12s} {quantity:24s} {numbers}", flush=True)
    print("outside its band: " + (", ".join(outside) or "nothing"))
    return bool(outside)


if __name__ == "__main__":
    sys.exit(main())
