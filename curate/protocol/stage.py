"""What a stage is: MapStage, Barrier, and the Inputs and Step that a barrier's resolve is made of.

Every member that a stage may have is declared here with its default; nothing in the package uses a
member of a stage that is not declared.

The laws (tests/laws): *row* (same rows, same order, same ids; a row with a verdict passes through
untouched), *column* (a stage changes only the columns that it declares and, with ``text``, the
columns that refer to its bytes), *span* (those columns refer to the current text or are null: see
``tables.with_text``), *batch* (cutting or shuffling the table changes nothing but order), *name*
(each drop has a rule and, where one was measured, a value), *twice* (stages that declare
``idempotent`` change nothing when run again).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import pyarrow as pa

from curate import schema
from curate.recipe.mixture import Mixture
from curate.recipe.profile import Profiles


class Stage(ABC):
    """The members that map stages and barriers share. Stages are frozen dataclasses."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The label in the recipe, the ledger and ``dropped_by``."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The columns that the stage reads."""

    @property
    def profiles_read(self) -> Profiles | None:
        """The profiles that the stage reads, with the parts that it reads; None for most."""
        return getattr(self, "profiles", None)

    @property
    def adds(self) -> tuple[str, ...]:
        """The columns that the stage adds."""
        return ()

    @property
    def added_types(self) -> Mapping[str, pa.DataType]:
        """The types of the columns that the stage adds."""
        return {name: schema.COLUMNS[name].type for name in self.adds}

    @property
    def rewrites(self) -> tuple[str, ...]:
        """The columns whose values the stage may change."""
        return ()

    @property
    def removes_text(self) -> bool:
        """Whether documents leave with less text, so that earlier measurements no longer hold."""
        return False

    @property
    def refuses_chat(self) -> bool:
        """Whether the stage removes lines or spans, which no conversation may lose."""
        return False

    @property
    def model_digest(self) -> str | None:
        """The digest of the model or data that the stage loads; part of its task key."""
        return None

    @property
    def manifest_facts(self) -> Mapping[str, Any] | None:
        """What the manifest records about the data that the stage loaded."""
        return None

    def facts_of(self, tally: Mapping[str, int]) -> Mapping[str, Any]:
        """Return what the manifest records beside what the stage counted."""
        return {}


class MapStage(Stage):
    """A stage that is local to a shard: table in, table out."""

    #: The parts of the profiles that the stage reads. It gets no others, so that a change of others
    #: leaves its tasks valid.
    profile_parts: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        profiles = self.profiles_read
        if profiles is not None:
            object.__setattr__(self, "profiles", profiles.only(self.profile_parts))

    @property
    def idempotent(self) -> bool:
        """Whether a second run changes nothing."""
        return False

    @property
    def token_counter(self) -> str | None:
        """The name of the token counter, for a stage that writes ``n_tokens``."""
        return None

    @property
    def product_metadata(self) -> Mapping[str, str]:
        """Entries for the schema metadata of the product."""
        return {}

    def holds_what(self, earlier: Any) -> bool:
        """Return whether a stage with equal options wrote, in an earlier run, all that this does.

        What the plan fills in can differ although the options are equal.
        """
        return True

    @abstractmethod
    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Return the table after this stage.

        ``tally`` collects named integers for the ledger (``fix:kk_homoglyphs``: documents changed,
        ``lines:menu``: lines removed); it never decides anything.
        """


class Inputs(Protocol):
    """What one task of a barrier's step may read: rows routed to it, streamed in a fixed order."""

    @property
    def index(self) -> int:
        """The number of this task among the step's tasks (= shard or partition number)."""

    @property
    def partitions(self) -> int:
        """The number of tasks of a step over partitions; a row's ``part`` is in [0, partitions)."""

    def stream(self, dataset: str) -> Iterator[pa.Table]:
        """Yield the rows of a dataset that were routed to this task, as tables of bounded size."""


