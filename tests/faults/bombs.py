"""Small files that claim, or unpack to, very much: what reading each of them costs.

    python -m tests.faults.bombs [--scale 0.1] [--bomb NAME] [--record]

Each bomb is read to its end in a process of its own, batch by batch as a task does. Reading may
take 256 MiB above the process before it, and five seconds of the processor, or the bomb's own
budgets; the outcome (documents, skips, damage by name) is printed. A bomb that raises, dies or
exceeds its budget fails. ``--scale`` makes all of them smaller.
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import multiprocessing
import random
import struct
import sys
import tarfile
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curate.engine.reading import read_shard
from curate.errors import CurateError
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.plan.sidecars import planned_sidecars
from curate.recipe.recipe import parse_recipe
from curate.sources.base import InputFile, Piece
from curate.sources.chat.conversations import Chat
from curate.sources.delimited import Csv
from curate.sources.finished_run import CuratedRun
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet
from curate.sources.web.commoncrawl import CommonCrawl
from curate.sources.web.warc import Warc
from curate.sources.wiki.wikipedia import Wikipedia
from curate.sources.wiki.wikipedia_html import WikipediaHtml
from curate.stages.robots_txt import RobotsTxt
from tests.faults.formats import FORMATS
from tests.unit.sources.wiki import test_zim

MEBIBYTES, SECONDS = 256, 5
BATCH_BYTES = 8 << 20
MILLION = 1_000_000


class Bomb(NamedTuple):
    """What reads a file, its name, what makes its bytes at a scale, and its budgets at scale 1."""

    source: object
    name: str
    make: object
    seconds: float = SECONDS
    mebibytes: int = MEBIBYTES


class Cost(NamedTuple):
    """What reading a bomb took, and what came of it."""

    stored: int
    seconds: float
    mebibytes: int
    outcome: dict
    error: str = ""


def zst(data):
    return zstandard.ZstdCompressor().compress(data)


def repeated(pack, unit, count, head=b"", tail=b""):
    """Return the packed bytes of a unit that is repeated; most packers need it only by part."""
    sink = io.BytesIO()
    opened = {
        "gz": lambda: gzip.GzipFile(fileobj=sink, mode="wb", mtime=0),
        "bz2": lambda: bz2.BZ2File(sink, "wb"),
        "xz": lambda: lzma.open(sink, "wb", preset=0),  # noqa: SIM115
        "zst": lambda: zstandard.ZstdCompressor().stream_writer(sink, closefd=False),
    }[pack]()
    block = max(1, MILLION // len(unit))
    with opened as stream:
        stream.write(head)
        for start in range(0, count, block):
            stream.write(unit * min(block, count - start))
        stream.write(tail)
    return sink.getvalue()


def warc(block, headers=b""):
    head = (
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        b"WARC-Target-URI: http://x.example/\r\n" + headers
    )
    return head + b"Content-Length: %d\r\n\r\n" % len(block) + block + b"\r\n\r\n"


def page(body, coding=b""):
    """Return a record of a page in a content coding, before a good one."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    coded = b"Content-Encoding: " + coding + b"\r\n" if coding else b""
    good = warc(http + b"\r\n<p>a good page of a few words</p>")
    return gzip.compress(warc(http + coded + b"\r\n" + body), mtime=0) + gzip.compress(good)


def coded(pack, count):
    return repeated(pack, b"<p>a</p>", count)


def brotli(count):
    import brotli as coder

    return coder.compress(b"<p>a</p>" * count, quality=1)


def chunked(count):
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    return gzip.compress(warc(http + b"1\r\na\r\n" * count + b"0\r\n\r\n"), mtime=0)


def wiki(pack, count, page):
    head = b"<mediawiki>\n<siteinfo><dbname>kkwiki</dbname><namespaces><namespace key='0'/>"
    return repeated(pack, page, count, head + b"</namespaces></siteinfo>\n", b"</mediawiki>\n")


PAGE = b"<page><title>T</title><ns>0</ns><id>1</id>%s</page>\n"
PAGE %= b"<revision><id>1</id><text>%s</text></revision>"


def parquet(table, **how):
    sink = io.BytesIO()
    pq.write_table(table, sink, **how)
    return sink.getvalue()


