"""Kill runs on Ray at random moments and compare what they publish with an undisturbed run.

    python -m tests.faults.campaign --kills 10 --recipe demo
    python -m tests.faults.campaign --kills 10 --recipe sherkala -- --input web=DIR ...

The victims alternate: the driver (SIGKILL to it alone), a worker (a random Ray worker that runs a
task), the raylet. After each kill the folder must be unpublished or complete; the same command is
run again until it exits 0; then mixture, rejected and quarantine must equal the golden run's, byte
for byte, and ``curate verify`` must report no problem. A moment without a victim is drawn again:
only kills that hit count. Prints one line per kill, exits 1 on the first
difference. Everything after ``--`` goes to ``curate run``.
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
from pathlib import Path

from tests.runs import tree

VICTIMS = ("driver", "worker", "raylet")


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
    if kind == "driver":
        return driver
    below = descendants(driver)
    name = "raylet/raylet" if kind == "raylet" else "ray::"
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
    assert tree(out) == golden, "Ray and in-process differ undisturbed"
    return seconds


def hit(kind, process, moment):
    """Wait for the moment and a victim; kill it. Return its pid and the driver's descendants."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    while process.poll() is None:
        victim = victim_of(kind, process.pid)
        if victim is not None:
            below = dict(descendants(process.pid))
            os.kill(victim, signal.SIGKILL)
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--kills", type=int, default=10, help="kills that hit")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", default="driver,worker")
    known, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    random.seed(known.seed)
    folder = Path(tempfile.mkdtemp(prefix="curate-campaign-"))
    undisturbed_out = folder / "golden"
    subprocess.run(
        command(known.recipe, undisturbed_out, "in-process", 1, more),
        check=True,
        capture_output=True,
    )
    golden = tree(undisturbed_out)

    def on_ray(out):
        return command(known.recipe, out, "ray", known.workers, more)

    # The first run on Ray fills caches; the second takes as long as the later ones.
    for name in ("cold", "warm"):
        whole = undisturbed(on_ray(folder / name), golden, folder / name)
    print(f"golden: {len(golden)} files; undisturbed on Ray: {whole:.1f} s", flush=True)
    kinds = known.victims.split(",")
    hits = misses = 0
    while hits < known.kills:
        out = folder / f"run-{hits + misses}"
        kind = kinds[hits % len(kinds)]
        result = kill_and_resume(kind, on_ray(out), out, golden, whole)
        if result is None:
            misses += 1
            assert tree(out) == golden, "a run that no kill hit gave other bytes"
            print(f"missed: the run was over before a {kind} was found", flush=True)
        else:
            hits += 1
            print(f"kill {hits}: {result}", flush=True)
        shutil.rmtree(out)
    print(f"{hits} kills that hit, {hits} identical; {misses} missed")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
