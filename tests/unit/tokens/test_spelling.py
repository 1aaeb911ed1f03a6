"""Tokens that spell their text: as many as the counter counts, and their bytes are the text."""

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
from curate.tokens.spelling import spelling
from tests.examples import examples

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.none(), max_size=6)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A byte-level tokenizer that has all that a spelling leaves out, and a token of two spaces."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<mask>"],
        show_progress=False,
    )
    made.train_from_iterator(["the river rose and the bridge shook"] * 9, trainer)
    made.add_tokens([AddedToken("  ", lstrip=True, rstrip=True)])
    made.enable_truncation(2)
    path = tmp_path_factory.mktemp("spelled") / "tokenizer.json"
    made.save(str(path))
    return path


def spelled(name, texts):
    cut = spelling(name)
    tokens, offsets = cut.read(pa.array(texts, pa.large_string()))
    assert tokens.dtype == np.uint32
    return [np.diff(cut.places(tokens[start:end])).tolist() for start, end in pairwise(offsets)]


@examples(60)
@given(texts=TEXTS)
def test_the_tokens_are_those_that_are_counted(texts):
    for name in ("tekken", "characters"):
        found = spelled(name, texts)
        array = pa.array(texts, pa.large_string())
        assert [len(sizes) for sizes in found] == counter(name).count(array).tolist()
        assert [sum(sizes) for sizes in found] == [len((text or "").encode()) for text in texts]


@examples(60)
@given(texts=TEXTS)
def test_a_tokenizer_file_spells_every_text(tokenizer, texts):
    found = spelled(str(tokenizer), texts)
    assert [sum(sizes) for sizes in found] == [len((text or "").encode()) for text in texts]


def test_what_a_tokenizer_does_to_a_text_is_left_out(tokenizer):
    # Neither lower case, nor a space before, nor two tokens at most; special tokens are text, spaces one.
    assert spelled(str(tokenizer), ["the"]) == [[3]] and spelled(str(tokenizer), ["The"]) == [
        [1, 2]
    ]
    assert spelled(str(tokenizer), ["<mask>"]) == [[1] * 6]
    assert spelled(str(tokenizer), ["a   b", "1  2"]) == [[1, 2, 1, 1], [1, 2, 1]]


def test_a_spelling_travels_as_its_name():
    assert len(pickle.dumps(spelling())) < 300
    assert pickle.loads(pickle.dumps(spelling())) == spelling("tekken")


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "WhitespaceSplit"}},
        {
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False},
                    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
                ],
            }
        },
        {"model": {"end_of_word_suffix": "</w>"}},
        {"model": {"dropout": 0.1}},
        {"model": {"vocab": {"a": 0, "b": 1}, "merges": []}},
    ],
)  # fmt: skip
def test_what_spells_nothing_is_refused(change, tokenizer, tmp_path):
    said = json.loads(tokenizer.read_text())
    for key, value in change.items():
        said[key] = said[key] | value if isinstance(value, dict) and key == "model" else value
    said["added_tokens"] = []
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(said))
    with pytest.raises(RecipeError, match="do not spell a text byte for byte"):
        spelling(str(path))
