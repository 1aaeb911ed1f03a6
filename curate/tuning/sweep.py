"""What would be kept at other limits of a signal: documents, bytes and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.inspection.finished_rows import FinishedRun, Part
from curate.mixture.sampling import sample_key
from curate.signals import SIGNALS, signal_type
from curate.tuning.limits import Decided, Decider
from curate.tuning.selection import Smallest

Floats = npt.NDArray[np.float64]

#: Points of a curve, besides the limits; documents whose values place them; examples per side.
POINTS, PLACING, EXAMPLES = 16, 20_000, 3
#: Characters of an example.
HEAD = 600


@dataclass
class Sums:
    """Documents, bytes and tokens between the points of a curve."""

    points: Floats
    documents: Floats = field(init=False)
    bytes: Floats = field(init=False)
    tokens: Floats = field(init=False)
    uncounted: dict[str, Floats] = field(
        default_factory=dict
    )  #: bytes without a count, by language

    def __post_init__(self) -> None:
        self.documents, self.bytes, self.tokens = (np.zeros(len(self.points) + 1) for _ in "123")

    def add(self, at: npt.NDArray[np.int64], sizes: Floats, tokens: Floats, langs: Any) -> None:
        """Add documents; ``at`` is the number of points that each passes."""
        count = len(self.points) + 1
        self.documents += np.bincount(at, minlength=count)
        self.bytes += np.bincount(at, sizes, count)
        self.tokens += np.bincount(at, np.nan_to_num(tokens), count)
        unknown = np.isnan(tokens)
        for lang in set(langs[unknown].tolist()):
            of = unknown & (langs == lang)
            sums = self.uncounted.setdefault(lang, np.zeros(count))
            sums += np.bincount(at[of], sizes[of], count)


def sweep(
    run: FinishedRun, signal: str, *, lang: str | None = None, at: Sequence[float] = ()
) -> dict[str, Any]:
    """Return the retention curves of a signal, with examples on both sides of its limits.

    The curve is of the documents that no other rule drops, before deduplication: those that the
    limits on this signal decide. ``kept`` of them are within the limits of their own profiles, and
    of those that other rules drop, some are outside, too. A point says how much of the decided is
    kept where that is the limit; each side's limits are swept while the other side's stay. Points
    are quantiles of the signal, the limits of the run's profiles and ``at``. Tokens of documents
    that were dropped before they were counted are estimated from their bytes, by language. Memory:
    a row group.
    """
    decider = Decider(run, signal)
    label = run.language(lang) if lang else None
    placing, known = Smallest[float](PLACING), 0
    counts = dict.fromkeys(("all", "measured", "decided", "inside", "fails_others_too"), 0)
    names: dict[str, None] = {}
    for part in run.documents(decider.columns):
        found, rows = _decided(decider, part, label, counts)
        names |= dict.fromkeys(found.profiles[rows].tolist())
        values = found.values[rows]
        known += len(rows)
        keys = sample_key(part.table.column("id").take(pa.array(rows)), 0)
        placing.offer(np.zeros(len(rows)), keys, values.__getitem__)
    limits = {name: decider.limit(name) for name in sorted(names)}
    sides = {
        "min": sorted({one.low for one in limits.values() if np.isfinite(one.low)}),
        "max": sorted({one.high for one in limits.values() if np.isfinite(one.high)}),
    }
    shown = [side for side, ends in sides.items() if ends] or ["min", "max"]
    spread = np.array(placing.rows())
    sums = {side: Sums(_points(spread, [*sides[side], *at], _is_count(signal))) for side in shown}
    examples: dict[tuple[str, str], Smallest[dict[str, Any]]] = {}
    rates = _Rates()
    for part in run.documents((*decider.columns, "text", "n_tokens", "url")):
        found, rows = _decided(decider, part, label, {})
        table = part.table
        langs = np.array(pc.fill_null(table.column("lang"), "").to_pylist(), object)
        sizes = np.asarray(pc.fill_null(pc.binary_length(table.column("text")), 0), np.float64)
        tokens = np.asarray(table.column("n_tokens").to_numpy(), np.float64)
        rates.add(langs, sizes, tokens)
        for side, sum_ in sums.items():
            # A document that fails the other side's limit is dropped whatever this one is.
            other = found.values <= found.high if side == "min" else found.values >= found.low
            mine = rows[other[rows]]
            values = found.values[mine]
            if side == "min":
                place = np.searchsorted(sum_.points, values, "right")
            else:
                place = len(sum_.points) - np.searchsorted(sum_.points, values, "left")
            sum_.add(place, sizes[mine], tokens[mine], langs[mine])
            _look_for_examples(examples, side, part, found, mine, at)
    return {
        "run": run.store.address,
        "signal": signal,
        "lang": label,
        "documents": {
            "all": counts["all"],
            "not_measured": counts["all"] - counts["measured"],
            "dropped_by_other_rules": counts["measured"] - counts["decided"],
            "outside_and_dropped_by_other_rules": counts["fails_others_too"],
            "decided": counts["decided"],
            "kept": counts["inside"],
        },
        "limits": [
            {
                "profile": name,
                "rules": list(one.rules),
                "min": _finite(one.low),
                "max": _finite(one.high),
            }
            for name, one in limits.items()
        ],
        "curves": {side: _curve(sum_, side, limits, rates, at) for side, sum_ in sums.items()},
        "examples": [row for (_, _), found in sorted(examples.items()) for row in found.rows()],
    }


def _decided(
    decider: Decider, part: Part, lang: str | None, counts: dict[str, int]
) -> tuple[Decided, npt.NDArray[np.int64]]:
    """Return what the limits decide of a part, and the rows that they alone decide; count."""
    found = decider.split(part.table)
    wanted = np.ones(part.table.num_rows, np.bool_)
    if lang:
        wanted = np.asarray(pc.fill_null(pc.equal(part.table.column("lang"), lang), False))
    rows = np.flatnonzero(found.alone & wanted)
    if counts:
        counts["all"] += int(wanted.sum())
        counts["measured"] += int((found.measured & wanted).sum())
        counts["decided"] += len(rows)
        inside = (found.values >= found.low) & (found.values <= found.high)
        counts["inside"] += int(inside[rows].sum())
        others = found.measured & ~found.alone & wanted
        counts["fails_others_too"] += int((others & ~inside).sum())
    return found, rows


def _points(values: Floats, limits: list[float], whole: bool) -> Floats:
    """Return where a curve is computed, rising: quantiles, the limits, and both ends."""
    if not len(values):
        return np.array(sorted(set(limits)))
    steps = np.linspace(0, 1, POINTS + 1)
    if whole:
        quantiles = np.quantile(values, steps, method="inverted_cdf")
    else:
        quantiles = np.quantile(values, steps)
    placed = {float(f"{value:.4g}") for value in quantiles.tolist()}
    return np.array(sorted(placed | set(limits)))


def _is_count(signal: str) -> bool:
    return signal in SIGNALS and pa.types.is_integer(signal_type(signal))


class _Rates:
    """Tokens per byte of the documents that were counted, by language."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, langs: Any, sizes: Floats, tokens: Floats) -> None:
        known = ~np.isnan(tokens)
        for lang in set(langs[known].tolist()):
            of = known & (langs == lang)
            before = self._sums.get(lang, (0.0, 0.0))
            self._sums[lang] = (
                before[0] + float(tokens[of].sum()),
                before[1] + float(sizes[of].sum()),
            )

    def of(self, lang: str) -> float | None:
        """Return the rate of a language, of all where none of its documents was counted."""
        tokens, size = self._sums.get(lang) or np.sum([*self._sums.values()] or [(0, 0)], axis=0)
        return float(tokens / size) if size else None


