"""Untrusted Parquet: nothing in a file runs, and damage costs its row group or row."""

import base64
import datetime
import io
import json
import os
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources import parquet_rows
from curate.sources.base import Damage, DocumentTable, InputFile, Note, Piece, Skip
from curate.sources.parquet import Parquet
from curate.sources.parquet_footer import (
    fields_claimed,
    names_extension_types,
    row_groups,
    without_extension_types,
)

DATA = os.environ.get("CURATE_SHARED_DATA")
TEXTS = Parquet()


def stored(folder, data, name="x.parquet", **options):
    path = Path(folder) / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        pq.write_table(data if isinstance(data, pa.Table) else pa.table(data), path, **options)
    return InputFile(str(path), name, path.stat().st_size)


def read(file, source=TEXTS, piece=None):
    return list(source.read(file, piece or Piece(0, file.size)))


def rows(records):
    tables = [record.table for record in records if isinstance(record, DocumentTable)]
    return [row for table in tables for row in table.to_pylist()]


def damage(records):
    return [record for record in records if isinstance(record, Damage)]


def test_a_row_is_found_again_by_row_group_and_row(tmp_path):
    file = stored(tmp_path, {"text": ["a", "b", "c"], "other": [1, 2, 3]}, row_group_size=2)
    found = read(file)
    assert [len(r.table) for r in found] == [2, 1]
    assert rows(found) == [
        {"locator": "0:0", "text": "a"},
        {"locator": "0:1", "text": "b"},
        {"locator": "1:0", "text": "c"},
    ]
    assert found[0].table.schema.field("text").type == pa.large_string()


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
)
def test_text_of_any_string_type_is_read(tmp_path, kind):
    plain = ["мәтін", None, "мәтін", ""]
    values = [v if v is None or "binary" not in str(kind) else v.encode() for v in plain]
    found = read(stored(tmp_path, {"text": pa.array(values).cast(kind)}))
    assert found[0] == Skip("null_text", 1)
    assert rows(found) == [
        {"locator": "0:0", "text": "мәтін"},
        {"locator": "0:2", "text": "мәтін"},
        {"locator": "0:3", "text": ""},
    ]


def test_columns_by_name_and_the_others_unread(tmp_path):
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    table = {
        "content": [{"body": "x", "n": 1}, {"body": None, "n": 2}, None],
        "link": ["https://e.kz/1", "b", "c"],
        "at": [when] * 3,
        "n": [1, 2, 3],
        "terms": pa.array(["CC0"] * 3).dictionary_encode(),
    }
    source = Parquet(text="content.body", url="link", date="at", license="terms", meta=("n", "at"))
    found = read(stored(tmp_path, table), source)
    assert found[0] == Skip("null_text", 2)
    assert rows(found) == [
        {
            "locator": "0:0",
            "text": "x",
            "url": "https://e.kz/1",
            "license": "CC0",
            "date": when,
            "meta": '{"at":"2026-01-02T03:04:05+00:00","n":1}',
        }
    ]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-02T03:04:05Z"],
        [1767323045],
        pa.array([1767323045000], pa.timestamp("ms")),
        pa.array([1767323045000000000], pa.timestamp("ns", tz="Asia/Almaty")),
    ],
)
def test_dates_of_every_kind_become_timestamps(tmp_path, values):
    found = read(stored(tmp_path, {"text": ["x"], "d": values}), Parquet(date="d"))
    assert found[0].table.schema.field("date").type == pa.timestamp("us", tz="UTC")
    assert rows(found)[0]["date"].timestamp() == 1767323045


