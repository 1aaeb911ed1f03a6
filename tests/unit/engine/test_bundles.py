"""Bundles of commits: read instead of many commits, never instead of what the commits say now."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from curate.engine import bundles, driver
from curate.engine.bundles import BundleWriter, bundles_of
from curate.engine.commit import (
    Attempt,
    CommitsInOrder,
    Finished,
    Found,
    Task,
    committed,
    execute,
    revoke,
)
from curate.engine.driver import Driver
from curate.engine.in_process import InProcess
from curate.engine.progress import Silent
from curate.plan import build
from curate.recipe.recipe import Recipe
from curate.storage.entries import FileEntry
from curate.storage.store import LocalStore
from tests.unit.engine.counting import Counting

FOLDER, TASKS = "step", 70


class Writing:
    """A job whose tasks write a file of two bytes."""

    def run(self, assignment: int, attempt: Attempt) -> None:
        name = f"{attempt.folder}/file"
        with attempt.store.writing(name) as sink:
            sink.write(b"12")
        attempt.files.append(FileEntry("texts", name, 2, "", assignment))


NAMES = [Task(FOLDER, number, f"key{number:02d}", number).commit for number in range(TASKS)]


def run(store: LocalStore, numbers: range) -> list[Finished]:
    tasks = [Task(FOLDER, number, f"key{number:02d}", number) for number in numbers]
    return [execute(store.address, Writing(), task) for task in tasks]


def found(store: LocalStore) -> list[Found]:
    return list(committed(store, FOLDER, NAMES, store.names(bundles_of(FOLDER))))


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    """A step of which all tasks are committed, and all but the last ten in a bundle."""
    store = Counting(str(tmp_path))
    writer = BundleWriter(store, FOLDER, TASKS)
    commits = CommitsInOrder(store, NAMES, 0, writer)
    for number, finished in enumerate(run(store, range(TASKS))):
        assert [commit.name for commit in commits.take(finished)] == [NAMES[number]]
        if number == TASKS - 11:
            writer.flush()
    return store


def test_a_bundle_is_read_instead_of_its_commits(store: Counting) -> None:
    each = found(store)
    assert [one.commit.name for one in each if one.commit] == NAMES
    assert [one.body is None for one in each] == [True] * 60 + [False] * 10  # these are added next
    assert store.reads == [*store.names(bundles_of(FOLDER)), *NAMES[60:]]


def test_a_bundle_that_is_damaged_or_cut_changes_nothing(store: Counting, tmp_path: Path) -> None:
    (bundle,) = store.names(bundles_of(FOLDER))
    whole = (tmp_path / bundle).read_bytes()
    (tmp_path / bundle).write_bytes(whole[: len(whole) // 2])
    assert [one.commit and one.commit.name for one in found(store)] == NAMES
    assert store.reads == [bundle, *NAMES]


def test_a_commit_that_was_cut_or_is_gone_runs_again(store: Counting, tmp_path: Path) -> None:
    (tmp_path / NAMES[3]).write_bytes(b"{}")
    (tmp_path / NAMES[5]).unlink()
    each = found(store)
    assert [n for n, one in enumerate(each) if one.commit is None] == [3, 5]
    assert [each[3].was_there, each[5].was_there] == [True, False]


def test_a_file_that_was_cut_runs_its_task_again(store: Counting, tmp_path: Path) -> None:
    (file,) = (tmp_path / "work/step/key04").glob("*/file")
    file.write_bytes(b"1")
    assert [n for n, one in enumerate(found(store)) if one.commit is None] == [4]
    assert store.names(bundles_of(FOLDER)) == []
    assert not (tmp_path / NAMES[4]).exists()


def test_a_task_that_ran_again_counts_with_its_new_files(store: Counting) -> None:
    (old,) = (one for one in store.names("work/step/key07"))
    revoke(store, old)
    run(store, range(7, 8))
    commit = found(store)[7].commit
    assert commit is not None
    assert commit.files[0].path != old


@pytest.mark.parametrize(
    "damage", ["nothing", "file cut", "file changed", "commit cut", "commit gone"]
)
def test_a_driver_that_resumes_from_bundles_has_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(bundles, "BUNDLED_TASKS", 1)
    monkeypatch.setattr(driver, "BUNDLED_TASKS", 1)
    monkeypatch.setattr(bundles, "BUNDLE_BYTES", 1)  # a bundle for each commit
    for number in range(4):
        rows = [f"text {number % 2} {row} " * 9 for row in range(20)]
        (tmp_path / f"{number}.jsonl").write_text(
            "".join(json.dumps({"text": row}) + "\n" for row in rows)
        )
    recipe = Recipe.model_validate(
        {
            "name": "bundled",
            "shards": {"input_bytes": 100},
            "sources": {"web": {"format": "jsonl", "path": [str(tmp_path / "*.jsonl")]}},
            "stages": [{"use": "exact_dedup"}],
        }
    )
    plan, out = build.build(recipe), tmp_path / "out"

    def drive() -> tuple[Counting, Counter[str], str]:
        store = Counting(str(out))
        state = Driver(plan, store, InProcess(), Silent()).drive(lambda state: state)
        ran = Counter(row["segment"] for row in state.timings if "task" in row)
        files = [entry for _, tasks in state.product for task in tasks for entry in task]
        answer = [state.ledger.to_json(), [entry.sha256 for entry in files], state.mixture]
        return store, ran, json.dumps(answer, sort_keys=True)

    _, ran, first = drive()
    assert ran["00-segment"] == len(plan.shards) > 4
    commits = sorted(out.glob("commits/00-segment/*.json"))
    files = sorted(out.glob("work/00-segment/*/*/texts*"))
    if damage == "file cut":
        files[1].write_bytes(files[1].read_bytes()[:-1])
    elif damage == "file changed":  # found by who reads it: the product, which is made again
        changed = min(out.glob("work/01-segment/*/*/survivors*"))
        changed.write_bytes(bytes(byte ^ 1 for byte in changed.read_bytes()))
        for commit in out.glob("commits/mix-product-main/*.json"):
            commit.unlink()
    elif damage == "commit cut":
        commits[1].write_bytes(commits[1].read_bytes()[:-1])
    elif damage == "commit gone":
        commits[1].unlink()
    store, ran, second = drive()
    assert second == first
    if damage == "nothing":
        assert not ran
        assert [name for name in store.reads if name.startswith("commits/")] == []
    elif damage == "file changed":
        assert ran["01-segment"] == 1
    else:
        assert ran["00-segment"] == 1


def test_steps_of_few_tasks_and_large_commits_are_in_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(str(tmp_path))
    few = BundleWriter(store, "few", bundles.BUNDLED_TASKS - 1)
    few.add("commits/few/a.json", b"{}")
    few.flush()
    monkeypatch.setattr(bundles, "LARGEST", 3)
    large = BundleWriter(store, "large", bundles.BUNDLED_TASKS)
    large.add("commits/large/a.json", b"{   }")
    large.flush()
    assert store.names("work") == []
