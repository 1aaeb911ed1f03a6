from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.mixture.allocation import Available, parts_of
from curate.mixture.forecast import expected
from curate.mixture.summary import report
from curate.mixture.targets import Solution, solve
from curate.recipe.mixture import Leaf, parse_mixture

THREE = {
    "kk": {"languages": ["kaz_Cyrl"]},
    "ru_tr": {"languages": ["rus_Cyrl", "tur_Latn"]},
    "en": {"languages": ["eng_Latn"]},
}
KK = Leaf("kk", "web", "kaz_Cyrl", None)
RU = Leaf("ru_tr", "web", "rus_Cyrl", None)
TR = Leaf("ru_tr", "web", "tur_Latn", None)
EN = Leaf("en", "web", "eng_Latn", None)


def have(**amounts: int) -> dict[Leaf, Available]:
    leaves = {"kk": KK, "ru": RU, "tr": TR, "en": EN}
    return {
        leaves[name]: Available(1, amount, amount, amount, amount)
        for name, amount in amounts.items()
    }


def targets(solution: Solution, phase: str = "main") -> list[Fraction]:
    return [amount for (name, _), amount in solution.targets.items() if name == phase]


def test_without_a_budget_the_scarcest_group_is_used_up() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE})
    solution = solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))
    assert targets(solution) == [900, 300, 900]
    assert solution.scarcest == "kk"


def test_a_budget_that_fits_is_met() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "budget": 700})
    solution = solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))
    assert targets(solution) == [300, 100, 300]
    assert solution.scarcest is None


def test_shrink_keeps_the_ratio_and_names_the_scarcest() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "budget": 7000})
    solution = solve(mixture, have(kk=9000, ru=50, tr=50, en=9000))
    assert targets(solution) == [300, 100, 300]
    assert solution.scarcest == "ru_tr"
    assert solution.asked["main", "kk"] == 3000


def test_a_budget_beyond_all_columns_is_shown_as_the_largest_number() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "budget": 1e30})
    shown = report(mixture, have(kk=900, ru=5000, tr=5000, en=9000), {})
    assert shown["asked"].to_pylist() == [2**63 - 1] * 3


def test_repeat_goes_up_to_max_epochs_and_then_shrinks() -> None:
    recipe_mixture = {"ratio": "3:1:3", "groups": THREE, "shortage": "repeat", "max_epochs": 2.5}
    available = have(kk=400, ru=500, tr=500, en=9000)
    assert targets(solve(parse_mixture(recipe_mixture | {"budget": 2100}), available)) == [
        900,
        300,
        900,
    ]
    assert targets(solve(parse_mixture(recipe_mixture | {"budget": 21000}), available)) == [
        1000,
        Fraction(1000, 3),
        1000,
    ]


def test_fail_names_the_group_and_what_it_lacks() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "budget": 7000, "shortage": "fail"})
    with pytest.raises(RecipeError, match="group 'kk' lacks 2100 of 3000 tokens"):
        solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))


def test_an_empty_group_is_an_error_even_if_all_are_but_not_one_that_takes_anything() -> None:
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE})
    with pytest.raises(RecipeError, match="group 'ru_tr' has nothing to give"):
        solve(mixture, have(kk=900, en=9000))
    for nothing in ({}, have(kk=0, en=0)):
        with pytest.raises(RecipeError, match="group 'kk' has nothing to give"):
            solve(mixture, nothing)
    assert set(targets(solve(parse_mixture({"groups": {"all": {}}}), {}))) == {0}


SAFE = Leaf("safe", "safety", None, None)
WHOLE = {"safe": {"sources": ["safety"], "whole": True}, **THREE}