@pytest.mark.parametrize(
    ("values", "years"),
    [
        (pa.array([2**40, 0], pa.timestamp("s")), [None, 1970]),
        (pa.array([-(2**62), 1], pa.timestamp("ms", tz="UTC")), [None, 1970]),
        (pa.array([2**63 - 1, -(2**63)], pa.timestamp("us")), [None, None]),
        (pa.array([2**63 - 1, -(2**63)], pa.timestamp("ns")), [2262, 1677]),
        (pa.array([2**31 - 1, 20_000], pa.date32()), [None, 2024]),
        (pa.array([2**62, 86_400_000], pa.date64()), [None, 1970]),
        (pa.array(["0001-01-01T00:00:00+23:59", "1999-12-31"]), [None, 1999]),
        (pa.array([None, True]), [None, None]),
    ],
)
def test_dates_that_no_calendar_has_are_null(tmp_path, values, years):
    file = stored(tmp_path, {"text": ["x", "y"], "d": values})
    found = rows(read(file, Parquet(date="d", meta=("d",))))
    assert [row["date"] and row["date"].year for row in found] == years
    assert len(found) == 2 and all(row["meta"] for row in found)


def test_any_column_can_be_kept_as_meta(tmp_path):
    struct = pa.array([{"a": [1.5, float("nan")]}], pa.struct([("a", pa.list_(pa.float64()))]))
    table = {
        "text": ["x"],
        "struct": struct,
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "bytes": [b"\xff"],
        "time": pa.array([5], pa.time64("ns")),
        "nanoseconds": pa.array([5], pa.timestamp("ns")),
    }
    names = ("struct", "map", "bytes", "time", "nanoseconds")
    (row,) = rows(read(stored(tmp_path, table), Parquet(meta=names)))
    kept = json.loads(row["meta"])
    assert set(kept) == set(names) and kept["struct"] == {"a": [1.5, None]}


@pytest.mark.parametrize(
    ("table", "source", "reason", "error"),
    [
        ({"texts": ["a"]}, Parquet(), "missing_text", "did you mean 'texts'?"),
        ({"text": [1]}, Parquet(), "text_not_string", "'text' is int64"),
        ({"text": [["a"]]}, Parquet(), "text_not_string", "list"),
        ({"text": ["a"]}, Parquet(text="text.body"), "missing_text", "no column 'text.body'"),
    ],
)
def test_a_file_that_does_not_fit_the_options_is_one_damage(tmp_path, table, source, reason, error):
    file = stored(tmp_path, table)
    found = read(file, source)
    assert [(d.reason, d.offset, d.length) for d in found] == [(reason, 0, file.size)]
    assert error in found[0].error


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    assert [d.reason for d in read(stored(tmp_path, table))] == ["duplicate_column"]


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"not parquet at all, but long enough", b"PAR1" + bytes(20) + b"PAR1"]
)
def test_what_is_no_parquet_file_is_damage(tmp_path, data):
    found = read(stored(tmp_path, data))
    assert len(found) == 1 and found[0].reason in ("truncated", "bad_footer")
    assert TEXTS.split(stored(tmp_path, data), 100) == [Piece(0, len(data))]


def test_a_footer_that_claims_to_be_longer_than_the_file(tmp_path):
    file = stored(tmp_path, {"text": ["a"]})
    data = bytearray(Path(file.path).read_bytes())
    data[-8:-4] = (1 << 31).to_bytes(4, "little")
    assert [d.reason for d in read(stored(tmp_path, bytes(data)))] == ["bad_footer"]


class Trap(pa.ExtensionType):
    """A type whose loading leaves a trace, as those of Ray Data and pickle do."""

    loaded = 0

    def __init__(self):
        super().__init__(pa.string(), "curate.tests.trap")

    def __arrow_ext_serialize__(self):
        return b"payload"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, payload):
        cls.loaded += 1
        return cls()


@pytest.fixture
def trap():
    pa.register_extension_type(Trap())
    Trap.loaded = 0
    yield Trap()
    pa.unregister_extension_type("curate.tests.trap")


