import shutil
import tempfile
from pathlib import Path

import pytest

from tests.faults.forked import Server
from tests.runs import ledger, tree, write_corpus, write_recipe


@pytest.fixture(scope="session")
def curate():
    """Return the command line, in a process of its own."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def out():
    """Yield a run's folder, in memory where possible: these tests sync thousands of times."""
    memory = Path("/dev/shm")
    folder = Path(
        tempfile.mkdtemp(prefix="curate-faults-", dir=memory if memory.is_dir() else None)
    )
    yield folder / "out"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def golden(curate, tmp_path_factory):
    """Return a small recipe, and the files and counts of an undisturbed run of it."""
    folder = tmp_path_factory.mktemp("golden")
    write_corpus(folder / "in", documents=120)
    recipe = write_recipe(folder / "small.toml", folder / "in", partition_bytes=20_000)
    done = curate("run", recipe, "--output", folder / "out", "--engine", "in-process")
    assert done.returncode == 0, done.stderr
    return recipe, tree(folder / "out"), ledger(folder / "out")


@pytest.fixture
def run(curate, golden, out):
    """Run the small recipe into ``out``; keyword arguments are environment variables."""

    def run(*more, **environment):
        return curate(
            "run", golden[0], "--output", out, "--engine", "in-process", *more, **environment
        )

    return run
