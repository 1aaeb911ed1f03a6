"""Dedup and mix, of files and of tables, return the columns of the input with their types."""

import datetime
import decimal
import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import deduplicate, mix
from curate.sources.columns import common
from curate.sources.json_types import fits, types_of
from curate.sources.jsonl import RECORDS
from tests.examples import examples
from tests.unit.cli.commands import curate
from tests.unit.cli.test_files_as_people_have_them import BAKER, MAPS, RIVER

TEXTS = [BAKER, RIVER, BAKER, MAPS]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()


def run(*arguments, command="dedup"):
    return curate(command, *arguments, "--output", "out", "--engine", "in-process")


def stored(*folders):
    """Return the tables of a run's datasets, read alone: each has all columns."""
    folders = folders or ("mixture", "rejected")
    paths = [path for name in folders for path in sorted(Path("out", name).rglob("*.parquet"))]
    return [pq.ParquetFile(path).read() for path in paths]


def extension(kind, storage):
    return pa.ExtensionArray.from_storage(kind, storage)


def values(kind, *some):
    return pa.array([*some, None, *some][:4], kind)


OF_EVERY_TYPE = {
    "at": values(pa.timestamp("us"), datetime.datetime(2024, 1, 2, 3, 4, 5, 678), 7),
    "zoned": values(pa.timestamp("ns", "Asia/Almaty"), 1, 2**60 + 1),
    "day": values(pa.date32(), 19723, -1),
    "time": values(pa.time64("us"), 5, 6),
    "took": values(pa.duration("ms"), 5, 6),
    "price": values(pa.decimal128(10, 2), decimal.Decimal("1.50"), decimal.Decimal("-2.00")),
    "wide": values(pa.decimal256(50, 3), decimal.Decimal("1.500"), decimal.Decimal(10**40)),
    "tiny": values(pa.int8(), -128, 127),
    "big": values(pa.uint64(), 2**64 - 1, 0),
    "half": values(pa.float16(), 1.5, 2.0),
    "score": values(pa.float32(), 0.1, float("inf")),
    "flag": values(pa.bool_(), True, False),
    "name": values(pa.string(), "ә", ""),
    "long": values(pa.large_string(), "ә", ""),
    "view": values(pa.string_view(), "a text longer than twelve bytes", ""),
    "raw": values(pa.binary(), b"\xff\x00", b""),
    "raw_view": values(pa.binary_view(), b"\xff" * 20, b""),
    "key": values(pa.binary(3), b"abc", b"\xff\xff\xff"),
    "kind": values(pa.dictionary(pa.int32(), pa.string()), "x", "y"),
    "order": values(pa.dictionary(pa.int32(), pa.string(), ordered=True), "x", "y"),
    "embedding": values(pa.list_(pa.float32()), [1.5, None], []),
    "fixed": values(pa.list_(pa.float32(), 2), [1.5, 2.5], [0.0, 1.0]),
    "views": values(pa.list_(pa.string_view()), ["a", None], []),
    "large": values(pa.large_list(pa.string()), ["a", None], []),
    "struct": values(pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]), {"b": ["x"]}, {}),
    "coded": values(
        pa.struct([("a", pa.dictionary(pa.int32(), pa.string()))]), {"a": "x"}, {"a": "y"}
    ),
    "map": values(pa.map_(pa.string(), pa.int32()), [("k", 1), ("l", None)], []),
    "none": pa.nulls(4),
    "uuid": extension(pa.uuid(), values(pa.binary(16), b"a" * 16, b"b" * 16)),
    "json": extension(pa.json_(), values(pa.string(), "{}", "[1]")),
    "bool8": extension(pa.bool8(), values(pa.int8(), 1, 0)),
    "tensor": extension(
        pa.fixed_shape_tensor(pa.float32(), [2]), values(pa.list_(pa.float32(), 2), [1, 2], [3, 4])
    ),
}


def taken(column, rows):
    """Return rows of a column; Arrow cannot take those of views."""
    parts = [column.slice(row, 1).chunk(0) for row in rows]
    return pa.chunked_array(parts, column.type)


def same(one, other):
    """Compare values in the types in which they are stored: not all have a Python object."""
    if isinstance(one.type, pa.BaseExtensionType):
        one, other = (pa.chunked_array([c.storage for c in each.chunks]) for each in (one, other))
    return one.to_pylist() == other.to_pylist()