def test_a_registered_extension_type_is_never_loaded(tmp_path, trap):
    column = pa.ExtensionArray.from_storage(trap, pa.array(["x"]))
    file = stored(tmp_path, {"text": ["a"], "evil": column})
    Trap.loaded = 0
    assert rows(read(file)) == [{"locator": "0:0", "text": "a"}]
    assert rows(read(file, Parquet(text="evil", url="text")))[0]["text"] == "x"
    assert TEXTS.split(file, 1) == [Piece(0, 1)]
    assert Trap.loaded == 0
    pq.read_schema(file.path)
    assert Trap.loaded > 0  # the trap works: pyarrow alone loads it


def test_an_extension_type_deep_in_a_struct_is_not_loaded(tmp_path, trap):
    column = pa.ExtensionArray.from_storage(trap, pa.array(["x"]))
    nested = pa.StructArray.from_arrays([pa.StructArray.from_arrays([column], ["b"])], ["a"])
    file = stored(tmp_path, {"text": ["a"], "deep": nested})
    Trap.loaded = 0
    assert rows(read(file, Parquet(meta=("deep",))))[0]["meta"] == '{"deep":{"a":{"b":"x"}}}'
    assert rows(read(file, Parquet(text="deep.a.b")))[0]["text"] == "x"
    assert Trap.loaded == 0


def test_metadata_that_names_an_extension_is_not_followed(tmp_path):
    def texts_with(**metadata):
        schema = pa.schema([pa.field("text", pa.string(), metadata=metadata)])
        return rows(read(stored(tmp_path, pa.table([["a"]], schema=schema))))

    name = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": "x"}
    assert texts_with(**name) == texts_with(note="ARROW") == [{"locator": "0:0", "text": "a"}]
    assert names_extension_types(b"ARROW:schema\x18\x04!!!!")
    assert names_extension_types(b"ARROW:schema\x18\xff\xff\xff\x7fAAAA")


def _uuid(count):
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\1" * 16] * count, pa.binary(16)))


def _json(count):
    return pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"k":1}'] * count))


@pytest.mark.parametrize(
    "other",
    [
        _uuid(2),
        _json(2),
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())),
        pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "t", "v"), pa.array(["x", "y"])),
        pa.StructArray.from_arrays([_uuid(2), _json(2)], ["a", "b"]),
        pa.array([1, None], pa.decimal128(38, 10)),
        pa.array([{"a": None}, None], pa.struct([("a", pa.null())])),
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        pa.array([1, 2], pa.duration("ns")),
        pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        pa.nulls(2),
    ],
)
def test_a_column_that_nobody_asked_for_costs_nothing(tmp_path, other):
    file = stored(tmp_path, {"before": other, "text": ["a", "b"], "after": other})
    expected = [{"locator": "0:0", "text": "a"}, {"locator": "0:1", "text": "b"}]
    assert read(file)[0].table.to_pylist() == expected and len(read(file)) == 1
    kept = rows(read(file, Parquet(meta=("before",))))
    assert [row["text"] for row in kept] == ["a", "b"]
    assert all(json.loads(row["meta"]).keys() == {"before"} for row in kept)


def test_text_in_a_column_of_an_extension_type_is_read(tmp_path):
    assert rows(read(stored(tmp_path, {"text": _json(1)})))[0]["text"] == '{"k":1}'


def test_a_footer_without_extension_types_is_not_touched():
    plain, named = (
        b"..ARROW:schema\x18\x04AAAA..",
        b"ARROW:schema\x18\x04!!!!, ARROW:extension:name",
    )
    assert without_extension_types(plain) is plain
    changed = without_extension_types(named)
    assert len(changed) == len(named) and b"ARROW" not in changed


def test_a_shard_in_which_all_texts_are_null(tmp_path):
    for column in (
        pa.nulls(3),
        pa.nulls(3, pa.string()),
        pa.nulls(3, pa.dictionary(pa.int8(), pa.string())),
    ):
        assert read(stored(tmp_path, {"text": column})) == [Skip("null_text", 3)]
    assert rows(read(stored(tmp_path, {"t": ["a"], "u": pa.nulls(1)}), Parquet("t", url="u"))) == [
        {"locator": "0:0", "text": "a", "url": None}
    ]


