"""The first seconds on a machine: workers of a node compile a segment's kernels together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from curate import schema
from curate.kernels.jit import compiling
from curate.protocol.stage import Barrier, MapStage

#: Stages that this process has compiled or loaded.
_DONE: set[str] = set()


def compile_together(
    table: pa.Table, stages: Sequence[MapStage], barriers: Sequence[Barrier]
) -> None:
    """Compile what stages and barriers need, or load it where it was compiled; ``table`` is empty.

    Each stage is run on an empty table as it would get it. A worker takes what no other is at work on, and
    waits for others only at the end; so as many share the work as there are workers on the node.
    """
    work: list[tuple[str, Callable[[], object]]] = []
    for stage in stages:
        work.append((_name(stage), partial(stage.apply, table, Counter())))
        table = _with(table, stage.adds)
    work += [(_name(barrier), partial(barrier.sketch, table)) for barrier in barriers]
    work = [(name, run) for name, run in work if name not in _DONE]
    left = []
    for name, run in work:
        with compiling(name, wait=False) as mine:
            if mine:
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
            kind = schema.column_type(name) or pa.float64()  # a signal
            table = table.append_column(name, pa.array([], kind))
    return table
