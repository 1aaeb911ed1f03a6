"""A worker that dies is replaced, and the answer stays the same."""

import os
import subprocess
import sys

import pytest

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
