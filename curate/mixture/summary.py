"""The table of what the recipe asks for and what the mixture has, per phase and group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pyarrow as pa

from curate.mixture.allocation import Available
from curate.mixture.cut_points import Taken
from curate.mixture.split import from_worst
from curate.mixture.targets import Solution, solve
from curate.recipe.mixture import VALIDATION, Leaf, Mixture

#: Slices by which a curve over numbers is shown.
_SLICES = 20
#: What a group that is split has of one value; null stands for all values without a name.
_PART = pa.struct(
    [
        ("value", pa.string()),
        ("asked", pa.int64()),
        ("amount", pa.int64()),
        ("documents", pa.int64()),
        ("tokens", pa.int64()),
        ("available", pa.int64()),
        ("epochs", pa.float64()),
        ("shortage", pa.int64()),
    ]
)
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
        ("parts", pa.list_(_PART)),  # by value where the group is split; else null
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
        by_group: dict[str, dict[Leaf, Taken]] = {group: {} for group in mixture.groups}
        for (name, leaf), part in taken.items():
            if name == phase.name:
                by_group[leaf.group][leaf] = part
        amounts = {
            group: sum(part.amount for part in parts.values()) for group, parts in by_group.items()
        }
        whole = {name for name, group in mixture.groups.items() if group.whole}
        total = sum(amount for group, amount in amounts.items() if group not in whole)
        shares = mixture.shares(phase)
        for group, amount in amounts.items():
            parts = list(by_group[group].values())
            once = sum(one.once for leaf, one in available.items() if leaf.group == group)
            asked = _shown(solution.asked[phase.name, group])
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
                    "parts": _parts(mixture, solution, phase.name, group, available, by_group),
                }
            )
    return pa.Table.from_pylist(rows + _held_out(mixture, held_out or {}), schema=MIXTURE_REPORT)


def _shown(amount: Fraction) -> int:
    """Return a whole number that a column can hold: a budget may be larger than any corpus."""
    return min(round(amount), 2**63 - 1)


def _parts(
    mixture: Mixture,
    solution: Solution,
    phase: str,
    group: str,
    available: Mapping[Leaf, Available],
    taken: Mapping[str, Mapping[Leaf, Taken]],
) -> list[dict[str, object]] | None:
    """Return what a split group has of each value; the values without a name come last.

    Of numbers on a curve it is what it has of each slice.
    """
    split = mixture.groups[group]
    if split.split_by is None:
        return None
    leaves: dict[str | None, list[Leaf]] = {value: [] for value in split.named}
    for leaf in available:
        if leaf.group == group:
            leaves.setdefault(leaf.value, []).append(leaf)
    if split.curve is not None:
        order = from_worst(split.curve, leaves)
        leaves = {value: leaves[value] for value in order if value in leaves}
        if not split.named:
            leaves = _slices(leaves, available)
    leaves[None] = leaves.pop(None, [])
    rows: list[dict[str, object]] = []
    for value, of_value in leaves.items():
        share = sum((solution.composition[leaf] for leaf in of_value), Fraction(0))
        parts = [taken[group][leaf] for leaf in of_value if leaf in taken[group]]
        amount = sum(part.amount for part in parts)
        once = sum(available[leaf].once for leaf in of_value)
        asked = _shown(solution.asked[phase, group] * share)
        rows.append(
            {
                "value": value,
                "asked": asked,
                "amount": amount,
                "documents": sum(part.documents for part in parts),
                "tokens": sum(part.tokens for part in parts),
                "available": once,
                "epochs": amount / once if once else 0.0,
                "shortage": max(0, asked - round(solution.targets[phase, group] * share)),
            }
        )
    return rows if leaves[None] else rows[:-1]


def _slices(
    leaves: Mapping[str | None, list[Leaf]], available: Mapping[Leaf, Available]
) -> dict[str | None, list[Leaf]]:
    """Join neighbouring numbers to at most `_SLICES` slices of their amount, by their lowest."""
    amounts = {value: sum(available[one].amount for one in of) for value, of in leaves.items()}
    total, reached, at = sum(amounts.values()), 0, -1
    slices: dict[str | None, list[Leaf]] = {}
    name: str | None = None
    for value, of_value in leaves.items():
        # The middle of a value says where it belongs.
        place = (2 * reached + amounts[value]) * _SLICES // (2 * total or 1)
        if value is None or place > at:
            name, at = value, place if value is not None else -1
        slices.setdefault(name, []).extend(of_value)
        reached += amounts[value]
    return slices


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
