"""Barriers on one table in memory: dropped rows take no part, and no cut changes an answer."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.protocol.in_memory import _cuts, resolve
from curate.stages.cap import Cap
from curate.stages.exact_dedup import ExactDedup
from curate.stages.fuzzy_dedup import FuzzyDedup
from curate.stages.line_dedup import LineDedup
from curate.stages.substring_dedup import SubstringDedup
from tests.examples import examples

BARRIERS = (
    ExactDedup(),
    FuzzyDedup(),
    LineDedup(min_documents=2),
    SubstringDedup(min_bytes=40),
    Cap(2),
)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 9))
def test_cuts_cover_all_rows_in_order_and_only_cut_a_chunk_that_is_large(chunks, shards):
    rows = sum(chunks)
    cuts = _cuts(chunks, rows, shards)
    assert cuts[0] == 0 and cuts[-1] == rows
    assert cuts == sorted(cuts)
    assert len(cuts) - 1 <= 2 * shards + 1
    borders = np.cumsum([0, *chunks]).tolist()
    within = [cut for cut in cuts if cut not in borders]
    target = rows / shards
    large = [(b - n, b) for n, b in zip(chunks, borders[1:], strict=True) if n > target / 2]
    assert all(any(a < cut < b for a, b in large) for cut in within)


def test_chunks_of_about_the_right_size_are_the_shards():
    assert _cuts([4096] * 4 + [100], 16_484, 4) == [0, 4096, 8192, 12_288, 16_384, 16_484]
    assert _cuts([10, 10, 1000], 1020, 4) == [0, 20, 270, 520, 770, 1020]
    assert _cuts([7, 7], 14, 1) == [0, 14]


def documents(seed):
    """Short texts of few words, so that there are copies, near copies and common lines."""
    random = np.random.default_rng(seed)
    lines = [
        " ".join(random.choice(["salt", "tea", "apple", "road", "field", "lamp"], 9)) + f" line {n}"
        for n in range(12)
    ]
    texts = ["\n".join(random.choice(lines, random.integers(1, 5))) for _ in range(60)]
    table = schema.documents(
        {"id": f"s/f#{n:02}", "source": "s", "text": text} for n, text in enumerate(texts)
    )
    return table.append_column("lang", pa.array(["kaz_Cyrl"] * 60, pa.string()))


def answer(barrier, table, **cut):
    found = resolve(barrier, table, **cut)["decisions"]
    names = [name for name in found.column_names if name not in ("doc", "part")]
    return sorted(map(repr, found.select(names).to_pylist()))


@examples(15)
@given(
    seed=st.integers(0, 50),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    chunk=st.integers(3, 60),
    shards=st.integers(1, 6),
)
@pytest.mark.parametrize("barrier", BARRIERS, ids=lambda barrier: barrier.name)
def test_the_dead_decide_nothing_in_any_cut(barrier, seed, share, chunk, shards):
    table = documents(seed)
    dead = np.random.default_rng(seed).random(60) < share
    at = table.column_names.index("dropped_by")
    table = table.set_column(at, "dropped_by", pa.array(np.where(dead, "s:early", None)))
    pieces = pa.concat_tables(table.slice(n, chunk) for n in range(0, 60, chunk))
    expected = answer(barrier, table.filter(pa.array(~dead)))
    assert answer(barrier, pieces, shards=shards, partitions=2) == expected
    assert expected or share >= 0.5  # else nothing would be tested
