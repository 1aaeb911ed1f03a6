"""What is available of each leaf, and how an amount is divided among leaves under all limits.

A *part* is a piece of a group with a fixed share of it; the whole group where it has no inner
weights. (The shares that a curve gives its values depend on the total, so such a group is one part,
too.) Its leaves are filled in proportion to their weights, like vessels to one level, until a
leaf or a cap is full. Two caps of a part are nested or disjoint, so that this reaches the largest
total that the limits allow (they form a polymatroid; Edmonds 1970). Exact arithmetic on fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import combinations
from math import ceil, floor

from curate.errors import RecipeError
from curate.mixture.split import from_worst, on_curve
from curate.recipe.mixture import Group, Leaf, Mixture
from curate.recipe.numbers import exact
from curate.recipe.split import Curve


@dataclass(frozen=True)
class Available:
    """What is available of a leaf, all copies counted; ``once`` is the amount without them.

    ``amount`` is in the mixture's unit, ``largest`` is its largest document with all its copies.
    """

    documents: int
    amount: int
    tokens: int
    largest: int
    once: int


@dataclass(frozen=True)
class Bound:
    """The largest share of their part that the leaves of a set may have together."""

    leaves: frozenset[Leaf]
    share: Fraction


@dataclass(frozen=True)
class Part:
    """A piece of a group: its share, its leaves' weights and limits; bounds, small sets first."""

    group: str
    name: str | None
    share: Fraction
    weights: dict[Leaf, Fraction]
    limits: dict[Leaf, Fraction]  #: amount times passes
    bounds: tuple[Bound, ...]

    def __str__(self) -> str:
        return f"group '{self.group}'" + (f" ({self.name})" if self.name else "")

    @cached_property
    def capacity(self) -> Fraction:
        """The largest total that respects all limits.

        Of a total T at most f(T) can be filled; f is concave and piecewise linear, and the answer
        is the largest T with f(T) >= T. Newton's method from above finds it after a few pieces.
        """
        total = sum(self.limits.values(), Fraction(0))
        while True:
            fixed, slope = self._reach(total)
            if fixed + slope * total >= total:
                return total
            total = fixed / (1 - slope)

    def _reach(self, total: Fraction) -> tuple[Fraction, Fraction]:
        """Return the piece of f at a total: f(T) = fixed + slope * T."""
        inner, outer = self._nesting
        most = [(Fraction(0), Fraction(0))] * (len(self.bounds) + 1)
        for leaf, limit in self.limits.items():
            fixed, slope = most[inner[leaf]]
            most[inner[leaf]] = (fixed + limit, slope)
        for at, bound in enumerate(self.bounds):
            fixed, slope = most[at]
            if bound.share * total < fixed + slope * total:
                fixed, slope = Fraction(0), bound.share
            above = most[outer[at]]
            most[outer[at]] = (above[0] + fixed, above[1] + slope)
        return most[-1]

    @cached_property
    def _nesting(self) -> tuple[dict[Leaf, int], list[int]]:
        """The number of the smallest bound around each leaf and each bound; the last means none."""
        none = len(self.bounds)
        inner = {
            leaf: next((i for i, b in enumerate(self.bounds) if leaf in b.leaves), none)
            for leaf in self.limits
        }
        outer = [
            next((i for i in range(at + 1, none) if bound.leaves <= self.bounds[i].leaves), none)
            for at, bound in enumerate(self.bounds)
        ]
        return inner, outer

    def fill(self, total: Fraction) -> dict[Leaf, Fraction]:
        """Divide a total among the leaves by weight; the others make up for a full one."""
        filled = dict.fromkeys(self.limits, Fraction(0))
        filling = sorted(
            (leaf for leaf, weight in self.weights.items() if weight > 0),
            key=lambda leaf: (self.limits[leaf] / self.weights[leaf], repr(leaf)),
        )
        whole = Bound(frozenset(filling), Fraction(1))
        levels = [_FillLevel(bound, total, self.weights) for bound in (whole, *self.bounds)]
        while filling:
            levels = [level for level in levels if level.flow]
            tightest = min(levels, key=lambda one: one.level)
            first = filling[0]
            height = self.limits[first] / self.weights[first]
            if height < tightest.level:
                full = {first}
            else:
                height = tightest.level
                full = {leaf for leaf in filling if leaf in tightest.bound.leaves}
            for leaf in full:
                filled[leaf] = self.weights[leaf] * height
                for one in levels:
                    one.close(leaf, filled[leaf])
            filling = [leaf for leaf in filling if leaf not in full]
        return filled


@dataclass(frozen=True)
class CurvePart(Part):
    """A group that is split on a curve: its total says how much of each value is taken."""

    curve: Curve
    values: dict[str | None, tuple[Part, int]]  #: each value's leaves and amount, from the worst

    def fill(self, total: Fraction) -> dict[Leaf, Fraction]:
        """Divide a total among the values by the curve, and among the leaves of each by weight."""
        amounts = [amount for _, amount in self.values.values()]
        least = exact(self.curve.min) * sum(amounts)
        if not total:
            return dict.fromkeys(self.limits, Fraction(0))
        if total < least:
            raise RecipeError(
                f"{self} has room for {floor(total)}, and curve.min = {self.curve.min:g} passes"
                f" over all of it are {ceil(least)}",
                where="[mixture]",
                hint="lower curve.min, or give the group a larger budget",
            )
        filled: dict[Leaf, Fraction] = {}
        divided = on_curve(self.curve, amounts, total)
        for (part, _), amount in zip(self.values.values(), divided, strict=True):
            filled |= part.fill(amount)
        return filled


