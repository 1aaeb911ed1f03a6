"""A worker that dies is replaced, and the answer stays the same."""

import os
import signal
import subprocess
import sys

import pytest

from tests.faults.kills import victim_of
from tests.faults.test_kill import check_equal

pytest.importorskip("ray", reason="needs ray")
pytestmark = pytest.mark.ray


@pytest.fixture
def command(golden, out):
    run = ["run", str(golden[0]), "--output", str(out), "--engine", "ray", "--workers", "2"]
    return [sys.executable, "-m", "curate", *run]


def ended(line, **environment):
    return subprocess.run(
        line, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240
    )


def test_a_worker_that_dies_after_its_commit_changes_nothing(golden, command, out, tmp_path):
    # The lost acknowledgement: the retry finds the commit, and compares its own bytes with it.
    done = ended(
        command,
        CURATE_FAILPOINT="commit.linked:kill:2",
        CURATE_FAILPOINT_ONCE=str(tmp_path / "once"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "once").exists()
    check_equal(out, golden)


def test_a_raylet_that_dies_while_ray_starts_ends_the_run_in_words(command, golden, out):
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    raylet = None
    while raylet is None and started.poll() is None:
        raylet = victim_of("raylet", started.pid)
    os.kill(raylet, signal.SIGKILL)
    _, printed = started.communicate(timeout=240)
    assert started.returncode == 5, printed
    assert "Ray did not start" in printed
    assert "Traceback" not in printed
    assert ended(command).returncode == 0
    check_equal(out, golden)
