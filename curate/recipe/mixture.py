"""What a recipe says about the mixture, checked.

A *group* is a line of the ratio: ``kk : (ru + tr) : en = 3 : 1 : 3`` has three. A row belongs to the
first group, in file order, whose languages, sources and origins all match; an empty list matches
all. A *part* is a piece of a group that has its own inner weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curate.errors import RecipeError, nearest
from curate.schema import ORIGINS

#: The group and the phase of a recipe that asks for no mixture.
EVERYTHING, MAIN = "all", "main"

#: What is held out is written like a phase of this name.
VALIDATION = "validation"


class Leaf(NamedTuple):
    """The smallest thing that gets a budget: all documents alike in these four."""

    group: str
    source: str | None
    lang: str | None
    origin: str | None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(_Section):
    """One line of the ratio. Empty lists match everything.

    Its size is a ``weight`` relative to the other groups, or a ``budget`` of its own. ``inner`` splits
    the group by one kind of thing (its languages, its sources or its origins) at a fixed ratio; without
    it the split is by what is available of each language, to the power of ``alpha``. ``alpha``,
    ``max_epochs`` and ``max_share`` are the mixture's where the group has none of its own.

    A ``whole`` group stands beside the ratio: all of it comes, once, in the first phase, however the
    other groups shrink. Safety data is such a thing.
    """

    whole: bool = False

    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    inner: dict[str, float] = {}
    alpha: float | None = Field(None, ge=0, le=1)
    max_epochs: float | None = Field(None, ge=1, allow_inf_nan=False)
    max_share: float | None = Field(None, gt=0, le=1)  #: of each leaf

    @model_validator(mode="after")
    def _whole_has_no_size(self) -> Group:
        sized = {"weight", "budget", "inner", "max_epochs", "max_share"} & self.model_fields_set
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
        kinds = (self.languages, self.sources, self.origins)
        if not any(set(kind) == set(self.inner) for kind in kinds):
            raise ValueError(
                "inner needs a weight for each of the group's languages, or for each of its sources, "
                f"or for each of its origins; it has {', '.join(self.inner)}"
            )
        return self

    def holds(self, source: str | None, lang: str | None, origin: str | None) -> bool:
        """Tell whether a row with these values belongs here."""
        wanted = ((self.sources, source), (self.languages, lang), (self.origins, origin))
        return all(not names or name in names for names, name in wanted)

    def part_of(self, leaf: Leaf) -> str | None:
        """Name the part of the group that a leaf belongs to; None where there are no parts."""
        if not self.inner:
            return None
        if set(self.inner) == set(self.languages):
            return leaf.lang
        return leaf.source if set(self.inner) == set(self.sources) else leaf.origin


class Cap(_Section):
    """Limits for the leaves that match: passes over each, and the share of all of them together.

    A key that is not given matches every leaf; of several ``max_epochs`` that match a leaf the
    smallest counts. ``max_share`` is of the group, and bounds what the group's matching leaves come to
    in all: ``{origin = "mt", max_share = 0.24}`` allows 24 % of machine-translated text, from however
    many sources. In a group with inner weights it holds in each part that it speaks of.
    """

    group: str | None = None
    source: str | None = None
    language: str | None = None
    origin: str | None = None
    max_epochs: float | None = Field(None, ge=1, allow_inf_nan=False)
    max_share: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _limits_something(self) -> Cap:
        if self.max_epochs is None and self.max_share is None:
            raise ValueError("a cap needs max_epochs, max_share or both")
        if self.max_share is not None and {self.source, self.language, self.origin} == {None}:
            raise ValueError(
                "a cap with max_share needs a source, a language or an origin; for a limit of every"
                " leaf give the group or the mixture max_share"
            )
        return self

    def matches(self, leaf: Leaf) -> bool:
        """Tell whether this cap speaks of a leaf."""
        wanted = (self.group, self.source, self.language, self.origin)
        return all(name is None or name == value for name, value in zip(wanted, leaf, strict=True))


class Phase(_Section):
    """One stretch of training with its own budget and, if given, its own group weights.

    ``budgets`` says both at once: an amount per group. A phase takes up where the one before it ended,
    so that no document is in two phases before all were in one; with ``reuse`` it begins again at the
    first document, whatever earlier phases took.
    """

    name: str = Field(MAIN, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    weights: dict[str, float] = {}
    budgets: dict[str, float] = {}
    reuse: bool = False

    @property
    def amount(self) -> Fraction | None:
        """What is asked for in all, before the mixture's ``scale``."""
        if self.budgets:
            return sum((_exact(budget) for budget in self.budgets.values()), Fraction(0))
        return None if self.budget is None else _exact(self.budget)


