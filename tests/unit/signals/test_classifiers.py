"""Classifiers of the user's: any number by name, against fastText itself, and clear refusals."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import fasttext
import pyarrow as pa
import pytest

from curate import schema
from curate.errors import RecipeError
from curate.plan import build as planning
from curate.recipe.profile import ClassifierSection, Profile, Profiles, Rule
from curate.recipe.recipe import Recipe
from curate.signals import classifiers, measure, page_model
from curate.signals.verdict import check_profile
from curate.stages.measure import Measure

TEXTS = [
    "The cat sat on the mat and looked at the door.",
    "Это русский текст о погоде и о людях.",
    "Бүгін ауа райы жақсы болады деп айтты.",
    "",
    None,
    "12 34",
]
EN = ClassifierSection(model="lid.176.ftz", label="__label__en")


@pytest.fixture(scope="module")
def reference() -> fasttext.FastText._FastText:
    from curate.langid.fasttext import model

    return fasttext.load_model(str(model.default_path()))


def profiles(**sections: ClassifierSection) -> Profiles:
    return Profiles({"_default": Profile(name="_default", classifiers=sections)})


def scores(texts: list[str | None], **sections: ClassifierSection) -> dict[str, list[object]]:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    found = classifiers.scores(column, sections, {}, measure)
    return {name.removeprefix("signal_"): values.to_pylist() for name, values in found.items()}


def test_any_label_has_its_probability_and_no_label_is_a_category(
    reference: fasttext.FastText._FastText,
) -> None:
    found = scores(
        TEXTS,
        english=EN,
        tatar=ClassifierSection(model="lid.176.ftz", label="tt"),
        which=ClassifierSection(model="lid.176.ftz"),
    )
    for row, text in enumerate(TEXTS):
        if not text:
            assert [found[name][row] for name in found] == [None] * 3
            continue
        listed = reference.f.predict(text + "\n", -1, 0.0, "strict")
        every = {label: score for score, label in listed}
        assert found["english"][row] == pytest.approx(every["__label__en"], abs=2e-3)
        assert found["tatar"][row] == pytest.approx(every["__label__tt"], abs=2e-3)
        assert f"__label__{found['which'][row]}" == max(every, key=lambda one: every[one])
    assert found["tatar"][0] is not None  # far from the best two labels


def test_the_highest_of_several() -> None:
    both = ClassifierSection(max=("english", "russian"))
    russian = ClassifierSection(model="lid.176.ftz", label="ru")
    found = scores(TEXTS, both=both, english=EN, russian=russian)
    assert list(found) == ["both", "english", "russian"]
    rows = zip(found["both"], found["english"], found["russian"], strict=True)
    assert all(one == (None if a is None else max(a, b)) for one, a, b in rows)
    assert found["both"][0] > 0.5 and found["both"][1] > 0.5


def test_the_stage_measures_what_is_named_and_rules_read_it() -> None:
    named = {"english": EN, "which": ClassifierSection(model="lid.176.ftz")}
    rule = Rule(signal="english", min=0.5)
    loaded = Profiles(
        {
            "_default": Profile(name="_default"),
            "own": Profile(name="own", classifiers=named, rules={"no_english": rule}),
        },
        {"web": "own"},
    )
    stage = Measure(loaded)
    assert stage.adds == ("signal_english", "signal_which")
    rows = [
        {"id": str(i), "source": s, "text": TEXTS[i % 2]} for i, s in enumerate(["web"] * 2 + ["x"])
    ]
    table = stage.apply(schema.documents(rows), Counter())
    schema.check(table)
    assert table.column("signal_which").to_pylist() == ["en", "ru", None]
    assert table.column("signal_english").type == pa.float64()
    from curate.stages.judge import Judge

    judged = Judge(loaded).apply(table, Counter())
    assert judged.column("dropped_by").to_pylist() == [None, "judge:no_english", None]


def test_those_of_the_recipe_are_every_profiles(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "sources": {"a": {"format": "text", "path": "a.txt"}},
            "classifiers": {"edu": {"model": "m.npz"}},
        }
    )
    own = '[classifiers.edu]\nmodel = "k.npz"\n'
    loaded = planning.profiles(recipe, lambda name: own if name == "kaz_Cyrl" else "")
    assert loaded.by_name["kaz_Cyrl"].classifiers["edu"].model == "k.npz"
    assert loaded.by_name["_default"].classifiers["edu"].model == "m.npz"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"a": {"model": "absent.bin"}},
            "cannot use the model 'absent.bin': cannot read the model",
        ),
        ({"a": {"model": "foreign.bin"}}, "not a fastText model: the first bytes are not its mark"),
        ({"a": {"model": "foreign.npz"}}, "this is no classifier of `curate train`"),
        ({"a": {"model": "lid.176.ftz", "label": "eng"}}, "has no label 'eng'"),
        ({"a": {"model": "pages.npz", "label": "god"}}, r"has no label 'god'[^$]*mean 'good'"),
        ({"n_words": {"model": "lid.176.ftz"}}, "'n_words' is the name of a signal of curate's"),
        ({"a_bucket": {"model": "lid.176.ftz"}}, "another name, such as 'own_a'"),
        (
            {"a": {"max": ["edo"]}, "edu": {"model": "lid.176.ftz", "label": "en"}},
            "no classifier 'edo' with a model[^$]*'edu'",
        ),
        (
            {"a": {"max": ["b"]}, "b": {"model": "lid.176.ftz"}},
            "'b' is a category, and has no score",
        ),
    ],
)
def test_what_is_wrong_ends_in_one_sentence_at_plan_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign.bin").write_bytes(b"PK\3\4" + bytes(99))
    (tmp_path / "foreign.npz").write_bytes(b"PK\3\4" + bytes(99))
    (tmp_path / "pages.npz").write_bytes(page_model.SHIPPED.read_bytes())
    named = {name: ClassifierSection.model_validate(one) for name, one in sections.items()}
    with pytest.raises(RecipeError, match=message) as error:
        Measure(profiles(**named))
    assert re.search(r"at: filters/_default.toml: classifiers\.\w+", str(error.value))


def test_a_classifier_of_the_recipe_is_at_fault_in_the_recipe_and_in_no_profile() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "sources": {"a": {"format": "text", "path": "a.txt", "profile": "mine"}},
            "classifiers": {"edu": {"model": "absent.bin"}},
        }
    )
    with pytest.raises(RecipeError, match="cannot read the model") as error:
        Measure(planning.profiles(recipe, lambda name: ""))
    assert error.value.where == "classifiers.edu"


def test_checking_a_profile_refuses_what_planning_would() -> None:
    wrong = Profile(
        name="x",
        classifiers={"a": ClassifierSection(max=("edo",)), "edu": EN},
        rules={"odd": Rule(signal="a", min=0.5)},
    )
    with pytest.raises(RecipeError, match="no classifier 'edo' with a model"):
        check_profile(wrong, ["a text"])


def test_a_limit_on_a_category_is_refused() -> None:
    profile = Profile(
        name="x",
        classifiers={"which": ClassifierSection(model="lid.176.ftz")},
        rules={"odd": Rule(signal="which", min=1)},
    )
    with pytest.raises(RecipeError, match="'which' is a category, and the rule sets limits"):
        Measure(Profiles({"x": profile}))


def test_a_category_in_one_profile_is_none_in_another() -> None:
    loaded = {
        "a": Profile(name="a", classifiers={"one": EN}),
        "b": Profile(name="b", classifiers={"one": ClassifierSection(model="lid.176.ftz")}),
    }
    with pytest.raises(RecipeError, match="'one' is a category here and a score in 'a'"):
        Measure(Profiles(loaded))


@pytest.mark.parametrize(
    "section", [{}, {"model": "m", "max": ["a"]}, {"max": ["a"], "label": "x"}]
)
def test_a_classifier_is_one_thing(section: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"one of model, max and mean_rank|are those of a model"):
        ClassifierSection.model_validate(section)


def test_check_and_evaluate_measure_classifiers_too() -> None:
    profile = Profile(
        name="x",
        classifiers={"english": EN},
        rules={
            "no_english": Rule(signal="english", min=0.5),
            "low": Rule(signal="english_bucket", min=3),
        },
    )
    shares = check_profile(profile, [TEXTS[0], TEXTS[1]])
    assert shares["no_english"] == 0.5
    assert "low" not in shares
