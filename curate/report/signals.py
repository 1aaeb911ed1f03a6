"""The histograms of signals that judging counted, with the limits that they were judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.protocol.bins import lower_edge
from curate.protocol.ledger import StageCounts
from curate.protocol.tallies import UNDEFINED, histograms


@dataclass(frozen=True)
class Histogram:
    """The values of one signal among the documents that one profile judged."""

    signal: str
    rules: tuple[str, ...]
    min: float | None  #: the narrowest limits of the rules
    max: float | None
    bins: tuple[tuple[int, int], ...]  #: (bin of `protocol.bins`, documents), in order
    undefined: int
    dropped: int  #: documents, of the language of the profile's name, that these rules dropped

    @property
    def documents(self) -> int:
        """Documents that have a value."""
        return sum(count for _, count in self.bins)

    def quantile(self, share: float) -> float | None:
        """Return the value that a share of the documents does not exceed, rounded down to its bin.

        >>> one = Histogram("n_words", ("short",), 50, None, ((40, 1), (62, 2), (92, 1)), 0, 1)
        >>> one.documents, one.quantile(0.5), one.quantile(1)
        (4, 7.0, 96.0)
        """
        rank, seen = share * self.documents, 0
        for bin, count in self.bins:
            if seen + count >= rank:
                return lower_edge(bin)
            seen += count
        return None


@dataclass(frozen=True)
class Judged:
    """What one profile judged: the rows of a stage that judges."""

    stage: str
    profile: str
    histograms: tuple[Histogram, ...]  #: most dropped first

    @property
    def documents(self) -> int:
        """Documents that the profile judged."""
        return max((one.documents + one.undefined for one in self.histograms), default=0)


def judged(
    stages: Sequence[tuple[str, StageCounts]], facts: Mapping[str, Any]
) -> tuple[Judged, ...]:
    """Return the histograms of each stage and profile, most documents first."""
    found = []
    for stage, counts in stages:
        limits = facts.get(stage, {}).get("limits", {})
        for profile, signals in histograms(counts.tally).items():
            rules: dict[str, list[tuple[str, float | None, float | None]]] = {}
            for rule, (signal, low, high) in limits.get(profile, {}).items():
                rules.setdefault(signal, []).append((rule, low, high))
            dropped: dict[str, int] = {}
            for (_, lang, rule), amount in counts.dropped.items():
                if lang == profile:
                    dropped[rule] = dropped.get(rule, 0) + amount.documents
            of_profile = [
                _histogram(signal, rules.get(signal, []), bins, dropped)
                for signal, bins in signals.items()
            ]
            of_profile.sort(key=lambda one: (-one.dropped, one.signal))
            found.append(Judged(stage, profile, tuple(of_profile)))
    return tuple(sorted(found, key=lambda one: (-one.documents, one.stage, one.profile)))


def _histogram(
    signal: str,
    rules: Sequence[tuple[str, float | None, float | None]],
    bins: Mapping[str, int],
    dropped: Mapping[str, int],
) -> Histogram:
    names = tuple(rule for rule, _, _ in rules)
    return Histogram(
        signal,
        names,
        max((low for _, low, _ in rules if low is not None), default=None),
        min((high for _, _, high in rules if high is not None), default=None),
        tuple(sorted((int(bin), count) for bin, count in bins.items() if bin != UNDEFINED)),
        bins.get(UNDEFINED, 0),
        sum(dropped.get(rule, 0) + dropped.get(f"{rule}_undefined", 0) for rule in names),
    )
