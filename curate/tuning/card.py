"""What a classifier is worth: measured on rows that were held out, and what it may have learned.

Scores are of folds that the model did not see. A classifier can be good at the wrong thing: where
good and bad texts come from other sources, it may tell the sources apart, and where they have other
lengths, the lengths. Both are measured, and named in a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.signals.page_model import Floats

Booleans = npt.NDArray[np.bool_]

#: An AUC from here on shows that something separates; a model within _NEAR of it gains little more.
_SEPARATES: Final = 0.7
_NEAR: Final = 0.05
_BINS: Final = 10
_FEWEST: Final = 10  #: rows of each label that a language or source needs for figures of its own


def auc(scores: Floats, good: Booleans) -> float | None:
    """Return the chance that a good row scores higher than a bad one; None without one of them.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    many = int(good.sum()), int((~good).sum())
    if not all(many):
        return None
    _, inverse, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(times) - (times - 1) / 2
    return float((ranks[inverse][good].sum() - many[0] * (many[0] + 1) / 2) / (many[0] * many[1]))


def figures(scores: Floats, good: Booleans) -> dict[str, Any]:
    """Return AUC, the precision and recall of the bad rows at limits, and calibration.

    A limit ``l`` rejects rows below it. ``calibration`` has for each tenth of the scores its rows,
    their mean score and the share of good ones among them.
    """
    curve = []
    for percent in (1, 2, 3, 4, 5, 7.5, 10, 15, 20):
        limit = float(np.percentile(scores[good], percent)) if good.any() else 0.0
        rejected = scores < limit
        hits = int((rejected & ~good).sum())
        precision, recall = hits / max(1, int(rejected.sum())), hits / max(1, int((~good).sum()))
        curve.append(
            {
                "limit": round(limit, 4),
                "false_rejection": round(float((rejected & good).sum() / max(1, good.sum())), 4),
                "precision": round(precision, 4),
                "recall": round(recall, 4),
                "f1": round(2 * precision * recall / max(1e-9, precision + recall), 4),
            }
        )
    places = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    calibration = [
        {
            "rows": int((places == place).sum()),
            "score": round(float(scores[places == place].mean()), 4),
            "good": round(float(good[places == place].mean()), 4),
        }
        for place in range(_BINS)
        if (places == place).any()
    ]
    value = auc(scores, good)
    return {
        "rows": len(good),
        "good": int(good.sum()),
        "auc": None if value is None else round(value, 4),
        "curve": curve,
        "calibration": calibration,
    }


def by_group(scores: Floats, good: Booleans, groups: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the figures of each group that has enough rows of both labels, of others counts."""
    names = np.array(groups, object)
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(set(groups)):
        inside = names == name
        label = good[inside]
        enough = min(int(label.sum()), int((~label).sum())) >= _FEWEST
        found[name] = (
            figures(scores[inside], label)
            if enough
            else {"rows": int(inside.sum()), "good": int(label.sum()), "auc": None}
        )
    return found


def checks(
    scores: Floats,
    good: Booleans,
    sources: Sequence[str],
    lengths: Floats,
    without: Callable[[npt.NDArray[np.int64]], Floats] | None = None,
) -> tuple[dict[str, float | None], list[str]]:
    """Return what length and source alone would reach, and a warning for each that explains much.

    ``without`` trains on the given rows and scores all: with two sources or more of each label, one
    of each is held out. A model of quality holds on them; one of sources does not.
    """
    whole = auc(scores, good) or 0.5
    by_length = auc(lengths, good) or 0.5
    names = np.array(sources, object)
    share = np.array([good[names == name].mean() for name in names])
    by_source = auc(share, good) or 0.5
    inside = [
        value
        for name in sorted(set(sources))
        if (value := auc(scores[names == name], good[names == name])) is not None
    ]
    measured: dict[str, float | None] = {
        "auc_of_length": round(max(by_length, 1 - by_length), 4),
        "auc_of_source": round(by_source, 4),
        "auc_within_sources": round(float(np.mean(inside)), 4) if inside else None,
        "auc_on_other_sources": None,
    }
    warnings = []
    if max(by_length, 1 - by_length) >= max(_SEPARATES, whole - _NEAR):
        warnings.append(
            f"length alone separates the labels (AUC {measured['auc_of_length']}): the model may"
            " have learned it; give good and bad texts of the same lengths"
        )
    pure = [sorted({str(n) for n in names[good == label]}) for label in (True, False)]
    separate = not set(pure[0]) & set(pure[1])
    if separate and without is not None and min(map(len, pure)) >= 2:
        others: list[float] = []
        for at in range(min(map(len, pure))):
            left_out = np.isin(names, [pure[0][at], pure[1][at]])
            value = auc(without(np.flatnonzero(~left_out))[left_out], good[left_out])
            others += [] if value is None else [value]
        measured["auc_on_other_sources"] = round(float(np.mean(others)), 4) if others else None
    other, within = measured["auc_on_other_sources"], measured["auc_within_sources"]
    if separate and other is None:
        warnings.append(
            "no source has both labels: the model may tell sources apart rather than quality, and"
            " nothing here can show it; add labelled texts of one source, or two sources per label"
        )
    elif other is not None and other < whole - 2 * _NEAR:
        warnings.append(
            f"on sources that it has not seen the AUC falls from {whole:.3f} to {other:.3f}: the"
            " model tells sources apart rather than quality"
        )
    elif by_source >= _SEPARATES and within is not None and within < whole - 2 * _NEAR:
        warnings.append(
            f"the source alone separates the labels (AUC {by_source:.3f}), and within sources the"
            f" model reaches {within:.3f}: it tells sources apart rather than quality"
        )
    return measured, warnings
