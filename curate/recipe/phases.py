"""What a recipe says of the whole mixture: phases, copies by a column, what is held out."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import Field, model_validator

from curate.recipe.numbers import exact
from curate.recipe.section import Section

#: The phase of a recipe that names none.
MAIN = "main"


class Phase(Section):
    """One stretch of training with its own budget and, if given, its own group weights.

    A phase continues where the one before it ended, so that no document is in two phases before all
    were in one.
    """

    name: str = Field(MAIN, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Name in the product's column ``phase``. Example: "annealing"."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Amount in ``unit``, before ``scale``. Example: 600."""
    weights: dict[str, float] = {}
    """Weights of the groups in this phase; without them those of the groups.
    Example: { kazakh = 3, english = 1 }."""
    budgets: dict[str, float] = {}
    """An amount per group: budget and weights in one. Example: { kazakh = 300, english = 100 }."""
    reuse: bool = False
    """Begin again at the first document, whatever earlier phases took."""

    @property
    def amount(self) -> Fraction | None:
        """The budget of the phase in all, before the mixture's ``scale``."""
        if self.budgets:
            return sum((exact(budget) for budget in self.budgets.values()), Fraction(0))
        return None if self.budget is None else exact(self.budget)


class Upsample(Section):
    """Copies of a document by the value of a column, such as ``cluster_size`` or a signal.

    All copies of a document follow each other in its leaf, so they are taken in one phase;
    ``epoch`` numbers them. ``cluster_size`` is set by the last dedup stage that found the document
    in a cluster: after both stages, it does not count the exact copies that were removed before
    near ones were searched for. ``n_cluster_sources``, over all dedups, is how many sources hold
    the document: what several corpora kept is better text (MixMinMatch, arXiv 2512.18834).
    """

    by: str
    """The column. Example: "cluster_size"."""
    copies: tuple[tuple[float, Annotated[int, Field(ge=1, le=1000)]], ...] = Field(min_length=1)
    """Steps ``[value, copies]``: that many copies from this value on, up to the next step. Below
    the first step, and where the column is null, there is one. The example is how FineWeb2 weighs
    clusters of near duplicates. Example: [[1, 1], [2, 2], [3, 3], [5, 5], [100, 8], [1000, 1]]."""
    groups: tuple[str, ...] = ()
    """The groups that it applies to; empty: all. Example: ["kazakh"]."""

    @model_validator(mode="after")
    def _steps_go_up(self) -> Upsample:
        values = [value for value, _ in self.copies]
        if values != sorted(set(values)):
            raise ValueError("copies are steps [value, copies] with values that go up")
        return self


class Validation(Section):
    """A random share of the documents of every group in the ratio, held out of all phases.

    A hash decides the side of a document: of its cluster, where dedup found one, and else of its
    text. So what remained of one cluster, and texts that are equal byte for byte, are on one side.
    Near duplicates were dropped before, on either side. What can be on both sides: texts less
    similar than the threshold of fuzzy_dedup, and the pairs above it that its ``recall`` misses.
    """

    share: float = Field(gt=0, le=0.5)
    """Share of the documents that are held out. Example: 0.005."""
