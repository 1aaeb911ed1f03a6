"""A profile from clean text, tested on the half of it that set no limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from curate.calibrate.function_words import MIN_WORDS, function_words, scripts_and_letters
from curate.calibrate.limits import Setter, measured
from curate.calibrate.methods import METHODS
from curate.calibrate.reference import Reference
from curate.errors import RecipeError, nearest
from curate.recipe.profile import DEFAULT, IdentifySection, Profile
from curate.signals.verdict import check_profile

#: Fewer documents than this do not show tails; a language should have hundreds.
MIN_DOCUMENTS: Final = 10

#: Characters of 50 English words with their spaces: the least document of Gopher.
_LEAST_CHARS: Final = 300

#: Scripts without spaces between words, where a character is a word.
_UNSPACED: Final = {"Thai", "Laoo", "Khmr", "Mymr", "Hani", "Hira", "Kana"}


@dataclass(frozen=True)
class Calibration:
    """A derived profile, and its effect on the clean documents that it has not seen."""

    profile: Profile
    extends: str
    changed: frozenset[str]  #: the rules that clean text set; the others are those of ``extends``
    documents: int
    domains: int
    short: int  #: documents omitted, because every profile calls them too short
    calibrated_on: int
    held_out: int
    false_rejection: float
    rules: dict[str, float] = field(default_factory=dict)  #: false rejection by rule, if any


def calibrate(
    lang: str,
    reference: Reference,
    *,
    parents: Mapping[str, Profile],
    method: str = "tail",
    share: float = 0.002,
    anchor: tuple[Profile, Sequence[str]] | None = None,
) -> Calibration:
    """Derive a profile from clean documents: half of them, by hash, set it, the others test it.

    ``parents`` are the profiles that it may extend: ``_words`` where function words were found,
    ``_unspaced`` for scripts without spaces, else ``_default``. ``anchor`` is an English profile
    with clean English documents; ``mean_std`` and ``quantile`` need it. Where a method has no
    result (no anchor for a signal, no spread) the tail of ``share`` replaces it.

    Raise RecipeError for an unknown method and for fewer than ten documents.
    """
    if method not in METHODS:
        raise RecipeError(f"no method '{method}'", hint=nearest(method, METHODS))
    texts = reference.texts
    if len(texts) < MIN_DOCUMENTS:
        raise RecipeError(
            f"{len(texts)} clean documents are too few to calibrate on",
            hint=f"give at least {MIN_DOCUMENTS}; some hundreds in several domains are good",
        )
    scripts, letters = scripts_and_letters(reference.half(0).texts)
    without_spaces = bool(scripts) and scripts[0] in _UNSPACED
    least = _least_words(texts, parents["_unspaced"] if without_spaces else None)
    seen, unseen = (_long(reference.half(which), least) for which in (0, 1))
    if min(len(seen.texts), len(unseen.texts)) < MIN_DOCUMENTS // 2:
        raise RecipeError(
            f"{len(seen.texts) + len(unseen.texts)} of {len(texts)} documents have the"
            f" {least} words that a document has",
            hint="give whole documents, not lines or sentences",
        )
    stop_words = function_words(list(seen.domains.values()))
    lists = {"stop_words": stop_words} if len(stop_words) >= MIN_WORDS else {}
    name = "_unspaced" if without_spaces else "_words" if lists and scripts else DEFAULT
    parent = parents[name]
    base = parent.model_copy(
        update={
            "name": lang,
            "describes": f"{lang}, calibrated",
            "identify": IdentifySection(
                min_score=parent.identify.min_score, scripts=scripts, letters=letters
            ),
            "lists": lists,
        }
    )
    setter = Setter(base, seen, method, share, anchor)
    derived = {**setter.most(), **setter.least()}
    if not without_spaces:
        derived |= setter.shape(least)
    profile = base.model_copy(update={"rules": {**parent.rules, **derived}})
    rejected = check_profile(profile, unseen.texts)
    total = rejected.pop("any")
    return Calibration(
        profile=profile,
        extends=parent.name,
        changed=frozenset(derived),
        documents=len(texts),
        domains=len(reference.domains),
        short=len(texts) - len(seen.texts) - len(unseen.texts),
        calibrated_on=len(seen.texts),
        held_out=len(unseen.texts),
        false_rejection=total,
        rules={name: value for name, value in rejected.items() if value},
    )


def _least_words(texts: Sequence[str], unspaced: Profile | None) -> int:
    """Return the least words of a document: as many characters as Gopher's 50 English words."""
    known = unspaced.rules.get("too_few_words") if unspaced else None
    if known and known.min is not None:
        return int(known.min)
    size = measured(None, texts, ["n_chars", "n_words"])
    width = float(np.nanmedian(size["n_chars"] / np.maximum(size["n_words"], 1)))
    return max(20, 5 * round(_LEAST_CHARS / width / 5))


def _long(reference: Reference, least: int) -> Reference:
    """Omit what every profile calls too short, because it shows nothing about the language."""
    texts = reference.texts
    enough = measured(None, texts, ["n_words"])["n_words"] >= least
    long = {text for text, is_long in zip(texts, enough) if is_long}
    kept = {name: [t for t in known if t in long] for name, known in reference.domains.items()}
    return Reference({name: known for name, known in kept.items() if known})
