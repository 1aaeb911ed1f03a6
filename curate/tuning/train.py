"""Train a classifier of pages, with a card of what it is worth on rows held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError
from curate.signals import measure
from curate.signals.page_model import Floats, PageModel
from curate.tuning import forest
from curate.tuning.card import Booleans, by_group, checks, figures
from curate.tuning.fasttext_kind import FastText

Kind = Literal["fasttext", "signals", "stacked"]
KINDS: Final = ("fasttext", "signals", "stacked")
_FEWEST: Final = 20  #: rows of each label


@dataclass(frozen=True)
class Labelled:
    """Labelled texts; ``lang`` may be empty, ``source`` is where the label or the text is from."""

    texts: Sequence[str]
    good: Booleans
    langs: Sequence[str]
    sources: Sequence[str]


def train(
    rows: Labelled,
    output: Path,
    *,
    name: str,
    kind: Kind,
    lists: Mapping[str, forest.Lists],
    seed: int = 0,
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Train, write the model to ``output`` and return its card.

    The card is part of the file; that of a fastText model is JSON beside it. The same rows and seed
    give the same bytes.
    """
    for label, many in (("good", int(rows.good.sum())), ("bad", int((~rows.good).sum()))):
        if many < _FEWEST:
            raise RecipeError(
                f"{many} {label} texts are too few to train on",
                hint=f"at least {_FEWEST} of each label are needed",
            )
    learner = (
        FastText(rows.texts, rows.good, seed)
        if kind == "fasttext"
        else _Trees(rows, lists, kind, seed)
    )
    fold = forest.folds(rows.good, seed)
    scores = np.full(len(rows.good), np.nan)
    for number in range(forest.FOLDS):
        held_out = fold == number
        scores[held_out] = learner.scores(np.flatnonzero(~held_out))[held_out]
    scores = np.where(np.isnan(scores), 0.0, scores)
    lengths = np.array([len(text) for text in rows.texts], np.float64)
    measured, warnings = checks(scores, rows.good, rows.sources, lengths, learner.scores)
    card = {
        "name": name,
        "kind": kind,
        "seed": seed,
        "about": dict(about or {}),
        "held_out": figures(scores, rows.good),
        "by_language": by_group(scores, rows.good, rows.langs),
        "by_source": by_group(scores, rows.good, rows.sources),
        "checks": measured,
        "warnings": warnings,
    }
    learner.write(output, card)
    return card


class _Trees:
    """A forest on signals, and for ``stacked`` on character n-grams too."""

    def __init__(
        self, rows: Labelled, lists: Mapping[str, forest.Lists], kind: Kind, seed: int
    ) -> None:
        forest.packages()
        self._rows, self._lists, self._seed = rows, lists, seed
        self._computed = forest.Rows(rows.texts, rows.langs, lists, grams=kind == "stacked")
        self._texts = pa.array(rows.texts, pa.large_string())

    def _fit(self, chosen: npt.NDArray[np.int64]) -> PageModel:
        return forest.fit(self._computed, self._rows.good, chosen, self._seed)

    def scores(self, chosen: npt.NDArray[np.int64]) -> Floats:
        """Train on the chosen rows and return the scores of all."""
        model = self._fit(chosen)
        scores = np.empty(len(self._texts))
        langs = np.array(self._rows.langs, object)
        for lang in sorted(set(self._rows.langs)):
            at = np.flatnonzero(langs == lang)
            texts = self._texts.take(pa.array(at))
            scores[at] = model.scores(texts, self._lists.get(lang, {}), lang, measure)
        return scores

    def write(self, output: Path, card: Mapping[str, Any]) -> None:
        model = self._fit(np.arange(len(self._texts)))
        PageModel({**model.card, **card}, model.arrays).save(output)
