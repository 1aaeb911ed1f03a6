"""The join of sidecars against a dictionary: every key of both sides is matched or counted."""

import hashlib
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError, ResourceError
from curate.plan.sidecars import joining, planned_sidecars
from curate.protocol.in_memory import resolve
from curate.recipe.recipe import parse_recipe
from tests.examples import examples

SOURCE = 'name = "x"\n[sources.s]\nformat = "jsonl"\npath = []\nid = "doc"\n'


def joined(recipe, table, *, shards=1, partitions=1):
    """Return the documents with the columns of a recipe's sidecars, and what was counted."""
    sidecars, fields = planned_sidecars(parse_recipe(SOURCE + recipe, "x.toml"), "x.toml")
    (stage,) = joining(sidecars)
    for field in fields:
        table = table.append_column(field, pa.nulls(len(table), field.type))
    datasets = resolve(stage, table, shards=shards, partitions=partitions)
    counts = {}
    for row in datasets["sidecar_report"].drop_columns(["part"]).to_pylist():
        counts.setdefault(row.pop("sidecar"), Counter()).update(row)
    return stage.apply(table, datasets["decisions"], Counter()), counts


def documents(*rows):
    columns = {
        field.name: pa.array([row.get(field.name) for row in rows], field.type)
        for field in schema.DOCUMENT_SCHEMA
    }
    return pa.table(columns)


def lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


URLS = st.sampled_from([f"https://a/{n}" for n in range(6)])


@examples(40)
@given(
    urls=st.lists(st.none() | URLS, max_size=12),
    rows=st.dictionaries(URLS, st.none() | st.integers(0, 9)),
    cut=st.sampled_from([(1, 1), (3, 1), (2, 5)]),
)
def test_the_join_is_that_of_a_dictionary(tmp_path_factory, urls, rows, cut):
    path = tmp_path_factory.mktemp("s") / "s.jsonl"
    lines(path, {"url": "https://other", "n": 7}, *({"url": u, "n": n} for u, n in rows.items()))
    table = documents(*({"id": f"s/f#{i}", "text": "t", "url": u} for i, u in enumerate(urls)))
    recipe = f'[sidecars.y]\npath = "{path}"\nby = "url"\ncolumns = {{ mine = "n" }}'
    found, counts = joined(recipe, table, shards=cut[0], partitions=cut[1])
    assert found["mine"].to_pylist() == [rows.get(url) for url in urls]
    expected = {
        "documents": len(urls),
        "unmatched_documents": sum(u is not None and u not in rows for u in urls),
        "documents_without_key": urls.count(None),
        "rows": len(rows) + 1,
        "unmatched_rows": 1 + sum(url not in urls for url in rows),
        "rows_without_key": 0,
        "values_that_do_not_fit": 0,
    }
    assert counts == {"y": expected}


TEXT = "жазда тау баурайы"


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("form", ["hex", "upper", "bytes"])
def test_texts_are_found_by_their_hash(tmp_path, name, form):
    digest = hashlib.new(name, TEXT.encode())
    shown = {"hex": digest.hexdigest(), "upper": digest.hexdigest().upper() + " "}
    table = {"hash": [shown.get(form, digest.digest())], "v": pa.array([[1, 2]])}
    pq.write_table(pa.table(table), tmp_path / "s.parquet")
    recipe = f'[sidecars.y]\npath = "{tmp_path}/s.parquet"\nby = "{name}"\nkey = "hash"\n'
    rows = ({"id": f"s/f#{i}", "text": text} for i, text in enumerate([TEXT, "x", None, TEXT]))
    found, _ = joined(recipe + 'columns = ["v"]', documents(*rows))
    assert found["v"].to_pylist() == [[1, 2], None, None, [1, 2]]


def test_own_ids_are_compared_as_ids_write_them(tmp_path):
    pq.write_table(pa.table({"id": [7, 8, None], "v": ["a", "b", "c"]}), tmp_path / "n.parquet")
    lines(tmp_path / "t.jsonl", {"k": "a#b~c", "w": 1}, {"k": 7, "w": 2}, {"w": 3})
    recipe = f"""
    [sidecars.numbers]
    path = "{tmp_path}/n.parquet"
    by = "own_id"
    columns = ["v"]
    [sidecars.texts]
    path = "{tmp_path}/t.jsonl"
    by = "own_id"
    key = "k"
    columns = ["w"]
    """
    ids = ["s/f.jsonl#0~7", "s/f~8.jsonl#5", "s/f#9~a%23b~c", "s/f#12~"]
    found, counts = joined(recipe, documents(*({"id": id, "text": "t"} for id in ids)))
    assert found["v"].to_pylist() == ["a", None, None, None]
    assert found["w"].to_pylist() == [2, None, 1, None]
    assert counts["numbers"]["rows_without_key"] == counts["texts"]["rows_without_key"] == 1
    assert counts["texts"]["documents_without_key"] == 1