@pytest.mark.parametrize("command", ["dedup", "mix"])
def test_every_type_comes_back_as_it_was(command):
    given = pa.table({"doc": [0, 1, 2, 3], "text": TEXTS} | OF_EVERY_TYPE)
    pq.write_table(given, "in/a.parquet", row_group_size=3)
    given = pq.read_table("in/a.parquet").drop_columns(["text"])
    mixing = ("--ratio", "eng_Latn=1", "--unit", "documents") if command == "mix" else ()
    assert run("in", *mixing, command=command).code == 0
    tables = stored()
    assert len(tables) == (1 if command == "mix" else 2)
    numbers = [table["doc"].to_pylist() for table in tables]
    assert sorted(row for rows in numbers for row in rows) == [0, 1, 2, 3]
    for table, rows in zip(tables, numbers, strict=True):
        assert table["meta"].null_count == len(rows)
        for name in given.column_names:
            assert table.schema.field(name).type == given.schema.field(name).type, name
            assert same(table[name], taken(given[name], rows)), name


@pytest.mark.parametrize("form", [deduplicate, partial(mix, ratio="eng_Latn=1", unit="documents")])
def test_tables_in_memory_keep_every_type_too(form):
    given = pa.table({"text": TEXTS, "lang": ["eng_Latn"] * 4} | OF_EVERY_TYPE)
    found = form(given)
    rows = [int(id.partition("#")[2]) for id in found["id"].to_pylist()]
    assert sorted(rows) == [0, 1, 2, 3]
    for name in OF_EVERY_TYPE:
        assert found.schema.field(name).type == given.schema.field(name).type, name
        assert same(found[name], taken(given[name], rows)), name


def test_the_product_is_read_by_datasets():
    datasets = pytest.importorskip("datasets")
    columns = {"kind": OF_EVERY_TYPE["kind"], "at": OF_EVERY_TYPE["at"]}
    pq.write_table(pa.table({"text": TEXTS} | columns), "in/a.parquet")
    assert run("in").code == 0
    (part,) = Path("out/mixture/main").glob("*.parquet")
    found = datasets.load_dataset("parquet", data_files=str(part), split="train", cache_dir="cache")
    expected = pq.ParquetFile(part).read()
    assert found["kind"][:] == expected["kind"].to_pylist()
    assert found["at"][:] == expected["at"].to_pylist()
    assert found.features["at"].dtype == "timestamp[us]"


def test_files_that_differ_get_the_type_that_holds_both_and_null_where_one_lacks_a_column():
    write = pq.write_table
    write(pa.table({"text": [BAKER], "n": pa.array([1], pa.int8()), "only": ["a"]}), "in/a.parquet")
    write(pa.table({"n": pa.array([2**40]), "s": [{"x": 1}], "text": [RIVER]}), "in/b.parquet")
    write(pa.table({"text": [MAPS], "n": pa.nulls(1), "s": [{"y": "z"}]}), "in/c.parquet")
    assert run("in").code == 0
    (table,) = stored("mixture")
    assert table.schema.field("n").type == pa.int64()
    rows = {row["text"]: (row["n"], row["only"], row["s"]) for row in table.to_pylist()}
    assert rows == {
        BAKER: (1, "a", None), RIVER: (2**40, None, {"x": 1, "y": None}),
        MAPS: (None, None, {"x": None, "y": "z"}),
    }  # fmt: skip


def test_a_column_without_one_type_is_kept_as_json_said_and_counted():
    pq.write_table(pa.table({"text": [BAKER], "n": [1], "k": ["a"]}), "in/a.parquet")
    pq.write_table(pa.table({"text": [RIVER], "n": ["one"], "k": ["b"]}), "in/b.parquet")
    result = run("in")
    assert result.code == 0
    assert "kept as JSON in meta, because no one type holds the values of all files: 'n'" in (
        result.err
    )
    (table,) = stored("mixture")
    rows = {row["k"]: json.loads(row["meta"]) for row in table.to_pylist()}
    assert rows == {"a": {"n": 1}, "b": {"n": "one"}}
    assert "n" not in table.column_names
    files = json.loads(Path("out/manifest.json").read_text())["ledger"]["files"]
    assert sum(counts["noted"].get("column_as_json", 0) for counts in files.values()) == 2


