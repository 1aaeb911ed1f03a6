"""Lines that the kernel reads give what the careful reader gives: it alone says what they mean."""

import gzip
import json
from collections import Counter
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources import json_columns, json_kernel, jsonl
from curate.sources.base import Document, DocumentTable, InputFile, Note, Piece, Skip
from curate.sources.columns import gather
from curate.sources.jsonl import Jsonl
from curate.sources.streams import Run
from tests.examples import examples
from tests.unit.sources.records import one_by_one

TYPES = {
    "n": pa.int64(),
    "score": pa.float64(),
    "ok": pa.bool_(),
    "x": pa.string(),
    "tags": pa.list_(pa.string()),
    "deep": pa.struct([("a", pa.int64()), ("b", pa.float64())]),
    "nothing": pa.null(),
    "url": pa.string(),
}
PASSED, _ = gather({"s": TYPES})
SOURCES = {
    "text alone": Jsonl(),
    "fields": Jsonl(url="url", date="date", license="license", id="id"),
    "few in meta": Jsonl(meta=("x", "id", "text", "missing"), id="id", url="url"),
    "no meta": Jsonl(meta=()),
    "typed": Jsonl(columns=("*",), passed=PASSED, as_json=("date", "text", "license")),
    "typed fields": Jsonl(
        columns=("*",), passed=PASSED, as_json=("date",), url="url", date="date", id="n"
    ),
    "dotted": Jsonl(text="deep.a", url="url"),
    "the same twice": Jsonl(id="text", url="url", license="url"),
}


def read(tmp_path, data, source, *, compiled, name="x.jsonl"):
    """Return documents and damage in order, counts of the rest, and how many rows are of tables."""
    path = tmp_path / name
    path.write_bytes(data)
    file = InputFile(str(path), name, len(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "COMPILED", 0 if compiled else 1 << 40)
        patch.setattr(json_columns, "_FEW", 1)  # no line is careful for its neighbours' sake
        found = list(source.read(file, Piece(0, file.size)))
    records, counts = [], Counter()
    for record in one_by_one(found):
        if isinstance(record, Document):
            columns = pa.Table.from_pylist([record.columns or {}], PASSED.carried).to_pylist()[0]
            records.append(record._replace(columns=columns))
        elif isinstance(record, Skip):
            counts[f"skip {record.reason}"] += record.count
        elif isinstance(record, Note):
            counts[f"note {record.what}"] += record.count
        else:
            records.append(record)
    in_tables = sum(r.table.num_rows for r in found if isinstance(r, DocumentTable))
    return records, sorted(counts.items()), in_tables


SPACE = st.sampled_from(["", "", "", " ", "\t", "\r", "  ", "\x0b", "\ufeff"])
PIECES = st.one_of(
    st.sampled_from(["a", "text", "ә", "日本", "\U0001f600", "abcdefghijk", " ", "\x7f", "\u2028"]),
    st.sampled_from(["\\n", "\\\\", '\\"', "\\/", "\\u0041", "\\u0001", "\\u001F", "\\u0022"]),
    st.sampled_from(["\\u005c", "\\u00e9", "\\u20AC", "\\b\\f\\r\\t", "\\ud83d\\ude00", "\\uD83D"]),
    st.sampled_from(["\\ud800", "\\udc00", "\\ud800\\u0041", "\\ud800\\ud800", "\\u12", "\\x"]),
    st.sampled_from(["{", "}", "[", "]", ":", ",", "\\", "\t", "\0", "\ud800", "\udfff", "\ufeff"]),
)
STRINGS = st.lists(PIECES, max_size=6).map(lambda pieces: f'"{"".join(pieces)}"')
GOOD_STRINGS = st.lists(st.sampled_from(["a", "ә", "\\n", "日", "b c", "\\u0001"]), max_size=4).map(
    lambda pieces: f'"{"".join(pieces)}"'
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(json.dumps),
    st.floats(0, 1).map(lambda x: f"{x:.3f}"),
    st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["-0", "-0.0", "01", "1.", ".5", "+1", "-", "1e5", "1E400", "9" * 4400, "NaN"]),
    st.sampled_from(["Infinity", "0", "9007199254740993", "9223372036854775808", "2024", "1e-7"]),
)
ATOMS = st.one_of(
    GOOD_STRINGS, STRINGS, NUMBERS, st.sampled_from(["null", "true", "false", "nul", "True", "x"])
)
NAMES = st.one_of(
    st.sampled_from([*TYPES, "date", "license", "id", "text", "a", "b", "ab", "", "ключ", "text "]),
    st.sampled_from(["te\\u0078t", "deep.a", "\ufeff", '\\"', "\\ud800", "texts"]),
).map(lambda name: f'"{name}"')
DATES = st.sampled_from(
    ['"2026-01-02T03:04:05Z"', "1767323045", '"20260102"', "20260102", '"never"', "null", "1e9"]
)


