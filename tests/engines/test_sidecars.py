"""Columns of sidecars are columns of the documents, whatever the engine, and however resumed."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.engine import segment
from curate.errors import RecipeError
from curate.sources.sidecar import SidecarFiles
from tests.runs import ledger, tree
from tests.unit.cli.commands import curate

PROFILE = """
[rules.low_grade]
signal = "grade"
min = {grade}
undefined = "keep"
"""
RECIPE = """
name = "beside"
[sources.a]
format = "jsonl"
path = "{folder}/in/*.jsonl"
url = "url"
meta = []
profile = "mine"
[sidecars.grades]
path = "{folder}/beside/grades.jsonl"
by = "url"
columns = {{ grade = "scores.grade", topic = "topic" }}
[sidecars.vectors]
path = "{folder}/beside"
format = "parquet"
columns = ["vector", "bits"]
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "exact_dedup"
keep = "best:grade"
[shards]
input_bytes = 3000
partition_bytes = 2000
"""
WORDS = ("river", "stone", "market", "letter", "winter", "garden", "engine", "signal", "forest")
COUNT = 60


def text_of(n):
    return " ".join(f"{word}{(n * 5 + i) % 29}" for i, word in enumerate(WORDS * 2)) + f" {n}."


def write(folder):
    for name in ("in", "beside", "filters"):
        (folder / name).mkdir(parents=True)
    sizes, ids = 0, []
    with (folder / "in/a.jsonl").open("w") as file:
        for n in range(COUNT):
            line = json.dumps({"text": text_of(n % 50), "url": f"https://x/{n}"}) + "\n"
            ids.append(f"a/a.jsonl#{sizes}")
            sizes += file.write(line)
    write_grades(folder)
    table = {
        "id": [*ids[::2], "nobody"],
        "vector": pa.array([[n, 0.5] for n in range(COUNT // 2 + 1)], pa.list_(pa.float32(), 2)),
        "bits": pa.array([n % 2 == 0 for n in range(COUNT // 2 + 1)]),
    }
    pq.write_table(pa.table(table), folder / "beside/vectors.parquet", row_group_size=9)
    (folder / "filters" / "mine.toml").write_text(PROFILE.format(grade=2))
    (folder / "own.toml").write_text(RECIPE.format(folder=folder))


def grade_of(n):
    return None if n % 4 == 3 else n / 10


def write_grades(folder, add=0, more=()):
    rows = [
        {"url": f"https://x/{n}", "scores": {"grade": g if g is None else g + add}, "topic": "t"}
        for n in range(5, COUNT + 10)
        for g in [grade_of(n)]
    ]
    lines = "".join(json.dumps(row) + "\n" for row in (*rows, *more))
    (folder / "beside/grades.jsonl").write_text(lines)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beside")
    write(folder)
    api.run(folder / "own.toml", output=folder / "out", engine="in-process")
    return folder


def rows(out):
    paths = [*(out / "mixture").rglob("*.parquet"), *(out / "rejected").rglob("*.parquet")]
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def sidecars(out):
    found = json.loads((out / "manifest.json").read_text())["sidecars"]
    return {row.pop("sidecar"): row for row in found}


def test_columns_come_to_every_document_with_their_types(corpus):
    found = rows(corpus / "out")
    assert len(found) == COUNT
    dropped = {}
    for row in found:
        n = int(row["url"].rpartition("/")[2])
        assert row["grade"] == (None if n < 5 else grade_of(n))
        assert row["topic"] == (None if n < 5 else "t")
        assert row["vector"] == (None if n % 2 else [n / 2, 0.5])
        assert row["bits"] == (None if n % 2 else n % 4 == 0)
        dropped[n] = row.get("dropped_by")
    for path in (corpus / "out/mixture").rglob("*.parquet"):
        schema = pq.read_schema(path)
        assert schema.field("vector").type == pa.list_(pa.float32(), 2)
        assert schema.field("bits").type == pa.bool_()
    low = {n for n in range(5, 20) if grade_of(n) is not None}
    assert {n for n, rule in dropped.items() if rule == "judge:low_grade"} == low
    # The copies of 0 to 9 are 50 to 59: the one with the higher grade is kept, a null comes last.
    # 1 and 51 have none: the smaller id decides.
    copies = {n for n, rule in dropped.items() if rule == "exact_dedup:duplicate_text"}
    assert copies == {0, 51, 2, 3, 4, 7}


def test_unmatched_keys_of_both_sides_are_counted_and_shown(corpus):
    assert sidecars(corpus / "out") == {
        "grades": {
            "documents": COUNT, "unmatched_documents": 5, "documents_without_key": 0,
            "rows": COUNT + 5, "unmatched_rows": 10, "rows_without_key": 0,
            "values_that_do_not_fit": 0,
        },
        "vectors": {
            "documents": COUNT, "unmatched_documents": COUNT // 2, "documents_without_key": 0,
            "rows": COUNT // 2 + 1, "unmatched_rows": 1, "rows_without_key": 0,
            "values_that_do_not_fit": 0,
        },
    }  # fmt: skip
    words = "55 of 60 documents have a row; 5 match none; 10 of 65 rows match none"
    assert words in (corpus / "out/report.html").read_text()
    assert words in curate("report", corpus / "out").out
    inputs = json.loads((corpus / "out/manifest.json").read_text())["inputs"]
    assert {"sidecar grades/grades.jsonl", "sidecar vectors/vectors.parquet"} <= inputs.keys()


@pytest.mark.parametrize("settings", [[], ["shards.input_bytes=900", "shards.partition_bytes=300"]])
@pytest.mark.ray
def test_ray_and_other_cuts_give_the_same(corpus, tmp_path, settings):
    from curate.recipe.recipe import load_recipe

    recipe = load_recipe(str(corpus / "own.toml"), settings=settings)
    api.run(recipe, output=tmp_path / "out", engine="ray", workers=2)
    assert sidecars(tmp_path / "out") == sidecars(corpus / "out")
    if not settings:
        assert tree(tmp_path / "out") == tree(corpus / "out")
        assert ledger(tmp_path / "out") == ledger(corpus / "out")
    by_id = {row["id"]: row for row in rows(corpus / "out")}
    assert {row["id"]: row for row in rows(tmp_path / "out")} == by_id


def test_a_changed_rule_reads_neither_source_nor_sidecar_again(tmp_path, monkeypatch):
    write(tmp_path)
    recipe = tmp_path / "own.toml"
    api.run(recipe, output=tmp_path / "out", engine="in-process", keep_work=True)
    (tmp_path / "filters" / "mine.toml").write_text(PROFILE.format(grade=3))
    with monkeypatch.context() as patched:
        patched.setattr(segment, "read_shard", None)
        patched.setattr(SidecarFiles, "read", None)
        options = {"engine": "in-process", "keep_work": True, "resume": True}
        api.run(recipe, output=tmp_path / "out", **options)
    api.run(recipe, output=tmp_path / "fresh", engine="in-process", keep_work=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    dropped = [row.get("dropped_by") for row in rows(tmp_path / "out")]
    assert dropped.count("judge:low_grade") == 19


def test_a_changed_sidecar_makes_another_run(tmp_path):
    write(tmp_path)
    recipe = tmp_path / "own.toml"
    twice = {"url": "https://x/7", "scores": {"grade": 1}, "topic": "t"}
    write_grades(tmp_path, more=[twice])
    with pytest.raises(
        RecipeError, match="'grades' has the key 'https://x/7' in more than one row"
    ):
        api.run(recipe, output=tmp_path / "out", engine="in-process")
    write_grades(tmp_path, add=1)
    result = curate("run", recipe, "--output", tmp_path / "out", "--engine", "in-process")
    assert result.code == 4
    assert "input changed: sidecar grades/grades.jsonl" in result.err
    api.run(recipe, output=tmp_path / "out", engine="in-process", resume=True)
    api.run(recipe, output=tmp_path / "fresh", engine="in-process")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert {row["grade"] for row in rows(tmp_path / "out") if row["url"].endswith("/8")} == {1.8}


def test_plan_and_explain_join_too(corpus):
    plan = curate("plan", corpus / "own.toml")
    assert plan.code == 0
    assert "~grade ~topic ~vector ~bits" in plan.out
    found = curate("explain", corpus / "out", "https://x/6", "--json")
    (row,) = json.loads(found.out)
    (judged,) = [step for step in row["replay"] if step["stage"] == "judge"]
    assert [(r["rule"], r["value"]) for r in judged["rules"]] == [("low_grade", 0.6)]
    assert judged["dropped_by"] == "judge:low_grade"


def test_a_column_of_a_source_and_a_sidecar_is_refused(corpus):
    text = RECIPE.format(folder=corpus).replace("meta = []", 'columns = { topic = "url" }')
    (corpus / "twice.toml").write_text(text)
    result = curate("run", corpus / "twice.toml", "--output", corpus / "twice")
    assert result.code == 2
    assert "the column 'topic' comes from a source and from a sidecar" in result.err
    assert 'input_topic = "topic"' in result.err
