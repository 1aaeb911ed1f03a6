"""Compare language identification with fastText's own runtime, on the same texts, in one thread.

    python -m tests.benchmarks.langid [FOLDER] [--peer PYTHON] [--rounds N]

FOLDER contains *.jsonl.gz files with a field "text" (default: $CURATE_SHARED_DATA/text). ``--peer``
is the Python of an environment with fasttext, fasttext-numpy2 or fasttext-predict (default: this
one). The slowest build takes twice as long as the fastest, so the peer reports its build. Both
sides get the texts ready to read and are measured in turns, in CPU time; the best round counts,
because other work on the machine can make a round slower only. Prints MB/s of text and ratios as
JSON: of the model alone, of identify with all rules and profiles, and of the stage with its tally.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from curate import schema
from curate.api.tables import all_profiles
from curate.kernels.arrow import buffers
from curate.langid.fasttext import model
from curate.langid.identify import _large_strings, identify
from curate.plan import registry

#: Runs in the peer's Python, which need not have curate: prints its build, then the seconds of a
#: round for each line that it reads.
_PEER = '''
import json, sys, time
from importlib.metadata import distributions
import fasttext, fasttext_pybind

def build():
    """Return the package whose file was loaded: several packages install the same name."""
    from base64 import urlsafe_b64encode
    from hashlib import sha256
    with open(fasttext_pybind.__file__, "rb") as file:
        digest = urlsafe_b64encode(sha256(file.read()).digest()).decode().rstrip("=")
    for package in distributions():
        if any(file.hash and file.hash.value == digest for file in package.files or ()):
            tags = [line for line in package.read_text("WHEEL").splitlines() if line[:4] == "Tag:"]
            built = "wheel" if "manylinux" in " ".join(tags) else "built here"
            return f"{package.metadata['Name']} {package.version} ({built})"
    return "unknown"

with open(sys.argv[2], encoding="utf-8") as file:
    lines = [text.replace("\\n", " ") + "\\n" for text in json.load(file)]
predict = fasttext.load_model(sys.argv[1]).f.predict
print(build(), flush=True)
for _ in sys.stdin:
    started = time.process_time()
    for line in lines:
        predict(line, 1, 0.0, "strict")
    print(time.process_time() - started, flush=True)
'''


def read(folder: Path, per_file: int = 500) -> list[str]:
    texts = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line, _ in zip(lines, range(per_file))]
    return texts


class Peer:
    """Run fastText in a process of its own."""

    def __init__(self, python: str, texts: list[str], room: Path) -> None:
        (room / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        command = [python, "-c", _PEER, str(model.default_path()), str(room / "texts.json")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=room
        )
        self.name = self._line()

    def seconds(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise SystemExit("the peer's Python cannot load fasttext: name another with --peer")
        return line.strip()


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def documents(texts: pa.Array) -> pa.Table:
    """Return the table of documents that the stage takes: all columns but the text are null."""
    columns = schema.SOURCE_COLUMNS | schema.VERDICT_COLUMNS
    nulls = {name: pa.nulls(len(texts), kind) for name, kind in columns.items()}
    return pa.table(nulls | {"text": texts})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("CURATE_SHARED_DATA", "."), "text")
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = read(arguments.folder)
    if not texts:
        raise SystemExit("no *.jsonl.gz with texts found: name a folder or set CURATE_SHARED_DATA")
    with tempfile.TemporaryDirectory() as room:
        print(json.dumps(measure(texts, Peer(arguments.peer, texts, Path(room)), arguments.rounds)))


def measure(texts: list[str], peer: Peer, rounds: int) -> dict[str, object]:
    column = _large_strings(texts)
    data, offsets = buffers(column)
    loaded, profiles = model.load(), all_profiles()
    stage = registry.build(
        "stage", "identify", {}, given={"profiles": profiles, "name": "identify"}
    )
    table = documents(column)
    stage.apply(table.slice(0, 2), Counter())  # compiles
    work: dict[str, Callable[[], float]] = {
        "model": lambda: seconds(lambda: loaded.predict(data, offsets)),
        "identify": lambda: seconds(lambda: identify(column, profiles=profiles)),
        "stage": lambda: seconds(lambda: stage.apply(table, Counter())),
        "peer": peer.seconds,
    }
    taken = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        taken = {name: min(taken[name], run()) for name, run in work.items()}
    speed = {name: len(data) / 1e6 / best for name, best in taken.items()}
    return {
        "peer": peer.name,
        "texts": len(texts),
        "megabytes": round(len(data) / 1e6, 1),
        "megabytes_per_second": {name: round(value, 1) for name, value in speed.items()},
        "ratios": {n: round(value / speed["peer"], 2) for n, value in speed.items() if n != "peer"},
    }


if __name__ == "__main__":
    main()
