"""The rows of a finished run, each document once, and the profiles that judged them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.errors import RecipeError, RefusedError, nearest
from curate.inspection.verify import manifest_of
from curate.mixture.sampling import sample_key
from curate.plan import build as planning
from curate.plan.finished_runs import profile_reader
from curate.recipe.languages import label_of
from curate.recipe.profile import Profiles
from curate.recipe.recipe import Recipe, parse_recipe
from curate.storage.entries import Manifest
from curate.storage.store import Store


@contextmanager
def readable(store: Store, path: str) -> Iterator[None]:
    """Raise RefusedError, naming the file, where one of the product cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise RefusedError(
            f"{path} is damaged: {error}",
            where=store.address,
            hint=f"curate verify {store.address} lists all that is wrong",
        ) from error


class Part(NamedTuple):
    """Documents of one row group, and where they stand."""

    path: str
    group: int
    rows: np.ndarray  #: their numbers in the row group
    table: pa.Table  #: the columns that were wanted; null where a file lacks one


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, opened for queries; RefusedError from ``manifest`` where there is none."""

    store: Store

    @cached_property
    def manifest(self) -> Manifest:
        """The run's manifest."""
        return manifest_of(self.store)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it was run."""
        with readable(self.store, "recipe.toml"):
            text = self.store.read("recipe.toml").decode()
        return parse_recipe(text, f"{self.store.address}/recipe.toml")

    @cached_property
    def profiles(self) -> Profiles:
        """The profiles as they were during the run."""
        return planning.profiles(self.recipe, profile_reader(self.store))

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """The signals that the run stored, in the order of their columns, without categories."""
        # The files of a folder have the same columns.
        folders = {path.rpartition("/")[0]: path for path in reversed(self._files)}
        names: dict[str, None] = {}
        for path in folders.values():
            with readable(self.store, path), self.store.open(path) as handle:
                found = pq.read_schema(handle)
            numbers = [f.name for f in found if _is_signal(f.name) and f.type != pa.string()]
            names |= {name[len("signal_") :]: None for name in numbers}
        return tuple(names)

    @property
    def _files(self) -> list[str]:
        paths = [entry.path for entry in self.manifest.files]
        return [path for path in paths if path.startswith(("mixture/", "rejected/"))]

    @cached_property
    def rules(self) -> dict[str, int]:
        """The documents that each ``stage:rule`` dropped, without those that the mix left out."""
        counts: dict[str, int] = {}
        for stage, counted in self.manifest.ledger.stages.items():
            if stage == self.manifest.stages[-1]:
                continue
            for (_, _, rule), amount in counted.dropped.items():
                counts[f"{stage}:{rule}"] = counts.get(f"{stage}:{rule}", 0) + amount.documents
        return counts

    def check_signal(self, name: str) -> None:
        """Raise a RecipeError with the nearest name if the run did not store a signal."""
        if not self.signals:
            raise RecipeError(
                "this run stored no signals: its recipe has no stage `measure`",
                where=self.store.address,
                hint='add the stages `use = "measure"` and `use = "judge"`, and run again',
            )
        if name not in self.signals:
            raise RecipeError(
                f"this run did not measure the signal '{name}'",
                where=self.store.address,
                hint=f"{nearest(name, self.signals)}; a signal is measured once a rule names it",
            )

    def language(self, given: str) -> str:
        """Return the label that a code or name means, if the run has documents of it."""
        found = {
            lang
            for counted in self.manifest.ledger.stages.values()
            for _, lang in counted.input
            if lang
        }
        label = label_of(given, found)
        if label not in found:
            raise RecipeError(
                f"this run has no documents in {label}",
                where=self.store.address,
                hint=nearest(label, found) if found else "its recipe has no stage `identify`",
            )
        return label

    def is_kept(self, dropped_by: pa.ChunkedArray) -> np.ndarray:
        """Return which documents passed every stage; the mix may still have left them out."""
        left_out = pc.starts_with(dropped_by, f"{self.manifest.stages[-1]}:")
        return np.asarray(pc.fill_null(left_out, True))

    def documents(self, columns: Sequence[str]) -> Iterator[Part]:
        """Yield the documents of ``mixture/`` and ``rejected/``, each once, by row groups.

        Of the copies of a document the first is taken. Memory: a row group, and 8 bytes for each
        document of a product that has several phases.
        """
        columns = tuple(dict.fromkeys(("id", *columns)))
        phases = {path.split("/")[1] for path in self._files if path.startswith("mixture/")}
        known = _Seen() if len(phases) > 1 else None
        for path in self._files:
            product = path.startswith("mixture/")
            with readable(self.store, path), self.store.open(path) as handle:
                file = pq.ParquetFile(handle, page_checksum_verification=True)
                names = set(file.schema_arrow.names)
                stored = [name for name in columns if name in names]
                for group in range(file.num_row_groups):
                    wanted = [*stored, "epoch"] if product else stored
                    table = file.read_row_group(group, columns=wanted, use_threads=False)
                    first = np.ones(table.num_rows, np.bool_)
                    if product:
                        first = np.asarray(pc.equal(table.column("epoch"), 1))
                        if known is not None:
                            first &= known.new(path.split("/")[1], table.column("id"))
                    rows = np.flatnonzero(first)
                    if len(rows) < table.num_rows:
                        table = table.filter(pa.array(first))
                    yield Part(path, group, rows, _complete(table, columns))

    def rows(self, path: str, group: int, rows: Sequence[int]) -> pa.Table:
        """Return rows of a row group with all columns of ours."""
        with readable(self.store, path), self.store.open(path) as handle:
            file = pq.ParquetFile(handle, page_checksum_verification=True)
            names = [name for name in file.schema_arrow.names if schema.is_ours(name)]
            table = file.read_row_group(group, columns=names, use_threads=False)
        return table.take(pa.array(rows, pa.int64()))


class _Seen:
    """Which documents earlier phases had, by 64-bit hashes of their ids."""

    def __init__(self) -> None:
        self._before = self._here = np.empty(0, np.uint64)
        self._phase = ""

    def new(self, phase: str, ids: pa.ChunkedArray) -> np.ndarray:
        """Return which ids no earlier phase had; phases come one after the other."""
        if phase != self._phase:
            self._before = np.union1d(self._before, self._here)
            self._here, self._phase = np.empty(0, np.uint64), phase
        keys = sample_key(ids, 1)
        self._here = np.concatenate([self._here, keys])
        return ~np.isin(keys, self._before)


def _is_signal(name: str) -> bool:
    return name.startswith("signal_")


def _complete(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    arrays = {}
    for name in columns:
        if name in table.column_names:
            arrays[name] = table.column(name)
            continue
        kind = schema.COLUMNS[name].type if name in schema.COLUMNS else pa.float64()
        arrays[name] = pa.chunked_array([pa.nulls(table.num_rows, kind)])
    return pa.table(arrays)
