"""What a signal is: a formula on counts, with a card that says what it is good for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: The parameters of a formula are names of counts (curate.text.counts). It gives int64 where it is
#: defined for every text, else float64 with NaN where it is undefined.
Formula = Callable[..., Integers | Floats]


@dataclass(frozen=True)
class Card:
    """What a linguist has to know before setting a limit on a signal."""

    name: str
    what: str
    why: str
    wrong: str
    source: str
    counts: tuple[str, ...]


@cache
def read_card(name: str, formula: Formula) -> Card:
    """Read the card off a formula's docstring: what it is, ``Why:``, ``Wrong:`` and ``Source:``."""
    parts = {"what": ""}
    current = "what"
    for line in inspect.cleandoc(formula.__doc__ or "").splitlines():
        if line.startswith(">>>"):
            break
        head, _, rest = line.partition(":")
        if head in ("Why", "Wrong", "Source"):
            current, line = head.lower(), rest
        parts[current] = f"{parts.get(current, '')} {line.strip()}".strip()
    return Card(
        name,
        parts["what"],
        parts.get("why", ""),
        parts.get("wrong", ""),
        parts.get("source", ""),
        tuple(inspect.signature(formula).parameters),
    )


def ratio(part: Integers, whole: Integers) -> Floats:
    """Divide, undefined (NaN) where there is nothing to divide by.

    >>> ratio(np.array([1, 1]), np.array([4, 0]))
    array([0.25,  nan])
    """
    defined = whole > 0
    if defined.all():
        return part / whole
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, part / whole, np.nan)
