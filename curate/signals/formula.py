"""What a signal is: a formula on counts, with a card that describes its use."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Names, None where undefined: texts in the column.
Categories = npt.NDArray[np.object_]

#: The parameters of a formula are names of counts (curate.text.counts). It returns int64 where it
#: is defined for every text, else float64 with NaN where it is undefined; or names.
Formula = Callable[..., Integers | Floats | Categories]

#: Counts of phrases in texts, and the list of the profile that names them.
PHRASES = {
    "ad_hits": "ads",
    "adult_hits": "adult",
    "discrimination_hits": "discrimination",
    "violence_hits": "violence",
    "blocked_hits": "blocked",
}


@dataclass(frozen=True)
class Card:
    """What a user has to know before setting a limit on a signal."""

    name: str
    what: str
    why: str
    wrong: str
    source: str
    counts: tuple[str, ...]


@cache
def read_card(name: str, formula: Formula) -> Card:
    """Read the card from a formula's docstring: what, ``Why:``, ``Wrong:`` and ``Source:``."""
    parts = dict.fromkeys(("what", "why", "wrong", "source"), "")
    current = "what"
    for line in inspect.cleandoc(formula.__doc__ or "").splitlines():
        if line.startswith(">>>"):
            break
        head, _, rest = line.partition(":")
        if head in ("Why", "Wrong", "Source"):
            current, line = head.lower(), rest
        parts[current] = f"{parts[current]} {line.strip()}".strip()
    return Card(name, **parts, counts=tuple(inspect.signature(formula).parameters))


def ratio(part: Integers, whole: Integers) -> Floats:
    """Divide; the result is undefined (NaN) where the divisor is 0.

    >>> ratio(np.array([1, 1]), np.array([4, 0]))
    array([0.25,  nan])
    """
    defined = whole > 0
    if defined.all():
        return part / whole
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, part / whole, np.nan)
