"""Every state of a folder is told from the others, and nothing is touched by looking."""

import fcntl
import json
import shutil

import pytest

from curate import api
from curate.engine import publish
from curate.engine.lease import held
from curate.errors import RefusedError
from curate.inspection.doctor import STATES, diagnose
from curate.storage.store import open_store
from tests.runs import write_corpus, write_recipe
from tests.unit.cli.commands import curate


class Stopped(BaseException):
    """Ends a run as a signal does."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a recipe, the folder of a finished run, and that of one stopped at publishing."""
    folder = tmp_path_factory.mktemp("doctor")
    write_corpus(folder / "in", documents=40)
    recipe = write_recipe(folder / "small.toml", folder / "in")
    api.run(recipe, output=folder / "out", engine="in-process")

    def reach(point):
        if point == "publish.linked":
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "reach", reach)
        with pytest.raises(Stopped):
            api.run(recipe, output=folder / "stopped", engine="in-process")
    return recipe, folder / "out", folder / "stopped"


@pytest.fixture
def finished(runs, tmp_path):
    shutil.copytree(runs[1], tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def stopped(runs, tmp_path):
    shutil.copytree(runs[2], tmp_path / "stopped")
    return tmp_path / "stopped"


def content(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def told(folder):
    """Return the diagnosis of a folder, which is not touched."""
    before = content(folder)
    found = diagnose(open_store(str(folder)))
    assert content(folder) == before
    assert found.exit_code == STATES[found.state]
    return found


def test_finished(finished):
    found = told(finished)
    assert (found.state, found.exit_code, found.damaged) == ("finished", 0, ())
    assert "recipe 'small': 40 documents" in found.what
    assert found.next.startswith(f"curate verify {finished}")


def test_finished_with_files_that_are_gone_or_cut(finished):
    part = next((finished / "mixture").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    (finished / "recipe.toml").unlink()
    found = told(finished)
    assert (found.state, found.exit_code) == ("damaged", 1)
    assert [line.split(": ")[1] for line in found.damaged if "recipe" in line] == ["missing"]
    assert len(found.damaged) == 2
    assert "--fresh" in found.next


@pytest.mark.parametrize("damage", [b"", b'{"format": 2', b"{}", b"[]"])
@pytest.mark.parametrize("name", ["manifest.json", "work/run.json"])
def test_what_says_the_state_is_damaged(name, damage, finished, stopped):
    folder = finished if name == "manifest.json" else stopped
    (folder / name).write_bytes(damage)
    found = told(folder)
    assert (found.state, found.damaged) == ("damaged", (name,))
    assert "--fresh" in found.next


def test_unfinished(stopped):
    found = told(stopped)
    assert (found.state, found.exit_code, found.damaged) == ("unfinished", 5, ())
    assert found.tasks["mix-placing"] > 0
    assert "while it was published" in found.what
    assert "pid " in found.holder
    assert "run the same command again" in found.next


def test_unfinished_with_damaged_work(stopped):
    commit = sorted((stopped / "commits/mix-product-main").iterdir())[0]
    path = json.loads(commit.read_text())["files"][0]["path"]
    (stopped / path).write_bytes(b"")
    other = sorted((stopped / "commits/mix-placing").iterdir())[0]
    other.write_bytes(other.read_bytes()[:50])
    found = told(stopped)
    assert found.state == "unfinished"
    assert [line.split(":")[0] for line in sorted(found.damaged)] == [
        str(other.relative_to(stopped)),
        path,
    ]
    assert "damaged files, which will be made again: 2" in found.what


def test_unfinished_over_a_product(finished, runs, monkeypatch):
    def reach(point):
        raise Stopped

    monkeypatch.setattr(publish, "reach", reach)
    with pytest.raises(Stopped):
        api.run(runs[0], output=finished, engine="in-process", fresh=True)
    found = told(finished)
    assert found.state == "unfinished"
    assert "the product that it would replace is whole" in found.what


def test_running(stopped):
    with (stopped / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write("pid 4711 on elsewhere")
        lock.flush()
        found = told(stopped)
    assert (found.state, found.exit_code) == ("running", 4)
    assert found.holder == "pid 4711 on elsewhere"


def test_a_lease_tells_who_works_and_one_of_a_dead_process_does_not():
    store = open_store("memory://doctor/run")
    store.replace("work/run.json", b'{"format": 2, "plan": "p", "inputs": {}, "epoch": 1}')
    with held(store):
        found = diagnose(store, patient=False)
        assert (found.state, found.exit_code) == ("running", 4)
        assert "pid " in found.holder
    store.replace(".lease-000007", b'{"host": "elsewhere", "pid": 7, "id": "x", "beats": 3}')
    assert diagnose(store, patient=False).holder == "pid 7 on 'elsewhere'"
    store.remove(".lease-000007")
    assert diagnose(store).state == "unfinished"
    store.remove("")


def test_foreign(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    found = told(tmp_path)
    assert (found.state, found.exit_code) == ("foreign", 4)
    assert "thesis.tex" in found.what


def test_nothing_there(tmp_path):
    assert told(tmp_path).state == "empty"
    found = told(tmp_path / "absent")
    assert (found.state, found.exit_code) == ("empty", 2)
    assert not (tmp_path / "absent").exists()


def test_an_older_version(finished):
    (finished / "manifest.json").write_text('{"format": 1, "curate": "0.0.9"}')
    found = told(finished)
    assert (found.state, found.exit_code) == ("older version", 4)
    assert "curate 0.0.9 in format 1" in found.what


def test_other_commands_say_what_there_is(stopped):
    run = str(stopped)
    for use in (
        lambda: api.rebuild_report(run),
        lambda: api.explain(run, "a/a0.jsonl#0"),
        lambda: api.push(run, "somebody/corpus", dry_run=True),
    ):
        with pytest.raises(RefusedError, match="no finished run here: a run that was") as refused:
            use()
        assert "run the same command again" in refused.value.hint
    result = curate("verify", run)
    assert result.code == 4
    assert "no finished run here: a run that was" in result.err


def test_the_command_prints_the_state_and_ends_with_its_code(stopped, finished):
    result = curate("doctor", stopped)
    assert result.code == 5
    assert result.out.startswith("unfinished: a run that was killed or stopped; tasks done: ")
    assert "\n  next: run the same command again" in result.out
    answer = json.loads(curate("doctor", finished, "--json").out)
    assert (answer["state"], answer["exit_code"], answer["damaged"]) == ("finished", 0, [])
