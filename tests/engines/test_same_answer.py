"""The product depends on neither engine, worker count, sharding, nor the order of the inputs."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.plan import passes
from curate.recipe.recipe import load_recipe
from tests.runs import PUBLISHED, ledger, tree, write_corpus, write_recipe

FOLDERS = (*PUBLISHED, "packed")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder / "in", documents=200)
    recipe = write_recipe(folder / "small.toml", folder / "in")
    recipe.write_text(recipe.read_text() + '[output]\nformats = ["packed"]\nlength = 512\n')
    api.run(recipe, output=folder / "golden", engine="in-process")
    files = tree(folder / "golden", FOLDERS)
    assert any(name.startswith("packed/") for name in files)
    return folder, recipe, files, ledger(folder / "golden")


@pytest.mark.ray
@pytest.mark.parametrize(
    "workers",
    [pytest.param(1, marks=pytest.mark.thorough), 2, pytest.param(4, marks=pytest.mark.thorough)],
)
def test_ray_gives_the_bytes_of_in_process(workers, corpus, tmp_path):
    _, recipe, files, counts = corpus
    result = api.run(recipe, output=tmp_path / "out", engine="ray", workers=workers)
    assert result.exit_code == 0
    assert tree(tmp_path / "out", FOLDERS) == files
    assert ledger(tmp_path / "out") == counts


def kept(out):
    return sorted(
        text
        for path in (out / "mixture").rglob("*.parquet")
        for text in pq.read_table(path, columns=["text"]).column("text").to_pylist()
    )


@pytest.mark.parametrize("input_bytes", [5_000, 60_000, 10_000_000])
def test_the_cut_into_shards_changes_no_row(input_bytes, corpus, tmp_path):
    folder, recipe, _, _ = corpus
    cut = load_recipe(str(recipe), settings=[f"shards.input_bytes={input_bytes}"])
    api.run(cut, output=tmp_path / "out", engine="in-process")
    assert kept(tmp_path / "out") == kept(folder / "golden")


def test_partitions_and_batches_change_no_row(corpus, tmp_path):
    folder, recipe, _, _ = corpus
    cut = load_recipe(
        str(recipe),
        settings=[
            "shards.partition_bytes=500",
            "shards.batch_bytes=900",
            "shards.output_bytes=9000",
        ],
    )
    api.run(cut, output=tmp_path / "out", engine="in-process")
    assert kept(tmp_path / "out") == kept(folder / "golden")


@pytest.mark.parametrize(
    "engine",
    ["in-process", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.thorough])],
)
def test_two_passes_change_no_byte(engine, corpus, tmp_path, monkeypatch):
    folder, recipe, _, _ = corpus
    write_corpus(tmp_path / "later", documents=60, seed=1)
    shutil.copy(folder / "in" / "a0.jsonl", tmp_path / "later" / "a9.jsonl")
    sizes = [
        "shards.input_bytes=9000",
        "shards.partition_bytes=2000",
        "shards.output_bytes=9000",
    ]
    answers = []
    for blocks in (1 << 30, 0):  # between tasks, in one pass
        monkeypatch.setattr(passes, "ONE_PASS", blocks)
        out = tmp_path / str(blocks)
        answers.append([])
        for name, files in (("first", folder / "in"), ("second", tmp_path / "later")):
            cut = load_recipe(
                str(recipe),
                settings=[*sizes, f"stages.fuzzy_dedup.store={out}/store"],
                inputs={"a": f"{files}/a*.jsonl", "b": f"{files}/b*.jsonl"},
            )
            api.run(cut, output=out / name, engine=engine, workers=2)
            answers[-1].append((tree(out / name, FOLDERS), ledger(out / name)))
    one, two = answers
    assert len(one[0][0]) > 20
    assert two == one
    timings = (tmp_path / "0" / "second" / "timings.jsonl").read_text().splitlines()
    second = {json.loads(line)["label"] for line in timings}
    assert {
        "fuzzy_dedup: band_keys, sorted",
        "fuzzy_dedup: fetch_known_shingles, sorted",
        "fuzzy_dedup: verify, sorted",
        "mixture: main, gathered",
    } <= second