@st.composite
def objects(draw, inner):
    fields = draw(st.lists(st.tuples(NAMES, inner), max_size=5))
    return joined(draw, "{}", [f"{k}{draw(SPACE)}:{draw(SPACE)}{v}" for k, v in fields])


@st.composite
def lists(draw, inner):
    return joined(draw, "[]", draw(st.lists(inner, max_size=3)))


def joined(draw, brackets, parts):
    inside = ",".join(draw(SPACE) + part + draw(SPACE) for part in parts)
    return brackets[0] + inside + brackets[1]


VALUES = st.recursive(ATOMS, lambda inner: objects(inner) | lists(inner), max_leaves=6)
FITTING = {
    "text": GOOD_STRINGS,
    "n": st.integers(-9, 2**63).map(str),
    "score": st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str),
    "ok": st.sampled_from(["true", "false", "null"]),
    "x": GOOD_STRINGS,
    "tags": st.lists(GOOD_STRINGS, max_size=2).map(lambda tags: f"[{', '.join(tags)}]"),
    "deep": st.sampled_from(['{"b": 1.5, "a": 2}', '{"a":1,"a":2}', "{}", "null", '{"a":"x"}']),
    "url": GOOD_STRINGS,
    "license": st.sampled_from(['"CC0"', "null", "3", "[]"]),
    "date": DATES,
    "id": GOOD_STRINGS | st.integers().map(str) | st.sampled_from(["true", "1.5", "null", "[]"]),
}


@st.composite
def plain_lines(draw):
    """Draw a line of known fields, most of which the kernel can read."""
    names = draw(st.lists(st.sampled_from([*FITTING, "a", "z"]), max_size=6, unique=True))
    fields = {"text": draw(GOOD_STRINGS)} | {n: draw(FITTING.get(n, VALUES)) for n in names}
    order = draw(st.permutations(list(fields)))
    return "{" + ", ".join(f'"{name}": {fields[name]}' for name in order) + "}"


