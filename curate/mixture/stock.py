"""What there is of a leaf."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stock:
    """What there is of a leaf. ``amount`` is in the mixture's unit, ``largest`` its largest document."""

    documents: int
    amount: int
    tokens: int
    largest: int
