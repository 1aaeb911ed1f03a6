"""Candidate mixtures: weights around a centre, all of one budget, the same for the same seed."""

from __future__ import annotations

import statistics
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.mixture.allocation import Available
from curate.mixture.candidates import candidates, natural, one_phase
from curate.recipe.mixture import Leaf, Mixture, parse_mixture
from tests.examples import examples

GROUPS: dict[str, Any] = {
    "kk": {"sources": ["kk"], "weight": 3},
    "ru": {"sources": ["ru"]},
    "en": {"sources": ["en"], "weight": 4},
}


def have(**amounts: int) -> dict[Leaf, Available]:
    return {Leaf(n, n, None, None): Available(9, a, a, 9, a) for n, a in amounts.items()}


MUCH = have(kk=10**9, ru=10**9, en=2 * 10**9)


def drawn(
    available: dict[Leaf, Available], count: int, seed: int, budget: int = 1000, **more: Any
) -> list[dict[str, float]]:
    mixture = parse_mixture({"groups": GROUPS} | more)
    table, centre = one_phase(mixture, budget)
    found = candidates(table, centre, available, {}, count, seed)
    for candidate in found:
        parsed = parse_mixture(candidate.mixture)
        (phase,) = parsed.schedule()
        assert sum(row["amount"] for row in candidate.rows) == pytest.approx(budget, abs=2)
        for row in candidate.rows:
            assert row["amount"] == round(budget * parsed.shares(phase)[row["group"]])
            assert row["epochs"] == row["amount"] / row["available"]
    return [{row["group"]: row["weight"] for row in one.rows} for one in found]


@examples(20)
@given(st.integers(0, 2**63), st.integers(1, 5), st.integers(0, 4))
def test_the_same_seed_draws_the_same_and_more_draw_those_first(
    seed: int, count: int, more: int
) -> None:
    few, many = drawn(MUCH, count, seed), drawn(MUCH, count + more, seed)
    assert many[:count] == few
    for weights in many:
        assert sum(Fraction(repr(weight)) for weight in weights.values()) == 1
    assert drawn(MUCH, 1, seed + 1) != few[:1]


def test_their_mean_is_the_centre() -> None:
    weights = drawn(MUCH, 1500, 1)
    for name, share in (("kk", 3 / 8), ("ru", 1 / 8), ("en", 1 / 2)):
        values = [one[name] for one in weights]
        # The standard deviation of one weight is at most sqrt(p (1 - p) / 2), of the mean 0.01.
        assert statistics.fmean(values) == pytest.approx(share, abs=0.03)
        assert statistics.stdev(values) > 0.05


def test_a_draw_that_a_group_has_too_little_for_is_drawn_again() -> None:
    scarce = have(kk=500, ru=10, en=900)
    weights = drawn(scarce, 50, 3)
    assert max(one["ru"] for one in weights) <= 0.01
    assert max(one["kk"] for one in weights) <= 0.5
    twice = drawn(scarce, 50, 3, max_epochs=2, shortage="repeat")
    assert 0.01 < max(one["ru"] for one in twice) <= 0.02
    fail = drawn(scarce, 50, 3, shortage="fail")
    assert fail == weights
    with pytest.raises(RecipeError, match="of 1,000 draws none has enough of every group"):
        drawn(have(kk=1, ru=1, en=1), 1, 0)


def test_several_phases_become_one_and_whole_groups_stay() -> None:
    groups = GROUPS | {"safe": {"sources": ["safe"], "whole": True}}
    phases = [
        {"name": "one", "budget": 300, "weights": {"kk": 1, "ru": 1, "en": 1}},
        {"name": "two", "budget": 100, "weights": {"kk": 1}},
    ]
    mixture = parse_mixture({"groups": groups, "phases": phases, "scale": 2})
    table, centre = one_phase(mixture, None)
    assert table["budget"] == 800 and "phases" not in table and "scale" not in table
    assert centre == {"kk": Fraction(1, 2), "ru": Fraction(1, 4), "en": Fraction(1, 4)}
    (one,) = candidates(table, centre, MUCH | have(safe=7), {}, 1, 0)
    rows = {row["group"]: row for row in one.rows}
    assert (rows["safe"]["weight"], rows["safe"]["amount"]) == (None, 7)
    assert natural(mixture, MUCH | have(safe=7)) == {
        "kk": Fraction(1, 4), "ru": Fraction(1, 4), "en": Fraction(1, 2)
    }  # fmt: skip


def test_without_a_budget_or_groups_there_is_nothing_to_draw() -> None:
    with pytest.raises(RecipeError, match="one budget"):
        one_phase(parse_mixture({"groups": GROUPS}), None)
    table, centre = one_phase(Mixture.everything(), 10)
    with pytest.raises(RecipeError, match="fewer than two"):
        candidates(table, centre, MUCH, {}, 1, 0)
