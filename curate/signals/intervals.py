"""Shares with their 95 % intervals."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

#: The 97.5th percentile of the standard normal distribution.
_Z = 1.959963984540054


class Share(NamedTuple):
    """``hits`` of ``of``, and Wilson's 95 % interval; ``value`` is None of nothing."""

    hits: int
    of: int
    value: float | None
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Return the share as JSON values."""
        return dict(self._asdict())


def wilson(hits: int, of: int) -> Share:
    """Return a share with the interval of Wilson's score, without continuity correction.

    It holds for few labels and for shares near 0 and 1, where the interval by the normal
    distribution has no width (Wilson 1927; Brown, Cai and DasGupta 2001).

    >>> [round(end, 3) for end in wilson(8, 10)[2:]]
    [0.8, 0.49, 0.943]
    >>> wilson(0, 0)
    Share(hits=0, of=0, value=None, low=0.0, high=1.0)
    """
    if not of:
        return Share(hits, of, None, 0.0, 1.0)
    share, z2 = hits / of, _Z * _Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == of else centre + half
    return Share(hits, of, share, low, high)