@dataclass(frozen=True)
class Step:
    """One step of a barrier's resolve: a pure function run once per shard, per partition, or once.

    ``run`` yields ``(dataset, table)``. Each table has an int32 column ``part``: the number of the
    task of the *reading* step that gets the row (a shard number where the reader is per shard, a
    partition number where it is per partition, 0 where there is only one). ``over="tree"`` merges
    all tasks' outputs eight at a time until one task is left: its only dataset in ``reads`` and in
    ``writes`` are the same one. The datasets of ``writes`` that are also in ``stored`` go to the
    barrier's store as they come, one file per task; they have no ``part``.
    """

    name: str
    over: Literal["shard", "partition", "tree", "one"]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Inputs], Iterator[tuple[str, pa.Table]]]
    stored: tuple[str, ...] = ()


class Barrier(Stage):
    """A stage that needs all the data: sketch (per shard) → steps (by key) → apply (per shard).

    The engine numbers the documents of a sketch by adding ``doc`` (see ``routing``). Datasets that
    exist before the first step, for steps over shards: ``sketch`` (with ``doc``), ``text`` (the
    segment's survivors, whole Document rows with ``doc``), ``decided`` (``doc`` of the rows that
    earlier barriers of the same segment dropped) and ``counted`` (``doc``, ``cluster_size`` and
    ``cluster_sources`` of kept documents that represent several). The last step writes
    ``decisions``.
    """

    @property
    def decides(self) -> Literal["shard", "all"]:
        """Whether each shard gets decisions on its documents, or all read the same small table."""
        return "shard"

    @property
    def compares_pairs(self) -> bool:
        """Whether documents are compared pair by pair, so that a sample shows fewer duplicates."""
        return False

    @property
    def near_duplicates(self) -> Any:
        """The ``dedup.options.NearDuplicates`` of a MinHash dedup, for its S-curve and its cost."""
        return None

    @property
    def stored_parameters(self) -> Mapping[str, int | str]:
        """What a dedup store of this barrier must agree with; empty for one that has no store."""
        return {}

    @property
    def only_numbers(self) -> bool:
        """Whether the stage only adds numbers to documents: it decides on none, drops none."""
        return False

    @property
    def makes_product(self) -> bool:
        """Whether the stage is the last one, whose decisions place rows in the product."""
        return False

    @property
    def against(self) -> str | None:
        """The address of a dedup store that documents are compared with."""
        return None

    @property
    def store(self) -> str | None:
        """The address of a dedup store that kept documents are added to."""
        return None

    @property
    def fills(self) -> tuple[str, ...]:
        """The columns of sidecars that the barrier fills; it then gives no verdicts."""
        return ()

    @property
    def input_files(self) -> Mapping[str, str]:
        """The identities of the files that its steps read, by the names that a manifest gives."""
        return {}

    @property
    def bytes_besides(self) -> int:
        """The bytes that its steps read besides sketches: they count for how many partitions."""
        return 0

    @property
    def known(self) -> Any:
        """The view of the dedup store, fixed by the plan: ``storage.dedup_view.StoreView``."""
        return None

    @property
    def sketch_reads(self) -> tuple[str, ...]:
        """The columns that `sketch` reads."""
        return self.reads

    @abstractmethod
    def sketch(self, table: pa.Table) -> pa.Table:
        """Return what the steps need to know of each row of a shard's table."""

    @abstractmethod
    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""

    @abstractmethod
    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Return the table with the decisions that concern its rows carried out.

        A barrier that rewrites no text gets no texts (`storage.survivors.TEXT_COLUMNS`) and none of
        the columns that pass through.
        """

    def reassign_witness(self, rejects: pa.Table, decisions: pa.Table) -> pa.Table:
        """Let rows that an earlier barrier dropped name a witness that this barrier keeps."""
        return rejects


class ProductBarrier(Barrier):
    """The last barrier of a plan: its decisions place rows in the product."""

    mixture: Mixture

    @property
    def makes_product(self) -> bool:
        """Whether the stage is the last one: always."""
        return True

    @property
    def places_by_text(self) -> bool:
        """Whether `placements` reads the text."""
        return True

    @abstractmethod
    def placements(self, table: pa.Table, decisions: pa.Table) -> pa.Table:
        """Return a row (``row``, ``phase``, ``epoch``) for each copy of a row of the table."""