def test_text_in_bytes_of_a_fixed_size(tmp_path):
    values = pa.array([b"abcd", b"\xd3\x99\xff\xff", None], pa.binary(4))
    found = read(stored(tmp_path, {"text": values}))
    assert [row["text"] for row in rows(found)] == ["abcd"]
    assert [d.reason for d in damage(found)] == ["invalid_utf8"]


def test_a_column_that_one_file_does_not_have_is_null_there_and_counted(tmp_path):
    file = stored(tmp_path, {"text": ["a", "b"], "n": [1, 2]}, row_group_size=1)
    source = Parquet(url="link", date="when.at", license="terms", meta=("n", "title"))
    found = read(file, source)
    assert [r for r in found if isinstance(r, Note)] == [Note("missing_column", 1)] * 2
    assert rows(found)[1] == {
        "locator": "1:0",
        "text": "b",
        "url": None,
        "license": None,
        "date": None,
        "meta": '{"n":2,"title":null}',
    }
    every = rows(read(file, Parquet(url="link", meta=("*",))))
    assert [(row["url"], row["meta"]) for row in every] == [(None, '{"n":1}'), (None, '{"n":2}')]


def test_two_columns_of_a_name_that_nobody_asked_for(tmp_path):
    table = pa.table([["a"], [1], [2]], names=["text", "n", "n"])
    assert rows(read(stored(tmp_path, table)))[0]["text"] == "a"


def test_dates_in_96_bits(tmp_path):
    when = pa.array([datetime.datetime(2026, 1, 2, 3, 4, 5)], pa.timestamp("ns"))
    table = {"text": ["a"], "d": when}
    file = stored(tmp_path, table, use_deprecated_int96_timestamps=True)
    assert rows(read(file, Parquet(date="d")))[0]["date"].timestamp() == 1767323045
    assert rows(read(file))[0]["text"] == "a"


def test_the_index_of_pandas_is_a_column_like_others(tmp_path):
    table = pa.table({"text": ["a"], "__index_level_0__": [7]})
    note = b'{"index_columns": ["__index_level_0__"], "columns": []}'
    assert rows(read(stored(tmp_path, table.replace_schema_metadata({"pandas": note})))) == [
        {"locator": "0:0", "text": "a"}
    ]


@pytest.mark.parametrize("name", ["other", "text"])
def test_damaged_pages_cost_their_column(tmp_path, name):
    texts = [f"text {n} " + "x" * 50 for n in range(600)]
    table = {"other": texts, "text": texts, "n": list(range(600))}
    options = {"write_page_checksum": True, "compression": "zstd", "use_dictionary": False}
    file = stored(tmp_path, table, row_group_size=300, data_page_size=2000, **options)
    metadata = pq.read_metadata(file.path)
    place = ["other", "text"].index(name)
    chunk = metadata.row_group(1).column(place)
    data = bytearray(Path(file.path).read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 9] ^= 0xFF
    file = stored(tmp_path, bytes(data))
    unasked = read(file, Parquet(meta=("n",)))
    found = read(file, Parquet(url="other", meta=("n",)))
    whole = [row["text"] for row in rows(found)]
    every = read(file, Parquet(meta=("*",)))
    if name == "other":
        assert not damage(every) and [row["text"] for row in rows(every)] == texts
        assert json.loads(rows(every)[299]["meta"]) == {"other": texts[299], "n": 299}
        assert json.loads(rows(every)[599]["meta"]) == {"n": 599}
        assert not damage(unasked) and len(rows(unasked)) == 600
        assert not damage(found) and whole == texts
        (note,) = (r for r in found if isinstance(r, Note))
        urls = [row["url"] for row in rows(found)]
        assert urls == texts[: 600 - note.count] + [None] * note.count
        assert note.what == "damaged_column" and 0 < note.count <= 300
        assert [json.loads(row["meta"])["n"] for row in rows(found)] == list(range(600))
    else:
        assert [d.reason for d in damage(found)] == ["corrupt"]
        assert whole[:300] == texts[:300] and whole == texts[: len(whole)]


