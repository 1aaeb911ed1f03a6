"""Damaged and nonsensical input files: none crashes, hangs or loses a record without a name.

    python -m tests.faults.mutants --mutants 10000 --seed 1 [--format warc.gz] [--record]

A mutant is a small file of a format in which bytes are flipped, cut, inserted, repeated or moved,
or (inside the compression, where there is one) words of the format are replaced. A process reads
it; the reader must end within ten seconds and 1 GiB, raise nothing and yield records only. Two
laws are checked besides: a damaged range lies inside the file, and, where one record of a file of
independent records is damaged, all others come out as they were.
"""

import argparse
import bz2
import gzip
import io
import json
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
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curate.sources.base import Damage, Document, DocumentTable, InputFile, Note, Piece, Skip
from curate.sources.chat.conversations import Chat
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet
from curate.sources.plain_text import PlainText
from curate.sources.web.warc import Warc
from curate.sources.web.wet import Wet
from curate.sources.wiki.wikipedia import Wikipedia

SECONDS = 10
MEMORY = 1 << 30

TEXT = "Қар жауып тұр. Балалар аулада ойнап жүр. The snow falls and the children play. "


def _texts(count=12):
    return [f"{number}: " + TEXT * (1 + number % 3) for number in range(count)]


def _warc(kind="response"):
    parts = []
    for number, text in enumerate(_texts()):
        body = f"<html><body><p>{text}</p></body></html>" if kind == "response" else text
        block = body.encode()
        if kind == "response":
            block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + block
        head = (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
            f"WARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Target-URI: http://x.example/{number}\r\n"
            f"Content-Length: {len(block)}\r\n\r\n"
        )
        parts.append(head.encode() + block + b"\r\n\r\n")
    return parts


def _wiki():
    pages = "".join(
        f"<page><title>T{n}</title><ns>0</ns><id>{n}</id><revision><id>{n}</id>"
        f"<text>'''T{n}''' [[a|b]] {{{{c|d}}}} {{| \n| x\n|}} <ref>r</ref> {text}</text>"
        "</revision></page>\n"
        for n, text in enumerate(_texts())
    )
    head = "<siteinfo><dbname>kkwiki</dbname><namespaces><namespace key='0'/></namespaces>"
    return f"<mediawiki>\n{head}</siteinfo>\n{pages}</mediawiki>\n".encode()


def _lines():
    rows = ({"text": text, "id": n, "url": f"http://x.example/{n}", "more": [n, {"a": None}]}
            for n, text in enumerate(_texts()))  # fmt: skip
    return [json.dumps(row, ensure_ascii=n % 2 == 0).encode() + b"\n" for n, row in enumerate(rows)]


def _chat():
    turns = ({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "x",
              "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\": 1}"}}]}]}
             for text in _texts())  # fmt: skip
    return b"".join(json.dumps(turn).encode() + b"\n" for turn in turns)


def _parquet():
    table = pa.table({
        "text": _texts(), "n": range(12), "meta": [{"a": n, "b": [n]} for n in range(12)],
        "date": pa.array(range(12), pa.timestamp("us")),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=4, write_page_checksum=True)
    return sink.getvalue()


def _same(data):
    return data


def _joined(pack):
    return lambda parts: b"".join(map(pack, parts))


_gz = lambda data: gzip.compress(data, mtime=0)  # noqa: E731
_zst = zstandard.ZstdCompressor().compress

#: By name: the reader, the content or its independent parts, and how it is packed.
FORMATS = {
    "warc": (Warc(), _warc(), _joined(_same)),
    "warc.gz": (Warc(), _warc(), _joined(_gz)),
    "warc.zst": (Warc(), _warc(), _joined(_zst)),
    "wet.gz": (Wet(), _warc("conversion"), _joined(_gz)),
    "jsonl": (Jsonl(), _lines(), _joined(_same)),
    "jsonl.gz": (Jsonl(), b"".join(_lines()), _gz),
    "jsonl.zst": (Jsonl(), b"".join(_lines()), _zst),
    "chat.jsonl": (Chat(), _chat(), _same),
    "xml": (Wikipedia(), _wiki(), _same),
    "xml.bz2": (Wikipedia(), _wiki(), bz2.compress),
    "parquet": (Parquet(), _parquet(), _same),
    "txt": (PlainText(), "\n\n".join(_texts()).encode(), _same),
}  # fmt: skip

#: Formats whose records are found inside the compression, or after UTF-16 became UTF-8: their
#: offsets are there, too.
INSIDE = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".xml.bz2")

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


