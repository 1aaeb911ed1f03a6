"""Candidate mixtures for proxy runs: weights of the groups around a centre, all of one budget.

Weights are drawn from a Dirichlet distribution whose mean is the centre, as RegMix (arXiv
2407.01492) and Olmo 3 (arXiv 2512.13961) do for theirs. Its concentration is drawn for each
candidate, log-uniformly from `CONCENTRATION` (ours): with 1 most weight is on few groups, with 32
the weight of a group of p has a standard deviation of sqrt(p (1 - p) / 33). A draw of which some
group has too little for the budget is drawn again, so that proxy runs train equally long.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa

from curate.errors import RecipeError
from curate.mixture.allocation import Available
from curate.mixture.forecast import expected
from curate.mixture.targets import solve
from curate.recipe.mixture import VALIDATION, Leaf, Mixture, parse_mixture

#: The range of the concentration; draws per candidate; parts into which the whole is rounded.
CONCENTRATION, DRAWS, PARTS = (1.0, 32.0), 1000, 10_000

CANDIDATES = pa.schema(
    [
        ("candidate", pa.int32()),  # from 1
        ("group", pa.string()),
        ("weight", pa.float64()),  # the weights of a candidate add up to 1; null for a whole group
        ("unit", pa.string()),
        ("amount", pa.int64()),  # in the unit, to within one document
        ("tokens", pa.int64()),
        ("documents", pa.int64()),
        ("available", pa.int64()),  # in the unit
        ("epochs", pa.float64()),
    ]
)


class Candidate(NamedTuple):
    """A mixture for a proxy run: its table of the recipe, and what comes of it."""

    mixture: dict[str, Any]
    rows: list[dict[str, Any]]  #: of `CANDIDATES`


def one_phase(mixture: Mixture, budget: float | None) -> tuple[dict[str, Any], dict[str, Fraction]]:
    """Return a mixture as a table of one phase without weights, and the shares of its groups.

    Of several phases the shares are those of all together. Raise RecipeError without a budget.
    """
    phases = mixture.schedule()
    amounts = [mixture.budget_of(phase) for phase in phases]
    shares = {name: Fraction(0) for name in mixture.groups}
    for phase, amount in zip(phases, amounts, strict=True):
        for name, share in mixture.shares(phase).items():
            shares[name] += share * (amount or 1)
    if budget is None:
        if None in amounts:
            raise RecipeError("candidates are mixtures of one budget", hint="give it: --budget N")
        budget = float(sum(amount or 0 for amount in amounts))
    table = mixture.model_dump(mode="json", exclude_unset=True)
    for key in ("ratio", "phases", "scale"):
        table.pop(key, None)
    for group in table["groups"].values():
        group.pop("weight", None)
        group.pop("budget", None)
    total = sum(shares.values())
    centre = {name: share / total for name, share in shares.items() if share}
    return table | {"budget": budget}, centre


def natural(mixture: Mixture, available: Mapping[Leaf, Available]) -> dict[str, Fraction]:
    """Return the share that each group has of what is available, whole groups aside."""
    amounts = dict.fromkeys((n for n, group in mixture.groups.items() if not group.whole), 0)
    for leaf, has in available.items():
        if leaf.group in amounts:
            amounts[leaf.group] += has.once
    total = sum(amounts.values())
    return {name: Fraction(amount, total) for name, amount in amounts.items() if amount}


def candidates(
    table: Mapping[str, Any],
    centre: Mapping[str, Fraction],
    available: Mapping[Leaf, Available],
    held_out: Mapping[Leaf, Available],
    count: int,
    seed: int,
) -> list[Candidate]:
    """Draw mixtures; the first ones are the same whatever the count.

    Raise RecipeError where there is nothing to draw, or no draw has enough for the budget.
    """
    if len(centre) < 2:
        raise RecipeError(
            "candidates differ in the weights of groups, and fewer than two have any",
            where="[mixture]",
        )
    found = []
    for number in range(1, count + 1):
        # A text as seed: the same numbers in all versions of Python.
        random_numbers = random.Random(f"{seed}/{number}")
        problem: RecipeError | None = None
        for _ in range(DRAWS):
            weights = _weights(centre, random_numbers)
            groups = {name: {**group} for name, group in table["groups"].items()}
            for name, group in groups.items():
                if not group.get("whole"):
                    group["weight"] = weights.get(name, 0.0)
            candidate = {**table, "groups": groups}
            mixture = parse_mixture(candidate)
            try:
                solution = solve(mixture, available)
            except RecipeError as error:
                problem = error
                continue
            if solution.scarcest is None:
                break
        else:
            reason = f": {problem.what}" if problem else ""
            raise RecipeError(
                f"of {DRAWS:,} draws none has enough of every group for the budget{reason}",
                where="[mixture]",
                hint="lower --budget, or raise max_epochs (with shortage = 'repeat')",
            )
        rows = []
        for row in expected(mixture, available, held_out).to_pylist():
            if row["phase"] != VALIDATION:
                # All that is asked comes; the sum over leaves has their rounding.
                epochs = row["asked"] / row["available"] if row["available"] else 0.0
                more = {"amount": row["asked"], "epochs": epochs}
                row |= {"candidate": number, "weight": weights.get(row["group"]), **more}
                rows.append({name: row[name] for name in CANDIDATES.names})
        found.append(Candidate(candidate, rows))
    return found


def _weights(centre: Mapping[str, Fraction], random_numbers: random.Random) -> dict[str, float]:
    """Draw weights from a Dirichlet distribution, rounded so that they add up to 1 exactly."""
    low, high = map(math.log, CONCENTRATION)
    concentration = math.exp(random_numbers.uniform(low, high))
    drawn = {
        name: random_numbers.gammavariate(concentration * float(share), 1.0)
        for name, share in centre.items()
    }
    total = math.fsum(drawn.values()) or 1.0
    shares = {name: PARTS * amount / total for name, amount in drawn.items()}
    parts = {name: math.floor(share) for name, share in shares.items()}
    # The largest remainders get what is left.
    remainders = sorted(shares, key=lambda name: parts[name] - shares[name])
    for name in remainders[: PARTS - sum(parts.values())]:
        parts[name] += 1
    return {name: part / PARTS for name, part in parts.items()}
