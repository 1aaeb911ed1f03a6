"""Shared band keys are separated from unique ones before the sort."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.fuzzy.minhash import maybe_shared


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=60))
def test_every_key_that_occurs_twice_is_flagged(keys):
    (flags,) = maybe_shared([np.array(keys, np.uint64)])
    halves = maybe_shared([np.array(keys[:7], np.uint64), np.array(keys[7:], np.uint64)])
    assert np.concatenate(halves).tolist() == flags.tolist()
    times = Counter(keys)
    assert all(flags[i] for i, key in enumerate(keys) if times[key] > 1)


def test_few_unique_keys_are_flagged():
    random = np.random.default_rng(3)
    keys = random.integers(0, 2**63, 50_000, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    (flags,) = maybe_shared([keys])
    assert len(np.unique(keys)) == len(keys)
    assert 0.01 < flags.mean() < 0.13
    assert maybe_shared([]) == []
    assert [len(flags) for flags in maybe_shared([keys[:0]])] == [0]
    twice = np.concatenate([keys, keys[:100]])
    (flags,) = maybe_shared([twice])
    assert flags[:100].all() and flags[-100:].all()
