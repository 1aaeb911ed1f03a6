"""Damaged and nonsensical input files: none crashes, hangs or loses a record without a name.

    python -m tests.faults.mutants --mutants 10000 --seed 1 [--format warc.gz] [--record]

A mutant is a small file of a format in which bytes are flipped, cut, inserted, repeated or moved,
or (inside the compression, where there is one) words of the format are replaced. A process reads
it; the reader must end within ten seconds of the processor and 768 MiB, raise nothing and yield
records only. Of tables values, types and names are changed, too. Three laws are checked besides: a
damaged range lies inside the file; where one record of a file of independent records is damaged,
all others come out as they were; and a file that is cut into pieces gives what the whole gives.
"""

import argparse
import functools
import logging
import os
import pickle
import random
import resource
import select
import signal
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from curate.sources.base import Damage, Document, DocumentTable, InputFile, Located, Note, Skip
from tests.faults.formats import ARCHIVE, FORMATS

#: Seconds of the processor for a mutant, and those of the clock until nothing more is expected.
SECONDS, WAIT = 10, 300
MEMORY = 768 << 20

#: Damaged ranges from which where they begin may depend on the piece: a broken WARC member may hold
#: as many that begin as members do.
MOST_FALSE_STARTS = 16

#: How files begin that are compressed, whatever their name says.
PACKED = (b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd")
#: Formats whose records are found inside the compression, or after UTF-16 became UTF-8: their
#: offsets are there, too.
INSIDE = (
    ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".xml.bz2", ".ndjson", ".tar.gz",
    "lines.txt",
)  # fmt: skip

WORDS = (
    b"WARC/1.0\r\n", b"WARC/", b"Content-Length: 99999999999\r\n", b"Content-Length: -1\r\n",
    b"Content-Length:\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"<",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n",
    b"WARC-Type: revisit\r\n", b"HTTP/1.1 206 x\r\n", b"charset=utf-16", b"charset=\x00",
    b"<page>", b"</page>", b"<text>", b"</text>", b"</mediawiki>", b"<!DOCTYPE x [", b"&lt;",
    b"&x;",
    b"{{", b"}}", b"[[", b"]]", b"{|", b"|}", b"<ref>", b"<nowiki>", b"<math>", b"'''''", b"<!--",
    b'{"text":', b'"', b"\\", b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b",", b"null",
    b"1e999", b"9" * 400, b"NaN", b"-", b"{}" * 40, b"[" * 200, b"<div>" * 200, b"\x1f\x8b\x08",
    b"(\xb5/\xfd", b"BZh9", b"\xfd7zXZ", b"PAR1", b"<script>", b"<table>", b"\xd8\x00",
    b"\xed\xa0\x80",
)  # fmt: skip


def mutate(data, rng, words):
    """Return bytes with one to four changes of a random kind."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        until = min(len(data), at + rng.choice([1, 2, 8, 64, 512]))
        kind = rng.randrange(9)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:until] = rng.randbytes(until - at)
        elif kind == 2:
            del data[at:until]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at:at] = data[at:until] * rng.choice([1, 2, 50])
        elif kind == 5:
            other = rng.randrange(len(data) + 1)
            data[other:other] = data[at:until]
        elif kind == 6:
            data[at:until] = bytes(until - at)
        elif words:
            data[at : at if kind == 7 else until] = rng.choice(WORDS)
        else:
            data[at:until] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"])
    return bytes(data)


NUMBERS = (-1, 0, 1, 255, 1 << 31, 1 << 40, -(1 << 63), (1 << 63) - 1)
STRINGS = (
    "", "../x", "/etc/passwd", "\0", "x" * 5000, "a#b", "kaz", "x.index.parquet", "\U0010ffff",
    ARCHIVE, "text/html", "1e999", "0001-01-01T00:00:00Z",
)  # fmt: skip


def mutate_table(table, rng):
    """Return a table with other values, types, names or rows."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, kind = rng.randrange(table.num_columns), rng.randrange(6)
        name, column, count = table.column_names[at], table.column(at), table.num_rows
        if kind < 2:
            values = column.to_pylist()
            some = NUMBERS if pa.types.is_integer(column.type) else STRINGS
            values[rng.randrange(count)] = rng.choice([None, *some])
            try:
                table = table.set_column(at, name, pa.array(values, column.type))
            except (pa.ArrowException, OverflowError, TypeError):
                continue  # the type holds no such value
        elif kind == 2:
            other = rng.choice([
                pa.array([rng.choice(STRINGS) for _ in range(count)]).dictionary_encode(),
                pa.array([rng.choice(NUMBERS) for _ in range(count)]),
                pa.array([[{"x": rng.choice(STRINGS)}] for _ in range(count)]),
                pa.array([float("nan")] * count), pa.nulls(count), pa.array([b"\xff"] * count),
            ])  # fmt: skip
            table = table.set_column(at, name, other)
        elif kind == 3 and table.num_columns > 1:
            table = table.remove_column(at)
        elif kind == 4:
            names = [rng.choice([*STRINGS, *table.column_names]) if n == at else old
                     for n, old in enumerate(table.column_names)]  # fmt: skip
            table = table.rename_columns(names)
        else:
            table = pa.concat_tables([table, table.slice(0, rng.randrange(1, count + 1))])
    return table


def mutant(name, seed):
    """Return one mutant of a format: its stored bytes; and the parts that nothing damaged."""
    content, pack, _ = FORMATS[name]
    rng = random.Random(f"{name} {seed}")
    if isinstance(content, list) and rng.random() < 0.4:  # one record is damaged, the others not
        hurt = rng.randrange(len(content))
        parts = [pack([part]) for part in content]
        parts[hurt] = overwritten(parts[hurt], rng)
        return b"".join(parts), [n for n in range(len(content)) if n != hurt]
    if rng.random() < 0.5:
        return mutate(pack(content), rng, words=False), None
    if isinstance(content, pa.Table):
        return pack(mutate_table(content, rng)), None
    whole = b"".join(content) if isinstance(content, list) else content
    inner = mutate(whole, rng, words=True)
    return pack([inner] if isinstance(content, list) else inner), None


def overwritten(part, rng):
    """Return a record in which bits or bytes differ; its length and what ends it stay."""
    data = bytearray(part)
    for _ in range(rng.choice([1, 1, 3])):
        data[rng.randrange(len(data) - 4)] ^= 1 << rng.randrange(8)
    return bytes(data)


def texts(name, file):
    """Read a file to its end and return what came of it; check each record."""
    found = []
    for item in FORMATS[name].read(file):
        elsewhere = isinstance(item, Located)
        if elsewhere:
            item = item.record
        if isinstance(item, Document):
            item.text.encode()
            found.append(item.text)
        elif isinstance(item, DocumentTable):
            item.table.validate(full=True)
            found += item.table["text"].to_pylist()
        elif isinstance(item, Damage):
            end = item.offset + item.length
            assert 0 <= item.offset <= end, item
            assert elsewhere or end <= file.size or _is_read_inside(file), item
        elif isinstance(item, str):
            found.append(item)
        else:
            assert isinstance(item, (Skip, Note)), item
    return found


def fates(records):
    """Count the documents, skips, damaged ranges and notes that came of a file."""
    found = Counter()
    for item in records:
        if isinstance(item, (Skip, Note)):
            found[repr(replace(item, count=0))] += item.count
        elif isinstance(item, DocumentTable):
            found.update(map(_row, item.table.to_pylist()))
        elif isinstance(item, Damage):
            found[item[:3]] += 1
        elif isinstance(item, Document):
            # That a page stands in a file before is known of the same piece only.
            found[_row(item._asdict() | {"locator": item.locator.partition(":")[0]})] += 1
        else:
            found[repr(item)] += 1
    return found


def _row(fields):
    """Return a document as text, alike whether it came alone or in a table."""
    return repr(sorted((name, value) for name, value in fields.items() if value is not None))


def cut_elsewhere(name, file, rng):
    """Return what pieces of a file give and the whole does not, or the reverse."""
    form = FORMATS[name]
    if callable(form.reader) or not file.size:
        return ""
    pieces = form.reader.split(file, rng.randrange(1, file.size + 1))
    whole, parts = fates(form.read(file)), fates(form.read(file, *pieces))
    damaged = [fate for fate in whole if isinstance(fate, tuple)]
    if whole == parts or any(reason == "bomb" for reason, _, _ in damaged):  # a piece's own budget
        return ""
    if len(damaged) > MOST_FALSE_STARTS:
        for fate in [*whole, *parts]:
            if isinstance(fate, tuple):
                whole[fate] = parts[fate] = 0
        if whole == parts:
            return ""
    return (
        f"{len(pieces)} pieces: without {list(whole - parts)[:1]}, with {list(parts - whole)[:1]}"
    )


def _is_read_inside(file):
    """Return whether offsets are those of what a file unpacks to, by its format or first bytes."""
    with Path(file.path).open("rb") as handle:
        return file.name.endswith(INSIDE) or handle.read(4).startswith(PACKED)


@functools.cache
def undamaged(name, folder):
    """Return what comes of each record of a format's example."""
    content, pack, _ = FORMATS[name]
    found = texts(name, stored(folder, name, pack(content)))
    assert len(found) == len(content), "a record has no text of its own"
    return found


def check(name, seed, folder):
    """Read one mutant; return what went wrong, or an empty text."""
    data, whole = mutant(name, seed)
    try:
        kept = [] if whole is None else [undamaged(name, folder)[n] for n in whole]
        file = stored(folder, name, data)
        if missing := Counter(kept) - Counter(texts(name, file)):
            return f"{missing.total()} undamaged records are missing: {list(missing)[:1]}"
        return cut_elsewhere(name, file, random.Random(seed))
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {place.filename}:{place.lineno}: {str(error)[:200]}"


def stored(folder, name, data):
    path = Path(folder) / f"x.{name}"
    path.write_bytes(data)
    return InputFile(str(path), path.name, len(data))


def reader(name, seeds, pipe):
    """Check mutants one after the other and write each outcome, in a process of its own."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable()  # of damage, which each mutant has
    with tempfile.TemporaryDirectory() as folder:
        content, pack, _ = FORMATS[name]
        texts(name, stored(folder, name, pack(content)))  # what is compiled or loaded once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of whoever was forked, too
        for seed in seeds:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor: others may use it
            outcome = pickle.dumps(check(name, seed, folder))
            signal.setitimer(signal.ITIMER_PROF, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            taken = (peak - before) * 1024
            os.write(pipe, len(outcome).to_bytes(4, "big") + taken.to_bytes(8, "big") + outcome)


def outcomes(name, seeds):
    """Yield (seed, what went wrong) of each mutant; a crash or a hang is one of them."""
    seeds = list(seeds)
    while seeds:
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(ours)
                reader(name, seeds, theirs)
            finally:
                os._exit(0)
        os.close(theirs)
        with os.fdopen(ours, "rb", buffering=0) as answers:
            while seeds:
                ready, _, _ = select.select([answers], [], [], WAIT)
                head = answers.read(12) if ready else b""
                if len(head) < 12:
                    break
                wrong = pickle.loads(answers.read(int.from_bytes(head[:4], "big")))
                if int.from_bytes(head[4:], "big") > MEMORY:
                    wrong = wrong or "more than 768 MiB"
                yield seeds.pop(0), wrong
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if seeds:
            late = not ready or os.waitstatus_to_exitcode(status) == -signal.SIGPROF
            yield seeds.pop(0), "hangs" if late else "the process died"


def main():
    """Read the mutants of each format and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=1000, help="of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=sorted(FORMATS), action="append")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known = parser.parse_args()
    failed = Counter()
    names = known.format or list(FORMATS)
    for name in names:
        first = known.seed * 1_000_000
        for seed, wrong in outcomes(name, range(first, first + known.mutants)):
            if wrong:
                failed[name] += 1
                print(f"{name} {seed}: {wrong}", file=sys.stderr, flush=True)
        print(f"{name}: {known.mutants} mutants, {failed[name]} failed", flush=True)
    if known.record and not failed:
        from tests.faults import scoreboard

        total = known.mutants * len(names)
        scoreboard.record(
            "mutants of input files",
            f"{total} files in {len(names)} formats: 0 crashes, hangs, exceptions, lost records",
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
