import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.engine.shuffle import WHOLE, fresh_order, parts_of, rotation, slice_of
from curate.errors import RecipeError

KEYS = st.integers(0, WHOLE - 1)


@given(st.integers(1, 1 << 20), KEYS, st.lists(KEYS, max_size=30))
def test_a_slice_is_the_share_of_the_rotated_key(parts, turned, keys):
    exact = [(key + turned) % WHOLE * parts // WHOLE for key in keys]
    assert slice_of(np.array(keys, np.uint64), parts, turned).tolist() == exact


@given(st.integers(1, 40), st.integers(1, 7), KEYS, st.lists(KEYS, min_size=1, max_size=9))
def test_a_task_reads_each_group_that_has_a_key_of_its_slices(parts, together, turned, keys):
    keys = sorted(keys)
    tasks, groups = parts_of([(keys[0], keys[-1])], parts, [turned], together)
    needed = slice_of(np.array(keys, np.uint64), parts, turned) // together
    assert set(needed.tolist()) <= set(tasks.to_pylist()) <= set(range(-(-parts // together)))
    assert set(groups.to_pylist()) == {0}


def test_edges_of_slices_belong_to_one_file():
    edges = np.array([0, 1, WHOLE // 2 - 1, WHOLE // 2, WHOLE - 1], np.uint64)
    assert slice_of(edges, 2, 0).tolist() == [0, 0, 0, 1, 1]


def test_epochs_are_in_different_orders_and_repeatable():
    ids = pa.chunked_array([pa.array([f"a/b#{i}" for i in range(200)])])
    first = fresh_order(ids, 3, "main", np.full(200, 1))
    second = fresh_order(ids, 3, "main", np.full(200, 2))
    assert sorted(first.tolist()) == list(range(200))
    assert first.tolist() == fresh_order(ids, 3, "main", np.full(200, 1)).tolist()
    assert first.tolist() != second.tolist()
    assert rotation(3, "main", 1) != rotation(3, "main", 2) != rotation(4, "main", 2)


def test_two_documents_of_one_id_are_refused_and_its_copies_are_not():
    ids = pa.chunked_array([["a/b#1", "a/b#2"], ["a/b#1"]])
    assert len(fresh_order(ids, 3, "main", np.array([1, 1, 2]))) == 3
    with pytest.raises(RecipeError, match=r"two documents have the id 'a/b#1'"):
        fresh_order(ids, 3, "main", np.array([1, 1, 1]))
