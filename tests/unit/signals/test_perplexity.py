"""The signals of an n-gram model: values, buckets, refusals, and what is in the key."""

import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.calibrate.ngram import train
from curate.errors import RecipeError
from curate.plan.fingerprint import parameters
from curate.recipe.profile import Profile, Profiles, load_profile
from curate.signals import measure, ngram_model
from curate.signals.verdict import check_profile
from curate.stages.measure import Measure
from tests.examples import examples

WORDS = ["the end of it is near", "it is the end", "of the end it is", "near it is the end of"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "eng.npz"
    train("eng_Latn", [" ".join(WORDS[k:] + WORDS[:k]) for k in range(4)]).save(path)
    return path


def measured(texts: list[str | None], **bound: Any) -> dict[str, list[Any]]:
    lists = {name: [*map(str, value)] for name, value in bound.items()}
    names = ["perplexity", "perplexity_bucket"]
    found = measure(pa.array(texts, pa.large_string()), names, lists)
    return {name.removeprefix("signal_"): column.to_pylist() for name, column in found.items()}


def test_perplexity_is_the_cost_per_character(model: Path) -> None:
    found = measured(["it is", "  it\n\nIS ", "", " \n", None], perplexity=[model])
    costs, lengths = ngram_model.load(str(model)).costs(pa.array(["it is"], pa.large_string()))
    assert lengths.tolist() == [5]
    value = math.exp(costs[0] / 1e6 / 5)
    assert found["perplexity"] == [value, value, None, None, None]
    assert found["perplexity_bucket"] == [None] * 5
    assert measured(["it is"]) == {"perplexity": [None], "perplexity_bucket": [None]}


def test_a_text_at_a_cut_point_is_in_the_better_bucket(model: Path) -> None:
    texts = ["it is the end", "ti si eht nde", "xq zw jv", "", None]
    values = measured(texts, perplexity=[model])["perplexity"]
    assert values[0] < values[1] < values[2]
    for cuts, wanted in (
        ((values[0], values[1]), ["head", "middle", "tail", None, None]),
        ((values[1], values[1]), ["head", "head", "tail", None, None]),
        ((values[0] - 1e-9, values[2]), ["middle", "middle", "middle", None, None]),
    ):
        bound = {"perplexity": [model], "perplexity_cut_points": [*map(repr, cuts)]}
        assert measured(texts, **bound)["perplexity_bucket"] == wanted


def profiles(text: str) -> Profiles:
    loaded = load_profile("_default", lambda name: text)
    return Profiles({"_default": loaded})


def test_a_named_model_is_measured_without_a_rule_and_is_in_the_key(model: Path) -> None:
    named = f'[perplexity]\nmodel = "{model}"\n'
    stage = Measure(profiles(named + "head = 2\nmiddle = 3.5"))
    assert stage.signals == ("perplexity", "perplexity_bucket")
    assert Measure(profiles(named)).signals == ("perplexity",)
    table = stage.apply(schema.documents([{"id": "0", "text": "it is the end"}]), Counter())
    assert table.column("signal_perplexity")[0].as_py() < 3.5
    assert table.column("signal_perplexity_bucket").to_pylist() in (["head"], ["middle"])
    before = parameters(stage)
    train("eng_Latn", ["another text of it is the end " * 5]).save(model)
    assert parameters(stage) != before


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("head = 2\nmiddle = 3", "cut points need the model"),
        ('model = "m"\nhead = 2', "both cut points, head and middle"),
        ('model = "m"\nhead = 3\nmiddle = 2', "head is above middle: 3 > 2"),
        ('model = "m"\nheda = 3', "did you mean 'head'?"),
        ('model = "m"\nhead = -1\nmiddle = 2', "head"),
    ],
)
def test_wrong_sections_are_refused(section: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        profiles(f"[perplexity]\n{section}")
    assert said in str(refused.value)


def damaged(model: Path, **changes: Any) -> None:
    with np.load(model) as stored:
        arrays = {name: stored[name] for name in stored.files}
    card = json.loads(bytes(arrays.pop("card")))
    card |= {key: changes.pop(key) for key in [*changes] if key in card}
    arrays = {k: v for k, v in (arrays | changes).items() if v is not None}
    packed = io.BytesIO()
    np.savez(packed, card=np.frombuffer(json.dumps(card).encode(), np.uint8), **arrays)
    model.write_bytes(packed.getvalue())


def refusal(model: Path) -> str:
    with pytest.raises(RecipeError) as refused:
        Measure(profiles(f'[perplexity]\nmodel = "{model}"\n')).model_digest  # noqa: B018
    assert str(model) in str(refused.value)
    return str(refused.value)


def test_files_that_are_no_models_end_in_a_sentence(model: Path) -> None:
    whole = model.read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], b"arpa\n\\data\\\nngram 1=3\n"):
        model.write_bytes(content)
        assert "no n-gram model of `curate calibrate`, or it is cut off" in refusal(model)
    with io.BytesIO() as file:
        np.savez(file, card=np.zeros(3, np.uint8))
        model.write_bytes(file.getvalue())
    assert "no n-gram model" in refusal(model)
    model.write_bytes(whole)
    damaged(model, format=99)
    assert "format is not 1: another version of curate wrote it" in refusal(model)
    model.unlink()
    assert "cannot read the n-gram model" in refusal(model)


