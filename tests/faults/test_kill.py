"""Killed at any point and run again, a run publishes exactly what an undisturbed one does.

Oracle: before the second run nothing or everything is published; after it, files and ledger are equal
to the undisturbed run's, and no temporary file is left.
"""

import json
import signal
from pathlib import Path

import pytest

from curate import failpoint
from tests.runs import curate, ledger, tree, write_corpus, write_recipe


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    write_corpus(folder / "in")
    recipe = write_recipe(folder / "small.toml", folder / "in")
    done = run(recipe, folder / "out")
    assert done.returncode == 0, done.stderr
    return recipe, tree(folder / "out"), ledger(folder / "out")


def run(recipe: Path, out: Path, **environment: str):
    return curate("run", str(recipe), "--output", str(out), "--engine", "in-process", **environment)


def check_unpublished_or_whole(out: Path, files: dict[str, str]) -> None:
    manifest = out / "manifest.json"
    if manifest.exists():
        named = {entry["path"]: entry["sha256"] for entry in json.loads(manifest.read_text())["files"]}
        assert named == files
        assert tree(out) == files


def check_equal(out: Path, golden) -> None:
    _, files, counts = golden
    assert tree(out) == files
    assert ledger(out) == counts
    left = {path.name for path in out.iterdir()}
    assert not {"work", "commits"} & left
    assert not [name for name in left if name.startswith(".") and name != ".lock"]


@pytest.mark.parametrize("point", failpoint.POINTS)
def test_killed_at_a_point_and_resumed(point, golden, tmp_path):
    recipe, files, _ = golden
    nth = {"commit.linked": 7, "sink.flushed": 3, "step.done": 5, "publish.renaming": 3}.get(point, 1)
    out = tmp_path / "out"
    killed = run(recipe, out, CURATE_FAILPOINT=f"{point}:kill:{nth}")
    assert killed.returncode == -signal.SIGKILL, f"{point} was not reached: {killed.stderr}"
    check_unpublished_or_whole(out, files)
    again = run(recipe, out)
    assert again.returncode == 0, again.stderr
    check_equal(out, golden)


@pytest.mark.parametrize(("action", "says"), [("enospc", "No space left"), ("eio", "Input/output error")])
@pytest.mark.parametrize("point", ["sink.flushed", "commit.written", "publish.started", "publish.renaming"])
def test_a_storage_error_is_resumable_and_never_success(point, action, says, golden, tmp_path):
    recipe, files, _ = golden
    out = tmp_path / "out"
    failed = run(recipe, out, CURATE_FAILPOINT=f"{point}:{action}:1")
    assert failed.returncode == 5, failed.stderr
    assert says in failed.stderr
    check_unpublished_or_whole(out, files)
    assert run(recipe, out).returncode == 0
    check_equal(out, golden)


def test_three_kills_in_a_row(golden, tmp_path):
    recipe, files, _ = golden
    out = tmp_path / "out"
    for point in ("commit.linked:kill:2", "commit.linked:kill:9", "publish.renamed:kill:2"):
        assert run(recipe, out, CURATE_FAILPOINT=point).returncode == -signal.SIGKILL
        check_unpublished_or_whole(out, files)
    assert run(recipe, out).returncode == 0
    check_equal(out, golden)


def test_a_finished_run_is_not_done_again(golden, tmp_path):
    recipe, _, _ = golden
    out = tmp_path / "out"
    assert run(recipe, out).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    again = run(recipe, out)
    assert again.returncode == 0
    assert "finished before" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before


def test_a_damaged_intermediate_file_is_made_again(golden, tmp_path):
    recipe, _, _ = golden
    out = tmp_path / "out"
    assert run(recipe, out, CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    victims = sorted((out / "work").rglob("survivors-*.parquet"))
    victims[0].write_bytes(victims[0].read_bytes()[:-100])
    assert run(recipe, out).returncode == 0
    check_equal(out, golden)
