"""From totals to targets: how much of each leaf goes where, before any document is looked at.

Exact arithmetic on fractions, so that "the ratio is kept" needs no tolerance here. Everything is
decided on totals: within a group the leaves keep one composition over all phases, and a mixture that
lacks something shrinks as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from curate.errors import RecipeError
from curate.mixture.recipe import Leaf, Mixture


@dataclass(frozen=True)
class Stock:
    """What there is of a leaf. ``amount`` is in the mixture's unit, ``largest`` its largest document."""

    documents: int
    amount: int
    tokens: int
    largest: int


@dataclass(frozen=True)
class Solution:
    """What to take. Amounts are fractions of the mixture's unit.

    ``asked`` and ``targets`` are per phase and group; ``composition`` gives each leaf's share of its
    group (0 where nothing is to be taken), ``passes`` how often it may be begun.
    """

    asked: dict[tuple[str, str], Fraction]
    targets: dict[tuple[str, str], Fraction]
    composition: dict[Leaf, Fraction]
    passes: dict[Leaf, int]
    scarcest: str | None

    def until(self, mixture: Mixture, group: str) -> list[Fraction]:
        """Give a group's target at the end of each phase, counted from the beginning."""
        ends, total = [], Fraction(0)
        for phase in mixture.schedule():
            total += self.targets[phase.name, group]
            ends.append(total)
        return ends


def solve(mixture: Mixture, stock: Mapping[Leaf, Stock]) -> Solution:
    """Turn what is asked and what there is into targets.

    Every group reaches its share of every phase exactly, or the whole mixture shrinks until the
    scarcest group suffices, or (``shortage = "fail"``) an error names that group. A group with
    nothing at all is always an error, unless all are empty: no mixture can keep such a ratio.

    >>> from curate.mixture.recipe import parse
    >>> mixture = parse({"ratio": "3:1", "groups": {"kk": {}, "en": {}}})
    >>> kk, en = Leaf("kk", "web", "kaz_Cyrl", None), Leaf("en", "web", "eng_Latn", None)
    >>> found = solve(mixture, {kk: Stock(9, 600, 600, 90), en: Stock(9, 900, 900, 90)})
    >>> [str(found.targets["main", group]) for group in ("kk", "en")], found.scarcest
    (['600', '200'], 'kk')
    """
    phases = mixture.schedule()
    # Without a budget one unit is asked for, and the mixture grows instead of shrinking.
    grows = phases[0].budget is None
    asked = {
        (phase.name, group): Fraction(phase.budget or 1) * share
        for phase in phases
        for group, share in mixture.shares(phase).items()
    }
    demand = dict.fromkeys(mixture.groups, Fraction(0))
    for (_, group), amount in asked.items():
        demand[group] += amount
    parts = _parts(mixture, stock)
    scarcest = _scarcest(parts, demand)
    scale = Fraction(0) if scarcest is None else scarcest.capacity / _wanted(scarcest, demand)
    if not grows:
        if scarcest and scale < 1 and mixture.shortage == "fail":
            missing = _wanted(scarcest, demand) - scarcest.capacity
            raise RecipeError(
                f"{scarcest} lacks {ceil(missing)} of {ceil(_wanted(scarcest, demand))} {mixture.unit}",
                where="[mixture]",
                hint="lower the budget, or set shortage to 'shrink' or 'repeat'",
            )
        scale = min(scale, Fraction(1))
    composition: dict[Leaf, Fraction] = {}
    for part in parts:
        wanted = _wanted(part, demand) * scale
        for leaf, amount in part.fill(wanted).items():
            composition[leaf] = amount * part.share / wanted if wanted else Fraction(0)
    targets = {key: amount * scale for key, amount in asked.items()}
    return Solution(
        asked=targets if grows else asked,
        targets=targets,
        composition=composition,
        passes={leaf: ceil(mixture.epochs_of(leaf)) for leaf in stock},
        scarcest=scarcest.group if scarcest and (grows or scale < 1) else None,
    )


