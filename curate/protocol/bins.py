"""The bins in which values of signals are counted: the same for every signal, run and worker.

From 0 to 1 there are 40 of equal width, which suit shares; from 1 up 8 per power of two, each
an eighth of it, so that whole numbers up to 16 have a bin each. Negative values mirror them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_BELOW_ONE = 40
_PER_OCTAVE = 8
#: Larger values are in the bin of this one.
_LARGEST = 2.0**62


def bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin of each value, none of which is NaN.

    >>> bins(np.array([0.0, 0.1, 1.0, 7.0, 100.0, -0.1])).tolist()
    [0, 4, 40, 62, 92, -5]
    """
    size = np.minimum(np.abs(values), _LARGEST)
    mantissa, exponent = np.frexp(size)
    octaves = (exponent - 1) * _PER_OCTAVE + np.floor((mantissa - 0.5) * 2 * _PER_OCTAVE)
    number = np.where(size < 1, np.floor(size * _BELOW_ONE), _BELOW_ONE + octaves).astype(np.int64)
    return np.where(values < 0, -1 - number, number)


def lower_edge(bin: int) -> float:
    """Return where a bin begins; it ends where the next one begins.

    >>> [lower_edge(bin) for bin in (0, 4, 40, 62, 92, -5)]
    [0.0, 0.1, 1.0, 7.0, 96.0, -0.125]
    """
    if bin < 0:
        return -lower_edge(-bin)
    if bin < _BELOW_ONE:
        return bin / _BELOW_ONE
    octave, part = divmod(bin - _BELOW_ONE, _PER_OCTAVE)
    return math.ldexp(1 + part / _PER_OCTAVE, octave)


def place(value: float) -> float:
    """Return where a value is on an axis on which every bin is as wide as any other.

    >>> place(0.05), place(1.0), place(104.0)
    (2.0, 40.0, 93.0)
    """
    bin = int(bins(np.array([value]))[0])
    start, end = lower_edge(bin), lower_edge(bin + 1)
    return bin + (value - start) / (end - start)
