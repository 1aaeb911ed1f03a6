"""What there is of a leaf."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stock:
    """What there is of a leaf, all copies counted; ``once`` is the amount without them.

    ``amount`` is in the mixture's unit, ``largest`` is its largest document with all its copies.
    """

    documents: int
    amount: int
    tokens: int
    largest: int
    once: int
