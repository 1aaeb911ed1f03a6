import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curate.engine.shuffle import WHOLE, fresh_order, rotation, slice_keys, within


@given(
    st.integers(1, 9), st.integers(0, WHOLE - 1), st.lists(st.integers(0, WHOLE - 1), max_size=30)
)
def test_the_slices_of_a_phase_hold_every_key_once(parts, turned, keys):
    array = np.array(keys, np.uint64)
    slices = sum(
        (within(array, slice_keys(part, parts, turned)).astype(int) for part in range(parts)),
        np.zeros(len(array), int),
    )
    assert (slices == 1).all()


def test_edges_of_slices_belong_to_one_file():
    edges = np.array([0, 1, WHOLE // 2 - 1, WHOLE // 2, WHOLE - 1], np.uint64)
    assert within(edges, slice_keys(0, 2, 0)).tolist() == [True, True, True, False, False]
    assert within(edges, slice_keys(1, 2, 0)).tolist() == [False, False, False, True, True]


def test_epochs_are_in_different_orders_and_repeatable():
    ids = pa.chunked_array([pa.array([f"a/b#{i}" for i in range(200)])])
    first = fresh_order(ids, 3, "main", np.full(200, 1))
    second = fresh_order(ids, 3, "main", np.full(200, 2))
    assert sorted(first.tolist()) == list(range(200))
    assert first.tolist() == fresh_order(ids, 3, "main", np.full(200, 1)).tolist()
    assert first.tolist() != second.tolist()
    assert rotation(3, "main", 1) != rotation(3, "main", 2) != rotation(4, "main", 2)
