"""How a group of the mixture is split by the values of a column, and how often each is taken."""

from __future__ import annotations

import math
import re

import pyarrow as pa
from pydantic import Field, model_validator

from curate.errors import RecipeError
from curate.recipe.section import Section

#: The name of all values that have no name of their own, and of null.
OTHERS = "*"

_NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{0,18})?([eE][-+]?\d{1,2})?", re.ASCII)


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of a type are ordered as numbers."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


class Curve(Section):
    """How often a group's documents are taken, from its worst values to its best.

    At x, the share of the group's amount that has lower values, it is the ramp
    ``f(x) = min + (max - min) * clamp((x - t) / (s - t), 0, 1)``. The budget determines it: with R
    passes over the group on average and r = (R - min) / (max - min), t = max(0, 1 - 2r) and
    s = min(1, 2 - 2r). So the mean of f is R exactly, and a larger budget takes more of everything.
    With min = 0 the worst ``1 - 2 * R / max`` of a group is not taken. Olmo 3 (arXiv 2512.13961)
    weighs web text by monotone curves to a budget, with 7 passes at most; the ramp is ours.
    """

    min: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Passes over the worst. Example: 0."""
    max: float = Field(7.0, gt=0, allow_inf_nan=False)
    """Passes over the best, at most. Example: 7."""
    order: tuple[str, ...] = ()
    """The values from the worst to the best; without it numbers in their order. Values that it does
    not name, and null, are worse than all. Example: ["tail", "middle", "head"]."""

    @model_validator(mode="after")
    def _rises(self) -> Curve:
        if self.max <= self.min:
            raise ValueError("max is above min")
        if len(set(self.order)) < len(self.order):
            raise ValueError("order names a value twice")
        return self


class Split(Section):
    """What all kinds of groups may be split by."""

    split_by: str | None = None
    """Column of texts, numbers or booleans whose values divide the group: a bucket, a signal, a
    column of the input that passes through, ``n_cluster_sources``. How much of each value is taken
    say ``weights``, ``curve`` or ``inner``. Example: "n_cluster_sources"."""
    weights: dict[str, float] = {}
    """How often each value is repeated, relative to the others: of 3 and 1 the documents of the
    first are taken three times as often, up to ``max_epochs``. Of a column of numbers a name means
    that number and all from there up to the next name. ``"*"`` stands for all values without a
    name, and null; without it they are not taken. Example: { head = 3, middle = 1, tail = 0 }."""
    curve: Curve | None = None
    """A curve that rises with the values, solved to the budget. Example: { min = 0, max = 7 }."""

    @property
    def named(self) -> tuple[str, ...]:
        """The values that have a name in the recipe; those of a curve from the worst to the best.

        Empty for a curve over numbers.
        """
        if self.curve is not None:
            return self.curve.order
        return tuple(name for name in self.weights or self._inner if name != OTHERS)

    @property
    def _inner(self) -> dict[str, float]:
        inner: dict[str, float] = getattr(self, "inner", {})
        return inner

    def weight_of(self, value: str | None) -> float:
        """Return the weight of a value by ``weights`` or ``inner``; None means the others."""
        weights = self.weights or self._inner
        return weights.get(OTHERS if value is None else value, 0.0)

    def check_type(self, kind: pa.DataType, where: str) -> None:
        """Raise RecipeError where the column's values cannot be what the names here mean."""
        types = pa.types
        others = (types.is_string, types.is_large_string, types.is_boolean, types.is_null)
        if not is_number(kind) and not any(test(kind) for test in others):
            raise RecipeError(
                f"a group is split by texts, numbers or booleans; '{self.split_by}' is {kind}",
                where=f"{where}.split_by",
            )
        if self.curve is not None:
            if not is_number(kind) and not self.named and kind != pa.null():
                raise RecipeError(
                    f"a curve over the texts of '{self.split_by}' needs their order",
                    where=f"{where}.curve",
                    hint='order = ["worst", "middle", "best"]',
                )
            if is_number(kind) and not pa.types.is_integer(kind) and self.named:
                raise RecipeError(
                    f"the numbers of '{self.split_by}' have an order",
                    where=f"{where}.curve.order",
                    hint="leave it out",
                )
            return
        seen: set[float] = set()
        for name in self.named if is_number(kind) else ():
            number = float(name) if _NUMBER.fullmatch(name) else math.nan
            if math.isnan(number) or number in seen:
                problem = "is no number" if math.isnan(number) else "stands twice"
                raise RecipeError(
                    f"'{name}' {problem}, and '{self.split_by}' is a column of numbers",
                    where=f"{where}.{'weights' if self.weights else 'inner'}",
                    hint="each name is a number, and stands for all from there up to the next",
                )
            seen.add(number)

    @model_validator(mode="after")
    def _says_how(self) -> Split:
        ways = [name for name in ("weights", "curve") if getattr(self, name)]
        if self.split_by is None:
            if ways:
                raise ValueError(f"{ways[0]} needs split_by, the column whose values it weighs")
            return self
        ways += ["inner"] if self._inner else []
        if len(ways) != 1:
            given = " and ".join(ways) or "none"
            raise ValueError(f"split_by takes one of weights, curve and inner; it has {given}")
        if self.weights:
            values = self.weights.values()
            if not all(0 <= weight < math.inf for weight in values) or not any(values):
                raise ValueError("weights are numbers from 0, not all of them 0")
        return self
