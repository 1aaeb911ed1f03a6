"""Stages in Ray Data give what they give on a table."""

import pickle

import pyarrow as pa
import pytest

import curate
from curate.errors import RecipeError

TEXTS = ["Бүгін ауылда жаңа мектеп ашылды.", "one two three", "один два три четыре пять"]


@pytest.mark.ray
def test_map_batches_gives_what_the_function_gives(local_ray):
    import ray

    dataset = ray.data.from_items([{"text": text} for text in TEXTS])
    stage = curate.as_ray_data("identify")
    rows = dataset.map_batches(stage, batch_format="pyarrow", batch_size=2).take_all()
    found = {row["text"]: row["lang"] for row in rows}
    assert found == dict(zip(TEXTS, curate.identify(TEXTS)["lang"].to_pylist(), strict=True))


def test_it_is_sent_without_its_models():
    stage = curate.as_ray_data("count", options={"tokenizer": "words"})
    stage(pa.table({"text": TEXTS}))
    sent = pickle.dumps(stage)
    assert len(sent) < 500
    assert pickle.loads(sent)(pa.table({"text": ["a b"]}))["n_tokens"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("stage", "options", "says"),
    [
        ("fuzzy_dedup", {}, "needs all rows"),
        ("mix", {}, "needs all rows|mixture"),
        ("identfy", {}, "did you mean 'identify'"),
        ("count", {"options": {"tokeniser": "x"}}, "did you mean 'tokenizer'"),
        ("judge", {"profile": "klingon"}, "no profile 'klingon'"),
    ],
)
def test_mistakes_are_refused_before_anything_is_sent(stage, options, says):
    with pytest.raises(RecipeError, match=says):
        curate.as_ray_data(stage, **options)
