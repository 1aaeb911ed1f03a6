"""Kill publishing at its failpoints, and flip bits in every file of a run and of its product.

    python -m tests.faults.folders --runs 200 --seed 1 [--record]

Two thirds of the runs are flips, one third kills. After a kill no name of a product may show
anything without its manifest, and the same command must end with the bytes of an undisturbed run.
A flip in a file of an unfinished run must end with these bytes too (repaired, or never read
again), or with a refusal in one sentence and nothing published; one in the product must be found by
``curate verify``. Prints the counts, exits 1 on the first run that breaks this.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from curate import api, failpoint
from curate.engine.publish import ENTRIES
from tests.faults.forked import Server
from tests.faults.points import POINTS
from tests.runs import tree, write_corpus, write_recipe

FORMATS = 'output.formats=["parquet", "jsonl", "mds"]'

#: Where a run is stopped before a bit of what it left is flipped.
STOPS = ("segment.done:kill:1", "step.done:kill:4", "step.done:kill:9", "publish.started:kill:1")

#: Seconds after which a command hangs, on a machine that does other things, too.
HANG = 3600

#: Built again from the manifest by ``curate report``, and checked by nothing.
PAGES = ("report.html", "report.md", "report.json", "README.md", "timings.jsonl")


def visits(recipe, out):
    """Return how often an undisturbed run comes to each point of publishing."""
    os.environ["CURATE_FAILPOINT"] = "none:kill:1"
    api.run(recipe, output=out, engine="in-process", settings=[FORMATS])
    del os.environ["CURATE_FAILPOINT"]
    return {point: failpoint._reached[point] for point in POINTS if point.startswith("publish.")}


def flip(path, rng):
    """Flip one bit of a file that is not empty; return where."""
    body = bytearray(path.read_bytes())
    at, bit = rng.randrange(len(body)), rng.randrange(8)
    body[at] ^= 1 << bit
    path.unlink()  # a new file: what is linked to the old one elsewhere stays
    path.write_bytes(body)
    return f"byte {at}, bit {bit} of {path.name}"


class Campaign:
    def __init__(self, folder, rng):
        self.folder, self.rng, self.counts = folder, rng, collections.Counter()
        write_corpus(folder / "in", documents=120)
        self.recipe = write_recipe(folder / "small.toml", folder / "in", partition_bytes=20_000)
        self.visits = visits(self.recipe, folder / "golden")
        self.golden = self.product(folder / "golden")
        self.curate = Server()

    def product(self, out):
        return tree(out, ("mixture", "rejected", "quarantine", "jsonl", "mds", "filters"))

    def run(self, out, **environment):
        more = ("--engine", "in-process", "--set", FORMATS)
        return self.curate("run", self.recipe, "--output", out, *more, limit=HANG, **environment)

    def resumed(self, out, what, kind):
        """Run to the end; the product must be the undisturbed one, or refused in a sentence."""
        done = self.run(out)
        if done.returncode == 0 and self.product(out) == self.golden:
            found = "damaged" in done.stderr
            self.counts[f"{kind}: identical" + (", repaired" if found else "")] += 1
        elif done.returncode in (4, 5) and "Traceback" not in done.stderr:
            if (out / "manifest.json").exists():
                sys.exit(f"{what}: refused, but something is published")
            self.counts[f"{kind}: refused"] += 1
        else:
            sys.exit(f"{what}: exit {done.returncode} with other bytes\n{done.stderr[-2000:]}")

    def kill(self, out):
        point = self.rng.choice(sorted(self.visits))
        nth = self.rng.choice([1, -(-self.visits[point] // 2), self.visits[point]])
        killed = self.run(out, CURATE_FAILPOINT=f"{point}:kill:{nth}")
        what = f"{point}, visit {nth}"
        if killed.returncode != -signal.SIGKILL:
            sys.exit(f"{what}: not reached\n{killed.stderr}")
        shown = [name for name in ENTRIES if (out / name).exists()]
        if shown and not (out / "manifest.json").exists():
            sys.exit(f"{what}: {', '.join(shown)} without a manifest")
        if shown and self.product(out) != self.golden:
            sys.exit(f"{what}: a manifest without the whole product")
        self.resumed(out, what, "killed while published")

    def flip_unfinished(self, out):
        stop = self.rng.choice(STOPS)
        self.run(out, CURATE_FAILPOINT=stop)
        files = [p for p in out.rglob("*") if p.is_file() and p.stat().st_size]
        files.remove(out / ".lock")
        kinds = collections.defaultdict(list)  # every kind of file as often
        for path in files:
            kinds[path.suffix if "commits" in path.parts else path.name].append(path)
        victim = self.rng.choice(kinds[self.rng.choice(sorted(kinds))])
        place = victim.relative_to(out)
        what = f"stopped at {stop}; {flip(victim, self.rng)} ({place})"
        self.resumed(out, what, f"flip in {place.parts[0]}")

    def flip_product(self, out):
        shutil.copytree(self.folder / "golden", out)
        files = [p for p in out.rglob("*") if p.is_file() and p.stat().st_size]
        files = [p for p in files if p.name not in (*PAGES, ".lock") or p.parent != out]
        what = flip(self.rng.choice(sorted(files)), self.rng)
        checked = self.curate("verify", out, limit=HANG)
        if checked.returncode not in (1, 4) or "Traceback" in checked.stderr:
            sys.exit(f"{what}: verify exits {checked.returncode}\n{checked.stderr}")
        self.counts["flip in the product: found by verify"] += 1
        name = next(iter(tree(out, ("mixture",))))
        told = self.curate("explain", out, f"a/{name}#7", limit=HANG)
        if "Traceback" in told.stderr:
            sys.exit(f"{what}: explain\n{told.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        campaign = Campaign(Path(folder), random.Random(known.seed))
        kinds = (campaign.kill, campaign.flip_unfinished, campaign.flip_product)
        for number in range(known.runs):
            out = Path(folder, f"run-{number}")
            kinds[number % len(kinds)](out)
            shutil.rmtree(out)
        campaign.curate.close()
    print(f"{known.runs} runs with seed {known.seed}:")
    for kind, count in sorted(campaign.counts.items()):
        print(f"  {kind}: {count}")
    if known.record:
        from tests.faults import scoreboard

        counts = ", ".join(f"{kind} {n}" for kind, n in sorted(campaign.counts.items()))
        scoreboard.record("folders", f"{known.runs} runs: {counts}")


if __name__ == "__main__":
    main()
