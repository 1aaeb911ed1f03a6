"""Copies whose witness is dropped later: they get the witness of their witness.

Two barriers of one group decide one after the other. An exact duplicate names the copy that was kept;
when the next barrier finds that one to be a near duplicate, the name would lead to a document that is
gone. What holds for the one copy holds for the other, so both name the same, kept document.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.protocol.routing import decide, integers, part_of
from curate.protocol.stage import Inputs, Step
from curate.schema import whole

Run = Callable[[Inputs], Iterator[tuple[str, pa.Table]]]

#: What stands as `dropped_by` of a decision that only changes the evidence of an earlier one.
FOLLOWED = "followed"
#: What a row takes over from its witness.
EVIDENCE = ("duplicate_of", "jaccard", "cluster", "cluster_size")


def tasks() -> tuple[Step, ...]:
    """Give the steps that come after the decisions; `gone` is written by the step that decides."""
    return (
        Step("twins", "shard", ("decided",), ("twins",), _send),
        Step("follow", "partition", ("twins", "gone"), ("followed",), _follow),
    )


def gone(decisions: pa.Table, partitions: int) -> pa.Table:
    """Give the duplicates among decisions, for the partition of their id."""
    rows = decisions.filter(
        pc.and_(
            pc.is_valid(decisions.column("dropped_by")),
            pc.is_valid(decisions.column("duplicate_of")),
        )
    ).select(["id", *EVIDENCE])
    part = part_of(_keys(rows.column("id")), partitions)
    return rows.append_column("part", part)


def settled(table: pa.Table) -> pa.Table:
    """Let each dropped row of a table name a witness that is kept, as `follow` does among shards."""
    names = whole(table.column("duplicate_of"))
    at = pc.index_in(names, value_set=whole(table.column("id")))
    own = whole(table.column("duplicate_of")).take(at)
    moves = pc.and_(pc.is_valid(names), pc.is_valid(own))
    if not pc.any(moves).as_py():
        return table
    for name in EVIDENCE:
        column = whole(table.column(name))
        new = _evidence(name, column, column.take(at))
        place = table.column_names.index(name)
        table = table.set_column(place, name, pc.if_else(moves, new, column))
    return table


def follow(rejects: pa.Table, decisions: pa.Table) -> pa.Table:
    """Change the evidence of rows that an earlier barrier dropped."""
    said = decisions.filter(pc.equal(decisions.column("dropped_by"), FOLLOWED))
    if not said.num_rows or "duplicate_of" not in rejects.column_names:
        return rejects
    at = pc.index_in(whole(rejects.column("id")), value_set=whole(said.column("id")))
    for name in EVIDENCE:
        column = whole(rejects.column(name))
        new = _evidence(name, column, whole(said.column(name)).take(at))
        place = rejects.column_names.index(name)
        rejects = rejects.set_column(place, name, pc.if_else(pc.is_valid(at), new, column))
    return rejects


def _evidence(name: str, own: pa.Array, witness: pa.Array) -> pa.Array:
    # A duplicate by address has no similarity of texts, and gets none.
    return pc.if_else(pc.is_null(own), own, witness) if name == "jaccard" else witness


def _keys(ids: pa.ChunkedArray) -> np.ndarray:
    digests = b"".join(
        hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.to_pylist()
    )
    return np.frombuffer(digests, np.uint64)


def _send(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    for table in inputs.stream("decided"):
        if "duplicate_of" not in table.column_names:
            continue
        rows = table.filter(pc.is_valid(table.column("duplicate_of")))
        if rows.num_rows:
            part = part_of(_keys(rows.column("duplicate_of")), inputs.partitions)
            yield "twins", rows.select(["doc", "id", "duplicate_of"]).append_column("part", part)


def _follow(inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    moved = list(inputs.stream("gone"))
    if not moved:
        return
    witnesses = pa.concat_tables(moved).combine_chunks()
    known = whole(witnesses.column("id"))
    for table in inputs.stream("twins"):
        at = pc.index_in(whole(table.column("duplicate_of")), value_set=known)
        found = at.is_valid()
        if not pc.any(found).as_py():
            continue
        rows = table.filter(found)
        taken = witnesses.take(at.filter(found))
        names = pa.array([FOLLOWED] * rows.num_rows)
        evidence = {name: whole(taken.column(name)) for name in EVIDENCE}
        columns = {"id": rows.column("id"), "dropped_by": names, **evidence}
        yield "followed", decide(integers(rows, "doc"), columns)


def telling(run: Run, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
    """Run the step that decides, and tell `gone` what it dropped for another document."""
    for dataset, table in run(inputs):
        yield dataset, table
        if dataset == "decisions":
            yield "gone", gone(table, inputs.partitions)


def with_twins(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Give steps that decide, with those that let exact copies follow."""
    deciding = next(step for step in steps if "decisions" in step.writes)
    at = steps.index(deciding)
    tells = dataclasses.replace(
        deciding, writes=(*deciding.writes, "gone"), run=partial(telling, deciding.run)
    )
    return (*steps[:at], tells, *steps[at + 1 :], *tasks())
