"""Number the documents of each language by quantiles of their scores, and average ranks."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from curate.errors import RecipeError
from curate.protocol.stage import Barrier, Step
from curate.protocol.tables import on_alive, with_columns
from curate.recipe.profile import Profiles
from curate.schema import text_bytes, whole
from curate.signals import BUCKET, column

Grouping = Literal["lang", "source", "origin"]
Weight = Literal["tokens", "bytes", "documents"]


class _Quantiles(Barrier):
    """What both stages share: scores that are compared within groups."""

    by: tuple[Grouping, ...]
    weight: Weight | None
    counted: bool

    @property
    @abstractmethod
    def scores(self) -> tuple[str, ...]:
        """The signals whose quantiles are wanted."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """The number of quantiles."""

    @property
    def only_numbers(self) -> bool:
        """Always: documents get columns, and stay."""
        return True

    @property
    def decides(self) -> Literal["shard", "all"]:
        """All shards read the same cuts."""
        return "all"

    @property
    def reads(self) -> tuple[str, ...]:
        size = {"tokens": ("n_tokens",), "bytes": ("text",), "documents": ()}[self._weight]
        return tuple(dict.fromkeys(("id", *self.by, *size, *map(column, self.scores))))

    @property
    def sketch_reads(self) -> tuple[str, ...]:
        """The columns that `sketch` reads; of a text it is enough to know its size."""
        return tuple(name for name in self.reads if name != "text")

    @property
    def _weight(self) -> Weight:
        return self.weight or ("tokens" if self.counted else "bytes")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return the group, the weight and the score of each row."""
        from curate.mixture.quantiles import KEY, keys

        if self._weight == "tokens":
            weight = np.asarray(whole(table.column("n_tokens")).fill_null(0))
        elif self._weight == "bytes":
            weight = text_bytes(table)
        else:
            weight = np.ones(table.num_rows, np.int64)
        return pa.table(
            {
                "id": table.column("id"),
                **{name: table.column(name) for name in self.by},
                "weight": pa.array(weight, pa.int64()),
                **{KEY + name: keys(table.column(column(name))) for name in self.scores},
            }
        )

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from scores to the cuts of each group."""
        from curate.mixture.quantiles import steps

        return steps(self.scores, self.by, self.parts)

    def _buckets(self, table: pa.Table, decisions: pa.Table) -> dict[str, pa.Array]:
        """Return the quantile of each row, from 0, by signal."""
        from curate.mixture.quantiles import buckets, cuts_of, groups

        cuts = cuts_of(decisions)
        return {
            name: buckets(groups(table, self.by, name), table.column(column(name)), cuts)
            for name in self.scores
        }


@dataclass(frozen=True)
class Bucket(_Quantiles):
    """Add a signal ``<name>_bucket``: the number of a document's quantile, from 0, the lowest.

    The cuts are weighted quantiles of each language: each bucket has the same share of its tokens,
    as far as documents with equal scores allow, which have one bucket. A score is compared by seven
    digits (float32). It is null where the signal is.
    """

    signals: tuple[str, ...]
    """The signals: classifiers, or any that a rule names. Example: ["edu", "page_quality"]."""
    buckets: int = 20
    """How many."""
    by: tuple[Grouping, ...] = ("lang",)
    """Columns whose values have cuts of their own. Example: ["lang", "source"]."""
    weight: Weight | None = None
    """What the buckets share equally; without it tokens behind the stage `count`, else bytes.
    Example: "documents"."""
    counted: bool = False
    name: str = "bucket"

    def __post_init__(self) -> None:
        if not self.signals:
            raise RecipeError("no signals to number by", hint='signals = ["page_quality"]')
        if not 2 <= self.buckets <= 1000:
            raise RecipeError(f"buckets = {self.buckets}", hint="give 2 to 1000")

    @property
    def scores(self) -> tuple[str, ...]:
        """The signals of the recipe, each once."""
        return tuple(dict.fromkeys(self.signals))

    @property
    def parts(self) -> int:
        """The number of buckets."""
        return self.buckets

    @property
    def adds(self) -> tuple[str, ...]:
        return tuple(column(name + BUCKET) for name in self.scores)

    @property
    def added_types(self) -> dict[str, pa.DataType]:
        return dict.fromkeys(self.adds, pa.int64())

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Add the numbers of the buckets; rows that were dropped get nulls."""

        def numbered(alive: pa.Table) -> pa.Table:
            found = self._buckets(alive, decisions)
            return with_columns(alive, {column(n + BUCKET): v for n, v in found.items()})

        return on_alive(table, numbered)


@dataclass(frozen=True)
class Rank(_Quantiles):
    """Add the classifiers that are a mean of ranks (``mean_rank``), each a signal of its name.

    A rank is 0 in the lowest hundredth of a document's language, and 1 in the highest; the mean is
    of the ranks that the document has, null where it has none. So scores of models that mean
    different things by .5 are put together. The stage ``bucket`` after it numbers by the mean.
    """

    profiles: Profiles
    by: tuple[Grouping, ...] = ("lang",)
    """Columns whose values have ranks of their own. Example: ["lang", "source"]."""
    weight: Weight | None = "documents"
    """What the hundredths share equally. Example: "tokens"."""
    counted: bool = False
    name: str = "rank"
    parts: ClassVar[int] = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "profiles", self.profiles.only(("classifiers",)))

    @property
    def _means(self) -> dict[str, set[str]]:
        """The means of any profile, and the classifiers whose ranks they need."""
        means: dict[str, set[str]] = {}
        for profile in self.profiles.by_name.values():
            for name, one in profile.classifiers.items():
                if one.mean_rank:
                    means.setdefault(name, set()).update(one.mean_rank)
        return dict(sorted(means.items()))

    @property
    def scores(self) -> tuple[str, ...]:
        """The classifiers whose ranks any profile averages."""
        return tuple(sorted(set().union(*self._means.values())))

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().reads, "source", "lang")))

    @property
    def adds(self) -> tuple[str, ...]:
        return tuple(map(column, self._means))

    @property
    def added_types(self) -> dict[str, pa.DataType]:
        return dict.fromkeys(self.adds, pa.float64())

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Add the mean ranks; rows that were dropped get nulls."""

        def averaged(alive: pa.Table) -> pa.Table:
            ranks = {
                name: np.asarray(values.cast(pa.float64()).fill_null(np.nan)) / (self.parts - 1)
                for name, values in self._buckets(alive, decisions).items()
            }
            means = {name: np.full(alive.num_rows, np.nan) for name in self._means}
            for profile, rows in self.profiles.groups(alive):
                for name, one in profile.classifiers.items():
                    if one.mean_rank:
                        means[name][rows] = _mean([ranks[m][rows] for m in one.mean_rank])
            return with_columns(
                alive, {column(n): pa.array(v, mask=np.isnan(v)) for n, v in means.items()}
            )

        return on_alive(table, averaged)


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Return the mean of what is defined in each row, NaN where nothing is."""
    defined = sum((~np.isnan(each)).astype(np.int64) for each in values)
    added = sum(np.nan_to_num(each) for each in values)
    means = np.full(len(values[0]), np.nan)
    np.divide(added, defined, out=means, where=defined > 0)
    return means