def test_values_have_their_types_and_what_does_not_fit_is_null_and_counted(tmp_path):
    first = [{"id": f"s/f#{n}", "i": n, "s": {"x": [str(n)]}, "b": True} for n in range(500)]
    last = [{"id": "s/f#500", "i": "many", "s": 3, "b": False}, {"id": "s/f#501", "i": 2.5}]
    lines(tmp_path / "s.jsonl", *first, *last)
    recipe = f'[sidecars.y]\npath = "{tmp_path}/s.jsonl"\ncolumns = ["i", "s", "b"]'
    wanted = documents(*({"id": f"s/f#{n}", "text": "t"} for n in (3, 500, 501)))
    found, counts = joined(recipe, wanted)
    nested = pa.struct([("x", pa.list_(pa.string()))])
    assert [found.schema.field(n).type for n in "isb"] == [pa.int64(), nested, pa.bool_()]
    assert found.select(list("isb")).to_pylist() == [
        {"i": 3, "s": {"x": ["3"]}, "b": True},
        {"i": None, "s": None, "b": False},
        {"i": None, "s": None, "b": None},
    ]
    assert counts["y"]["values_that_do_not_fit"] == 3


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_key_that_two_rows_have_is_refused_in_one_sentence(tmp_path, partitions):
    lines(tmp_path / "a.jsonl", {"id": "s/f#1", "n": 1}, {"id": "nobody", "n": 1})
    lines(tmp_path / "b.jsonl", {"id": "s/f#2", "n": 1}, {"id": "nobody", "n": 2})
    recipe = f'[sidecars.y]\npath = "{tmp_path}/*.jsonl"\ncolumns = ["n"]'
    with pytest.raises(RecipeError) as caught:
        joined(recipe, documents({"id": "s/f#1", "text": "t"}), partitions=partitions)
    assert caught.value.what == "the sidecar 'y' has the key 'nobody' in more than one row"


def test_what_cannot_be_read_ends_the_run(tmp_path):
    lines(tmp_path / "s.jsonl", {"id": "a", "n": 1})
    with (tmp_path / "s.jsonl").open("a") as file:
        file.write('{"id": \n')
    recipe = f'[sidecars.y]\npath = "{tmp_path}/s.jsonl"\ncolumns = ["n"]'
    with pytest.raises(ResourceError, match="'y' has a record that cannot be read: bad_json at by"):
        joined(recipe, documents({"id": "a", "text": "t"}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('columns = ["score"]', "has the field 'score' of columns: did you mean 'scores'?"),
        ('columns = ["lang"]', "'lang' is a column of curate's own: call yours 'input_lang'"),
        ('columns = { n_words = "n" }', "'n_words' is a signal of curate's own"),
        ('columns = ["n"]\nkey = "ids"', "has the field 'ids' of columns: did you mean 'id'?"),
        ('columns = ["n"]\nkey = "scores"', "the key 'scores' is double"),
        ('columns = ["n"]\n[sidecars.z]\npath = "{0}"\ncolumns = ["n"]', "the column 'n' comes from"
         " the sidecar 'y' and from 'z'"),
        ('columns = ["mixed"]', "no one type holds the values of 'mixed'"),
        ('columns = []', "sidecars.y.columns"),
        ('colums = ["n"]', "did you mean 'columns'?"),
        ('columns = ["n"]\nby = "hash"', "'id', 'own_id', 'url', 'md5', 'sha1' or 'sha256'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_the_rows_are_read(tmp_path, more, message):
    path = tmp_path / "s.jsonl"
    record = {"id": "a", "n": 1, "scores": 1.5, "lang": "x", "mixed": 1}
    lines(path, record, record | {"mixed": "one"})
    recipe = f'{SOURCE}[sidecars.y]\npath = "{path}"\n{more.replace("{0}", str(path))}'
    with pytest.raises(RecipeError) as caught:
        planned_sidecars(parse_recipe(recipe, "x.toml"), "x.toml")
    assert message in f"{caught.value.what}: {caught.value.hint}"


def test_files_that_do_not_fit_are_refused_before_the_rows_are_read(tmp_path):
    def plan(more):
        recipe = f'{SOURCE}[sidecars.y]\ncolumns = ["n"]\npath = "{tmp_path}"\n{more}'
        return planned_sidecars(parse_recipe(recipe, "x.toml"), "x.toml")

    lines(tmp_path / "s.jsonl", {"id": "a", "n": 1})
    (tmp_path / "s.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RecipeError, match="do not say one format"):
        plan("")
    with pytest.raises(RecipeError, match=r"s.parquet cannot be read: the file does not end like"):
        plan('format = "parquet"')
    (found,), _ = plan('format = "jsonl"')
    assert [file.name for file in found.files] == ["s.jsonl"]
    source = SOURCE.replace('id = "doc"\n', "")
    recipe = f'{source}[sidecars.y]\ncolumns = ["n"]\npath = "{tmp_path}/s.jsonl"\nby = "own_id"'
    with pytest.raises(RecipeError, match="no source keeps the ids of its records"):
        planned_sidecars(parse_recipe(recipe, "x.toml"), "x.toml")