def varint(number):
    """Return a positive number as the thrift of Parquet writes it."""
    number, parts = 2 * number, bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def claiming(where, rows=(1 << 31) - 1):
    """Return a file whose footer, or page header, claims 2^31 - 1 rows; it has 7 777."""
    real = 7_777
    texts = pa.table({"text": pa.nulls(real, pa.string())})
    data = parquet(texts, use_dictionary=False, compression="none", write_statistics=False)
    size = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0).total_compressed_size
    length = int.from_bytes(data[-8:-4], "little")
    pages, footer = data[: -8 - length], data[-8 - length : -8]
    if where in ("page", "both"):
        longer = pages.replace(b"\x15" + varint(real), b"\x15" + varint(rows), 1)
        assert longer != pages
        new = size + len(longer) - len(pages)
        footer, pages = footer.replace(b"\x16" + varint(size), b"\x16" + varint(new)), longer
    if where in ("footer", "both"):
        assert b"\x16" + varint(real) in footer
        footer = footer.replace(b"\x16" + varint(real), b"\x16" + varint(rows))
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def dictionary(rows, *, is_plain):
    """Return a file of one text of 100 kB that every row refers to."""
    codes = pa.nulls(rows, pa.int32()).fill_null(0)
    text = pa.DictionaryArray.from_arrays(codes, ["x" * 100_000])
    return parquet(pa.table({"text": text}), store_schema=not is_plain)


def nulls(rows):
    return parquet(pa.table({"text": pa.nulls(rows, pa.null())}), row_group_size=rows)


def many_columns(count):
    column = pa.array(["a"])
    names = ["text", *map(str, range(count))]
    return parquet(pa.table([column] * (count + 1), names=names), write_statistics=False)


def nested_lists(depth, rows):
    kind = pa.int8()
    for _ in range(depth):
        kind = pa.list_(kind)
    return parquet(pa.table({"text": ["a"] * rows, "x": pa.nulls(rows, kind)}))


def long_list(count):
    values = pa.nulls(count, pa.int8()).fill_null(0)
    lists = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), values)
    return parquet(pa.table({"text": ["a"], "x": lists}))


def claiming_a_short_list(count):
    """Return a long list that the footer claims to be of one value."""
    data = long_list(count)
    length = int.from_bytes(data[-8:-4], "little")
    pages, footer = data[: -8 - length], data[-8 - length : -8]
    assert footer.count(b"\x16" + varint(count)) == 1
    footer = footer.replace(b"\x16" + varint(count), b"\x16" + varint(1))
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def list_of_numbers(count):
    """Return a row of as many different numbers, and a short one."""
    numbers = random.Random(1)
    values = pa.array([numbers.random() for _ in range(count)], pa.float64())
    offsets = pa.array([0, count, count], pa.int32())
    return parquet(pa.table({"text": ["a", "b"], "x": pa.ListArray.from_arrays(offsets, values)}))


def wide_values(count, size):
    """Return rows with a long value of control characters, of which each is six of JSON."""
    return parquet(pa.table({"text": ["a"] * count, "x": [b"\x01" * size] * count}))


def html(body, count=1):
    """Return records of Wikimedia's HTML dumps with a body, before a good one."""
    record = {"identifier": 7, "article_body": {"html": body}}
    good = {"identifier": 8, "article_body": {"html": "<section><p>A page of few words.</p>"}}
    return b"".join(json.dumps(each).encode() + b"\n" for each in [record] * count + [good])


def tar_header(size, kind=b"0"):
    """Return the head of a file in a tar archive that states a size."""
    entry = tarfile.TarInfo("a.ndjson")
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


