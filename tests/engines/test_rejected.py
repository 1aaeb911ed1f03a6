"""All files of ``rejected/`` have one schema, whichever stage dropped the rows."""

import json
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from curate import api
from tests.runs import RECIPE, tree, write_corpus

COUNT = '[[stages]]\nuse = "count"\ntokenizer = "bytes"\n'
JUDGED = "".join(f'[[stages]]\nuse = "{use}"\n' for use in ("identify", "measure", "judge"))
PROFILE = '[rules.too_few_words]\nsignal = "n_words"\nmin = 80\n'


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A recipe in which a judge drops, then dedups, then the mixture; and one that counts last."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder / "in", documents=120)
    (folder / "filters").mkdir()
    (folder / "filters" / "mine.toml").write_text(PROFILE)
    text = RECIPE.format(folder=folder / "in", input_bytes=20000, partition_bytes=4000)
    for path in ("a*.jsonl", "b*.jsonl"):
        text = text.replace(path + '"', path + '"\nprofile = "mine"')
    at = text.index("[[stages]]")
    text = text[:at] + JUDGED + text[at:]
    for name, stages in (("short", ""), ("counted", COUNT)):
        recipe = text.replace("[mixture]\n", f"{stages}[mixture]\n")
        (folder / f"{name}.toml").write_text(recipe)
    whole = folder / "counted"
    api.run(folder / "counted.toml", output=whole, engine="in-process", keep_work=True)
    return folder


def schemas(out):
    files = sorted((Path(out) / "rejected").rglob("*.parquet"))
    assert len({path.parent.name for path in files}) >= 3  # a segment each, and the mixture
    return [pq.read_schema(path) for path in files]


def dropped(out):
    totals = json.loads((out / "manifest.json").read_text())["totals"]
    return totals["dropped"] + totals["curated"] - totals["taken"]


def test_every_file_has_the_columns_of_all_stages_in_the_order_of_the_product(corpus):
    first, *others = schemas(corpus / "counted")
    assert all(other.equals(first, check_metadata=True) for other in others)
    assert {"duplicate_of", "signal_n_words", "n_tokens", "dropped_by"} <= set(first.names)
    assert not {"phase", "epoch"} & set(first.names)
    product = pq.read_schema(next((corpus / "counted" / "mixture").rglob("*.parquet")))
    shared = [field for field in product if field.name in first.names]
    assert shared == [field for field in first if field.name in product.names]
    table = ds.dataset(corpus / "counted" / "rejected").to_table()
    for rule, known in (("judge:too_few_words", False), ("mix:over_budget", True)):
        rows = table.filter(ds.field("dropped_by") == rule)
        assert rows.num_rows > 0
        assert rows.column("signal_n_words").null_count == 0
        for name in ("n_tokens", "n_cluster_sources"):  # null: written after the rule
            assert rows.column(name).null_count == (0 if known else rows.num_rows)


def test_other_libraries_read_the_folder_as_a_whole(corpus, tmp_path, monkeypatch):
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder, rows = corpus / "counted" / "rejected", dropped(corpus / "counted")
    assert rows > 30
    assert ds.dataset(folder).count_rows() == rows
    assert polars.scan_parquet(f"{folder}/**/*.parquet").collect().height == rows
    assert duckdb.sql(f"select count(*) from '{folder}/**/*.parquet'").fetchall() == [(rows,)]
    files = {"train": f"{folder}/**/*.parquet"}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert loaded["train"].num_rows == rows


@pytest.mark.parametrize("engine", ["in-process", pytest.param("ray", marks=pytest.mark.ray)])
def test_tasks_of_a_recipe_with_fewer_stages_are_used_and_their_files_get_the_columns(
    engine, corpus, tmp_path
):
    out = tmp_path / "out"
    api.run(corpus / "short.toml", output=out, engine="in-process", keep_work=True)
    assert not any("n_tokens" in each.names for each in schemas(out))
    api.run(corpus / "counted.toml", output=out, engine=engine, resume=True, keep_work=True)
    rows = map(json.loads, (out / "timings.jsonl").read_text().splitlines())
    ran = {row["segment"] for row in rows if "task" in row}
    assert not {"00-segment", "01-segment"} & ran
    assert "01-segment-rejected" in ran
    assert tree(out) == tree(corpus / "counted")
