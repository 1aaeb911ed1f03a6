"""What two documents differ in, by hashes of what is written in each: words, numbers or signs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curate.dedup.exact import text_hashes
from curate.dedup.shingles import written
from curate.kernels.arrow import fixed_width_values

#: Bytes of a document's hashes: of its words, of its words and numbers, of its text.
_SIZE = 32


def written_column(texts: pa.LargeStringArray) -> pa.FixedSizeBinaryArray:
    """Return the hashes of texts: of words, of words and numbers, and of the text (16 bytes)."""
    hashes = np.zeros((len(texts), _SIZE // 8), np.uint64)
    hashes[:, :2] = written(texts)
    hashes[:, 2:] = fixed_width_values(text_hashes(texts).fill_null(bytes(16)), np.uint64)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_SIZE), len(texts), [None, pa.py_buffer(hashes)]
    )


def differences(removed: pa.FixedSizeBinaryArray, kept: pa.FixedSizeBinaryArray) -> np.ndarray:
    """Return the first that each pair differs in: ``words``, ``numbers`` or ``signs``, else ``""``.

    Signs are all that is no word and no number: punctuation, symbols, the forms of letters. White
    space, case and canonical form are no difference.

    >>> a, b = (pa.array([t], pa.large_string()) for t in ("It costs $5.", "it costs $6."))
    >>> differences(written_column(a), written_column(b)).tolist()
    ['numbers']
    """
    unlike = fixed_width_values(removed, np.uint64) != fixed_width_values(kept, np.uint64)
    text = unlike[:, 2] | unlike[:, 3]
    signs = np.where(text, "signs", "")
    return np.where(unlike[:, 0], "words", np.where(unlike[:, 1], "numbers", signs))