class Upsample(_Section):
    """Copies of a document by the value of a column, such as ``cluster_size`` or a signal.

    ``copies`` are steps ``[value, copies]``: from this value on, up to the next step, so many. Below the
    first step, and where the column is null, there is one. FineWeb2 weighs by the size of a document's
    cluster of near duplicates: ``[[1, 1], [2, 2], [3, 3], [5, 5], [100, 8], [1000, 1]]``. All copies of a
    document stand next to each other in its leaf, so they are taken in one phase; ``epoch`` numbers them.
    ``cluster_size`` is of the last dedup stage that found the document in a cluster: behind both, it does not
    count the exact copies that went before near ones were looked for.
    """

    by: str
    copies: tuple[tuple[float, Annotated[int, Field(ge=1, le=1000)]], ...] = Field(min_length=1)
    groups: tuple[str, ...] = ()  #: empty: all

    @model_validator(mode="after")
    def _steps_go_up(self) -> Upsample:
        values = [value for value, _ in self.copies]
        if values != sorted(set(values)):
            raise ValueError("copies are steps [value, copies] with values that go up")
        return self


class Validation(_Section):
    """A random share of the documents of every group that the mixture weighs, held out of all phases.

    Which side a document is on is a hash of its cluster, where dedup found one, and else of its text:
    what one cluster kept, and what is the same byte for byte, stands on one side. Near duplicates were
    dropped before, wherever they stood. What can be on both sides: texts less alike than the threshold
    of fuzzy_dedup, and the pairs above it that its ``recall`` lets pass.
    """

    share: float = Field(gt=0, le=0.5)


class Mixture(_Section):
    """The ``[mixture]`` of a recipe. Amounts are in ``unit``; bytes are UTF-8 bytes of text.

    ``scale`` multiplies every budget, so that a published mixture can be made small. ``alpha`` flattens
    a group's languages: each is weighed by what there is of it to that power (1 as available, 0 all
    alike; it is 1 / temperature). With ``max_epochs`` above 1 what a language lacks is repeated up to
    there, and then given to the others: alpha = 0 is UniMax (Chung et al., ICLR 2023).
    """

    groups: dict[str, Group] = Field(min_length=1)
    ratio: str | None = None
    unit: Literal["tokens", "bytes", "documents"] = "tokens"
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    scale: float = Field(1.0, gt=0, allow_inf_nan=False)
    shortage: Literal["shrink", "repeat", "fail"] = "shrink"
    max_epochs: float = Field(1.0, ge=1, allow_inf_nan=False)
    max_share: float = Field(1.0, gt=0, le=1)
    alpha: float = Field(1.0, ge=0, le=1)
    caps: tuple[Cap, ...] = ()
    phases: tuple[Phase, ...] = ()
    upsample: Upsample | None = None
    validation: Validation | None = None
    seed: int = Field(0, ge=0, lt=1 << 64)

    @classmethod
    def everything(cls) -> Mixture:
        """Give the mixture of a recipe that asks for none: all rows, once, in one phase.

        >>> Mixture.everything().group_of("web", "kaz_Cyrl", None)
        'all'
        """
        return cls(groups={EVERYTHING: Group()}, unit="documents")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Mixture:
        if self.ratio is not None:
            _ratio_parts(self.ratio, self._weighable)
            if any("weight" in group.model_fields_set for group in self.groups.values()):
                raise ValueError("give ratio or a weight per group, not both")
        if self.shortage == "shrink" and self.repeats:
            raise ValueError("max_epochs above 1 needs shortage = 'repeat' (or 'fail')")
        if self.shortage == "repeat" and not self.repeats:
            raise ValueError("shortage = 'repeat' needs max_epochs above 1")
        self._check_budgets()
        self._check_phases()
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
                "budgets of groups say all: no ratio, weight or budget beside them; in phases give each"
                " phase its budgets"
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

    @property
    def repeats(self) -> bool:
        """Whether any document may be taken more than once."""
        stated = [group.max_epochs for group in self.groups.values()]
        stated += [cap.max_epochs for cap in self.caps]
        return max(self.max_epochs, *(epochs or 1 for epochs in stated)) > 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns that tell leaves apart; ``lang`` only where something asks for it."""
        asks = (
            any(group.languages for group in self.groups.values())
            or any((group.alpha, group.max_share) != (None, None) for group in self.groups.values())
            or self.alpha != 1
            or self.max_share != 1
            or any(cap.language is not None for cap in self.caps)
        )
        return ("source", "lang", "origin") if asks else ("source", "origin")

    @property
    def weighed(self) -> frozenset[str]:
        """Name the groups that some phase takes from."""
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
        """Give the phases in order; one phase ``main`` where the recipe names none."""
        own = {
            name: group.budget for name, group in self.groups.items() if group.budget is not None
        }
        return self.phases or (Phase(budgets=own) if own else Phase(budget=self.budget),)

    def budget_of(self, phase: Phase) -> Fraction | None:
        """Give what a phase asks for in all; None where it asks for as much as there is."""
        return None if phase.amount is None else phase.amount * _exact(self.scale)

    def shares(self, phase: Phase) -> dict[str, Fraction]:
        """Give each group's share of a phase; they add up to 1 exactly. Whole groups have 0."""
        if phase.weights or phase.budgets:
            stated = phase.weights or phase.budgets
            weights = {name: _exact(stated.get(name, 0)) for name in self.groups}
        elif self.ratio is not None:
            weights = _ratio_parts(self.ratio, self._weighable)
        else:
            weights = {name: _exact(self.groups[name].weight) for name in self._weighable}
        weights = {name: weights.get(name, Fraction(0)) for name in self.groups}
        total = sum(weights.values())
        return {name: weight / total if total else weight for name, weight in weights.items()}

    def group_of(self, source: str | None, lang: str | None, origin: str | None) -> str | None:
        """Name the first group that holds a row with these values; None where none does."""
        for name, group in self.groups.items():
            if group.holds(source, lang, origin):
                return name
        return None

    def epochs_of(self, leaf: Leaf) -> Fraction:
        """Give how often a leaf may be passed over."""
        stated = [c.max_epochs for c in self.caps if c.max_epochs is not None and c.matches(leaf)]
        group = self.groups[leaf.group]
        own = 1 if group.whole else group.max_epochs
        return _exact(min(stated) if stated else own if own is not None else self.max_epochs)

    def share_of(self, leaf: Leaf) -> Fraction:
        """Give the largest share of its group that a leaf alone may have; caps come on top."""
        own = self.groups[leaf.group].max_share
        return _exact(own if own is not None else self.max_share)

    def alpha_of(self, group: str) -> float:
        """Give the power that a group's languages are weighed by."""
        own = self.groups[group].alpha
        return own if own is not None else self.alpha


