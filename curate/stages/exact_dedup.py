"""Drop documents with the text, prompt or address of another one; see curate/dedup/exact.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from curate import schema
from curate.dedup.compared import columns_of
from curate.dedup.keeper import keeper_column
from curate.dedup.options import ExactDuplicates
from curate.errors import RecipeError
from curate.protocol.stage import Barrier, Step
from curate.stages.verdicts import DEDUP_COLUMNS, give_verdicts


class DuplicateBarrier(Barrier):
    """A barrier that drops documents because of a kept one, their witness."""

    @property
    def adds(self) -> tuple[str, ...]:
        return DEDUP_COLUMNS

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows that the decisions drop, with the evidence."""
        from curate.dedup.agreement import count_shared

        found = give_verdicts(self.name, table, decisions, tally)
        count_shared(found.filter(schema.alive(found)), tally)
        return found

    def reassign_witness(self, rejects: pa.Table, decisions: pa.Table) -> pa.Table:
        """Let rows that an earlier stage dropped name a witness that this one keeps."""
        from curate.dedup.witness_chain import reassign_witness

        return reassign_witness(rejects, decisions)


@dataclass(frozen=True)
class ExactDedup(ExactDuplicates, DuplicateBarrier):
    """Keep the best of the documents that share a normalised text, a prompt, or an address.

    A document without any text is dropped as `empty`; one without an address is never a duplicate
    by address. A prompt is every turn of the user of a conversation; a document that is not a
    conversation is never a duplicate by prompt. By text, conversations that differ in a call, the
    tools or the rejected answer are no duplicates. A store remembers hashes of what this stage
    kept, whatever later stages drop; what has the hash of a document in it is dropped for that one.
    """

    against: str | None = None
    """Address of a store of documents that earlier runs kept here. Example: "s3://corpus/urls"."""
    store: str | None = None
    """The same, and the documents kept here are added to it. Example: "s3://corpus/urls"."""
    known: Any = field(default=None, metadata={"planned": True})
    own: tuple[str, ...] = field(default=(), metadata={"planned": True})
    name: str = "exact_dedup"

    @property
    def reads(self) -> tuple[str, ...]:
        own = (*columns_of(self.on), keeper_column(self.keep, self.own))
        own += ("url",) if self.store else ()
        return tuple(dict.fromkeys(("id", "text", "source", *own)))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, hash and keeper rank of each row."""
        from curate.dedup import exact

        if (self.against or self.store) and self.known is None:
            raise RecipeError("a dedup store needs a plan", hint="use a recipe")
        return exact.sketch(self, table, storing=self.store is not None)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from sketches to decisions."""
        from curate.dedup import exact

        return exact.steps(self, self.known, storing=self.store is not None)
