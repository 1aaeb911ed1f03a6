"""Components against a breadth-first search, and bands against their formula."""

from __future__ import annotations

import datasketch
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.fuzzy.components import bucket_star, contract, label_components
from curate.dedup.fuzzy.lsh import candidate_probability, choose_bands, s_curve
from curate.dedup.fuzzy.minhash import band_keys
from curate.errors import InternalError, RecipeError
from tests.examples import examples

edges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60)


def reached(pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Each node of a graph with the smallest node that it reaches, by plain search."""
    near: dict[int, set[int]] = {}
    for a, b in pairs:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    smallest: dict[int, int] = {}
    for start in sorted(near):
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in smallest:
                smallest[node] = start
                waiting += near[node]
    return smallest


def star_of(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return contract(left, right)


@examples(200)
@given(pairs=edges, cut=st.integers(0, 60))
def test_contraction_in_any_pieces_is_the_search(pairs, cut):
    numbers = [(a << 33, b << 33) for a, b in pairs]
    expected = reached([(a, b) for a, b in numbers if a != b])
    child, root = star_of(numbers)
    assert dict(zip(child.tolist(), root.tolist(), strict=True)) == {
        node: head for node, head in expected.items() if node != head
    }
    pieces = [star_of(numbers[cut:]), star_of(numbers[:cut])]
    merged = contract(*(np.concatenate(side) for side in zip(*pieces, strict=True)))
    assert [side.tolist() for side in merged] == [child.tolist(), root.tolist()]
    docs, component = label_components(child, root)
    assert dict(zip(docs.tolist(), component.tolist(), strict=True)) == expected


def test_a_chain_of_a_million_is_no_recursion():
    chain = np.arange(1_000_000)
    child, root = contract(chain[:-1], chain[1:])
    assert len(child) == 999_999
    assert not root.any()


def test_a_star_that_is_no_fix_point_is_refused():
    with pytest.raises(InternalError, match="did not converge"):
        label_components(np.array([2, 3]), np.array([1, 2]))
    with pytest.raises(InternalError, match="did not converge"):
        label_components(np.array([3, 3]), np.array([1, 2]))


@examples(100)
@given(
    buckets=st.lists(st.lists(st.integers(0, 11), min_size=2, max_size=8, unique=True), max_size=8),
    values=st.lists(st.integers(0, 2), min_size=36, max_size=36),
    limit=st.integers(1, 8),
)
def test_small_buckets_join_pairs_that_agree_and_large_ones_all(buckets, values, limit):
    signatures = np.array(values, np.uint32).reshape(12, 3)
    pairs = []
    for bucket in buckets:
        for i, a in enumerate(bucket):
            for b in bucket[:i]:
                agree = np.count_nonzero(signatures[a] == signatures[b]) >= 2
                if len(bucket) > limit or agree:
                    pairs.append((a, b))
    members = np.array([member for bucket in buckets for member in bucket], np.int64)
    offsets = np.cumsum([0, *map(len, buckets)])
    documents = np.arange(100, 112)
    child, root = bucket_star(documents, members, offsets, signatures, limit=limit, min_equal=2)
    expected = {100 + a: 100 + b for a, b in reached(pairs).items() if a != b}
    assert dict(zip(child.tolist(), root.tolist(), strict=True)) == expected


def test_band_keys_are_equal_where_all_rows_are():
    random = np.random.default_rng(0)
    one = random.integers(0, 2**32, 160, dtype=np.uint32)
    other = one.copy()
    other[8 * 3 + 5] ^= 1
    keys = band_keys(np.stack([one, other]), 20, 8)
    same = (keys[0] == keys[1]).all(axis=1)
    assert np.flatnonzero(~same).tolist() == [3]
    constant = band_keys(np.zeros((1, 160), np.uint32), 20, 8)[0]
    assert len(np.unique(constant, axis=0)) == 20
    assert len(np.unique(constant)) == 40


@pytest.mark.parametrize(
    ("bands", "rows", "similarity", "chance"),
    [(14, 8, 0.8, 0.924), (14, 8, 0.5, 0.053), (9, 13, 0.9, 0.929), (17, 15, 0.75, 0.204)],
)
def test_chances_are_the_published_ones(bands, rows, similarity, chance):
    assert round(candidate_probability(similarity, bands, rows), 3) == chance


def test_the_curve_climbs():
    chances = [chance for _, chance in s_curve(20, 8)]
    assert chances == sorted(chances)
    assert chances[-1] == 1.0


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("recall", [0.8, 0.9, 0.97])
def test_chosen_bands_reach_the_recall(threshold, recall):
    bands, rows = choose_bands(threshold, recall)
    assert candidate_probability(threshold, bands, rows) >= recall
    assert bands * rows <= 512
    # One band fewer would not do.
    assert bands == 1 or candidate_probability(threshold, bands - 1, rows) < recall


def test_the_default_is_no_worse_than_datasketchs_own_choice():
    index = datasketch.MinHashLSH(threshold=0.8, num_perm=160)
    ours = choose_bands(0.8, 0.97)
    assert ours == (20, 8)
    assert candidate_probability(0.8, *ours) > candidate_probability(0.8, index.b, index.r)


def test_impossible_targets_are_refused():
    with pytest.raises(RecipeError, match="threshold = 0"):
        choose_bands(0.0, 0.9)
    with pytest.raises(RecipeError, match="less recall"):
        choose_bands(0.001, 0.99)
