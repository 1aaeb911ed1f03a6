"""One answer and its time: in-process, on Ray, on several raylets, on S3 that fails.

    python -m tests.benchmarks.cluster [--megabytes 60] [--only in-process,ray,raylets,s3]
    python -m tests.benchmarks.cluster --shards 10000 [--only in-process,ray]

Prints for each way the wall time, how many times in-process that is, and the digest of all
published rows; exits 1 where a digest differs. The raylets are three, of one CPU each; the first is
killed when the first task is done, and another joins. S3 is a server on the loopback; `faulty`
answers 5 % of requests with 500, 503 or a closed connection. Beside it: how much two processes of a
plain loop gain on this machine. Needs moto[server] and s3fs for S3.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks import pipeline

FOLDERS = ("mixture/", "rejected/", "quarantine/")


def digest(out: str) -> str:
    """Return a digest of all published rows' files, by name, wherever they are."""
    from curate.storage.store import open_store

    store = open_store(out)
    whole = hashlib.sha256()
    for entry in sorted(json.loads(store.read("manifest.json"))["files"], key=lambda e: e["path"]):
        if entry["path"].startswith(FOLDERS):
            with store.open(entry["path"]) as handle:
                whole.update(entry["path"].encode() + hashlib.sha256(handle.read()).digest())
    return whole.hexdigest()[:16]


def tasks_of(out: str) -> int:
    """Return the number of tasks of a finished run."""
    from curate.storage.store import open_store

    rows = open_store(out).read("timings.jsonl").splitlines()
    return sum("task" in json.loads(row) for row in rows)


def command(recipe: Path, out: str, *more: str) -> list[str]:
    """Return the command line of a run."""
    return [sys.executable, "-m", "curate", "-q", "run", str(recipe), "--output", out, *more]