def _curve(
    sums: Sums, side: str, limits: dict[str, Any], rates: _Rates, at: Sequence[float]
) -> dict[str, Any]:
    """Return the points with what is kept at each, and how many of the tokens are estimates."""
    estimated, known = np.zeros(len(sums.points) + 1), True
    for lang, sizes in sums.uncounted.items():
        rate = rates.of(lang)
        known &= rate is not None
        estimated += sizes * (rate or 0.0)
    tokens = sums.tokens + estimated
    points = []
    for number, point in enumerate(sums.points.tolist()):
        # Who passes more points than this one's number from the strict end keeps it.
        passed = number + 1 if side == "min" else len(sums.points) - number
        kept = {
            "documents": sums.documents[passed:].sum(),
            "bytes": sums.bytes[passed:].sum(),
            "tokens": tokens[passed:].sum() if known else None,
        }
        whole = {
            "documents": sums.documents.sum(),
            "bytes": sums.bytes.sum(),
            "tokens": tokens.sum(),
        }
        edge = "low" if side == "min" else "high"
        points.append(
            {
                "limit": point,
                "profiles": [n for n, one in limits.items() if getattr(one, edge) == point],
                "marked": point in at,
            }
            | {name: None if value is None else round(value) for name, value in kept.items()}
            | {
                f"{name}_share": float(value / whole[name])
                if value is not None and whole[name]
                else None
                for name, value in kept.items()
            }
        )
    share = float(estimated.sum() / tokens.sum()) if known and tokens.sum() else None
    return {"points": points, "tokens_estimated_share": share}


def _look_for_examples(
    examples: dict[tuple[str, str], Smallest[dict[str, Any]]],
    side: str,
    part: Part,
    found: Decided,
    rows: npt.NDArray[np.int64],
    at: Sequence[float],
) -> None:
    """Keep the documents nearest to the limit, some on each side."""
    limit = found.low if side == "min" else found.high
    if at:
        limit = np.full(len(limit), float(at[0]))
    rows = rows[np.isfinite(limit[rows])]
    values = found.values[rows]
    inside = values >= limit[rows] if side == "min" else values <= limit[rows]
    table = part.table
    for name, where in (("kept", inside), ("dropped", ~inside)):
        mine = rows[where]
        if not len(mine):
            continue
        keys = sample_key(table.column("id").take(pa.array(mine)), 0)

        def example(i: int, mine: Any = mine, name: str = name) -> dict[str, Any]:
            row = int(mine[i])
            text = table.column("text")[row].as_py() or ""
            return {
                "side": side,
                "example": name,
                "value": float(found.values[row]),
                "limit": float(limit[row]),
                **{key: table.column(key)[row].as_py() for key in ("id", "source", "lang")},
                "text": text[:HEAD],
                "whole": len(text) <= HEAD,
            }

        into = examples.setdefault((side, name), Smallest(EXAMPLES))
        into.offer(np.abs(found.values[mine] - limit[mine]), keys, example)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
