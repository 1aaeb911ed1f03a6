"""The table of what the recipe asks for and what the mixture has, per phase and group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from curate.mixture.allocation import Available
from curate.mixture.cut_points import Taken
from curate.mixture.targets import solve
from curate.recipe.mixture import VALIDATION, Leaf, Mixture

MIXTURE_REPORT = pa.schema(
    [
        ("phase", pa.string()),
        ("group", pa.string()),
        ("unit", pa.string()),
        ("asked_share", pa.float64()),  # null for validation and a whole group
        ("share", pa.float64()),  # of all but whole groups; null for these and in an empty phase
        ("asked", pa.int64()),  # amount in the unit; without a budget what the ratio allows
        ("amount", pa.int64()),
        ("documents", pa.int64()),  # rows of the product: a document taken twice counts twice
        ("tokens", pa.int64()),
        ("available", pa.int64()),  # amount of the whole group, once; without what is held out
        ("epochs", pa.float64()),  # amount / available
        ("reused", pa.int64()),  # amount of documents that an earlier phase took too
        ("shortage", pa.int64()),  # what is missing of what was asked
        ("scarcest", pa.bool_()),  # the group that limits the mixture
        ("largest", pa.int64()),  # the largest document taken: the unit of error
    ]
)


def report(
    mixture: Mixture,
    available: Mapping[Leaf, Available],
    taken: Mapping[tuple[str, Leaf], Taken],
    held_out: Mapping[Leaf, Available] | None = None,
) -> pa.Table:
    """Compare what the recipe asks for with what the cuts take and what is held out."""
    solution = solve(mixture, available)
    rows = []
    for phase in mixture.schedule():
        by_group: dict[str, list[Taken]] = {group: [] for group in mixture.groups}
        for (name, leaf), part in taken.items():
            if name == phase.name:
                by_group[leaf.group].append(part)
        amounts = {group: sum(part.amount for part in by_group[group]) for group in by_group}
        whole = {name for name, group in mixture.groups.items() if group.whole}
        total = sum(amount for group, amount in amounts.items() if group not in whole)
        shares = mixture.shares(phase)
        for group, amount in amounts.items():
            parts = by_group[group]
            once = sum(one.once for leaf, one in available.items() if leaf.group == group)
            asked = round(solution.asked[phase.name, group])
            rows.append(
                {
                    "phase": phase.name,
                    "group": group,
                    "unit": mixture.unit,
                    "asked_share": None if group in whole else float(shares[group]),
                    "share": amount / total if total and group not in whole else None,
                    "asked": asked,
                    "amount": amount,
                    **_sums(parts),
                    "available": once,
                    "epochs": amount / once if once else 0.0,
                    "reused": sum(part.reused for part in parts),
                    "shortage": max(0, asked - round(solution.targets[phase.name, group])),
                    "scarcest": group == solution.scarcest,
                }
            )
    return pa.Table.from_pylist(rows + _held_out(mixture, held_out or {}), schema=MIXTURE_REPORT)


def _sums(parts: Sequence[Available | Taken]) -> dict[str, int]:
    return {
        "documents": sum(part.documents for part in parts),
        "tokens": sum(part.tokens for part in parts),
        "largest": max((part.largest for part in parts), default=0),
    }


def _held_out(mixture: Mixture, held_out: Mapping[Leaf, Available]) -> list[dict[str, object]]:
    total = sum(part.amount for part in held_out.values())
    rows: list[dict[str, object]] = []
    for group in mixture.groups if held_out else ():
        parts = [part for leaf, part in held_out.items() if leaf.group == group]
        amount = sum(part.amount for part in parts)
        rows.append(
            {
                "phase": VALIDATION,
                "group": group,
                "unit": mixture.unit,
                "share": amount / total if total else None,
                "amount": amount,
                **_sums(parts),
                "available": amount,
                "epochs": 1.0 if amount else 0.0,
                "reused": 0,
                "shortage": 0,
                "scarcest": False,
            }
        )
    return rows