def archive_of_robots(body, count):
    """Return an archive with one robots.txt at many hosts."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body
    record = warc(http).replace(b"http://x.example/", b"http://x%05d.example/robots.txt")
    return b"".join(gzip.compress(record.replace(b"%05d", b"%05d" % n)) for n in range(count))


def many_agents():
    """Return a robots.txt that names as many agents, and then has as many rules, as is read."""
    return b"User-agent: GPTBot\n" + b"User-agent:a\n" * 18_000 + b"Allow:/\n" * 30_000


def many_rules():
    return b"User-agent: *\n" + b"".join(b"Disallow:*a*b%d\n" % n for n in range(25_000))


def read_robots(file):
    """Read an archive of robots.txt, and ask whether 1,000 long addresses are open."""
    urls = [f"http://x{n % 10:05d}.example/{'ab' * 500}{n}" for n in range(1000)]
    nulls = {
        "dropped_by": pa.nulls(1000, pa.string()),
        "dropped_value": pa.nulls(1000, pa.float64()),
    }
    judged = RobotsTxt((file.path,)).apply(pa.table({"url": urls, **nulls}), Counter())
    return dict(Counter(str(rule) for rule in judged["dropped_by"].to_pylist()))


def index(count, step, length):
    """Return an index whose rows are ``step`` bytes apart and state one length."""
    rows = {
        "fetch_status": [200], "content_languages": ["kaz"],
        "content_mime_detected": ["text/html"], "warc_filename": ["crawl.warc.gz"],
        "warc_record_length": [length],
    }  # fmt: skip
    codes = pa.nulls(count, pa.int32()).fill_null(0)
    same = {name: pa.DictionaryArray.from_arrays(codes, one).cast(pa.array(one).type)
            for name, one in rows.items()}  # fmt: skip
    return parquet(pa.table({**same, "warc_record_offset": [n * step for n in range(count)]}))


def read_index(file):
    """Read the pages that an index names in an archive of 1 MB."""
    folder = Path(file.path).parent
    (folder / "crawl.warc.gz").write_bytes(random.Random(1).randbytes(1 << 20))
    crawl = CommonCrawl(snapshots=("CC-MAIN-2024-22",), languages=("kaz",), base=str(folder))
    return read(crawl, file)


def read_sidecar(format):
    """Return what reads a sidecar, from its planning on."""

    def reading(file):
        recipe = (
            'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\n[sidecars.s]\n'
            f'path = "{file.path}"\nformat = "{format}"\n'
            'key = "text"\ncolumns = { own = "text" }\n'
        )
        try:
            (sidecar,), _ = planned_sidecars(parse_recipe(recipe, "x"), "x")
            tables = (table for n in range(len(sidecar.pieces)) for table in sidecar.read(n))
            return {"rows": sum(table.num_rows for table in tables)}
        except CurateError as error:
            return {f"refused: {str(error)[:60]}": 1}

    return reading


def wide_text(unit, count):
    """Return a record for Python's decoder, which stores four bytes of each of its characters.

    A key that is there twice keeps the kernel from reading it; one character is no ASCII.
    """
    head = '{"x":1,"x":2,"text":"\U0001f600'.encode()
    return repeated("zst", unit, count, head, b'"}\n')


def many_turns(count):
    turn = '{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}'
    return f'{{"messages": [{", ".join([turn] * count)}]}}\n'.encode()


def transcript(count):
    """Return a pair of transcripts (HH-RLHF) of many turns."""
    text = "\n\nHuman: a\n\nAssistant: b" * count
    return json.dumps({"chosen": text, "rejected": text}).encode()


def text_of_turns(count):
    """Return turns as JSON text, which nothing has counted before it is parsed."""
    return json.dumps({"messages": "[" + "[]," * count + "[]]"}).encode()


def instances(count):
    """Return as many questions as turns before each of them (alpaca), and much else beside them."""
    pairs, questions = [["a", "b"]] * count, [{"output": "a"}] * count
    record = {"instruction": "a", "history": pairs, "instances": questions, "x": "y" * count}
    few = {**record, "instances": questions[: count // 100], "history": []}
    return json.dumps(record).encode() + b"\n" + json.dumps(few).encode()


def many_paths(count, length):
    """Return a tree of messages (oasst): a long question, one line of answers, many last ones."""
    node = {"text": "a", "role": "assistant", "replies": []}
    node["replies"] = [{"text": "b", "role": "assistant"}] * count
    for role in ["prompter", "assistant"] * 80:
        node = {"text": "c", "role": role, "replies": [node]}
    root = {"text": "long " * length, "role": "prompter", "replies": [node]}
    return json.dumps({"prompt": root}).encode()


def repeated_content(count):
    """Return a ZIM file of a page of 1 MB under many names."""
    page = b"<p>" + b"some words " * 100_000
    entries = (test_zim.entry(0, b"C", f"P{n}", "", (0, 0)) for n in range(count))
    return test_zim.zim([test_zim.cluster([page])], list(entries))


def repeated_entries(count, name):
    """Return a ZIM file whose directory names one entry again and again."""
    data = test_zim.zim([test_zim.cluster([b"<p>a"])], [test_zim.entry(0, b"C", name, "b", (0, 0))])
    start = struct.unpack_from("<Q", data, 32)[0]  # of the directory
    places = data[start : start + 8] * count
    header = data[:24] + struct.pack("<I", count) + data[28:32]
    return header + struct.pack("<Q", len(data)) + data[40:] + places


def one_page_zim(count):
    return test_zim.zim(
        [test_zim.cluster([b"<p>" + b"some words " * count])],
        [test_zim.entry(0, b"C", "P", "", (0, 0))],
    )


def header(count):
    """Return a table of as many columns, each with a name."""
    return b"text," + b",".join(b"%x" % number for number in range(count)) + b"\na,b\n"


def many_fields(count):
    fields = {f"field {number}": number for number in range(count)}
    return json.dumps({"text": "a", **fields}).encode() + b'\n{"text": "b"}\n'


JSON, META = Jsonl(), Parquet(meta=("*",))

#: By name. Sizes are those of what is unpacked, at scale 1.
BOMBS = {
    "newlines.gz": Bomb(JSON, "a.jsonl.gz", lambda n: repeated("gz", b"\n", int(256e6 * n))),
    "tiny-lines.zst": Bomb(
        JSON, "a.jsonl.zst", lambda n: repeated("zst", b'{"text":"a"}\n', int(5e6 * n)), 10
    ),
    "broken-lines.zst": Bomb(
        JSON, "a.jsonl.zst", lambda n: repeated("zst", b'{"te\n', int(1e6 * n)), 40
    ),
    "one-line.gz": Bomb(JSON, "a.jsonl.gz", lambda n: repeated("gz", b"a", int(1e9 * n)), 10),
    "one-line.bz2": Bomb(JSON, "a.jsonl.bz2", lambda n: repeated("bz2", b"a", int(1e9 * n)), 25),
    "one-line.xz": Bomb(JSON, "a.jsonl.xz", lambda n: repeated("xz", b"a", int(1e9 * n)), 10),
    "one-line.zst": Bomb(JSON, "a.jsonl.zst", lambda n: repeated("zst", b"a", int(4e9 * n)), 10),
    "long-text.zst": Bomb(
        JSON, "a.jsonl.zst",
        lambda n: repeated("zst", b"some words ", int(5e6 * n), b'{"text":"', b'"}\n'),
    ),
    "wide-text.zst": Bomb(
        JSON, "a.jsonl.zst", lambda n: wide_text(b"some words ", int(5e6 * n)), SECONDS, 768
    ),
    "escaped-text.zst": Bomb(
        JSON, "a.jsonl.zst", lambda n: wide_text(b"a\\n", int(2e7 * n)), 10, 768
    ),
    "deep-json": Bomb(JSON, "a.jsonl", lambda n: b'{"text":"a","x":' + b"[" * int(8e6 * n) + b"\n"),
    "many-fields": Bomb(JSON, "a.jsonl", lambda n: many_fields(int(3e5 * n))),
    "long-number": Bomb(JSON, "a.jsonl", lambda n: b'{"text":"a","x":%s}' % (b"1" * int(8e6 * n))),
    "record.warc.gz": Bomb(
        Warc(), "a.warc.gz",
        lambda n: repeated("gz", bytes(1000), int(1e6 * n), b"WARC/1.0\r\nWARC-Type: response\r\n"
                           b"WARC-Record-ID: <urn:uuid:1>\r\nContent-Length: 1000000000\r\n\r\n"),
        10,
    ),
    "headers.warc.gz": Bomb(
        Warc(), "a.warc.gz",
        lambda n: repeated("gz", b"X-A: b\r\n", int(2e7 * n), b"WARC/1.0\r\n"), 10,
    ),
    "members.warc.gz": Bomb(
        Warc(), "a.warc.gz", lambda n: gzip.compress(b"", mtime=0) * int(2e5 * n)
    ),
    "page.gzip": Bomb(Warc(), "a.warc.gz", lambda n: page(coded("gz", int(1e8 * n)), b"gzip")),
    "page.zstd": Bomb(Warc(), "a.warc.gz", lambda n: page(coded("zst", int(1e8 * n)), b"zstd")),
    "page.br": Bomb(Warc(), "a.warc.gz", lambda n: page(brotli(int(2e7 * n)), b"br")),
    "page.gzip-gzip": Bomb(
        Warc(), "a.warc.gz",
        lambda n: page(gzip.compress(coded("gz", int(1e8 * n))), b"gzip, gzip"),
    ),
    "chunks.warc.gz": Bomb(Warc(), "a.warc.gz", lambda n: chunked(int(1e6 * n))),
    "nested-divs": Bomb(
        Warc(), "a.warc.gz", lambda n: page(b"<div>" * int(1e5 * n)) * 20
    ),
    "tiny-pages.xml.bz2": Bomb(
        Wikipedia(), "kkwiki-20240101-pages-articles.xml.bz2",
        lambda n: wiki("bz2", int(1e6 * n), PAGE % b"a"), 60,
    ),
    "one-page.xml.bz2": Bomb(
        Wikipedia(), "kkwiki-20240101-pages-articles.xml.bz2",
        lambda n: wiki("bz2", 1, PAGE % (b"a" * int(3e8 * n))), 20,
    ),
    "templates.xml.bz2": Bomb(
        Wikipedia(), "kkwiki-20240101-pages-articles.xml.bz2",
        lambda n: wiki("bz2", 1, PAGE % (b"{{a|" * int(1e6 * n))),
    ),
    "tags.ndjson": Bomb(
        WikipediaHtml(), "a.ndjson", lambda n: html("<b>" * int(1.9e6 * n)), 10,
    ),
    "too-many-tags.ndjson": Bomb(
        WikipediaHtml(), "a.ndjson", lambda n: html("<b>a" * int(9e6 * n)), 10,
    ),
    "spans.ndjson": Bomb(
        WikipediaHtml(), "a.ndjson",
        lambda n: html("<section><table>" + "<tr><td colspan=1000 rowspan=65534>a" * int(1e4 * n)),
    ),
    "tables.ndjson": Bomb(
        WikipediaHtml(), "a.ndjson", lambda n: html("<table><tr><td>a" * int(1e5 * n)), 10,
    ),
    "formulas.ndjson": Bomb(
        WikipediaHtml(), "a.ndjson",
        lambda n: html("<section><p>" + '<math alttext="x^2"></math> (a) ' * int(1e5 * n)), 10,
    ),
    "members.tar.gz": Bomb(
        WikipediaHtml(), "a.tar.gz", lambda n: repeated("gz", tar_header(0), int(2e5 * n)), 10,
    ),
    "size.tar.gz": Bomb(
        WikipediaHtml(), "a.tar.gz",
        lambda n: repeated("gz", bytes(512), int(2e6 * n), tar_header(8 << 30)), 10,
    ),
    "pax.tar.gz": Bomb(
        WikipediaHtml(), "a.tar.gz",
        lambda n: repeated("gz", b"9" * 512, int(2e6 * n), tar_header(8 << 30, b"x")), 10,
    ),
    "zeros.tar.gz": Bomb(
        WikipediaHtml(), "a.tar.gz", lambda n: repeated("gz", bytes(512), int(2e6 * n)), 10,
    ),
    "agents.robots.gz": Bomb(
        read_robots, "a.warc.gz", lambda n: archive_of_robots(many_agents(), int(50 * n) + 1), 10,
    ),
    "rules.robots.gz": Bomb(
        read_robots, "a.warc.gz", lambda n: archive_of_robots(many_rules(), int(10 * n) + 1), 120,
    ),
    "same-rows.index": Bomb(read_index, "a.parquet", lambda n: index(int(1e6 * n), 0, 1000), 20),
    "overlapping-rows.index": Bomb(
        read_index, "a.parquet", lambda n: index(int(1e5 * n), 1, 1 << 20), 60
    ),
    "rows-of-no-file.index": Bomb(
        read_index, "a.parquet", lambda n: index(int(1e6 * n), 1 << 10, 1000), 60
    ),
    "dictionary.sidecar": Bomb(
        read_sidecar("parquet"), "a.parquet", lambda n: dictionary(int(1e7 * n), is_plain=True)
    ),
    "one-line.sidecar": Bomb(
        read_sidecar("jsonl"), "a.jsonl.gz", lambda n: repeated("gz", b"a", int(1e9 * n)), 10
    ),
    "tiny-lines.sidecar": Bomb(
        read_sidecar("jsonl"), "a.jsonl.zst",
        lambda n: repeated("zst", b'{"text":"a"}\n', int(5e6 * n)), 60,
    ),
    "repeated.run": Bomb(
        CuratedRun(), "a.parquet", lambda n: dictionary(int(1e7 * n), is_plain=True)
    ),
    "turns.chat": Bomb(Chat(), "a.jsonl", lambda n: many_turns(int(5e4 * n))),
    "too-many-turns.chat": Bomb(
        Chat(), "a.jsonl", lambda n: many_turns(int(3e5 * n)), SECONDS, 640
    ),
    "transcript.chat": Bomb(Chat(), "a.jsonl", lambda n: transcript(int(1e6 * n))),
    "text-of-turns.chat": Bomb(Chat(), "a.jsonl", lambda n: text_of_turns(int(1e7 * n))),
    "instances.chat": Bomb(Chat(), "a.jsonl", lambda n: instances(int(1e5 * n))),
    "paths.chat": Bomb(
        Chat(paths="all"), "a.jsonl", lambda n: many_paths(int(2e5 * n), int(100 * n))
    ),
    "long-paths.chat": Bomb(
        Chat(paths="all"), "a.jsonl", lambda n: many_paths(int(3e3 * n), int(1e6 * n))
    ),
    "contents.zim": Bomb(
        WikipediaHtml(), "a.zim", lambda n: repeated_content(int(1e5 * n)), 30
    ),
    "entries.zim": Bomb(
        WikipediaHtml(), "a.zim", lambda n: repeated_entries(int(2e6 * n), "a"), 10
    ),
    "names.zim": Bomb(
        WikipediaHtml(), "a.zim", lambda n: repeated_entries(int(1e6 * n), "a" * 4000)
    ),
    "no-entries.zim": Bomb(
        WikipediaHtml(), "a.zim", lambda n: test_zim.zim([], [b"\xff"] * int(2e5 * n)), 10
    ),
    "one-page.zim": Bomb(WikipediaHtml(), "a.zim", lambda n: one_page_zim(int(5e6 * n))),
    "long-text.csv.zst": Bomb(
        Csv(), "a.csv.zst", lambda n: repeated("zst", b"some words ", int(5e6 * n), b"text\n"),
        SECONDS, 512,
    ),
    "tiny-rows.csv.zst": Bomb(
        Csv(), "a.csv.zst", lambda n: repeated("zst", b"a\n", int(1e6 * n), b"text\n"), 20
    ),
    "fields.csv": Bomb(Csv(), "a.csv", lambda n: b"text,x\n" + b"ab," * int(2e7 * n) + b"\na,b\n"),
    "header.csv": Bomb(Csv(), "a.csv", lambda n: header(int(1e6 * n))),
    "unclosed.csv": Bomb(
        Csv(), "a.csv", lambda n: b'text,x\n"' + b"a\n" * int(3e6 * n) + b"a,b\n", 60
    ),
    "quotes.csv": Bomb(Csv(), "a.csv", lambda n: b"text,x\n" + b'"""\n' * int(1e6 * n), 30),
    "turns.packed": Bomb(
        lambda file: {"records": sum(1 for _ in FORMATS["packed.jsonl"].read(file))}, "a.jsonl",
        lambda n: many_turns(int(1e5 * n)), 30,
    ),
    "rows-of-footer.parquet": Bomb(Parquet(), "a.parquet", lambda n: claiming("footer")),
    "rows-of-page.parquet": Bomb(Parquet(), "a.parquet", lambda n: claiming("page")),
    "rows-of-both.parquet": Bomb(Parquet(), "a.parquet", lambda n: claiming("both"), 30),
    "nulls.parquet": Bomb(Parquet(), "a.parquet", lambda n: nulls(int(1e8 * n)), 30),
    "dictionary.parquet": Bomb(
        Parquet(), "a.parquet", lambda n: dictionary(int(1e7 * n), is_plain=False)
    ),
    "repeated.parquet": Bomb(
        Parquet(), "a.parquet", lambda n: dictionary(int(1e7 * n), is_plain=True)
    ),
    "columns.parquet": Bomb(META, "a.parquet", lambda n: many_columns(int(1e5 * n))),
    "nested.parquet": Bomb(META, "a.parquet", lambda n: nested_lists(int(90 * n) + 10, 1000)),
    "long-list.parquet": Bomb(META, "a.parquet", lambda n: long_list(int(5e7 * n))),
    "short-list.parquet": Bomb(
        META, "a.parquet", lambda n: claiming_a_short_list(int(2e7 * n)), SECONDS, 512
    ),
    "numbers.parquet": Bomb(META, "a.parquet", lambda n: list_of_numbers(int(1.9e6 * n))),
    "long-row.parquet": Bomb(META, "a.parquet", lambda n: wide_values(1, int(9e7 * n)), 5, 512),
    "escaped-row.parquet": Bomb(META, "a.parquet", lambda n: wide_values(1, int(6e7 * n)), 5, 1024),
    "wide-rows.parquet": Bomb(META, "a.parquet", lambda n: wide_values(256, int(2e5 * n)), 5, 512),
}  # fmt: skip


