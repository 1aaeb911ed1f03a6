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
from curate.mixture.allocation import Part, parts_of
from curate.mixture.available import Stock
from curate.recipe.mixture import Leaf, Mixture


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

    def stretches(self, mixture: Mixture, group: str) -> list[tuple[Fraction, Fraction]]:
        """Give where each phase begins and ends in a group's queue of documents, in amounts."""
        amounts = {phase.name: self.targets[phase.name, group] for phase in mixture.schedule()}
        return _stretches(mixture, amounts)


def solve(mixture: Mixture, stock: Mapping[Leaf, Stock]) -> Solution:
    """Turn what is asked and what there is into targets.

    Every group reaches its share of every phase exactly, or the whole mixture shrinks until the
    scarcest group suffices, or (``shortage = "fail"``) an error names that group. A group with
    nothing at all is always an error, unless all are empty: no mixture can keep such a ratio.

    >>> from curate.recipe.mixture import parse_mixture
    >>> mixture = parse_mixture({"ratio": "3:1", "groups": {"kk": {}, "en": {}}})
    >>> kk, en = Leaf("kk", "web", "kaz_Cyrl", None), Leaf("en", "web", "eng_Latn", None)
    >>> found = solve(mixture, {kk: Stock(9, 600, 600, 90, 600), en: Stock(9, 900, 900, 90, 900)})
    >>> [str(found.targets["main", group]) for group in ("kk", "en")], found.scarcest
    (['600', '200'], 'kk')
    """
    phases = mixture.schedule()
    # Without a budget one unit is asked for, and the mixture grows instead of shrinking.
    grows = phases[0].amount is None
    asked = {
        (phase.name, group): (mixture.budget_of(phase) or 1) * share
        for phase in phases
        for group, share in mixture.shares(phase).items()
    }
    demand = {
        group: max(
            end for _, end in _stretches(mixture, {ph.name: asked[ph.name, group] for ph in phases})
        )
        for group in mixture.groups
    }
    parts = parts_of(mixture, stock)
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
        passes={leaf: ceil(mixture.epochs_of(leaf)) for leaf in stock},
        scarcest=scarcest.group if scarcest and (grows or scale < 1) else None,
    )


def _stretches(
    mixture: Mixture, amounts: Mapping[str, Fraction]
) -> list[tuple[Fraction, Fraction]]:
    """Lay phases out one after the other; one that reuses begins at the first document again."""
    found, reached = [], Fraction(0)
    for phase in mixture.schedule():
        start = Fraction(0) if phase.reuse else reached
        found.append((start, start + amounts[phase.name]))
        reached = max(reached, found[-1][1])
    return found


def _wanted(part: Part, demand: Mapping[str, Fraction]) -> Fraction:
    return demand[part.group] * part.share


def _scarcest(parts: list[Part], demand: Mapping[str, Fraction]) -> Part | None:
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
