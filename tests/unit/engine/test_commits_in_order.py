"""Commits are added up in the order of tasks, whatever order these finish in, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.engine import commit
from curate.engine.commit import Attempt, CommitsInOrder, Finished, Task, execute
from curate.storage.store import LocalStore
from tests.unit.engine.counting import Counting


class Noting:
    """A job whose tasks note their number."""

    def run(self, assignment: int, attempt: Attempt) -> None:
        attempt.notes.taken_bytes = {"main": assignment}


@pytest.mark.parametrize("waiting_bytes", [1 << 20, 0])
def test_in_the_order_of_tasks_and_read_only_where_they_did_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting_bytes: int
) -> None:
    monkeypatch.setattr(commit, "WAITING_BYTES", waiting_bytes)
    store = Counting(str(tmp_path))
    tasks = [Task("step", number, f"key{number}", number) for number in range(4)]
    finished = [execute(store.address, Noting(), task) for task in tasks]
    commits = CommitsInOrder(store, [task.commit for task in tasks], 0)
    without = Finished(1, 0.0, 0, "", {})  # too large to come back
    came = [
        [one.notes.taken_bytes["main"] for one in commits.take(each)]
        for each in (finished[2], finished[0], without, finished[3])
    ]
    rest = [one.notes.taken_bytes["main"] for one in commits.rest()]
    assert came == ([[], [0], [], []] if waiting_bytes else [[], [], [], []])
    assert [*(n for each in came for n in each), *rest] == [0, 1, 2, 3]
    assert len(store.reads) == (1 if waiting_bytes else 4)


def test_a_second_attempt_returns_the_commit_of_the_first(tmp_path: Path) -> None:
    task = Task("step", 0, "key", 5)
    first, second = (execute(str(tmp_path), Noting(), task) for _ in range(2))
    names = [task.commit]
    for each in (first, second):
        (found,) = CommitsInOrder(LocalStore(str(tmp_path)), names, 0).take(each)
        assert found.notes.taken_bytes == {"main": 5}