def read(source, file):
    """Read a file as a task does and return the counts of what came of its records.

    A function in the place of a source reads it in its own way.
    """
    if callable(source):
        return source(file)
    piece = PlannedPiece(file, Piece(0, file.size), "")
    if isinstance(source, Parquet):
        cut = source.split(file, 1)
        piece = PlannedPiece(file, Piece(cut[0].start, cut[-1].end), "")
    found = Counter()
    for batch in read_shard(SourcePlan("a", source, None, None), Shard("a", (piece,)), BATCH_BYTES):
        found["documents"] += batch.documents.num_rows
        for counts in batch.counts.values():
            found.update(counts.skipped)
            found.update(counts.quarantined)
    return {name: count for name, count in found.items() if count}


def resident(field):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(field + ":")[2].split()[0]) // 1024


def _measure(name, path, answer):
    """Read a bomb in this process, after a small file of its kind; send what it took."""
    bomb = BOMBS[name]
    file = InputFile(str(path), bomb.name, path.stat().st_size)
    small = path.with_name("small-" + bomb.name)
    small.write_bytes(bomb.make(1e-3))
    error, outcome = "", {}
    try:
        read(bomb.source, InputFile(str(small), bomb.name, small.stat().st_size))
        Path("/proc/self/clear_refs").write_text("5")
        before, started = resident("VmRSS"), time.process_time()
        outcome = read(bomb.source, file)
    except BaseException:
        error = traceback.format_exc()[-2000:]
        before, started = resident("VmRSS"), time.process_time()
    seconds, peak = time.process_time() - started, resident("VmHWM") - before
    answer.send(Cost(file.size, seconds, peak, outcome, error))


