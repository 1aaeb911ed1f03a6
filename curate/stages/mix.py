"""The stage ``mix``: every row decides from its own number *u* whether the mixture takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.protocol.stage import Barrier, Inputs, Step
from curate.protocol.tables import drop, on_alive
from curate.recipe.mixture import Mixture


@dataclass(frozen=True)
class Mix(Barrier):
    """Take a sample of each group so that the ratio of the mixture holds to within one document.

    ``clustered`` says that a stage before it wrote ``cluster``, which keeps what is alike on one side
    of the validation split.

    The sketch is one narrow row per document, and all that the steps read. ``histogram`` counts a
    shard's documents per leaf and bin of *u*; ``merge`` adds up over shards, divided by bin;
    ``budgets`` names the bins that a cut can lie in; ``look`` sends their documents; ``cut`` gives
    closed intervals of *u* per leaf, phase and pass, the same for all shards, and for the report the
    dataset ``mixture_report``.
    """

    mixture: Mixture
    name: str = "mix"
    makes_product: ClassVar[bool] = True
    clustered: bool = False
    most_rows: int = 1 << 21  #: of the histogram, while cuts are made; some 300 bytes each

    @property
    def reads(self) -> tuple[str, ...]:
        """Name the columns that say where a row belongs and how much it is."""
        size = {"tokens": ("n_tokens",), "bytes": ("text",), "documents": ()}[self.mixture.unit]
        copies = (self.mixture.upsample.by,) if self.mixture.upsample else ()
        side = ("text", "cluster")[: 1 + self.clustered] if self.mixture.validation else ()
        return tuple(dict.fromkeys(("id", *self.mixture.columns, *size, *copies, *side)))

    @property
    def adds(self) -> tuple[str, ...]:
        """Name the verdict columns: a row that is not taken is dropped."""
        return tuple(schema.VERDICT_COLUMNS)

    @property
    def decides(self) -> Literal["shard", "all"]:
        """All shards read the same intervals."""
        return "all"

    def sketch(self, table: pa.Table) -> pa.Table:
        """Give each row its leaf, its *u* and its amount; ``group`` is null where none holds it."""
        from curate.mixture.histogram import sketch

        return sketch(self.mixture, table)

    def steps(self) -> tuple[Step, ...]:
        """List the steps from sketches to intervals."""
        return (
            Step(
                "histogram",
                "shard",
                ("sketch", "decided"),
                ("bins", "shards", "held"),
                self._histogram,
            ),
            Step("merge", "partition", ("bins",), ("histogram",), self._merge),
            Step("budgets", "one", ("histogram", "shards"), ("cut_bins",), self._budgets),
            Step("look", "shard", ("sketch", "decided", "cut_bins"), ("cut_rows",), self._look),
            Step(
                "cut",
                "one",
                ("histogram", "cut_rows", "held"),
                ("decisions", "mixture_report"),
                self._cut,
            ),
        )

    def _histogram(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.mixture.histogram import HELD, add_held, add_up, count_bins, count_held

        held = [HELD.empty_table()]

        def counts() -> Iterator[pa.Table]:
            for rows in _undecided(inputs):
                held.append(add_held([held.pop(), count_held(rows)]))
                yield count_bins(rows)

        counted = add_up(counts())
        yield "held", _send(held[0], 0)
        yield "bins", _send(counted, np.asarray(counted.column("bin")) % inputs.partitions)
        # A task that runs once cannot know how many shards there are, unless each speaks up.
        yield "shards", _send(pa.table({"shard": pa.array([inputs.index], pa.int32())}), 0)

    def _merge(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.mixture.histogram import add_up

        yield "histogram", _send(add_up(inputs.stream("bins")), 0)

    def _budgets(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.mixture.cut_points import cut_bins
        from curate.mixture.histogram import by_leaf, gather, write_bins

        histogram, shift = gather(inputs.stream("histogram"), self.most_rows)
        wanted = write_bins(cut_bins(self.mixture, by_leaf(histogram, shift)), shift)
        for shards in inputs.stream("shards"):
            for shard in shards.column("shard").to_pylist():
                yield "cut_bins", _send(wanted, shard)

    def _look(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.mixture.histogram import SKETCH, bins_by_leaf, in_bins

        wanted = bins_by_leaf(inputs.stream("cut_bins"))
        for rows in _undecided(inputs):
            yield "cut_rows", _send(in_bins(rows.select(SKETCH.names), wanted), 0)

    def _cut(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        from curate.mixture.cut_points import cut, cut_bins, refine
        from curate.mixture.histogram import (
            SKETCH,
            add_held,
            by_leaf,
            documents_by_leaf,
            gather,
            held_stock,
        )
        from curate.mixture.placements import as_table
        from curate.mixture.summary import report

        coarse = by_leaf(*gather(inputs.stream("histogram"), self.most_rows))
        looked_at = [rows.select(SKETCH.names) for rows in inputs.stream("cut_rows")]
        documents = documents_by_leaf(pa.concat_tables([SKETCH.empty_table(), *looked_at]))
        refined = dict(coarse)
        for leaf, bins in cut_bins(self.mixture, coarse).items():
            if len(bins):
                refined[leaf] = refine(coarse[leaf], bins, documents[leaf])
        intervals, taken = cut(self.mixture, refined)
        yield "decisions", _send(as_table(intervals), 0)
        stock = {leaf: runs.stock for leaf, runs in coarse.items()}
        held = held_stock(add_held(inputs.stream("held")))
        yield "mixture_report", _send(report(self.mixture, stock, taken, held), 0)

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop what no phase takes: ``mix:over_budget`` with *u* in [0, 1), or ``mix:no_group``."""
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
        """Give the product's rows: ``row`` of the table, ``phase``, ``epoch`` (from 1).

        A row is there once for each phase, pass and copy that takes it; rows with a verdict never are.
        """
        from curate.mixture.placements import placements

        living = np.flatnonzero(np.asarray(schema.alive(table)))
        placed = placements(self.mixture, table.take(pa.array(living)), decisions)
        return placed.set_column(0, "row", pa.array(living[placed.column("row").to_numpy()]))


def _send(table: pa.Table, part: int | np.ndarray) -> pa.Table:
    parts = pa.array(np.broadcast_to(part, table.num_rows).astype(np.int32))
    return table.append_column("part", parts)


def _undecided(inputs: Inputs) -> Iterator[pa.Table]:
    """Read a shard's sketch without the documents that earlier barriers dropped."""
    dropped = [np.asarray(rows.column("doc")) for rows in inputs.stream("decided")]
    gone = pa.array(np.concatenate([np.empty(0, np.int64), *dropped]))
    for rows in inputs.stream("sketch"):
        yield rows.filter(pc.invert(pc.is_in(rows.column("doc"), gone))) if len(gone) else rows
