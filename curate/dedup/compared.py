"""What a dedup compares: which rows, and what of each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from curate.protocol.chat import text_of_role
from curate.protocol.routing import integers, read_docs
from curate.protocol.stage import Inputs
from curate.schema import whole


def column_of(on: str) -> str:
    """Return the name of the column that holds what is compared."""
    return "messages" if on == "prompt" else on


def compared_texts(table: pa.Table, on: str) -> pa.Array:
    """Return what of each row is compared: its text, its address, or what the user of a chat wrote.

    Null for a prompt where there is no conversation: such a row is never a duplicate by prompt.
    """
    column = whole(table.column(column_of(on)))
    return text_of_role(column, "user") if on == "prompt" else column


def active_rows(inputs: Inputs, dataset: str) -> Iterator[pa.Table]:
    """Yield the rows of a dataset that no earlier barrier of the group dropped."""
    decided = read_docs(inputs, "decided")
    for table in inputs.stream(dataset):
        yield table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
