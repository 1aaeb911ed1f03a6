"""Linear heads on embeddings: on counts of n-grams, and on a small model where it can run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.embedding import vectors
from curate.errors import RecipeError
from curate.recipe.profile import ClassifierSection, Profile, Profiles
from curate.signals import classifiers, heads, measure
from curate.signals.verdict import files_digest
from curate.stages.measure import Measure
from tests.small_embedding import small_model

TEXTS = ["one two three", "\u0431\u0456\u0440 \u0435\u043a\u0456 \u04af\u0448", "", None, "four"]


def strings(*texts: str | None) -> pa.LargeStringArray:
    return pa.array(["before", *texts], pa.large_string()).slice(1)


def scored(texts: list[str | None], **sections: ClassifierSection) -> dict[str, list[object]]:
    found = classifiers.scores(strings(*texts), sections, {}, measure)
    return {name.removeprefix("signal_"): values.to_pylist() for name, values in found.items()}


def head(path: Path, outputs: int, size: int = 1024, **more: object) -> str:
    random = np.random.default_rng(3)
    weight, bias = random.normal(size=(outputs, size)), random.normal(size=outputs)
    np.savez(path, **({"weight": weight, "bias": bias} | more))
    return str(path)


def section(model: str, label: str = "", embedding: str = "characters") -> ClassifierSection:
    return ClassifierSection(model=model, label=label, embedding=embedding)


def test_one_output_is_the_score_of_a_regression(tmp_path: Path) -> None:
    path = head(tmp_path / "h.npz", 1)
    found = scored(list(TEXTS), edu=section(path))["edu"]
    with np.load(path) as stored:
        expected = vectors(strings(*TEXTS), None, 512) @ stored["weight"][0] + stored["bias"][0]
    assert found[2] is None and found[3] is None
    assert [found[row] for row in (0, 1, 4)] == pytest.approx(expected[[0, 1, 4]], abs=0.01)
    for row in (0, 1, 4):  # not a bit depends on the texts beside it
        assert scored([TEXTS[row]], edu=section(path))["edu"] == [found[row]]


def test_several_outputs_are_probabilities_or_a_category(tmp_path: Path) -> None:
    path = head(tmp_path / "h.npz", 3, labels=["low", "middle", "high"])
    named = {label: section(path, label) for label in ("high", "low", "middle")}
    found = scored(list(TEXTS), best=section(path), **named)
    for row in (0, 1, 4):
        shares = {label: found[label][row] for label in named}
        assert sum(shares.values()) == pytest.approx(1)  # type: ignore[arg-type]
        assert found["best"][row] == max(shares, key=lambda label: float(str(shares[label])))
    assert [found[name][2] for name in found] == [None] * 4


def test_white_space_has_no_vector_and_no_score(tmp_path: Path) -> None:
    regression = section(head(tmp_path / "h.npz", 1))
    kind = section(head(tmp_path / "k.npz", 3, labels=["low", "middle", "high"]))
    texts = ["words", " \n\t ", "　"]
    found = scored(texts, edu=regression, kind=kind, low=section(kind.model, "low"))
    for name, values in found.items():
        assert values[0] is not None, name
        assert values[1:] == [None, None], name


@pytest.mark.parametrize(
    ("more", "label", "message"),
    [
        ({"labels": ["a", "b"]}, "", "3 outputs and 2 labels"),
        ({"bias": np.zeros(2)}, "", "weight and bias do not fit together"),
        ({"bias": np.full(3, np.nan)}, "", "a weight is no finite number"),
        ({"labels": ["a", "b", "high"]}, "hihg", "no label 'hihg'[^$]*'high'"),
        ({"weight": np.array([object()])}, "", "this is no head of an embedding"),
    ],
)
def test_a_wrong_head_ends_in_one_sentence_at_plan_time(
    tmp_path: Path, more: dict[str, object], label: str, message: str
) -> None:
    path = head(tmp_path / "h.npz", 3, **more)
    profile = Profile(name="x", classifiers={"edu": section(path, label)})
    with pytest.raises(RecipeError, match=message) as error:
        Measure(Profiles({"x": profile}))
    assert "at: filters/x.toml: classifiers.edu" in str(error.value)


def test_a_label_of_a_regression_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    for one, message in (
        (section(head(tmp_path / "h.npz", 1), "high"), "it has one output: leave label out"),
        (section(str(tmp_path / "absent.npz")), "cannot read the head"),
    ):
        with pytest.raises(RecipeError, match=message):
            Measure(Profiles({"x": Profile(name="x", classifiers={"edu": one})}))


def test_vectors_of_another_size_are_refused(tmp_path: Path) -> None:
    path = head(tmp_path / "h.npz", 1, size=8)
    with pytest.raises(RecipeError, match=r"has 8 weights for each output[^$]*have 1024 numbers"):
        scored(["a"], edu=section(path))


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    one = section(head(tmp_path / "h.npz", 1), embedding="BAAI/bge-m3")
    with pytest.raises(RecipeError, match=r"pip install 'curate-corpus\[embed\]'"):
        Measure(Profiles({"x": Profile(name="x", classifiers={"edu": one})}))


def test_the_key_of_a_task_has_the_head_and_the_embedding(tmp_path: Path) -> None:
    path = head(tmp_path / "h.npz", 1)

    def key(embedding: str) -> str | None:
        named = {"edu": section(path, embedding=embedding)}
        return files_digest(Profiles({"x": Profile(name="x", classifiers=named)}))

    before = key("characters")
    assert before != key("BAAI/bge-m3")
    head(tmp_path / "h.npz", 1, bias=np.ones(1))
    heads.digest.cache_clear()
    assert key("characters") != before


def test_a_head_on_a_model_of_sentence_transformers(tmp_path: Path) -> None:
    folder = small_model(tmp_path)
    models = pytest.importorskip("sentence_transformers")
    path = head(tmp_path / "h.npz", 1, size=16)
    found = scored(["a b c", "j j", ""], edu=section(path, embedding=folder))["edu"]
    plain = models.SentenceTransformer(folder, device="cpu").encode(["a b c", "j j"])
    with np.load(path) as stored:
        expected = plain @ stored["weight"][0] + stored["bias"][0]
    assert found[:2] == pytest.approx(expected.tolist(), abs=1e-2) and found[2] is None
