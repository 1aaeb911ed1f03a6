"""Untrusted JSON: each bad record costs itself, and is reported with its offset."""

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources import json_objects
from curate.sources.base import Damage, Document, InputFile, Note, Piece, Skip
from curate.sources.jsonl import Jsonl
from curate.sources.streams import Line
from tests.unit.sources.records import one_by_one

DATA = os.environ.get("CURATE_SHARED_DATA")
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
LINES = Jsonl()
GOOD = b'{"text":"good"}'


def stored(folder, data, name="x.jsonl"):
    path = Path(folder) / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def read(file, source=LINES, piece=None):
    return list(one_by_one(source.read(file, piece or Piece(0, file.size))))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "bad_json"),
        (b"not json", "bad_json"),
        (b'{"text":"a"} and {"text":"b"}', "bad_json"),
        (b'"meta": {"text":"a"},', "bad_json"),
        (b'{"text":"a"}} {"text":"b"}', "bad_json"),
        (b'{"text":"he said "{" and left"}', "bad_json"),
        (b"\0" * 4096, "bad_json"),
        (b'["text"]', "not_an_object"),
        (b"3", "not_an_object"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"text":' + b"9" * 5000 + b"}", "huge_number"),
        (b'{"text":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
        (b'{"text":"\\ud800"}', "lone_surrogate"),
        (b'{"text":"it\\\'s"}', "bad_escape"),
        (b'{"text":"a","b":"\\q"', "bad_json"),
        (b'{"text":"a\xed\xa0\xbdb"}', "invalid_utf8"),
        (b'{"text":"\xff"}', "invalid_utf8"),
        (b'{"body":"a"}', "missing_text"),
        (b'{"text":5}', "text_not_string"),
        (b'{"text":["a"]}', "text_not_string"),
        (b'{"text":"' + b"a" * 600_000 + b'"}', "too_large"),
    ],
)
def test_a_bad_line_is_one_damage_and_the_next_line_is_read(tmp_path, line, reason):
    file = stored(tmp_path, GOOD + b"\n" + line + b"\n" + GOOD + b"\n")
    first, damage, last = read(file, Jsonl(max_record_bytes=550_000))
    assert first.text == last.text == "good"
    assert (damage.reason, damage.offset, damage.length) == (reason, len(GOOD) + 1, len(line))
    assert damage.head[:4] == line[:4] and damage.error


def test_a_record_that_would_fill_the_memory_is_not_parsed(tmp_path):
    file = stored(tmp_path, b'{"a":[' + b"[]," * 2_000_001 + b"[]]}\n" + GOOD)
    damage, last = read(file)
    assert (damage.reason, damage.offset, last.text) == ("too_complex", 0, "good")


def test_what_is_odd_but_good_is_read(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"text":"after a mark"}\r',
        b'{"text":"pair \\ud83d\\ude00","score":NaN,"more":1e999}',
        b'{"text":"first","text":"second"}',
        b'{"text":"nul \\u0000"}',
        b'{"text":""}',
    ]
    file = stored(tmp_path, b"\n".join(lines))
    found = read(file)
    assert [d.text for d in found] == ["after a mark", "pair \U0001f600", "second", "nul \0", ""]
    assert found[1].meta == '{"more":null,"score":null}'
    offsets = [sum(len(x) + 1 for x in lines[:n]) for n in range(5)]
    assert [int(d.locator) for d in found] == offsets


def test_blank_lines_and_null_texts_are_skips(tmp_path):
    file = stored(tmp_path, GOOD + b'\n\n \r\n{"text":null}\n')
    assert read(file)[1:] == [Skip("blank_line"), Skip("blank_line"), Skip("null_text")]


def test_a_missing_field_names_the_nearest(tmp_path):
    damage = read(stored(tmp_path, b'{"texts":"a"}'))[0]
    assert damage.error == "no field 'text': did you mean 'texts'?"


def test_fields_become_columns_and_the_rest_is_meta(tmp_path):
    record = {
        "content": {"body": "x", "lang": "kk"},
        "link": "https://e.kz/1",
        "when": "2026-01-02T03:04:05+05:00",
        "terms": "CC0",
        "z": 1,
        "a": "ә",
    }
    source = Jsonl(text="content.body", url="link", date="when", license="terms")
    meta = '{"a":"ә","content":{"lang":"kk"},"z":1}'
    assert read(stored(tmp_path, json.dumps(record).encode()), source) == [
        Document("0", "x", "https://e.kz/1", 1767305045000000, license="CC0", meta=meta)
    ]
    only = Jsonl(text="content.body", meta=("z",))
    assert read(stored(tmp_path, json.dumps(record).encode()), only)[0].meta == '{"z":1}'


