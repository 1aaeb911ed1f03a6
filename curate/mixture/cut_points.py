"""From targets to cuts: which interval of *u* each phase takes from each leaf.

The documents of a leaf are ordered by *u*, pass after pass. The leaves of a group are merged into
one order: the place of a document is the amount of the *group* at which its own leaf, keeping its
share of the composition, is half through the document. A phase ends at the document boundary of
this order that is nearest to its target. So a group, and not only each leaf, is within half a
document of its target at every phase's end; the order does not depend on budgets, so a larger
budget takes a superset; and neither depends on how documents are spread over shards.

A histogram over 65,536 bins of *u* shows where a cut can lie; only the documents of those bins are
read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor

import numpy as np
import numpy.typing as npt

from curate.errors import InternalError
from curate.mixture.allocation import Available
from curate.mixture.targets import solve
from curate.recipe.mixture import Leaf, Mixture

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
UInt64 = npt.NDArray[np.uint64]

BIN_BITS = 16
_LAST = (1 << 64) - 1


@dataclass(frozen=True)
class LeafCounts:
    """The documents of one leaf in order of *u*, alone or counted in runs, with all copies.

    ``first`` and ``last`` are the smallest and largest *u* of a run, both inclusive.
    """

    first: UInt64
    last: UInt64
    documents: Int64
    amount: Int64
    tokens: Int64
    largest: Int64
    once: Int64

    @property
    def available(self) -> Available:
        """The sums over all runs."""
        names = ("documents", "amount", "tokens", "once")
        sums = {name: int(getattr(self, name).sum()) for name in names}
        return Available(**sums, largest=int(self.largest.max(initial=0)))


@dataclass(frozen=True)
class Interval:
    """The documents of a leaf with ``first <= u <= last`` are taken in a phase, on one pass."""

    leaf: Leaf
    phase: str
    epoch: int
    first: int
    last: int


@dataclass(frozen=True)
class Taken:
    """What a phase takes from a leaf; ``reused`` is the amount that an earlier phase took too."""

    documents: int
    amount: int
    tokens: int
    largest: int
    reused: int


def bin_edges(bins: Int64, shift: int = 0) -> tuple[UInt64, UInt64]:
    """Return the first and the last *u* of each bin; a bin represents ``2 ** shift`` of them."""
    first = bins.astype(np.uint64) << np.uint64(64 - BIN_BITS)
    return first, first + np.uint64((1 << (64 - BIN_BITS + shift)) - 1)


def bin_of(u: UInt64) -> Int64:
    """Return the bin of each *u*."""
    return (u >> np.uint64(64 - BIN_BITS)).astype(np.int64)


def cut_bins(mixture: Mixture, histogram: Mapping[Leaf, LeafCounts]) -> dict[Leaf, Int64]:
    """Return the bins whose documents must be read one by one, because a cut may lie among them.

    Where bins were merged, the first of them is returned. The documents of these bins come to at
    most a few times the group's largest documents, however large the leaf.
    """
    found: dict[Leaf, Int64] = {}
    for merged in _merged_orders(mixture, histogram):
        for target in sorted({amount for interval in merged.intervals for amount in interval}):
            low, high = merged.window(target)
            for runs in merged.leaves:
                bins = bin_of(runs.counts.first[runs.touching(low, high)])
                found[runs.leaf] = np.union1d(found.get(runs.leaf, bins), bins)
    return found


def refine(coarse: LeafCounts, bins: Int64, fine: LeafCounts) -> LeafCounts:
    """Replace whole bins of a histogram by the documents that they consist of."""
    kept = ~np.isin(bin_of(coarse.first), bins)
    both = [
        np.concatenate([getattr(coarse, name)[kept], getattr(fine, name)])
        for name in ("first", "last", "documents", "amount", "tokens", "largest", "once")
    ]
    order = np.argsort(both[0], kind="stable")
    return LeafCounts(*(column[order] for column in both))


def cut(
    mixture: Mixture, documents: Mapping[Leaf, LeafCounts]
) -> tuple[list[Interval], dict[tuple[str, Leaf], Taken]]:
    """Cut every leaf for every phase; ``documents`` is the histogram with the cut bins refined."""
    intervals: list[Interval] = []
    taken: dict[tuple[str, Leaf], Taken] = {}
    names = [phase.name for phase in mixture.schedule()]
    for merged in _merged_orders(mixture, documents):
        reached = dict.fromkeys((runs.leaf for runs in merged.leaves), 0)
        for phase, (start, end) in zip(names, merged.intervals, strict=True):
            starts, ends = merged.ends(start), merged.ends(end)
            for runs in merged.leaves:
                leaf = runs.leaf
                spans = list(runs.spans(starts[leaf], ends[leaf]))
                intervals += [runs.interval(phase, *span) for span in spans]
                taken[phase, leaf] = runs.sum(spans, reached[leaf])
                reached[leaf] = max(reached[leaf], ends[leaf])
    return intervals, taken


@dataclass(frozen=True)
class _LeafRuns:
    """One leaf's documents in the merged order of its group."""

    leaf: Leaf
    counts: LeafCounts
    share: float  #: of the group
    passes: int

    @cached_property
    def before(self) -> Int64:
        """The amount of the leaf before each run; one more at the end: all of it."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts.amount)])

    @property
    def most(self) -> int:
        """The amount of the leaf on all passes."""
        return int(self.before[-1]) * self.passes

    @property
    def is_idle(self) -> bool:
        """Whether nothing is taken, although something is available."""
        return self.share == 0 and self.most > 0

    def places(self, epoch: int) -> Float64:
        """Return the place of each run's middle in the merged order, on a pass from 0."""
        middle: Float64 = epoch * self.before[-1] + (self.before[:-1] + self.before[1:]) / 2
        # A leaf of documents without content costs nothing: its place is the beginning.
        return np.divide(middle, self.share or 1.0)

    def touching(self, low: float, high: float) -> Int64:
        """Return the runs with a document that may lie between two places of the merged order."""
        if self.is_idle or not self.share or not len(self.counts.amount):
            return np.empty(0, np.int64)
        largest, whole = int(self.counts.largest.max()), int(self.before[-1])
        first, last = low * self.share - largest, min(high * self.share, self.most) + largest
        hit = np.zeros(len(self.counts.amount), bool)
        for epoch in range(max(0, int(first // whole)), min(self.passes, int(last // whole) + 1)):
            ends_late = self.before[1:] + epoch * whole >= first
            hit |= ends_late & (self.before[:-1] + epoch * whole <= last)
        return np.flatnonzero(hit)

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield an interval of runs, numbered through all passes, cut at the ends of passes."""
        runs = len(self.counts.amount)
        while start < end:
            epoch, at = divmod(start, runs)
            stop = min(runs, end - epoch * runs)
            yield epoch, at, stop
            start = epoch * runs + stop

    def interval(self, phase: str, epoch: int, at: int, stop: int) -> Interval:
        """Return the *u* of runs ``at`` to ``stop``; a gap after a run belongs to that run."""
        first = self.counts.first
        return Interval(
            leaf=self.leaf,
            phase=phase,
            epoch=epoch + 1,
            first=int(first[at]) if at else 0,
            last=int(first[stop]) - 1 if stop < len(first) else _LAST,
        )

    def sum(self, spans: list[tuple[int, int, int]], reached: int) -> Taken:
        """Add up the runs of spans; earlier phases took the first ``reached`` runs."""

        def total(column: Int64) -> int:
            return sum(int(column[at:stop].sum()) for _, at, stop in spans)

        return Taken(
            documents=total(self.counts.documents),
            amount=total(self.counts.amount),
            tokens=total(self.counts.tokens),
            largest=max((int(self.counts.largest[a:b].max()) for _, a, b in spans), default=0),
            reused=sum(int(self.counts.amount[at : min(b, reached)].sum()) for _, at, b in spans),
        )


@dataclass(frozen=True)
class _MergedOrder:
    """The merged leaves of a group, and the amounts between which each phase lies."""

    leaves: tuple[_LeafRuns, ...]
    intervals: tuple[tuple[Fraction, Fraction], ...]

    def window(self, target: Fraction) -> tuple[float, float]:
        """Bound the place of the document boundary that is nearest to the target.

        Up to any place a leaf has contributed its share to within half its largest document, and
        not more than is available. So the sum of these halves, plus half a document for "nearest",
        is the bound.
        """
        if not target:
            return 0.0, 0.0
        halves = [int(runs.counts.largest.max(initial=0)) for runs in self.leaves]
        slack = (sum(halves) + max(halves, default=0)) / 2 + 1
        upper, high, reached = float(target) + slack, 0.0, 0.0
        flowing = sorted(
            (runs for runs in self.leaves if runs.share), key=lambda runs: runs.most / runs.share
        )
        rate = sum(runs.share for runs in flowing)
        for runs in flowing:
            end = runs.most / runs.share
            if reached + rate * (end - high) >= upper:
                return float(target) - slack, high + (upper - reached) / rate
            reached, high, rate = reached + rate * (end - high), end, rate - runs.share
        return float(target) - slack, high + 1

    def ends(self, target: Fraction) -> dict[Leaf, int]:
        """Count the runs of each leaf, through all passes, to the boundary nearest to a target."""
        ends = dict.fromkeys((runs.leaf for runs in self.leaves), 0)
        if not target:
            return ends
        low, high = self.window(target)
        base = 0
        place, owner, amount = [], [], []
        for number, runs in enumerate(self.leaves):
            if runs.is_idle:
                continue
            for epoch in range(runs.passes if runs.share else 1):
                places = runs.places(epoch)
                near = np.searchsorted(places, low)
                far = np.searchsorted(places, high, side="right")
                ends[runs.leaf] += int(near)
                base += int(runs.before[near])
                place.append(places[near:far])
                owner.append(np.full(far - near, number))
                amount.append(runs.counts.amount[near:far])
                if runs.share:
                    _check_single(runs, int(near), int(far))
        owners = np.concatenate(owner)
        order = np.lexsort((owners, np.concatenate(place)))
        reached = base + np.concatenate([[0], np.cumsum(np.concatenate(amount)[order])])
        taken = np.bincount(owners[order][: _nearest(reached, target)], minlength=len(self.leaves))
        for runs, more in zip(self.leaves, taken, strict=True):
            ends[runs.leaf] += int(more)
        return ends


def _check_single(runs: _LeafRuns, near: int, far: int) -> None:
    if (runs.counts.first[near:far] != runs.counts.last[near:far]).any():
        raise InternalError(f"a cut of {runs.leaf} lies within a bin that was not looked at")


def _nearest(reached: Int64, target: Fraction) -> int:
    """Return the last boundary of those nearest to the target; the smaller amount of two."""
    below = int(np.searchsorted(reached, floor(target), side="right")) - 1
    if below + 1 == len(reached):
        return below
    above = int(reached[below + 1])
    if below >= 0 and target - int(reached[below]) <= above - target:
        return below
    return int(np.searchsorted(reached, above, side="right")) - 1


def _merged_orders(mixture: Mixture, counts: Mapping[Leaf, LeafCounts]) -> Iterator[_MergedOrder]:
    solution = solve(mixture, {leaf: runs.available for leaf, runs in counts.items()})
    for group in mixture.groups:
        leaves = sorted((leaf for leaf in counts if leaf.group == group), key=repr)
        if leaves:
            yield _MergedOrder(
                leaves=tuple(
                    _LeafRuns(
                        leaf=leaf,
                        counts=counts[leaf],
                        share=float(solution.composition[leaf]),
                        passes=solution.passes[leaf],
                    )
                    for leaf in leaves
                ),
                intervals=tuple(solution.intervals(mixture, group)),
            )
