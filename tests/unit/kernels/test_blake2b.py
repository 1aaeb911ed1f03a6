"""BLAKE2b against hashlib: every length around the blocks, and any bytes."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.blake2b import SIZE, digests


def of(texts):
    offsets = np.cumsum([0, *map(len, texts)])
    found = digests(np.frombuffer(b"".join(texts) or b"\0", np.uint8), offsets)
    return [row.tobytes() for row in found]


def expected(texts):
    return [hashlib.blake2b(text, digest_size=SIZE).digest() for text in texts]


def test_all_lengths():
    whole = bytes(np.random.default_rng(1).integers(0, 256, 600, dtype=np.uint8))
    texts = [whole[:size] for size in range(len(whole))]
    assert of(texts) == expected(texts)
    assert of([]) == []


@given(st.lists(st.binary(max_size=300), max_size=6), st.binary(min_size=1, max_size=20))
def test_any_bytes(texts, long):
    texts = [*texts, long * 1000]
    assert of(texts) == expected(texts)
