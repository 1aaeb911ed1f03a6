"""Training of classifiers: the same bytes twice, files that are read again, and honest warnings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate import api
from curate.errors import RecipeError
from curate.recipe.profile import ClassifierSection
from curate.signals import classifiers, measure, page_model
from curate.tuning.card import auc, checks
from curate.tuning.fasttext_kind import BAD, GOOD

_WORDS = ["the", "river", "and", "quiet", "town", "where", "people", "of", "hills", "at", "night"]
_SPAM = ["cheap", "buy", "best", "price", "pills", "casino", "bonus", "free", "shop", "code"]


def texts(words: list[str], many: int, length: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(words, length).tolist()) + "." for _ in range(many)]


def written(path: Path, good: list[str], bad: list[str]) -> str:
    rows = [{"text": t, "label": "good"} for t in good] + [{"text": t, "label": "n"} for t in bad]
    rows.append({"text": "nobody said", "label": None})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    return written(tmp_path / "l.jsonl", texts(_WORDS, 40, 60, 1), texts(_SPAM, 40, 60, 2))


def test_a_fasttext_model_is_the_same_twice_and_read_by_fasttext_itself(
    labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fasttext

    files = [tmp_path / f"{number}.bin" for number in (1, 2)]
    cards = []
    for number, file in enumerate(files):
        monkeypatch.setenv("MALLOC_PERTURB_", str(40 * number + 1))  # what fills new memory
        cards.append(api.train("x", labels=[labels], kind="fasttext", output=file))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert json.loads(files[0].with_suffix(".json").read_text())["kind"] == "fasttext"
    assert cards[0]["held_out"]["auc"] > 0.95
    new = [*texts(_WORDS, 1, 60, 7), *texts(_SPAM, 1, 60, 8)]
    named = {"own": ClassifierSection(model=str(files[0]), label=GOOD)}
    ours = classifiers.scores(pa.array(new, pa.large_string()), named, {}, measure)
    theirs = fasttext.load_model(str(files[0]))
    for text, score in zip(new, ours["signal_own"].to_pylist(), strict=True):
        found = dict(zip(*theirs.predict(text, k=2), strict=True))
        assert score == pytest.approx(float(found[GOOD]), abs=1e-3)
    assert ours["signal_own"][0].as_py() > 0.7


def test_a_label_in_a_text_is_no_label(tmp_path: Path) -> None:
    good = [f"{text} {BAD} {BAD}" for text in texts(_WORDS, 40, 60, 1)]
    path = written(tmp_path / "l.jsonl", good, texts(_SPAM, 40, 60, 2))
    card = api.train("x", labels=[path], kind="fasttext", output=tmp_path / "m.bin")
    assert card["held_out"]["auc"] > 0.95


@pytest.mark.parametrize("kind", ["stacked", "signals"])
def test_the_same_texts_give_the_same_bytes_and_a_model_that_tells_them(
    kind: str, labels: str, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    files = [tmp_path / f"{number}.npz" for number in (1, 2)]
    cards = [api.train("x", labels=[labels], kind=kind, output=file) for file in files]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert cards[0]["held_out"]["rows"] == 80 and cards[0]["held_out"]["good"] == 40
    assert cards[0]["held_out"]["auc"] > 0.95
    new = pa.array([*texts(_WORDS, 10, 60, 7), *texts(_SPAM, 10, 60, 8)], pa.large_string())
    named = {"own": ClassifierSection(model=str(files[0]))}
    scores = classifiers.scores(new, named, {}, measure)["signal_own"].to_numpy()
    assert scores[:10].mean() > 0.7 and scores[10:].mean() < 0.3
    assert scores[:10].min() > scores[10:].max()


def test_a_model_that_learned_the_source_is_called_so() -> None:
    good = np.arange(400) % 2 == 0
    sources = [
        ("a1", "a2")[i // 2 % 2] if g else ("b1", "b2")[i // 2 % 2] for i, g in enumerate(good)
    ]
    scores, lengths = good.astype(float), np.ones(400)
    measured, warnings = checks(scores, good, sources, lengths, lambda rows: np.zeros(400))
    assert measured["auc_on_other_sources"] == 0.5
    assert len(warnings) == 1 and "tells sources apart" in warnings[0]
    _, warnings = checks(scores, good, sources, lengths, lambda rows: scores)
    assert warnings == []
    _, warnings = checks(scores, good, ["a" if g else "b" for g in good], lengths)
    assert len(warnings) == 1 and "no source has both labels" in warnings[0]
    _, warnings = checks(scores, good, ["a"] * 400, 100 + 50.0 * good)
    assert len(warnings) == 1 and "length alone" in warnings[0]


def test_auc_of_ties_and_of_one_label() -> None:
    assert auc(np.zeros(4), np.array([True, True, False, False])) == 0.5
    assert auc(np.zeros(2), np.array([True, True])) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "label": "perhaps"}', "'perhaps' is no label"),
        ("[1]", "line 1 is no JSON object with a text"),
        ('{"text": "a", "label": "good"}', "1 good texts are too few"),
    ],
)
def test_wrong_labels_end_in_one_sentence(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text(line + "\n")
    with pytest.raises(RecipeError, match=message):
        api.train("x", labels=[str(tmp_path / "l.jsonl")], output=tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'stacked'"):
        api.train("x", kind="staked")


def test_damaged_and_foreign_files_are_refused() -> None:
    data = page_model.SHIPPED.read_bytes()
    for wrong in (b"", b"PK", data[: len(data) // 2], b"\x00" * 99):
        with pytest.raises(RecipeError, match=r"no classifier of `curate train`"):
            page_model.read(wrong, "x.npz")


@pytest.mark.parametrize("name", ["left", "feature", "roots"])
def test_numbers_that_point_outside_of_the_model_are_refused(name: str, tmp_path: Path) -> None:
    model = page_model.read(page_model.SHIPPED.read_bytes(), "x")
    wrong = model.arrays[name].copy()
    wrong[np.flatnonzero(model.arrays["left"] >= 0)[0] if name != "roots" else 0] = 1 << 30
    page_model.PageModel(model.card, {**model.arrays, name: wrong}).save(tmp_path / "w.npz")
    with pytest.raises(RecipeError, match="do not fit together"):
        page_model.load(str(tmp_path / "w.npz"))


def test_the_shipped_model_says_what_it_is() -> None:
    card = page_model.load(str(page_model.SHIPPED)).card
    assert page_model.SHIPPED.stat().st_size < 2 << 20
    assert card["kind"] == "stacked" and card["seed"] == 1
    assert card["about"]["command"].startswith("curate train page_quality")
    assert "MIT" in card["about"]["licence"]
    assert card["by_source"]["hplt"]["auc"] >= 0.85


def test_each_text_is_scored_alone() -> None:
    many = ["", *texts(_WORDS, 3, 400, 3), None, *texts(_SPAM, 2, 20, 4), "a\nb " * 900]
    lists = {"language": ["eng_Latn"]}
    together = measure(pa.array(many, pa.large_string()), ["page_quality"], lists)
    alone = [
        measure(pa.array([t], pa.large_string()), ["page_quality"], lists)["signal_page_quality"]
        for t in many
    ]
    assert together["signal_page_quality"].to_pylist() == [one[0].as_py() for one in alone]
    assert together["signal_page_quality"].to_pylist()[0] is None
    assert together["signal_page_quality"].to_pylist()[4] is None


def test_the_scores_of_the_trees_are_those_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import ExtraTreesClassifier

    from curate.tuning.forest import _nodes

    random = np.random.default_rng(0)
    table = random.normal(size=(200, 5)).astype(np.float32)
    table[::3] = table[::3].round(1)  # some rows on the same side of thresholds, many ties
    good = table[:, 0] + table[:, 1] > 0
    forest = ExtraTreesClassifier(20, min_samples_leaf=3, random_state=0).fit(table, good)
    trees = _nodes(forest)
    nodes = page_model.packed_nodes(trees)
    out = page_model.sum_trees(table, nodes, trees["value"], trees["roots"])
    assert np.allclose(out, forest.predict_proba(table)[:, 1], atol=1e-6)


def test_thresholds_rounded_to_float32_decide_the_same() -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import ExtraTreesClassifier

    from curate.tuning.forest import _nodes

    near = np.float32(0.1) * np.ones((40, 1), np.float32)
    near[::2] = np.nextafter(np.float32(0.1), np.float32(1))  # no float32 lies between the two
    forest = ExtraTreesClassifier(50, random_state=0).fit(near, near[:, 0] > np.float32(0.1))
    trees = _nodes(forest)
    nodes = page_model.packed_nodes(trees)
    out = page_model.sum_trees(near, nodes, trees["value"], trees["roots"])
    assert out == pytest.approx(forest.predict_proba(near)[:, 1], abs=1e-6)


def test_half_of_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "l.jsonl"
    file.write_text('{"text": "one", "label": "good"}\n{"text": "\\ud800", "label": "bad"}\n')
    with pytest.raises(RecipeError, match="line 2 is no JSON object with a text"):
        api.train("x", labels=[str(file)])