class _FillLevel:
    """A bound while its leaves fill: what is left, and how fast that shrinks as the level rises."""

    def __init__(self, bound: Bound, total: Fraction, weights: Mapping[Leaf, Fraction]) -> None:
        self.bound = bound
        self.left = bound.share * total
        self.flow = sum((weights[leaf] for leaf in bound.leaves), Fraction(0))
        self._weights = weights

    @property
    def level(self) -> Fraction:
        """The level at which the bound is reached, if no leaf in it is full before."""
        return self.left / self.flow

    def close(self, leaf: Leaf, amount: Fraction) -> None:
        """Remove a leaf that is full, with its amount."""
        if leaf in self.bound.leaves:
            self.left -= amount
            self.flow -= self._weights[leaf]


def parts_of(mixture: Mixture, available: Mapping[Leaf, Available]) -> list[Part]:
    """Cut all groups into parts. Raise RecipeError where caps of a group cross each other."""
    parts: list[Part] = []
    for name, group in mixture.groups.items():
        in_group = sorted((leaf for leaf in available if leaf.group == name), key=repr)
        by_part: dict[str | None, list[Leaf]] = {}
        for leaf in in_group:
            by_part.setdefault(group.part_of(leaf), []).append(leaf)
        part = partial(_part, mixture, available, name, in_group)
        if group.curve is None:
            shares = _shares(group, by_part, available)
            parts += [part(key, share, by_part.get(key, [])) for key, share in shares.items()]
        else:
            values: dict[str | None, tuple[Part, int]] = {}
            for key in from_worst(group.curve, by_part):
                leaves = by_part.get(key, [])
                amount = sum(available[leaf].amount for leaf in leaves)
                values[key] = part(key, Fraction(1), leaves), amount
            of_all = vars(part(None, Fraction(1), in_group))
            parts.append(CurvePart(**of_all, curve=group.curve, values=values))
    return parts


def _part(
    mixture: Mixture,
    available: Mapping[Leaf, Available],
    group: str,
    in_group: list[Leaf],
    name: str | None,
    share: Fraction,
    leaves: list[Leaf],
) -> Part:
    return Part(
        group=group,
        name=name,
        share=share,
        weights=_weights(mixture.alpha_of(group), leaves, available),
        limits={leaf: available[leaf].amount * mixture.epochs_of(leaf) for leaf in leaves},
        bounds=_bounds(mixture, group, in_group, leaves, share) if share else (),
    )


def _shares(
    group: Group, by_part: Mapping[str | None, list[Leaf]], available: Mapping[Leaf, Available]
) -> dict[str | None, Fraction]:
    """Return the share of each part of a group: by inner weights, or by weights times amounts."""
    if group.split_by is None:
        sizes: dict[str | None, Fraction] = {
            key: exact(weight) for key, weight in group.inner.items()
        }
        sizes = sizes or {None: Fraction(1)}
    else:
        weights: dict[str | None, Fraction] = {
            key: exact(group.weight_of(key)) for key in (*group.named, None)
        }
        sizes = dict(weights)
        if group.weights:
            for key in sizes:
                sizes[key] *= sum(available[leaf].amount for leaf in by_part.get(key, ()))
            # Where nothing is available, the parts that lack it are named.
            sizes = sizes if any(sizes.values()) else weights
    total = sum(sizes.values(), Fraction(0))
    return {key: size / total for key, size in sizes.items()}


def _weights(
    alpha: float, leaves: list[Leaf], available: Mapping[Leaf, Available]
) -> dict[Leaf, Fraction]:
    """Weigh languages by their amounts to the power of alpha, and leaves of one as available."""
    amounts = {leaf: Fraction(available[leaf].amount) for leaf in leaves}
    if alpha == 1:
        return amounts
    languages: dict[str | None, int] = {}
    for leaf in leaves:
        languages[leaf.lang] = languages.get(leaf.lang, 0) + available[leaf].amount
    tempered = {
        lang: Fraction(float(amount) ** alpha) / amount
        for lang, amount in languages.items()
        if amount
    }
    return {leaf: amount * tempered.get(leaf.lang, 1) for leaf, amount in amounts.items()}


def _bounds(
    mixture: Mixture, group: str, in_group: list[Leaf], leaves: list[Leaf], share: Fraction
) -> tuple[Bound, ...]:
    in_part = set(leaves)
    tightest: dict[frozenset[Leaf], Fraction] = {}

    def bound(capped: set[Leaf], most: Fraction) -> None:
        inside = frozenset(capped & in_part)
        # A share of the group is of the group for leaves of one part; of each part for several.
        allowed = most / share if capped <= in_part else most
        if inside and allowed < 1:
            tightest[inside] = min(allowed, tightest.get(inside, allowed))

    for leaf in leaves:
        bound({leaf}, mixture.share_of(leaf))
    for cap in mixture.caps:
        if cap.max_share is not None:
            bound({leaf for leaf in in_group if cap.matches(leaf)}, exact(cap.max_share))
    for one, other in combinations(tightest, 2):
        if one & other and not (one <= other or other <= one):
            raise RecipeError(
                f"caps of group '{group}' cross each other at {min(map(_name, one & other))}",
                where="[mixture] caps",
                hint="let one hold inside the other: name source, language and origin in it",
            )
    order = sorted(tightest, key=lambda leaves: (len(leaves), sorted(map(repr, leaves))))
    return tuple(Bound(leaves, tightest[leaves]) for leaves in order)


def _name(leaf: Leaf) -> str:
    return ", ".join(name for name in leaf[1:] if name)
