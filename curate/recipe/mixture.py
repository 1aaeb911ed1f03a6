"""What a recipe asks of the mixture, checked.

A *group* is a term of the ratio: ``kk : (ru + tr) : en = 3 : 1 : 3`` has three. A row belongs to
the first group, in file order, whose languages, sources and origins all match; an empty list
matches all. A *part* is a piece of a group that has its own inner weight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from curate.errors import RecipeError, nearest
from curate.recipe import locate
from curate.recipe.languages import LABEL, label_of
from curate.recipe.numbers import exact, ratio_parts
from curate.recipe.phases import Phase, Upsample, Validation
from curate.recipe.section import Section, as_categories, read_section
from curate.recipe.split import Split
from curate.schema import ORIGINS

#: The group of a recipe without a mixture.
EVERYTHING = "all"

#: Documents that are held out are written like a phase of this name.
VALIDATION = "validation"

#: The most copies of a document in a phase: each copy is a row.
MOST_EPOCHS = 1000


class Leaf(NamedTuple):
    """The smallest unit that gets a budget: all documents that are equal in these five values."""

    group: str
    source: str | None
    lang: str | None
    origin: str | None
    value: str | None = None  #: of the column that the group is split by; null for all others


class Range(Section):
    """A closed interval of a number; a document without the number is outside."""

    min: float | None = None
    """Smallest value. Example: 3."""
    max: float | None = None
    """Largest value. Example: 5."""

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("a range needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min is above max: {self.min:g} > {self.max:g}; nothing would match")
        return self


class Group(Split):
    """One term of the ratio. Empty lists match everything.

    Its size is a ``weight`` relative to the other groups, or a ``budget`` of its own.
    """

    whole: bool = False
    """All of the group is taken, once, in the first phase, outside the ratio and however much the
    other groups shrink; for safety data, for instance."""
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Size relative to the other groups. Example: 3."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Amount in ``unit``, before ``scale``; either every group has one or none. Example: 96.39."""
    languages: tuple[str, ...] = ()
    """Languages of its rows, by label, code or English name; empty: all. Example: ["kaz_Cyrl"]."""
    sources: tuple[str, ...] = ()
    """Names of the sources of its rows; empty: all. Example: ["wiki", "books"]."""
    origins: tuple[str, ...] = ()
    """Origins of its rows; empty: all. Example: ["native"]."""
    where: dict[str, tuple[str, ...] | Range] = {}
    """Values of its rows in other columns, all of which hold: a list of categories, or a range of
    numbers; of signals (``signal_n_words``), numbers of stages, and columns of the input.
    Example: { topic = ["news", "books"], quality = { min = 3 } }."""
    inner: dict[str, float] = {}
    """Fixed ratio of the group's languages, or of its sources, or of its origins, or of the values
    that it is split by. Without it languages are weighed by what is available of each, to the
    power of ``alpha``. Example: { kor_Hang = 1, eng_Latn = 1 }."""
    alpha: float | None = Field(None, ge=0, le=1)
    """Power for this group; without it that of the mixture. Example: 0.3."""
    max_epochs: float | None = Field(None, ge=1, le=MOST_EPOCHS, allow_inf_nan=False)
    """Passes over this group at most; without it those of the mixture. Example: 4."""
    max_share: float | None = Field(None, gt=0, le=1)
    """Largest share of the group that one leaf may have; without it that of the mixture. Example:
    0.5."""

    @model_validator(mode="before")
    @classmethod
    def _labels(cls, table: object) -> object:
        """Read what people call a language as its label, also in the weights of ``inner``."""
        if not isinstance(table, dict) or not isinstance(table.get("languages"), list | tuple):
            return table
        labels = {name: _label(name) for name in table["languages"] if isinstance(name, str)}
        inner = table.get("inner")
        if isinstance(inner, dict):
            table = table | {"inner": {labels.get(key, key): inner[key] for key in inner}}
        read = [labels[each] if isinstance(each, str) else each for each in table["languages"]]
        return table | {"languages": read}

    @field_validator("where", mode="before")
    @classmethod
    def _as_text(cls, where: object) -> object:
        if not isinstance(where, dict):
            return where
        return {name: as_categories(wanted) for name, wanted in where.items()}

    @property
    def selects(self) -> bool:
        """Whether the group says which rows belong to it."""
        return bool(self.languages or self.sources or self.origins or self.where)

    @model_validator(mode="after")
    def _whole_has_no_size(self) -> Group:
        sized = self.model_fields_set & {
            "weight", "budget", "inner", "max_epochs", "max_share", "split_by", "weights", "curve",
        }  # fmt: skip
        if self.whole and sized:
            raise ValueError(f"a whole group comes as it is: no {', '.join(sorted(sized))}")
        return self

    @model_validator(mode="after")
    def _inner_names_one_kind(self) -> Group:
        for origin in self.origins:
            if origin not in ORIGINS:
                raise ValueError(f"no origin '{origin}': {nearest(origin, ORIGINS)}")
        if not self.inner:
            return self
        if min(self.inner.values()) <= 0:
            raise ValueError("inner weights are above 0; leave out what should not be there")
        if self.split_by is not None:
            return self
        kinds = (self.languages, self.sources, self.origins)
        if not any(set(kind) == set(self.inner) for kind in kinds):
            raise ValueError(
                "inner needs a weight for each of the group's languages, or for each of its"
                f" sources, or for each of its origins; it has {', '.join(self.inner)}"
            )
        return self

    def holds(self, source: str | None, lang: str | None, origin: str | None) -> bool:
        """Return whether a row with these values belongs here."""
        lists = ((self.sources, source), (self.languages, lang), (self.origins, origin))
        return all(not names or name in names for names, name in lists)

    def part_of(self, leaf: Leaf) -> str | None:
        """Return the part of the group that a leaf belongs to; None where there are no parts.

        In a group that is split it is None for values that have no name.
        """
        if self.split_by is not None:
            return leaf.value
        if not self.inner:
            return None
        if set(self.inner) == set(self.languages):
            return leaf.lang
        return leaf.source if set(self.inner) == set(self.sources) else leaf.origin


