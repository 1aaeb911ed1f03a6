"""The files of dropped rows: one schema for all of ``rejected/``, whichever stage dropped a row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from curate.engine.commit import Attempt, read_commit
from curate.engine.reading import document_schema
from curate.engine.segment import restored
from curate.plan.model import Plan
from curate.schema import conform
from curate.storage.parquet_sink import stored_rows, write_groups


def rejected_schema(plan: Plan) -> pa.Schema:
    """Return the schema of every file of ``rejected/``.

    The columns of documents, those that finished runs bring, then those of the stages in the order
    of the recipe. What a row's stages had not written yet when it was dropped is null.
    """
    types = {field.name: field.type for field in document_schema(plan.columns)}
    types |= {field.name: field.type for field in plan.brought if field.name not in types}
    for stage in plan.stages:
        if stage is not plan.mix:
            types |= {name: kind for name, kind in stage.added_types.items() if name not in types}
    return restored(pa.schema(list(types.items())).empty_table(), plan.columns).schema


@dataclass(frozen=True)
class RejectsJob:
    """Writes the dropped rows of one task again, with the columns of a recipe changed since."""

    schema: pa.Schema

    def run(self, assignment: str, attempt: Attempt) -> None:
        """Write the files of one commit: the bytes that its task would write now."""
        store = attempt.store
        for number, entry in enumerate(read_commit(store, assignment).dataset("rejected")):
            name = f"{attempt.folder}/rejected-{number:05d}.parquet"
            groups = (conform(group, self.schema) for group in stored_rows(store, [entry]))
            attempt.files.append(
                write_groups(store, name, self.schema, groups, dataset="rejected", level=1)
            )
