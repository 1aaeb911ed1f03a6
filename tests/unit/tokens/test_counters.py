from __future__ import annotations

import numpy as np
import pyarrow as pa

from curate.tokens import counter


def test_null_and_empty_have_no_tokens() -> None:
    for name in ("tekken", "bytes", "characters", "words"):
        found = counter(name).count(pa.array([None, "", "бір екі"], pa.large_string()))
        assert found.dtype == np.int64
        assert found[:2].tolist() == [0, 0]
        assert found[2] > 0