def test_objects_are_never_unpickled(model: Path) -> None:
    damaged(model, symbols=np.array([{}], object))
    assert "no n-gram model" in refusal(model)


@examples(300)
@given(st.data())
def test_counts_that_do_not_fit_together_are_refused_or_read_within_the_tables(
    data: st.DataObject,
) -> None:
    trained = train("x", WORDS * 3, order=4)
    arrays = {name: array.copy() for name, array in trained.arrays.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(arrays)))
        flat = arrays[name].reshape(-1)
        at = data.draw(st.integers(0, len(flat) - 1))
        top = np.iinfo(flat.dtype).max
        flat[at] = data.draw(st.sampled_from([0, 1, 2, 3, 7, int(top) // 2, int(top)]))
    try:
        built = ngram_model.build({}, arrays)
    except ValueError:
        return
    words = built.automaton.words
    size = len(words)
    assert int((words & np.uint64((1 << 26) - 1)).max()) < size
    costs, _ = built.costs(pa.array(["it is the end of xyz", "漢 end"], pa.large_string()))
    assert (costs >= 0).all()


@pytest.mark.parametrize("name", ["counts", "totals", "children", "symbols", "sizes", "alphabet"])
def test_cut_arrays_are_refused(model: Path, name: str) -> None:
    with np.load(model) as stored:
        damaged(model, **{name: stored[name][:-1]})
    assert "do not fit together: it is damaged" in refusal(model)


def test_a_profile_without_a_model_has_no_digest() -> None:
    assert Measure(Profiles({"_default": Profile(name="_default")})).model_digest is None


@pytest.mark.parametrize(
    ("section", "rule", "said"),
    [
        ("", 'signal = "perplexity"\nmax = 9', "[perplexity] has no model"),
        ("", 'signal = "perplexity_bucket"\nallowed = ["head"]', "has no head and middle"),
        ('model = "m"', 'signal = "perplexity_bucket"\nrefused = ["tail"]', "no head and middle"),
        (
            'model = "m"\nhead = 2\nmiddle = 3',
            'signal = "perplexity_bucket"\nmax = 2',
            'needs values of perplexity_bucket: allowed = ["head", "middle"]',
        ),
        (
            'model = "m"\nhead = 2\nmiddle = 3',
            'signal = "perplexity_bucket"\nallowed = ["haed"]',
            "needs values of perplexity_bucket",
        ),
    ],
)
def test_rules_that_would_drop_all_documents_are_refused(
    section: str, rule: str, said: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        profiles(f"[perplexity]\n{section}\n[rules.odd]\n{rule}\n")
    assert said in str(refused.value)
    kept = rule + '\nundefined = "keep"'
    if "needs values" not in said:
        profiles(f"[perplexity]\n{section}\n[rules.odd]\n{kept}\n")


def test_a_rule_on_the_buckets_judges(model: Path) -> None:
    text = f'[perplexity]\nmodel = "{model}"\nhead = 3.5\nmiddle = 9\n[rules.unlike]\n'
    loaded = profiles(text + 'signal = "perplexity_bucket"\nrefused = ["tail"]\n')
    shares = check_profile(loaded.by_name["_default"], ["it is the end", "xq zw jv", "of it is"])
    assert shares["unlike"] == pytest.approx(1 / 3)
