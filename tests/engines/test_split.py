"""A group that is split, through the engine: own columns, dedup's columns, takedowns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import curate
from curate import api
from curate.errors import RecipeError
from curate.recipe.recipe import parse_recipe

WORDS = ("рак", "пень", "лес", "дом", "сад", "мост", "река", "поле", "вода", "огонь")


def write(path: Path, name: str, rows: list[dict[str, Any]]) -> str:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path / name)


def text(number: int) -> str:
    return " ".join(WORDS[(number // 10**place) % 10] for place in range(4)) + f" {number:04}"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Sources a and b: documents 0 to 59 are in a, 40 to 99 in b; a has two columns of its own."""
    a = [
        {"text": text(n), "level": n % 3, "kind": ["head", "tail"][n % 2], "list": [n]}
        for n in range(60)
    ]
    b = [{"text": text(n), "level": n % 3, "kind": "head", "list": [n]} for n in range(40, 100)]
    return {"a": write(tmp_path, "a.jsonl", a), "b": write(tmp_path, "b.jsonl", b)}


def recipe(files: dict[str, str], group: str, more: str = "budget = 60") -> Any:
    sources = "".join(
        f'[sources.{name}]\nformat = "jsonl"\npath = "{path}"\ncolumns = ["*"]\n'
        for name, path in files.items()
    )
    return parse_recipe(
        f'name = "split"\nseed = 3\n{sources}[[stages]]\nuse = "exact_dedup"\n'
        f'[mixture]\nunit = "documents"\n{more}\n[mixture.groups.all]\n{group}\n',
        "split.toml",
    )


def product(run: Any) -> list[dict[str, Any]]:
    files = sorted(Path(run.output).glob("mixture/main/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def parts(run: Any) -> dict[str | None, tuple[int, int]]:
    (row,) = run.manifest["mixture"]
    return {part["value"]: (part["available"], part["amount"]) for part in row["parts"]}


def go(recipe: Any, output: Path, **options: Any) -> Any:
    return curate.run(recipe, output=str(output), engine="in-process", **options)


def test_by_how_many_sources_hold_a_document(files: dict[str, str], tmp_path: Path) -> None:
    group = 'split_by = "n_cluster_sources"\nweights = { 1 = 1, 2 = 3 }\nmax_epochs = 3'
    run = go(recipe(files, group, 'shortage = "repeat"'), tmp_path / "out")
    # 40 documents are in a alone, 40 in b alone, 20 in both.
    assert parts(run) == {"1": (80, 80), "2": (20, 60)}
    rows = product(run)
    assert Counter(row["n_cluster_sources"] for row in rows) == {1: 80, 2: 60}
    (values,) = [line for line in (tmp_path / "out" / "report.md").read_text().splitlines() if
                 line.startswith("| `main`") and "`2`" in line]  # fmt: skip
    assert [cell.strip() for cell in values.split("|")[4:8]] == ["20", "60", "60", "60"]
    assert "Groups that are split, by value" in (tmp_path / "out" / "report.html").read_text()


def test_what_several_sources_hold_is_kept_grouped_and_repeated(
    files: dict[str, str], tmp_path: Path
) -> None:
    long = " ".join(f"{word}{n}" for n in range(12) for word in WORDS)
    both, near = f"{long} и всё", f"{long} и всё это да"
    paths = {
        "a": write(tmp_path, "near.jsonl", [{"text": near}, {"text": both}, {"text": text(1)}]),
        "b": write(tmp_path, "both.jsonl", [{"text": both}]),
    }
    groups = (
        "weight = 3\nwhere = { n_cluster_sources = { min = 2 } }\n[mixture.groups.rest]\n"
        '[mixture.upsample]\nby = "n_cluster_sources"\ncopies = [[2, 3]]'
    )
    planned = recipe(paths, groups, "")
    for keep, kept in (("longest", near), ("best:n_cluster_sources", both)):
        stages = [
            {"use": "exact_dedup"},
            {"use": "fuzzy_dedup", "keep": keep, "threshold": 0.8, "recall": 0.97},
        ]
        changed = planned.model_dump(exclude_unset=True) | {"stages": stages}
        run = go(type(planned).model_validate(changed), tmp_path / keep.replace(":", "-"))
        rows = product(run)
        assert {row["text"] for row in rows if row["n_cluster_sources"] == 2} == {kept}
        report = {row["group"]: row["documents"] for row in run.manifest["mixture"]}
        assert report == {"all": 3, "rest": 1}


def test_by_columns_of_the_input_in_shards_of_any_size(
    files: dict[str, str], tmp_path: Path
) -> None:
    curve = 'split_by = "level"\ncurve = { max = 3 }'
    run = go(recipe(files, curve, "budget = 150"), tmp_path / "one")
    small = recipe(files, curve, "budget = 150")
    small = small.model_copy(
        update={"shards": small.shards.model_copy(update={"input_bytes": 1000})}
    )
    other = go(small, tmp_path / "many")
    rows = sorted((row["id"], row["epoch"]) for row in product(run))
    assert rows == sorted((row["id"], row["epoch"]) for row in product(other))
    # 34, 33 and 33 documents; 1.5 passes of at most 3 are a line from 0 to 3.
    found = parts(run)
    assert list(found) == ["0.0", "1.0", "2.0"] and sum(n for _, n in found.values()) == 150
    exact = [150 * ((k / 100) ** 2 - (j / 100) ** 2) for j, k in ((0, 34), (34, 67), (67, 100))]
    assert [n for _, n in found.values()] == pytest.approx(exact, abs=1)
    assert Counter(row["level"] for row in product(run)) == {
        level: found[f"{level}.0"][1] for level in range(3)
    }


def test_texts_in_an_order_and_what_is_taken_down_is_no_longer_counted(
    files: dict[str, str], tmp_path: Path
) -> None:
    curve = 'split_by = "kind"\ncurve = { max = 1, order = ["tail", "head"] }'
    run = go(recipe(files, curve, "budget = 70"), tmp_path / "out", keep_work=False)
    before = parts(run)
    assert before["head"][1] > before["tail"][1] and before["tail"][0] == 30
    gone = next(row["id"] for row in product(run) if row["kind"] == "head")
    api.take_down(str(tmp_path / "out"), ids=[gone])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    after = {part["value"]: part for part in manifest["mixture"][0]["parts"]}
    assert after["head"]["amount"] == before["head"][1] - 1
    assert after["head"]["available"] == before["head"][0] - 1
    assert after["tail"]["amount"] == before["tail"][1]


@pytest.mark.parametrize(
    ("group", "problem", "hint"),
    [
        ('split_by = "kidn"\nweights = { head = 1 }', "reads column 'kidn'", "'kind'"),
        ('split_by = "list"\nweights = { head = 1 }', "'list' is list<", ""),
        ('split_by = "kind"\ncurve = {}', "the texts of 'kind' needs their order", "order ="),
        ('split_by = "level"\nweights = { one = 1 }', "'one' is no number", "up to the next"),
        ('split_by = "level"\ninner = { 1 = 1, "1.0" = 2 }', "'1.0' stands twice", ""),
    ],
)
def test_a_split_that_cannot_be_is_refused_when_the_run_is_planned(
    files: dict[str, str], tmp_path: Path, group: str, problem: str, hint: str
) -> None:
    with pytest.raises(RecipeError) as error:
        go(recipe(files, group), tmp_path / "out")
    assert problem in error.value.what and hint in (error.value.hint or "")
    assert not (tmp_path / "out").exists()
