"""Counters that need no vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class PlainCounter:
    """Counts UTF-8 bytes, code points, or words between whitespace."""

    name: str

    @property
    def digest(self) -> str:
        """The name, because the counts depend on nothing else."""
        return self.name

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text; null and empty are 0.

        >>> PlainCounter("characters").count(pa.array(["сөз", None], pa.large_string()))
        array([3, 0])
        """
        if self.name == "bytes":
            counts = pc.binary_length(texts)
        elif self.name == "characters":
            counts = pc.utf8_length(texts)
        else:
            from curate.tokens.words import count_words

            return count_words(texts)
        return np.asarray(counts.fill_null(0)).astype(np.int64)