def test_an_optional_field_of_a_wrong_kind_is_null_and_stays_in_meta(tmp_path):
    source = Jsonl(url="url", date="date", license="license")
    file = stored(tmp_path, b'{"text":"a","url":7,"date":"soon","license":null}')
    found = read(file, source)[0]
    assert (found.url, found.date, found.license) == (None, None, None)
    assert found.meta == '{"date":"soon","url":7}'


@pytest.mark.parametrize("ending", PACK)
def test_the_locator_counts_plain_bytes_under_every_compression(tmp_path, ending):
    lines = [json.dumps({"text": f"мәтін {n}"}).encode() for n in range(50)]
    file = stored(tmp_path, PACK[ending](b"\n".join(lines)), "x.jsonl" + ending)
    found = read(file)
    assert [d.text for d in found] == [f"мәтін {n}" for n in range(50)]
    assert found[7].locator == str(sum(len(line) + 1 for line in lines[:7]))


def test_a_window_of_two_gigabytes(tmp_path):
    lines = b'{"text":"The ferry left."}\n' * 100
    packer = zstandard.ZstdCompressor().compressobj()
    packed = bytearray(packer.compress(lines) + packer.flush())
    packed[5] = 31 - 10 << 3  # the window, as a frame states it
    file = stored(tmp_path, packed, "x.jsonl.zst")
    assert texts(read(file)) == ["The ferry left."] * 100
    assert texts(read(file, Jsonl(max_window_bytes=1000)))[-1] == "window_too_large"


