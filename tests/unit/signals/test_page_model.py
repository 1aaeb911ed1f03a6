"""What models of pages read of a text: excerpts, n-grams, trees against slow definitions."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels import unicode
from curate.signals import measure, page_model
from tests.examples import examples

TEXTS = st.one_of(
    st.text(max_size=40),
    st.integers(0, 400).flatmap(
        lambda n: st.text(st.sampled_from("aж語😀 \n\u0301"), min_size=n, max_size=n)
    ),
)


def slow(text: str, window: int) -> str:
    """Return the first characters and those from the middle, white space as spaces."""
    line = "".join(" " if "\t" <= c <= "\r" else c for c in text)
    if len(text) <= 2 * window + window // 5:
        return line
    middle = len(text) // 2
    return f"{line[:window]} {line[middle : middle + window]}"


@examples(200)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 30))
def test_excerpts_are_those_of_the_definition(texts: list[str], window: int) -> None:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    shown = page_model.excerpts(column, window)
    assert shown.to_pylist() == [slow(text, window) for text in texts]


@examples(30)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=5))
def test_compressed_sizes_do_not_depend_on_the_texts_before(texts: list[str | None]) -> None:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    found = measure(column, ["compression_ratio"])["signal_compression_ratio"].to_pylist()
    for text, ratio in zip(texts, found, strict=True):
        alone = (text or "").encode("utf-8", "surrogatepass")
        expected = len(zstandard.compress(alone, 3)) / len(alone) if alone else None
        assert ratio == expected


def slow_grams(text: str, size: int, longest: int) -> dict[int, int]:
    """Return the places of hashed n-grams and their counts, in the order of the text."""
    codes = [32]
    for c in text + " ":
        if c > " " or codes[-1] != 32:
            codes.append(int(unicode.FOLD[ord(c)]) if c > " " else 32)
    counts: dict[int, int] = {}
    for begin in range(len(codes)):
        state = 0
        for code in codes[begin : begin + longest]:
            state = (state + code + 1) * 0x9E3779B97F4A7C15 % 2**64
            mixed = (state ^ (state >> 32)) * 0xD6E8FEB86659FD93 % 2**64
            place = (mixed ^ (mixed >> 29)) % size
            counts[place] = counts.get(place, 0) + 1
    return counts


@examples(100)
@given(st.lists(TEXTS, max_size=4), st.sampled_from([1, 3, 4, 5]))
def test_grams_are_those_of_the_definition(texts: list[str], longest: int) -> None:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    weights = np.random.default_rng(0).normal(size=64).astype(np.float32)
    expected = [slow_grams(text, 64, longest) for text in texts]
    scores = []
    for grams in expected:
        score = 0.0
        for place, times in grams.items():
            score += float(weights[place]) * math.sqrt(times)
        scores.append(score / math.sqrt(max(sum(grams.values()), 1)))
    assert page_model.gram_scores(column, weights, longest).tolist() == scores
    starts, columns, values = page_model.gram_counts(column, 64, longest)
    assert columns.tolist() == [place for grams in expected for place in grams]
    shares = [times / sum(grams.values()) for grams in expected for times in grams.values()]
    assert values.tolist() == [math.sqrt(share) for share in shares]
    assert np.diff(starts).tolist() == list(map(len, expected))


@pytest.mark.parametrize("rows", [0, 1, 16, 37])
def test_trees_are_walked_to_their_leaves(rows: int) -> None:
    # Two trees: one leaf; and a node with a leaf at the left and another node at the right.
    arrays = {
        "feature": np.array([-2, 1, -2, 0, -2, -2], np.int32),
        "threshold": np.array([9, 0.5, 9, 0.25, 9, 9], np.float32),
        "left": np.array([-1, 2, -1, 4, -1, -1], np.int32),
        "right": np.array([-1, 3, -1, 5, -1, -1], np.int32),
    }
    values = np.array([1, 0, 10, 0, 20, 40], np.float32)
    table = np.random.default_rng(rows).random((rows, 2))
    table[::5] = 0.5, np.nextafter(0.5, 1)  # equal to the threshold as float32
    nodes = page_model.packed_nodes(arrays)
    found = page_model.sum_trees(table, nodes, values, np.array([0, 1], np.int32))
    near = table.astype(np.float32)
    expected = [1 + (10 if b <= 0.5 else 20 if a <= 0.25 else 40) for a, b in near]
    assert found.tolist() == expected
