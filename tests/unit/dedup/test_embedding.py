"""Vectors: cosines against plain Python, the deciding order, a real model of a few weights."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup import embedding
from curate.dedup.embedding import CHARACTERS, earlier, embed, identity, to_integers
from curate.errors import RecipeError
from tests.examples import examples
from tests.small_embedding import small_model


def large(*texts):
    return pa.array(texts, pa.large_string())


def cosine(a, b):
    a, b = (embed(large(text), None, 512)[0].astype(float) for text in (a, b))
    scale = np.sqrt((a @ a) * (b @ b))
    return a @ b / scale if scale else 0.0


def brute_force(rows, threshold, against):
    """The same walk, pair by pair."""
    first = []
    for i, row in enumerate(rows):
        found = -1
        for j, other in enumerate(rows[:i]):
            if against == "kept" and first[j] >= 0:
                continue
            dot = sum(int(x) * int(y) for x, y in zip(row, other, strict=True))
            scale = np.sqrt(float((row.astype(float) ** 2).sum())) * np.sqrt(
                float((other.astype(float) ** 2).sum())
            )
            if scale and dot > threshold * scale:
                found = j
                break
        first.append(found)
    return first


@examples(60)
@given(
    st.integers(0, 2**32),
    st.integers(0, 14),
    st.sampled_from([0.3, 0.8]),
    st.sampled_from([1, 3, 512]),
)  # fmt: skip
def test_the_walk_is_its_twin_in_blocks_of_any_size(seed, size, threshold, block):
    draw = np.random.default_rng(seed)
    rows = to_integers(draw.normal(size=(size, 3)) * (draw.random((size, 1)) > 0.1))
    whole_block, embedding._BLOCK = embedding._BLOCK, block
    try:
        for against in ("all", "kept"):
            first, found = earlier(rows, threshold, against)
            assert first.tolist() == brute_force(rows, threshold, against)
            assert all(
                (value > threshold) == (at >= 0) for at, value in zip(first, found, strict=True)
            )
    finally:
        embedding._BLOCK = whole_block


def test_a_chain_tells_all_from_kept():
    degrees = np.radians([0, 30, 60])
    rows = to_integers(np.stack([np.cos(degrees), np.sin(degrees)], axis=1))
    assert earlier(rows, 0.8, "all")[0].tolist() == [-1, 0, 1]
    assert earlier(rows, 0.8, "kept")[0].tolist() == [-1, 0, -1]


def test_characters_find_small_changes_and_no_meaning():
    question = "How do I bake bread without an oven?"
    assert cosine(question, "How do I bake a bread without an oven") > 0.8
    assert cosine(question, "  HOW do I bake\nbread without an oven? ") == pytest.approx(1)
    assert cosine(question, "Is there a way of making a loaf on the stove?") < 0.4
    assert cosine("Қалай нан пісіремін пешсіз?", "Пешсіз қалай нан пісіремін?") > 0.6
    assert cosine("", "a") == cosine(" ", " ") == 0
    assert embed(large(), None, 512).shape == (0, 1024)
    assert embed(large("ab", None), None, 512)[1].tolist() == [0] * 1024


def test_the_fallback_never_changes():
    # These numbers decide which documents stay: if they change, so does everybody's data.
    found = embed(large("Сәлем, әлем! 你好"), None, 512)[0]
    at = np.flatnonzero(found)
    assert (len(at), int((found.astype(np.int64) * np.arange(1024)).sum())) == (39, -10057191)


def test_a_model_that_is_not_there_is_told():
    pytest.importorskip("sentence_transformers")
    with pytest.raises(Exception, match="nowhere"):
        embed(large("a"), "/nowhere/at/all", 512)


def test_a_missing_package_names_the_way_out(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    embedding._load.cache_clear()
    with pytest.raises(RecipeError, match="sentence-transformers"):
        embed(large("a"), "BAAI/bge-m3", 512)


def test_a_model_is_what_its_files_hold(tmp_path):
    assert identity(None) == CHARACTERS and "no embedding model" in CHARACTERS
    assert identity("BAAI/bge-m3") == "BAAI/bge-m3"
    (tmp_path / "a").write_bytes(b"1")
    before = identity(str(tmp_path))
    (tmp_path / "a").write_bytes(b"2")
    assert identity(str(tmp_path)) != before


def test_a_model_of_sentence_transformers(tmp_path):
    """A model of two random layers: what matters is that its vectors are those compared."""
    model = small_model(tmp_path)
    models = pytest.importorskip("sentence_transformers")
    texts = [" ".join(random.Random(i).choices("abcdefghij", k=5)) for i in range(4)]
    found = embed(large(*texts, texts[0], ""), model, 512)
    plain = models.SentenceTransformer(model, device="cpu").encode(texts)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.abs(found[:4] / 2**14 - plain).max() < 1e-3
    assert earlier(found, 0.9999, "kept")[0].tolist()[4:] == [0, -1]
    assert embed(large(), model, 512).shape == (0, 16)
    short = embed(large(texts[0], texts[0] + " a b"), model, 7)
    assert (short[0] == short[1]).all()
