"""Train a page model: a random forest on signals and on a linear model of character n-grams.

The forest is of extremely randomized trees (Geurts, Ernst and Wehenkel 2006): with few hundred bad
rows it found more of them than boosted trees at the same share of good rows rejected
(tests/benchmarks/human_labels.py).

scikit-learn trains (the extra ``train``); the model is plain numbers and is applied without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError
from curate.signals import measure
from curate.signals.page_model import (
    FORMAT,
    SIGNALS,
    Floats,
    PageModel,
    excerpts,
    gram_counts,
    signal_features,
)

Booleans = npt.NDArray[np.bool_]
Lists = Mapping[str, Sequence[str]]

WINDOW: Final = 500  #: characters of the start and of the middle that a model reads
LONGEST_GRAM: Final = 4
GRAM_BITS: Final = 17
FOLDS: Final = 5
_TREES: Final = 150
_LEAF: Final = 5  #: rows of a leaf, at least
_FEATURES: Final = 0.3  #: the share of the features that a split chooses from
_FEWEST: Final = 30  #: rows of a language that give its median and range
_PRIOR_ROWS: Final = 20  #: rows of any language that each language's share of ``good`` begins with


def packages() -> None:
    """Raise RecipeError where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise RecipeError(
            "training needs scikit-learn",
            hint="pip install 'curate-corpus[train]'",
        ) from None


class Rows:
    """The texts of a training with what is computed of each once, whatever the fold."""

    def __init__(
        self,
        texts: Sequence[str],
        langs: Sequence[str],
        lists_of: Mapping[str, Lists],
        *,
        grams: bool,
    ) -> None:
        from scipy.sparse import csr_matrix

        self.langs = np.array(langs, object)
        self.raw = np.empty((len(texts), len(SIGNALS)))
        shown = excerpts(pa.array(texts, pa.large_string()), WINDOW)
        for lang in sorted(set(langs)):
            rows = np.flatnonzero(self.langs == lang)
            self.raw[rows] = signal_features(
                shown.take(pa.array(rows)), lists_of.get(lang, {}), SIGNALS, measure
            )
        self.grams: Any = None
        if grams:
            starts, columns, values = gram_counts(shown, 1 << GRAM_BITS, LONGEST_GRAM)
            self.grams = csr_matrix((values, columns, starts), (len(texts), 1 << GRAM_BITS))


def folds(labels: Booleans, seed: int) -> npt.NDArray[np.int64]:
    """Return a fold for each row, so that each fold has its share of both labels."""
    numbers = np.empty(len(labels), np.int64)
    order = np.random.default_rng(seed)
    for label in (False, True):
        rows = order.permutation(np.flatnonzero(labels == label))
        numbers[rows] = np.arange(len(rows)) % FOLDS
    return numbers


def fit(rows: Rows, labels: Booleans, chosen: npt.NDArray[np.int64], seed: int) -> PageModel:
    """Train on the chosen rows.

    The n-gram score of a row, which is a feature of the trees, comes from a model of the other
    folds: the trees learn how far it can be trusted.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    raw, good = rows.raw[chosen], labels[chosen]
    langs = rows.langs[chosen]
    known = [lang for lang in sorted(set(langs)) if lang and (langs == lang).sum() >= _FEWEST]
    middle = np.array([_quantile(raw[langs == lang], 50) for lang in known])
    low = np.array([_quantile(raw[langs == lang], 10) for lang in known])
    high = np.array([_quantile(raw[langs == lang], 90) for lang in known])
    share = good.mean()
    prior = [
        (good[langs == lang].sum() + _PRIOR_ROWS * share) / ((langs == lang).sum() + _PRIOR_ROWS)
        for lang in known
    ]
    shape = (len(known), len(SIGNALS))
    weights, gram_intercept = np.zeros(0), 0.0
    gram_column = np.empty((len(chosen), 0))
    if rows.grams is not None:
        grams = rows.grams[chosen]
        inner = folds(good, seed + 1)
        held_out = np.empty(len(chosen))
        for fold in range(FOLDS):
            of_fold = inner == fold
            held_out[of_fold] = _linear(grams[~of_fold], good[~of_fold], seed).decision_function(
                grams[of_fold]
            )
        linear = _linear(grams, good, seed)
        weights, gram_intercept = linear.coef_[0], float(linear.intercept_[0])
        gram_column = held_out[:, None]
    empty = np.zeros(0, np.int32)
    model = PageModel(
        {
            "format": FORMAT,
            "signals": list(SIGNALS),
            "languages": known,
            "window": WINDOW,
            "longest_gram": LONGEST_GRAM,
            "gram_intercept": gram_intercept,
        },
        {
            "middle": np.nan_to_num(middle).reshape(shape),
            "range": (np.nan_to_num(high - low) + 1e-3).reshape(shape),
            "undefined": np.nan_to_num(_quantile(raw, 50)),
            "prior": np.array([*prior, share]),
            "weights": weights.astype(np.float16),
            **dict.fromkeys(("feature", "left", "right", "roots"), empty),
            **dict.fromkeys(("threshold", "value"), np.zeros(0, np.float32)),
        },
    )
    table = np.column_stack([model.features(raw, langs.tolist()), gram_column]).astype(np.float32)
    forest = ExtraTreesClassifier(
        _TREES, min_samples_leaf=_LEAF, max_features=_FEATURES, random_state=seed
    ).fit(table, good)
    return PageModel(model.card, {**model.arrays, **_nodes(forest)})


def _quantile(raw: Floats, percent: int) -> Floats:
    """Return a percentile of each column of what is defined; NaN where nothing is."""
    found: Floats = np.full(raw.shape[1], np.nan)
    for at in range(raw.shape[1]):
        values = raw[~np.isnan(raw[:, at]), at]
        if len(values):
            found[at] = np.percentile(values, percent)
    return found


def _linear(grams: Any, good: Booleans, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=30.0, solver="liblinear", dual=True, tol=0.01, class_weight="balanced", random_state=seed
    ).fit(grams, good)


def _nodes(forest: Any) -> dict[str, npt.NDArray[Any]]:
    """Return all trees as one table of nodes; the sum of a row's leaves is its share of ``good``.

    Trees compare float32: with thresholds rounded down to float32 they decide the same.
    """
    parts: dict[str, list[npt.NDArray[Any]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }
    roots, size = [], 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        roots.append(size)
        inner = tree.children_left >= 0
        near = tree.threshold.astype(np.float32)
        below = np.where(near > tree.threshold, np.nextafter(near, np.float32(-np.inf)), near)
        parts["feature"].append(np.where(inner, tree.feature, 0))
        parts["threshold"].append(np.where(inner, below, np.float32(0.0)))
        parts["left"].append(np.where(inner, tree.children_left + size, -1))
        parts["right"].append(np.where(inner, tree.children_right + size, -1))
        share = tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) / len(forest.estimators_)
        parts["value"].append(np.where(inner, 0.0, share))
        size += tree.node_count
    kinds = {"threshold": np.float32, "value": np.float32}
    return {
        "roots": np.array(roots, np.int32),
        **{n: np.concatenate(p).astype(kinds.get(n, np.int32)) for n, p in parts.items()},
    }