@pytest.mark.parametrize("budget", [None, 70, 7000])
def test_a_whole_group_comes_all_and_once_beside_the_ratio(budget: int | None) -> None:
    recipe_mixture = {"ratio": "3:1:3", "groups": WHOLE, "shortage": "repeat", "max_epochs": 2}
    available = {SAFE: Available(11, 11, 11, 1, 11), **have(kk=30, ru=50, tr=50, en=90)}
    mixture = parse_mixture(recipe_mixture | ({"budget": budget} if budget else {}))
    solution = solve(mixture, available)
    kk = 30 if budget == 70 else 60
    assert targets(solution) == [11, kk, kk / 3, kk]
    assert solution.asked["main", "safe"] == 11
    assert solution.composition[SAFE] == 1
    rows = {row["group"]: row for row in expected(mixture, available).to_pylist()}
    assert (rows["safe"]["amount"], rows["safe"]["epochs"], rows["safe"]["shortage"]) == (11, 1, 0)
    assert rows["safe"]["asked_share"] is None and rows["safe"]["share"] is None
    assert rows["kk"]["share"] == pytest.approx(rows["kk"]["asked_share"], abs=0.02)


def test_a_whole_group_is_in_the_first_phase_alone() -> None:
    phases = [{"name": "one", "budget": 7}, {"name": "two", "budget": 14}]
    mixture = parse_mixture({"ratio": "3:1:3", "groups": WHOLE, "phases": phases})
    available = {SAFE: Available(5, 5, 5, 1, 5), **have(kk=30, ru=50, tr=50, en=90)}
    solution = solve(mixture, available)
    assert targets(solution, "one") == [5, 3, 1, 3]
    assert targets(solution, "two") == [0, 6, 2, 6]
    for wrong in ({"weights": {"safe": 1, "kk": 1}, "budget": 7}, {"budgets": {"safe": 1}}):
        with pytest.raises(RecipeError, match="comes whole"):
            parse_mixture({"groups": WHOLE, "phases": [{"name": "one"} | wrong]})
    with pytest.raises(RecipeError, match="no weight"):
        parse_mixture({"groups": {"safe": {"whole": True, "weight": 2}, "kk": {}}})


def test_a_group_of_weight_0_may_be_empty() -> None:
    mixture = parse_mixture({"ratio": "3:0:3", "groups": THREE})
    assert targets(solve(mixture, have(kk=900, en=9000))) == [900, 0, 900]


def test_inner_weights_are_kept_like_the_ratio() -> None:
    groups = THREE | {"ru_tr": THREE["ru_tr"] | {"inner": {"rus_Cyrl": 1, "tur_Latn": 1}}}  # type: ignore[operator]
    solution = solve(
        parse_mixture({"ratio": "3:1:3", "groups": groups}), have(kk=900, ru=5000, tr=50, en=900)
    )
    assert solution.composition[RU] == solution.composition[TR] == Fraction(1, 2)
    assert targets(solution) == [300, 100, 300]
    with pytest.raises(RecipeError, match=r"group 'ru_tr' \(tur_Latn\) has nothing"):
        solve(parse_mixture({"ratio": "3:1:3", "groups": groups}), have(kk=900, ru=5000, en=900))


def test_without_inner_weights_the_split_is_natural_or_tempered() -> None:
    recipe_mixture = {"ratio": "3:1:3", "groups": THREE, "budget": 700}
    available = have(kk=900, ru=6400, tr=100, en=900)
    assert solve(parse_mixture(recipe_mixture), available).composition[RU] == Fraction(64, 65)
    assert solve(parse_mixture(recipe_mixture | {"alpha": 0.5}), available).composition[
        RU
    ] == Fraction(8, 9)
    assert solve(parse_mixture(recipe_mixture | {"alpha": 0}), available).composition[
        RU
    ] == Fraction(1, 2)
    # Half of 1000 is more than the 100 there are: what one cannot give, the other does.
    assert solve(
        parse_mixture(recipe_mixture | {"alpha": 0, "budget": 2100}), available
    ).composition[TR] == Fraction(1, 3)


def test_max_share_limits_a_leaf_and_with_it_its_group() -> None:
    caps = [{"language": "rus_Cyrl", "max_share": 0.75}]
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "caps": caps})
    solution = solve(mixture, have(kk=9000, ru=6400, tr=100, en=9000))
    assert targets(solution) == [1200, 400, 1200]
    assert solution.composition[TR] == Fraction(1, 4)
    with pytest.raises(RecipeError, match="max_share forbids"):
        solve(mixture, have(kk=9000, ru=6400, en=9000))


