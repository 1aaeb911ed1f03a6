"""Kill runs at random moments and compare what they publish with an undisturbed run.

    python -m tests.faults.kills --kills 10 --engine ray
    python -m tests.faults.kills --kills 200 --engine in-process --victims driver,sandbox,group
    python -m tests.faults.kills --kills 10 --recipe sherkala -- --input web=DIR ...

The victims take turns: the driver (SIGKILL to it alone), a worker (a random Ray worker that runs a
task), the raylet, a sandbox child (a process that reads pages), the whole process group. After each
kill the folder must be unpublished or complete; the same command is run again until it exits 0;
then mixture, rejected and quarantine must equal the golden run's, byte for byte, and ``curate
verify`` must report no problem. A moment without a victim is drawn again: only kills that hit
count. Prints one line per kill, exits 1 on the first difference. Without ``--recipe`` it is a small
corpus of JSON lines and web pages that native code extracts. Everything after ``--`` goes to
``curate run``.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

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


def command(recipe, out, engine, workers, more):
    arguments = ["run", recipe, "--output", str(out), "--engine", engine, *more]
    if engine == "ray":
        arguments += ["--workers", str(workers)]
    return [sys.executable, "-m", "curate", *arguments]


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


def undisturbed(line, golden, out):
    """Run to the end and return the seconds; the bytes must equal the golden run's."""
    started = time.monotonic()
    subprocess.run(line, check=True, capture_output=True)
    seconds = time.monotonic() - started
    assert tree(out) == golden, "the engines differ undisturbed"
    return seconds


def hit(kind, process, moment):
    """Wait for the moment and a victim; kill it. Return its pid and the driver's descendants."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    while process.poll() is None:
        victim = victim_of(kind, process.pid)
        if victim is not None:
            below = dict(descendants(process.pid))
            (os.killpg if kind == "group" else os.kill)(victim, signal.SIGKILL)
            return victim, below
        time.sleep(0.02)
    return None, {}


def kill_and_resume(kind, line, out, golden, whole):
    """Kill one run, run it again until it exits 0, compare. Return a sentence; None on a miss."""
    moment = random.uniform(0.05, 1.0) * whole
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    victim, below = hit(kind, process, moment)
    _, first = process.communicate(timeout=60 + 10 * whole)
    if victim is None:
        return None
    orphans = "".join(f"; still there: {below[pid][:80]}" for pid in still_running(below))
    if not unpublished_or_complete(out, golden):
        sys.exit(f"{kind} at {moment:.1f} s: half of a run is published in {out}")
    runs, code, errors = 1, process.returncode, first
    while code != 0 and runs < 5:
        again = subprocess.run(line, capture_output=True, text=True)
        code, errors, runs = again.returncode, again.stderr, runs + 1
    if code != 0:
        sys.exit(f"{kind} at {moment:.1f} s: exit {code} after {runs} runs\n{errors[-2000:]}")
    if tree(out) != golden:
        sys.exit(f"{kind} at {moment:.1f} s: other bytes in {out}")
    verified = subprocess.run(
        [sys.executable, "-m", "curate", "verify", str(out)], capture_output=True, text=True
    )
    if verified.returncode:
        sys.exit(f"{kind} at {moment:.1f} s: verify finds\n{verified.stderr}")
    unusual = "" if process.returncode in (0, -signal.SIGKILL) else "\n    " + first[-600:]
    return (
        f"{kind} (pid {victim}) at {moment:.1f} s, first exit {process.returncode},"
        f" {runs} run(s), identical{orphans}{unusual}"
    )


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
    folder = Path(tempfile.mkdtemp(prefix="curate-kills-"))
    recipe = known.recipe or small(folder)
    undisturbed_out = folder / "golden"
    subprocess.run(
        command(recipe, undisturbed_out, "in-process", 1, more), check=True, capture_output=True
    )
    golden = tree(undisturbed_out)

    def line(out):
        return command(recipe, out, known.engine, known.workers, more)

    # The first run fills caches; the second takes as long as the later ones.
    for name in ("cold", "warm"):
        whole = undisturbed(line(folder / name), golden, folder / name)
    print(f"golden: {len(golden)} files; undisturbed: {whole:.1f} s", flush=True)
    kinds = (known.victims or VICTIMS[known.engine]).split(",")
    hits = Counter()
    misses = 0
    while hits.total() < known.kills:
        out = folder / f"run-{hits.total() + misses}"
        kind = kinds[hits.total() % len(kinds)]
        result = kill_and_resume(kind, line(out), out, golden, whole)
        if result is None:
            misses += 1
            assert tree(out) == golden, "a run that no kill hit gave other bytes"
            print(f"missed: the run was over before a {kind} was found", flush=True)
        else:
            hits[kind] += 1
            print(f"kill {hits.total()}: {result}", flush=True)
        shutil.rmtree(out)
    counted = ", ".join(f"{count} {kind}" for kind, count in hits.items())
    print(f"{hits.total()} kills that hit ({counted}), all identical; {misses} missed")
    shutil.rmtree(folder)
    if known.record:
        counted = f"{hits.total()} SIGKILLs ({counted}): all resumed, all identical"
        scoreboard.record(f"kills, {known.engine}", counted)


if __name__ == "__main__":
    main()
