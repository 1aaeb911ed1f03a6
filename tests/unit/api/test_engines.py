"""Which engine `auto` takes, and what the first line says of it."""

import os

import pytest

from curate.api import engines
from curate.errors import RecipeError
from tests.unit.cli.commands import curate


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_a_small_input_is_worked_on_here():
    choice = engines.choose("auto", 2.0, None, None)
    assert (choice.name, choice.tasks_here) == ("in-process", 1)
    assert "Ray costs more" in choice.reason


@pytest.mark.parametrize(
    ("cpus", "seconds", "name"),
    [(1, 1e6, "in-process"), (2, 11.9, "in-process"), (2, 12.1, "ray"), (8, 7.0, "ray")],
)
def test_ray_is_taken_where_it_saves_more_than_it_costs(monkeypatch, cpus, seconds, name):
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)
    choice = engines.choose("auto", seconds, None, None)
    assert (choice.name, choice.tasks_here) == (name, cpus if name == "ray" else 1)


def test_workers_ask_for_ray():
    choice = engines.choose("auto", 2.0, 2, None)
    assert (choice.name, choice.reason) == ("ray", "a Ray of its own here, 2 workers")


def test_a_cluster_is_used_where_one_is_named(monkeypatch):
    assert engines.choose("auto", 2.0, None, "head:1") == (
        "ray", 0, "Ray at head:1 (--address)",
    )  # fmt: skip
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert engines.choose("auto", 2.0, 3, None)[1:] == (0, "Ray at auto (RAY_ADDRESS)")
    assert engines.choose("auto", 2.0, None, "local").name == "in-process"
    assert engines.choose("in-process", 2.0, None, "head:1").name == "in-process"


def test_workers_in_process_are_said_to_be_for_ray():
    reason = engines.choose("in-process", 2.0, 4, None).reason
    assert reason == "in-process; --workers is for Ray"


def test_an_unknown_engine():
    with pytest.raises(RecipeError, match="no engine 'atuo'") as error:
        engines.choose("atuo", 2.0, None, None)
    assert "did you mean 'auto'?" in str(error.value)


def test_the_first_line_names_the_engine(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n')
    out = curate("dedup", tmp_path / "a.jsonl", "--output", tmp_path / "out")
    assert out.err.splitlines()[0].startswith("engine: in-process: with about ")
