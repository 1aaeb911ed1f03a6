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

from curate.sources.base import Damage, Document, InputFile, Piece, Skip
from curate.sources.jsonl import Jsonl

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
    return list(source.read(file, piece or Piece(0, file.size)))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "bad_json"),
        (b"not json", "bad_json"),
        (b'{"text":"a"} {"text":"b"}', "bad_json"),
        (b'{"text":"a\x00"}', "bad_json"),
        (b'["text"]', "not_an_object"),
        (b"3", "not_an_object"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"text":"a","n":' + b"9" * 5000 + b"}", "huge_number"),
        (b'{"text":"\\ud800"}', "lone_surrogate"),
        (b'{"text":"a","x":{"\\uDC00":1}}', "lone_surrogate"),
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


def test_a_file_in_utf_16_is_one_damage(tmp_path):
    file = stored(tmp_path, '{"text":"a"}\n'.encode("utf-16"))
    assert [(d.reason, d.length) for d in read(file)] == [("utf_16", file.size)]


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


@given(st.binary(max_size=200), st.sampled_from(["x.jsonl", "x.json", "x.jsonl.gz", "x.zst"]))
def test_no_bytes_raise(tmp_path_factory, data, name):
    file = stored(tmp_path_factory.mktemp("any"), data, name)
    for record in read(file):
        assert isinstance(record, Document | Skip | Damage)


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