class LeafCap(Section):
    """Limits for the leaves that match: passes over each, and the share of all of them together.

    A key that is not given matches every leaf. At least one limit is required.
    """

    group: str | None = None
    """The group of the leaves. Example: "kazakh"."""
    source: str | None = None
    """The source of the leaves. Example: "wiki"."""
    language: str | None = None
    """The language of the leaves. Example: "kaz_Cyrl"."""
    origin: str | None = None
    """The origin of the leaves. Example: "mt"."""
    max_epochs: float | None = Field(None, ge=1, le=MOST_EPOCHS, allow_inf_nan=False)
    """Passes at most over each leaf that matches; of several limits for a leaf the smallest counts.
    Example: 2."""
    max_share: float | None = Field(None, gt=0, le=1)
    """Share of the group that all its matching leaves may have together: with ``origin = "mt"``
    0.24 allows 24 % of machine-translated text, from however many sources. In a group with inner
    weights it holds in each part that it concerns. Example: 0.24."""

    @field_validator("language")
    @classmethod
    def _is_a_label(cls, value: str | None) -> str | None:
        return value and _label(value)

    @model_validator(mode="after")
    def _limits_something(self) -> LeafCap:
        if self.max_epochs is None and self.max_share is None:
            raise ValueError("a cap needs max_epochs, max_share or both")
        if self.max_share is not None and {self.source, self.language, self.origin} == {None}:
            raise ValueError(
                "a cap with max_share needs a source, a language or an origin; for a limit of every"
                " leaf give the group or the mixture max_share"
            )
        return self

    def matches(self, leaf: Leaf) -> bool:
        """Return whether this cap applies to a leaf."""
        names = (self.group, self.source, self.language, self.origin)
        pairs = zip(names, leaf[:4], strict=True)
        return all(name is None or name == value for name, value in pairs)


