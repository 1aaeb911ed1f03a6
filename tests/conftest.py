"""Settings, hooks and fixtures of all tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.examples import THOROUGH, examples

settings.register_profile("curate", parent=examples())
settings.load_profile("curate")

SHARED = os.environ.get("CURATE_SHARED_DATA")

#: The variable with the folder that all processes of a test session share (``tests.runs.once``).
SESSION = "CURATE_TEST_SESSION"


def pytest_configure(config):
    config.made_session = SESSION not in os.environ
    if config.made_session:
        os.environ[SESSION] = tempfile.mkdtemp(prefix="curate-tests-")


def pytest_unconfigure(config):
    if config.made_session:
        shutil.rmtree(os.environ.pop(SESSION), ignore_errors=True)


def pytest_collection_modifyitems(config, items):
    """Deselect tests of the thorough tier, and run all tests that start Ray in one process."""
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    if thorough and not THOROUGH:
        config.hook.pytest_deselected(items=thorough)
        left_out = set(thorough)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))


def pytest_make_parametrize_id(val, argname):
    """Return the id of a function or bytes, which is equal in every process."""
    if isinstance(val, bytes):
        return f"{argname}_{len(val)}_bytes" if len(val) > 20 else None
    return getattr(val, "__name__", None) if callable(val) else None


@pytest.fixture(scope="module")
def local_ray():
    """Yield a Ray engine of four workers, shared by the tests of a module."""
    from curate.engine.ray_tasks import RayTasks

    engine = RayTasks(workers=4)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real texts; without it the tests that use it are skipped."""
    if not SHARED:
        pytest.skip("needs $CURATE_SHARED_DATA")
    return Path(SHARED)
