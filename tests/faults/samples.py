"""Estimates and byte caps over hostile input: `plan --sample`, `run --dry-run` and `run`.

    python -m tests.faults.samples [--record]

Input files of several formats are empty, blank, one huge record, damage alone, random bytes or cut;
or they vanish, grow, shrink or become a folder after the run has listed them. Each command, with a
mixture by sources and a `cap` of bytes, must end done (exit code 0 or 3) or in one sentence (2, 4
or 5).
"""

import argparse
import functools
import gzip
import io
import itertools
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults import recipes
from tests.faults.bombs import warc

TEXT = "Бұл қысқа мәтін, оның ішінде бірнеше сөз бар. "


def jsonl(texts):
    return "".join(f'{{"text": "{text}"}}\n' for text in texts).encode()


def parquet(texts):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), sink)
    return sink.getvalue()


def pages(texts):
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    return b"".join(gzip.compress(warc(http + f"<p>{text}".encode())) for text in texts)


#: By format: the ending, what writes texts, and a file in which every record is damage.
FORMATS = {
    "jsonl": (".jsonl", jsonl, b'{"te\n' * 2000),
    "csv": (".csv", lambda texts: "".join(f"{t}\n" for t in ["text", *texts]).encode(),
            b"text\n" + b'"\xff\n"\n' * 500),
    "parquet": (".parquet", parquet, b"PAR1" + bytes(500) + b"PAR1"),
    "warc": (".warc.gz", pages, b"WARC/1.0\r\n" * 500),
    "text": (".txt", lambda texts: "\n\n".join(texts).encode(), b"\xff\xfe\xfd" * 500),
}  # fmt: skip

GOOD = [TEXT * (1 + number % 7) + str(number) for number in range(200)]


@functools.cache
def contents(format):
    """Return the hostile contents of a file by name."""
    _, write, damaged = FORMATS[format]
    whole = write(GOOD)
    return {
        "good": whole,
        "empty": b"",
        "blank": b"\n" * 10_000,
        "huge": write(["x" * (20 << 20)]),
        "too huge": write(["x" * (70 << 20)]),
        "no records": write([]),
        "empty texts": write([""] * 50),
        "damaged": damaged,
        "random": random.Random(format).randbytes(20_000),
        "cut": whole[: len(whole) // 2],
        "zeros": bytes(20_000),
    }


#: What happens to a file after it was listed.
CHANGES = {
    "vanishes": lambda path: path.unlink(),
    "grows": lambda path: path.write_bytes(path.read_bytes() * 2),
    "shrinks": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "is emptied": lambda path: path.write_bytes(b""),
    "becomes a folder": lambda path: (path.unlink(), path.mkdir()),
    "becomes a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "folder vanishes": lambda path: shutil.rmtree(path.parent),
}

COMMANDS = {
    "plan": lambda recipe: ["plan", recipe, "--sample", "20"],
    "dry run": lambda recipe: ["run", recipe, "--dry-run"],
    "run": lambda recipe: ["run", recipe, "--output", recipe.parent / "out",
                           "--engine", "in-process"],
}  # fmt: skip


def recipe_of(format, with_good):
    lines = [
        'name = "a"',
        "[sources.bad]",
        f'format = "{format}"',
        f'path = "bad/*{FORMATS[format][0]}"',
    ]
    if with_good:
        lines += ["[sources.good]", 'format = "jsonl"', 'path = "good.jsonl"']
    return "\n".join([*lines, "[[stages]]", 'use = "cap"', 'per = "source"', "bytes = 3000", ""])


def changing(change, path):
    """Let a file change after every plan of this process."""
    from curate.plan import build

    planned = build.build

    def build_and_change(*values, **options):
        plan = planned(*values, **options)
        change(path)
        return plan

    build.build = build_and_change


def attempt(arguments, folder, change, path):
    """Run a command line in a forked child, in which the file changes; return how it ended."""
    if change is None:
        return recipes.attempt(arguments, folder)
    command = recipes._command

    def changed(*values):
        changing(change, path)
        command(*values)

    recipes._command = changed
    try:
        return recipes.attempt(arguments, folder)
    finally:
        recipes._command = command


def cases():
    """Yield format, content, change, and whether a good source stands beside the bad one."""
    for format, name in itertools.product(FORMATS, contents("jsonl")):
        yield format, name, None, name in ("damaged", "empty", "huge")
        yield format, name, None, False
    for format, change in itertools.product(FORMATS, CHANGES):
        yield format, "good", change, False


def main():
    """Run the commands over all cases; print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--format", choices=sorted(FORMATS), action="append")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known = parser.parse_args()
    recipes.warm()
    counts, failed = Counter(), 0
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        for format, content, change, with_good in dict.fromkeys(cases()):
            if known.format and format not in known.format:
                continue
            body = contents(format)[content]
            for command, arguments in COMMANDS.items():
                folder = Path(name, "case")
                shutil.rmtree(folder, ignore_errors=True)
                (folder / "bad").mkdir(parents=True)
                path = folder / "bad" / f"a{FORMATS[format][0]}"
                path.write_bytes(body)
                (folder / "good.jsonl").write_bytes(jsonl(GOOD))
                recipe = folder / "a.toml"
                recipe.write_text(recipe_of(format, with_good))
                ended, printed = attempt(arguments(recipe), folder, CHANGES.get(change), path)
                counts[f"{command} {ended}"] += 1
                if ended not in recipes.GOOD:
                    failed += 1
                    beside = " beside a good source" if with_good else ""
                    print(f"{command}: {format}, {content}, {change}{beside}: {ended}\n"
                          f"{printed[-1500:]}\n", flush=True)  # fmt: skip
    print(dict(sorted(counts.items())))
    if known.record and not failed:
        from tests.faults import scoreboard

        scoreboard.record(
            "samples and caps", ", ".join(f"{k} {n}" for k, n in sorted(counts.items()))
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
