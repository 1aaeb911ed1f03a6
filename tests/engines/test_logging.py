"""What a worker logs reaches the terminal and ``work/log``; what libraries log does not."""

import os
import subprocess
import sys

import pytest

from tests.runs import write_corpus, write_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe that logs, and that stops before it publishes because dedup removes too much."""
    folder = tmp_path_factory.mktemp("logging")
    write_corpus(folder / "in", documents=60, files=2)
    path = write_recipe(folder / "small.toml", folder / "in")
    stopped = '[limits]\nmax_dedup_loss = 0.0\non_dedup_loss = "stop"\n'
    text = path.read_text().replace("[limits]\n", stopped)
    path.write_text(text.replace("[[stages]]", '[[stages]]\nuse = "logging"\n[[stages]]', 1))
    return path


def run(recipe, out, *options, engine):
    return subprocess.run(
        [sys.executable, "-m", "tests.engines.logging_stage", *options, "run", str(recipe),
         "--output", str(out), "--engine", engine],
        env={**os.environ, "PYTHONWARNINGS": "default"}, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["in-process", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_workers_warning_reaches_the_terminal_and_the_log(recipe, tmp_path, engine):
    ended = run(recipe, tmp_path / "out", engine=engine)
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.count("warning: ") == ended.stderr.count(" rows\n") > 0
    for absent in ("a detail", "a retry", "a doubt"):
        assert absent not in ended.stderr
    logs = [path.read_text() for path in (tmp_path / "out/work/log").glob("*.log")]
    assert len(logs) == 3  # one for each task that read a shard
    assert all("warning curate.stages.logging: " in log for log in logs)
    assert any("warning py.warnings: " in log and "a doubt" in log for log in logs)


@pytest.mark.parametrize(
    ("options", "shown", "absent"),
    [
        (["-q"], [], [" rows\n", "a detail", "a doubt"]),
        (["-vv"], [" rows\n", "info: a detail", "a retry", "a doubt"], []),
    ],
)
def test_verbosity_chooses_what_is_shown(recipe, tmp_path, options, shown, absent):
    ended = run(recipe, tmp_path / "out", *options, engine="in-process")
    assert all(text in ended.stderr for text in shown), ended.stderr
    assert not any(text in ended.stderr for text in absent), ended.stderr
