"""Rows of timings come back as they were appended; a driver that resumes reads each commit once."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.engine.commit import Attempt, Task, commit_attempt, committed
from curate.engine.timings import BLOCK_ROWS, Timings
from curate.storage.entries import FileEntry
from curate.storage.store import LocalStore


def test_rows_come_back_in_order_while_more_are_appended() -> None:
    timings = Timings()
    rows = [{"task": n, "seconds": n / 7, "host": "é"} for n in range(2 * BLOCK_ROWS + 3)]
    for row in rows[:-1]:
        timings.append(row)
    reading = iter(timings)
    assert next(reading) == rows[0]
    timings.append(rows[-1])
    assert list(timings) == rows
    assert list(reading) == rows[1:]


class Counting(LocalStore):
    """A folder that counts what is read."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.reads = 0

    def read(self, name: str) -> bytes:
        self.reads += 1
        return super().read(name)


@pytest.mark.parametrize("damaged", [None, 1])
def test_each_commit_is_read_once_and_one_without_its_file_runs_again(
    tmp_path: Path, damaged: int | None
) -> None:
    store = Counting(str(tmp_path))
    tasks = [Task("00-segment", n, f"key{n}", None) for n in range(3)]
    for task in tasks[:2]:
        attempt = Attempt(store, f"work/{task.segment}/{task.key}/x")
        with store.writing(f"{attempt.folder}/file") as sink:
            sink.write(b"12")
        attempt.files.append(FileEntry("texts", f"{attempt.folder}/file", 2, "", 0))
        _, first = commit_attempt(store, task, attempt)
        assert first
    if damaged is not None:
        (tmp_path / f"work/00-segment/key{damaged}/x/file").write_bytes(b"1")
    found = list(committed(store, "00-segment", [task.commit for task in tasks]))
    assert [each.commit is not None for each in found] == [True, damaged is None, False]
    assert [each.was_there for each in found] == [True, True, False]
    assert store.reads == 2
    left = sorted(store.names("commits/00-segment"))
    assert left == [task.commit for task in tasks[: 2 if damaged is None else 1]]
