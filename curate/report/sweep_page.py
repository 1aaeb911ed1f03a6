"""The page of a sweep: curves as SVG, tables and examples, without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from curate._version import __version__
from curate.report.to_html import template

_HERE = Path(__file__).parent
#: The area of the curve in the drawing.
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 820, 20, 260
#: The most numbers below a curve.
_TICKS = 12


def sweep_page(found: Mapping[str, Any]) -> str:
    """Return the HTML page of a sweep; the same sweep gives the same bytes."""
    return template("sweep.html.j2").render(
        found=found,
        counts=found["documents"],
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        grid=[(_y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
        curves=[
            (side, _drawn(curve, [one for one in found["examples"] if one["side"] == side]))
            for side, curve in found["curves"].items()
        ],
        version=__version__,
    )


def _drawn(curve: Mapping[str, Any], examples: Sequence[Any]) -> dict[str, Any]:
    points = curve["points"]
    step = (_RIGHT - _LEFT) / max(1, len(points) - 1)
    xs = [round(_LEFT + step * at, 1) for at in range(len(points))]
    every = -(-len(points) // _TICKS)
    lines = []
    for name in ("documents", "bytes", "tokens"):
        shares = [point[f"{name}_share"] for point in points]
        known = all(share is not None for share in shares)
        lines.append(" ".join(f"{x},{_y(s)}" for x, s in zip(xs, shares)) if known else "")
    return {
        "points": points,
        "lines": lines,
        "ticks": [(x, p["limit"]) for x, p in list(zip(xs, points))[::every]],
        "marks": [(x, p["limit"]) for x, p in zip(xs, points) if p["profiles"] or p["marked"]],
        "estimated": curve["tokens_estimated_share"],
        "examples": examples,
    }


def _y(share: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)