def timed(recipe: Path, out: str, *more: str) -> float:
    """Run to the end; return the wall seconds."""
    started = time.perf_counter()
    done = subprocess.run(command(recipe, out, *more), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - started


def small_shards(folder: Path, count: int) -> Path:
    """Write a recipe (repair, exact_dedup) of so many shards, each a file with one document."""
    texts = folder / "small"
    texts.mkdir()
    for number in range(count):
        text = f"Document {number // 2:06d} of {count:06d}, which another one may equal. " * 20
        (texts / f"{number:06d}.jsonl").write_text(json.dumps({"text": text}) + "\n")
    recipe = folder / "small.toml"
    size = (texts / "000000.jsonl").stat().st_size
    recipe.write_text(
        f'name = "small"\n[shards]\ninput_bytes = {size}\n[limits]\nmax_dedup_loss = 1.0\n'
        f'[sources.text]\nformat = "jsonl"\npath = "{texts}/*.jsonl"\n'
        '[[stages]]\nuse = "repair"\n[[stages]]\nuse = "exact_dedup"\n'
    )
    return recipe


def on_raylets(recipe: Path, out: str) -> float:
    """Run on three raylets; kill one when a task is done, and add another."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
        started = time.perf_counter()
        run = subprocess.Popen(
            command(recipe, out, "--address", cluster.address),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while run.poll() is None and not list(Path(out, "commits").glob("*/*.json")):
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)
        cluster.add_node(num_cpus=1)
        if code := run.wait():
            raise SystemExit(f"on three raylets: exit {code}")
        return time.perf_counter() - started
    finally:
        cluster.shutdown()


class Faulty:
    """A WSGI application that answers a share of requests with 500, 503 or nothing at all."""

    def __init__(self, application: Callable[..., Any], share: float) -> None:
        self.application, self.share = application, share
        self.draw, self.lock = random.Random(1), threading.Lock()
        self.requests = self.failed = 0
        self.kinds = Counter[str]()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        """Answer one request."""
        with self.lock:
            self.requests += 1
            self.kinds[environ["REQUEST_METHOD"]] += 1
            fails = self.draw.random() < self.share
            self.failed += fails
            kind = self.draw.randrange(3)
        if not fails:
            return self.application(environ, start)
        if kind == 2:
            environ["werkzeug.socket"].shutdown(2)
            raise ConnectionAbortedError
        status = ("500 Internal Server Error", "503 Slow Down")[kind]
        code = ("InternalError", "SlowDown")[kind]
        body = f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def s3(share: float) -> Iterator[Faulty]:
    """Start an S3 server whose requests fail at a share; the environment points to it."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: object) -> None:
            pass

    application = Faulty(DomainDispatcherApplication(create_backend_app), 0.0)
    server = make_server("127.0.0.1", 0, application, True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
    }  # fmt: skip
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(f"corpus-{share:.0%}".rstrip("%"))
    application.share = share
    try:
        yield application
    finally:
        application.share = 0.0
        s3fs.S3FileSystem.clear_instance_cache()
        server.shutdown()


def plain_loop(count: int) -> float:
    """Return the wall seconds of a loop in each of some processes."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_loop) for _ in range(count)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def _loop() -> None:
    total = 0
    for number in range(60_000_000):
        total += number


def main() -> int:
    """Parse arguments, run each way, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--language", default="en", choices=sorted(pipeline.LANGUAGES))
    parser.add_argument("--only", default="in-process,ray,raylets,s3")
    parser.add_argument("--shards", type=int, default=0, help="instead: so many tiny shards")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    seconds: dict[str, float] = {}
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="curate-cluster-") as temporary:
        folder = Path(temporary)
        megabytes = 1 if arguments.shards else arguments.megabytes
        texts = list(pipeline.documents(arguments.language, megabytes))
        pipeline.write(folder / "in", texts, 4 * pipeline.FILES)
        recipe = pipeline.recipe(folder / "in")

        def show(way: str, took: float, out: str) -> None:
            seconds[way], digests[way] = took, digest(out)
            times = seconds.get("in-process", took) / took
            print(f"{way:24s} {took:7.1f} s {times:5.2f} x  {digests[way]}", flush=True)

        out = str(folder / "out")
        if arguments.shards:
            recipe = small_shards(folder, arguments.shards)
            if "in-process" in only:
                show("in-process", timed(recipe, out, "--engine", "in-process"), out)
            if "ray" in only:
                more = ("--engine", "ray", "--workers", "2")
                show("ray, 2 workers", timed(recipe, out + "-2", *more), out + "-2")
            for way in [out, out + "-2"]:
                if Path(way).is_dir():
                    print(f"    {tasks_of(way)} tasks")
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            print(f"    CPU {usage.ru_utime + usage.ru_stime:.0f} s in all drivers, the largest"
                  f" {usage.ru_maxrss >> 10} MB")  # fmt: skip
            return int(len(set(digests.values())) > 1)
        if "in-process" in only:
            timed(recipe, out + "-warm", "--engine", "in-process")
            show("in-process", timed(recipe, out, "--engine", "in-process"), out)
        if "ray" in only:
            for workers in (1, 2, 4):
                more = ("--engine", "ray", "--workers", str(workers))
                show(f"ray, {workers} workers", timed(recipe, f"{out}-{workers}", *more),
                     f"{out}-{workers}")  # fmt: skip
        if "raylets" in only:
            show("three raylets, one lost", on_raylets(recipe, out + "-raylets"), out + "-raylets")
        if "s3" in only:
            for share in (0.0, 0.05):
                out = f"s3://corpus-{share:.0%}".rstrip("%") + "/out"
                with s3(share) as server:
                    took = timed(recipe, out, "--engine", "in-process")
                    server.share = 0.0
                    show(f"s3, {share:.0%} faulty", took, out)
                    tasks = tasks_of(out)
                    print(f"    {server.requests} requests, {server.failed} failed; {tasks} tasks")
                    print("   ", dict(server.kinds.most_common()))
    one, two = plain_loop(1), plain_loop(2)
    print(f"a plain loop in two processes: {2 * one / two:.2f} x one")
    same = len(set(digests.values())) == 1
    print("one digest" if same else "THE DIGESTS DIFFER")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
