"""The smallest rows of a stream, whatever its order and cuts; shares with intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from curate.signals.intervals import wilson
from curate.tuning.selection import Smallest
from tests.examples import examples

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2**64 - 1)), unique_by=lambda row: row[1]
)


@given(ROWS, st.integers(1, 8), st.integers(1, 7), st.randoms(use_true_random=False))
@examples(200)
def test_the_smallest_do_not_depend_on_order_and_batches(rows, n, batch, random):
    expected = sorted(rows)[:n]
    random.shuffle(rows)
    chosen = Smallest(n)
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        distances = np.array([d for d, _ in part], np.float64)
        chosen.offer(distances, np.array([k for _, k in part], np.uint64), part.__getitem__)
    assert chosen.rows() == expected


@pytest.mark.parametrize(("hits", "of"), [(0, 7), (7, 7), (3, 10), (1, 400), (250, 251)])
def test_the_interval_is_wilsons(hits, of):
    share = wilson(hits, of)
    expected = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    assert (share.value, share.hits, share.of) == (hits / of, hits, of)
    assert share.low == pytest.approx(expected.low, abs=1e-12)
    assert share.high == pytest.approx(expected.high, abs=1e-12)