def parse_mixture(said: Mapping[str, Any], *, where: str = "[mixture]") -> Mixture:
    """Check the ``[mixture]`` table of a recipe.

    >>> mixture = parse_mixture({"ratio": "3:1", "groups": {"kk": {"languages": ["kaz_Cyrl"]}, "en": {}}})
    >>> {name: str(share) for name, share in mixture.shares(mixture.schedule()[0]).items()}
    {'kk': '3/4', 'en': '1/4'}
    """
    try:
        return Mixture.model_validate(dict(said))
    except ValidationError as error:
        raise RecipeError("; ".join(_explain(error)), where=where) from None


def _explain(error: ValidationError) -> Iterator[str]:
    sections: dict[str, type[BaseModel]] = {
        "groups": Group,
        "caps": Cap,
        "phases": Phase,
        "upsample": Upsample,
        "validation": Validation,
    }
    for problem in error.errors():
        place = problem["loc"]
        path = ".".join(("mixture", *(str(part) for part in place)))
        if problem["type"] == "extra_forbidden":
            section = sections.get(str(place[0]), Mixture) if len(place) > 1 else Mixture
            hint = nearest(str(place[-1]), section.model_fields)
            if place[-1] == "temperature":
                hint = "it is called alpha here, and is 1 / temperature"
            yield f"unknown key '{path}': {hint}"
        else:
            yield f"{path}: {problem['msg'].removeprefix('Value error, ')}"


def _exact(number: float) -> Fraction:
    # Through its shortest text: 0.1 in a recipe means one tenth.
    return Fraction(repr(number))


def _ratio_parts(ratio: str, groups: tuple[str, ...]) -> dict[str, Fraction]:
    try:
        parts = [Fraction(part.strip()) for part in ratio.split(":")]
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f"ratio '{ratio}' is not numbers with colons between, like '3:1:3'"
        ) from None
    if len(parts) != len(groups):
        raise ValueError(f"ratio '{ratio}' has {len(parts)} parts for {len(groups)} groups")
    if min(parts) < 0:
        raise ValueError(f"ratio '{ratio}' has a part below 0")
    return dict(zip(groups, parts, strict=True))
