"""A run that is killed at any point and run again publishes exactly what an undisturbed one does.

Oracle: before the second run nothing or everything is published; after it, files and ledger
equal the undisturbed run's, and no temporary file is left.
"""

import json
import shutil
import signal

import pytest

from tests.faults.points import POINTS
from tests.runs import PUBLISHED, ledger, tree

#: The visit of a point at which the run fails; 1 where not listed.
NTH = {
    "commit.linked": 7,
    "sink.flushed": 3,
    "step.done": 5,
    "publish.renaming": 3,
    "table.read": 2,
}


def check_unpublished_or_complete(out, files):
    manifest = out / "manifest.json"
    if manifest.exists():
        listed = json.loads(manifest.read_text())["files"]
        published = {e["path"]: e["sha256"] for e in listed if e["path"].startswith(PUBLISHED)}
        assert published == files
        assert tree(out) == files


def check_equal(out, golden):
    _, files, counts = golden
    assert tree(out) == files
    assert ledger(out) == counts
    left = {path.name for path in out.iterdir()}
    assert not {"work", "commits"} & left
    assert not [name for name in left if name.startswith(".") and name != ".lock"]
    assert not list((out / "filters").glob(".*"))


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_and_resumed(point, golden, run, out):
    killed = run(CURATE_FAILPOINT=f"{point}:kill:{NTH.get(point, 1)}")
    assert killed.returncode == -signal.SIGKILL, f"{point} was not reached: {killed.stderr}"
    check_unpublished_or_complete(out, golden[1])
    again = run()
    assert again.returncode == 0, again.stderr
    check_equal(out, golden)


def test_killed_before_and_after_every_rename_of_a_publish(golden, run, out):
    for point in ("publish.renaming", "publish.renamed"):
        for nth in range(1, 30):
            killed = run(CURATE_FAILPOINT=f"{point}:kill:{nth}")
            if killed.returncode == 0:
                break
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            check_unpublished_or_complete(out, golden[1])
            if (out / "manifest.json").exists():
                break
        assert nth > 5
        assert run().returncode == 0
        check_equal(out, golden)
        assert run("--fresh").returncode == 0
        check_equal(out, golden)
        shutil.rmtree(out)


@pytest.mark.parametrize("action", ["enospc", "eio"])
@pytest.mark.parametrize("point", POINTS)
def test_a_storage_error_is_resumable_and_never_success(point, action, golden, run, out):
    failed = run(CURATE_FAILPOINT=f"{point}:{action}:{NTH.get(point, 1)}")
    assert failed.returncode == 5, failed.stderr
    assert "failpoint" in failed.stderr
    check_unpublished_or_complete(out, golden[1])
    again = run()
    assert again.returncode == 0, again.stderr
    check_equal(out, golden)


def test_three_kills_in_a_row(golden, run, out):
    for point in ("commit.linked:kill:2", "commit.linked:kill:9", "publish.renamed:kill:2"):
        assert run(CURATE_FAILPOINT=point).returncode == -signal.SIGKILL
        check_unpublished_or_complete(out, golden[1])
    assert run().returncode == 0
    check_equal(out, golden)


def test_a_finished_run_is_not_done_again(run, out):
    assert run().returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    again = run()
    assert again.returncode == 0
    assert "finished before" in again.stderr
    assert {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"
    } == before


def cut(body):
    return body[:-100]


def flipped(body):
    at = len(body) // 3
    return body[:at] + bytes([body[at] ^ 16]) + body[at + 1 :]


def emptied(body):
    return b""


@pytest.mark.parametrize("damage", [cut, flipped, emptied])
@pytest.mark.parametrize(
    "kind",
    [
        "survivors.exchange",
        "texts.exchange",
        "sketch-*.exchange",
        "decisions.exchange",
        "quarantined-*.parquet",
    ],
)
def test_a_damaged_intermediate_file_is_made_again(kind, damage, golden, run, out):
    # The last step before the product, so that every step that reads the damaged file runs again.
    assert run(CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    victims = sorted((out / "work").rglob(kind))
    assert victims
    for victim in victims:
        victim.write_bytes(damage(victim.read_bytes()))
    for commits in (out / "commits").iterdir():
        if commits.name.startswith(("mix", "fuzzy", "exact", "01", "02")):
            for commit in commits.iterdir():
                commit.unlink()
    again = run()
    runs = 1
    while again.returncode == 5 and runs < 20:  # each run makes five files again
        again, runs = run(), runs + 1
    assert again.returncode == 0, again.stderr
    check_equal(out, golden)


def test_a_damaged_commit_is_made_again(golden, run, out):
    assert run(CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    commits = sorted((out / "commits").rglob("*.json"))
    commits[0].write_bytes(commits[0].read_bytes()[:50])
    commits[-1].write_bytes(b"")
    assert run().returncode == 0
    check_equal(out, golden)


@pytest.mark.parametrize("damage", [flipped, cut])
@pytest.mark.parametrize("kind", ["mixture-*.parquet", "rejected-*.parquet", "*.jsonl.zst"])
def test_a_damaged_file_of_the_product_is_made_again_before_it_is_published(
    kind, damage, curate, golden, out
):
    more = ("--engine", "in-process", "--set", 'output.formats=["parquet", "jsonl"]')
    start = ("run", golden[0], "--output", out, *more)
    killed = curate(*start, CURATE_FAILPOINT="publish.started:kill:1")
    assert killed.returncode == -signal.SIGKILL
    victims = sorted((out / "work").rglob(kind))
    assert victims, sorted((out / "work").rglob("*"))
    victims[-1].write_bytes(damage(victims[-1].read_bytes()))
    again = curate(*start)
    assert again.returncode == 0, again.stderr
    assert (damage is cut) or "is damaged; the task that wrote it runs again" in again.stderr
    check_equal(out, golden)
    assert curate("verify", out).returncode == 0
