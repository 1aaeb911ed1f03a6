"""Fields that a recipe gives names to are read the same by the kernel and by the careful reader."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engine.reading import read_shard
from curate.plan.build import build
from curate.recipe.recipe import parse_recipe
from curate.sources import jsonl

RECORDS = [
    {"text": f"text {n}", "a.b": n, "a": {"b": -n, "c": {"d": f"d{n}"}}, "n": n, "m": [n]}
    for n in range(600)
]


def documents(folder, columns, name="in.jsonl"):
    kind = "parquet" if name.endswith("parquet") else "jsonl"
    source = f'[sources.s]\nformat = "{kind}"\npath = "{folder}/{name}"\n'
    recipe = parse_recipe(f'name = "x"\n{source}{columns}', "x.toml")
    plan = build(recipe)
    (shard,) = plan.shards
    return pa.concat_tables(
        [batch.documents for batch in read_shard(plan.sources["s"], shard, 1 << 30)]
    )


@pytest.fixture
def folder(tmp_path):
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS)
    (tmp_path / "in.jsonl").write_text(lines)
    return tmp_path


@pytest.mark.parametrize(
    "columns",
    [
        '[sources.s.columns]\nnumber = "n"\nlist = "m"\nagain = "n"',
        '[sources.s.columns]\nnumber = "n"\ndeep = "a.c.d"\nfirst = "a.b"',
        'columns = ["*", "a.c.d"]',
        'columns = ["*"]',
    ],
)
def test_kernel_and_careful_reader_agree(folder, columns, monkeypatch):
    found = documents(folder, columns)
    monkeypatch.setattr(jsonl, "COMPILED", 1 << 40)
    assert documents(folder, columns).equals(found)


def test_a_name_with_a_dot_goes_before_a_path_and_what_is_taken_leaves_meta(folder):
    found = documents(folder, '[sources.s.columns]\ndeep = "a.c.d"\nfirst = "a.b"\nn2 = "n"')
    row = found.slice(7, 1).to_pylist()[0]
    assert (row["deep"], row["first"], row["n2"]) == ("d7", 7, 7)
    assert json.loads(row["meta"]) == {"a": {"b": -7}, "m": [7]}


def test_all_fields_are_names_never_paths(tmp_path):
    lines = [{"text": "x", "a.b": 1}, {"text": "y", "a": {"b": 2}}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = documents(tmp_path, 'columns = ["*"]')
    assert found["a.b"].to_pylist() == [1, None]
    assert found["a"].to_pylist() == [None, {"b": 2}]


def test_a_value_that_does_not_fit_its_type_stays_where_it_was(tmp_path):
    records = [{"text": f"t{n}", "q": {"s": n}} for n in range(jsonl.RECORDS)]
    records += [{"text": "odd", "q": {"s": "high"}}, {"text": "none"}, {"text": "flat", "q": 3}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
    found = documents(tmp_path, '[sources.s.columns]\nquality = "q.s"')
    assert found["quality"].type == pa.int64()
    last = found.slice(jsonl.RECORDS).to_pylist()
    assert [row["quality"] for row in last] == [None] * 3
    assert [row["meta"] for row in last] == ['{"q":{"s":"high"}}', None, '{"q":3}']


def test_parquet_follows_paths_and_keeps_types(tmp_path):
    scores = pa.array(
        [{"s": 0.5, "k": None}, None], pa.struct([("s", pa.float32()), ("k", "int8")])
    )
    table = {"text": ["x", "y"], "q": scores, "at": pa.array([1, 2], pa.timestamp("s"))}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    chosen = '[sources.s.columns]\nquality = "q.s"\nwhen = "at"\nkind = "q.k"'
    found = documents(tmp_path, chosen, "in.parquet")
    assert [found.schema.field(n).type for n in ("quality", "when", "kind")] == [
        pa.float32(), pa.timestamp("ms"), pa.int8(),
    ]  # fmt: skip
    assert found["quality"].to_pylist() == [0.5, None]
