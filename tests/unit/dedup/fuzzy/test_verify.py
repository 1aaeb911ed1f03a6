"""Shingle sets are laid side by side in any order that they come in; anything else is an error."""

import numpy as np
import pytest

from curate.dedup.fuzzy.verify import _gather
from curate.errors import InternalError

SETS = {2: [5, 6, 7], 4: [1], 7: [2, 9], 9: []}
SIZES = np.array([len(SETS.get(member, [0] * 8)) for member in range(10)])
ASKED = np.array(sorted(SETS))


def reader_of(*tables):
    """Stream tables of (member, set)."""

    def read(members):
        for table in tables:
            who = np.array([member for member, _ in table], np.int64)
            values = np.array([value for _, hashes in table for value in hashes], np.uint64)
            yield who, values, np.cumsum([0, *(len(hashes) for _, hashes in table)])

    return read


def test_sets_come_in_any_order():
    read = reader_of([(9, []), (2, [5, 6, 7])], [(7, [2, 9]), (4, [1])])
    values, offsets = _gather(read, ASKED, SIZES)
    assert values.tolist() == [5, 6, 7, 1, 2, 9]
    assert offsets.tolist() == [0, 3, 4, 6, 6]


@pytest.mark.parametrize(
    "tables",
    [
        [[(2, [5, 6, 7]), (4, [1]), (7, [2, 9])]],  # one is missing
        [[*SETS.items()], [(4, [1])]],  # one comes twice
        [[*SETS.items()], [(3, [0] * 8)]],  # one was not asked for
        [[*SETS.items(), (10**6, [])]],
        [[(2, [5, 6]), (4, [1, 1]), (7, [2, 9]), (9, [])]],  # other sizes than expected
    ],
)
def test_anything_else_is_an_error(tables):
    with pytest.raises(InternalError, match="asked for"):
        _gather(reader_of(*tables), ASKED, SIZES)
