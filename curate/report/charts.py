"""The geometry of the pictures: numbers to places. ``charts.j2`` writes them as SVG, escaped.

Places are whole or have one decimal, so the same report gives the same bytes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from curate.protocol.bins import lower_edge, place
from curate.report import format
from curate.report.flows import OVER, TAKEN, Flow, few
from curate.report.signals import Histogram

#: The most names in a column of a flow chart; the rest is one of them.
MOST_NODES = 8
_REST = ("other sources", "other languages", "dropped by other stages")
NOT_KNOWN = "(not yet known)"
#: Names of the flow chart are cut to this many characters.
_NAME = 26


class Node(NamedTuple):
    """A bar of a flow chart."""

    name: str  #: whole
    short: str
    amount: int
    figure: str  #: the amount for people
    x: float
    y: float
    height: float
    label_y: float
    css: str


class Ribbon(NamedTuple):
    """A band from one bar to another."""

    path: str
    css: str
    title: str


class FlowChart(NamedTuple):
    """Sources on the left, languages in the middle, what became of the documents on the right."""

    height: float
    nodes: tuple[tuple[Node, ...], ...]  #: by column
    ribbons: tuple[Ribbon, ...]


WIDTH, BAR, _COLUMNS = 1000, 14, (0, 493, 986)
_TALL, _SLOT, _GAP = 300, 20, 8


#: What a flow chart measures, and how it is written for people.
UNITS: dict[str, Callable[[int], str]] = {
    "documents": format.number,
    "bytes": format.size,
    "tokens": format.count,
}


def flow_charts(flows: Sequence[Flow], colour: Mapping[str, str]) -> dict[str, FlowChart]:
    """Place a flow chart in each unit that is known: documents, bytes and tokens."""
    units = [unit for unit in UNITS if all(getattr(flow, unit) is not None for flow in flows)]
    return {unit: flow_chart(flows, colour, unit) for unit in units if flows}


def flow_chart(
    flows: Sequence[Flow], colour: Mapping[str, str], unit: str = "documents"
) -> FlowChart:
    """Place a flow chart in one unit; names are chosen by documents, so that all charts agree."""
    sources = few(flows, MOST_NODES, lambda flow: flow.source, _REST[0])
    langs = few(flows, MOST_NODES, lambda flow: flow.lang, _REST[1])
    ends = few(flows, MOST_NODES, lambda flow: flow.outcome, _REST[2])
    left: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for flow in flows:
        lang = langs[flow.lang] or NOT_KNOWN
        left[sources[flow.source], lang] += getattr(flow, unit)
        right[lang, ends[flow.outcome]] += getattr(flow, unit)
    css = {TAKEN: "kept", OVER: "over", _REST[2]: "c5"} | dict(colour)
    order = [TAKEN, OVER, *(end for end in ends.values() if end not in (TAKEN, OVER))]
    shown = [name for name in dict.fromkeys(order) if any(end == name for _, end in right)]
    columns = (
        _column(0, _by_size(left, 0), {}, UNITS[unit]),
        _column(1, _by_size(left, 1), {}, UNITS[unit]),
        _column(2, [(name, sum(n for (_, e), n in right.items() if e == name)) for name in shown],
                css, UNITS[unit]),
    )  # fmt: skip
    ribbons = (
        *_ribbons(left, columns[0], columns[1], {}, UNITS[unit]),
        *_ribbons(right, columns[1], columns[2], css, UNITS[unit]),
    )
    height = max(node.y + max(node.height, _SLOT) for column in columns for node in column)
    return FlowChart(round(height + 4, 1), columns, ribbons)


def _by_size(pairs: Counter[tuple[str, str]], side: int) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for pair, count in pairs.items():
        counts[pair[side]] += count
    return sorted(counts.items(), key=lambda item: (item[0] in _REST, -item[1], item[0]))


def _column(
    at: int,
    amounts: list[tuple[str, int]],
    css: Mapping[str, str],
    write: Callable[[int], str],
) -> tuple[Node, ...]:
    whole = sum(amount for _, amount in amounts) or 1
    nodes, y = [], 2.0
    for name, amount in amounts:
        height = max(1.0, _TALL * amount / whole)
        short = name if len(name) <= _NAME else f"{name[: _NAME - 9]}…{name[-8:]}"
        label = y + max(height, _SLOT) / 2
        top = y + max(0.0, (_SLOT - height) / 2)
        node = (_COLUMNS[at], round(top, 1), round(height, 1), round(label, 1))
        nodes.append(Node(name, short, amount, write(amount), *node, css.get(name, "asked")))
        y += max(height, _SLOT) + _GAP
    return tuple(nodes)


def _ribbons(
    pairs: Counter[tuple[str, str]],
    left: Sequence[Node],
    right: Sequence[Node],
    css: Mapping[str, str],
    write: Callable[[int], str],
) -> list[Ribbon]:
    used: Counter[tuple[int, str]] = Counter()
    found = []
    for start in left:
        for end in right:
            amount = pairs[start.name, end.name]
            if not amount:
                continue
            ends = []
            for side, node in enumerate((start, end)):
                top = node.y + node.height * used[side, node.name] / node.amount
                used[side, node.name] += amount
                ends.append((top, node.height * amount / node.amount))
            (y0, h0), (y1, h1) = ends
            x0, x1 = start.x + BAR, end.x
            middle = (x0 + x1) / 2
            path = (
                f"M{x0} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1} {y1:.1f}"
                f"V{y1 + h1:.1f}C{middle:.0f} {y1 + h1:.1f} {middle:.0f} {y0 + h0:.1f}"
                f" {x0} {y0 + h0:.1f}Z"
            )
            title = f"{start.name} → {end.name}: {write(amount)}"
            found.append(Ribbon(path, css.get(end.name, "asked"), title))
    return found


class Picture(NamedTuple):
    """A histogram: bars within and beyond the limits, and where the limits are."""

    inside: str  #: the path of the bars
    outside: str
    limits: tuple[tuple[float, float], ...]  #: (x, value)
    low: float  #: at the left end
    high: float


#: The bin of 1, and how wide it is where nothing is above: then the signal is a share.
_ONE, _AT_ONE = 40, 0.025
PLOT_WIDTH, PLOT_HEIGHT = 300, 80


def histogram_picture(one: Histogram) -> Picture:
    """Place a histogram. Areas are documents up to a square root of heights, so that tails show.

    An axis whose largest value is above 16 has a logarithmic scale from 1 up: that of the bins.
    """
    limits = [limit for limit in (one.min, one.max) if limit is not None]
    low_bin, high_bin = one.bins[0][0], one.bins[-1][0] + 1
    edges = [lower_edge(low_bin), 1 + _AT_ONE if high_bin - 1 == _ONE else lower_edge(high_bin)]
    by_bins = edges[1] > 16 or edges[0] < -16
    low, high = min([*edges, *limits]), max([*edges, *limits])

    scale = place if by_bins else float
    start, width = scale(low), (scale(high) - scale(low)) or 1.0

    def x(value: float) -> float:
        return PLOT_WIDTH * (scale(value) - start) / width

    bars = []
    for bin, count in one.bins:
        left, right = x(lower_edge(bin)), x(min(high, lower_edge(bin + 1)))
        density = math.sqrt(count / max(right - left, 0.1))
        middle = (lower_edge(bin) + lower_edge(bin + 1)) / 2
        beyond = (one.min is not None and middle < one.min) or (
            one.max is not None and middle > one.max and lower_edge(bin) != one.max
        )
        bars.append((left, right, density, beyond))
    tallest = max(density for _, _, density, _ in bars)
    paths = {False: "", True: ""}
    for left, right, density, beyond in bars:
        height = max(1.0, (PLOT_HEIGHT - 2) * density / tallest)
        wide = max(0.8, right - left - 0.4)
        paths[beyond] += f"M{left:.1f} {PLOT_HEIGHT}v-{height:.1f}h{wide:.1f}v{height:.1f}z"
    at = tuple((round(x(limit), 1), limit) for limit in limits)
    shown = 1.0 if high == 1 + _AT_ONE else high
    return Picture(paths[False], paths[True], at, low, shown)
