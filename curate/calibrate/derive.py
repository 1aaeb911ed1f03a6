"""A profile from clean text, tested on sources of it that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from curate.calibrate import ngram
from curate.calibrate.function_words import MIN_WORDS, function_words, scripts_and_letters
from curate.calibrate.held_out import Rejections, beyond_budget, doubts
from curate.calibrate.limits import Setter, measured
from curate.calibrate.methods import METHODS, Floats
from curate.calibrate.reference import Reference
from curate.errors import RecipeError, nearest
from curate.recipe.profile import DEFAULT, IdentifySection, PerplexitySection, Profile
from curate.signals.intervals import Share
from curate.signals.ngram_model import NgramModel
from curate.signals.perplexity import perplexity

#: Fewer documents than this do not show tails; a language should have hundreds.
MIN_DOCUMENTS: Final = 20

#: Shares of clean text that was held out, up to whose perplexity a text is in the head, the middle.
HEAD, MIDDLE = 0.9, 0.99

#: Characters of 50 English words with their spaces: the least document of Gopher.
_LEAST_CHARS: Final = 300

#: Scripts without spaces between words, where a character is a word.
_UNSPACED: Final = {"Thai", "Laoo", "Khmr", "Mymr", "Hani", "Hira", "Kana"}


@dataclass(frozen=True)
class Calibration:
    """A derived profile, and its effect on clean documents of sources that were held out.

    All documents that are long enough set its limits. Its false rejection is that of up to five
    profiles, each derived without some sources and tested on these.
    """

    profile: Profile
    extends: str
    changed: frozenset[str]  #: the rules that clean text set; the others are those of ``extends``
    documents: int
    duplicates: int  #: omitted
    domains: int  #: sources
    short: int  #: documents omitted, because every profile calls them too short
    calibrated_on: int
    in_blocks: str | None  #: the source that was held out in blocks, because it has most documents
    held_out: Share  #: the share of the documents that is rejected when its source is held out
    doubts: tuple[str, ...]  #: why the profile is not to be trusted
    rules: dict[str, float] = field(default_factory=dict)  #: false rejection by rule, if any
    sources: dict[str, Share] = field(default_factory=dict)  #: false rejection by source
    model: NgramModel | None = None  #: for perplexity, where it was wanted

    @property
    def false_rejection(self) -> float:
        """Share of the documents that is rejected when its source is held out."""
        return self.held_out.value or 0.0


def calibrate(
    lang: str,
    reference: Reference,
    *,
    parents: Mapping[str, Profile],
    method: str = "tail",
    share: float = 0.002,
    anchor: tuple[Profile, Sequence[str]] | None = None,
    duplicates: int = 0,
    model: str | None = None,
) -> Calibration:
    """Derive a profile from clean documents, and test it on sources that were held out.

    ``parents`` are the profiles that it may extend: ``_words`` where function words were found,
    ``_unspaced`` for scripts without spaces, else ``_default``. ``anchor`` is an English profile
    with clean English documents; ``mean_std`` and ``quantile`` need it. Where a method has no
    result (no anchor for a signal, no spread) the tail of ``share`` replaces it. ``duplicates``
    were left out before. With ``model``, an address, an n-gram model is trained, too, and the
    profile names it there, with cut points.

    Raise RecipeError for an unknown method and for fewer than twenty documents of a document's
    length.
    """
    if method not in METHODS:
        raise RecipeError(f"no method '{method}'", hint=nearest(method, METHODS))
    given = sum(map(len, reference.domains.values())) + duplicates
    reference = reference.distinct()
    different = len(reference.texts)
    if different < MIN_DOCUMENTS:
        raise RecipeError(
            f"{different} different clean documents are too few to calibrate on",
            hint=f"give at least {MIN_DOCUMENTS}; some hundreds of several sources are good",
        )
    scripts, _ = scripts_and_letters(reference.texts)
    unspaced = parents["_unspaced"] if scripts and scripts[0] in _UNSPACED else None
    least = _least_words(reference.texts, unspaced)
    long = _long(reference, least)
    if len(long.texts) < MIN_DOCUMENTS:
        raise RecipeError(
            f"{len(long.texts)} of {different} documents have the {least} words that a document"
            f" has; {MIN_DOCUMENTS} are the least to calibrate on",
            hint="give whole documents, not lines or sentences",
        )

    def derive(seen: Reference) -> tuple[Profile, Profile, frozenset[str]]:
        return _derive(lang, seen, least, parents, method, share, anchor)

    rejections, perplexities = Rejections(), []
    for seen, unseen in long.folds():
        rejections.add(derive(seen)[0], unseen)
        if model is not None:
            held = pa.array(unseen.texts, pa.large_string())
            perplexities.append(perplexity(*ngram.train(lang, seen.texts).costs(held)))
    profile, parent, changed = derive(long)
    trained = None
    if model is not None:
        trained = ngram.train(lang, long.texts)
        profile = profile.model_copy(
            update={"perplexity": _cut_points(model, np.concatenate(perplexities))}
        )
    reasons = doubts(long) + beyond_budget(rejections)
    short = different - len(long.texts)
    if 10 * short > different:
        reasons.append(
            f"{short} of {different} documents are below the {least} words that it asks for"
        )
    return Calibration(
        profile=profile,
        extends=parent.name,
        changed=changed,
        documents=given,
        duplicates=given - different,
        domains=len(reference.domains),
        short=short,
        calibrated_on=len(long.texts),
        in_blocks=long.in_blocks,
        held_out=rejections.share,
        doubts=tuple(reasons),
        rules=rejections.by_rule,
        sources=rejections.sources,
        model=trained,
    )


def _derive(
    lang: str,
    seen: Reference,
    least: int,
    parents: Mapping[str, Profile],
    method: str,
    share: float,
    anchor: tuple[Profile, Sequence[str]] | None,
) -> tuple[Profile, Profile, frozenset[str]]:
    """Return a profile, the one that it extends, and the names of the rules that it sets."""
    scripts, letters = scripts_and_letters(seen.texts)
    without_spaces = bool(scripts) and scripts[0] in _UNSPACED
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
    return profile, parent, frozenset(derived)


def _cut_points(model: str, perplexities: Floats) -> PerplexitySection:
    """Return the section of a profile whose cut points most clean text is below."""
    known = perplexities[~np.isnan(perplexities)]
    head, middle = np.ceil(np.quantile(known, [HEAD, MIDDLE], method="higher") * 100) / 100
    return PerplexitySection(model=model, head=float(head), middle=float(middle))


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
    return reference.only({text for text, is_long in zip(texts, enough) if is_long})