class Mixture(Section):
    """The ``[mixture]`` of a recipe: groups, their ratio, and how much is taken."""

    groups: dict[str, Group] = Field(min_length=1)
    """The terms of the ratio by name; a row belongs to the first group that matches it."""
    ratio: str | None = None
    """Weights of all groups that are not ``whole``, in file order. Example: "3:1:3"."""
    unit: Literal["tokens", "bytes", "documents"] = "tokens"
    """What amounts count; bytes are UTF-8 bytes of text. Example: "bytes"."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Amount in all, before ``scale``; without it as much as the ratio allows. Example: 100e9."""
    scale: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Multiplies every budget, so that a published mixture can be made small. Example: 1e-3."""
    shortage: Literal["shrink", "repeat", "fail"] = "shrink"
    """What happens where a group has too little: the whole mixture shrinks, documents are repeated
    up to ``max_epochs`` first, or the run fails. Example: "repeat"."""
    max_epochs: float = Field(1.0, ge=1, le=MOST_EPOCHS, allow_inf_nan=False)
    """Passes over any leaf at most. Example: 4."""
    max_share: float = Field(1.0, gt=0, le=1)
    """Largest share of its group that one leaf may have. Example: 0.5."""
    alpha: float = Field(1.0, ge=0, le=1)
    """Flattens the languages of a group: each is weighed by its amount to this power (1 as
    available, 0 all alike; it is 1 / temperature). With ``max_epochs`` above 1 a language that has
    too little is repeated up to there, and the rest is divided among the others: alpha = 0 is
    UniMax (Chung et al., ICLR 2023). Example: 0.3."""
    caps: tuple[LeafCap, ...] = ()
    """Limits for leaves that match a source, a language or an origin."""
    phases: tuple[Phase, ...] = ()
    """Stretches of training in order; without them one phase ``main``."""
    upsample: Upsample | None = None
    """Copies of documents by the value of a column."""
    validation: Validation | None = None
    """Documents that are held out of all phases."""
    seed: int = Field(0, ge=0, lt=1 << 64)
    """Seed of the sample; without it that of the recipe. Example: 7."""

    @classmethod
    def everything(cls) -> Mixture:
        """Return the mixture of a recipe that has none: all rows, once, in one phase.

        >>> Mixture.everything().group_of("web", "kaz_Cyrl", None)
        'all'
        """
        return cls(groups={EVERYTHING: Group()}, unit="documents")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Mixture:
        if self.ratio is not None:
            ratio_parts(self.ratio, self._weighable)
            if any("weight" in group.model_fields_set for group in self.groups.values()):
                raise ValueError("give ratio or a weight per group, not both")
            if self.phases and all(phase.weights or phase.budgets for phase in self.phases):
                raise ValueError(
                    "every phase has weights or budgets of its own: no ratio beside them"
                )
        if self.shortage == "shrink" and self.repeats:
            raise ValueError("max_epochs above 1 needs shortage = 'repeat' (or 'fail')")
        if self.shortage == "repeat" and not self.repeats:
            raise ValueError("shortage = 'repeat' needs max_epochs above 1")
        self._check_budgets()
        self._check_phases()
        self._check_curves()
        for cap in self.caps:
            if cap.group is not None:
                self._check_group(cap.group, "a cap names")
        for name in self.upsample.groups if self.upsample else ():
            self._check_group(name, "upsample names")
        return self

    def _check_group(self, name: str, who: str) -> None:
        if name not in self.groups:
            raise ValueError(f"{who} no group '{name}': {nearest(name, self.groups)}")

    def _check_budgets(self) -> None:
        own = [group.budget is not None for group in self.groups.values() if not group.whole]
        if not any(own):
            return
        if not all(own):
            raise ValueError("give every group a budget, or none")
        weighed = any("weight" in group.model_fields_set for group in self.groups.values())
        if weighed or self.ratio is not None or self.budget is not None or self.phases:
            raise ValueError(
                "budgets of groups say all: no ratio, weight or budget beside them; in phases give"
                " each phase its budgets"
            )

    def _check_phases(self) -> None:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError("two phases have the same name")
        if self.phases and self.budget is not None:
            raise ValueError("give the budget of each phase or one budget for all, not both")
        for phase in self.phases:
            who = f"phase '{phase.name}'"
            if phase.name == VALIDATION:
                raise ValueError(f"'{VALIDATION}' is what [mixture.validation] holds out, no phase")
            if phase.budgets and (phase.weights or phase.budget is not None):
                raise ValueError(f"{who}: budgets say all; no weights or budget beside them")
            for group in phase.weights or phase.budgets:
                self._check_group(group, f"{who} weighs")
                if self.groups[group].whole:
                    raise ValueError(f"{who} weighs '{group}', which comes whole in the first")
            if min((phase.weights or phase.budgets).values(), default=0) < 0:
                raise ValueError(f"{who} has a weight below 0")
        if len(self.phases) > 1 and None in [phase.amount for phase in self.phases]:
            raise ValueError(
                "each of several phases needs a budget; with shortage = 'shrink' budgets that are "
                "too large keep their ratio"
            )
        for phase in self.schedule():
            if not any(self.shares(phase).values()):
                raise ValueError(f"phase '{phase.name}': all weights are 0")

    def _check_curves(self) -> None:
        for name, group in self.groups.items():
            if group.curve is None:
                continue
            if None in [phase.amount for phase in self.schedule()]:
                raise ValueError(f"the curve of '{name}' is solved to a budget, and none is given")
            capped = group.max_epochs is not None or (group.max_share or self.max_share) != 1
            if capped or any(cap.group in (None, name) for cap in self.caps):
                raise ValueError(
                    f"the curve of '{name}' says how often anything is taken: no max_epochs,"
                    " max_share or cap beside it (caps may name another group)"
                )

    @property
    def split_columns(self) -> tuple[str, ...]:
        """The columns that groups are split by."""
        found = [group.split_by for group in self.groups.values() if group.split_by is not None]
        return tuple(dict.fromkeys(found))

    @property
    def repeats(self) -> bool:
        """Whether any document may be taken more than once where a group has too little."""
        stated = [group.max_epochs for group in self.groups.values()]
        stated += [cap.max_epochs for cap in self.caps]
        return max(self.max_epochs, *(epochs or 1 for epochs in stated)) > 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that distinguish leaves; ``lang`` only where a key needs it."""
        by_language = (
            any(group.languages for group in self.groups.values())
            or any((group.alpha, group.max_share) != (None, None) for group in self.groups.values())
            or self.alpha != 1
            or self.max_share != 1
            or any(cap.language is not None for cap in self.caps)
        )
        return ("source", "lang", "origin") if by_language else ("source", "origin")

    @property
    def conditions(self) -> tuple[tuple[str, bool], ...]:
        """The columns that groups have conditions on, and whether these are on categories."""
        named = (pair for group in self.groups.values() for pair in group.where.items())
        return tuple(dict.fromkeys((name, isinstance(wanted, tuple)) for name, wanted in named))

    @property
    def weighed(self) -> frozenset[str]:
        """The groups that some phase takes from."""
        shares = [self.shares(phase) for phase in self.schedule()]
        return frozenset(
            name
            for name, group in self.groups.items()
            if group.whole or any(share[name] for share in shares)
        )

    @property
    def _weighable(self) -> tuple[str, ...]:
        return tuple(name for name, group in self.groups.items() if not group.whole)

    @property
    def most_copies(self) -> int:
        """The most copies that a document can have on one pass."""
        return max(copies for _, copies in self.upsample.copies) if self.upsample else 1

    def schedule(self) -> tuple[Phase, ...]:
        """Return the phases in order; one phase ``main`` where the recipe names none."""
        own = {
            name: group.budget for name, group in self.groups.items() if group.budget is not None
        }
        return self.phases or (Phase(budgets=own) if own else Phase(budget=self.budget),)

    def budget_of(self, phase: Phase) -> Fraction | None:
        """Return a phase's budget in all; None where it takes as much as is available."""
        return None if phase.amount is None else phase.amount * exact(self.scale)

    def shares(self, phase: Phase) -> dict[str, Fraction]:
        """Return each group's share of a phase; they add up to 1 exactly. Whole groups have 0."""
        if phase.weights or phase.budgets:
            stated = phase.weights or phase.budgets
            weights = {name: exact(stated.get(name, 0)) for name in self.groups}
        elif self.ratio is not None:
            weights = ratio_parts(self.ratio, self._weighable)
        else:
            weights = {name: exact(self.groups[name].weight) for name in self._weighable}
        weights = {name: weights.get(name, Fraction(0)) for name in self.groups}
        total = sum(weights.values())
        return {name: weight / total if total else weight for name, weight in weights.items()}

    def group_of(
        self,
        source: str | None,
        lang: str | None,
        origin: str | None,
        outside: Collection[str] = (),
    ) -> str | None:
        """Return the first group that a row with these values belongs to; None without one.

        It belongs to none of ``outside``, whose conditions on other columns it does not meet.
        """
        for name, group in self.groups.items():
            if name not in outside and group.holds(source, lang, origin):
                return name
        return None

    def epochs_of(self, leaf: Leaf) -> Fraction:
        """Return how many passes over a leaf are allowed."""
        stated = [c.max_epochs for c in self.caps if c.max_epochs is not None and c.matches(leaf)]
        group = self.groups[leaf.group]
        if group.curve is not None:
            return exact(group.curve.max)
        own = 1 if group.whole else group.max_epochs
        return exact(min(stated) if stated else own if own is not None else self.max_epochs)

    def share_of(self, leaf: Leaf) -> Fraction:
        """Return the largest share of its group that a leaf alone may have, caps aside."""
        own = self.groups[leaf.group].max_share
        return exact(own if own is not None else self.max_share)

    def alpha_of(self, group: str) -> float:
        """Return the power that a group's languages are weighed by."""
        own = self.groups[group].alpha
        return own if own is not None else self.alpha


def parse_mixture(table: Mapping[str, object], *, where: str = "[mixture]") -> Mixture:
    """Check the ``[mixture]`` table of a recipe.

    >>> groups = {"kk": {"languages": ["kaz_Cyrl"]}, "en": {}}
    >>> mixture = parse_mixture({"ratio": "3:1", "groups": groups})
    >>> {name: str(share) for name, share in mixture.shares(mixture.schedule()[0]).items()}
    {'kk': '3/4', 'en': '1/4'}
    """
    hints = {"temperature": "it is called alpha here, and is 1 / temperature"}
    return read_section(Mixture, table, where=where, root="mixture", hints=hints)


def _label(language: str) -> str:
    if LABEL.fullmatch(language):
        return language
    try:
        return label_of(language, locate.language_profiles())
    except RecipeError as error:
        raise ValueError(f"{error.what}: {error.hint}") from None
