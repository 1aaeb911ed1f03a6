"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is slow at making examples; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SHARED = os.environ.get("CURATE_SHARED_DATA")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real texts; tests that need it are skipped, by name, without it."""
    if not SHARED:
        pytest.skip("needs $CURATE_SHARED_DATA")
    return Path(SHARED)
