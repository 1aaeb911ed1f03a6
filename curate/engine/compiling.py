"""The first seconds on a machine: processes of a node compile a segment's kernels together.

On Ray these are the workers. A run in one process starts helpers for it, which share nothing with
it but the folder of kernels and its locks: ``python -m curate.engine.compiling`` reads a recipe,
compiles what no other process is compiling, and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pyarrow as pa

from curate import schema
from curate.kernels import cache, jit
from curate.kernels.jit import compiling
from curate.plan import build as planning
from curate.protocol.stage import Barrier, MapStage, Stage
from curate.recipe.recipe import Recipe
from curate.sources.base import CompiledSource, Source

#: More helpers than this find nothing left to compile.
MOST_HELPERS = 3


#: Stages whose kernels this process has compiled or loaded.
_DONE: set[str] = set()


def compile_together(
    table: pa.Table,
    stages: Sequence[MapStage],
    barriers: Sequence[Barrier],
    source: Source | None = None,
) -> None:
    """Compile the kernels of stages and barriers, or load them if compiled; ``table`` is empty.

    Each stage is run on an empty table with the columns that it would receive. A worker takes a
    stage that no other is compiling, and waits for others only at the end; so all workers of a node
    share the work. ``source`` is a reader whose kernel the worker will need, if it has one.
    """
    work: list[tuple[str, Callable[[], object]]] = []
    if isinstance(source, CompiledSource):
        work.append((_name(source), source.compile))
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
    for name, _ in work:
        if mark := _mark(name.rpartition(".")[0]):  # without it, they are looked for again
            with suppress(OSError):
                mark.parent.mkdir(mode=0o700, exist_ok=True)
                mark.touch()


def _mark(module: str) -> Path | None:
    """Return the file that says that the kernels of a stage's module are stored, if they can be."""
    folder = cache.usable_folder() if module.startswith("curate.") else None
    return folder and folder / jit.digest(module) / "compiled"


def _name(stage: object) -> str:
    return f"{type(stage).__module__}.{type(stage).__qualname__}"


def _with(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        if name not in table.column_names:
            type_ = schema.column_type(name) or pa.float64()  # a signal
            table = table.append_column(name, pa.array([], type_))
    return table


@contextmanager
def helpers(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[int]:
    """Let other processes compile a recipe's kernels meanwhile, where they are not stored yet.

    Yields how many. They are ended at the end: what they have compiled by then is stored.
    """
    marks = [_mark(type(stage).__module__) for stage in stages]
    stored = all(mark is None or mark.exists() for mark in marks)
    count = 0 if stored else min(MOST_HELPERS, (os.cpu_count() or 1) - 1)
    started = [_helper(recipe.model_dump_json().encode()) for _ in range(count)]
    try:
        yield len(started)
    finally:
        for process in started:
            process.kill()
            process.wait()


def _helper(recipe: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "curate.engine.compiling"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # what fails here fails in the run, and is told there
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,  # so that an interrupt of the terminal reaches the run alone
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(recipe)
    return process


def main() -> None:
    """Compile the kernels of the recipe on stdin, segment by segment."""
    recipe = Recipe.model_validate_json(sys.stdin.buffer.read())
    table = schema.DOCUMENT_SCHEMA.empty_table()
    for segment in planning.segments(recipe, planning.profiles(recipe)):
        compile_together(table, segment.stages, segment.barriers)
        for stage in segment.stages:
            table = _with(table, stage.adds)


if __name__ == "__main__":
    main()
