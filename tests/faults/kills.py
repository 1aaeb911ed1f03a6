"""Kill runs at random moments and compare what they publish with an undisturbed run.

    python -m tests.faults.kills --kills 10 --engine ray
    python -m tests.faults.kills --kills 200 --engine in-process --victims driver,sandbox,group
    python -m tests.faults.kills --kills 10 --recipe sherkala -- --input web=DIR ...

The victims take turns: the driver (SIGKILL to it alone), a worker (a random Ray worker that runs a
task), the raylet, a sandbox child (a process that reads pages), the whole process group. One run
gets one kill of each kind: what a kill ends is resumed, and the resumed run gets the next one.
After each kill the folder must be unpublished or complete; at last the command is run until it
exits 0; then mixture, rejected and quarantine must equal the golden run's, byte for byte, and
``curate verify`` must report no problem. A moment without a victim is drawn again: only kills that
hit count. Prints one line per kill, exits 1 on the first difference. Without ``--recipe`` it is a
small corpus of JSON lines and web pages that native code extracts. Everything after ``--`` goes to
``curate run``.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from curate import api, cli
from tests.faults import scoreboard
from tests.runs import tree, write_corpus, write_recipe

VICTIMS = {
    "ray": "driver,worker,raylet,sandbox,group",
    "in-process": "driver,sandbox,group",
}
#: Pages for the small corpus: read in the sandbox, by native code.
PAGES = """
[sources.pages]
format = "warc"
path = "{pages}"
extract = "trafilatura"
"""


def small(folder):
    """Write a small corpus and its recipe; return the recipe's path."""
    write_corpus(folder / "in", documents=600)
    path = write_recipe(folder / "small.toml", folder / "in", input_bytes=60_000)
    pages = Path(__file__).parents[2] / "sample_data" / "web" / "crawl.warc.gz"
    text = path.read_text().replace("quarantined_records = 2", "quarantined_records = 50")
    at = text.index("[sources.a]")
    path.write_text(text[:at] + PAGES.format(pages=pages) + text[at:])
    return str(path)


def curate(arguments, log):
    """Run the command line, in a process of its own: a fork, so that imports cost nothing."""
    os.setsid()
    for number in (1, 2):
        os.dup2(log.fileno(), number)
    sys.argv = ["curate", *map(str, arguments)]
    cli.main()


def start(arguments, log):
    log.truncate(0)
    process = multiprocessing.get_context("fork").Process(target=curate, args=(arguments, log))
    process.start()
    return process


def call(arguments, log):
    """Run to the end and return the exit code."""
    process = start(arguments, log)
    process.join()
    return process.exitcode


def command(recipe, out, engine, workers, more):
    arguments = ["run", recipe, "--output", out, "--engine", engine, *more]
    return [*arguments, "--workers", workers] if engine == "ray" else arguments


def descendants(root):
    """Return (pid, command line) of every running process below a process."""
    children, lines = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                )
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        for pid in children.get(todo.pop(), []):
            found.append((pid, lines.get(pid, "")))
            todo.append(pid)
    return found


def victim_of(kind, driver):
    if kind in ("driver", "group"):
        return driver
    below = descendants(driver)
    name = {"raylet": "raylet/raylet", "worker": "ray::", "sandbox": "sandbox_child"}[kind]
    matching = [
        pid for pid, line in below if name in line and "IDLE" not in line and "Agent" not in line
    ]
    return random.choice(matching) if matching else None


def still_running(lines, seconds=60):
    """Return the processes that still run, with the same command line, after ``seconds``."""
    end = time.monotonic() + seconds
    left = list(lines)
    while left and time.monotonic() < end:
        left = [pid for pid in left if state(pid) != "Z" and same(pid, lines[pid])]
        time.sleep(0.2)
    return left


def same(pid, line):
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:40]
            == line[:40]
        )
    except OSError:
        return False


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def unpublished_or_complete(out, golden):
    manifest = out / "manifest.json"
    if not manifest.exists():
        return True
    named = {e["path"]: e["sha256"] for e in json.loads(manifest.read_text())["files"]}
    return {k: v for k, v in named.items() if k in golden} == golden and tree(out) == golden


