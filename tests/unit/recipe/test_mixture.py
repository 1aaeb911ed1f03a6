from __future__ import annotations

from fractions import Fraction

import pytest

from curate.errors import RecipeError
from curate.recipe.mixture import Leaf, Mixture, parse_mixture

KK = {"languages": ["kaz_Cyrl"]}
RU_TR = {"languages": ["rus_Cyrl", "tur_Latn"]}
EN = {"languages": ["eng_Latn"]}
THREE = {"kk": KK, "ru_tr": RU_TR, "en": EN}


def shares(mixture: Mixture, number: int = 0) -> dict[str, Fraction]:
    return mixture.shares(mixture.schedule()[number])


def test_ratio_weighs_the_groups_in_file_order() -> None:
    found = shares(parse_mixture({"ratio": "3:1:3", "groups": THREE}))
    assert found == {"kk": Fraction(3, 7), "ru_tr": Fraction(1, 7), "en": Fraction(3, 7)}


def test_decimal_weights_are_exact() -> None:
    groups = {"ar": {"weight": 0.45}, "en": {"weight": 0.45}, "code": {"weight": 0.1}}
    assert shares(parse_mixture({"groups": groups}))["code"] == Fraction(1, 10)


def test_a_phase_has_its_own_weights_and_the_rest_weighs_nothing() -> None:
    phases = [
        {"name": "english", "budget": 4000, "weights": {"en": 1}},
        {"name": "mixed", "budget": 1200},
    ]
    mixture = parse_mixture({"groups": THREE, "phases": phases})
    assert shares(mixture, 0) == {"kk": 0, "ru_tr": 0, "en": 1}
    assert shares(mixture, 1)["kk"] == Fraction(1, 3)


def test_the_first_group_that_holds_a_row_gets_it() -> None:
    groups = {
        "books": {"sources": ["books"], "origins": ["native", "ocr"]},
        "kk": KK,
        "rest": {},
    }
    mixture = parse_mixture({"groups": groups})
    assert mixture.group_of("books", "kaz_Cyrl", "ocr") == "books"
    assert mixture.group_of("books", "kaz_Cyrl", "mt") == "kk"
    assert mixture.group_of("books", "rus_Cyrl", None) == "rest"
    assert parse_mixture({"groups": {"kk": KK}}).group_of("web", None, None) is None


def test_the_tightest_cap_that_matches_counts() -> None:
    caps = [
        {"source": "wiki", "max_epochs": 5},
        {"group": "kk", "origin": "mt", "max_share": 0.5, "max_epochs": 2},
        {"origin": "mt", "max_share": 0.25},
    ]
    mixture = parse_mixture({"groups": THREE, "caps": caps, "shortage": "repeat"})
    assert mixture.epochs_of(Leaf("kk", "wiki", "kaz_Cyrl", "mt")) == 2
    assert mixture.epochs_of(Leaf("en", "web", "eng_Latn", None)) == 1


def test_budgets_of_groups_or_phases_say_ratio_and_size_at_once() -> None:
    groups = {"ja": {"budget": 96.39e9}, "zh": {"budget": 100.57e9}}
    mixture = parse_mixture({"unit": "bytes", "scale": 1e-6, "groups": groups})
    (main,) = mixture.schedule()
    assert mixture.budget_of(main) == 196_960
    assert mixture.shares(main)["ja"] == Fraction(9639, 19696)
    phases = [
        {"name": "one", "budgets": {"en": 4e12}},
        {"name": "two", "budgets": {"kk": 54e10, "en": 66e10}},
    ]
    mixture = parse_mixture({"scale": 1e-9, "groups": THREE, "phases": phases})
    assert [mixture.budget_of(phase) for phase in mixture.schedule()] == [4000, 1200]
    assert shares(mixture, 1) == {"kk": Fraction(9, 20), "ru_tr": 0, "en": Fraction(11, 20)}


