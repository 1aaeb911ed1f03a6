"""A dry run writes nothing, is deterministic, and its figures equal those of a real run."""

import json
import re
from pathlib import Path

import pytest

from curate import api
from curate.inspection.dry_run import dry_run, dry_run_all, kept_of_raw, wilson
from curate.plan import build as planning
from curate.recipe.recipe import load_recipe
from tests.runs import ledger, write_corpus, write_recipe
from tests.unit.cli.commands import curate

STAGES = (
    "repair", "identify", "standardize", "trim", "measure", "judge",
    "exact_dedup", "fuzzy_dedup", "count", "mix",
)  # fmt: skip


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_written_and_the_answer_is_the_same_again(stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = Path(__file__).parents[3] / "sample_data"
    before = snapshot(samples)
    arguments = ("stage", stage, "demo", "--dry-run", "--sample", "30", "--json",
             "--input", "books=sample_data/books.parquet",
             "--input", "notes=sample_data/notes")  # fmt: skip
    if stage == "mix":
        arguments = (*arguments, "--set", 'mixture={unit="documents",groups={all={}}}')
    first, again = curate(*arguments), curate(*arguments)
    assert first.code == 0, first.err
    assert first.out == again.out
    assert json.loads(first.out)["stage"] == stage
    assert not list(tmp_path.iterdir())
    assert snapshot(samples) == before


def test_a_dry_run_of_all_stages_foretells_what_the_run_keeps(small, tmp_path, monkeypatch):
    plan, real = small
    monkeypatch.chdir(tmp_path)
    tried = dry_run_all(plan, sample=1000, scan=1 << 30)
    assert [each.stage for each in tried] == list(plan.stage_names)
    came, reached_the_mixture = (
        sum(documents for *_, documents, _ in real["stages"][stage]["input"])
        for stage in (plan.stage_names[0], "mix")
    )
    whole = kept_of_raw(tried[:-1])  # the mixture is the last
    assert whole.share == pytest.approx(reached_the_mixture / came)
    assert whole.low < whole.share < whole.high
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_stages_rules_and_the_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate("run", "demo", "--dry-run", "--sample", "1000")
    assert result.code == 0, result.err
    rows = dict(re.findall(r"^(\w+) +(\d+) ", result.out, re.MULTILINE))
    assert rows["repair"] == "445"
    assert "duplicate_text" in result.out
    assert re.search(r"all stages keep 7\d\.\d% of the documents", result.out)
    found = json.loads(curate("run", "demo", "--dry-run", "--json").out)
    assert found["kept"]["low"] < 342 / 445 < found["kept"]["high"]
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    write_corpus(folder / "in", documents=300)
    recipe = load_recipe(str(write_recipe(folder / "small.toml", folder / "in")))
    api.run(recipe, output=folder / "out", engine="in-process")
    return planning.build(recipe), ledger(folder / "out")


@pytest.mark.parametrize("stage", ["exact_dedup", "fuzzy_dedup"])
def test_a_dedup_stage_counts_as_the_run_does(stage, small):
    plan, counts = small
    result = dry_run(plan, stage, sample=1, scan=1 << 30)
    dropped = {}
    for *_, rule, documents, _ in counts["stages"][stage]["dropped"]:
        dropped[f"{stage}:{rule}"] = dropped.get(f"{stage}:{rule}", 0) + documents
    assert {rule: n for rule, (n, _) in result.dropped.items()} == dropped
    assert result.scanned == 300


def test_slices_of_hash_values_find_about_the_same_share(small, monkeypatch):
    plan, _ = small
    whole = dry_run(plan, "exact_dedup", sample=1, scan=1 << 30)
    monkeypatch.setattr("curate.inspection.dry_run.SLICE_DOCUMENTS", 120)
    sliced = dry_run(plan, "exact_dedup", sample=1, scan=1 << 30)
    assert 0 < sliced.came <= 120
    assert sliced.note.startswith("one ")
    assert sliced.kept.low <= whole.kept.share <= sliced.kept.high


def test_scan_bounds_what_is_read(small):
    plan, _ = small
    result = dry_run(plan, "exact_dedup", sample=1, scan=1)
    assert 0 < result.scanned < 300


def test_of_nothing_everything_is_possible():
    assert wilson(0, 0) == (0.0, 0.0, 1.0)
    share, low, high = wilson(50, 100)
    assert share == 0.5
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