def test_phases_shrink_together() -> None:
    phases = [
        {"name": "first", "budget": 1000, "weights": {"en": 1}},
        {"name": "second", "budget": 7000},
    ]
    mixture = parse_mixture({"ratio": "3:1:3", "groups": THREE, "phases": phases})
    solution = solve(mixture, have(kk=9000, ru=5000, tr=5000, en=2000))
    assert targets(solution, "first") == [0, 0, 500]
    assert targets(solution, "second") == [1500, 500, 1500]
    assert solution.intervals(mixture, "en") == [(0, 500), (500, 2000)]


def test_max_share_and_what_there_is_meet() -> None:
    # Both leaves are used up before 70 % can bind.
    groups = THREE | {"ru_tr": THREE["ru_tr"] | {"max_share": 0.7}}  # type: ignore[operator]
    mixture = parse_mixture({"ratio": "0:1:0", "groups": groups})
    assert targets(solve(mixture, have(ru=10, tr=10))) == [0, 20, 0]


def test_a_phase_that_reuses_begins_at_the_first_document_again() -> None:
    first = {"name": "first", "budget": 100}
    second = {"name": "second", "budget": 700}
    groups = {"ru_tr": THREE["ru_tr"]}
    available = have(ru=400, tr=400)
    apart = parse_mixture(
        {"groups": groups, "phases": [first, second, {"name": "third", "budget": 100}]}
    )
    assert solve(apart, available).scarcest == "ru_tr"
    again = parse_mixture(
        {
            "groups": groups,
            "phases": [first, second | {"reuse": True}, {"name": "third", "budget": 100}],
        }
    )
    solution = solve(again, available)
    assert solution.intervals(again, "ru_tr") == [(0, 100), (0, 700), (700, 800)]
    assert solution.scarcest is None


def kazakh(**amounts: int) -> dict[Leaf, Available]:
    origins = {"web": "native", "news": "native", "books_mt": "mt", "wiki_mt": "mt"}
    return {
        Leaf("kk", source, "kaz_Cyrl", origins[source]): Available(
            1, amount, amount, amount, amount
        )
        for source, amount in amounts.items()
    }


def by_origin(solution: Solution) -> dict[str | None, Fraction]:
    shares: dict[str | None, Fraction] = {}
    for leaf, share in solution.composition.items():
        shares[leaf.origin] = shares.get(leaf.origin, Fraction(0)) + share
    return shares


def test_a_cap_bounds_all_that_it_matches_together() -> None:
    caps = [{"group": "kk", "origin": "mt", "max_share": 0.24}]
    mixture = parse_mixture({"groups": {"kk": THREE["kk"]}, "caps": caps})
    solution = solve(mixture, kazakh(web=700, news=60, books_mt=5000, wiki_mt=3000))
    assert by_origin(solution) == {"native": Fraction(76, 100), "mt": Fraction(24, 100)}
    assert targets(solution) == [1000]
    # What the cap allows is divided as it is there.
    mt = [share for leaf, share in solution.composition.items() if leaf.origin == "mt"]
    assert sorted(mt) == [Fraction(9, 100), Fraction(15, 100)]


def test_caps_nest_and_do_not_cross() -> None:
    caps = [
        {"origin": "mt", "max_share": 0.3},
        {"source": "wiki_mt", "max_share": 0.05},
        {"origin": "native", "max_share": 0.95},
    ]
    available = kazakh(web=700, news=70, books_mt=30, wiki_mt=8000)
    mixture = parse_mixture({"groups": {"kk": THREE["kk"]}, "caps": caps})
    # T = min(770, 0.95 T) + min(30 + 0.05 T, 0.3 T), so T = 800 / 0.95.
    assert targets(solve(mixture, available)) == [Fraction(80000, 95)]
    crossing = {
        "caps": [{"origin": "mt", "max_share": 0.3}, {"language": "kaz_Cyrl", "max_share": 0.9}]
    }
    cyrillic = (
        Leaf("kk", "web", "kaz_Cyrl", "mt"),
        Leaf("kk", "web", "kaz_Latn", "mt"),
        Leaf("kk", "w", "kaz_Cyrl", None),
    )
    crossed = parse_mixture({"groups": {"kk": {}}} | crossing)
    with pytest.raises(RecipeError, match="cross each other at web, kaz_Cyrl, mt"):
        solve(crossed, {leaf: Available(1, 10, 10, 10, 10) for leaf in cyrillic})


