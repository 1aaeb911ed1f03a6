"""What a driven plan leaves for publishing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from curate.engine.timings import Timings
from curate.protocol.ledger import Ledger
from curate.storage.entries import FileEntry, RejectExample, StoreFile


@dataclass
class RunState:
    """Files and commits by kind, and the sums and samples of all tasks."""

    #: segment → commits, one per shard
    segments: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    #: files with dropped rows, by segment
    rejected: list[tuple[str, list[FileEntry]]] = field(default_factory=list)
    quarantined: list[FileEntry] = field(default_factory=list)
    #: phase → files of the product, in all formats, by task
    product: list[tuple[str, list[list[FileEntry]]]] = field(default_factory=list)
    #: folder of tasks → commits
    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    decisions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: barrier → files that belong to its dedup store
    stored: dict[str, list[StoreFile]] = field(default_factory=dict)
    mixture: list[dict[str, Any]] = field(default_factory=list)
    sidecars: list[dict[str, Any]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    samples: list[RejectExample] = field(default_factory=list)
    timings: Timings = field(default_factory=Timings)
    #: damaged files that were found and are made again, by folder of tasks or of the product
    repairs: Counter[str] = field(default_factory=Counter)
