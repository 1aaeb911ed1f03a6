"""What a run did: the values that every format of the report prints.

Documents and bytes are counted separately: rewriting stages change bytes without dropping
documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from curate.protocol.ledger import Amount
from curate.report.flows import Cells, Flow
from curate.report.signals import Judged
from curate.report.timing import Time
from curate.storage.entries import Manifest
from curate.tokens.rates import Fertility


def share(part: float, whole: float) -> float | None:
    """Return part / whole; None where whole is 0, because a share of nothing is not 0.

    >>> share(1, 4), share(0, 0)
    (0.25, None)
    """
    return part / whole if whole else None


@dataclass(frozen=True)
class Outcome:
    """What became of the records of a run, a source or a language; None where it is not counted."""

    documents: Amount
    dropped: dict[str, Amount]  #: by ``stage:rule``
    curated: Amount
    read: int | None = None
    skipped: dict[str, int] | None = None
    quarantined: dict[str, int] | None = None
    noted: dict[str, int] | None = None  #: what reading changed in texts or left out of them
    taken: int | None = None
    rows: int | None = None

    @property
    def kept(self) -> float | None:
        """Kept of raw: curated / documents."""
        return share(self.curated.documents, self.documents.documents)

    @property
    def kept_bytes(self) -> float | None:
        """Kept of raw by bytes of text, rewriting included."""
        return share(self.curated.bytes, self.documents.bytes)

    @property
    def lost(self) -> int:
        """Documents that any rule dropped."""
        return sum(amount.documents for amount in self.dropped.values())


@dataclass(frozen=True)
class StageRow:
    """What a stage received, what its rules dropped, and what it passed on."""

    stage: str
    input: Amount
    dropped: dict[str, Amount]  #: by rule
    kept: Amount
    tally: dict[str, int]
    seconds: float | None  #: None where the stage shares a pass over the text with others

    @property
    def rewritten(self) -> int:
        """Bytes of text that rewriting removed from the documents kept (negative: added)."""
        dropped = sum(amount.bytes for amount in self.dropped.values())
        return self.input.bytes - dropped - self.kept.bytes


@dataclass(frozen=True)
class Example:
    """An excerpt of a rejected document, chosen by the hash of its id."""

    id: str
    lang: str | None
    url: str | None
    value: float | None
    duplicate_of: str | None
    jaccard: float | None
    text: str
    whole: bool  #: whether ``text`` is all of it


@dataclass(frozen=True)
class Rule:
    """A rule that dropped documents."""

    name: str  #: ``stage:rule``
    dropped: Amount
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Dedup:
    """What the dedup barriers alone did."""

    before: Amount
    after: Amount
    exact: int
    near: int  #: verified near copies, and pages inside longer ones
    tokens: tuple[float, float] | None = None  #: estimated, before and after

    @property
    def kept(self) -> float | None:
        """Documents after / before."""
        return share(self.after.documents, self.before.documents)

    @property
    def kept_bytes(self) -> float | None:
        """Bytes after / before."""
        return share(self.after.bytes, self.before.bytes)


@dataclass(frozen=True)
class Benchmark:
    """An evaluation set that a stage searched for, and what of it the corpus contained."""

    stage: str
    name: str
    examples: int
    too_short: tuple[int, ...]  #: rows, from 0, without anything long enough to search for
    searchable: int  #: different runs of words, and whole strings
    found: dict[int, int]  #: row of an example → documents that contain something of it
    documents: int  #: that contain something of the set
    dropped: Amount  #: under its name
    cut: Amount  #: documents, and bytes of lines

    @property
    def found_share(self) -> float | None:
        """Share of the examples found, of those long enough."""
        return share(len(self.found), self.examples - len(self.too_short))

    @property
    def most_found(self) -> tuple[int, int] | None:
        """The row that occurs in most documents, and in how many; the first of equals."""
        return max(self.found.items(), key=lambda item: (item[1], -item[0]), default=None)


@dataclass(frozen=True)
class Packed:
    """The packed sequences of a phase."""

    phase: str
    sequences: int
    documents: int
    tokens: int
    trained: int  #: tokens in the loss mask
    padding: int  #: tokens
    split: int  #: documents longer than a sequence
    pieces: int  #: which those became
    left_out: dict[str, int]  #: conversations that the chat template could not write, by reason

    @property
    def fill(self) -> float | None:
        """Share of the sequences' tokens that are of documents."""
        return share(self.tokens, self.tokens + self.padding)


