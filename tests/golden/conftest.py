"""One undisturbed run of the demo, shared by the tests of this folder."""

import pytest

from curate import api


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    return api.run("demo", output=out, engine="in-process")