def test_a_cut_file_gives_what_is_before_the_cut(tmp_path):
    packed = gzip.compress(b"".join(b'{"text":"%d"}\n' % n for n in range(20_000)), mtime=0)
    file = stored(tmp_path, packed[: len(packed) // 2], "x.jsonl.gz")
    *documents, damage = read(file)
    assert len(documents) > 5000
    assert [d.text for d in documents] == [str(n) for n in range(len(documents))]
    assert (damage.reason, damage.offset, damage.length) == ("truncated", 0, file.size)


ARRAY = b'[\n {"text": "a"},\n {"text": "b \\" ], {"},3,\n {"text": "c", "x": [1, {"y": []}]}\n]\n'


@pytest.mark.parametrize("ending", PACK)
def test_an_array_is_read_element_by_element(tmp_path, ending):
    found = read(stored(tmp_path, PACK[ending](ARRAY), "x.json" + ending))
    assert [getattr(r, "text", None) for r in found] == ["a", 'b " ], {', None, "c"]
    assert found[2].reason == "not_an_object"
    for record in (found[0], found[1], found[3]):
        assert ARRAY[int(record.locator) :].startswith(b'{"text": "')


def test_objects_printed_over_many_lines_are_read(tmp_path):
    first, second = (
        json.dumps({"text": "a", "l": [1]}, indent=2),
        json.dumps({"text": "b"}, indent=1),
    )
    found = read(stored(tmp_path, f"{first}\n{second}".encode(), "x.jsonl"))
    assert [(d.text, d.meta) for d in found] == [("a", '{"l":[1]}'), ("b", None)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", []),
        (b" [ ] ", []),
        (b'[{"text":"a"},]', ["a"]),
        (b'[{"text":"a"}', ["a", "truncated"]),
        (b'[{"text":"a"},{"text":"b', ["a", "truncated"]),
        (b"[", ["truncated"]),
        (b'[{"text":"a"}] x', ["a", "trailing_data"]),
        (b'[{"text":"a"},,{"text":"b"}]', ["a", "blank_line", "b"]),
        (b'[{"text":"a" "b"},{"text":"b"}]', ["bad_json", "b"]),
        (b"", []),
    ],
)
def test_arrays_that_are_odd_or_broken(tmp_path, data, expected):
    found = read(stored(tmp_path, data, "x.json"))
    assert [r.text if isinstance(r, Document) else r.reason for r in found] == expected


def test_an_element_over_the_cap_is_skipped(tmp_path):
    data = b'[{"text":"a"},{"text":"' + b"b" * 900_000 + b'"},{"text":"c"}]'
    found = read(stored(tmp_path, data, "x.json"), Jsonl(max_record_bytes=300_000))
    kinds = [r.text if isinstance(r, Document) else r.reason for r in found]
    assert kinds == ["a", "too_large", "c"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["", "-le", "-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_in_utf_16_and_utf_32_are_read(tmp_path, encoding, order, mark):
    lines = '{"text":"бір\u0085 екі 😀"}\r\n{"text":"үш"}\n' + mark + '{"text":"төрт"}'
    file = stored(tmp_path, (mark + lines).encode(encoding + order), "x.jsonl")
    found = read(file)
    assert [d.text for d in found] == ["бір\u0085 екі 😀", "үш", "төрт"]
    assert Jsonl().split(file, 10) == [Piece(0, file.size)]


def test_damage_in_utf_16(tmp_path):
    data = '\ufeff{"text":"a","x":"\ud83d"}\n{"text":"b\ud83d"}\n{"text":"c"}\n'
    encoded = data.encode("utf-16-le", "surrogatepass")
    found = read(stored(tmp_path, encoded + b"x"))
    assert [getattr(r, "text", None) or r.reason for r in found if not isinstance(r, Note)] == [
        "a",
        "invalid_utf8",
        "c",
        "truncated",
    ]


MARK = b"\xef\xbb\xbf"


def texts(records):
    return [r.text if isinstance(r, Document) else r.reason for r in records]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (MARK + b'{"text":"a"}\n' + MARK + b'{"text":"b"}\n{"text":"c"}', ["a", "b", "c"]),
        (MARK + MARK + b'{"text":"a"}\r\n' + MARK + b"\r\n", ["a", "blank_line"]),
        (b'{"text":"a"}' + MARK + b'{"text":"b"}\n', ["a", "b"]),
        (b'{"text":"a"}{"text":"b"}{"text":"}{"}\n', ["a", "b", "}{"]),
        (b'{"text":"a"} \t {"text":5}\n', ["a", "text_not_string"]),
        (b'{"text":"a"}{"text":"b', ["a", "bad_json"]),
        (b'{"text":"a"}\xef\xbb\xbf\n{"text":"b"} \xef\xbb\xbf , \n', ["a", "b"]),
        (b'{"text":"a"},\n{"text":"b"},\n', ["a", "b"]),
        (b'{"text":"a","tags":["x",],}\n{"text":"b,}",}', ["a", "b,}"]),
        (b'\x1e{"text":"a"}\n\x1e{"text":"b"}\n', ["a", "b"]),
        (b'{"text":"a"}\r{"text":"b"}\r\r{"text":"c"}', ["a", "b", "c"]),
        ('{"text":"a\u2028b\u0085c"}\n'.encode(), ["a\u2028b\u0085c"]),
        (b'{"text":"tab\there, nul\0"}\n', ["tab\there, nul\0"]),
        (b'[{"text":"a"},{"text":"b"}]\n', ["a", "b"]),
        (b'[\n{"text":"a"},\n{"text":"b"}\n]\n', ["a", "b"]),
        (MARK + b'[{"text":"a"},\n {"text":"b"}]\n' + MARK + b'[{"text":"c"}]', ["a", "b", "c"]),
        (b'[{"text":"a"}]\n[{"text":"b"}]\n', ["not_an_object"] * 2),
        (b'{"text":"a",\n "n":1}\n{"text":"b",\n "n":2}\n', ["a", "b"]),
        (b'{\n"text":"a"}' + MARK + b'{\n"text":"b"}\n', ["a", "b"]),
        (b'{"text": "cut,\n{"text":"b"}\n', ["bad_json", "b"]),
        (b'{"text":"a"}\n' + bytes(99) + b'{"text":"b"}\n' + bytes(99), ["a", "b", "bad_json"]),
    ],
)
def test_joined_and_unusual_files_are_read(tmp_path, data, expected):
    found = read(stored(tmp_path, data))
    assert texts(found) == expected
    for record in found:
        if isinstance(record, Document):
            begin = data[int(record.locator) :].lstrip(MARK + b"\x1e\0 \t\r\n")
            assert begin.startswith((b'{"text"', b'{\n"text"'))


@pytest.mark.parametrize(
    ("value", "kept", "damaged"),
    [
        (b'"\xff\xfe"', ["\ufffd\ufffd"], 1),
        (b'"\\ud83d cut"', ["\ufffd cut"], 1),
        (b'{"\\uDC00":1}', [{"\ufffd": 1}], 1),
        (b"9" * 5000, [None], 1),
        (b"-" + b"9" * 400, [-int("9" * 400)], 0),
        (b"-0", [0], 0),
        (b"[NaN,Infinity,-Infinity]", [[None] * 3], 0),
        (b'["\xff",{"y":"\\ud83d","z":' + b"1" * 9999 + b"}]", 0, 3),
    ],
)
def test_damage_in_a_field_that_is_not_the_text_costs_that_value(tmp_path, value, kept, damaged):
    line = b'{"text":"good","x":' + value + b',"y":[1]}'
    file = stored(tmp_path, line + b"\n" + GOOD)
    first, *notes, last = read(file)
    assert (first.text, first.locator, last.text) == ("good", "0", "good")
    assert notes == ([Note("damaged_fields", damaged)] if damaged else [])
    meta = json.loads(first.meta)
    assert meta["y"] == [1] and (not kept or [meta["x"]] == kept)
    assert texts(read(file, Jsonl(meta=("y",)))) == ["good", "good"]
    assert texts(read(file, Jsonl(meta=()))) == ["good", "good"]


@pytest.mark.parametrize("levels", [449, 460, 900, 980, 5000])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}"), (b'["]",{"[":', b"}]")])
def test_a_value_that_is_nested_deep_costs_at_most_itself(tmp_path, levels, pair):
    value = pair[0] * levels + b"1" + pair[1] * levels
    line = b'{"x":' + value + b',"text":"good","y":2}'
    first, *notes, last = read(stored(tmp_path, line + b"\n" + GOOD))
    assert (first.text, last.text) == ("good", "good")
    assert first.meta.endswith(',"y":2}') and first.meta.startswith('{"x":')
    is_cut = levels > 449 or len(pair[0]) > 6
    assert notes == ([Note("damaged_fields", 1)] if is_cut else [])


