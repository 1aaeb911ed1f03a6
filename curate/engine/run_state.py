"""What a driven plan leaves for publishing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from curate.protocol.ledger import Ledger
from curate.storage.entries import RejectExample


@dataclass
class RunState:
    """Commits by kind, and the sums and samples of all tasks."""

    #: folder of rejects → commits
    segments: list[tuple[str, list[str]]] = field(default_factory=list)
    #: phase → commits, one per file
    product: list[tuple[str, list[str]]] = field(default_factory=list)
    decisions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: barrier → commits whose files belong to its dedup store
    stored: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mixture: list[dict[str, Any]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    samples: list[RejectExample] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