@dataclass(frozen=True)
class _Part:
    """A piece of a group with a fixed share of it; the whole group where it has no inner weights."""

    group: str
    name: str | None
    share: Fraction
    weights: dict[Leaf, Fraction]
    limits: dict[Leaf, Fraction]  #: amount times passes
    max_shares: dict[Leaf, Fraction]  #: of the part

    def __str__(self) -> str:
        return f"group '{self.group}'" + (f" ({self.name})" if self.name else "")

    @property
    def capacity(self) -> Fraction:
        """The largest total that respects the limits of all leaves.

        The most that a total T allows is f(T) = sum of min(limit, max_share * T), concave; the
        answer is the last T with f(T) >= T. Leaves meet their limits in order of limit / max_share.
        """
        met, free = Fraction(0), sum(self.max_shares.values(), Fraction(0))
        for leaf in sorted(self.limits, key=self._met_at):
            if free < 1 and met / (1 - free) <= self._met_at(leaf):
                return met / (1 - free)
            met, free = met + self.limits[leaf], free - self.max_shares[leaf]
        return met

    def _met_at(self, leaf: Leaf) -> Fraction:
        return self.limits[leaf] / self.max_shares[leaf]

    def fill(self, total: Fraction) -> dict[Leaf, Fraction]:
        """Divide a total among the leaves by weight; what one cannot give, the others do."""
        limit = {
            leaf: min(most, self.max_shares[leaf] * total) for leaf, most in self.limits.items()
        }
        given = dict.fromkeys(self.limits, Fraction(0))
        open_leaves = [leaf for leaf, weight in self.weights.items() if weight > 0]
        left = total
        while open_leaves:
            level = left / sum(self.weights[leaf] for leaf in open_leaves)
            full = [leaf for leaf in open_leaves if self.weights[leaf] * level >= limit[leaf]]
            for leaf in full or open_leaves:
                given[leaf] = min(limit[leaf], self.weights[leaf] * level)
                left -= given[leaf]
            if not full:
                break
            open_leaves = [leaf for leaf in open_leaves if leaf not in full]
        return given


def _parts(mixture: Mixture, stock: Mapping[Leaf, Stock]) -> list[_Part]:
    parts = []
    for name, group in mixture.groups.items():
        total = sum((Fraction(repr(weight)) for weight in group.inner.values()), Fraction(0))
        inner: dict[str | None, Fraction] = {
            key: Fraction(repr(weight)) / total for key, weight in group.inner.items()
        }
        for key, share in (inner or {None: Fraction(1)}).items():
            leaves = sorted(
                (leaf for leaf in stock if leaf.group == name and group.part_of(leaf) == key),
                key=repr,
            )
            parts.append(
                _Part(
                    group=name,
                    name=key,
                    share=share,
                    weights={leaf: _weight(stock[leaf].amount, mixture) for leaf in leaves},
                    limits={leaf: stock[leaf].amount * mixture.epochs_of(leaf) for leaf in leaves},
                    max_shares={
                        leaf: min(mixture.share_of(leaf) / share, Fraction(1)) for leaf in leaves
                    },
                )
            )
    return parts


def _weight(amount: int, mixture: Mixture) -> Fraction:
    if amount == 0 or mixture.temperature == 1:
        return Fraction(amount)
    return Fraction(float(amount) ** mixture.temperature)


def _wanted(part: _Part, demand: Mapping[str, Fraction]) -> Fraction:
    return demand[part.group] * part.share


def _scarcest(parts: list[_Part], demand: Mapping[str, Fraction]) -> _Part | None:
    """Find the part that can give the smallest share of what it should; None if all is empty."""
    asked = [part for part in parts if _wanted(part, demand)]
    if not any(limit for part in parts for limit in part.limits.values()):
        return None
    scarcest = min(asked, key=lambda part: part.capacity / _wanted(part, demand))
    if not scarcest.capacity:
        empty = not any(scarcest.limits.values())
        raise RecipeError(
            f"{scarcest} has nothing to give: "
            + (
                "no document with any content belongs to it"
                if empty
                else "max_share forbids all of it"
            ),
            where="[mixture]",
            hint="give it weight 0, or check its languages, sources, origins and caps",
        )
    return scarcest
