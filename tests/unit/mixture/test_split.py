"""Groups that are split by the values of a column, by weights or on a curve."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.mixture.allocation import Available
from curate.mixture.split import from_worst, on_curve, values_of
from curate.mixture.targets import solve
from curate.recipe.mixture import Leaf, parse_mixture
from curate.recipe.split import Curve, Split
from curate.stages.mix import Mix
from tests.examples import examples
from tests.unit.mixture.driver import report_of, resolve, run
from tests.unit.mixture.test_laws import corpora, mixed, shards_of

BUCKETS = ["tail", "middle", "head"]


def by_trapezoids(curve: Curve, amounts: list[int], total: Fraction) -> list[Fraction]:
    """Integrate the ramp piece by piece between its corners: the oracle of `on_curve`."""
    all_of_it = sum(amounts)
    low, high = Fraction(curve.min), Fraction(curve.max)
    mean = (total / all_of_it - low) / (high - low)
    # A ramp that rises from 0 at t to 1 at the end has the mean (1 - t) / 2; one that is 1 from s
    # on has 1 - s / 2.
    t, s = (1 - 2 * mean, Fraction(1)) if 2 * mean <= 1 else (Fraction(0), 2 * (1 - mean))

    def height(x: Fraction) -> Fraction:
        if x >= s:
            return high if s < 1 or t < 1 else low
        return low if x <= t else low + (high - low) * (x - t) / (s - t)

    parts, reached = [], 0
    for amount in amounts:
        u, v = Fraction(reached, all_of_it), Fraction(reached + amount, all_of_it)
        corners = sorted({u, v, *(c for c in (t, s) if u < c < v)})
        area = Fraction(0)
        for a, b in pairwise(corners):
            # A jump (s = t) has no piece of its own: its height is that of the piece's middle.
            ends = (height(a) + height(b)) / 2 if s > t else height((a + b) / 2)
            area += ends * (b - a)
        parts.append(area * all_of_it)
        reached += amount
    return parts


curves = st.tuples(st.sampled_from([0, 0.5, 1]), st.sampled_from([1.5, 4, 7])).map(
    lambda ends: Curve(min=ends[0], max=ends[1])
)
amounts_of_values = st.lists(st.integers(0, 10**12), min_size=1, max_size=8).filter(any)
shares = st.fractions(0, 1, max_denominator=1000)


def within(curve: Curve, amounts: list[int], share: Fraction) -> Fraction:
    low, high = Fraction(curve.min), Fraction(curve.max)
    return (low + (high - low) * share) * sum(amounts)


@examples(200)
@given(curves, amounts_of_values, shares)
def test_a_curve_divides_as_its_trapezoids_do_and_exactly(
    curve: Curve, amounts: list[int], share: Fraction
) -> None:
    total = within(curve, amounts, share)
    divided = on_curve(curve, amounts, total)
    if 0 < share < 1:
        assert divided == by_trapezoids(curve, amounts, total)
    assert sum(divided) == total
    for amount, part in zip(amounts, divided, strict=True):
        assert Fraction(curve.min) * amount <= part <= Fraction(curve.max) * amount


@examples(200)
@given(curves, amounts_of_values, shares, shares)
def test_better_values_and_larger_budgets_are_taken_more_often(
    curve: Curve, amounts: list[int], share: Fraction, other: Fraction
) -> None:
    small, large = sorted([share, other])
    few = on_curve(curve, amounts, within(curve, amounts, small))
    many = on_curve(curve, amounts, within(curve, amounts, large))
    assert all(a <= b for a, b in zip(few, many, strict=True))
    passes = [p / a for p, a in zip(few, amounts, strict=True) if a]
    assert passes == sorted(passes)


def leaves_of(**amounts: int) -> dict[Leaf, Available]:
    """The values by name; ``others`` has none."""
    return {
        Leaf("web", "s", None, None, None if value == "others" else value): Available(
            1, amount, amount, amount, amount
        )
        for value, amount in amounts.items()
    }


def solved(group: dict[str, Any], available: dict[Leaf, Available], **more: Any) -> dict[str, Any]:
    mixture = parse_mixture({"groups": {"web": {"split_by": "bucket", **group}}, **more})
    solution = solve(mixture, available)
    target = solution.targets["main", "web"]
    return {str(leaf.value): solution.composition[leaf] * target for leaf in available}


def test_weights_say_how_often_relative_to_each_other() -> None:
    weights = {"weights": {"head": 3, "middle": 1, "tail": 0}}
    available = leaves_of(head=100, middle=400, tail=1000)
    # Without a budget, and once each at most: head once, middle a third of it.
    assert solved(weights, available) == {"head": 100, "middle": Fraction(400, 3), "tail": 0}
    repeat = {"max_epochs": 3, "shortage": "repeat"}
    assert solved(weights, available, **repeat) == {"head": 300, "middle": 400, "tail": 0}
    assert solved(weights, available, budget=70) == {"head": 30, "middle": 40, "tail": 0}
    others = {"weights": {"head": 2, "*": 1}}
    available = leaves_of(head=100, others=50)
    assert solved(others, available, **repeat, budget=250) == {"head": 200, "None": 50}


def test_inner_weights_are_shares_whatever_there_is_of_each() -> None:
    inner = {"inner": {"head": 3, "middle": 1}}
    available = leaves_of(head=600, middle=1000, others=50)
    assert solved(inner, available, budget=400) == {"head": 300, "middle": 100, "None": 0}
    with pytest.raises(RecipeError, match=r"group 'web' \(middle\) has nothing to give"):
        solved(inner, leaves_of(head=600), budget=400)


def test_a_curve_meets_the_budget_or_the_mixture_shrinks() -> None:
    curve = {"curve": {"max": 7, "order": BUCKETS}}
    available = leaves_of(head=300, middle=300, tail=400)
    assert solved(curve, available, budget=2100) == {"tail": 0, "middle": 525, "head": 1575}
    full = {"tail": 2800, "middle": 2100, "head": 2100}
    assert solved(curve, available, budget=9000) == full
    with pytest.raises(RecipeError, match="lacks 2000 of 9000 tokens"):
        solved(curve, available, budget=9000, shortage="fail")
    low = {"curve": {"min": 1, "max": 7, "order": BUCKETS}}
    with pytest.raises(RecipeError, match=r"'web' has room for 900, and curve.min = 1 passes"):
        solved(low, available, budget=900)
    assert solved(low, available, budget=1000) == {"tail": 400, "middle": 300, "head": 300}


def test_a_weight_without_anything_available_is_an_error_if_all_are() -> None:
    weights = {"weights": {"head": 3, "middle": 1}, "sources": ["s"]}
    with pytest.raises(RecipeError, match=r"group 'web' \((head|middle)\) has nothing to give"):
        solved(weights, leaves_of(others=1000))
    assert solved(weights, leaves_of(middle=9)) == {"middle": 9}


@pytest.mark.parametrize(
    ("group", "more", "problem"),
    [
        ({"split_by": "b"}, {}, "takes one of weights, curve and inner; it has none"),
        ({"split_by": "b", "weights": {"x": 1}, "curve": {}}, {}, "it has weights and curve"),
        ({"weights": {"x": 1}}, {}, "weights needs split_by"),
        ({"split_by": "b", "weights": {"x": -1}}, {}, "weights are numbers from 0"),
        ({"split_by": "b", "weights": {"x": 0}}, {}, "not all of them 0"),
        ({"split_by": "b", "curve": {"min": 2, "max": 1}}, {"budget": 1}, "max is above min"),
        ({"split_by": "b", "curve": {"order": ["x", "x"]}}, {"budget": 1}, "a value twice"),
        ({"split_by": "b", "curve": {}}, {}, "solved to a budget, and none is given"),
        ({"split_by": "b", "curve": {}, "max_epochs": 2}, {"budget": 1}, "no max_epochs"),
        ({"split_by": "b", "curve": {}}, {"budget": 1, "max_share": 0.5}, "no max_epochs"),
        ({"split_by": "b", "weights": {"x": 1}, "whole": True}, {}, "a whole group comes as it is"),
        ({"split_by": "b", "weight_s": {"x": 1}}, {}, "did you mean 'weights'"),
    ],
)
def test_what_contradicts_itself_is_refused(
    group: dict[str, Any], more: dict[str, Any], problem: str
) -> None:
    with pytest.raises(RecipeError) as error:
        parse_mixture({"groups": {"web": group}, "shortage": "repeat", "max_epochs": 2} | more)
    assert problem in error.value.what


def test_values_of_columns_of_any_type() -> None:
    texts = Split(split_by="b", weights={"head": 2, "true": 1, "*": 1})
    column = pa.array(["head", "x", None], pa.large_string())
    assert values_of(texts, column).to_pylist() == ["head", None, None]
    assert values_of(texts, pa.array([True, False])).to_pylist() == ["true", None]
    steps = Split(split_by="n", weights={"2": 2, "0.5": 1, "10": 3})
    numbers = pa.array([0.49, 0.5, 1.99, 2, 9, 10, 1e300, float("nan"), None])
    of_steps = [None, "0.5", "0.5", "2", "2", "10", "10", None, None]
    assert values_of(steps, numbers).to_pylist() == of_steps
    named = Split(split_by="n", curve=Curve(order=("3", "1")))
    assert values_of(named, pa.array([1, 2, 3])).to_pylist() == ["1", None, "3"]
    curve = Split(split_by="n", curve=Curve())
    hostile = np.array([0x7FF0000000000001, 0x8000000000000000], np.uint64).view(np.float64)
    assert values_of(curve, pa.array(hostile)).to_pylist() == [None, "0.0"]


@examples(50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_on_a_curve_keep_their_order_and_six_digits(numbers: list[float]) -> None:
    curve = Curve()
    found = values_of(Split(split_by="n", curve=curve), pa.array(numbers)).to_pylist()
    order = from_worst(curve, set(found))
    by_place = [order.index(value) for _, value in sorted(zip(numbers, found, strict=True))]
    assert by_place == sorted(by_place)
    for number, value in zip(numbers, found, strict=True):
        assert abs(number - float(value)) <= max(abs(number) / 32, 1e-300)


def with_values(table: pa.Table, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    n = table.num_rows
    bucket = rng.choice(np.array([*BUCKETS, "else", None], object), n)
    score = pa.array(rng.random(n).round(3), mask=rng.random(n) < 0.1)
    return table.append_column("bucket", pa.array(bucket, pa.string())).append_column(
        "signal_score", score
    )


GROUPS: list[dict[str, Any]] = [
    {"split_by": "bucket", "weights": {"head": 3, "middle": 1, "tail": 0.5}},
    {"split_by": "bucket", "weights": {"head": 3, "*": 1}},
    {"split_by": "bucket", "curve": {"max": 4, "order": BUCKETS}},
    {"split_by": "signal_score", "curve": {"max": 7}},
    {"split_by": "signal_score", "weights": {"0": 1, "0.5": 2}},
]


@examples(25)
@given(
    corpora(min_size=40),
    st.sampled_from(GROUPS),
    st.integers(1, 30_000),
    st.lists(st.integers(0, 400), max_size=4),
    st.integers(1, 5),
    st.randoms(),
)
def test_a_split_group_is_exact_whatever_the_partitions(
    table: pa.Table,
    split: dict[str, Any],
    budget: int,
    cuts: list[int],
    partitions: int,
    random: Any,
) -> None:
    table = with_values(table, 7)
    mixture = parse_mixture(
        {
            "groups": {"kk": {"languages": ["kaz_Cyrl"]} | split, "rest": {}},
            "budget": budget,
            "max_epochs": 3,
            "shortage": "repeat",
        }
    )
    stored = mixed(mixture, table)
    if stored is None:
        return
    product = run(Mix(mixture), [table])
    rows = {row["id"]: row for row in table.to_pylist()}
    of_group = [rows[name] for name, _, _ in product if rows[name]["lang"] == "kaz_Cyrl"]
    report = report_of(stored)
    row = report["main", "kk"]
    assert report["main", "rest"]["parts"] is None
    largest = max((r["n_tokens"] or 0 for r in rows.values()), default=0)
    assert abs(row["amount"] - (row["asked"] - row["shortage"])) <= largest + 1
    assert len({(name, epoch) for name, _, epoch in product}) == len(product)
    # The parts add up to the group, and are what the product holds.
    parts: Any = row["parts"]
    for name in ("amount", "documents", "tokens", "available"):
        assert sum(part[name] for part in parts) == row[name]
    if split["split_by"] == "bucket":
        named = {part["value"] for part in parts}
        held = Counter(r["bucket"] if r["bucket"] in named else None for r in of_group)
        assert {part["value"]: part["documents"] for part in parts if part["documents"]} == held
    for part in parts:
        # Each leaf is within half its largest document of its share; a value has a few leaves.
        assert abs(part["amount"] - (part["asked"] - part["shortage"])) <= 60 * largest + 1
    order = list(range(table.num_rows))
    random.shuffle(order)
    assert run(Mix(mixture), shards_of(table.take(order), cuts), partitions) == product


def test_a_larger_budget_takes_the_curve_further() -> None:
    n = 2000
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "id": [f"web/a#{i}" for i in range(n)],
            "source": ["web"] * n,
            "origin": pa.nulls(n, pa.string()),
            "signal_q": rng.random(n),
        }
    )
    group = {"split_by": "signal_q", "curve": {"max": 7}}
    means, kept = [], []
    for budget in (500, 2000, 7000):
        mixture = parse_mixture({"groups": {"a": group}, "unit": "documents", "budget": budget})
        stored = resolve(Mix(mixture), [table], 2)
        row = report_of(stored)["main", "a"]
        assert row["amount"] == budget
        epochs = [part["epochs"] for part in row["parts"]]  # type: ignore[attr-defined]
        assert epochs == sorted(epochs) or budget == 500  # half documents at slices' edges
        means.append(sum(epochs[-2:]) / 2)
        kept.append(sum(e > 0 for e in epochs))
    # Of 1/4, 1 and 3.5 passes: the best 1/14, 2/7 and all of the group.
    assert kept == [2, 6, 20]
    assert means == sorted(means) and means[-1] == pytest.approx(6.65, abs=0.1)
