"""Measure what comes before the work: the help, the import, forty documents, the first compile.

    python -m tests.benchmarks.start [--runs 5] [--only help,import,in-process,ray,compile]

Each way runs in processes of its own; the median of the wall time and of the CPU time (of all its
processes that ended) is shown. Forty documents go through the stages of `pipeline`, warm: one run
before them is not counted. `compile` is the same from an empty cache of kernels, once. `python` is
an interpreter that does nothing: it is part of every row.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from tests.benchmarks import pipeline

CURATE = (sys.executable, "-m", "curate")


def spent(command: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its wall and CPU seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(name: str, runs: list[tuple[float, float]]) -> None:
    """Print the medians of some runs."""
    wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
    slowest = max(wall for wall, _ in runs) / min(wall for wall, _ in runs)
    print(f"{name:28s} {wall:8.2f} {cpu:8.2f} {len(runs):5d} {slowest:7.2f}", flush=True)


def main() -> None:
    """Parse arguments and measure each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="help,import,in-process,ray,compile")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    print(f"{'':28s} {'wall s':>8s} {'cpu s':>8s} {'runs':>5s} {'spread':>7s}")
    with tempfile.TemporaryDirectory(prefix="curate-start-") as temporary:
        folder = Path(temporary)
        texts = list(islice(pipeline.documents("en", 1.0), 40))
        pipeline.write(folder / "in", texts, 1)
        recipe, out = str(pipeline.recipe(folder / "in")), str(folder / "out")

        def forty(engine: str) -> tuple[str, ...]:
            shutil.rmtree(out, ignore_errors=True)
            return (*CURATE, "-q", "run", recipe, "--output", out, "--engine", engine)

        ways = {
            "python": lambda: (sys.executable, "-c", ""),
            "import": lambda: (sys.executable, "-c", "import curate"),
            "help": lambda: (*CURATE, "--help"),
            "in-process": lambda: forty("in-process"),
            "ray": lambda: forty("ray"),
        }
        for name, command in ways.items():
            if name in only or name == "python":
                spent(command(), {})  # warms the disk's cache and the kernels
                show(name, [spent(command(), {}) for _ in range(arguments.runs)])
        if "compile" in only:
            empty = {"CURATE_CACHE": str(folder / "cache")}
            show("in-process, empty cache", [spent(forty("in-process"), empty)])


if __name__ == "__main__":
    main()
