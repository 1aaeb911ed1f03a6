"""Every error ends with the right exit code, names its cause, and writes nothing."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curate.cli import COMMANDS
from tests.runs import tree, write_corpus, write_recipe
from tests.unit.cli.commands import curate

#: A subprocess runs this checkout, whatever is installed.
HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

RUN = ("run", "demo", "--engine", "in-process", "--output", "out")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("pln",), "did you mean 'plan'?"),
        (("zzz",), "one of: bench, calibrate, check, compare"),
        (("run",), "Missing argument"),
        (("run", "demo", "--outptu", "x"), "did you mean '--output'?"),
        (("run", "demo", "--output"), "requires an argument"),
        (("mix", "a", "--ratio", "a=1", "--budget", "many"), "--budget"),
        (("run", "demoo", "--output", "out"), "did you mean 'demo'?"),
        (("run", "demo", "--output", "out", "--engine", "rey"), "did you mean 'ray'?"),
        (("run", "demo", "--output", "out", "--address", "ray://host:10001"), "ray job submit"),
        ((*RUN, "--input", "wb=x"), "did you mean 'web'?"),
        ((*RUN, "--input", "web"), "SOURCE=PATH"),
        ((*RUN, "--input", "web=*.warc.gz"), "no file matches the pattern"),
        ((*RUN, "--set", "seed=abc"), 'seed is a whole number, without quotes, not "abc"'),
        ((*RUN, "--set", "sed=1"), "did you mean 'seed'?"),
        ((*RUN, "--set", "limits.quarantined_recrds=1"), "did you mean 'quarantined_records'?"),
        ((*RUN, "--set", "shards.input_byte=1"), "did you mean 'input_bytes'?"),
        ((*RUN, "--set", "shards.input_bytes=-1"), "shards.input_bytes"),
        ((*RUN, "--set", "limits.quarantined_share=nan"), "limits.quarantined_share"),
        ((*RUN, "--set", "stages.fuzzy_dedup.treshold=1"), "did you mean 'threshold'?"),
        ((*RUN, "--set", "stages.fuzzy_dedup.threshold=1e400"), "threshold"),
        ((*RUN, "--set", "stages.fuzy_dedup.threshold=1"), "did you mean 'fuzzy_dedup'?"),
        ((*RUN, "--set", "mixture.rati=1"), "did you mean 'ratio'?"),
        ((*RUN, "--set", "mixture.groups.kazakh.langages=1"), "did you mean 'languages'?"),
        ((*RUN, "--set", "sources.news.txt=1"), "did you mean 'text'?"),
        ((*RUN, "--set", "sources.web.format=warcc"), "did you mean 'warc'?"),
        ((*RUN, "--set", "sources.chat.profile=caht"), "did you mean 'chat'?"),
        (("stage", "judg", "demo", "--dry-run"), "did you mean 'judge'?"),
        (("stage", "judge", "demo"), "--dry-run"),
        (("mix", "x.parquet", "--ratio", "a=1"), "--dry-run"),
        (("mix", "x.parquet", "--ratio", "a", "--dry-run"), "no part of a ratio"),
        (("dedup", "nosuch.parquet", "--output", "out"), "does not exist"),
        (("identify", "nosuch.jsonl"), "does not exist"),
        (("check", "kaz_Cyr"), "did you mean 'kaz_Cyrl'?"),
        (("signals", "mean_word_lenght"), "did you mean 'mean_word_length'?"),
    ],
)
def test_bad_usage_ends_with_2_and_the_nearest_name(arguments, named, tmp_path):
    result = curate(*arguments)
    assert result.code == 2
    assert named in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert not list(tmp_path.iterdir())


def test_invalid_toml():
    Path("bad.toml").write_text('name = "x"\n[sources')
    result = curate("plan", "bad.toml")
    assert result.code == 2
    assert "not valid TOML" in result.err
    assert "bad.toml" in result.err


@pytest.mark.parametrize("command", ["report", "verify"])
def test_a_folder_without_a_run_is_refused(command):
    assert curate(command, "nowhere").code == 4
    assert curate("explain", "nowhere", "x").code == 4
    assert not Path("nowhere").exists()


def test_an_output_that_is_a_file_is_refused():
    Path("file").write_text("mine")
    result = curate(*RUN[:-1], "file")
    assert result.code == 4
    assert "is a file" in result.err
    assert Path("file").read_text() == "mine"


def test_foreign_files_are_refused_and_left_alone():
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine")
    result = curate(*RUN)
    assert result.code == 4
    assert "mine.txt" in result.err
    assert [path.name for path in Path("out").iterdir() if path.name != ".lock"] == ["mine.txt"]


def test_a_locked_folder_names_the_process_that_locked_it():
    Path("out").mkdir()
    with Path("out/.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("pid 12345 on elsewhere")
        lock.flush()
        result = curate(*RUN)
    assert result.code == 4
    assert "pid 12345 on elsewhere" in result.err


def test_a_finished_run_above_its_tolerance_ends_with_3():
    write_corpus(Path("in"), documents=40)
    recipe = write_recipe(Path("small.toml"), Path("in"))
    result = curate(
        "run", str(recipe), "--engine", "in-process", "--output", "out",
        "--set", "limits.quarantined_records=0",
    )  # fmt: skip
    assert result.code == 3
    assert "2 of 42 records could not be read" in result.err
    assert Path("out/manifest.json").exists()


def test_another_recipe_in_the_same_folder_is_refused():
    write_corpus(Path("in"), documents=40)
    recipe = write_recipe(Path("small.toml"), Path("in"))
    run = ("run", str(recipe), "--engine", "in-process", "--output", "out")
    assert curate(*run).code == 0
    before = tree(Path("out"))
    result = curate(*run, "--set", "seed=6")
    assert result.code == 4
    assert "--fresh" in result.err
    assert tree(Path("out")) == before
    assert curate(*run, "--set", "seed=6", "--fresh").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_resumes(number, tmp_path):
    write_corpus(Path("in"), documents=60)
    recipe = write_recipe(Path("small.toml"), Path("in"))
    # The run stops itself at its third task, so that the interruption does not depend on a clock.
    stop = (
        "import os, signal, sys; from curate.engine import commit; from curate.cli import main;"
        # A shell without job control starts what runs in the background deaf to SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "reach = commit.reach; seen = [];"
        "commit.reach = lambda name: (seen.append(name), seen.count('task.started') == 3"
        f" and name == 'task.started' and os.kill(os.getpid(), {int(number)}), reach(name));"
        "sys.argv = ['curate', *sys.argv[1:]]; main()"
    )
    run = ["run", str(recipe), "--engine", "in-process", "--output", "out"]
    done = subprocess.run(
        [sys.executable, "-c", stop, *run], capture_output=True, text=True, env=HERE
    )
    assert done.returncode == 130
    assert "run the same command again" in done.stderr
    assert not Path("out/manifest.json").exists()
    committed = len(list(Path("out/commits").rglob("*.json")))
    assert committed == 2
    result = curate(*run)
    assert result.code == 0
    assert "2 done before" in result.err
    assert curate(*run[:-1], "whole").code == 0
    assert tree(Path("out")) == tree(Path("whole"))


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m curate signals --json | head -c 10; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, env=HERE,
    )  # fmt: skip
    assert done.stdout.endswith("0\n")
    assert done.stderr == ""


def test_version_is_a_plain_flag():
    result = curate("--version")
    assert result.code == 0
    assert result.out.startswith("curate ")
    assert "--no-version" not in curate("--help").out


def test_every_command_has_a_whole_line_in_the_help():
    lines = curate("--help").out.splitlines()
    for name in COMMANDS:
        line = next(line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith("."), line
        assert not line.endswith("..."), line


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_arguments_is_one_column(name):
    _, _, rest = curate(*name.split(), "--help").out.partition("Arguments:\n")
    lines = [line for line in rest.partition("\n\n")[0].splitlines() if line]
    columns = {re.match(r"  \S+ +|  +", line).end() for line in lines}
    assert len(columns) <= 1, lines
    assert not any("<" in line for line in lines)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_are_no_error(closed):
    command = f'"{sys.executable}" -m curate recipes {closed}'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0


def test_memory_that_does_not_suffice_is_a_resource(monkeypatch):
    def allocate(*_, **__):
        raise MemoryError("Allocation failed")

    monkeypatch.setattr("curate.api.listings.recipes", allocate)
    result = curate("recipes")
    assert result.code == 5
    assert "memory does not suffice: Allocation failed" in result.err
    assert "fewer --workers" in result.err