def test_names_of_ours_are_renamed_and_said():
    columns = {"id": ["x"], "input_id": [5], "date": ["2024-01-01"], "signal_x": [1], "url": ["u"]}
    pq.write_table(pa.table({"text": [BAKER]} | columns), "in/a.parquet")
    result = run("in", "--date-field", "date", "--url-field", "url")
    assert result.code == 0
    assert "in the product 'id' is 'input_input_id', 'date' is 'input_date'" in result.err
    (row,) = stored("mixture")[0].to_pylist()
    assert row["id"] == "parquet/a.parquet#0:0"
    assert (row["input_input_id"], row["input_id"], row["input_date"]) == ("x", 5, "2024-01-01")
    assert (row["input_signal_x"], row["url"]) == (1, "u")
    assert row["date"] == datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    assert "input_url" not in row


def test_the_text_inside_a_struct_leaves_its_neighbours():
    bodies = [{"body": BAKER, "lang": "en", "more": {"n": 1}}, None, {"body": MAPS, "lang": None}]
    alone = [{"body": text} for text in (BAKER, RIVER, MAPS)]
    pq.write_table(pa.table({"content": bodies, "alone": alone}), "in/a.parquet")
    assert run("in", "--text-field", "content.body").code == 0
    (table,) = stored("mixture")
    assert {row["text"]: row["content"] for row in table.to_pylist()} == {
        BAKER: {"lang": "en", "more": {"n": 1}}, MAPS: {"lang": None, "more": None},
    }  # fmt: skip


def test_the_type_of_a_package_is_not_carried_on_and_spoils_no_other_type():
    named = {b"ARROW:extension:name": b"ray.data.arrow_tensor", b"ARROW:extension:metadata": b"x"}
    schema = pa.schema(
        [
            ("text", pa.large_string()),
            pa.field("odd", pa.list_(pa.int16()), metadata=named),
            ("kind", pa.dictionary(pa.int32(), pa.string())),
            ("took", pa.duration("us")),
        ]
    )
    columns = [pa.array([BAKER]), pa.array([[1, 2]]), pa.array(["x"]), pa.array([7])]
    table = pa.table([c.cast(f.type) for c, f in zip(columns, schema)], schema=schema)
    pq.write_table(table, "in/a.parquet")
    assert run("in").code == 0
    (kept,) = stored("mixture")
    assert [kept.schema.field(name).type for name in ("odd", "kind", "took")] == [
        pa.list_(pa.int16()), pa.dictionary(pa.int32(), pa.string()), pa.duration("us"),
    ]  # fmt: skip
    assert kept["odd"].to_pylist() == [[1, 2]]
    assert all(b"extension" not in path.read_bytes() for path in Path("out").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int64(), pa.float64(), None),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.int32(), pa.float32(), pa.float64()),
        (pa.uint64(), pa.int64(), None),
        (pa.uint32(), pa.int64(), pa.int64()),
        (pa.string(), pa.binary(), None),
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.string()),
        (pa.timestamp("s"), pa.timestamp("us"), None),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), None),
        (pa.date32(), pa.timestamp("us"), None),
        (pa.decimal128(5, 2), pa.decimal128(10, 4), pa.decimal128(10, 4)),
        (pa.decimal128(5, 2), pa.float64(), None),
        (pa.int8(), pa.decimal128(10, 4), None),
        (pa.bool_(), pa.int8(), None),
        (pa.list_(pa.int8()), pa.list_(pa.int64()), pa.list_(pa.int64())),
        (pa.list_(pa.int64()), pa.list_(pa.float64()), None),
        (pa.list_(pa.int64(), 2), pa.list_(pa.int64(), 3), pa.list_(pa.int64())),
        (pa.null(), pa.uuid(), pa.uuid()),
    ],
    ids=str,
)
def test_two_types_have_one_in_common_only_without_loss(one, other, both):
    assert common(one, other) == both
    assert common(other, one) == both


def lines(path, *records):
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))