def hit(kind, process, moment):
    """Wait for the moment and a victim; kill it. Return its pid and the driver's descendants."""
    process.join(moment)
    while process.is_alive():
        victim = victim_of(kind, process.pid)
        if victim is not None:
            below = dict(descendants(process.pid))
            (os.killpg if kind == "group" else os.kill)(victim, signal.SIGKILL)
            return victim, below
        time.sleep(0.02)
    return None, {}


def kill_and_resume(kinds, line, out, golden, whole, log):
    """Kill a run, and each that resumes it, once by each kind; run to the end and compare.

    Return the kinds that hit. A run that outlives a kill gets the next one, too.
    """
    hits, process = [], None
    for kind in kinds:
        if process is None or not process.is_alive():
            process = start(line, log)
        moment = random.uniform(0.02, 1 / (1 + len(hits) / 2)) * whole
        victim, below = hit(kind, process, moment)
        if victim is None:
            print(f"missed: the run was over before a {kind} was found", flush=True)
            if process.exitcode == 0:
                break
            sys.exit(f"exit {process.exitcode} without a kill\n{said(log)}")
        ends = ""
        if kind not in ("worker", "sandbox"):
            process.join(60 + 10 * whole)
            orphans = "".join(f"; still there: {below[pid][:80]}" for pid in still_running(below))
            ends = f", exit {process.exitcode}{orphans}"
        if not unpublished_or_complete(out, golden):
            sys.exit(f"{kind} at {moment:.1f} s: half of a run is published in {out}")
        hits.append(kind)
        print(f"{kind} (pid {victim}) at {moment:.1f} s{ends}", flush=True)
    process.join()
    code, runs = process.exitcode, 0
    while code != 0 and runs < 4:
        code, runs = call(line, log), runs + 1
    if code != 0:
        sys.exit(f"exit {code} after {runs} runs without a kill\n{said(log)}")
    if tree(out) != golden:
        sys.exit(f"other bytes in {out}")
    if call(["verify", out], log):
        sys.exit(f"verify finds\n{said(log)}")
    print(f"{len(hits)} kills of one run: identical", flush=True)
    return hits


def said(log):
    return Path(log.name).read_text(errors="replace")[-2000:]


def main():
    """Kill, resume, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", help="default: a small corpus")
    parser.add_argument("--kills", type=int, default=10, help="kills that hit")
    parser.add_argument("--engine", choices=sorted(VICTIMS), default="ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", help="default: all of the engine")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    random.seed(known.seed)
    memory = Path("/dev/shm")  # a SIGKILL takes nothing that is written, wherever that is
    folder = tempfile.mkdtemp(prefix="curate-kills-", dir=memory if memory.is_dir() else None)
    folder = Path(folder)
    recipe = known.recipe or small(folder)
    api.run(recipe, output=folder / "golden", engine="in-process")
    golden = tree(folder / "golden")

    def line(out):
        return command(recipe, out, known.engine, known.workers, more)

    with (folder / "log").open("a") as log:
        # The first run fills caches; the second takes as long as the later ones.
        for name in ("cold", "warm"):
            started = time.monotonic()
            assert call(line(folder / name), log) == 0, said(log)
            whole = time.monotonic() - started
            assert tree(folder / name) == golden, "the engines differ undisturbed"
        print(f"golden: {len(golden)} files; undisturbed: {whole:.1f} s", flush=True)
        victims = (known.victims or VICTIMS[known.engine]).split(",")
        hits, runs = Counter(), 0
        while hits.total() < known.kills:
            out = folder / f"run-{runs}"
            turn = hits.total() % len(victims)
            kinds = (victims[turn:] + victims[:turn])[: known.kills - hits.total()]
            hits.update(kill_and_resume(kinds, line(out), out, golden, whole, log))
            runs += 1
            shutil.rmtree(out)
    by_kind = ", ".join(f"{count} {kind}" for kind, count in hits.items())
    counted = f"{hits.total()} SIGKILLs ({by_kind}) of {runs} runs: all resumed, all identical"
    print(counted)
    shutil.rmtree(folder)
    if known.record:
        scoreboard.record(f"kills, {known.engine}", counted)


if __name__ == "__main__":
    main()