def test_a_cap_holds_in_each_inner_part_that_it_speaks_of() -> None:
    groups = {"g": {"languages": ["kaz_Cyrl", "rus_Cyrl"], "inner": {"kaz_Cyrl": 3, "rus_Cyrl": 1}}}
    leaves = {
        Leaf("g", "web", "kaz_Cyrl", "native"): 900,
        Leaf("g", "mt", "kaz_Cyrl", "mt"): 900,
        Leaf("g", "web", "rus_Cyrl", "native"): 900,
        Leaf("g", "mt", "rus_Cyrl", "mt"): 100,
    }
    available = {
        leaf: Available(1, amount, amount, amount, amount) for leaf, amount in leaves.items()
    }
    caps = [{"origin": "mt", "max_share": 0.2}]
    solution = solve(
        parse_mixture({"groups": groups, "caps": caps, "budget": 1000}), available
    ).composition
    assert [solution[leaf] for leaf in leaves] == [
        Fraction(60, 100),
        Fraction(15, 100),
        Fraction(225, 1000),
        Fraction(25, 1000),
    ]
    # Of one part alone it is a share of the group.
    caps = [{"origin": "mt", "language": "kaz_Cyrl", "max_share": 0.3}]
    solution = solve(
        parse_mixture({"groups": groups, "caps": caps, "budget": 1000}), available
    ).composition
    assert solution[Leaf("g", "mt", "kaz_Cyrl", "mt")] == Fraction(30, 100)


def test_alpha_weighs_languages_and_not_sources() -> None:
    groups = {"all": {"alpha": 0.5}}
    leaves = {("web", "a"): 60, ("wiki", "a"): 40, ("web", "b"): 400, ("web", "c"): 900}
    available = {
        Leaf("all", source, f"{lang}aa_Latn", None): Available(1, amount, amount, amount, amount)
        for (source, lang), amount in leaves.items()
    }
    solution = solve(parse_mixture({"groups": groups, "budget": 60}), available).composition
    assert [solution[leaf] for leaf in available] == [Fraction(x, 60) for x in (6, 4, 20, 30)]


def unimax(amounts: list[int], budget: Fraction, epochs: int) -> list[Fraction]:
    """The allocation of the UniMax paper, by its description: smallest languages first."""
    given = [Fraction(0)] * len(amounts)
    order = sorted(range(len(amounts)), key=amounts.__getitem__)
    for at, language in enumerate(order):
        share = budget / (len(order) - at)
        given[language] = min(share, Fraction(epochs * amounts[language]))
        budget -= given[language]
    return given


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(1, 8), st.data())
def test_alpha_0_with_epochs_is_unimax(
    amounts: list[int], epochs: int, data: st.DataObject
) -> None:
    budget = data.draw(st.integers(1, epochs * sum(amounts)))
    groups = {"all": {"alpha": 0, "max_epochs": epochs}}
    rule = "repeat" if epochs > 1 else "shrink"
    available = {
        Leaf("all", "web", f"{at}", None): Available(1, amount, amount, amount, amount)
        for at, amount in enumerate(amounts)
    }
    solution = solve(
        parse_mixture({"groups": groups, "budget": budget, "shortage": rule}), available
    )
    got = [solution.composition[leaf] * budget for leaf in available]
    assert got == unimax(amounts, Fraction(budget), epochs)


