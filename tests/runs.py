"""Small runs for tests: a corpus with duplicates and damage, a recipe, digests of the output."""

import fcntl
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PUBLISHED = ("mixture", "rejected", "quarantine")

RECIPE = """
name = "small"
seed = 5
[shards]
input_bytes = {input_bytes}
output_bytes = 30000
partition_bytes = {partition_bytes}
batch_bytes = 8000
[limits]
quarantined_records = 2
[sources.a]
format = "jsonl"
path = "{folder}/a*.jsonl"
[sources.b]
format = "jsonl"
path = "{folder}/b*.jsonl"
origin = "mt"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
[mixture]
unit = "bytes"
ratio = "2:1"
[mixture.groups.native]
origins = ["native"]
[mixture.groups.translated]
origins = ["mt"]
"""


def write_corpus(folder: Path, documents: int = 300, files: int = 3, seed: int = 0) -> None:
    """Write JSON lines of two sources: random texts, exact and near copies, two broken lines."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnop"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(3000)]
    texts: list[str] = []
    for _ in range(documents):
        kind = rng.random()
        if texts and kind < 0.15:
            text = rng.choice(texts)
        elif texts and kind < 0.3:
            words = rng.choice(texts).split()
            words[rng.randrange(len(words))] = "edited"
            text = " ".join(words)
        else:
            text = " ".join(rng.choices(vocabulary, k=rng.randint(60, 140)))
        texts.append(text)
    lines = [json.dumps({"text": text, "n": n}) for n, text in enumerate(texts)]
    lines.insert(documents // 2, '{"text": "cut')
    lines.insert(documents // 3, '{"other": 1}')
    for number in range(files):
        part = lines[number * len(lines) // files : (number + 1) * len(lines) // files]
        source = "a" if number % 2 == 0 else "b"
        (folder / f"{source}{number}.jsonl").write_text("\n".join(part) + "\n")


def write_recipe(
    path: Path, folder: Path, input_bytes: int = 20000, partition_bytes: int = 4000
) -> Path:
    """Write the small recipe for a corpus folder."""
    path.write_text(
        RECIPE.format(folder=folder, input_bytes=input_bytes, partition_bytes=partition_bytes)
    )
    return path


def tree(out: Path, folders: Sequence[str] = PUBLISHED) -> dict[str, str]:
    """Return the SHA-256 of every published file below some folders, by path."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def ledger(out: Path) -> dict:
    """Return the counts of a finished run."""
    return json.loads((out / "manifest.json").read_text())["ledger"]


def curate(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "curate", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def once(name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """Make a folder once for all processes of the test session; return it and ``make``'s value.

    The value must survive JSON.
    """
    folder = Path(os.environ["CURATE_TEST_SESSION"]) / name
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / "result.json"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_text(json.dumps(make(folder / "out")))
    return folder / "out", json.loads(result.read_text())
