from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.mixture.recipe import Leaf, parse
from curate.mixture.solve import Solution, Stock, solve

THREE = {
    "kk": {"languages": ["kaz_Cyrl"]},
    "ru_tr": {"languages": ["rus_Cyrl", "tur_Latn"]},
    "en": {"languages": ["eng_Latn"]},
}
KK = Leaf("kk", "web", "kaz_Cyrl", None)
RU = Leaf("ru_tr", "web", "rus_Cyrl", None)
TR = Leaf("ru_tr", "web", "tur_Latn", None)
EN = Leaf("en", "web", "eng_Latn", None)


def have(**amounts: int) -> dict[Leaf, Stock]:
    leaves = {"kk": KK, "ru": RU, "tr": TR, "en": EN}
    return {leaves[name]: Stock(1, amount, amount, amount) for name, amount in amounts.items()}


def targets(found: Solution, phase: str = "main") -> list[Fraction]:
    return [amount for (name, _), amount in found.targets.items() if name == phase]


def test_without_a_budget_the_scarcest_group_is_used_up() -> None:
    mixture = parse({"ratio": "3:1:3", "groups": THREE})
    found = solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))
    assert targets(found) == [900, 300, 900]
    assert found.scarcest == "kk"


def test_a_budget_that_fits_is_met() -> None:
    mixture = parse({"ratio": "3:1:3", "groups": THREE, "budget": 700})
    found = solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))
    assert targets(found) == [300, 100, 300]
    assert found.scarcest is None


def test_shrink_keeps_the_ratio_and_names_the_scarcest() -> None:
    mixture = parse({"ratio": "3:1:3", "groups": THREE, "budget": 7000})
    found = solve(mixture, have(kk=9000, ru=50, tr=50, en=9000))
    assert targets(found) == [300, 100, 300]
    assert found.scarcest == "ru_tr"
    assert found.asked["main", "kk"] == 3000


def test_repeat_goes_up_to_max_epochs_and_then_shrinks() -> None:
    said = {"ratio": "3:1:3", "groups": THREE, "shortage": "repeat", "max_epochs": 2.5}
    stock = have(kk=400, ru=500, tr=500, en=9000)
    assert targets(solve(parse(said | {"budget": 2100}), stock)) == [900, 300, 900]
    assert targets(solve(parse(said | {"budget": 21000}), stock)) == [1000, Fraction(1000, 3), 1000]


def test_fail_names_the_group_and_what_it_lacks() -> None:
    mixture = parse({"ratio": "3:1:3", "groups": THREE, "budget": 7000, "shortage": "fail"})
    with pytest.raises(RecipeError, match="group 'kk' lacks 2100 of 3000 tokens"):
        solve(mixture, have(kk=900, ru=5000, tr=5000, en=9000))


def test_an_empty_group_is_an_error_but_an_empty_corpus_is_not() -> None:
    mixture = parse({"ratio": "3:1:3", "groups": THREE})
    with pytest.raises(RecipeError, match="group 'ru_tr' has nothing to give"):
        solve(mixture, have(kk=900, en=9000))
    assert set(targets(solve(mixture, {}))) == {0}
    assert set(targets(solve(mixture, have(kk=0, en=0)))) == {0}


def test_a_group_of_weight_0_may_be_empty() -> None:
    mixture = parse({"ratio": "3:0:3", "groups": THREE})
    assert targets(solve(mixture, have(kk=900, en=9000))) == [900, 0, 900]


def test_inner_weights_are_kept_like_the_ratio() -> None:
    groups = THREE | {"ru_tr": THREE["ru_tr"] | {"inner": {"rus_Cyrl": 1, "tur_Latn": 1}}}  # type: ignore[operator]
    found = solve(parse({"ratio": "3:1:3", "groups": groups}), have(kk=900, ru=5000, tr=50, en=900))
    assert found.composition[RU] == found.composition[TR] == Fraction(1, 2)
    assert targets(found) == [300, 100, 300]
    with pytest.raises(RecipeError, match=r"group 'ru_tr' \(tur_Latn\) has nothing"):
        solve(parse({"ratio": "3:1:3", "groups": groups}), have(kk=900, ru=5000, en=900))


