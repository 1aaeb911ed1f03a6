"""What the tasks of a step committed: names, sums and indexes, never rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from curate.protocol.stage import Barrier
from curate.storage.entries import Commit, FileEntry, RejectExample, StoreFile
from curate.storage.exchange import BlockIndex, GroupIndex, Listing
from curate.storage.formats import OUTPUT_FORMATS


@dataclass
class Outputs:
    """What the tasks of a step committed, in sum: names, and only of what is published, entries."""

    commits: tuple[str, ...]  #: in task order
    indexes: Mapping[str, BlockIndex]  #: of the datasets that a later step reads by part
    groups: Mapping[str, GroupIndex]  #: of the datasets that the product reads
    bytes: Counter[str] = field(default_factory=Counter)  #: by dataset
    rows: Counter[str] = field(default_factory=Counter)  #: by dataset
    published: list[FileEntry] = field(default_factory=list)  #: of dropped rows
    rejected_schemas: set[str] = field(default_factory=set)  #: digests
    of_tasks: list[list[FileEntry]] = field(default_factory=list)  #: of the product, by task
    stored: list[StoreFile] = field(default_factory=list)
    taken_bytes: Counter[str] = field(default_factory=Counter)  #: by phase
    placed_rows: Counter[str] = field(default_factory=Counter)  #: by phase

    @property
    def all_indexes(self) -> Mapping[str, BlockIndex]:
        """All of both kinds."""
        return {**self.indexes, **self.groups}

    def add(self, commit: Commit) -> None:
        """Count one commit."""
        for entry in commit.files:
            self.bytes[entry.dataset] += entry.bytes
            self.rows[entry.dataset] += entry.rows
        self.published += commit.dataset("rejected")
        if commit.notes.rejected_schema:
            self.rejected_schemas.add(commit.notes.rejected_schema)
        if product := [e for e in commit.files if e.dataset in ("mixture", *OUTPUT_FORMATS)]:
            self.of_tasks.append(product)
        self.stored += commit.notes.stored
        self.taken_bytes.update(commit.notes.taken_bytes)
        self.placed_rows.update(commit.notes.placed_rows)


class Decided(NamedTuple):
    """What a barrier decided on the documents of all shards."""

    barrier: Barrier
    decisions: Outputs
    reassigned: Outputs | None

    @property
    def commits(self) -> tuple[str, ...]:
        """The commits of the tasks that decided."""
        return self.decisions.commits + (self.reassigned.commits if self.reassigned else ())

    def on(self, shard: int | None) -> tuple[Listing, ...]:
        """Return what a task reads to know the decisions on its shard (on all where None)."""
        part = shard if self.barrier.decides == "shard" else None
        indexes = [self.decisions.indexes["decisions"]]
        if self.reassigned:
            indexes.append(self.reassigned.indexes["reassigned"])
        return tuple(index.part(part) for index in indexes)


def summed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what partitions counted of each sidecar, added up.

    >>> summed([{"sidecar": "a", "rows": 1}, {"sidecar": "a", "rows": 2}])
    [{'sidecar': 'a', 'rows': 3}]
    """
    found: dict[str, Counter[str]] = {}
    for row in rows:
        counts = {name: count for name, count in row.items() if name != "sidecar"}
        found.setdefault(row["sidecar"], Counter()).update(counts)
    return [{"sidecar": name, **counts} for name, counts in sorted(found.items())]


def fair_samples(samples: list[RejectExample], per_rule: int = 5) -> list[RejectExample]:
    """Return the samples of dropped rows whose ids have the lowest hashes, a few per rule."""
    by_rule: dict[str, list[tuple[str, RejectExample]]] = {}
    for sample in samples:
        key = hashlib.blake2b(sample.id.encode(), digest_size=8).hexdigest()
        by_rule.setdefault(sample.dropped_by, []).append((key, sample))
    return [
        sample
        for _, keyed in sorted(by_rule.items())
        for _, sample in sorted(keyed, key=lambda pair: pair[0])[:per_rule]
    ]
