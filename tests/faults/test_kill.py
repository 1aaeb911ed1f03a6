"""A run that is killed at any point and run again publishes exactly what an undisturbed one does.

Oracle: before the second run nothing or everything is published; after it, files and ledger
equal the undisturbed run's, and no temporary file is left.
"""

import hashlib
import json
import shutil
import signal

import pytest

from curate.engine.publish import ENTRIES
from curate.inspection.verify import verify
from curate.storage.store import open_store
from tests.faults.points import POINTS
from tests.runs import PUBLISHED, ledger, tree

ARGUMENTS = ("--engine", "in-process")

#: The visit of a point at which the run fails; 1 where not listed.
NTH = {
    "commit.linked": 7,
    "sink.flushed": 3,
    "step.done": 5,
    "publish.renaming": 3,
    "table.read": 2,
}


def check_unpublished_or_complete(out, files):
    """Check that no part of a product is visible without its manifest, nor a manifest without."""
    manifest = out / "manifest.json"
    if not manifest.exists():
        assert [name for name in ENTRIES if (out / name).exists()] == []
        return
    listed = json.loads(manifest.read_text())["files"]
    published = {e["path"]: e["sha256"] for e in listed if e["path"].startswith(PUBLISHED)}
    assert published == files
    assert tree(out) == files
    for entry in listed:
        assert hashlib.sha256((out / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    for name in ("report.json", "report.md", "report.html", "README.md", "timings.jsonl"):
        assert (out / name).stat().st_size > 0


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


def test_killed_before_every_rename_of_a_publish(golden, run, out):
    seen = set()
    for nth in range(1, 60):
        killed = run(CURATE_FAILPOINT=f"publish.renaming:kill:{nth}")
        check_unpublished_or_complete(out, golden[1])
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        seen.add((out / "manifest.json").exists())
        if (out / "manifest.json").exists():
            assert run().returncode == 0
            check_equal(out, golden)
            shutil.rmtree(out)
    assert seen == {False, True}
    assert nth > 10
    check_equal(out, golden)


@pytest.mark.parametrize("point", ["publish.renaming", "publish.renamed"])
def test_a_product_is_visible_until_the_next_one_replaces_it_in_one_step(
    point, golden, curate, run, out
):
    # The older product has a folder that the newer one has not.
    older = (*ARGUMENTS, "--set", 'output.formats=["parquet", "jsonl"]', "--set", "seed=9")
    assert curate("run", golden[0], "--output", out, *older).returncode == 0
    before = tree(out)
    assert before != golden[1]
    products = []
    for nth in range(1, 80):
        more = ("--fresh",) if nth == 1 else ()
        killed = run(*more, CURATE_FAILPOINT=f"{point}:kill:{nth}")
        products.append(tree(out))
        check_unpublished_or_complete(out, products[-1])
        assert products[-1] in (before, golden[1])
        assert (out / "jsonl").exists() or products[-1] == golden[1]
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (before in products) == (point == "publish.renaming")
    assert nth > 3
    check_equal(out, golden)
    assert not (out / "jsonl").exists()


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


def renamed_in_the_footer(body):
    """Return a Parquet file whose footer, which no checksum covers, names another column."""
    assert b"length" in body
    return body.replace(b"length", b"ldngth")


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


def test_a_damaged_footer_is_made_again(golden, run, out):
    assert run(CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    for victim in sorted((out / "work").rglob("quarantined-*.parquet")):
        victim.write_bytes(renamed_in_the_footer(victim.read_bytes()))
    again = run()
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
@pytest.mark.parametrize("kind", ["mixture-*.parquet", "rejected-*.parquet", "jsonl-*", "mds-*"])
def test_a_damaged_file_of_the_product_is_made_again_before_it_is_published(
    kind, damage, curate, golden, out
):
    more = ("--set", 'output.formats=["parquet", "jsonl", "mds"]')
    start = ("run", golden[0], "--output", out, *ARGUMENTS, *more)
    killed = curate(*start, CURATE_FAILPOINT="publish.started:kill:1")
    assert killed.returncode == -signal.SIGKILL
    victims = sorted((out / "work").rglob(kind))
    assert victims, sorted((out / "work").rglob("*"))
    victims[-1].write_bytes(damage(victims[-1].read_bytes()))
    again = curate(*start)
    assert again.returncode == 0, again.stderr
    assert "damaged" in again.stderr
    repairs = json.loads((out / "manifest.json").read_text())["repairs"]
    assert sum(repairs.values()) == 1, repairs
    check_equal(out, golden)
    assert curate("verify", out).returncode == 0


@pytest.mark.parametrize("name", ["quarantine", "clusters", "filters", "index.json", "report.html"])
def test_what_is_damaged_while_it_is_published_is_made_again(name, golden, out, monkeypatch):
    """A file that publishing itself writes is read again before it is visible."""
    from curate import api
    from curate.engine import publish

    damaged = []

    def reach(point):
        if point == "publish.linked" and not damaged:
            staged = next(out.glob(".publish-*"))
            damaged.append(next(p for p in staged.rglob("*") if p.is_file() and name in str(p)))
            damaged[0].write_bytes(flipped(damaged[0].read_bytes()))

    monkeypatch.setattr(publish, "reach", reach)
    result = api.run(
        golden[0], output=out, engine="in-process", settings=['output.formats=["parquet", "mds"]']
    )
    assert damaged
    assert sum(result.manifest["repairs"].values()) == 1
    check_equal(out, golden)
    assert verify(open_store(str(out))) == []


def test_a_disk_that_damages_every_file_publishes_nothing(golden, out, monkeypatch):
    from curate import api
    from curate.engine import publish
    from curate.errors import ResourceError

    def reach(point):
        if point == "publish.linked":
            victim = next(next(out.glob(".publish-*")).rglob("mixture/*/*.parquet"))
            victim.write_bytes(flipped(victim.read_bytes()))

    monkeypatch.setattr(publish, "reach", reach)
    with pytest.raises(ResourceError, match="not what was written to it"):
        api.run(golden[0], output=out, engine="in-process")
    check_unpublished_or_complete(out, golden[1])
    monkeypatch.undo()
    assert api.run(golden[0], output=out, engine="in-process").exit_code == 0
    check_equal(out, golden)
