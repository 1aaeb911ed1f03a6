"""Speed of a quality classifier of DCLM's shape, and of fastText's own runtime on the same texts.

    python -m tests.benchmarks.classifier [FOLDER] [--languages en kk] [--rounds N] [--dim 100]

Trains, in one epoch, a fastText model with word bigrams, 2,000,000 buckets and 100 dimensions, as
DCLM's (arXiv:2406.11794) has, on *.jsonl.gz files of FOLDER with a field "text" (default:
$CURATE_SHARED_DATA/text) whose names begin with one of ``--languages``. Both sides score the same
texts in one thread, in turns, by CPU time; the best round counts, because other work on the machine
can make a round slower only. Prints as JSON: MB/s of text per core, the largest difference of
scores, and where the time goes: ``words`` is a model of the same words without bigrams.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from curate.kernels.arrow import buffers
from curate.langid.fasttext import model
from curate.langid.identify import _large_strings


def read(folder: Path, languages: list[str], per_file: int) -> list[str]:
    texts = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        if path.name.split("-")[0] in languages:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                texts += [json.loads(line)["text"] for line, _ in zip(lines, range(per_file))]
    return texts


def train(texts: list[str], path: Path, **shape: int) -> None:
    import fasttext

    lines = path.with_suffix(".txt")
    with lines.open("w", encoding="utf-8") as file:
        for row, text in enumerate(texts):
            file.write(f"__label__{'ab'[row % 2]} {' '.join(text.split())}\n")
    # Ten threads fill the whole matrix with numbers; fewer leave some of it as it was.
    plain = {"epoch": 1, "minCount": 1, "thread": 10, "verbose": 0}
    fasttext.train_supervised(str(lines), **plain, **shape).save_model(str(path))


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("CURATE_SHARED_DATA", "."), "text")
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--languages", nargs="*", default=["en", "kk", "ru", "tr", "de", "es"])
    parser.add_argument("--per-file", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--buckets", type=int, default=2_000_000)
    arguments = parser.parse_args()
    texts = read(arguments.folder, arguments.languages, arguments.per_file)
    if not texts:
        raise SystemExit("no *.jsonl.gz with texts found: name a folder or set CURATE_SHARED_DATA")
    with tempfile.TemporaryDirectory() as room:
        print(json.dumps(measure(texts, Path(room), arguments)))


def measure(texts: list[str], room: Path, arguments: argparse.Namespace) -> dict[str, object]:
    import fasttext

    train(texts, room / "bigrams.bin", dim=arguments.dim, bucket=arguments.buckets, wordNgrams=2)
    train(texts, room / "words.bin", dim=arguments.dim, wordNgrams=1)
    data, offsets = buffers(_large_strings(texts))
    ours = {name: model.load(str(room / f"{name}.bin")) for name in ("bigrams", "words")}
    theirs = fasttext.load_model(str(room / "bigrams.bin"))
    lines = [text.replace("\n", " ") + "\n" for text in texts]
    work: dict[str, Callable[[], object]] = {
        "bigrams": lambda: ours["bigrams"].score(data, offsets, [0]),
        "words": lambda: ours["words"].score(data, offsets, [0]),
        "fasttext": lambda: [theirs.f.predict(line, 1, 0.0, "strict") for line in lines],
    }
    taken = dict.fromkeys(work, float("inf"))
    for _ in range(arguments.rounds):
        taken = {name: min(taken[name], seconds(run)) for name, run in work.items()}
    numbers, scores, _ = ours["bigrams"].score(data, offsets, [0])
    expected = [theirs.f.predict(line, 1, 0.0, "strict")[0] for line in lines]
    size = len(data) / 1e6
    return {
        "megabytes": round(size, 1),
        "bytes_per_word": round(len(data) / sum(len(text.split()) for text in texts), 2),
        "words_known": len(ours["bigrams"].network.begin),
        "megabytes_per_second": {name: round(size / best, 1) for name, best in taken.items()},
        "largest_difference": max(
            abs(score - best) for (score, _), best in zip(expected, scores[:, 0].tolist())
        ),
        "other_labels": sum(
            label != f"__label__{ours['bigrams'].labels[number]}"
            for (_, label), number in zip(expected, numbers[:, 0].tolist())
        ),
    }


if __name__ == "__main__":
    main()
