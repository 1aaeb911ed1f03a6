"""A run that cannot fit is refused before it begins, with the numbers and the remedy."""

import shutil
from collections import namedtuple

import pytest

from curate.inspection import capacity
from curate.plan import build as planning
from curate.plan.estimate import estimate
from curate.recipe.recipe import load_recipe
from tests.unit.cli.commands import curate

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def small_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 1000, 1000))


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(capacity, "memory_bytes", lambda: 10**8)


def run(tmp_path, *options):
    return curate(
        "run", "demo", "--engine", "in-process", "--output", str(tmp_path / "out"), *options
    )


def test_a_full_disk_is_refused_and_nothing_is_written(small_disk, tmp_path):
    out = run(tmp_path)
    assert out.code == 5
    assert "the run would write about" in out.err
    assert "1.0 kB are free" in out.err
    assert "--force" in out.err
    assert not (tmp_path / "out").exists()


def test_too_little_memory_is_refused(small_memory, tmp_path):
    out = run(tmp_path)
    assert out.code == 5
    assert "of memory, this machine has 100.0 MB" in out.err
    assert not (tmp_path / "out").exists()


def test_force_runs_all_the_same(small_disk, small_memory, tmp_path):
    assert run(tmp_path, "--force", "--set", "limits.max_dedup_loss=1.0").code == 0
    # A finished run needs nothing more: it is not refused.
    again = run(tmp_path, "--set", "limits.max_dedup_loss=1.0")
    assert again.code == 0, again.err


def test_what_an_earlier_attempt_wrote_counts_as_free(small_disk, tmp_path):
    cost = estimate(planning.build(load_recipe("demo")))
    needed = cost["disk_bytes"]
    (tmp_path / "work").mkdir()
    (tmp_path / "work/a").write_bytes(bytes(needed - 1000))
    capacity.check(cost, str(tmp_path), 0)


def test_an_object_store_and_a_cluster_have_limits_of_their_own(small_disk, small_memory):
    capacity.check(estimate(planning.build(load_recipe("demo"))), "s3://bucket/out", 0)


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    whole = capacity.memory_bytes()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(capacity, "CGROUP_LIMITS", (tmp_path / "absent", limit))
    limit.write_text("1048576\n")
    assert capacity.memory_bytes() == 1 << 20
    limit.write_text("max\n")
    assert capacity.memory_bytes() >= whole
