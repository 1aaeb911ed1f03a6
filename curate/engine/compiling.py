"""The first seconds on a machine: workers of a node compile a segment's kernels together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from curate import schema
from curate.kernels.jit import compiling
from curate.protocol.stage import Barrier, MapStage

#: Stages whose kernels this process has compiled or loaded.
_DONE: set[str] = set()


def compile_together(
    table: pa.Table, stages: Sequence[MapStage], barriers: Sequence[Barrier]
) -> None:
    """Compile the kernels of stages and barriers, or load them if compiled; ``table`` is empty.

    Each stage is run on an empty table with the columns that it would receive. A worker takes a
    stage that no other is compiling, and waits for others only at the end; so all workers of a node
    share the work.
    """
    work: list[tuple[str, Callable[[], object]]] = []
    for stage in stages:
        work.append((_name(stage), partial(stage.apply, table, Counter())))
        table = _with(table, stage.adds)
    work += [(_name(barrier), partial(barrier.sketch, table)) for barrier in barriers]
    work = [(name, run) for name, run in work if name not in _DONE]
    left = []
    for name, run in work:
        with compiling(name, wait=False) as acquired:
            if acquired:
                run()
            else:
                left.append((name, run))
    for name, run in left:
        with compiling(name, wait=True):
            run()
    _DONE.update(name for name, _ in work)


def _name(stage: MapStage | Barrier) -> str:
    return f"{type(stage).__module__}.{type(stage).__qualname__}"


def _with(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        if name not in table.column_names:
            type_ = schema.column_type(name) or pa.float64()  # a signal
            table = table.append_column(name, pa.array([], type_))
    return table
