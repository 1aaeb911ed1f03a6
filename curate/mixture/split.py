"""Splitting a group by the values of a column: which value a row counts for, and their order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.recipe.numbers import exact
from curate.recipe.split import Curve, Split, is_number
from curate.schema import floats

#: Bits of a number's significand that a curve does not look at: it keeps six digits of 53.
_IGNORED = np.uint64((1 << 47) - 1)


def values_of(split: Split, column: pa.Array) -> pa.Array:
    """Return the value that each row counts for, as text; null for those without a name.

    Of numbers it is the largest name that is not above, or for a curve the number itself, cut to
    six binary digits: enough for its quantiles, and few enough to be counted apart.

    >>> by = Split(split_by="n", weights={"1": 1, "3": 2})
    >>> values_of(by, pa.array([0, 1, 2, 3, 99, None])).to_pylist()
    [None, '1', '1', '3', '3', None]
    >>> values_of(Split(split_by="n", curve={}), pa.array([0.1, 1000.0, None])).to_pylist()
    ['0.099609375', '992.0', None]
    """
    if not is_number(column.type) or (split.curve and split.named):
        texts = column.cast(pa.string())
        named = pc.is_in(texts, value_set=pa.array(split.named, pa.string()))
        return pc.if_else(named, texts, pa.scalar(None, pa.string()))
    numbers = floats(column)
    if split.curve:
        cut = (numbers.view(np.uint64) & ~_IGNORED).view(np.float64)
        cut[cut == 0] = 0.0  # -0.0 is the same value
        cut[np.isnan(numbers)] = np.nan
        found, which = np.unique(cut, return_inverse=True)
        names = [None if math.isnan(number) else repr(float(number)) for number in found]
    else:
        named_numbers = sorted((float(name), name) for name in split.named)
        which = np.searchsorted([number for number, _ in named_numbers], numbers, side="right")
        which = np.where(np.isnan(numbers), 0, which)
        names = [None, *(name for _, name in named_numbers)]
    return pa.array(names, pa.string()).take(pa.array(which.ravel()))


def from_worst(curve: Curve, values: Iterable[str | None]) -> list[str | None]:
    """Sort values from the worst to the best; what has no name is worst.

    >>> from_worst(Curve(order=("tail", "head")), ["head", None, "tail"])
    [None, 'tail', 'head']
    """
    named = [value for value in values if value is not None]
    rank = {value: place for place, value in enumerate(curve.order)}
    return [None, *sorted(named, key=(lambda v: rank[v]) if rank else float)]


def on_curve(curve: Curve, amounts: list[int], total: Fraction) -> list[Fraction]:
    """Divide a total among values by a curve; ``amounts`` is what they have, from the worst.

    The total is between ``min`` and ``max`` times the sum of the amounts. `Curve` has the formula;
    its integral is made of squares, so that every share is an exact fraction and all add up to the
    total.

    >>> [str(part) for part in on_curve(Curve(max=7), [400, 300, 300], Fraction(2100))]
    ['0', '525', '1575']
    """
    whole_amount = sum(amounts)
    low, high = exact(curve.min), exact(curve.max)
    r = (total / whole_amount - low) / (high - low)
    start, end = max(Fraction(0), 1 - 2 * r), min(Fraction(1), 2 - 2 * r)

    def below(x: Fraction) -> Fraction:
        """The integral of the ramp up to x, in passes."""
        rise = x - start if start < x else Fraction(0)
        risen = rise * rise / (2 * (end - start)) if x <= end and rise else Fraction(0)
        if x > end:
            risen = (end - start) / 2 + x - end
        return low * x + (high - low) * risen

    reached, parts = 0, []
    for amount in amounts:
        start_x, end_x = Fraction(reached, whole_amount), Fraction(reached + amount, whole_amount)
        parts.append(whole_amount * (below(end_x) - below(start_x)))
        reached += amount
    return parts
