"""Time a run with a changed rule into the folder of an earlier one whose work was kept.

    python -m tests.benchmarks.judge_again [--megabytes 60] [--language en] [--rounds 3]

The recipe and the texts are those of `pipeline`. The first run reads, repairs, measures, judges,
deduplicates and mixes; then the least number of words of a rule is raised, and the same command
judges again from what was measured, deduplicates what is left and mixes. One process, everything
compiled; prints the median of the rounds, in CPU seconds and seconds per GB of text, and how many
tasks each ran.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from curate import api
from curate.recipe.locate import profile_text
from tests.benchmarks.pipeline import FILES, LANGUAGES, documents, recipe, write

RULE = """
[rules.enough_words]
signal = "n_words"
min = {words}
why = "a benchmark"
source = "ours"
"""


def timed(folder: Path, out: Path, label: str, words: int) -> tuple[float, float, int]:
    """Run with a least number of words; return CPU seconds, seconds, and how many tasks ran."""
    filters = folder.parent / "filters"
    filters.mkdir(exist_ok=True)
    rule = RULE.format(words=words)
    (filters / f"{label}.toml").write_text(profile_text(label) + rule, encoding="utf-8")
    cpu, start = time.process_time(), time.perf_counter()
    api.run(recipe(folder), output=out, engine="in-process", keep_work=True, resume=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - start
    rows = map(json.loads, (out / "timings.jsonl").read_text().splitlines())
    return cpu, wall, sum("task" in row for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--language", choices=sorted(LANGUAGES), default="en")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    label = LANGUAGES[arguments.language][0]
    texts = list(documents(arguments.language, arguments.megabytes))
    size = sum(len(text.encode()) for text in texts) / 1e9
    print("run             CPU s  CPU s/GB  seconds/GB  tasks")
    with tempfile.TemporaryDirectory() as room:
        write(Path(room, "few"), texts[:40], FILES)
        write(Path(room, "in"), texts, FILES)
        for words in (60, 80):
            timed(Path(room, "few"), Path(room, "few-out"), label, words)
        found: dict[int, list[tuple[float, float, int]]] = {60: [], 80: []}
        for number in range(arguments.rounds):
            for words, runs in found.items():
                runs.append(timed(Path(room, "in"), Path(room, f"out{number}"), label, words))
    for name, runs in zip(("the first", "a changed rule"), found.values(), strict=True):
        cpu, wall, tasks = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:14} {cpu:6.2f} {cpu / size:9.1f} {wall / size:11.1f} {tasks:6.0f}")


if __name__ == "__main__":
    main()
