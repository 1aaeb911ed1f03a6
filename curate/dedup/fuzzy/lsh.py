"""Bands: which pairs are compared. A pair is a candidate when all rows of some band are equal.

See Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4. With similarity s the
chance is 1 - (1 - s**rows)**bands: an S-curve.
"""

from __future__ import annotations

from curate.errors import RecipeError

#: How often a pair of half the threshold's similarity may be a candidate, and how long a signature
#: may be. False candidates cost time, never a document: each removal is verified.
MAX_FALSE_SHARE = 0.02
MAX_PERMUTATIONS = 512


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """Return the chance that a pair of this Jaccard similarity shares a band.

    >>> round(candidate_probability(0.8, 14, 8), 3)
    0.924
    """
    return float(1 - (1 - similarity**rows) ** bands)


def s_curve(bands: int, rows: int) -> list[tuple[float, float]]:
    """Return the S-curve from 0.3 to 1.0 in steps of 0.05: (similarity, chance of a candidate).

    >>> [round(chance, 3) for s, chance in s_curve(20, 8) if s in (0.5, 0.8)]
    [0.075, 0.975]
    """
    steps = [round(0.3 + 0.05 * i, 2) for i in range(15)]
    return [(s, candidate_probability(s, bands, rows)) for s in steps]


def choose_bands(threshold: float, recall: float) -> tuple[int, int]:
    """Return the cheapest (bands, rows) that find pairs at the threshold with the given recall.

    Cheapest is the fewest permutations. One row per band would be cheapest of all and would compare
    everything with everything, so a pair of half the threshold's similarity may be a candidate in
    at most 2 % of cases; where no choice within 512 permutations reaches that (a low threshold with
    a high recall), the one that comes nearest is taken.

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