def test_a_group_has_limits_of_its_own() -> None:
    groups = THREE | {"kk": KK | {"max_epochs": 3, "max_share": 0.5, "alpha": 0.3}}
    mixture = parse_mixture({"groups": groups, "shortage": "repeat", "alpha": 0.7})
    kk, en = Leaf("kk", "web", "kaz_Cyrl", None), Leaf("en", "web", "eng_Latn", None)
    assert (mixture.epochs_of(kk), mixture.epochs_of(en)) == (3, 1)
    assert (mixture.share_of(kk), mixture.share_of(en)) == (Fraction(1, 2), 1)
    assert (mixture.alpha_of("kk"), mixture.alpha_of("en")) == (0.3, 0.7)


def test_languages_are_told_apart_only_where_something_asks() -> None:
    groups = {"web": {"sources": ["web"]}}
    plain = {"groups": groups, "caps": [{"origin": "mt", "max_share": 0.24}]}
    assert parse_mixture(plain).columns == ("source", "origin")
    for asks in (
        {"alpha": 0.3},
        {"groups": {"web": {"alpha": 0.3}}},
        {"groups": {"kk": {"languages": ["kaz_Cyrl"]}}},
        {"caps": [{"language": "kaz_Cyrl", "max_share": 0.24}]},
    ):
        assert parse_mixture(plain | asks).columns == ("source", "lang", "origin")


def three(**keys: object) -> dict[str, object]:
    return {"groups": THREE, **keys}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"groups": {}}, "mixture.groups"),
        (three(ration="3:1:3"), "'mixture.ration': did you mean 'ratio'?"),
        ({"groups": {"kk": {"language": []}}}, "'mixture.groups.kk.language': did you mean 'lang"),
        (three(phases=[{"bugdet": 3}]), "'mixture.phases.0.bugdet': did you mean 'budget'?"),
        (three(ratio="3:1"), "has 2 parts for 3 groups"),
        (three(ratio="3:one:3"), "numbers with colons"),
        (three(ratio="3:-1:3"), "below 0"),
        (three(ratio="0:0:0"), "all weights are 0"),
        ({"groups": {"kk": KK | {"weight": 2}}, "ratio": "1"}, "not both"),
        (three(max_epochs=4), "needs shortage = 'repeat'"),
        (three(max_epochs=1e9, shortage="repeat"), "1000"),
        (three(shortage="repeat"), "needs max_epochs above 1"),
        (three(unit="words"), "mixture.unit"),
        (three(budget=0), "mixture.budget"),
        (three(phases=[{"name": "a", "budget": 1}, {"name": "b"}]), "needs a budget"),
        (three(phases=[{"budget": 1, "weights": {"ruu_tr": 1}}]), "did you mean 'ru_tr'?"),
        (three(phases=[{"name": "../a", "budget": 1}]), "mixture.phases.0.name"),
        ({"groups": {"a": RU_TR | {"inner": {"rus_Cyrl": 1}}}}, "a weight for each"),
        ({"groups": {"a": RU_TR | {"inner": {"rus_Cyrl": 1, "tur_Latn": 0}}}}, "above 0"),
        ({"groups": {"a": {"origins": ["nativ"]}}}, "did you mean 'native'?"),
        (three(caps=[{"source": "x"}]), "max_epochs, max_share or both"),
        (three(caps=[{"group": "kkk", "origin": "mt", "max_share": 0.5}]), "did you mean 'kk'?"),
        (three(caps=[{"group": "kk", "max_share": 0.5}]), "needs a source, a language or an"),
        (three(temperature=5), "1 / temperature"),
        ({"groups": {"a": {"budget": 3}, "b": {}}}, "every group a budget, or none"),
        ({"groups": {"a": {"budget": 3}}, "ratio": "1"}, "budgets of groups say all"),
        (three(phases=[{"budgets": {"kk": 3}, "budget": 1}]), "budgets say all"),
        (three(phases=[{"budgets": {"ru_trr": 3}}]), "did you mean 'ru_tr'?"),
        (three(scale=0), "mixture.scale"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_mixture(table)
    assert complaint in str(caught.value)
