"""`curate mix --candidates`: a table and recipes that run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.cli.commands import curate

RECIPE = """
name = "base"
seed = 1
[sources.a]
format = "jsonl"
path = "{a}"
columns = ["*"]
[sources.b]
format = "jsonl"
path = "{b}"
[mixture]
unit = "bytes"
budget = 2000
max_epochs = 2
shortage = "repeat"
[mixture.groups.a]
sources = ["a"]
split_by = "score"
weights = {{ 0 = 1, 5 = 2 }}
[mixture.groups.b]
sources = ["b"]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidates")
    files = {}
    for name in "ab":
        rows = [{"text": f"{name} {n} " + "слово " * (n % 9), "score": n % 10} for n in range(200)]
        files[name] = folder / f"{name}.jsonl"
        files[name].write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    (folder / "base.toml").write_text(RECIPE.format(**files), encoding="utf-8")
    result = curate(
        "run", str(folder / "base.toml"), "--output", str(folder / "run"), "--engine", "in-process"
    )
    assert result.code == 0, result.err
    return folder / "run"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_candidate_runs_and_has_what_the_table_says(run: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        given = ["--candidates", "4", "--seed", "1", "--output", str(tmp_path / out)]
        result = curate("mix", str(run), *given)
        assert result.code == 0, result.err
        assert f"candidates: {tmp_path / out}" in result.out
    found = files_of(tmp_path / "one")
    assert found == files_of(tmp_path / "two")
    assert list(found) == [*(f"candidate-{n:02}.toml" for n in range(1, 5)), "candidates.parquet"]
    rows = pq.read_table(tmp_path / "one" / "candidates.parquet").to_pylist()
    assert len(rows) == 8 and {row["unit"] for row in rows} == {"bytes"}
    for number in (1, 4):
        out = tmp_path / f"run-{number}"
        recipe = str(tmp_path / "one" / f"candidate-{number:02}.toml")
        result = curate("mix", recipe, "--output", str(out), "--engine", "in-process")
        assert result.code == 0, result.err
        for row in json.loads((out / "manifest.json").read_text())["mixture"]:
            (said,) = [r for r in rows if (r["candidate"], r["group"]) == (number, row["group"])]
            assert abs(row["amount"] - said["amount"]) <= row["largest"]
            assert row["asked"] == said["amount"] and row["available"] == said["available"]
    # The groups keep what they say of themselves.
    parts = json.loads((tmp_path / "run-1" / "manifest.json").read_text())["mixture"][0]["parts"]
    assert [part["value"] for part in parts] == ["0", "5"]


def test_a_recipe_over_the_run_and_other_groups(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "over.toml"
    path.write_text(
        f'name = "over"\n[sources.a]\nformat = "jsonl"\npath = []\n[sources.r]\nformat = "run"\n'
        f'path = "{run}"\n[mixture]\nunit = "documents"\nbudget = 50\n[mixture.groups.high]\n'
        'where = { score = { min = 5 } }\nsources = ["a"]\n[mixture.groups.rest]\n',
        encoding="utf-8",
    )
    result = curate("mix", str(path), "--candidates", "3", "--dry-run", "--json")
    assert result.code == 0, result.err
    rows = json.loads(result.out)
    assert {(row["group"], row["available"]) for row in rows} == {("high", 100), ("rest", 300)}
    natural = curate(
        "mix", str(path), "--candidates", "3", "--around", "natural", "--dry-run", "--json"
    )
    assert json.loads(natural.out) != rows


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{run}", "--candidates", "2", "--unit", "bytes"], "--unit says something else"),
        (["{run}", "{run}", "--candidates", "2"], "one finished run"),
        (["{run}", "--candidates", "2", "--around", "nowhere"], "ratio or natural"),
        (["{run}", "--candidates", "2", "--budget", "99999999"], "none has enough of every group"),
        (["{base}", "--candidates", "2"], "of one finished run"),
        (["{base}", "--ratio", "kk=1,en=1"], "--ratio says something else"),
        (["{folder}", "--candidates", "2"], "no finished run"),
        (["{folder}"], "mix needs --ratio"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    run: Path, tmp_path: Path, arguments: list[str], problem: str
) -> None:
    places = {"run": run, "base": run.parent / "base.toml", "folder": run.parent}
    words = [word.format(**places) for word in arguments]
    result = curate("mix", *words, "--output", str(tmp_path / "out"))
    assert result.code != 0 and "Traceback" not in result.err
    assert problem in " ".join(result.err.split())
    assert not (tmp_path / "out").exists()
