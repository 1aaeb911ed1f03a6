"""Witnesses that a later barrier drops: their copies are given the witness of their witness.

Two barriers of one group decide one after the other. An exact duplicate names the copy that was
kept; when the next barrier finds that copy to be a near duplicate, the name would lead to a
document that was dropped. What holds for the one copy holds for the other, so both name the same,
kept document.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.agreement import sources_of
from curate.protocol.routing import decide, integers, part_of, read_table
from curate.protocol.stage import Inputs, Step
from curate.protocol.tables import with_columns
from curate.schema import whole

#: The `dropped_by` of a decision that only changes the evidence of an earlier one.
REASSIGNED = "reassigned"
#: The columns that a row takes over from its witness.
EVIDENCE = ("duplicate_of", "jaccard", "cluster", "cluster_size", "cluster_sources")


def with_reassignment(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps that decide, with those that reassign the witnesses of earlier decisions."""
    deciding = next(step for step in steps if "decisions" in step.writes)
    at = steps.index(deciding)
    reporting = dataclasses.replace(
        deciding, writes=(*deciding.writes, "removed"), run=partial(_report_removed, deciding.run)
    )
    copies = ("earlier_copies", "removed")
    return (
        *steps[:at],
        reporting,
        *steps[at + 1 :],
        Step("earlier_copies", "shard", ("decided",), ("earlier_copies",), _earlier_copies),
        Step("reassign_witness", "partition", copies, ("reassigned",), _reassign),
    )


def reassign_within(table: pa.Table) -> pa.Table:
    """Let each dropped row of a table name a kept witness, as the steps do among shards."""
    names = whole(table.column("duplicate_of"))
    at = pc.index_in(names, value_set=whole(table.column("id")))
    changes = pc.and_(pc.is_valid(names), pc.is_valid(names.take(at)))
    return _with_evidence(table, changes, table, at) if pc.any(changes).as_py() else table


def reassign_witness(rejects: pa.Table, decisions: pa.Table) -> pa.Table:
    """Change the evidence of rows that an earlier barrier dropped."""
    reassigned = decisions.filter(pc.equal(decisions.column("dropped_by"), REASSIGNED))
    if not reassigned.num_rows or "duplicate_of" not in rejects.column_names:
        return rejects
    at = pc.index_in(whole(rejects.column("id")), value_set=whole(reassigned.column("id")))
    return _with_evidence(rejects, pc.is_valid(at), reassigned, at)


def _with_evidence(
    table: pa.Table, rows: pa.BooleanArray, witnesses: pa.Table, at: pa.Array
) -> pa.Table:
    """Set the evidence of rows to that of the witnesses at `at`."""
    columns = {name: whole(witnesses.column(name)).take(at) for name in EVIDENCE}
    for name, new in columns.items():
        own = whole(table.column(name))
        if name == "jaccard":  # a duplicate by address has no similarity of texts, and gets none
            new = pc.if_else(pc.is_null(own), own, new)
        place = table.column_names.index(name)
        table = table.set_column(place, name, pc.if_else(rows, new, own))
    return with_columns(table, {"n_cluster_sources": sources_of(table)})


def _id_keys(ids: pa.ChunkedArray) -> np.ndarray:
    hashes = (hashlib.blake2b(name.encode(), digest_size=8) for name in ids.to_pylist())
    return np.frombuffer(b"".join(each.digest() for each in hashes), np.uint64)


def _report_removed(
    run: Callable[[Inputs], Iterator[tuple[str, pa.Table]]], inputs: Inputs
) -> Iterator[tuple[str, pa.Table]]:
    """Run the deciding step, and send each duplicate that it drops to the partition of its id."""
    for dataset, table in run(inputs):
        yield dataset, table
        if dataset == "decisions":
            dropped, named = (table.column(name) for name in ("dropped_by", "duplicate_of"))
            rows = table.filter(pc.and_(pc.is_valid(dropped), pc.is_valid(named)))
            part = part_of(_id_keys(rows.column("id")), inputs.partitions)
            yield "removed", rows.select(["id", *EVIDENCE]).append_column("part", part)


def _earlier_copies(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Send the copies that earlier barriers dropped to the partition of their witness's id."""
    for table in inputs.stream("decided"):
        if "duplicate_of" not in table.column_names:
            continue
        rows = table.filter(pc.is_valid(table.column("duplicate_of")))
        if rows.num_rows:
            part = part_of(_id_keys(rows.column("duplicate_of")), inputs.partitions)
            columns = rows.select(["doc", "id", "duplicate_of"])
            yield "earlier_copies", columns.append_column("part", part)


def _reassign(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    witnesses = read_table(inputs, "removed")
    if witnesses is None:
        return
    witnesses = witnesses.combine_chunks()
    ids = whole(witnesses.column("id"))
    for table in inputs.stream("earlier_copies"):
        at = pc.index_in(whole(table.column("duplicate_of")), value_set=ids)
        found = at.is_valid()
        if not pc.any(found).as_py():
            continue
        rows = table.filter(found)
        own = witnesses.take(at.filter(found))
        evidence = {name: whole(own.column(name)) for name in EVIDENCE}
        names = pa.array([REASSIGNED] * rows.num_rows)
        columns = {"id": rows.column("id"), "dropped_by": names, **evidence}
        yield "reassigned", decide(integers(rows, "doc"), columns)