def test_a_nested_text_is_damaged_only_by_its_own_path(tmp_path):
    source = Jsonl(text="content.body", meta=())
    lines = [
        b'{"content":{"body":"a","title":"\xff"}}',
        b'{"content":{"body":"a\xff","title":"b"}}',
        b'{"content":' + b"1" * 5000 + b"}",
    ]
    found = read(stored(tmp_path, b"\n".join(lines)), source)
    assert texts(found) == ["a", "invalid_utf8", "huge_number"]


def test_an_address_or_a_date_that_cannot_be_read_is_null(tmp_path):
    line = b'{"text":"a","url":"http://\xff","date":' + b"1" * 5000 + b"}"
    first, note = read(stored(tmp_path, line), Jsonl(url="url", date="date", meta=()))
    assert (first.text, first.url, first.date) == ("a", "http://\ufffd", None)
    assert note == Note("damaged_fields", 2)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
records = st.lists(st.fixed_dictionaries({"text": st.text()}, optional={"m": values}), max_size=12)


@given(records, st.integers(1, 60), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_pieces_together_give_what_the_whole_gives(tmp_path_factory, rows, target, ascii, newline):
    folder = tmp_path_factory.mktemp("jsonl")
    data = "".join(json.dumps(row, ensure_ascii=ascii) + newline for row in rows).encode()
    file = stored(folder, data)
    found = [r for piece in Jsonl().split(file, target) for r in read(file, piece=piece)]
    assert found == read(file)
    assert [d.text for d in found] == [row["text"] for row in rows]


@given(records, st.sampled_from([None, 1]))
def test_an_array_gives_the_same_texts_as_lines(tmp_path_factory, rows, indent):
    folder = tmp_path_factory.mktemp("array")
    file = stored(folder, json.dumps(rows, indent=indent).encode(), "x.json")
    found = read(file)
    assert [d.text for d in found] == [row["text"] for row in rows]
    assert [d.meta and json.loads(d.meta) for d in found] == [
        {"m": row["m"]} if "m" in row else None for row in rows
    ]


def test_joined_files_are_found_in_pieces_too(tmp_path):
    lines = [json.dumps({"text": f"{n} " + "a" * (n % 40)}).encode() for n in range(60)]
    data = b"\n".join((MARK if n % 7 == 0 else b"") + line for n, line in enumerate(lines))
    file = stored(tmp_path, data)
    for target in (30, 100, 1000):
        found = [r for piece in Jsonl().split(file, target) for r in read(file, piece=piece)]
        assert found == read(file)
        assert texts(found) == [json.loads(line)["text"] for line in lines]


@given(records, st.booleans())
def test_the_careful_reader_reads_what_the_fast_one_reads(rows, ascii):
    for row in rows:
        line = Line(7, 0, json.dumps(row, ensure_ascii=ascii).encode())
        fast = json_objects._parse(line)
        if fast is not None:
            assert list(json_objects._careful(line)) == [fast]
        (careful,) = json_objects._careful(line)
        assert careful.raw == line.data
        assert fast is not None or careful.damaged


@given(st.lists(st.sampled_from([
    '{"text":"a"}', '{"text":', '"a', '"', "}", "{", ",", "[1,", "\x01", "1" * 4301, " ", "NaN",
    "\ufeff", "\\u", "\\ud800",
]), max_size=8))  # fmt: skip
def test_what_is_known_of_a_broken_line_changes_nothing(parts):
    line = Line(7, 0, "".join(parts).encode())
    problem = json_objects._parse(line)
    if isinstance(problem, json.JSONDecodeError):
        careful = list(json_objects._careful(line, problem))
        assert careful == list(json_objects._careful(line))


@given(records)
def test_objects_joined_without_newlines_are_those_of_lines(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("joined")
    lines = [json.dumps(row, ensure_ascii=False).encode("utf-8") for row in rows]
    joined = read(stored(folder, b"".join(lines), "joined.jsonl"))
    apart = read(stored(folder, b"\n".join(lines), "apart.jsonl"))
    assert [(d.text, d.meta) for d in joined] == [(d.text, d.meta) for d in apart]


@given(st.binary(max_size=200), st.sampled_from(["x.jsonl", "x.json", "x.jsonl.gz", "x.zst"]))
def test_no_bytes_raise(tmp_path_factory, data, name):
    file = stored(tmp_path_factory.mktemp("any"), data, name)
    for record in read(file):
        assert isinstance(record, Document | Skip | Damage | Note)


@given(
    st.lists(
        st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n", b'{"text":"a"}']),
        max_size=30,
    )
)
def test_elements_of_an_array_are_in_order_and_do_not_overlap(tmp_path_factory, parts):
    data = b"[" + b"".join(parts)
    found = read(stored(tmp_path_factory.mktemp("any"), data, "x.json"))
    end = 1
    for record in found:
        if isinstance(record, Damage):
            assert end <= record.offset
            end = record.offset + record.length
        elif isinstance(record, Document):
            assert end <= int(record.locator)
            end = int(record.locator) + len(b'{"text":"a"}')
    assert end <= len(data)


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("formats/c4_demo.jsonl.gz", 300),
        ("formats/hplt-monotextor-sample1-fi.jsonl.zst", 20),
        ("formats/dolma-documents-000.json.gz", 10),
        ("chat/llm-jp-sft-example.jsonl.gz", 15),
    ],
)
def test_real_files_are_read_whole(name, count):
    path = Path(DATA) / name
    found = read(InputFile(str(path), path.name, path.stat().st_size))
    assert len(found) == count and all(isinstance(r, Document) and r.text for r in found)


