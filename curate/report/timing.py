"""Where the time went: rows of ``timings.jsonl`` in the order of the recipe."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from statistics import median
from typing import Any

_SEGMENT = re.compile(r"\d+-segment")


@dataclass(frozen=True)
class Work:
    """One part of a run: a pass over the text, or a barrier's steps."""

    name: str
    wall: float
    stages: tuple[str, ...] = ()
    tasks: tuple[float, ...] = ()  #: seconds of each
    peak_bytes: int = 0

    @property
    def busy(self) -> float:
        """Seconds of all tasks together."""
        return sum(self.tasks)

    @property
    def typical(self) -> float | None:
        """Seconds of the median task."""
        return median(self.tasks) if self.tasks else None

    @property
    def slowest(self) -> float | None:
        """Seconds of the slowest task."""
        return max(self.tasks, default=None)


@dataclass(frozen=True)
class Time:
    """Wall-clock seconds of a run, part by part; empty if not measured."""

    engine: str = ""
    total: float | None = None
    work: tuple[Work, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)  #: stages that have a part of their own
    hosts: int = 0

    @property
    def peak_bytes(self) -> int:
        """The largest memory of any worker."""
        return max((work.peak_bytes for work in self.work), default=0)


def time_spent(stages: Sequence[str], timings: Iterable[Mapping[str, Any]]) -> Time:
    """Group timings by stage; ``stages`` in recipe order, ``mix`` last.

    A map stage has its seconds summed over all tasks, because several share one pass over the text;
    a barrier has the wall-clock seconds of its steps. Tasks of an earlier, interrupted session are
    not included.
    """
    # The longest name first, so that stage `count` does not own steps of stage `count-again`.
    longest_first = sorted(stages, key=len, reverse=True)
    owner = {
        folder: next((name for name in longest_first if folder.startswith(f"{name}-")), folder)
        for folder in {str(row["segment"]) for row in timings}
    }
    barriers = set(owner.values()) & set(stages)
    first = tuple(takewhile(lambda stage: stage not in barriers, stages))
    work: dict[str, Work] = {}
    tasks: dict[str, list[float]] = defaultdict(list)
    stage_seconds: Counter[str] = Counter()
    total: float | None = None
    engine = ""
    hosts: set[str] = set()
    for row in timings:
        folder = str(row["segment"])
        if folder == "all":
            total = float(row["wall"])
            continue
        if folder == "start":
            engine = str(row["label"])
        key = owner[folder]
        part = work.get(key) or _named(key, str(row["label"]), first, stages)
        hosts |= {str(row["host"])} if "host" in row else set()
        if "seconds" in row:
            tasks[key].append(float(row["seconds"]))
        for stage, seconds in row.get("stages", {}).items():
            stage_seconds[stage] += seconds
        wall = part.wall + float(row.get("wall", 0.0))
        peak_bytes = max(part.peak_bytes, int(row.get("peak_bytes", 0)))
        work[key] = replace(part, wall=wall, peak_bytes=peak_bytes)
    own = {
        p.stages[0]: p.wall for p in work.values() if len(p.stages) == 1 and p.stages[0] in stages
    }
    own |= {stage: seconds for stage, seconds in stage_seconds.items() if stage not in barriers}
    parts = [replace(part, tasks=tuple(tasks[key])) for key, part in work.items()]
    rest = (total or 0.0) - sum(part.wall for part in parts)
    if total is not None and rest > 0:
        parts.append(Work("between the tasks", rest))
    return Time(engine, total, tuple(parts), own, len(hosts))


def _named(key: str, label: str, first: tuple[str, ...], stages: Sequence[str]) -> Work:
    if key == "start":
        return Work("starting the engine", 0.0)
    if key in stages:
        return Work(key, 0.0, (key,))
    if label == "reading":
        return Work(", ".join(("reading", *first)), 0.0, ("reading", *first))
    if _SEGMENT.fullmatch(key):
        named = "applying what was decided" if label == "applying" else label
        return Work(named, 0.0, tuple(name for name in label.split(", ") if name in stages))
    return Work(key, 0.0)
