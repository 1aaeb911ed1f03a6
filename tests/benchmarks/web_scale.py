"""Measure the CPU time per document as the corpus grows: the whole pipeline, texts of web length.

    python -m tests.benchmarks.web_scale --folder DIR [--documents 10000,100000,1000000,10000000]

English documents of 2.1 kB in the mean (log-normal lengths) are made from the sentences of
`pipeline`, with one word in ten replaced, so that unrelated ones stay dissimilar; one in six is an
exact or a near copy. They are JSON lines in .zst, 20,000 to a file, which is a shard. Each corpus
is the beginning of the next larger one. Each is run in-process by the command, with the recipe of
`pipeline`; printed are CPU and wall seconds, CPU per document without the start (a run on forty
documents), the peak memory of the process, the largest size of its folder, and microseconds a
document in each part. The files stay in DIR; those that are there are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tests.benchmarks import pipeline

FILE_DOCUMENTS = 20_000
START_DOCUMENTS = 40
#: Mean sentences of a document, those of a paragraph, share of words that are replaced.
SENTENCES, PARAGRAPH, REPLACED = 16, 4, 0.1
#: Share of copies, and the shares of their words that are replaced.
COPIES, EDITS = 1 / 6, np.array([0.0, 0.0, 0.005, 0.01, 0.02])


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the numbers of all ranges, one after the other.

    >>> ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)


def bounds(lengths: np.ndarray) -> np.ndarray:
    """Return the bounds of pieces that lie one after the other."""
    return np.concatenate([[0], np.cumsum(lengths)])


class Writer:
    """Makes documents from sentences; the n-th file is the same each time."""

    def __init__(self, language: str = "en") -> None:
        pool = [sentence.split() for sentence in pipeline.sentences(language)]
        self.lengths = np.array([len(words) for words in pool])
        self.starts = bounds(self.lengths)[:-1]
        words = pa.array([word for sentence in pool for word in sentence]).dictionary_encode()
        self.vocabulary, self.words = words.dictionary, words.indices.to_numpy()

    def texts(self, number: int, documents: int) -> list[str]:
        """Return the documents of a file."""
        draw = np.random.default_rng([11, number])
        originals = documents - int(documents * COPIES)
        sentences = draw.lognormal(np.log(SENTENCES) - 0.8**2 / 2, 0.8, originals)
        sentences = np.clip(sentences, 2, 500).astype(np.int64)
        chosen = draw.integers(len(self.lengths), size=int(sentences.sum()))
        words = self.words[ranges(self.starts[chosen], self.lengths[chosen])]
        self._replace(words, draw.random(len(words)) < REPLACED, draw)
        # A document that is a copy has the sentences of another one.
        source = np.concatenate(
            [np.arange(originals), draw.integers(originals, size=documents - originals)]
        )
        share = np.concatenate([np.zeros(originals), draw.choice(EDITS, documents - originals)])
        order = draw.permutation(documents)
        source, share = source[order], share[order]
        at = bounds(sentences)[:-1]
        rows, counts = ranges(at[source], sentences[source]), sentences[source]
        lengths = self.lengths[chosen]
        words = words[ranges(bounds(lengths)[:-1][rows], lengths[rows])]
        lengths = lengths[rows]
        shares = np.repeat(np.repeat(share, counts), lengths)
        self._replace(words, draw.random(len(words)) < shares, draw)
        first = np.arange(len(rows)) - np.repeat(bounds(counts)[:-1], counts)
        begins = np.flatnonzero(first % PARAGRAPH == 0)
        paragraphs = _joined(
            self.vocabulary.take(pa.array(words)),
            np.append(bounds(lengths)[begins], len(words)),
            " ",
        )
        texts = _joined(paragraphs, bounds(-(-counts // PARAGRAPH)), "\n")
        return texts.to_pylist()

    def _replace(self, words: np.ndarray, where: np.ndarray, draw: np.random.Generator) -> None:
        words[where] = self.words[draw.integers(len(self.words), size=int(where.sum()))]


def _joined(parts: pa.Array, limits: np.ndarray, by: str) -> pa.Array:
    lists = pa.ListArray.from_arrays(pa.array(limits.astype(np.int32)), parts.cast(pa.string()))
    return pc.binary_join(lists, by)


def write(folder: Path, documents: int) -> tuple[list[Path], int]:
    """Write what is not there of the files of a corpus; return them, and the bytes of text."""
    folder.mkdir(parents=True, exist_ok=True)
    writer: Writer | None = None
    paths: list[Path] = []
    size = 0
    for number, start in enumerate(range(0, documents, FILE_DOCUMENTS)):
        count = min(FILE_DOCUMENTS, documents - start)
        path = folder / f"{number:05d}-{count}.jsonl.zst"
        noted = path.with_suffix(".bytes")
        if not noted.exists():
            writer = writer or Writer()
            texts = writer.texts(number, FILE_DOCUMENTS)[:count]
            with pa.output_stream(path, compression="zstd") as sink:
                lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
                sink.write(("\n".join(lines) + "\n").encode())
            noted.write_text(str(sum(len(text.encode()) for text in texts)))
        paths.append(path)
        size += int(noted.read_text())
    return paths, size


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder that a run is changing."""
    done = subprocess.run(["du", "-sb", str(folder)], capture_output=True, text=True)
    return int(done.stdout.split()[0]) if done.stdout else 0


