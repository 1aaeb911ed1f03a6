"""What a run refuses, from what it resumes, and how it reacts to changed inputs or disks."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from tests.faults.test_kill import check_equal, check_unpublished_or_complete
from tests.runs import tree, write_recipe


@pytest.fixture
def recipe(golden, tmp_path):
    """Return a copy of the golden corpus and recipe that a test may change."""
    shutil.copytree(golden[0].parent / "in", tmp_path / "in")
    return write_recipe(tmp_path / "small.toml", tmp_path / "in", partition_bytes=20_000)


@pytest.fixture
def start(curate, recipe, out):
    def start(*more, **environment):
        return curate(
            "run", recipe, "--output", out, "--engine", "in-process", *more, **environment
        )

    return start


def keys(out):
    return {str(path.relative_to(out)) for path in (out / "commits").rglob("*.json")}


def test_foreign_files_are_refused_and_kept(run, out):
    out.mkdir()
    (out / "thesis.tex").write_text("years")
    for more in ((), ("--fresh",), ("--resume",)):
        refused = run(*more)
        assert refused.returncode == 4
        assert "thesis.tex" in refused.stderr
    assert (out / "thesis.tex").read_text() == "years"
    assert not (out / "work").exists()


def test_of_two_writers_one_is_refused_and_the_other_is_named(golden, run, out):
    out.mkdir()
    with (out / ".lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        holder.write("pid 4711 on elsewhere")
        holder.flush()
        refused = run()
    assert refused.returncode == 4
    assert "pid 4711 on elsewhere" in refused.stderr
    assert run().returncode == 0
    check_equal(out, golden)


def test_a_changed_recipe_is_refused_then_resumed_from_what_changed(start, out):
    assert start(CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    before = keys(out)
    refused = start("--set", "mixture.ratio=1:1")
    assert refused.returncode == 4
    assert "stage mix changed" in refused.stderr
    assert keys(out) == before
    killed = start(
        "--resume", "--set", "mixture.ratio=1:1", CURATE_FAILPOINT="publish.started:kill:1"
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = keys(out) - before
    assert again
    assert not [
        key for key in again if "exact_dedup" in key or "fuzzy_dedup" in key or "00-" in key
    ]
    assert start("--set", "mixture.ratio=1:1").returncode == 0
    resumed = tree(out)
    refused = start()
    assert refused.returncode == 4
    assert start("--fresh", "--set", "mixture.ratio=1:1").returncode == 0
    assert tree(out) == resumed


def changed(folder):
    path = folder / "a0.jsonl"
    body = path.read_text()
    path.write_text(body.replace("edited", "EDITED", 1) if "edited" in body else body.upper())


def added(folder):
    (folder / "a9.jsonl").write_text('{"text": "one more document that is new"}\n')


def gone(folder):
    (folder / "b1.jsonl").write_text('{"text": "a source cannot be empty"}\n')
    (folder / "a2.jsonl").unlink()


@pytest.mark.parametrize("change", [changed, added, gone])
def test_other_inputs_are_refused_and_named_and_resume_equals_fresh(change, start, recipe, out):
    assert start(CURATE_FAILPOINT="step.done:kill:2").returncode == -signal.SIGKILL
    change(recipe.parent / "in")
    refused = start()
    assert refused.returncode == 4
    assert f"input {change.__name__}: a/a" in refused.stderr
    resumed = start("--resume")
    assert resumed.returncode in (0, 3), resumed.stderr
    files = tree(out)
    assert start("--fresh").returncode == resumed.returncode
    assert tree(out) == files


@pytest.mark.parametrize(
    ("change", "message"),
    [(changed, "changed while the run was reading"), (gone, "cannot be read")],
)
def test_an_input_that_changes_while_it_is_read_ends_the_run(
    change, message, recipe, out, monkeypatch
):
    from curate import api
    from curate.engine import segment
    from curate.errors import ResourceError

    passed = []

    def reach(point):
        passed.append(point)
        if passed.count("table.read") == 1 and point == "table.read":
            change(recipe.parent / "in")

    monkeypatch.setattr(segment, "reach", reach)
    with pytest.raises(ResourceError, match=message):
        api.run(recipe, output=out, engine="in-process")
    assert not (out / "manifest.json").exists()


def test_an_output_that_is_a_file_or_cannot_be_made(run, out, tmp_path, curate, golden):
    out.write_text("a file")
    failed = run()
    assert failed.returncode == 4
    assert out.read_text() == "a file"
    nowhere = curate("run", golden[0], "--output", "/proc/nowhere/run", "--engine", "in-process")
    assert nowhere.returncode in (2, 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_130_and_it_resumes(number, golden, run, out):
    for point in ("sink.closed", "step.done", "publish.linked"):
        stopped = run(CURATE_FAILPOINT=f"{point}:{number.name.lower()}:1")
        assert stopped.returncode == 130, stopped.stderr
        assert "run the same command again" in stopped.stderr
        assert not (out / "manifest.json").exists()
    assert run().returncode == 0
    check_equal(out, golden)


def mounted(folder, options):
    """Mount a small disk for this test; return whether that is allowed."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    return mount.returncode == 0


