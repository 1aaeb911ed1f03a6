"""Keep a number of documents of each language, source or origin, and drop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.kernels.grouping import first_of_runs, place_in_run
from curate.mixture.sampling import sample_key
from curate.protocol.routing import decide, integers, read_docs
from curate.protocol.stage import Barrier, Inputs, Step
from curate.schema import whole
from curate.stages.verdicts import give_verdicts, partition_of_value


@dataclass(frozen=True)
class Cap(Barrier):
    """Keep the first `documents` of each value of a column, in the order of a hash of their ids.

    The others are dropped as `over_cap`. The sample depends on the seed and the ids alone: more
    documents elsewhere, or other shards, change nothing, and a higher cap keeps a superset. A cap
    on shares of a mixture is the mixture's (`max_share`).
    """

    documents: int
    """Documents to keep of each value. Example: 100000."""
    per: Literal["lang", "source", "origin"] = "lang"
    """The column whose values are capped. Example: "source"."""
    seed: int = 0
    name: str = "cap"

    def __post_init__(self) -> None:
        if self.documents < 1:
            raise RecipeError(f"documents = {self.documents}", hint="give 1 or more")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id", self.per)

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, the value that is counted, and the place in the order."""
        ids = table.column("id")
        value = pc.fill_null(table.column(self.per), "")
        return pa.table({"id": ids, "value": value, "u": sample_key(ids, self.seed)})

    def steps(self) -> tuple[Step, ...]:
        """Return the steps: rows to the partition of their value, then the first of each value."""
        return (
            Step("route", "shard", ("sketch", "decided"), ("rows",), self._route),
            Step("choose", "partition", ("rows",), ("decisions",), self._choose),
        )

    def _route(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        decided = read_docs(inputs, "decided")
        for table in inputs.stream("sketch"):
            rows = table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
            part = partition_of_value(rows, "value", inputs.partitions)
            yield "rows", rows.select(["doc", "id", "value", "u"]).append_column("part", part)

    def _choose(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        # In memory are the cap of each value and one table: a row over the cap now stays over it.
        kept: pa.Table | None = None
        for table in inputs.stream("rows"):
            both = table if kept is None else pa.concat_tables([kept, table])
            keys = [("value", "ascending"), ("u", "ascending"), ("id", "ascending")]
            both = both.take(pc.sort_indices(both, sort_keys=keys))
            which = np.asarray(whole(both.column("value")).dictionary_encode().indices)
            inside = place_in_run(first_of_runs(which)) < self.documents
            over = both.filter(pa.array(~inside))
            kept = both.filter(pa.array(inside)).combine_chunks()
            if len(over):
                rules = pa.array(["over_cap"] * len(over), pa.string())
                ids = whole(over.column("id"))
                yield "decisions", decide(integers(over, "doc"), {"id": ids, "dropped_by": rules})

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows over the cap."""
        return give_verdicts(self.name, table, decisions, tally).select(table.column_names)