def test_the_source_is_a_value():
    assert Jsonl() == Jsonl() and hash(Jsonl(text="a"))
    assert ".jsonl.zst" in Jsonl().suffixes and ".json" in Jsonl().suffixes


@pytest.mark.parametrize("stray", [b"\0", b"\0\0"])
def test_a_stray_zero_byte_does_not_make_a_file_utf_16(tmp_path, stray):
    lines = stray + b'{"text": "a"}\n{"text": "b"}\n'
    assert texts(read(stored(tmp_path, lines))) == ["a", "b"]
    damaged = b"{" + stray + lines
    assert texts(read(stored(tmp_path, damaged)))[-1] == "b"


def test_an_escape_that_json_does_not_have_costs_its_value_only(tmp_path):
    line = rb'{"text":"a \ud83d\ude00","path":"C:\Users\new","deep":[{"b":"\x41"}],"ok":"\\x",}'
    document, note = read(stored(tmp_path, line))
    assert document.text == "a \U0001f600"
    assert json.loads(document.meta) == {
        "path": "C:\ufffdUsers\new",
        "deep": [{"b": "\ufffdx41"}],
        "ok": "\\x",
    }
    assert note == Note("damaged_fields", 2)
    assert read(stored(tmp_path, line), Jsonl(meta=("ok",)))[1:] == []