def mutant(name, seed):
    """Return one mutant of a format: its stored bytes; and the parts that nothing damaged."""
    _, content, pack = FORMATS[name]
    rng = random.Random(f"{name} {seed}")
    if isinstance(content, list) and rng.random() < 0.4:  # one record is damaged, the others not
        hurt = rng.randrange(len(content))
        parts = [pack([part]) for part in content]
        parts[hurt] = overwritten(parts[hurt], rng)
        return b"".join(parts), [n for n in range(len(content)) if n != hurt]
    whole = b"".join(content) if isinstance(content, list) else content
    if rng.random() < 0.5:
        return mutate(pack(content), rng, words=False), None
    inner = mutate(whole, rng, words=True)
    return pack([inner] if isinstance(content, list) else inner), None


def overwritten(part, rng):
    """Return a record in which bits or bytes differ; its length and what ends it stay."""
    data = bytearray(part)
    for _ in range(rng.choice([1, 1, 3])):
        data[rng.randrange(len(data) - 4)] ^= 1 << rng.randrange(8)
    return bytes(data)


def texts(source, file):
    """Read a file to its end and return the texts of its documents; check each record."""
    found = []
    for item in source.read(file, Piece(0, file.size)):
        if isinstance(item, Document):
            item.text.encode()
            found.append(item.text)
        elif isinstance(item, DocumentTable):
            item.table.validate(full=True)
            found += item.table["text"].to_pylist()
        elif isinstance(item, Damage):
            end = item.offset + item.length
            assert 0 <= item.offset <= end, item
            assert end <= file.size or file.name.endswith(INSIDE), item
        else:
            assert isinstance(item, (Skip, Note)), item
    return found


def check(name, seed, folder):
    """Read one mutant; return what went wrong, or an empty text."""
    source = FORMATS[name][0]
    data, whole = mutant(name, seed)
    file = stored(folder, name, data)
    try:
        found = Counter(texts(source, file))
        if whole is not None:
            _, content, pack = FORMATS[name]
            kept = stored(folder, "kept." + name, pack([content[n] for n in whole]))
            missing = Counter(texts(source, kept)) - found
            if missing:
                return f"{missing.total()} undamaged records are missing: {list(missing)[:1]}"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {place.filename}:{place.lineno}: {str(error)[:200]}"
    return ""


def stored(folder, name, data):
    path = Path(folder) / f"x.{name}"
    path.write_bytes(data)
    return InputFile(str(path), path.name, len(data))


def reader(name, seeds, pipe):
    """Check mutants one after the other and write each outcome, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            outcome = pickle.dumps(check(name, seed, folder))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            os.write(pipe, len(outcome).to_bytes(4, "big") + peak.to_bytes(8, "big") + outcome)


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
        with os.fdopen(ours, "rb") as answers:
            while seeds:
                ready, _, _ = select.select([answers], [], [], SECONDS)
                head = answers.read(12) if ready else b""
                if len(head) < 12:
                    break
                wrong = pickle.loads(answers.read(int.from_bytes(head[:4], "big")))
                if int.from_bytes(head[4:], "big") > MEMORY:
                    wrong = wrong or "more than 1 GiB"
                yield seeds.pop(0), wrong
            if seeds:
                yield seeds.pop(0), "hangs" if not ready else "the process died"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


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
