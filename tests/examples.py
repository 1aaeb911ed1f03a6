"""The number of examples of a property test: all in the thorough tier, a tenth in the quick one."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

#: Set by ``python3 tasks.py test-all`` and by continuous integration.
THOROUGH = os.environ.get("CURATE_TESTS") == "thorough"


def examples(number: int = 100, **options: Any) -> settings:
    """Return the settings of a property test that makes ``number`` examples in the thorough tier.

    There is no deadline, because a loaded machine makes examples slowly.
    """
    options = {"suppress_health_check": [HealthCheck.too_slow]} | options
    count = number if THOROUGH else max(5, number // 10)
    return settings(max_examples=count, deadline=None, **options)