def test_a_value_that_is_not_utf_8_outside_of_the_text_is_null(tmp_path):
    bad = pa.array([b"a", b"\xff", b"c", None], pa.binary()).view(pa.string())
    nested = pa.StructArray.from_arrays([bad], ["s"])
    table = {"text": ["t", "u", "v", "w"], "url": bad, "deep": nested}
    found = read(stored(tmp_path, table, use_dictionary=False), Parquet(url="url", meta=("deep",)))
    assert found[0] == Note("damaged_fields", 2)
    assert [(row["text"], row["url"]) for row in rows(found)] == [
        ("t", "a"),
        ("u", None),
        ("v", "c"),
        ("w", None),
    ]
    assert json.loads(rows(found)[1]["meta"]) == {"deep": None}
    assert json.loads(rows(found)[2]["meta"]) == {"deep": {"s": "c"}}


class Keys(encryption.KmsClient):
    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize(
    ("column", "is_footer_plain", "reason"),
    [("n", False, "encrypted"), ("text", True, "encrypted"), ("n", True, None)],
)
def test_what_is_encrypted_is_called_so(tmp_path, column, is_footer_plain, reason):
    options = encryption.EncryptionConfiguration(
        footer_key="k", column_keys={"c": [column]}, plaintext_footer=is_footer_plain
    )
    factory = encryption.CryptoFactory(lambda _: Keys())
    keys = factory.file_encryption_properties(encryption.KmsConnectionConfig(), options)
    file = stored(tmp_path, {"text": ["a"], "n": [1]}, encryption_properties=keys)
    found = read(file)
    assert [d.reason for d in damage(found)] == ([reason] if reason else [])
    assert [row["text"] for row in rows(found)] == ([] if reason else ["a"])


