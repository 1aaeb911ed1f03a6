"""Kill runs on Ray at random moments and hold what they publish to an undisturbed run's bytes.

    python -m tests.faults.campaign --kills 10 --recipe demo
    python -m tests.faults.campaign --kills 10 --recipe sherkala -- --input web=DIR ...

Victims in turn: the driver (SIGKILL to it alone), a worker (a random Ray worker that is running a
task), the raylet. After each kill of a driver or raylet the folder must be unpublished or whole; the
same command is run again until it exits 0; then mixture, rejected and quarantine must equal the golden
run's, byte for byte, and ``curate verify`` must find nothing. Prints one line per kill, exits 1 on the
first difference. Everything after ``--`` goes to ``curate run``.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.runs import tree

VICTIMS = ("driver", "worker", "raylet")


def command(recipe, out, engine, workers, more):
    arguments = ["run", recipe, "--output", str(out), "--engine", engine, *more]
    if engine == "ray":
        arguments += ["--workers", str(workers)]
    return [sys.executable, "-m", "curate", *arguments]


def descendants(root):
    """Give (pid, command line) of every living process below a process."""
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
    if kind == "driver":
        return driver
    below = descendants(driver)
    wanted = "raylet/raylet" if kind == "raylet" else "ray::"
    matching = [
        pid for pid, line in below if wanted in line and "IDLE" not in line and "Agent" not in line
    ]
    return random.choice(matching) if matching else None


def living_after(lines, seconds=60):
    """Give what lives on, under the command line that it had, when its driver is gone for so long."""
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


def unpublished_or_whole(out, golden):
    manifest = out / "manifest.json"
    if not manifest.exists():
        return True
    named = {e["path"]: e["sha256"] for e in json.loads(manifest.read_text())["files"]}
    return {k: v for k, v in named.items() if k in golden} == golden and tree(out) == golden


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", default="driver,worker")
    known, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    random.seed(known.seed)
    folder = Path(tempfile.mkdtemp(prefix="curate-campaign-"))
    golden_out = folder / "golden"
    subprocess.run(
        command(known.recipe, golden_out, "in-process", 1, more), check=True, capture_output=True
    )
    golden = tree(golden_out)
    started = time.monotonic()
    subprocess.run(
        command(known.recipe, folder / "ray", "ray", known.workers, more),
        check=True,
        capture_output=True,
    )
    whole = time.monotonic() - started
    assert tree(folder / "ray") == golden, "ray and in-process differ undisturbed"
    print(f"golden: {len(golden)} files; undisturbed on Ray: {whole:.1f} s", flush=True)
    for number in range(known.kills):
        kind = known.victims.split(",")[number % len(known.victims.split(","))]
        out = folder / f"run-{number}"
        line = command(known.recipe, out, "ray", known.workers, more)
        process = subprocess.Popen(
            line,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        moment = random.uniform(0.05, 0.95) * whole
        time.sleep(moment)
        victim = victim_of(kind, process.pid)
        tries = 0
        while victim is None and process.poll() is None and tries < 200:
            time.sleep(0.05)
            victim, tries = victim_of(kind, process.pid), tries + 1
        below = dict(descendants(process.pid))
        if victim is not None and process.poll() is None:
            os.kill(victim, signal.SIGKILL)
        _, said = process.communicate(timeout=60 + 4 * whole)
        first = said
        orphans = "".join(f"; still there: {below[pid][:80]}" for pid in living_after(below))
        if not unpublished_or_whole(out, golden):
            sys.exit(f"kill {number}: half of a run is published in {out}")
        runs = 1
        code = process.returncode
        while code != 0 and runs < 5:
            again = subprocess.run(line, capture_output=True, text=True)
            code, said, runs = again.returncode, again.stderr, runs + 1
        if code != 0:
            sys.exit(f"kill {number} ({kind}): exit {code} after {runs} runs\n{said[-2000:]}")
        if tree(out) != golden:
            sys.exit(f"kill {number} ({kind} at {moment:.1f} s): other bytes in {out}")
        sound = subprocess.run(
            [sys.executable, "-m", "curate", "verify", str(out)], capture_output=True, text=True
        )
        if sound.returncode:
            sys.exit(f"kill {number}: {sound.stderr}")
        hit = "none running" if victim is None else f"pid {victim}"
        print(
            f"kill {number}: {kind} ({hit}) at {moment:.1f} s, first exit {process.returncode},"
            f" {runs} run(s), identical{orphans}"
            + ("" if process.returncode in (0, -9) else "\n    " + first[-300:]),
            flush=True,
        )
        shutil.rmtree(out)
    print(f"{known.kills} kills, {known.kills} identical")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
