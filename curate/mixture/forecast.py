"""What a mixture will come to, from totals that may be estimates: the same table, before any cut."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pyarrow as pa

from curate.mixture.available import Stock
from curate.mixture.cut_points import Taken
from curate.mixture.histogram import add_held, add_up, by_leaf, count_bins, count_held, held_stock
from curate.mixture.summary import report
from curate.mixture.targets import solve
from curate.recipe.mixture import Leaf, Mixture


def stock_of(sketch: pa.Table, factor: float) -> tuple[dict[Leaf, Stock], dict[Leaf, Stock]]:
    """Add up a sketch, scaled: what there is of each leaf, and what is held out of it."""
    there = {leaf: runs.stock for leaf, runs in by_leaf(add_up([count_bins(sketch)])).items()}
    held = held_stock(add_held([count_held(sketch)]))
    return (
        {leaf: _scaled(stock, factor) for leaf, stock in there.items()},
        {leaf: _scaled(stock, factor) for leaf, stock in held.items()},
    )


def expected(
    mixture: Mixture, stock: Mapping[Leaf, Stock], held: Mapping[Leaf, Stock] | None = None
) -> pa.Table:
    """Give the mixture's table as it comes out if every phase meets its target to the letter.

    Raises RecipeError where the mixture cannot be, as a run would.
    """
    solution = solve(mixture, stock)
    taken: dict[tuple[str, Leaf], Taken] = {}
    for group in mixture.groups:
        leaves = [leaf for leaf in stock if leaf.group == group]
        reached = Fraction(0)
        stretches = solution.stretches(mixture, group)
        for phase, (start, end) in zip(mixture.schedule(), stretches, strict=True):
            for leaf in leaves:
                share, there = solution.composition[leaf], stock[leaf]
                part = (end - start) * share / there.amount if there.amount else Fraction(0)
                again = max(Fraction(0), min(end, reached) - start) * share
                taken[phase.name, leaf] = Taken(
                    documents=round(there.documents * part),
                    amount=round((end - start) * share),
                    tokens=round(there.tokens * part),
                    largest=there.largest,
                    reused=round(again),
                )
            reached = max(reached, end)
    return report(mixture, stock, taken, held)


def _scaled(stock: Stock, factor: float) -> Stock:
    return Stock(
        documents=round(stock.documents * factor),
        amount=round(stock.amount * factor),
        tokens=round(stock.tokens * factor),
        largest=stock.largest,
        once=round(stock.once * factor),
    )
