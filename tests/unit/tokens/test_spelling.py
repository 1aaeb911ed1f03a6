"""Lossless tokenizers: as many tokens as the counter counts, and their bytes are the text."""

import json
import pickle
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.tokens import counter
from curate.tokens.spelling import lossless_tokenizer
from tests.examples import examples

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.none(), max_size=6)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A byte-level tokenizer with all that a lossless one leaves out, and a token of two spaces."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<mask>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the river rose and the bridge shook"] * 9, trainer)
    tokenizer.add_tokens([AddedToken("  ", lstrip=True, rstrip=True)])
    tokenizer.enable_truncation(2)
    path = tmp_path_factory.mktemp("spelled") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def spelled(name, texts):
    tokenizer = lossless_tokenizer(name)
    tokens, offsets = tokenizer.read(pa.array(texts, pa.large_string()))
    assert tokens.dtype == np.uint32
    return [
        np.diff(tokenizer.places(tokens[start:end])).tolist() for start, end in pairwise(offsets)
    ]


@examples(60)
@given(texts=TEXTS)
def test_the_tokens_are_those_that_are_counted(texts):
    for name in ("tekken", "characters"):
        sizes = spelled(name, texts)
        array = pa.array(texts, pa.large_string())
        assert [len(row) for row in sizes] == counter(name).count(array).tolist()
        assert [sum(row) for row in sizes] == [len((text or "").encode()) for text in texts]


@examples(60)
@given(texts=TEXTS)
def test_a_tokenizer_file_spells_every_text(tokenizer, texts):
    sizes = spelled(str(tokenizer), texts)
    assert [sum(row) for row in sizes] == [len((text or "").encode()) for text in texts]


def test_what_a_tokenizer_does_to_a_text_is_left_out(tokenizer):
    # No lower case, no space before, no truncation to two tokens; special tokens are text.
    assert spelled(str(tokenizer), ["the", "The"]) == [[3], [1, 2]]
    assert spelled(str(tokenizer), ["<mask>"]) == [[1] * 6]
    assert spelled(str(tokenizer), ["a   b", "1  2"]) == [[1, 2, 1, 1], [1, 2, 1]]


def test_a_lossless_tokenizer_is_pickled_as_its_name():
    assert len(pickle.dumps(lossless_tokenizer())) < 300
    assert pickle.loads(pickle.dumps(lossless_tokenizer())) == lossless_tokenizer("tekken")


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "WhitespaceSplit"}},
        {
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split", "pattern": {"String": " "},
                        "behavior": "Removed", "invert": False,
                    },
                    {
                        "type": "ByteLevel", "add_prefix_space": False,
                        "trim_offsets": True, "use_regex": True,
                    },
                ],
            }
        },
        {"model": {"end_of_word_suffix": "</w>"}},
        {"model": {"dropout": 0.1}},
        {"model": {"vocab": {"a": 0, "b": 1}, "merges": []}},
    ],
)  # fmt: skip
def test_what_is_not_lossless_is_refused(change, tokenizer, tmp_path):
    config = json.loads(tokenizer.read_text())
    for key, value in change.items():
        config[key] = config[key] | value if isinstance(value, dict) and key == "model" else value
    config["added_tokens"] = []
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(config))
    with pytest.raises(RecipeError, match="do not spell a text byte for byte"):
        lossless_tokenizer(str(path))