def parts_of(out: Path, documents: int) -> str:
    """Return the microseconds a document of the tasks of each segment and barrier."""
    seconds: Counter[str] = Counter()
    for line in (out / "timings.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "task" in row:
            seconds[row["segment"].partition("-")[0]] += row["seconds"]
    return ", ".join(f"{name} {1e6 * took / documents:.0f}" for name, took in seconds.items())


def run(paths: list[Path], folder: Path) -> tuple[float, float, int, int, str]:
    """Run once; return CPU and wall seconds, peak bytes of memory and disk, totals and parts."""
    recipe, out = folder / "scale.toml", folder / "out"
    text = pipeline.RECIPE.format(folder="", input_bytes=1 << 20)
    listed = ", ".join(f'"{path}"' for path in paths)
    recipe.write_text(text.replace('path = "/*.jsonl"', f"path = [{listed}]"))
    shutil.rmtree(out, ignore_errors=True)
    words = ["-q", "run", str(recipe), "--output", str(out), "--engine", "in-process"]
    started, disk = time.perf_counter(), 0
    with (folder / "log").open("w") as log:
        child = subprocess.Popen([sys.executable, "-m", "curate", *words], stdout=log, stderr=log)
        while True:
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            disk = max(disk, size_of(out)) if len(paths) > 5 else disk
            time.sleep(20 if len(paths) > 5 else 0.05)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit((folder / "log").read_text())
    totals = json.loads((out / "manifest.json").read_text())["totals"]
    kept = f"{totals['curated']} of {totals['documents']} kept"
    kept += f"\n          us: {parts_of(out, totals['documents'])}"
    shutil.rmtree(out)
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss << 10, disk, kept


def main() -> None:
    """Parse arguments, write, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", default="10000,100000,1000000,10000000")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only-write", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    sizes = [int(count) for count in arguments.documents.split(",")]
    for documents in sizes if arguments.only_write else ():
        print(documents, "documents,", write(folder / "in", documents)[1], "bytes", flush=True)
    if arguments.only_write:
        return
    first, _ = write(folder / "in", START_DOCUMENTS)
    start = min(run(first, folder)[0] for _ in range(2))
    print(f"start: {start:.1f} CPU s")
    for documents in sizes:
        paths, size = write(folder / "in", documents)
        cpu, wall, peak, disk, kept = run(paths, folder)
        print(
            f"{documents:9d} documents, {size / 1e6:8.1f} MB: {cpu:7.1f} CPU s, wall {wall:7.1f} s,"
            f" {1e6 * (cpu - start) / documents:.0f} us a document,"
            f" {size / 1e6 / (cpu - start):.1f} MB/s, peak {peak >> 20} MB, disk {disk >> 20} MB,"
            f" {kept}",
            flush=True,
        )


if __name__ == "__main__":
    main()
