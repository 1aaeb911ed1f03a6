"""A takedown that is killed anywhere shows the old or the new product; given again, it ends."""

import json
import shutil
import signal

import pytest

from tests.faults.points import TAKEDOWN_POINTS
from tests.runs import tree

LINES = [
    {
        "text": " ".join(f"{word}{n}" for word in "abcdefghijklmnopqrst"),
        "url": f"https://{host}/{n}",
    }
    for n, host in enumerate(["gone.example", "kept.example", "other.example"] * 8)
]


@pytest.fixture(scope="module")
def made(tmp_path_factory, curate):
    """Return a run with a dedup store and a list of domains, and what a takedown leaves of it."""
    folder = tmp_path_factory.mktemp("takedown")
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    (folder / "list.txt").write_text("gone.example\n")
    done = curate(
        "dedup", folder / "in.jsonl", "--url-field", "url", "--output", folder / "out",
        "--store-to", folder / "store", "--engine", "in-process",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "out", folder / "before")
    shutil.copytree(folder / "store", folder / "stored")
    assert curate("takedown", folder / "out", "--domains", folder / "list.txt").returncode == 0
    return folder, tree(folder / "before"), tree(folder / "out"), stored(folder / "store")


def stored(store):
    """Return what a store's generation says of its documents."""
    fields = json.loads((store / "generations/00000.json").read_text())
    return {name: fields[name] for name in ("documents", "sources")}


@pytest.fixture
def restored(made):
    folder = made[0]
    for name, of in (("out", "before"), ("store", "stored")):
        shutil.rmtree(folder / name)
        shutil.copytree(folder / of, folder / name)
    return folder


@pytest.mark.parametrize("action", ["kill", "eio"])
@pytest.mark.parametrize("point", TAKEDOWN_POINTS)
def test_killed_at_a_point_and_given_again(point, action, made, restored, curate):
    folder, before, after, in_store = made
    command = ("takedown", folder / "out", "--domains", folder / "list.txt")
    for nth in range(1, 30):
        killed = curate(*command, CURATE_FAILPOINT=f"{point}:{action}:{nth}")
        if killed.returncode == 0:
            break
        assert killed.returncode == (-signal.SIGKILL if action == "kill" else 5), killed.stderr
        visible = tree(folder / "out")
        assert visible in (before, after)
        assert visible == before or (folder / "out" / "takedowns").exists()
        told = curate("doctor", folder / "out")
        halfway = any((folder / "out").glob(".publish-*"))
        assert ("the same curate takedown again" in told.stdout) == halfway
        assert "damaged" not in told.stdout
    assert nth > 1, f"{point} was not reached"
    assert tree(folder / "out") == after
    assert stored(folder / "store") == in_store
    left = {path.name for path in (folder / "out").iterdir()}
    assert not {"work", "commits"} & left
    assert not [name for name in left if name.startswith(".") and name != ".lock"]
    data = {str(path) for path in (folder / "store" / "data").rglob("*.parquet")}
    named = json.loads((folder / "store" / "generations/00000.json").read_text())["files"]
    assert data == {str(folder / "store" / entry["path"]) for entry in named}
    assert curate("verify", folder / "out").returncode == 0
