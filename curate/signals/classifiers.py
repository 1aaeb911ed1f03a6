"""Classifiers of the user's: any number by name, each a signal of that name.

A classifier is a file of `curate train`, a fastText model, a linear head on embeddings, or the
highest score of others. A label is a probability; without one the best label is a category, a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from curate import schema
from curate.errors import CurateError, RecipeError, nearest
from curate.kernels.arrow import buffers
from curate.recipe.profile import Classifiers, ClassifierSection, Profiles, place_of
from curate.signals import BUCKET, SIGNALS, column

if TYPE_CHECKING:
    from curate.signals.page_model import Measure

#: The ending of the files of `curate train` that are not fastText's.
SUFFIX: Final = ".npz"
#: The labels of a file of `curate train`, whose score needs no label to be named.
GOOD: Final = ("good",)


#: What the signal of a classifier is. Means of ranks are not measured, but by the stage `rank`.
SCORE, CATEGORY, MEAN_RANK = "score", "category", "mean of ranks"


def kinds(profiles: Profiles) -> dict[str, str]:
    """Return what each classifier's signal is: a score, a category, or a mean of ranks.

    Raise RecipeError where a model cannot be read, has not the label, or is something else in
    another profile.
    """
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    every = profiles.by_name.values()
    for profile in every:
        for name, section in profile.classifiers.items():
            # The recipe's stand in each profile.
            common = len(every) > 1 and all(one.classifiers.get(name) is section for one in every)
            where = ("" if common else f"{place_of(profile.name)}: ") + f"classifiers.{name}"
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
                    where=f"{place_of(profile.name)}: rules.{rule_name}",
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
        labels = _checked_labels(section, where)
        return SCORE if section.label or not labels or labels is GOOD else CATEGORY
    for member in section.max or section.mean_rank:
        of = others.get(member)
        if of is None or not (of.model or (of.max and section.mean_rank)):
            scored = [other for other, each in others.items() if each.model]
            raise RecipeError(
                f"no classifier '{member}' with a model", where=where, hint=nearest(member, scored)
            )
        if of.model and _kind(member, of, others, where) == CATEGORY:
            raise RecipeError(
                f"'{member}' is a category, and has no score",
                where=where,
                hint=f'name a label in [classifiers.{member}]: label = "..."',
            )
    return SCORE if section.max else MEAN_RANK


def _checked_labels(section: ClassifierSection, where: str) -> Sequence[str]:
    """Return a model's labels. Raise RecipeError where its file is none, or has not the label."""
    labels, label = _labels(section, where), section.label.removeprefix("__label__")
    if label and label not in labels:
        raise RecipeError(
            f"the model '{section.model}' has no label '{section.label}'",
            where=where,
            hint=nearest(label, labels) if labels else "it has one output: leave label out",
        )
    return labels


def _labels(section: ClassifierSection, where: str) -> Sequence[str]:
    from curate.langid.fasttext import model as models
    from curate.signals import heads, page_model

    hint: str | None = (
        f"a {SUFFIX} or .bin file of `curate train`, or a fastText .bin or .ftz file: a path,"
        " hf://owner/repository/file or an fsspec address"
    )
    try:
        if section.embedding:
            hint = None
            heads.check_embedding(section.embedding)
            return heads.load(section.model).labels
        if section.model.endswith(SUFFIX):
            page_model.load(section.model)
            return GOOD
        return models.labels_of(section.model)
    except CurateError as error:
        raise RecipeError(
            f"cannot use the model '{section.model}': {error.what}",
            where=where,
            hint=hint or error.hint,
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
    by_model: dict[tuple[str, str, int], dict[str, ClassifierSection]] = {}
    for name, section in classifiers.items():
        if section.model:
            model = (section.model, section.embedding, section.max_tokens)
            by_model.setdefault(model, {})[name] = section
    for sections in by_model.values():
        found |= _of_model(texts, sections, lists, measure)
    for name, section in classifiers.items():
        if section.max:
            members = [np.asarray(found[column(one)], np.float64) for one in section.max]
            best = np.fmax.reduce(members)
            found[column(name)] = pa.array(best, mask=np.isnan(best))
    return {column(name): found[column(name)] for name in classifiers if column(name) in found}


def _of_model(
    texts: pa.LargeStringArray,
    sections: Mapping[str, ClassifierSection],
    lists: Mapping[str, Sequence[str]],
    measure: Measure,
) -> dict[str, pa.Array]:
    """Return the columns of the classifiers of one model, which reads each text once."""
    from curate.langid.fasttext import model as models
    from curate.signals import heads, page_model

    first = next(iter(sections.values()))
    data, offsets = buffers(texts)
    names = dict.fromkeys(one.label.removeprefix("__label__") for one in sections.values())
    wanted = [label for label in names if label]
    labels: Sequence[str] = ()
    if first.embedding:
        head = heads.load(first.model)
        labels = head.labels
        every = head.scores(texts, first.embedding, first.max_tokens)
        best = np.where(np.isnan(every[:, 0]), -1, every.argmax(axis=1))
        values = every if not labels else every[:, [labels.index(label) for label in wanted]]
    elif first.model.endswith(SUFFIX):
        lang = next(iter(lists.get("language", ())), "")
        values = page_model.load(first.model).scores(texts, lists, lang, measure)[:, None]
    else:
        model = models.load(first.model)
        labels = model.labels
        two, _, values = model.score(data, offsets, [labels.index(label) for label in wanted])
        best = two[:, 0].astype(np.int64)
    empty = np.diff(offsets) == 0
    columns: dict[str, pa.Array] = {}
    for name, section in sections.items():
        if labels and not section.label:
            known = pa.array(best, mask=empty | (best < 0))
            columns[column(name)] = pa.array(labels, pa.string()).take(known)
        else:
            at = wanted.index(section.label.removeprefix("__label__")) if labels else 0
            score = values[:, at]
            columns[column(name)] = pa.array(score, mask=empty | np.isnan(score))
    return columns


def digest(section: ClassifierSection) -> str:
    """Return the digest of a model's file, and of the embedding that it is a head on."""
    from curate.dedup.embedding import identity
    from curate.langid.fasttext import model as models
    from curate.signals import heads, page_model

    if section.embedding:
        name = None if section.embedding == heads.CHARACTERS else section.embedding
        return f"{heads.digest(section.model)} {identity(name)}"
    if section.model.endswith(SUFFIX):
        return page_model.digest(section.model)
    return models.digest(section.model)