def test_without_inner_weights_the_split_is_natural_or_tempered() -> None:
    said = {"ratio": "3:1:3", "groups": THREE, "budget": 700}
    stock = have(kk=900, ru=6400, tr=100, en=900)
    assert solve(parse(said), stock).composition[RU] == Fraction(64, 65)
    assert solve(parse(said | {"temperature": 0.5}), stock).composition[RU] == Fraction(8, 9)
    assert solve(parse(said | {"temperature": 0}), stock).composition[RU] == Fraction(1, 2)
    # Half of 1000 is more than the 100 there are: what one cannot give, the other does.
    assert solve(parse(said | {"temperature": 0, "budget": 2100}), stock).composition[
        TR
    ] == Fraction(1, 3)


def test_max_share_limits_a_leaf_and_with_it_its_group() -> None:
    caps = [{"language": "rus_Cyrl", "max_share": 0.75}]
    mixture = parse({"ratio": "3:1:3", "groups": THREE, "caps": caps})
    found = solve(mixture, have(kk=9000, ru=6400, tr=100, en=9000))
    assert targets(found) == [1200, 400, 1200]
    assert found.composition[TR] == Fraction(1, 4)
    with pytest.raises(RecipeError, match="max_share forbids"):
        solve(mixture, have(kk=9000, ru=6400, en=9000))


def test_phases_shrink_together() -> None:
    phases = [
        {"name": "first", "budget": 1000, "weights": {"en": 1}},
        {"name": "second", "budget": 7000},
    ]
    mixture = parse({"ratio": "3:1:3", "groups": THREE, "phases": phases})
    found = solve(mixture, have(kk=9000, ru=5000, tr=5000, en=2000))
    assert targets(found, "first") == [0, 0, 500]
    assert targets(found, "second") == [1500, 500, 1500]
    assert found.until(mixture, "en") == [500, 2000]


def test_max_share_and_what_there_is_meet() -> None:
    # Both leaves are used up before 70 % can bind.
    caps = [{"group": "ru_tr", "max_share": 0.7}]
    mixture = parse({"ratio": "0:1:0", "groups": THREE, "caps": caps})
    assert targets(solve(mixture, have(ru=10, tr=10))) == [0, 20, 0]


amounts = st.integers(0, 10_000)


@given(
    kk=amounts,
    ru=amounts,
    tr=amounts,
    en=amounts,
    budget=st.none() | st.integers(1, 30_000),
    epochs=st.sampled_from([1, 1.5, 4]),
    temperature=st.sampled_from([0, 0.3, 1]),
    max_share=st.sampled_from([0.4, 0.7, 1]),
    weights=st.tuples(*[st.integers(0, 9)] * 3).filter(any),
)
def test_targets_keep_ratio_limits_and_cannot_grow(
    kk: int, ru: int, tr: int, en: int, budget: int | None, epochs: float, temperature: float,
    max_share: float, weights: tuple[int, ...],
) -> None:  # fmt: skip
    mixture = parse(
        {
            "ratio": ":".join(map(str, weights)),
            "groups": THREE,
            "budget": budget,
            "shortage": "shrink" if epochs == 1 else "repeat",
            "max_epochs": epochs,
            "temperature": temperature,
            "caps": [{"group": "ru_tr", "max_share": max_share}],
        }
    )
    stock = have(kk=kk, ru=ru, tr=tr, en=en)
    try:
        found = solve(mixture, stock)
    except RecipeError:
        return
    total = sum(targets(found))
    assert budget is None or total <= budget
    assert targets(found) == [total * Fraction(weight, sum(weights)) for weight in weights]
    given = {leaf: found.composition[leaf] * found.targets["main", leaf.group] for leaf in stock}
    for group in THREE:
        assert (
            sum(a for leaf, a in given.items() if leaf.group == group)
            == found.targets["main", group]
        )
    for leaf, amount in given.items():
        assert amount <= stock[leaf].amount * Fraction(epochs)
        if leaf.group == "ru_tr":
            assert amount <= Fraction(repr(max_share)) * found.targets["main", "ru_tr"]
    # It could not have been more: every leaf of group is at a limit of its own.
    if found.scarcest and total:
        whole = [leaf for leaf in stock if leaf.group == found.scarcest]
        bound = [
            given[leaf] == stock[leaf].amount * Fraction(epochs)
            or given[leaf] == mixture.share_of(leaf) * found.targets["main", found.scarcest]
            for leaf in whole
        ]
        assert all(bound)
    elif budget is not None and total:
        assert total == budget
