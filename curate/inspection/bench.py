"""How fast each stage of a recipe runs on one core of this machine, on the recipe's own inputs."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from curate._version import __version__
from curate.engine.driver import Driver
from curate.engine.in_process import InProcess
from curate.engine.progress import Silent
from curate.engine.reading import read_shard
from curate.engine.run_state import RunState
from curate.errors import RecipeError, nearest
from curate.plan import rates
from curate.plan.model import Plan, Shard
from curate.plan.rates import Rates
from curate.recipe import locate
from curate.storage.store import open_store

#: Bytes of text that warm the kernels: loading them is no part of a rate.
WARMING = 200_000

#: Share of the words of the built-in texts that are replaced; of characters without spaces.
REPLACED = 0.05


@dataclass(frozen=True)
class Bench:
    """What one core did with a part of a plan's inputs.

    Attributes
    ----------
    text_bytes : int
        UTF-8 bytes of the documents that were read.
    documents : int
        Their number.
    seconds : dict of str to float
        CPU seconds: ``reading``, one entry per ``use`` of a map stage, and ``rest`` (sketches and
        steps of the barriers, intermediate files, the product).
    peak_bytes : int
        The largest memory of the process during a task.
    busy : float
        Wall-clock seconds per CPU second: well above 1 where other processes were busy.
    """

    text_bytes: int
    documents: int
    seconds: dict[str, float]
    peak_bytes: int
    busy: float = 1.0

    @property
    def total(self) -> float:
        """Seconds of everything."""
        return sum(self.seconds.values())

    def speed(self, part: str | None = None) -> float:
        """Return MB of text per second, of a part or of the whole."""
        seconds = self.total if part is None else self.seconds[part]
        return self.text_bytes / 1e6 / max(seconds, 1e-9)


def bench(plan: Plan, text_bytes: int) -> Bench:
    """Run a part of a plan's inputs, about ``text_bytes`` of text, in-process; keep nothing."""
    _run(_part(plan, WARMING)[0])
    part, size, documents, reading = _part(plan, text_bytes)
    started, used = time.perf_counter(), time.process_time()
    timings = _run(part).timings
    wall, total = time.perf_counter() - started, time.process_time() - used
    busy = wall / max(total, 1e-9)
    uses = {spec.label: spec.use for spec in plan.recipe.stages}
    seconds: dict[str, float] = {"reading": reading}
    for row in timings:
        for stage, spent in row.get("stages", {}).items():
            if stage not in {barrier.name for barrier in plan.barriers}:
                part_of = uses.get(stage, stage)
                seconds[part_of] = seconds.get(part_of, 0.0) + spent / max(1.0, busy)
    seconds["rest"] = max(0.0, total - sum(seconds.values()))
    peak = max((int(row.get("peak_bytes", 0)) for row in timings), default=0)
    return Bench(size, documents, seconds, peak, busy)


def _run(plan: Plan) -> RunState:
    with TemporaryDirectory(prefix="curate-bench-") as folder:
        return Driver(plan, open_store(folder), InProcess(), Silent()).drive(lambda state: state)


def _part(plan: Plan, text_bytes: int) -> tuple[Plan, int, int, float]:
    """Return a plan of the first shards of each source in turn, with what reading them took."""
    chosen: list[Shard] = []
    size = documents = 0
    spent = 0.0
    for shard in _in_turn(plan):
        started = time.process_time()
        for batch in read_shard(plan.sources[shard.source], shard, plan.recipe.shards.batch_bytes):
            size += _text_bytes(batch.documents)
            documents += batch.documents.num_rows
        spent += time.process_time() - started
        chosen.append(shard)
        if size >= text_bytes:
            break
    return replace(plan, shards=tuple(chosen)), size, documents, spent


def _in_turn(plan: Plan) -> Iterator[Shard]:
    """Yield the first shard of each source, then the second of each, and so on."""
    queues = [[s for s in plan.shards if s.source == name][::-1] for name in plan.sources]
    while any(queues):
        yield from (queue.pop() for queue in queues if queue)


def _text_bytes(table: pa.Table) -> int:
    return pc.sum(pc.binary_length(table.column("text"))).as_py() or 0


#: Recipe of the built-in text: the stages of the shipped recipes, with a token counter.
RECIPE = """
name = "bench"
[limits]
max_dedup_loss = 1.0
[shards]
input_bytes = 16_000_000
[sources.text]
format = "jsonl"
path = "{path}"
[[stages]]
use = "repair"
[[stages]]
use = "identify"
[[stages]]
use = "standardize"
[[stages]]
use = "trim"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
[[stages]]
use = "count"
[mixture]
unit = "tokens"
[mixture.groups.everything]
"""


def write_texts(path: Path, language: str, text_bytes: int) -> None:
    """Write JSON lines of about ``text_bytes``: sentences of sample_data, dealt into documents.

    Documents have 500 to 20,000 bytes, log-normal as on the web, and a fifth are copies. The texts
    are few, so a part of the words is replaced: what is remembered of a sentence must not help.
    """
    texts = Path(locate.data_path("sample_data/texts"))
    known = sorted(folder.name for folder in texts.iterdir())
    if language not in known:
        raise RecipeError(
            f"sample_data has no text of '{language}'",
            hint=f"{nearest(language, known)}; or measure on a recipe of your own",
        )
    folder = texts / language
    passages = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.txt"))]
    sentences = [s for text in passages for s in re.split(r"(?<=[.!?؟])\s+|(?<=。)|\n+", text) if s]
    draw = random.Random(1)
    gap = "" if language in ("jpn_Jpan", "cmn_Hans") else " "
    units = [list(s) if not gap else s.split(" ") for s in sentences]
    vocabulary = sorted({unit for sentence in units for unit in sentence})

    def sentence() -> str:
        chosen = draw.choice(units)
        return gap.join(
            draw.choice(vocabulary) if draw.random() < REPLACED else unit for unit in chosen
        )

    size = 0
    made: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        while size < text_bytes:
            if made and draw.random() < 0.2:
                text = draw.choice(made)
            else:
                left = int(min(20_000, max(500, draw.lognormvariate(7.8, 0.8))))
                lines: list[str] = []
                while left > 0:
                    lines.append(gap.join(sentence() for _ in range(draw.randint(2, 6))))
                    left -= len(lines[-1].encode())
                text = "\n".join(lines)
                made.append(text)
            size += len(text.encode())
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def rates_of(found: Sequence[Bench], day: str) -> Rates:
    """Return seconds per byte of text: the mean over what was measured."""
    parts = {part for one in found for part in one.seconds}
    mean = {
        part: sum(one.seconds.get(part, 0.0) / one.text_bytes for one in found) / len(found)
        for part in parts
    }
    return Rates(day, mean.pop("reading"), mean)


def keep(measured: Rates) -> Path | None:
    """Keep the rates of this machine; return the file, or None where it cannot be written."""
    path = rates.file()
    written = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # of the kernels too
        written.write_text(json.dumps({"version": __version__, **asdict(measured)}, indent=1))
        written.replace(path)
    except OSError:
        return None
    return path
