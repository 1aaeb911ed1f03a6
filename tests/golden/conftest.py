"""One undisturbed run of the demo, shared by the tests of this folder."""

import fcntl

import pytest

from curate import api
from tests.unit.cli.commands import demo_run


@pytest.fixture(scope="session")
def demo():
    out, _ = demo_run()
    with (out.parent / ".lock").open("w") as lock:  # the folder refuses two writers at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        return api.run("demo", output=out, engine="in-process")
