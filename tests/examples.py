"""The settings of property tests: how many examples, and whether they are new each time.

The thorough tier makes all examples, the quick one a tenth. Both make the same examples each time,
so that a failure belongs to the change that is tested; ``CURATE_EXPLORE=1`` draws new ones.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

#: Set by ``python3 tasks.py test-all`` and by continuous integration.
THOROUGH = os.environ.get("CURATE_TESTS") == "thorough"
#: Set by ``python3 tasks.py explore`` and by the weekly job.
EXPLORE = os.environ.get("CURATE_EXPLORE") == "1"


def examples(number: int = 100, **options: Any) -> settings:
    """Return the settings of a property test that makes ``number`` examples in the thorough tier.

    There is no deadline, because a loaded machine makes examples slowly.
    """
    options = {
        "suppress_health_check": [HealthCheck.too_slow],
        "derandomize": not EXPLORE,
    } | options
    count = number if THOROUGH else max(5, number // 10)
    return settings(max_examples=count, deadline=None, **options)
