"""The mixture that totals lead to, which may be estimates: the report's table, before any cut."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pyarrow as pa

from curate.mixture import histogram
from curate.mixture.allocation import Available
from curate.mixture.cut_points import Taken
from curate.mixture.summary import report
from curate.mixture.targets import solve
from curate.recipe.mixture import Leaf, Mixture


def available_in(
    sketch: pa.Table, factor: float
) -> tuple[dict[Leaf, Available], dict[Leaf, Available]]:
    """Add up a sketch, scaled: what is available of each leaf, and what is held out of it."""
    counted = histogram.add_up([histogram.count_bins(sketch)])
    held_out = histogram.add_held_out([histogram.count_held_out(sketch)])
    return (
        {leaf: _scaled(r.available, factor) for leaf, r in histogram.by_leaf(counted).items()},
        {leaf: _scaled(a, factor) for leaf, a in histogram.held_out_by_leaf(held_out).items()},
    )


def expected(
    mixture: Mixture,
    available: Mapping[Leaf, Available],
    held_out: Mapping[Leaf, Available] | None = None,
) -> pa.Table:
    """Return the mixture's table for the case that every phase meets its target exactly.

    Raise RecipeError where the mixture is impossible, as a run would.
    """
    solution = solve(mixture, available)
    taken: dict[tuple[str, Leaf], Taken] = {}
    for group in mixture.groups:
        leaves = [leaf for leaf in available if leaf.group == group]
        reached = Fraction(0)
        intervals = solution.intervals(mixture, group)
        for phase, (start, end) in zip(mixture.schedule(), intervals, strict=True):
            for leaf in leaves:
                share, amounts = solution.composition[leaf], available[leaf]
                part = (end - start) * share / amounts.amount if amounts.amount else Fraction(0)
                again = max(Fraction(0), min(end, reached) - start) * share
                taken[phase.name, leaf] = Taken(
                    documents=round(amounts.documents * part),
                    amount=round((end - start) * share),
                    tokens=round(amounts.tokens * part),
                    largest=amounts.largest,
                    reused=round(again),
                )
            reached = max(reached, end)
    return report(mixture, available, taken, held_out)


def _scaled(amounts: Available, factor: float) -> Available:
    scaled = {name: round(value * factor) for name, value in vars(amounts).items()}
    return Available(**scaled | {"largest": amounts.largest})
