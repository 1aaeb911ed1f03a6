"""From totals to targets: how much of each leaf each phase takes. No document is read here.

Exact arithmetic on fractions, so that "the ratio is kept" needs no tolerance here. Everything is
decided on totals: within a group the leaves keep one composition over all phases, and a mixture
with a shortage shrinks as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from curate.errors import EmptyGroupError, RecipeError
from curate.mixture.allocation import Available, Part, parts_of
from curate.recipe.mixture import Leaf, Mixture


@dataclass(frozen=True)
class Solution:
    """What to take. Amounts are fractions of the mixture's unit.

    ``asked`` and ``targets`` are per phase and group; ``composition`` is each leaf's share of its
    group (0 where nothing is taken), ``passes`` its maximum passes, rounded up.
    """

    asked: dict[tuple[str, str], Fraction]
    targets: dict[tuple[str, str], Fraction]
    composition: dict[Leaf, Fraction]
    passes: dict[Leaf, int]
    scarcest: str | None

    def intervals(self, mixture: Mixture, group: str) -> list[tuple[Fraction, Fraction]]:
        """Return where each phase begins and ends in a group's order of documents, in amounts."""
        amounts = {phase.name: self.targets[phase.name, group] for phase in mixture.schedule()}
        return _intervals(mixture, amounts)


def solve(mixture: Mixture, available: Mapping[Leaf, Available]) -> Solution:
    """Turn what is asked and what is available into targets.

    Every group reaches its share of every phase exactly, or the whole mixture shrinks until the
    scarcest group suffices, or (``shortage = "fail"``) an error names that group. What suffices
    counts each leaf up to its maximum passes (``shortage = "repeat"``). Without a budget the
    mixture grows until the scarcest group is used up. A ``whole`` group is outside the ratio: the
    first phase takes all of it. A group with a share but nothing available is an error, unless all
    are empty: no mixture can keep such a ratio.

    >>> from curate.recipe.mixture import parse_mixture
    >>> mixture = parse_mixture({"ratio": "3:1", "groups": {"kk": {}, "en": {}}})
    >>> kk, en = Leaf("kk", "web", "kaz_Cyrl", None), Leaf("en", "web", "eng_Latn", None)
    >>> available = {
    ...     kk: Available(9, 600, 600, 90, 600),
    ...     en: Available(9, 900, 900, 90, 900),
    ... }
    >>> solution = solve(mixture, available)
    >>> [str(solution.targets["main", group]) for group in ("kk", "en")], solution.scarcest
    (['600', '200'], 'kk')
    """
    phases = mixture.schedule()
    # Without a budget one unit is asked for, and the mixture is scaled up instead of down.
    grows = phases[0].amount is None
    asked = {
        (phase.name, group): (mixture.budget_of(phase) or 1) * share
        for phase in phases
        for group, share in mixture.shares(phase).items()
    }
    demand = {
        group: max(
            end for _, end in _intervals(mixture, {ph.name: asked[ph.name, group] for ph in phases})
        )
        for group in mixture.groups
    }
    parts = parts_of(mixture, available)
    scarcest = _scarcest(mixture, parts, demand)
    scale = Fraction(0) if scarcest is None else scarcest.capacity / _demand_of(scarcest, demand)
    if not grows:
        if scarcest and scale < 1 and mixture.shortage == "fail":
            needed = _demand_of(scarcest, demand)
            missing = ceil(needed - scarcest.capacity)
            raise RecipeError(
                f"{scarcest} lacks {missing} of {ceil(needed)} {mixture.unit}",
                where="[mixture]",
                hint="lower the budget, or set shortage to 'shrink' or 'repeat'",
            )
        scale = min(scale, Fraction(1))
    composition: dict[Leaf, Fraction] = {}
    for part in parts:
        demanded = _demand_of(part, demand) * scale
        for leaf, amount in part.fill(demanded).items():
            composition[leaf] = amount * part.share / demanded if demanded else Fraction(0)
    targets = {key: amount * scale for key, amount in asked.items()}
    for part in parts:
        if mixture.groups[part.group].whole:
            first = phases[0].name, part.group
            targets[first] = asked[first] = part.capacity
            composition |= {
                leaf: amount / part.capacity
                for leaf, amount in part.fill(part.capacity).items()
                if part.capacity
            }
    return Solution(
        asked=targets if grows else asked,
        targets=targets,
        composition=composition,
        passes={leaf: ceil(mixture.epochs_of(leaf)) for leaf in available},
        scarcest=scarcest.group if scarcest and (grows or scale < 1) else None,
    )


def _intervals(
    mixture: Mixture, amounts: Mapping[str, Fraction]
) -> list[tuple[Fraction, Fraction]]:
    """Place phases one after the other; one with ``reuse`` begins at the first document again."""
    intervals, reached = [], Fraction(0)
    for phase in mixture.schedule():
        start = Fraction(0) if phase.reuse else reached
        intervals.append((start, start + amounts[phase.name]))
        reached = max(reached, intervals[-1][1])
    return intervals


def _demand_of(part: Part, demand: Mapping[str, Fraction]) -> Fraction:
    return demand[part.group] * part.share


def _scarcest(mixture: Mixture, parts: list[Part], demand: Mapping[str, Fraction]) -> Part | None:
    """Return the part that reaches the smallest share of its demand.

    Return None if all are empty and no group says what belongs to it: that is an empty corpus.
    """
    demanded = [part for part in parts if _demand_of(part, demand)]
    if not any(limit for part in parts for limit in part.limits.values()):
        demanded = [part for part in demanded if mixture.groups[part.group].selects]
        if not demanded:
            return None
    scarcest = min(demanded, key=lambda part: part.capacity / _demand_of(part, demand))
    if not scarcest.capacity:
        reason = "max_share forbids all of it"
        if not any(scarcest.limits.values()):
            reason = "no document with any content belongs to it"
        raise EmptyGroupError(scarcest.group, str(scarcest), reason)
    return scarcest
