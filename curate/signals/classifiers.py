"""Classifiers of the user's: any number by name, each a signal of that name.

A classifier is a file of `curate train`, a fastText model, or the highest score of others. A label
of a fastText model is a probability; without a label the best one is a category, a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from curate import schema
from curate.errors import CurateError, RecipeError, nearest
from curate.kernels.arrow import buffers
from curate.recipe.profile import Classifiers, ClassifierSection, Profiles
from curate.signals import BUCKET, SIGNALS, column

if TYPE_CHECKING:
    from curate.signals.page_model import Measure

#: The ending of the files of `curate train` that are not fastText's.
SUFFIX: Final = ".npz"
#: The only label of a file of `curate train`.
GOOD: Final = "good"


#: What the signal of a classifier is. Means of ranks are not measured, but by the stage `rank`.
SCORE, CATEGORY, MEAN_RANK = "score", "category", "mean of ranks"


def kinds(profiles: Profiles) -> dict[str, str]:
    """Return what each classifier's signal is: a score, a category, or a mean of ranks.

    Raise RecipeError where a model cannot be read, has not the label, or is something else in
    another profile.
    """
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    for profile in profiles.by_name.values():
        for name, section in profile.classifiers.items():
            where = f"filters/{profile.name}.toml: classifiers.{name}"
            kind = _kind(name, section, profile.classifiers, where)
            if found.setdefault(name, kind) != kind:
                raise RecipeError(
                    f"'{name}' is a {kind} here and a {found[name]} in '{first[name]}'",
                    where=where,
                    hint="make it the same in both, or give one another name",
                )
            first.setdefault(name, profile.name)
        for rule_name, rule in profile.rules.items():
            limits = rule.min is not None or rule.max is not None
            if limits and found.get(rule.signal) == CATEGORY:
                raise RecipeError(
                    f"the signal '{rule.signal}' is a category, and the rule sets limits",
                    where=f"filters/{profile.name}.toml: rules.{rule_name}",
                    hint=f'name a label in [classifiers.{rule.signal}]: label = "..."',
                )
    return dict(sorted(found.items()))


def _kind(name: str, section: ClassifierSection, others: Classifiers, where: str) -> str:
    if name in SIGNALS or name in schema.NUMBERS or name.endswith(BUCKET):
        raise RecipeError(
            f"'{name}' is the name of a signal of curate's",
            where=where,
            hint=f"give the classifier another name, such as 'own_{name.removesuffix(BUCKET)}'",
        )
    if section.model:
        _check_label(section, where)
        return SCORE if section.label or _of_pages(section) else CATEGORY
    for member in section.max or section.mean_rank:
        of = others.get(member)
        if of is None or not (of.model or (of.max and section.mean_rank)):
            scored = [other for other, each in others.items() if each.model]
            raise RecipeError(
                f"no classifier '{member}' with a model", where=where, hint=nearest(member, scored)
            )
        if of.model and not of.label and not _of_pages(of):
            raise RecipeError(
                f"'{member}' is a category, and has no score",
                where=where,
                hint=f'name a label in [classifiers.{member}]: label = "..."',
            )
    return SCORE if section.max else MEAN_RANK


def _of_pages(section: ClassifierSection) -> bool:
    return section.model.endswith(SUFFIX)


def _check_label(section: ClassifierSection, where: str) -> None:
    """Raise RecipeError where a model's file is none, or has not the label."""
    labels = _labels(section, where)
    if section.label and section.label.removeprefix("__label__") not in labels:
        raise RecipeError(
            f"the model '{section.model}' has no label '{section.label}'",
            where=where,
            hint=nearest(section.label.removeprefix("__label__"), labels),
        )


def _labels(section: ClassifierSection, where: str) -> Sequence[str]:
    from curate.langid.fasttext import model as models
    from curate.signals import page_model

    try:
        if _of_pages(section):
            page_model.load(section.model)
            return (GOOD,)
        return models.labels_of(section.model)
    except CurateError as error:
        raise RecipeError(
            f"cannot use the model '{section.model}': {error.what}",
            where=where,
            hint=f"a {SUFFIX} or .bin file of `curate train`, or a fastText .bin or .ftz file: a"
            " path, hf://owner/repository/file or an fsspec address",
        ) from None


def scores(
    texts: pa.LargeStringArray,
    classifiers: Mapping[str, ClassifierSection],
    lists: Mapping[str, Sequence[str]],
    measure: Measure,
) -> dict[str, pa.Array]:
    """Return the column ``signal_<name>`` of each classifier of a profile, null where undefined.

    Those that are a mean of ranks are left out: they need all documents.

    A score is undefined for the empty text, and for a category of a text in which the model knows
    nothing. ``lists`` are those of the profile, which models of `curate train` measure with.
    """
    found: dict[str, pa.Array] = {}
    by_model: dict[str, list[str]] = {}
    for name, section in classifiers.items():
        if section.model:
            by_model.setdefault(section.model, []).append(name)
    for address, names in by_model.items():
        found |= _of_model(
            texts, address, {name: classifiers[name] for name in names}, lists, measure
        )
    for name, section in classifiers.items():
        if section.max:
            members = [np.asarray(found[column(one)], np.float64) for one in section.max]
            best = np.fmax.reduce(members)
            found[column(name)] = pa.array(best, mask=np.isnan(best))
    return {column(name): found[column(name)] for name in classifiers if column(name) in found}


def _of_model(
    texts: pa.LargeStringArray,
    address: str,
    sections: Mapping[str, ClassifierSection],
    lists: Mapping[str, Sequence[str]],
    measure: Measure,
) -> dict[str, pa.Array]:
    """Return the columns of the classifiers of one model, which reads each text once."""
    from curate.langid.fasttext import model as models
    from curate.signals import page_model

    if address.endswith(SUFFIX):
        lang = next(iter(lists.get("language", ())), "")
        values = page_model.load(address).scores(texts, lists, lang, measure)
        return {column(name): pa.array(values, mask=np.isnan(values)) for name in sections}
    model = models.load(address)
    data, offsets = buffers(texts)
    wanted = [
        model.labels.index(section.label.removeprefix("__label__"))
        for section in sections.values()
        if section.label
    ]
    labels, _, values = model.score(data, offsets, wanted)
    empty = np.diff(offsets) == 0
    values[empty] = np.nan
    known = pa.array(labels[:, 0], mask=empty | (labels[:, 0] < 0))
    columns: dict[str, pa.Array] = {}
    place = 0
    for name, section in sections.items():
        if section.label:
            of_label = values[:, place]
            columns[column(name)] = pa.array(of_label, mask=np.isnan(of_label))
            place += 1
        else:
            columns[column(name)] = pa.array(model.labels, pa.string()).take(known)
    return columns


def digest(address: str) -> str:
    """Return the digest of a model's file."""
    from curate.langid.fasttext import model as models
    from curate.signals import page_model

    return page_model.digest(address) if address.endswith(SUFFIX) else models.digest(address)
