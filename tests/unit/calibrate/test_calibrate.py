"""Profiles derived from clean text: what they hold, what they cost, what they refuse."""

import random
import tomllib

import numpy as np
import pyarrow as pa
import pytest

from curate.api.profiles import samples
from curate.calibrate import (
    METHODS,
    Reference,
    Rejections,
    beyond_budget,
    calibrate,
    doubts,
    summary,
    to_toml,
)
from curate.calibrate.function_words import MAX_WORDS, function_words, scripts_and_letters
from curate.calibrate.limits import Setter
from curate.calibrate.methods import Anchor, mean_std, quantile, tail
from curate.errors import RecipeError
from curate.recipe.locate import profile_text
from curate.recipe.profile import Rule, load_profile
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
    assert (found.documents, found.domains, found.short, found.duplicates) == (80, 2, 0, 0)
    assert found.calibrated_on == found.held_out.of == 80
    assert found.false_rejection == found.held_out.hits == 0
    assert 0.04 < found.held_out.high < 0.05
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
    assert text.startswith("# 80 documents of 2 sources, 0 duplicates, 0 too short: 80 set the")
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
    assert (found.documents, found.short, found.calibrated_on) == (40, 10, 30)
    assert "10 of 40 documents are below the 45 words that it asks for" in found.doubts


def test_the_answer_does_not_depend_on_the_order_of_documents() -> None:
    backwards = Reference({name: texts[::-1] for name, texts in TWO_DOMAINS.domains.items()})
    assert to_toml(derived(backwards)) == to_toml(derived())


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        (Reference({"a": ["mi lo"] * 40}), {}, "1 different clean documents are too few"),
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


def test_only_documents_of_a_documents_length_set_limits_and_twenty_are_the_least() -> None:
    lines = [f"mi lo ka {n}." for n in range(388)]
    with pytest.raises(RecipeError, match="12 of 400 documents have the 90 words that a"):
        derived(Reference({"news": [*documents("gra", 12), *lines]}))
    found = derived(Reference({"news": [*documents("gra", 20), *lines]}))
    assert found.calibrated_on == 20
    assert any("tail" in rule.source and "20 clean" in rule.source for rule in _rules(found))
    assert any("388 of 408 documents are below" in doubt for doubt in found.doubts)


def _rules(found: object) -> list[Rule]:
    return [found.profile.rules[name] for name in found.changed]  # type: ignore[attr-defined]


def test_a_limit_names_the_documents_for_which_its_signal_is_defined() -> None:
    values = np.array([1.0, np.nan, 3.0])
    setter = Setter(PARENTS["_default"], TWO_DOMAINS, "tail", 0.002, None)
    assert "of 2 clean documents" in setter._source("tail", values)


def test_each_document_is_held_out_once_with_its_whole_source() -> None:
    sizes = {"a": 9, "b": 7, "c": 6, "d": 5, "e": 4, "f": 3, "g": 2}
    reference = Reference({n: [f"{n}{k}" for k in range(size)] for n, size in sizes.items()})
    folds = list(reference.folds())
    assert len(folds) == 5
    assert reference.in_blocks is None
    assert sorted(text for fold in folds for text in fold.unseen.texts) == sorted(reference.texts)
    for seen, unseen in folds:
        assert not set(seen.domains) & set(unseen.domains)
        assert len(seen.texts) + len(unseen.texts) == 36


def test_a_source_with_most_documents_is_held_out_in_blocks_of_neighbours() -> None:
    reference = Reference({"web": [f"w{k:03}" for k in range(100)], "books": ["b1", "b2"]})
    assert reference.in_blocks == "web"
    folds = list(reference.folds())
    assert len(folds) == 5
    for seen, unseen in folds:
        block = unseen.domains.get("web", [])
        assert block == [f"w{k:03}" for k in range(int(block[0][1:]), int(block[0][1:]) + 20)]
        assert len(seen.texts) >= 80
    assert list(Reference({"a": ["x"]}).folds()) == [(Reference({}), Reference({"a": ["x"]}))]


