"""What profiles reject of clean text by source, and reasons to doubt what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from curate.calibrate.limits import measured
from curate.calibrate.reference import Reference
from curate.recipe.profile import Profile
from curate.signals.intervals import Share, wilson
from curate.signals.verdict import check_profile, of_texts

#: False rejection that a profile may have.
BUDGET: Final = 0.02
#: By the rule of three, fewer documents cannot show that the false rejection is within the budget.
ENOUGH: Final = round(3 / BUDGET)


@dataclass
class Rejections:
    """How many clean documents rules reject, by source and by rule."""

    documents: Counter[str] = field(default_factory=Counter)  #: by source
    rejected: Counter[str] = field(default_factory=Counter)  #: by source
    rules: Counter[str] = field(default_factory=Counter)  #: by rule

    def add(self, profile: Profile, reference: Reference) -> None:
        """Judge documents by a profile."""
        profile = of_texts(profile)  # what it warns of, it warns of once
        for source, texts in reference.domains.items():
            shares = check_profile(profile, texts)
            self.documents[source] += len(texts)
            self.rejected[source] += round(shares.pop("any") * len(texts))
            self.rules.update({rule: round(share * len(texts)) for rule, share in shares.items()})

    @property
    def share(self) -> Share:
        """The share that is rejected, with its interval."""
        return wilson(self.rejected.total(), self.documents.total())

    @property
    def sources(self) -> dict[str, Share]:
        """The share of each source, the highest first."""
        shares = {n: wilson(self.rejected[n], many) for n, many in self.documents.items()}
        return dict(sorted(shares.items(), key=lambda one: (-(one[1].value or 0), one[0])))

    @property
    def by_rule(self) -> dict[str, float]:
        """The share that each rule rejects, the highest first, without rules that reject none."""
        total = max(1, self.documents.total())
        return {rule: count / total for rule, count in self.rules.most_common() if count}


def doubts(reference: Reference) -> list[str]:
    """Return why clean documents say little about a profile."""
    texts = reference.texts
    total, found = len(texts), []
    if total < ENOUGH:
        found.append(
            f"{total} documents are few: even if none is rejected, of other text it may be"
            f" {wilson(0, total).high:.1%}; {ENOUGH} are enough"
        )
    dominant = reference.in_blocks
    if len(reference.domains) == 1:
        found.append("all are of one source")
    elif dominant is not None:
        found.append(f"{len(reference.domains[dominant])} of {total} are of {dominant}")
    words = measured(None, texts, ["n_words"])["n_words"]
    low, high = np.quantile(words, [0.05, 0.95])
    if high < 2 * low:
        found.append(f"nine in ten have {low:.0f} to {high:.0f} words: other lengths are untested")
    sizes, few = sorted(map(len, texts), reverse=True), total // 20
    if few and 2 * sum(sizes[:few]) > sum(sizes):
        found.append(f"{few} of {total} documents are more than half of the text")
    return found


def beyond_budget(rejections: Rejections, budget: float = BUDGET) -> list[str]:
    """Return how much more clean text is rejected than allowed, of all or of one source."""
    share = rejections.share
    if share.value is not None and share.value > budget:
        return [f"{share.value:.1%} of clean text is rejected, {budget:.1%} are allowed"]
    return [
        f"{one.value:.1%} of {source} is rejected, {budget:.1%} are allowed"
        for source, one in rejections.sources.items()
        if one.low > budget
    ][:1]