def test_a_full_disk_ends_with_5_publishes_nothing_and_resumes_when_it_grows(
    golden, curate, tmp_path
):
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    if not mounted(disk, "size=64k"):
        pytest.skip("may not mount")
    try:
        for size in ("64k", "200k", "400k", "800k"):
            subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
            full = curate(
                "run", golden[0], "--output", disk / "out", "--engine", "in-process", "--force"
            )
            if full.returncode == 0:
                break
            assert full.returncode == 5, full.stderr
            assert "No space left" in full.stderr
            assert not (disk / "out" / "manifest.json").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        done = curate("run", golden[0], "--output", disk / "out", "--engine", "in-process")
        assert done.returncode == 0, done.stderr
        check_equal(disk / "out", golden)
        json.loads((disk / "out" / "manifest.json").read_text())
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_fresh_run_on_a_full_disk_keeps_what_was_there(golden, curate, tmp_path):
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    if not mounted(disk, "size=64m"):
        pytest.skip("may not mount")
    out = disk / "out"
    fresh = ("run", golden[0], "--output", out, "--engine", "in-process", "--force", "--fresh")
    try:
        assert curate(*fresh).returncode == 0
        used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*")) // 1024
        for spare in (0, 100, 300):
            size = f"remount,size={used + spare}k"
            subprocess.run(["mount", "-o", size, str(disk)], check=True)
            full = curate(*fresh)
            assert full.returncode == 5, full.stderr
            check_unpublished_or_complete(out, golden[1])
            assert (out / "manifest.json").exists()
            assert curate("verify", out).returncode == 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert curate(*fresh).returncode == 0
        check_equal(out, golden)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


DAMAGES = {
    "cut": lambda body: body[:100],
    "empty": lambda body: b"",
    "table": lambda body: b"{}",
    "list": lambda body: b"[]",
    "number": lambda body: b"5",
    "deep": lambda body: b"[" * 100_000,
    "no text": lambda body: b"\xff\xfe" + body,
    "flipped": lambda body: body[:200] + bytes([body[200] ^ 1]) + body[201:],
    "keys": lambda body: re.sub(rb'"(ledger|plan)"', b'"x"', body),
    "types": lambda body: re.sub(rb'"(files|inputs)": *[\[{]', b'"x": 1, "files": 5, "y": [', body),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_manifest_is_one_sentence_and_fresh_replaces_the_run(
    damage, golden, curate, run, out
):
    assert run().returncode == 0
    manifest = out / "manifest.json"
    manifest.write_bytes(damage(manifest.read_bytes()))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    before.pop(out / ".lock")
    for command in (("verify", out), ("report", out), ("explain", out, "a/a.jsonl#0")):
        asked = curate(*command)
        assert asked.returncode == 4, asked.stderr
        assert asked.stderr.startswith("curate: manifest.json is damaged"), asked.stderr
    for more in ((), ("--resume",)):
        refused = run(*more)
        assert refused.returncode == 4
        assert "--fresh" in refused.stderr
        assert "Traceback" not in refused.stderr
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    after.pop(out / ".lock")
    assert after == before
    assert run("--fresh").returncode == 0
    check_equal(out, golden)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_state_of_an_unfinished_run_is_one_sentence(damage, golden, run, out):
    assert run(CURATE_FAILPOINT="publish.started:kill:1").returncode == -signal.SIGKILL
    state = out / "work" / "run.json"
    state.write_bytes(damage(state.read_bytes()))
    refused = run()
    assert refused.returncode == 4, refused.stderr
    assert refused.stderr.startswith("curate: work/run.json is damaged"), refused.stderr
    assert run("--fresh").returncode == 0
    check_equal(out, golden)


def test_a_linked_lock_is_refused_and_its_target_is_kept(run, out):
    thesis = out.parent / "thesis.tex"
    thesis.write_text("years")
    out.mkdir()
    (out / ".lock").symlink_to(thesis)
    refused = run()
    assert refused.returncode == 4, refused.stderr
    assert refused.stderr.startswith("curate: its .lock is a link"), refused.stderr
    assert thesis.read_text() == "years"
    (out / ".lock").unlink()
    os.link(thesis, out / ".lock")  # a second name of the file
    refused = run()
    assert refused.returncode == 4, refused.stderr
    assert thesis.read_text() == "years"


def test_a_refused_folder_is_not_touched(run, out):
    out.mkdir()
    (out / "thesis.tex").write_text("years")
    assert run().returncode == 4
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_a_run_that_is_refused_gets_no_lock(golden, run, out):
    assert run().returncode == 0
    (out / ".lock").unlink()  # as in a copy
    before = sorted(out.rglob("*"))
    assert run("--set", "seed=9").returncode == 4
    assert sorted(out.rglob("*")) == before


def test_an_output_in_memory_is_refused(curate, golden):
    refused = curate("run", golden[0], "--output", "memory://out", "--engine", "in-process")
    assert refused.returncode == 2
    assert "memory://" in refused.stderr
