"""Limits from clean text, by three methods of the kind that FineWeb2 compared (arXiv:2506.20920).

A good limit for one language is transferred to another by comparing clean text of both. All three
need only the measured values of clean documents:

- ``tail``: the limit leaves a small share of the clean documents outside. Needs no other language.
- ``mean_std``: the limit is as many standard deviations from the mean as the English limit is from
  the mean of clean English.
- ``quantile``: the limit leaves the share outside that the English limit leaves of clean English.

The reference is clean, so the tail is the cost of one rule, and twenty rules share the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Anchor(NamedTuple):
    """An English limit with the values of clean English documents."""

    limit: float
    values: Floats


def tail(values: Floats, share: float, anchor: Anchor | None, *, upper: bool) -> float | None:
    """Return the value that ``share`` of the documents lie beyond; None without values.

    >>> import numpy as np
    >>> [tail(np.arange(101.0), 0.05, None, upper=upper) for upper in (True, False)]
    [95.0, 5.0]
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return float(np.quantile(known, 1 - share if upper else share))


def mean_std(values: Floats, share: float, anchor: Anchor | None, *, upper: bool) -> float | None:
    """Return the value as many deviations off the mean as the anchor's limit is off its own.

    None without an anchor, and where the clean English texts do not vary.

    >>> import numpy as np
    >>> mean_std(np.array([8.0, 12.0]), 0.0, Anchor(3.0, np.array([0.0, 2.0])), upper=True)
    14.0
    """
    known = values[~np.isnan(values)]
    if anchor is None or not len(known):
        return None
    english = anchor.values[~np.isnan(anchor.values)]
    deviation = float(english.std()) if len(english) else 0.0
    if deviation == 0.0:
        return None
    steps = (anchor.limit - float(english.mean())) / deviation
    return float(known.mean()) + steps * float(known.std())


def quantile(values: Floats, share: float, anchor: Anchor | None, *, upper: bool) -> float | None:
    """Return the value that as many documents lie beyond as lie beyond the anchor's limit.

    None without an anchor.

    >>> import numpy as np
    >>> quantile(np.arange(101.0), 0.0, Anchor(1.5, np.array([0.0, 1.0, 1.0, 2.0])), upper=True)
    75.0
    """
    if anchor is None:
        return None
    english = anchor.values[~np.isnan(anchor.values)]
    if not len(english):
        return None
    beyond = english > anchor.limit if upper else english < anchor.limit
    return tail(values, float(beyond.mean()), None, upper=upper)


Method = Callable[..., float | None]

#: Name to (function, how a profile's ``source`` describes it).
METHODS: Final[dict[str, tuple[Method, str]]] = {
    "tail": (tail, "{share:.1%} of {n} clean documents lie beyond"),
    "mean_std": (mean_std, "as many deviations off the mean of {n} clean documents as in English"),
    "quantile": (quantile, "the share of {n} clean documents beyond it is that of English"),
}