def test_a_text_of_two_sources_is_of_the_first_alone() -> None:
    reference = Reference({"a": ["x", "x", "y"], "b": ["y", "z"], "c": ["z"]})
    assert reference.distinct().domains == {"a": ["x", "y"], "b": ["z"]}
    twice = Reference({n: texts * 3 for n, texts in TWO_DOMAINS.domains.items()})
    found = derived(twice)
    assert (found.documents, found.duplicates, found.calibrated_on) == (240, 160, 80)
    assert found.profile.rules == derived().profile.rules


def test_a_source_that_is_unlike_the_others_is_rejected_when_it_is_held_out() -> None:
    foreign = ["".join(w + " " for w in _word_list(seed)) + "." for seed in range(60)]
    known = {f"topic{k}": documents(f"gr{k}", 70) for k in range(2)}
    found = derived(Reference({**known, "lists": foreign}))
    assert found.sources["lists"].value == 1.0
    assert found.sources["topic0"].value == 0.0
    assert found.false_rejection == pytest.approx(60 / 200)
    assert "30.0% of clean text is rejected, 2.0% are allowed" in found.doubts
    assert "Not to be trusted" in to_toml(found)


def _word_list(seed: int) -> list[str]:
    drawn = random.Random(f"list {seed}")
    return [_word(drawn) for _ in range(90)]


def test_text_enough_of_several_sources_and_lengths_leaves_no_doubt() -> None:
    texts = {
        topic: [made_up(seed, topic, 7 + seed % 30) for seed in range(60)]
        for topic in ("gra", "nav", "pol")
    }
    found = derived(Reference(texts))
    assert found.doubts == ()
    assert found.in_blocks is None
    assert "Not to be trusted" not in to_toml(found)
    assert summary(found) == (
        "180 documents of 3 sources, 0 duplicates, 0 too short: 180 set the limits; held out by"
        " source, 0.0% would be rejected (95 % interval 0.0% to 2.1%)"
    )


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        ({"a": documents("gra", 30)}, "30 documents are few: even if none is rejected"),
        ({"a": documents("gra", 160)}, "all are of one source"),
        ({"a": documents("gra", 150), "b": documents("na", 10)}, "150 of 160 are of a"),
        ({"a": documents("gra", 80), "b": documents("na", 80)}, "nine in ten have 96 to 96 words"),
        (
            {
                "a": [made_up(0, "gra", 3000), *documents("gra", 80)],
                "b": [made_up(1, "na", 3000), *documents("na", 80)],
            },
            "8 of 162 documents are more than half of the text",
        ),
    ],
)
def test_references_that_say_little_are_named(domains: dict[str, list[str]], said: str) -> None:
    assert any(doubt.startswith(said) for doubt in doubts(Reference(domains)))


def test_a_book_does_not_choose_the_alphabet() -> None:
    greek = "αβγδ " * 100_000
    scripts, letters = scripts_and_letters([greek, *documents("gra", 1000)])
    assert scripts == ("Latn",)
    assert "α" not in letters


def test_a_model_is_trained_and_the_profile_names_it_with_cut_points() -> None:
    found = derived(model="models/qaa.npz")
    section = found.profile.perplexity
    assert section.model == "models/qaa.npz"
    written = tomllib.loads(to_toml(found))["perplexity"]
    assert written == {"model": "models/qaa.npz", "head": section.head, "middle": section.middle}
    costs, lengths = found.model.costs(pa.array(TWO_DOMAINS.texts, pa.large_string()))
    own = np.exp(costs / 1e6 / lengths)
    # Text that the model was trained on surprises it less than that of sources held out.
    assert np.quantile(own, 0.9) < section.head <= section.middle
    assert derived().model is None
    assert "perplexity" not in tomllib.loads(to_toml(derived()))


def test_a_small_source_that_is_rejected_is_named_although_the_whole_is_within_the_budget() -> None:
    rejections = Rejections()
    rejections.documents.update(web=5000, verse=50)
    rejections.rejected.update(web=10, verse=20)
    assert rejections.share.value < 0.02
    assert beyond_budget(rejections) == ["40.0% of verse is rejected, 2.0% are allowed"]
    assert beyond_budget(rejections, 0.5) == []
    rejections.rejected.update(web=200)
    assert beyond_budget(rejections) == ["4.6% of clean text is rejected, 2.0% are allowed"]
