"""The first seconds on a machine: processes of a node compile a recipe's kernels together.

On Ray these are the workers. A run in one process starts helpers for it, which share nothing with
it but the folder of kernels and its locks: ``python -m curate.engine.compiling`` reads a recipe,
compiles what no other process is compiling, and ends.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pyarrow as pa

from curate import schema
from curate.kernels import cache, jit
from curate.kernels.jit import compiling
from curate.plan import build as planning
from curate.protocol.in_memory import resolve
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

    Each stage is run on a few rows with the columns that it would receive; on none where its
    kernels are stored already, or it is not ours. A worker takes a stage that no other is
    compiling, and waits for others only at the end; so all workers of a node share the work.
    ``source`` is a reader whose kernel the worker will need, if it has one.
    """
    work: list[tuple[str, Callable[[], object]]] = []
    rows = _sample(table.schema)
    if isinstance(source, CompiledSource):
        work.append((_name(source), source.compile))
    for stage in stages:
        work.append((_name(stage), partial(_apply, stage, rows)))
        rows = _with(rows, stage.added_types)
    for barrier in barriers:
        work.append((_name(barrier), partial(_resolve, barrier, rows)))
    work = [(name, run) for name, run in work if name not in _DONE]
    left = []
    for name, run in work:
        with compiling(name, wait=False) as acquired:
            if acquired:
                _without_collections(run)
            else:
                left.append((name, run))
    for name, run in left:
        with compiling(name, wait=True):
            _without_collections(run)
    _DONE.update(name for name, _ in work)
    for done in (source, *stages, *barriers):
        if mark := _mark(done):  # without it, they are looked for again
            with suppress(OSError):
                mark.parent.mkdir(mode=0o700, exist_ok=True)
                mark.touch()


def _apply(stage: MapStage, rows: pa.Table) -> None:
    stage.apply(rows if _is_new(stage) else rows.slice(0, 0), Counter())


def _resolve(barrier: Barrier, rows: pa.Table) -> None:
    if not _is_new(barrier):
        barrier.sketch(rows.slice(0, 0))
    elif barrier.known is None and not (barrier.makes_product or barrier.fills):
        # A mixture may be impossible, and a sidecar is read once.
        resolve(barrier, rows)
    else:
        barrier.sketch(rows)


def _is_new(stage: Stage) -> bool:
    mark = _mark(stage)
    return mark is not None and not mark.exists()


def compiles(stages: Sequence[Stage]) -> bool:
    """Return whether kernels of these stages are not stored on this machine yet."""
    return any(map(_is_new, stages))


def notice(stages: Sequence[Stage]) -> str | None:
    """Return the line that says how long kernels are compiled first; None where all are stored."""
    folder = cache.usable_folder()
    if folder is None:
        return "compiling: up to a minute"
    return f"compiling: up to a minute, once; kept in {folder}" if compiles(stages) else None


def _without_collections(run: Callable[[], object]) -> None:
    """Run without the collector of cyclic garbage, which takes an eighth of compiling."""
    collects = gc.isenabled()
    gc.disable()
    try:
        run()
    finally:
        if collects:
            gc.enable()


def _sample(columns: pa.Schema) -> pa.Table:
    """Return rows that need every kernel: near duplicates, a misread text, a long one."""
    words = [f"{word}{number}" for number in range(12) for word in ("word", "сөз", "語")]
    line = " ".join(words) + ": “quoted”, a@example.org, +7 701 234-56-78 …\u00ad"
    misread = "Öðleden sonra rüzgâr güçlendi ve ýþýklar söndü. "
    texts = [misread * 3, f"{line}\n{line}", f"{line}\n{line}!", f"{line}\n" * 50]
    values = {"id": [f"sample/{row}" for row in range(len(texts))], "text": texts}
    nulls = [None] * len(texts)
    return pa.table(
        [pa.array(values.get(field.name, nulls), field.type) for field in columns], schema=columns
    )


#: Of the rows of the sample: those of profiles with different rules.
_LANGUAGES = ["tur_Latn", "kaz_Cyrl", "eng_Latn", "jpn_Jpan"]


def _mark(stage: object) -> Path | None:
    """Return the file that says that the kernels of a stage are stored, if they can be."""
    module = type(stage).__module__
    folder = cache.usable_folder() if module.startswith("curate.") else None
    return folder and folder / jit.digest(module) / "compiled"


def _name(stage: object) -> str:
    return f"{type(stage).__module__}.{type(stage).__qualname__}"


def _with(table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the table with the columns that a stage adds: nulls, but languages with profiles."""
    for name, type_ in types.items():
        if name not in table.column_names:
            column = pa.nulls(table.num_rows, type_)
            if name == "lang":
                column = pa.array(_LANGUAGES[: table.num_rows], type_)
            table = table.append_column(name, column)
    return table


@contextmanager
def helpers(recipe: Recipe, stages: Sequence[Stage]) -> Iterator[int]:
    """Let other processes compile a recipe's kernels meanwhile, where they are not stored yet.

    Yields how many. They are ended at the end: what they have compiled by then is stored.
    """
    count = 0 if not compiles(stages) else min(MOST_HELPERS, (os.cpu_count() or 1) - 1)
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
            table = _with(table, stage.added_types)


if __name__ == "__main__":
    main()