@given(st.data())
def test_capacity_is_what_linear_programming_finds(data: st.DataObject) -> None:
    from scipy.optimize import linprog

    leaves = [
        Leaf("g", source, lang, origin)
        for origin, source in (("native", "web"), ("native", "wiki"), ("mt", "t1"), ("mt", "t2"))
        for lang in ("kaz_Cyrl", "rus_Cyrl")
    ]
    amounts = [data.draw(st.integers(0, 1000)) for _ in leaves]
    share = st.sampled_from([0.05, 0.24, 0.5, 0.8])
    caps = [{"origin": "mt", "max_share": data.draw(share)}]
    caps += [{"source": source, "max_share": data.draw(share)} for source in ("t1", "web")]
    caps += [{"source": "t1", "language": "rus_Cyrl", "max_share": data.draw(share)}]
    mixture = parse_mixture({"groups": {"g": {}}, "caps": caps, "max_share": data.draw(share)})
    (part,) = parts_of(
        mixture, {leaf: Available(1, n, n, n, n) for leaf, n in zip(leaves, amounts, strict=True)}
    )
    # Largest sum x, x_l <= amount_l, and for each bound: sum over it of x <= share * sum of x.
    rows = [
        [(leaf in bound.leaves) - float(bound.share) for leaf in leaves] for bound in part.bounds
    ]
    best = linprog([-1] * 8, rows, [0] * len(rows), bounds=[(0, n) for n in amounts])
    assert float(part.capacity) == pytest.approx(-best.fun, abs=1e-6)
    filled = part.fill(part.capacity)
    assert sum(filled.values()) == part.capacity
    for bound in part.bounds:
        assert sum(filled[leaf] for leaf in bound.leaves) <= bound.share * part.capacity
    assert all(filled[leaf] <= n for leaf, n in zip(leaves, amounts, strict=True))


amounts = st.integers(0, 10_000)


@given(
    kk=amounts,
    ru=amounts,
    tr=amounts,
    en=amounts,
    budget=st.none() | st.integers(1, 30_000),
    epochs=st.sampled_from([1, 1.5, 4]),
    alpha=st.sampled_from([0, 0.3, 1]),
    max_share=st.sampled_from([0.4, 0.7, 1]),
    weights=st.tuples(*[st.integers(0, 9)] * 3).filter(any),
)
def test_targets_keep_ratio_limits_and_cannot_grow(
    kk: int, ru: int, tr: int, en: int, budget: int | None, epochs: float, alpha: float,
    max_share: float, weights: tuple[int, ...],
) -> None:  # fmt: skip
    mixture = parse_mixture(
        {
            "ratio": ":".join(map(str, weights)),
            "groups": THREE | {"ru_tr": THREE["ru_tr"] | {"max_share": max_share}},  # type: ignore[operator]
            "budget": budget,
            "shortage": "shrink" if epochs == 1 else "repeat",
            "max_epochs": epochs,
            "alpha": alpha,
        }
    )
    available = have(kk=kk, ru=ru, tr=tr, en=en)
    try:
        solution = solve(mixture, available)
    except RecipeError:
        return
    total = sum(targets(solution))
    assert budget is None or total <= budget
    assert targets(solution) == [total * Fraction(weight, sum(weights)) for weight in weights]
    given = {
        leaf: solution.composition[leaf] * solution.targets["main", leaf.group]
        for leaf in available
    }
    for group in THREE:
        assert (
            sum(a for leaf, a in given.items() if leaf.group == group)
            == solution.targets["main", group]
        )
    for leaf, amount in given.items():
        assert amount <= available[leaf].amount * Fraction(epochs)
        if leaf.group == "ru_tr":
            assert amount <= Fraction(repr(max_share)) * solution.targets["main", "ru_tr"]
    # It could not have been more: every leaf of group is at a limit of its own.
    if solution.scarcest and total:
        whole = [leaf for leaf in available if leaf.group == solution.scarcest]
        bound = [
            given[leaf] == available[leaf].amount * Fraction(epochs)
            or given[leaf] == mixture.share_of(leaf) * solution.targets["main", solution.scarcest]
            for leaf in whole
        ]
        assert all(bound)
    elif budget is not None and total:
        assert total == budget
