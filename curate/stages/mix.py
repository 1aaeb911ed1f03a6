"""The stage ``mix``: every row decides from its own number *u* whether the mixture takes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curate import schema
from curate.protocol.stage import ProductBarrier, Step
from curate.protocol.tables import drop, on_alive
from curate.recipe.mixture import Mixture


@dataclass(frozen=True)
class Mix(ProductBarrier):
    """Take a sample of each group so that the ratio of the mixture holds to within one document.

    The sketch is one narrow row per document, and all that the steps read; see
    ``curate.mixture.steps``. ``clustered`` is set where a stage before this one wrote ``cluster``,
    which keeps similar documents on one side of the validation split.
    """

    mixture: Mixture
    name: str = "mix"
    clustered: bool = False
    most_rows: int = 1 << 21
    """Rows of the histogram while cuts are made, of some 300 bytes each."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that determine a row's leaf, amount, copies and side."""
        size = {"tokens": ("n_tokens",), "bytes": ("text",), "documents": ()}[self.mixture.unit]
        copies = (self.mixture.upsample.by,) if self.mixture.upsample else ()
        side = ("text", "cluster")[: 1 + self.clustered] if self.mixture.validation else ()
        own = (*self.mixture.columns, *(name for name, _ in self.mixture.conditions))
        own += self.mixture.split_columns
        return tuple(dict.fromkeys(("id", *own, *size, *copies, *side)))

    @property
    def adds(self) -> tuple[str, ...]:
        """The verdict columns, because a row that is not taken is dropped."""
        return tuple(schema.VERDICT_COLUMNS)

    @property
    def decides(self) -> Literal["shard", "all"]:
        """All shards read the same intervals."""
        return "all"

    @property
    def sketch_reads(self) -> tuple[str, ...]:
        """The columns that `sketch` reads; of a text it is enough to know its size."""
        return tuple(name for name in self.reads if name != "text" or self.mixture.validation)

    @property
    def places_by_text(self) -> bool:
        """Whether a hash of texts holds documents out, or columns beside the texts are read."""
        return bool(self.mixture.validation) or not all(map(schema.is_ours, self.reads))

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return each row's leaf, *u* and amount; ``group`` is null where it belongs to none."""
        from curate.mixture.histogram import sketch

        return sketch(self.mixture, table)

    def steps(self) -> tuple[Step, ...]:
        from curate.mixture.steps import steps

        return steps(self.mixture, self.most_rows)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop rows not taken: ``mix:over_budget`` with *u* in [0, 1), or ``mix:no_group``."""
        from curate.mixture.histogram import leaves
        from curate.mixture.placements import placements
        from curate.mixture.sampling import sample_key

        def judge(rows: pa.Table) -> pa.Table:
            rules = np.full(rows.num_rows, "over_budget", object)
            rules[placements(self.mixture, rows, decisions).column("row").to_numpy()] = None
            for leaf, which in leaves(self.mixture, rows):
                if leaf is None:
                    rules[which] = "no_group"
            # 53 bits, so that the largest u does not round up to 1.
            u = (sample_key(rows.column("id"), self.mixture.seed) >> np.uint64(11)) / 2.0**53
            values = pa.array(u, mask=rules != "over_budget")
            return drop(rows, self.name, pa.array(rules, pa.string()), values)

        return on_alive(table, judge)

    def placements(self, table: pa.Table, decisions: pa.Table) -> pa.Table:
        """Return the product's rows: ``row`` of the table, ``phase``, ``epoch`` (from 1).

        A row occurs once for each phase, pass and copy that takes it; a row with a verdict never
        occurs.
        """
        from curate.mixture.placements import placements

        alive = np.asarray(schema.alive(table))
        if alive.all():
            return placements(self.mixture, table, decisions)
        active = np.flatnonzero(alive)
        placed = placements(self.mixture, table.take(pa.array(active)), decisions)
        return placed.set_column(0, "row", pa.array(active[placed.column("row").to_numpy()]))