def test_a_damaged_row_group_costs_itself(tmp_path):
    texts = [f"{n} " + "мәтін " * 50 for n in range(400)]
    options = {"write_page_checksum": False, "compression": "zstd", "use_dictionary": False}
    file = stored(tmp_path, {"text": texts}, row_group_size=100, **options)
    chunk = pq.read_metadata(file.path).row_group(2).column(0)
    data = bytearray(Path(file.path).read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size  # the page's header has statistics
    for place in range(end - 120, end - 60):
        data[place] ^= 0xFF
    found = read(stored(tmp_path, bytes(data)))
    bad = damage(found)
    assert [(d.reason, d.offset) for d in bad] == [("corrupt", chunk.data_page_offset)]
    assert bad[0].length == chunk.total_compressed_size and "row group 2" in bad[0].error
    groups = [row["locator"].split(":")[0] for row in rows(found)]
    assert groups == ["0"] * 100 + ["1"] * 100 + ["3"] * 100


def test_one_flipped_bit_is_detected_where_pages_have_checksums(tmp_path):
    texts = [f"text {n}" for n in range(100)]
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    file = stored(tmp_path, {"text": texts}, row_group_size=50, **options)
    data = bytearray(Path(file.path).read_bytes())
    data[data.index(b"text 77")] ^= 1
    found = read(stored(tmp_path, bytes(data)))
    assert [d.reason for d in damage(found)] == ["corrupt"]
    assert [row["text"] for row in rows(found)] == texts[:50]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_a_row_that_is_not_utf_8_costs_itself(tmp_path, kind):
    values = pa.array([b"a", b"\xff\xfe", None, b"b"], pa.binary())
    if kind == pa.string():
        values = values.view(pa.string())
    file = stored(tmp_path, {"text": values}, use_dictionary=False)
    found = read(file)
    assert [(d.reason, "0:1" in d.error) for d in damage(found)] == [("invalid_utf8", True)]
    assert [(row["locator"], row["text"]) for row in rows(found)] == [("0:0", "a"), ("0:3", "b")]
    assert sum(r.count for r in found if isinstance(r, Skip)) == 1


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_no_mutation_of_a_file_raises(tmp_path_factory, seed, count):
    folder = tmp_path_factory.mktemp("mutated")
    table = {"text": ["аб", "вг", None, "x" * 50], "n": [1, 2, 3, 4]}
    data = bytearray(Path(stored(folder, table, row_group_size=2).path).read_bytes())
    for i in range(count):
        data[(seed >> (i * 3)) % len(data)] = (seed >> (i * 7)) & 0xFF
    file = stored(folder, bytes(data))
    for piece in TEXTS.split(file, 10):
        for record in read(file, piece=piece):
            assert isinstance(record, DocumentTable | Skip | Damage | Note)


@pytest.mark.parametrize("target", [1, 300, 10**9])
def test_pieces_together_give_what_the_whole_gives(tmp_path, target):
    texts = [f"{n} " + "a" * (n % 7 * 30) for n in range(100)]
    file = stored(tmp_path, {"text": texts}, row_group_size=9)
    pieces = TEXTS.split(file, target)
    assert pieces[0].start == 0 and pieces[-1].end == 12
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert len(pieces) == {1: 12, 10**9: 1}.get(target, len(pieces))
    found = [row for piece in pieces for row in rows(read(file, piece=piece))]
    assert found == rows(read(file))
    assert [row["text"] for row in found] == texts


def test_the_footer_gives_the_places_of_row_groups_as_pyarrow_does(tmp_path):
    table = {
        "text": [f"text {n % 9}" for n in range(100)],
        "n": list(range(100)),
        "l": [[1.5, 2.5], []] * 50,
    }
    file = stored(tmp_path, table, row_group_size=30)
    data = Path(file.path).read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    metadata = pq.read_metadata(file.path)
    expected = []
    for group in range(metadata.num_row_groups):
        chunks = [metadata.row_group(group).column(i) for i in range(3)]
        starts = [c.dictionary_page_offset or c.data_page_offset for c in chunks]
        beyond = chunks[2].num_values - metadata.row_group(group).num_rows
        stored_bytes = sum(c.total_compressed_size for c in chunks)
        expected.append((min(starts), stored_bytes, {b"text": 0, b"n": 0, b"l": beyond}))
    footer = data[-8 - length : -8]
    assert row_groups(footer, file.size) == expected
    assert row_groups(footer[: length // 2], file.size) == []


@given(st.binary(max_size=200))
def test_no_footer_raises(footer):
    for offset, length, _ in row_groups(footer, 1000):
        assert 0 <= offset <= offset + length <= 1000
    names_extension_types(footer)


@pytest.mark.parametrize("sign", [b"\x08\x04\x04AAAA", b"\x00", b"", b"\x28\x04AAAA"])
def test_a_schema_stored_in_an_unusual_way_is_not_trusted(sign):
    assert names_extension_types(b"ARROW:schema" + sign)
    assert not names_extension_types(b"ARROW:schema\x18\x04AAAA")


def test_columns_and_their_fields_are_counted_before_the_footer_is_parsed(tmp_path):
    file = stored(tmp_path, {"a": ["x"], "b": [[{"c": 1, "d": 2}]]})
    data = Path(file.path).read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    version = footer[:2]
    assert fields_claimed(footer) == (2, 6)
    assert fields_claimed(version + b"\x05\x04" + footer[2:]) == (0, 0)  # no schema there
    assert fields_claimed(footer[:9]) == (0, 6)  # the root is cut


def test_a_file_of_too_many_fields_is_refused_unparsed(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_rows, "MAX_COLUMNS", 2)
    monkeypatch.setattr(parquet_rows, "_MAX_FIELDS", 4)
    monkeypatch.setattr(parquet_rows.pq, "read_metadata", None)
    for table in ({"a": [1], "b": [1], "c": [1]}, {"a": ["x"], "b": [[{"c": 1, "d": 2}]]}):
        (found,) = read(stored(tmp_path, table))
        assert found.reason == "too_many_columns"


#: Values of one row, of another row, and the lists, objects and values of the first.
NESTED = {
    "list": (pa.list_(pa.int8()), [1] * 9, [1], 10),
    "large_list": (pa.large_list(pa.int8()), [1] * 9, None, 10),
    "list_view": (pa.list_view(pa.int8()), [1] * 9, [], 10),
    "large_list_view": (pa.large_list_view(pa.int8()), [1] * 9, [1], 10),
    "fixed_size_list": (pa.list_(pa.list_(pa.int8()), 2), [[1] * 6, [2]], [[], []], 10),
    "map": (pa.map_(pa.string(), pa.int8()), [("a", 1), ("b", 2), ("c", 3)], [("d", 1)], 10),
    "struct": (pa.struct({"a": pa.list_(pa.int8())}), {"a": [1] * 8}, {"a": None}, 10),
    "lists": (pa.list_(pa.list_(pa.int8())), [[1, 2], [3], [], [1, 2]], [[]], 10),
    "dictionaries": (pa.list_(pa.dictionary(pa.int8(), pa.string())), ["x"] * 9, ["x"], 10),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_row_of_very_many_values_is_damage_and_never_an_object(tmp_path, monkeypatch, name):
    kind, large, small, parts = NESTED[name]
    values = pa.array([small, large, small, large, small], kind)
    file = stored(tmp_path, {"text": list("abcde"), "x": values})
    every = rows(read(file, Parquet(meta=("x",))))
    monkeypatch.setattr(parquet_rows, "MAX_PARTS", parts)
    assert rows(read(file, Parquet(meta=("*",)))) == every
    monkeypatch.setattr(parquet_rows, "MAX_PARTS", parts - 1)
    found = read(file, Parquet(meta=("x",)))
    assert [row["text"] for row in rows(found)] == ["a", "c", "e"]
    assert [(d.reason, d.error.split(":")[1]) for d in damage(found)] == [
        ("too_complex", "1"),
        ("too_complex", "3"),
    ]
    assert len(rows(read(file, Parquet(columns=("x",))))) == 5


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.binary_view(),
                                  pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.string()),
                                  pa.struct({"a": pa.string_view()}), pa.binary(9)])  # fmt: skip
def test_a_row_of_very_much_text_beside_its_own_is_damage(tmp_path, monkeypatch, kind):
    def value(text):
        text = text.encode() if "binary" in str(kind) else text
        nested = {pa.lib.Type_LIST: [text], pa.lib.Type_STRUCT: {"a": text}}
        return nested.get(kind.id, text)

    short = None if kind == pa.binary(9) else value("b")
    values = pa.array([short, value("a" * 9), None], kind)
    file = stored(tmp_path, {"text": ["long text"] * 3, "x": values})
    monkeypatch.setattr(parquet_rows, "CAP", 8)
    found = read(file, Parquet(meta=("x",)))
    # Of a fixed size all have their bytes, and nulls too.
    assert [d.reason for d in damage(found)] == ["too_large"] * (3 if short is None else 1)
    assert len(rows(found)) == 3 - len(damage(found))
    assert "9 bytes" in damage(found)[0].error
    monkeypatch.setattr(parquet_rows, "CAP", 79)  # of rows together much less: parts of the batch
    found = read(file, Parquet(meta=("x",)))
    assert [len(record.table) for record in found] == ([1, 1, 1] if short is None else [1, 2])


def test_a_table_without_rows_has_no_documents(tmp_path):
    for kind in (pa.string(), pa.null()):
        assert read(stored(tmp_path, {"text": pa.array([], kind)}), Parquet(url="u")) == []
    with pq.ParquetWriter(tmp_path / "none.parquet", pa.schema([("text", pa.string())])):
        pass
    path = tmp_path / "none.parquet"
    file = InputFile(str(path), path.name, path.stat().st_size)
    assert pq.read_metadata(path).num_row_groups == 0 and read(file) == []


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "column"),
    [("dpk-lang_id-test_03.parquet", "text"), ("dpk-filter-test1.parquet", "contents")],
)
def test_real_files_give_every_row(name, column):
    path = Path(DATA) / "formats" / name
    file = InputFile(str(path), name, path.stat().st_size)
    found = read(file, Parquet(text=column))
    assert not damage(found)
    assert [row["text"] for row in rows(found)] == pq.read_table(path)[column].to_pylist()


