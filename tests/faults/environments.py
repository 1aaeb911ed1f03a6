"""One recipe under many environments: the product has the same digests in all of them.

    python -m tests.faults.environments --runs 30 --seed 1 [--recipe demo] [--record]

Each run draws a hash seed, time zone, locale, number of threads and workers, engine, umask and
limit of open files, and must publish the same bytes.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.runs import tree

AXES = {
    "PYTHONHASHSEED": ["0", "1", "4242", "random"],
    "TZ": ["UTC", "Asia/Almaty", "America/St_Johns", "Pacific/Apia"],
    "LC_ALL": ["C", "C.UTF-8", "tr_TR.UTF-8", "POSIX"],
    "PYTHONUTF8": ["0", "1"],
    "NUMBA_NUM_THREADS": ["1", "2"],
    "OMP_NUM_THREADS": ["1", "3"],
    "ARROW_DEFAULT_MEMORY_POOL": ["system", "jemalloc", "mimalloc"],
    "PYTHONMALLOC": ["malloc", "pymalloc"],
    "MALLOC_ARENA_MAX": ["1", "8"],
    "COLUMNS": ["40", "200"],
    "NO_COLOR": ["", "1"],
    "PYTHONOPTIMIZE": ["", "1"],
}  # fmt: skip
ENGINES = [
    ("in-process", None), ("ray", 1), ("ray", 2), ("ray", 4),
]  # fmt: skip


def draw(rng):
    """Return one environment: variables, engine and workers, umask and limit of open files."""
    variables = {name: rng.choice(values) for name, values in AXES.items()}
    engine, workers = rng.choice(ENGINES)
    arguments = ["--engine", engine, *(["--workers", str(workers)] if workers else [])]
    return variables, arguments, rng.choice([0o022, 0o077, 0o000]), rng.choice([None, 1024])


def run(recipe, out, drawn, folder, more):
    """Run a recipe in a drawn environment, from a folder of its own; raise where it fails."""
    variables, arguments, mask, files = drawn

    def prepare():
        os.umask(mask)
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    line = [sys.executable, "-m", "curate", "run", recipe, "--output", str(out), *arguments, *more]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, **variables}
    done = subprocess.run(
        line, cwd=folder, env=environment, preexec_fn=prepare, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{drawn}: exit {done.returncode}\n{done.stderr[-3000:]}")


def main():
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known, more = parser.parse_known_args()
    rng = random.Random(known.seed)
    with tempfile.TemporaryDirectory(prefix="curate-environments-") as temporary:
        folder = Path(temporary)
        golden = None
        for number in range(known.runs):
            drawn, out = draw(rng), folder / f"out-{number}"
            run(known.recipe, out, drawn, folder, [item for item in more if item != "--"])
            published = tree(out)
            golden = golden or published
            if published != golden:
                differing = [n for n in golden if published.get(n) != golden[n]]
                sys.exit(f"{drawn}: other bytes in {differing}")
            print(f"{number + 1}: {' '.join(drawn[1])} {drawn[0]}", flush=True)
            shutil.rmtree(out)
    print(f"{known.runs} runs, one digest of {len(golden)} files")
    if known.record:
        from tests.faults import scoreboard

        scoreboard.record("environments", f"{known.runs} runs: one digest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
