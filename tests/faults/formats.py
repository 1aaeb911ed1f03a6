"""Small files of every format that is read, with their readers: what campaigns damage."""

import bz2
import gzip
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from curate import schema
from curate.errors import CurateError
from curate.plan.sidecars import planned_sidecars
from curate.protocol.tallies import PACKED, tally_key
from curate.recipe.recipe import parse_recipe
from curate.sources.base import Document, InputFile, Piece, Source
from curate.sources.chat.conversations import Chat
from curate.sources.delimited import Csv
from curate.sources.finished_run import CuratedRun
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet
from curate.sources.path_list import read_list
from curate.sources.plain_text import PlainText
from curate.sources.web.commoncrawl import CommonCrawl
from curate.sources.web.warc import Warc
from curate.sources.web.wet import Wet
from curate.sources.wiki.wikipedia import Wikipedia
from curate.sources.wiki.wikipedia_html import WikipediaHtml
from curate.stages.robots_txt import RobotsTxt
from curate.storage.formats import Output, packed
from curate.storage.store import open_store
from tests.unit.sources.wiki import enterprise, test_zim

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


def _comma_separated():
    """Return records, of which every third is not in quotes; the others have a line end in them."""
    return [
        f'{n},"{text}\n{text}"\n'.encode() if n % 3 else f"{n},{text}\n".encode()
        for n, text in enumerate(_texts())
    ]


def _chat():
    turns = ({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "x",
              "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\": 1}"}}]}]}
             for text in _texts())  # fmt: skip
    return b"".join(json.dumps(turn).encode() + b"\n" for turn in turns)


def _parquet():
    return pa.table({
        "text": _texts(), "n": range(12), "meta": [{"a": n, "b": [n]} for n in range(12)],
        "date": pa.array(range(12), pa.timestamp("us")),
    })  # fmt: skip


def stored(table):
    """Return a table as a file of Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=4, write_page_checksum=True)
    return sink.getvalue()


def _html_lines():
    kinds = list(enterprise.SENTENCES)
    bodies = (enterprise.article(kinds[n % len(kinds)]) + enterprise.math("x^2") for n in range(12))
    rows = (enterprise.record(n, html) for n, html in enumerate(bodies))
    return [json.dumps(row, ensure_ascii=n % 2 == 0).encode() + b"\n" for n, row in enumerate(rows)]


def _product():
    """Return a file of a run's product: documents with ids, a signal, and one copy."""
    count = 12
    columns = {
        "id": [f"a/x.jsonl#{n}" for n in range(count)], "text": _texts(), "source": ["a"] * count,
        "signal_n_words": range(count), "epoch": pa.array([1] * 11 + [2], pa.int32()),
        "own": [{"x": n} for n in range(count)],
    }  # fmt: skip
    return pa.table(columns)


def _sidecar_table():
    scores = pa.array([n / 2 for n in range(12)])
    tags = [{"a": [str(n)]} for n in range(12)]
    return pa.table({"id": [f"a/x.jsonl#{n}" for n in range(12)], "score": scores, "tags": tags})


#: Names of the archive and of the index that stand for a mirror of Common Crawl.
ARCHIVE, INDEX = "x.ranges.warc.gz", "x.index.parquet"


def _index():
    """Return an index of the members of an archive: all pages, in Kazakh."""
    lengths = [len(_gz(part)) for part in _warc()]
    rows = {
        "fetch_status": pa.array([200] * 12, pa.int16()), "content_languages": ["kaz,rus"] * 12,
        "content_mime_detected": ["text/html"] * 12, "warc_filename": [ARCHIVE] * 12,
        "warc_record_offset": [sum(lengths[:n]) for n in range(12)], "warc_record_length": lengths,
    }  # fmt: skip
    return pa.table(rows)


#: Hosts that a flipped bit does not turn into each other.
HOSTS = [f"{letter * 8}.example" for letter in "abcdefghijkm"]


def _robots():
    parts = []
    for host in HOSTS:
        rules = f"User-agent: GPTBot\nUser-agent: *\nDisallow: /{host[0]}*/x$\nAllow: /%7e?q=*\n"
        block = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + rules.encode()
        head = (
            "WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
            f"WARC-Record-ID: <urn:{host}>\r\nWARC-Target-URI: https://{host}/robots.txt\r\n"
            f"Content-Length: {len(block)}\r\n\r\n"
        )
        parts.append(head.encode() + block + b"\r\n\r\n")
    return parts


def _of_run():
    brought = pa.schema([("signal_n_words", pa.int64())])
    return CuratedRun(brought=brought.serialize().to_pybytes())


def _read_mirror(file):
    """Read the pages that an index names; what is not the file itself is undamaged."""
    folder = Path(file.path).parent
    for name, content in ((ARCHIVE, _joined(_gz)(_warc())), (INDEX, stored(_index()))):
        if name != file.name:
            (folder / name).write_bytes(content)
    index = InputFile(str(folder / INDEX), INDEX, (folder / INDEX).stat().st_size)
    crawl = CommonCrawl(snapshots=("CC-MAIN-2024-22",), languages=("kaz",), base=str(folder))
    yield from crawl.read(index, Piece(0, index.size))


def _read_sidecar(file):
    """Read the rows of a sidecar, from its planning on; it may be refused as a whole."""
    recipe = (
        f'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\n'
        f'[sidecars.s]\npath = "{file.path}"\ncolumns = ["score", "tags"]\n'
    )
    (sidecar,), _ = planned_sidecars(parse_recipe(recipe, "x.toml"), "x.toml")
    for number in range(len(sidecar.pieces)):
        for table in sidecar.read(number):
            table.validate(full=True)
            yield from table["key"].drop_null().to_pylist()


