"""The steps of the mixture, from sketches to intervals of *u* and the table of the report.

``histogram`` counts a shard's documents per leaf and bin of *u*; ``merge`` adds up over shards,
divided by bin; ``budgets`` chooses the bins that a cut can lie in; ``look`` sends their documents;
``cut`` makes closed intervals of *u* per leaf, phase and pass, the same for all shards, and the
dataset ``mixture_report``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from curate.mixture import histogram
from curate.mixture.cut_points import cut, cut_bins, refine
from curate.mixture.placements import as_table
from curate.mixture.summary import report
from curate.protocol.routing import undecided
from curate.protocol.stage import Inputs, Step
from curate.recipe.mixture import Mixture

Outputs = Iterator[tuple[str, pa.Table]]


def steps(mixture: Mixture, most_rows: int) -> tuple[Step, ...]:
    """Return the steps; ``most_rows`` bounds the histogram while cuts are made."""
    budgets, cuts = (partial(run, mixture, most_rows) for run in (_budgets, _cut))
    counted, product = ("bins", "shards", "held_out"), ("decisions", "mixture_report")
    return (
        Step("histogram", "shard", ("sketch", "decided"), counted, _histogram),
        Step("merge", "partition", ("bins",), ("histogram",), _merge),
        Step("budgets", "one", ("histogram", "shards"), ("cut_bins",), budgets),
        Step("look", "shard", ("sketch", "decided", "cut_bins"), ("cut_rows",), _look),
        Step("cut", "one", ("histogram", "cut_rows", "held_out"), product, cuts),
    )


def _histogram(inputs: Inputs) -> Outputs:
    held_out = histogram.HELD_OUT.empty_table()

    def counts() -> Iterator[pa.Table]:
        nonlocal held_out
        for rows in undecided(inputs):
            held_out = histogram.add_held_out([held_out, histogram.count_held_out(rows)])
            yield histogram.count_bins(rows)

    counted = histogram.add_up(counts())
    yield "held_out", _send(held_out, 0)
    yield "bins", _send(counted, np.asarray(counted.column("bin")) % inputs.partitions)
    # A task that runs once cannot know how many shards there are, unless each shard sends its
    # number.
    yield "shards", _send(pa.table({"shard": pa.array([inputs.index], pa.int32())}), 0)


def _merge(inputs: Inputs) -> Outputs:
    yield "histogram", _send(histogram.add_up(inputs.stream("bins")), 0)


def _budgets(mixture: Mixture, most_rows: int, inputs: Inputs) -> Outputs:
    counted, shift = histogram.gather(inputs.stream("histogram"), most_rows)
    bins = histogram.write_bins(cut_bins(mixture, histogram.by_leaf(counted, shift)), shift)
    for shards in inputs.stream("shards"):
        for shard in shards.column("shard").to_pylist():
            yield "cut_bins", _send(bins, shard)


def _look(inputs: Inputs) -> Outputs:
    bins = histogram.bins_by_leaf(inputs.stream("cut_bins"))
    for rows in undecided(inputs):
        yield "cut_rows", _send(histogram.in_bins(rows.select(histogram.SKETCH.names), bins), 0)


def _cut(mixture: Mixture, most_rows: int, inputs: Inputs) -> Outputs:
    coarse = histogram.by_leaf(*histogram.gather(inputs.stream("histogram"), most_rows))
    rows = [table.select(histogram.SKETCH.names) for table in inputs.stream("cut_rows")]
    documents = histogram.documents_by_leaf(
        pa.concat_tables([histogram.SKETCH.empty_table(), *rows])
    )
    refined = dict(coarse)
    for leaf, bins in cut_bins(mixture, coarse).items():
        if len(bins):
            refined[leaf] = refine(coarse[leaf], bins, documents[leaf])
    intervals, taken = cut(mixture, refined)
    yield "decisions", _send(as_table(intervals), 0)
    available = {leaf: runs.available for leaf, runs in coarse.items()}
    held_out = histogram.held_out_by_leaf(histogram.add_held_out(inputs.stream("held_out")))
    yield "mixture_report", _send(report(mixture, available, taken, held_out), 0)


def _send(table: pa.Table, part: int | np.ndarray) -> pa.Table:
    parts = pa.array(np.broadcast_to(part, table.num_rows).astype(np.int32))
    return table.append_column("part", parts)
