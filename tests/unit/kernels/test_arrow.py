"""Columns as kernels read them: slices, nulls and nothing; the same values come back."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.arrow import (
    buffers,
    few_chunks,
    fixed_width_values,
    pack_pairs,
    take_values,
    unpack_pairs,
)
from tests.examples import examples


@pytest.mark.parametrize("kind", [pa.large_string(), pa.large_binary()])
def test_buffers_of_slices_nulls_and_nothing(kind: pa.DataType) -> None:
    column = pa.array(["ab", None, "", "ә", "cd"], pa.large_string()).cast(kind)
    nulls = pa.array([None, None], kind)
    for part in (column, column[1:4], column[5:], pa.array([], kind), nulls):
        data, offsets = buffers(part)
        found = [bytes(data[s:e]) for s, e in pairwise(offsets)]
        assert found == [value or b"" for value in part.cast(pa.large_binary()).to_pylist()]
        assert not data.flags.writeable and not offsets.flags.writeable


def test_a_null_is_empty_whatever_bytes_it_covers() -> None:
    whole = pa.array(["ab", "cd"], pa.large_string())
    valid = pa.array([True, False]).buffers()[1]
    covered = pa.LargeStringArray.from_buffers(2, *whole.buffers()[1:], valid)
    data, offsets = buffers(covered)
    assert [bytes(data[s:e]) for s, e in pairwise(offsets)] == [b"ab", b""]


def test_fixed_width_values_and_pairs_of_slices() -> None:
    column = pa.array([bytes(range(n, n + 8)) for n in range(5)], pa.binary(8))
    whole = fixed_width_values(column, np.uint32)
    assert whole.shape == (5, 2)
    assert (fixed_width_values(column[2:4], np.uint32) == whole[2:4]).all()
    assert fixed_width_values(column[5:], np.uint32).shape == (0, 2)
    pairs = np.arange(12, dtype=np.uint64).reshape(-1, 2)
    packed = pack_pairs(pairs, np.array([2, 0, 3, 1]))
    for start, stop in ((0, 4), (1, 3), (3, 4), (4, 4)):
        found, counts = unpack_pairs(packed[start:stop])
        first = [0, 2, 2, 5, 6][start]
        assert (found == pairs[first : first + counts.sum()]).all()
        assert counts.tolist() == [2, 0, 3, 1][start:stop]


@examples(50)
@given(
    st.lists(st.lists(st.one_of(st.none(), st.text("aé漢", max_size=5)), max_size=5), max_size=5),
    st.data(),
)
def test_values_of_a_chunked_column_are_taken_as_arrow_takes_them(
    chunks: list[list[str | None]], data: st.DataObject
) -> None:
    text = pa.chunked_array([pa.array(c, pa.large_string()) for c in chunks], pa.large_string())
    size = len(text)
    rows = data.draw(st.lists(st.integers(0, size - 1), max_size=9)) if size else []
    taken = take_values(text, np.array(rows, np.uint64))
    assert taken.type == text.type
    assert taken.to_pylist() == text.take(pa.array(rows, pa.int64())).to_pylist()


def test_small_columns_become_one_array_and_large_ones_are_not_copied() -> None:
    tables = [pa.table({"small": [n], "large": ["x" * 5_000_000]}) for n in range(2)]
    together = few_chunks(tables)
    assert together.equals(pa.concat_tables(tables))
    assert together.column("small").num_chunks == 1
    large = together.column("large")
    assert [large.chunk(n).buffers()[2].address for n in range(2)] == [
        table.column("large").chunk(0).buffers()[2].address for table in tables
    ]