def test_fields_of_json_get_types():
    more = {"score": 2.5, "tags": ["a", None], "who": {"name": "ә", "age": 3}, "n": 2**62 + 1}
    lines("in/a.jsonl", {"text": BAKER, **more, "score": 1, "flag": True})
    with Path("in/a.jsonl").open("a") as file:
        file.write(json.dumps({"text": RIVER, **more, "none": None, "who": {"city": "x"}}) + "\n")
        file.write(json.dumps({"text": BAKER, "flag": None, "who": {"age": 4}}) + "\n")
    assert run("in").code == 0
    for table in stored():
        assert [table.schema.field(name).type for name in ("score", "flag", "tags", "n")] == [
            pa.float64(), pa.bool_(), pa.list_(pa.string()), pa.int64(),
        ]  # fmt: skip
        assert table["meta"].null_count == table.num_rows
    rows = {row["id"].partition("#")[2]: row for table in stored() for row in table.to_pylist()}
    first, second, third = (rows[key] for key in sorted(rows, key=int))
    assert (first["score"], first["flag"], first["n"]) == (1.0, True, 2**62 + 1)
    assert (second["score"], second["tags"], second["flag"]) == (2.5, ["a", None], None)
    assert third["who"] == {"name": None, "age": 4, "city": None}


def test_values_of_json_that_do_not_fit_stay_as_they_are_and_are_counted():
    usual = [{"text": f"{MAPS} {n}", "n": n, "s": {"a": n}} for n in range(RECORDS)]
    odd = [
        {"text": RIVER, "n": "seven", "s": {"a": 1, "b": 2}, "new": [1]},
        {"text": BAKER, "n": 2**70, "s": None, "new": None},
    ]
    lines("in/a.jsonl", *usual, *odd)
    assert run("in", "--threshold", "1").code == 0
    rows = {row["text"]: row for table in stored("mixture") for row in table.to_pylist()}
    assert json.loads(rows[RIVER]["meta"]) == {"n": "seven", "s": {"a": 1, "b": 2}, "new": [1]}
    assert json.loads(rows[BAKER]["meta"]) == {"n": 2**70, "new": None}
    assert rows[RIVER]["n"] is None
    assert sum(row["meta"] is None for row in rows.values()) == len(rows) - 2
    files = json.loads(Path("out/manifest.json").read_text())["ledger"]["files"]
    assert files["jsonl/a.jsonl"]["noted"] == {"column_as_json": 3}


def test_json_and_parquet_share_a_column_where_a_type_holds_both():
    lines("in/a.jsonl", {"text": BAKER, "n": 1, "when": "2024-01-01", "k": "x"})
    day = pa.array([19723], pa.date32())
    kind = pa.array(["y"]).dictionary_encode()
    table = {"text": [RIVER], "n": pa.array([2], pa.int16()), "when": day, "k": kind}
    pq.write_table(pa.table(table), "in/b.parquet")
    result = run("in")
    assert "hold" in result.err and ": 'when'" in result.err
    (kept,) = stored("mixture")
    assert sorted(kept["n"].to_pylist()) == [1, 2] and kept.schema.field("n").type == pa.int64()
    assert sorted(kept["k"].to_pylist()) == ["x", "y"] and kept.schema.field("k").type == "string"
    assert sorted(kept["meta"].to_pylist()) == ['{"when":"2024-01-01"}'] * 2


def test_dates_and_addresses_of_json_are_ours_and_stay_as_they_were():
    lines("in/a.jsonl", {"text": BAKER, "url": "http://a", "date": "2024-01-02", "id": 7})
    assert run("in", "--url-field", "url", "--date-field", "date", "--id-field", "id").code == 0
    (row,) = stored("mixture")[0].to_pylist()
    assert row["id"] == "jsonl/a.jsonl#0~7"
    assert (row["url"], row["input_url"], row["input_date"], row["input_id"]) == (
        "http://a", "http://a", "2024-01-02", 7,
    )  # fmt: skip
    assert row["date"] == datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=2),
    max_leaves=8,
)


def without_nulls(value):
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@examples(200)
@given(st.lists(JSON, min_size=1, max_size=4), JSON)
def test_a_value_that_fits_its_type_comes_back(seen, value):
    kind = types_of({"x": one} for one in seen)["x"]
    if kind is None:
        return
    holds = fits(kind)
    for one in (*seen, value):
        if holds(one):
            assert without_nulls(pa.array([one], kind).to_pylist()) == without_nulls([one])
    ints = [one for one in seen if type(one) is int]
    assert ints or all(map(holds, seen))