@st.composite
def lines(draw):
    line = draw(st.one_of(plain_lines(), plain_lines(), objects(VALUES), VALUES, SPACE, PIECES))
    data = bytearray((draw(SPACE) + line + draw(SPACE)).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        odd = st.sampled_from([b"", b'"', b"{", b"}", b",", b"\\", b"\xff", b"\xc0\x80", b"\xe4"])
        data[at : at + draw(st.integers(0, 3))] = draw(odd)
    return bytes(data).replace(b"\n", b"")


@given(
    st.lists(lines(), min_size=1, max_size=12),
    st.sampled_from(sorted(SOURCES)),
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\n", b"\n\n"]),
    st.sampled_from(["x.jsonl", "x.jsonl.gz"]),
)
@examples(1500)
def test_the_kernel_reads_what_the_careful_reader_reads(
    tmp_path_factory, some, source, newline, end, name
):
    data = newline.join([b'{"text":"so that lines are lines"}', *some]) + end
    data = gzip.compress(data) if name.endswith(".gz") else data
    folder = tmp_path_factory.mktemp("lines")
    careful = read(folder, data, SOURCES[source], compiled=False, name=name)
    compiled = read(folder, data, SOURCES[source], compiled=True, name=name)
    assert repr(compiled[:2]) == repr(careful[:2])  # -0.0 is not 0.0
    assert careful[2] == 0


def test_what_people_write_is_read_by_the_kernel(tmp_path):
    record = {
        "id": "n1",
        "text": 'line\n\t"two" \\ ә 日 \U0001f600 \x01',
        "meta": {"z": [1, 2.5, {"b": None, "a": True}], "a": {}, "k": []},
        "url": "https://e.kz/?a=1",
        "date": "2026-01-02T03:04:05Z",
        "score": 0.9340034127235413,
        "license": None,
    }
    dumped = [json.dumps(record, ensure_ascii=ascii) for ascii in (True, False)]
    tight = json.dumps(record, separators=(",", ":"), sort_keys=True)
    data = "\r\n".join([*dumped, tight, "", '{"text":null}']).encode()
    source = Jsonl(url="url", date="date", license="license", id="id")
    found, counts, in_tables = read(tmp_path, data, source, compiled=True)
    meta = (
        '{"id":"n1","meta":{"a":{},"k":[],"z":[1,2.5,{"a":true,"b":null}]}'
        ',"score":0.9340034127235413}'
    )
    offsets = [0, len(dumped[0]) + 2, len("".join(dumped).encode()) + 4]
    assert [document.locator for document in found] == [f"{at}~n1" for at in offsets]
    for document in found:
        assert document.text == record["text"]
        assert (document.url, document.date) == ("https://e.kz/?a=1", 1767323045000000)
        assert (document.license, document.meta) == (None, meta)
    assert (in_tables, counts) == (3, [("skip blank_line", 1), ("skip null_text", 1)])


@pytest.mark.parametrize(
    "line",
    [
        '{"text":"a","text":"b"}',
        '{"text":"a","x":1,"x":2}',
        '{"text":"a","m":{"x":1,"x":2}}',
        '{"te\\u0078t":"a"}',
        '{"text":"a","x\\n":1}',
        '{"text":"\\ud800"}',
        '{"text":"\\ud800\\u0041"}',
        '{"text":"\\udc00"}',
        '{"text":"\\u12x4"}',
        '{"text":"\\u123"}',
        '{"text":"\\x"}',
        '{"text":"a","x":01}',
        '{"text":"a","x":.5}',
        '{"text":"a","x":1.}',
        '{"text":"a","x":truE}',
        '{"text":"a","x":[1,]}',
        '{"text":"a","x":[1}}',
        '{"text":"a" "x":1}',
        '{"text":"a\tb"}',
        '{"text":"a","x":NaN}',
        '{"text":"a","x":-0}',
        '{"text":"a","x":1.50}',
        '{"text":"a","x":1e5}',
        '{"text":"a","x":' + "9" * 4001 + "}",
        '{"text":"a","x":' + "[" * 61 + "]" * 61 + "}",
        '{"text":"a","x":{' + ",".join(f'"{n}":1' for n in range(200, 90, -1)) + "}}",
        '{"text":"a",}',
        '{"text":"a"} {"text":"b"}',
        '{"text":["a"]}',
        '{"texts":"a"}',
    ],
)
def test_what_is_doubtful_is_read_with_care(tmp_path, line):
    data = b"\n".join([b'{"text":"before"}', line.encode(), b'{"text":"behind"}'])
    careful = read(tmp_path, data, Jsonl(), compiled=False)
    compiled = read(tmp_path, data, Jsonl(), compiled=True)
    assert compiled[:2] == careful[:2]
    assert compiled[2] == 2


def test_a_long_line_is_read_by_the_kernel(tmp_path):
    long = {"text": "абв " * 1_000_000, "x": 1}
    lines = [{"text": "before"}, long, {"text": "behind"}, long]
    data = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    careful = read(tmp_path, data, Jsonl(), compiled=False)
    compiled = read(tmp_path, data, Jsonl(), compiled=True)
    assert compiled[:2] == careful[:2]
    assert [document.text for document in compiled[0]] == [line["text"] for line in lines]
    assert compiled[2] == 4
    lists = b'{"text":"a","x":[' + b"[]," * 2_000_001 + b"1]}"
    ((damage,), _, _) = read(tmp_path, lists, Jsonl(), compiled=True)
    assert damage.reason == "too_complex"


def test_a_run_with_many_doubtful_lines_is_read_with_care(tmp_path):
    lines = [b'{"text":"a","x":-0}', b'{"text":"b","x":0}'] * 2000
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join(lines))
    file = InputFile(str(path), "x.jsonl", path.stat().st_size)
    found = list(Jsonl().read(file, Piece(0, file.size)))
    assert [document.text for document in found] == ["a", "b"] * 2000
    path.write_bytes(b"\n".join(lines[1::2]))
    file = InputFile(str(path), "x.jsonl", path.stat().st_size)
    (table,) = Jsonl().read(file, Piece(0, file.size))
    assert table.table.column("text").to_pylist() == ["b"] * 2000


#: The bytes at which a rule of UTF-8 begins or ends.
EDGES = bytes.fromhex("7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")


def test_the_kernel_knows_utf_8():
    some = [bytes(signs) for n in (1, 2, 3, 4) for signs in product(EDGES, repeat=n)]
    data = b"".join(b'{"text":"%b"}\n' % signs for signs in some)
    wanted = json_columns.Fields("text", None, None, None, None, None, None, ())
    found = json_columns.Reader(wanted, 1 << 20, careful=list)._read(Run(0, data))
    read = (found.lines[:, 2] == json_kernel.DOCUMENT).tolist()
    assert read == [signs.decode("utf-8", "ignore").encode() == signs for signs in some]
    assert "".join(found.table.column("text").to_pylist()).encode() == b"".join(
        signs for signs, is_read in zip(some, read) if is_read
    )