@pytest.mark.parametrize("kind", [pa.string_view(), pa.list_(pa.string_view())], ids=str)
def test_a_string_in_a_column_of_views_that_is_not_utf8_costs_its_value(tmp_path, kind):
    raw = pa.array([b"good", b"\xff\xfe and more than twelve", b"x"]).cast(pa.binary_view())
    if kind == pa.string_view():
        bad = pa.StringViewArray.from_buffers(kind, 3, raw.buffers())
    else:
        inner = pa.StringViewArray.from_buffers(pa.string_view(), 3, raw.buffers())
        bad = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), inner)
    file = stored(tmp_path, pa.table({"text": ["a", "b", "c"], "other": bad}))
    found = list(read(file, Parquet(meta=("other",))))
    kept = [json.loads(row["meta"])["other"] for row in rows(found)]
    assert kept == [["good"], None, ["x"]] or kept == ["good", None, "x"]
    assert Note("damaged_fields", 1) in found


def test_a_large_row_group_is_read_in_parts_with_the_same_records(tmp_path, monkeypatch):
    texts = [f"{n} " + os.urandom(500).hex() for n in range(4000)]
    table = {"url": [f"https://example.org/{n}" for n in range(4000)], "text": texts}
    file = stored(tmp_path, table, compression="none", use_dictionary=False)
    source = Parquet(url="url")
    whole = rows(read(file, source))
    monkeypatch.setattr(parquet_rows, "_AT_ONCE", 1 << 20)
    monkeypatch.setattr(parquet_rows, "_BY_PARTS", 1 << 16)
    largest = []

    class Watched(io.FileIO):
        def read(self, size=-1):
            largest.append(size)
            return super().read(size)

    monkeypatch.setattr(InputFile, "open", lambda file, *, ahead=True: Watched(file.path))
    assert rows(read(file, source)) == whole
    assert [row["text"] for row in whole] == texts
    # A page has 1 MiB; the column has 4.
    assert max(largest) < 3 << 20


def test_columns_without_a_declared_type_are_read_as_text(tmp_path):
    uuid = bytes(range(240, 256))
    table = {
        "text": ["a", "b"],
        "id": pa.array([b"doc-7", uuid]),
        "date": pa.array([b"2020-01-01", b"\xff"]),
        "url": pa.array([b"http://a", b"\xff"]),
    }
    found = read(stored(tmp_path, table), Parquet(id="id", date="date", url="url"))
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    assert rows(found) == [
        {"locator": "0:0~doc-7", "text": "a", "url": "http://a", "date": day},
        {"locator": f"0:1~{uuid.hex()}", "text": "b", "url": None, "date": None},
    ]
    assert [each for each in found if isinstance(each, Note)] == [Note("damaged_fields", 1)]
    floats = stored(tmp_path, {"text": ["a", "b", "c"], "id": [7.0, 0.5, None]})
    locators = [row["locator"] for row in rows(read(floats, Parquet(id="id")))]
    assert locators == ["0:0~7", "0:1", "0:2"]