def _read_robots(file):
    """Read an archive of robots.txt and yield who may not read pages of each host."""
    urls = [f"http://{host}/{host[0]}{n}/x" for host in HOSTS for n in (1, 2)]
    columns = {"url": urls, "dropped_by": pa.nulls(len(urls), pa.string())}
    table = pa.table({**columns, "dropped_value": pa.nulls(len(urls), pa.float64())})
    judged = RobotsTxt((file.path,)).apply(table, Counter())
    for url, rule in zip(urls[::2], judged["dropped_by"].to_pylist()[::2], strict=True):
        if rule is not None:
            yield f"{url} {rule}"


def _read_packed(file):
    """Read conversations and write them as packed sequences; each token has its document."""
    rows = []
    for item in Chat().read(file, Piece(0, file.size)):
        yield item
        if isinstance(item, Document):
            rows.append({**item._asdict(), "id": f"a#{item.locator}"})
    if not rows:
        return
    fields = [*schema.DOCUMENT_SCHEMA, ("phase", pa.string())]
    table = schema.conform(pa.Table.from_pylist(rows), pa.schema(fields))
    table = table.set_column(table.num_columns - 1, "phase", pa.array(["main"] * len(rows)))
    output, tally = Output(formats=("packed",), length=256, template="mistral"), Counter()
    with tempfile.TemporaryDirectory(dir=Path(file.path).parent) as folder:
        (entry,) = packed.write(open_store(folder), "packed", table, output, tally)
        written = pq.read_table(f"{folder}/{entry.path}")
    tokens = sum(offsets[-1] for offsets in written["document_offsets"].to_pylist())
    assert tokens == tally[tally_key(PACKED, "main", "tokens")], "tokens are lost"
    assert written.num_rows == entry.rows, "sequences are lost"


def _or_refused(read):
    """Let a whole file be refused, in a sentence."""

    def reading(file):
        try:
            yield from read(file)
        except CurateError as error:
            assert str(error).strip()

    return reading


def _same(data):
    return data


def _joined(pack):
    return lambda parts: b"".join(map(pack, parts))


_gz = lambda data: gzip.compress(data, mtime=0)  # noqa: E731


def _streams(dump):
    """Pack what precedes each page of a dump, and each page, as a stream of its own."""
    return b"".join(map(bz2.compress, re.split(rb"(?=<page>)", dump)))


_zst = zstandard.ZstdCompressor().compress


class Format(NamedTuple):
    """A format by an example of it."""

    #: Before it is packed: bytes, a table, or, where they are independent, a list of records.
    content: bytes | pa.Table | list[bytes]
    pack: Callable  #: of the content, or of a list of records
    reader: Source | Callable  #: what yields records of a file, or texts

    def read(self, file, *pieces):
        """Yield what comes of a file: of all of it, or of a source's pieces one after the other."""
        if callable(self.reader):
            return self.reader(file)
        whole = [Piece(0, file.size)]
        return chain.from_iterable(self.reader.read(file, piece) for piece in pieces or whole)


_sidecar = _or_refused(_read_sidecar)

FORMATS = {
    "warc": Format(_warc(), _joined(_same), Warc()),
    "warc.gz": Format(_warc(), _joined(_gz), Warc()),
    "warc.zst": Format(_warc(), _joined(_zst), Warc()),
    "wet.gz": Format(_warc("conversion"), _joined(_gz), Wet()),
    "index.parquet": Format(_index(), stored, _read_mirror),
    "ranges.warc.gz": Format(_warc(), _joined(_gz), _read_mirror),
    "robots.warc.gz": Format(_robots(), _joined(_gz), _or_refused(_read_robots)),
    "jsonl": Format(_lines(), _joined(_same), Jsonl()),
    "jsonl.gz": Format(b"".join(_lines()), _gz, Jsonl()),
    "jsonl.zst": Format(b"".join(_lines()), _zst, Jsonl()),
    "csv": Format(
        _comma_separated(), _joined(_same), Csv(names=("n", "text"), delimiter=",")
    ),
    "csv.gz": Format(b"".join([b"n,text\n", *_comma_separated()]), _gz, Csv()),
    "chat.jsonl": Format(_chat(), _same, Chat()),
    "packed.jsonl": Format(_chat(), _same, _read_packed),
    "xml": Format(_wiki(), _same, Wikipedia()),
    "xml.bz2": Format(_wiki(), bz2.compress, Wikipedia()),
    "streams.xml.bz2": Format(_wiki(), _streams, Wikipedia()),
    "html.ndjson": Format(_html_lines(), _joined(_same), WikipediaHtml()),
    "html.tar.gz": Format(
        enterprise.tar(b"".join(_html_lines()[:6]), b"".join(_html_lines()[6:])), _gz,
        WikipediaHtml(),
    ),
    "zim": Format(test_zim.zim(*test_zim.sample()), _same, WikipediaHtml()),
    "plain.zim": Format(test_zim.zim(*test_zim.sample(1, True)), _same, WikipediaHtml()),
    "parquet": Format(_parquet(), stored, Parquet()),
    "run.parquet": Format(_product(), stored, _of_run()),
    "sidecar.parquet": Format(_sidecar_table(), stored, _sidecar),
    "sidecar.jsonl": Format(
        b"".join(json.dumps(row).encode() + b"\n" for row in _sidecar_table().to_pylist()),
        _same, _sidecar,
    ),
    "paths.gz": Format(
        b"".join(b"crawl-data/%d.warc.gz\n" % n for n in range(12)), _gz, _or_refused(read_list)
    ),
    "txt": Format("\n\n".join(_texts()).encode(), _same, PlainText()),
    "lines.txt": Format(
        [f"{text}\n".encode() for text in _texts()], _joined(_same), PlainText(split_on="line")
    ),
}  # fmt: skip
