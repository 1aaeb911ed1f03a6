"""Bands: which pairs are looked at. A pair is a candidate when all rows of some band are equal.

See Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4. With similarity s the
chance is 1 - (1 - s**rows)**bands: an S-curve.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from curate.dedup.code_points import mix
from curate.errors import RecipeError
from curate.text.jit import kernel

#: A pair half as alike as the threshold may be a candidate this often, and a signature may be this
#: long. False candidates cost time, never a document: each removal is verified.
MAX_FALSE_SHARE = 0.02
MAX_PERMUTATIONS = 512


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """Give the chance that a pair of this Jaccard similarity shares a band.

    >>> round(candidate_probability(0.8, 14, 8), 3)
    0.924
    """
    return float(1 - (1 - similarity**rows) ** bands)


def s_curve(bands: int, rows: int) -> list[tuple[float, float]]:
    """Give the S-curve from 0.3 to 1.0 in steps of 0.05: (similarity, chance of being a candidate).

    >>> [round(chance, 3) for s, chance in s_curve(20, 8) if s in (0.5, 0.8)]
    [0.075, 0.975]
    """
    steps = [round(0.3 + 0.05 * i, 2) for i in range(15)]
    return [(s, candidate_probability(s, bands, rows)) for s in steps]


def choose_bands(threshold: float, recall: float) -> tuple[int, int]:
    """Give the cheapest (bands, rows) that find pairs at the threshold with the recall asked for.

    Cheapest is the fewest permutations. One row per band would be cheapest of all and would compare
    everything with everything, so a pair half as alike as the threshold may be a candidate in at
    most 2 % of cases; where no choice within 512 permutations reaches that (a low threshold with a
    high recall), the one that comes nearest is taken.

    >>> choose_bands(0.8, 0.97)
    (20, 8)
    """
    if not 0 < threshold <= 1 or not 0 < recall < 1:
        raise RecipeError(
            f"threshold = {threshold}, recall = {recall}",
            hint="give 0 < threshold <= 1 and 0 < recall < 1",
        )
    choices = []
    for rows in range(1, 65):
        for bands in range(1, MAX_PERMUTATIONS // rows + 1):
            if candidate_probability(threshold, bands, rows) >= recall:
                false = candidate_probability(threshold / 2, bands, rows)
                excess = max(0.0, false - MAX_FALSE_SHARE)
                choices.append((excess, bands * rows, false, bands, rows))
                break
    if not choices:
        raise RecipeError(
            f"no bands within {MAX_PERMUTATIONS} permutations find {recall:.1%} of pairs at "
            f"{threshold}",
            hint="ask for less recall, or give bands and rows",
        )
    *_, bands, rows = min(choices)
    return bands, rows


@kernel
def _band_keys(signatures: np.ndarray, bands: int, rows: int, keys: np.ndarray) -> None:
    for d in range(signatures.shape[0]):
        for band in range(bands):
            high = mix(uint64(band) + uint64(0x243F6A8885A308D3))
            low = mix(uint64(band) + uint64(0x13198A2E03707344))
            for row in range(rows):
                value = uint64(signatures[d, band * rows + row])
                high = mix(high ^ value)
                low = mix((low ^ value) * uint64(0x9E3779B97F4A7C15))
            keys[d, band, 0] = high
            keys[d, band, 1] = low


def band_keys(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Give the keys of all bands, (documents, bands, 2) uint64: 128 bits that include the band number.

    64 bits would join unrelated documents by chance once there are billions of keys.
    """
    keys = np.empty((len(signatures), bands, 2), np.uint64)
    _band_keys(signatures, bands, rows, keys)
    return keys
