"""What the limits on one signal decide: the documents that no other rule drops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.inspection.finished_rows import FinishedRun
from curate.recipe.profile import Profile, Profiles
from curate.signals import column
from curate.signals.verdict import failures

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Limit(NamedTuple):
    """The interval that a profile's rules leave a signal."""

    low: float
    high: float
    rules: tuple[str, ...]


def limits_of(profile: Profile, signal: str) -> Limit:
    """Return the interval in which no rule of a profile on a signal drops a document."""
    rules = {name: rule for name, rule in profile.rules.items() if rule.signal == signal}
    return Limit(
        max((rule.min for rule in rules.values() if rule.min is not None), default=-np.inf),
        min((rule.max for rule in rules.values() if rule.max is not None), default=np.inf),
        tuple(rules),
    )


@dataclass(frozen=True)
class Decided:
    """Documents of a table by what a signal's limits mean for them."""

    values: Floats  #: nan where the signal was not measured
    low: Floats  #: the limits of each document's own profile, infinite without
    high: Floats
    profiles: npt.NDArray[np.object_]  #: the name of that profile
    measured: Booleans  #: the judge saw it, and the signal is defined
    alone: Booleans  #: measured, and no rule on another signal drops it


class Decider:
    """Splits the documents of a run by what the limits on one signal decide."""

    def __init__(self, run: FinishedRun, signal: str) -> None:
        run.check_signal(signal)
        self._signal = signal
        self._profiles: Profiles = run.profiles
        self._limits = {n: limits_of(p, signal) for n, p in self._profiles.by_name.items()}
        self._others = {name: _without(p, signal) for name, p in self._profiles.by_name.items()}
        uses = {spec.label: spec.use for spec in run.recipe.stages}
        stages = list(run.manifest.stages)
        judges = [at for at, name in enumerate(stages) if uses.get(name) == "judge"]
        self._before = stages[: judges[0]] if judges else []
        used = {rule.signal for p in self._others.values() for rule in p.rules.values()}
        signals = [column(name) for name in sorted(used | {signal})]
        #: The columns that :meth:`split` reads.
        self.columns = ("source", "lang", "dropped_by", *signals)

    def limit(self, profile: str) -> Limit:
        """Return the limits of a profile."""
        return self._limits[profile]

    def split(self, table: pa.Table) -> Decided:
        """Return what the signal's limits decide of a table with ``columns``."""
        count = table.num_rows
        values = np.asarray(table.column(column(self._signal)).to_numpy(), np.float64)
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        names = np.full(count, None, object)
        passes = np.zeros(count, np.bool_)
        for profile, rows in self._profiles.groups(table) if count else ():
            names[rows] = profile.name
            low[rows], high[rows], _ = self._limits[profile.name]
            failed = failures(table.take(pa.array(rows)), self._others[profile.name])
            passes[rows] = ~np.logical_or.reduce([np.zeros(len(rows), np.bool_), *failed.values()])
        stage = pc.replace_substring_regex(table.column("dropped_by"), ":.*$", "")
        judged = ~np.asarray(
            pc.fill_null(pc.is_in(stage, pa.array(self._before, pa.string())), False)
        )
        measured = judged & ~np.isnan(values)
        return Decided(values, low, high, names, measured, measured & passes)


def _without(profile: Profile, signal: str) -> Profile:
    rules = {name: rule for name, rule in profile.rules.items() if rule.signal != signal}
    return profile.model_copy(update={"rules": rules})