class Declared(NamedTuple):
    """Documents of a source that state their language, and the label that they got."""

    source: str
    declared: str  #: ISO 639-3; ``other``: a language that no profile is about
    lang: str
    documents: int

    @property
    def agrees(self) -> bool:
        """Whether both are one language."""
        return self.declared != "other" and self.lang.partition("_")[0] == self.declared


class License(NamedTuple):
    """What the product has under a licence."""

    name: str  #: the identifier, or ``unknown``
    documents: int  #: with their copies
    bytes: int
    tokens: int  #: 0 where no stage counts


@dataclass(frozen=True)
class Report:
    """Everything that the report's formats print."""

    manifest: Manifest
    run: Outcome
    stages: tuple[StageRow, ...]
    sources: dict[str, Outcome]
    languages: dict[str, Outcome]  #: "": dropped before the language was known
    rules: tuple[Rule, ...]
    dedup: Dedup | None  #: None: the recipe has no dedup
    dedup_languages: dict[str, Dedup]
    clusters: dict[str, dict[int, int]] | None  #: per stage, size → clusters; None: not counted
    candidates: dict[str, tuple[int, int]]  #: per stage: pairs compared exactly, and verified
    shared: dict[tuple[str, str], Amount]  #: of the first source, in the second; empty with one
    quarantined: tuple[tuple[str, str, int], ...]  #: reason, file, records
    time: Time
    fertility: tuple[Fertility, ...] = ()  #: of what the last counting stage kept, most bytes first
    relabelled: tuple[tuple[str, str, int], ...] = ()  #: model's label, final label, documents
    declared: tuple[Declared, ...] = ()  #: by source and language, most documents first
    benchmarks: tuple[Benchmark, ...] = ()
    packed: tuple[Packed, ...] = ()
    licenses: tuple[License, ...] = ()  #: of the product's documents, most bytes first
    judged: tuple[Judged, ...] = ()  #: histograms of signals, by profile
    flows: tuple[Flow, ...] = ()  #: empty where the run did not count what was taken
    taken: Cells = field(default_factory=dict)  #: the product by source and language

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.manifest.recipe["name"])

    @property
    def recipe_stages(self) -> list[dict[str, Any]]:
        """The stages of the recipe, with all of their options."""
        return list(self.manifest.recipe["stages"])

    @property
    def mixture(self) -> list[dict[str, Any]]:
        """The mixture table of :mod:`curate.mixture.summary`."""
        return list(self.manifest.mixture)

    @property
    def tokens(self) -> int:
        """Tokens of the product; 0 where none were counted."""
        return sum(row["tokens"] or 0 for row in self.mixture)

    @property
    def largest_cluster(self) -> int | None:
        """Documents of the largest cluster."""
        if self.clusters is None:
            return None
        return max((size for sizes in self.clusters.values() for size in sizes), default=0)

    @property
    def cluster_count(self) -> int | None:
        """Clusters of two or more documents, over the dedup stages."""
        if self.clusters is None:
            return None
        return sum(sum(sizes.values()) for sizes in self.clusters.values())

    @property
    def identities(self) -> list[tuple[str, bool]]:
        """The accounting in words, each with whether it holds."""
        run = self.run
        read, taken = run.read or 0, run.taken or 0
        skipped = sum((run.skipped or {}).values())
        quarantined = sum((run.quarantined or {}).values())
        documents, curated = run.documents.documents, run.curated.documents
        over = sum(counts.over_budget for counts in self.manifest.ledger.files.values())
        return [
            (
                f"{read:,} records read = {documents:,} documents + {skipped:,} skipped"
                f" + {quarantined:,} quarantined",
                read == documents + skipped + quarantined,
            ),
            (
                f"{documents:,} documents = {run.lost:,} dropped + {curated:,} curated",
                documents == run.lost + curated,
            ),
            (
                f"{curated:,} curated = {taken:,} taken + {over:,} over budget",
                curated == taken + over,
            ),
            (
                f"{run.rows or 0:,} rows written = every epoch of {taken:,} documents taken",
                (run.rows or 0) == sum(row["documents"] for row in self.mixture),
            ),
        ]