def cost(name, folder, scale=1.0):
    """Make a bomb, read it in a new process and return what that took."""
    path = Path(folder) / f"bomb-{BOMBS[name].name}"
    path.write_bytes(BOMBS[name].make(scale))
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_measure, args=(name, path, theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        child.join()
        return Cost(path.stat().st_size, 0, 0, {}, f"the process died: {child.exitcode}")
    finally:
        child.join()


def wrong(name, taken, scale):
    """Return what of a cost is over its budget, or an empty text."""
    allowed = max(SECONDS, BOMBS[name].seconds * scale)
    return (
        taken.error
        or (f"over {BOMBS[name].mebibytes} MiB" if taken.mebibytes > BOMBS[name].mebibytes else "")
        or (f"over {allowed:.0f} s" if taken.seconds > allowed else "")
        or ("" if taken.outcome else "passed over without a row")
    )


def main():
    """Read all bombs; print a table of what they took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--bomb", choices=sorted(BOMBS), action="append")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known = parser.parse_args()
    failed, most = 0, 0
    print(f"{'bomb':24}{'stored':>12}{'CPU s':>8}{'MiB':>6}  outcome")
    for name in known.bomb or BOMBS:
        with tempfile.TemporaryDirectory(prefix="curate-bombs-") as folder:
            taken = cost(name, folder, known.scale)
        failing = wrong(name, taken, known.scale)
        failed += bool(failing)
        most = max(most, taken.mebibytes)
        row = f"{name:24}{taken.stored:12,}{taken.seconds:8.1f}{taken.mebibytes:6}  {taken.outcome}"
        print(row + (f"  FAILED: {failing}" if failing else ""), flush=True)
    if known.record and not failed:
        from tests.faults import scoreboard

        count = len(known.bomb or BOMBS)
        scoreboard.record("bombs", f"{count} files: at most {most} MiB, none over its budgets")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
