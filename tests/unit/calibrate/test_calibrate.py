"""Profiles derived from clean text: what they hold, what they cost, what they refuse."""

import random
import tomllib

import numpy as np
import pytest

from curate.api.profiles import samples
from curate.calibrate import METHODS, Reference, calibrate, to_toml
from curate.calibrate.function_words import MAX_WORDS, function_words
from curate.calibrate.methods import Anchor, mean_std, quantile, tail
from curate.errors import RecipeError
from curate.recipe.locate import profile_text
from curate.recipe.profile import load_profile
from curate.signals.verdict import check_profile

PARENTS = {name: load_profile(name, profile_text) for name in ("_default", "_words", "_unspaced")}
FUNCTION = ["mi", "lo", "ka", "te", "su", "no", "ri", "en", "va", "do", "pa", "ze"]


def made_up(seed: int, topic: str, sentences: int = 12) -> str:
    """Write a document of a language that nobody speaks: function words, and words of a topic."""
    drawn = random.Random(seed)
    text = []
    for _ in range(sentences):
        words = [
            drawn.choice(FUNCTION) if drawn.random() < 0.5 else f"{topic}{_word(drawn)}"
            for _ in range(8)
        ]
        text.append(" ".join(words).capitalize() + ".")
    return " ".join(text)


def _word(drawn: random.Random) -> str:
    return "".join(drawn.choice("bdfgklmnprst") + drawn.choice("aeiou") for _ in range(3))


def documents(topic: str, count: int) -> list[str]:
    return [made_up(seed, topic) for seed in range(count)]


TWO_DOMAINS = Reference({"harvest": documents("gra", 40), "ships": documents("nav", 40)})


def derived(reference: Reference = TWO_DOMAINS, **options: object) -> object:
    return calibrate("qaa_Latn", reference, parents=PARENTS, **options)  # type: ignore[arg-type]


def test_a_language_that_nobody_speaks_gets_its_function_words_and_no_false_rejection() -> None:
    found = derived()
    assert set(found.profile.lists["stop_words"]) == set(FUNCTION)
    assert (found.documents, found.domains, found.short) == (80, 2, 0)
    assert found.calibrated_on + found.held_out == 80
    assert found.false_rejection == 0.0
    assert found.profile.identify.scripts == ("Latn",)
    assert found.extends == "_words"


def test_the_derived_profile_rejects_lists_of_keywords() -> None:
    found = derived()
    drawn = random.Random(0)
    keywords = [" ".join(_word(drawn) for _ in range(90)) + "." for _ in range(20)]
    rejected = check_profile(found.profile, keywords)
    assert rejected["too_few_function_words"] == 1.0


def test_words_of_one_domain_are_no_function_words() -> None:
    farm = ["the barn is near the old mill", "the barn was old", "in the barn", "the barn"]
    town = ["the tram is near the old square", "the tram was old", "on the tram", "the tram"]
    assert function_words([farm, town]) == ("the",)
    assert "barn" in function_words([farm])


def test_capitals_and_numbers_are_no_function_words_and_the_list_ends() -> None:
    assert function_words([["The 12 of it"] * 5]) == ("it", "of")
    many = " ".join(f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200))
    assert len(function_words([[many] * 5])) == MAX_WORDS


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_a_profile_that_loads_and_says_where_its_limits_are_from(
    method: str,
) -> None:
    english = load_profile("eng_Latn", profile_text)
    anchor = (english, [one for texts in samples()["eng_Latn"].values() for one in texts])
    found = derived(method=method, anchor=anchor)
    assert found.false_rejection <= 0.05
    text = to_toml(found)
    assert text.startswith("# 80 clean documents of 2 domains, 0 too short:")
    written = tomllib.loads(text)
    assert written["extends"] == "_words"
    loaded = load_profile("x", lambda name: text if name == "x" else profile_text(name))
    assert loaded.rules == found.profile.rules
    for rule in loaded.rules.values():
        assert rule.why
        assert rule.source
    assert any(f"curate calibrate, {method}" in rule.source for rule in loaded.rules.values())


def test_limits_on_repetition_are_never_stricter_than_the_published_ones() -> None:
    found = derived()
    for name, rule in PARENTS["_words"].rules.items():
        if name.startswith("repeated_"):
            assert found.profile.rules[name].max == rule.max


def test_a_language_that_repeats_itself_gets_room() -> None:
    refrain = " ".join(FUNCTION[:6]) + ". "
    songs = [refrain * 12 + made_up(seed, "kan", 8) for seed in range(60)]
    found = derived(Reference({"songs": songs}))
    assert (
        found.profile.rules["repeated_5grams"].max > PARENTS["_words"].rules["repeated_5grams"].max
    )
    assert found.false_rejection <= 0.05


def test_text_without_spaces_extends_the_profile_for_it() -> None:
    drawn = random.Random(1)
    letters = "กขคงจฉชซญดตถทนบปผพฟมยรลวสหอ"
    texts = ["".join(drawn.choice(letters) for _ in range(400)) for _ in range(40)]
    found = calibrate("tha_Thai", Reference({"a": texts}), parents=PARENTS)
    assert found.extends == "_unspaced"
    assert found.profile.rules["too_few_words"].min == 150
    assert found.false_rejection <= 0.05


def test_documents_too_short_for_any_profile_are_left_out_and_counted() -> None:
    texts = [*documents("gra", 30), *(f"mi lo {n}." for n in range(10))]
    found = derived(Reference({"mixed": texts}))
    assert (found.documents, found.short) == (40, 10)


def test_the_answer_does_not_depend_on_the_order_of_documents() -> None:
    backwards = Reference({name: texts[::-1] for name, texts in TWO_DOMAINS.domains.items()})
    assert to_toml(derived(backwards)) == to_toml(derived())


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        (Reference({"a": ["mi lo"] * 40}), {}, "1 clean documents are too few"),
        (Reference({"a": [f"mi lo {n}." for n in range(40)]}), {}, "give whole documents"),
        (TWO_DOMAINS, {"method": "tial"}, "did you mean 'tail'?"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    reference: Reference, options: dict[str, str], said: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        derived(reference, **options)
    assert said in str(refused.value)


def test_methods_agree_where_the_languages_do() -> None:
    values = np.random.default_rng(7).normal(10, 2, 5000)
    anchor = Anchor(float(np.quantile(values, 0.99)), values)
    for method in (mean_std, quantile):
        assert method(values, 0.01, anchor, upper=True) == pytest.approx(anchor.limit, abs=0.01)
    assert tail(values, 0.01, None, upper=True) == pytest.approx(anchor.limit)
    assert mean_std(values, 0.01, Anchor(1.0, np.zeros(5)), upper=True) is None
    assert quantile(values, 0.01, None, upper=False) is None
    assert tail(np.array([np.nan]), 0.01, None, upper=True) is None
