"""What a run tells while it works: shares, the time that is left, and work/status.json."""

import json

import pytest

from curate import api
from curate.cli import _main
from curate.engine.folder import only_writer
from curate.engine.progress import EVERY, STATUS, Remaining, Silent, Status
from curate.plan import build
from curate.plan.outline import shares
from curate.recipe.recipe import load_recipe
from curate.storage.store import open_store


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_what_an_earlier_run_did_says_nothing_about_the_pace():
    clock = Clock()
    left = Remaining({"reading": 0.6, "mix": 0.4}, clock)
    left.start("reading", total=6, done=4)
    assert (left.share, left.seconds) == (0.4, None)
    clock.now = 5.0
    left.advance()
    assert left.share == 0.5
    assert left.seconds == pytest.approx(25.0)  # a tenth in 5 s, half is left
    left.finish()
    assert left.share == 0.6
    left.start("unforeseen", total=3, done=0)
    left.advance()
    assert left.share == 0.6
    left.start("mix", total=1, done=0)
    left.advance()
    left.finish()
    assert (left.share, left.seconds) == (1.0, 0.0)


def test_the_first_task_says_nothing_about_the_pace_where_it_compiles():
    clock = Clock()
    left = Remaining({"reading": 1.0}, clock, compiles=True)
    left.start("reading", total=5, done=0)
    clock.now = 40.0
    left.advance()
    assert (left.share, left.seconds) == (0.2, None)
    clock.now = 42.0
    left.advance()
    assert left.seconds == pytest.approx(6.0)


def test_a_step_that_comes_again_counts_once():
    left = Remaining({"reading": 1.0}, Clock())
    for _ in range(2):
        left.start("reading", total=2, done=0)
        left.advance()
        left.finish()
    assert left.share == 1.0


def test_the_shares_of_a_plan_are_those_of_the_steps_that_run(tmp_path):
    seen = []

    class Labels(Silent):
        def start(self, label, total, done):
            seen.append(label)

    api.run("demo", output=str(tmp_path), engine="in-process", progress=Labels())
    expected = shares(build.build(load_recipe("demo")))
    assert sum(expected.values()) == pytest.approx(1.0)
    assert set(expected) == set(seen)


def test_the_state_is_written_now_and_then_and_top_shows_it(tmp_path, monkeypatch, capsys):
    clock = Clock()
    store = open_store(str(tmp_path))
    status = Status(Silent(), store, {"reading\x1b[1m": 0.5, "mix": 0.5}, clock)
    status.start("reading\x1b[1m", 4, 0)
    assert store.size(STATUS) is None
    clock.now = EVERY + 8
    status.advance(700_000_000)
    clock.now += EVERY / 2
    status.advance(900_000_000)  # too soon after the last one
    assert json.loads(store.read(STATUS)) == {
        "step": "reading\x1b[1m", "tasks": 4, "done": 1, "share": 0.125, "seconds_left": 70.0,
        "tasks_of_run": 1, "peak_bytes": 700_000_000, "began": 0.0, "written": 10.0,
    }  # fmt: skip
    assert api.status(str(tmp_path)) is None
    with only_writer(store):
        assert api.status(str(tmp_path))["share"] == 0.125
        monkeypatch.setattr("time.time", lambda: 20.0)
        assert _main(["top", str(tmp_path)]) == 0
        assert capsys.readouterr().out == (
            "reading\ufffd[1m: 1 of 4 tasks\nall: 12%, 20.0 s so far, 1 min 10 s left\n"
            "memory of a task: 700.0 MB at most\nas of 10.0 s ago\n"
        )
    assert _main(["top", str(tmp_path)]) == 4  # what doctor says of a folder without a recipe
    assert capsys.readouterr().out.startswith("foreign: ")


def test_a_state_that_cannot_be_written_does_not_end_the_run(tmp_path):
    clock = Clock()
    store = open_store(str(tmp_path))
    (tmp_path / "work").write_text("a file where the folder should be")
    status = Status(Silent(), store, {}, clock)
    clock.now = 100.0
    status.start("reading", 1, 0)
    status.advance(0)
    assert (tmp_path / "work").read_text().startswith("a file")
