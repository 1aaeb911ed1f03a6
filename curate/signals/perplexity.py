"""Signals by an n-gram model of clean text of the language, which `curate calibrate` trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from curate.recipe.profile import BUCKETS, Profile, Profiles
from curate.signals.formula import Categories, Floats, Integers

#: The counts of the signals, and what the profile has to bind for each: a model's address, and the
#: cut points of head and middle.
LISTS: Final = {
    "character_costs": "perplexity",
    "spelled_characters": "perplexity",
    "perplexity_buckets": "perplexity_cut_points",
}


def perplexity(character_costs: Integers, spelled_characters: Integers) -> Floats:
    """Perplexity per character, by a model of clean text: 4 is as unsure as four equal choices.

    The profile names the model: ``[perplexity]`` with ``model``, the .npz file of
    `curate calibrate --perplexity`. Letter case does not matter, all digits are one, and a run of
    white space is one space. Undefined for a text of white space alone, and without a model.
    Why: keywords, boilerplate, mojibake and other languages surprise a model of clean text.
    Wrong: only texts of one language and one model compare: four is much in Finnish and little in
    Chinese. Names, verse and subjects that the clean text has not are surprising too, and text that
    repeats itself is not, so a very low value is no good sign either. Short texts vary most.
    Source: CCNet (arXiv:1911.00359), with pieces of words instead of characters.

    >>> import numpy as np
    >>> perplexity(np.array([1_386_294, 0]), np.array([1, 0])).round(3)
    array([ 4., nan])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            spelled_characters > 0, np.exp(character_costs / 1e6 / spelled_characters), np.nan
        )


def perplexity_bucket(perplexity_buckets: Categories) -> Categories:
    """Bucket of the perplexity: ``head``, ``middle`` or ``tail``.

    The cut points are ``head`` and ``middle`` of the profile's ``[perplexity]``: a text at a cut
    point is in the better bucket. `curate calibrate --perplexity` sets them so that 90 % of clean
    text of sources that the model has not seen is in the head, and 99 % in the head or the middle.
    A rule on it has ``allowed`` or ``refused``. Undefined where the perplexity is, and without cut
    points.
    Why: groups of a mixture can take more of the text that is like clean text.
    Wrong: as the perplexity: the head is what the clean text is about, and its style.
    Source: CCNet, whose cut points divide a crawl into thirds instead.
    """
    return perplexity_buckets


def counts(
    texts: pa.LargeStringArray, lists: Mapping[str, Sequence[str]]
) -> dict[str, Integers | Categories]:
    """Return the counts of both signals, by the profile's model and cut points."""
    from curate.signals import ngram_model  # compiles kernels

    costs, lengths = ngram_model.load(lists["perplexity"][0]).costs(texts)
    known: dict[str, Integers | Categories] = {
        "character_costs": costs,
        "spelled_characters": lengths,
    }
    cut_points = lists.get("perplexity_cut_points")
    if cut_points:
        values = perplexity(costs, lengths)
        place = np.searchsorted(np.array(cut_points, np.float64), values, side="left")
        named = np.array(BUCKETS, object)[np.minimum(place, len(BUCKETS) - 1)]
        named[np.isnan(values)] = None
        known["perplexity_buckets"] = named
    return known


def of_profile(profile: Profile) -> list[str]:
    """Return the signals of the model that a profile names."""
    section = profile.perplexity
    named = ["perplexity"] if section.model else []
    return named + (["perplexity_bucket"] if section.head is not None else [])


def lists_of(profile: Profile) -> dict[str, tuple[str, ...]]:
    """Return what the signals need of a profile: its model's address and its cut points."""
    section = profile.perplexity
    bound: dict[str, tuple[str, ...]] = {}
    if section.model:
        bound["perplexity"] = (section.model,)
    if section.head is not None and section.middle is not None:
        bound["perplexity_cut_points"] = (repr(section.head), repr(section.middle))
    return bound


def digests(profiles: Profiles) -> list[str]:
    """Return the digests of the models that the profiles name, in the order of their names.

    Raise RecipeError where a file is no model.
    """
    named = [profile.perplexity.model for _, profile in sorted(profiles.by_name.items())]
    if not any(named):
        return []
    from curate.signals import ngram_model  # compiles kernels

    return [ngram_model.digest(address) for address in named if address]
