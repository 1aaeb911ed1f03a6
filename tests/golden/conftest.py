"""One undisturbed run of the demo, shared by the tests of this folder."""

import pytest

from curate import api
from tests.unit.cli.commands import demo_run


@pytest.fixture(scope="session")
def demo():
    return api.run("demo", output=demo_run()[0], engine="in-process")
