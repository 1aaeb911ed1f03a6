"""Run a recipe into a folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.api import engines
from curate.engine import compiling
from curate.engine.driver import Driver
from curate.engine.folder import RunId, begin, examine, keeps_work, only_writer
from curate.engine.progress import Progress, Silent
from curate.engine.publish import publish
from curate.engine.run_state import RunState
from curate.errors import RecipeError, ToleranceError
from curate.inspection import capacity, first_records
from curate.inspection.first_records import DATED
from curate.logging_setup import LOGGER
from curate.plan import build as planning
from curate.plan.estimate import estimate
from curate.plan.model import Plan
from curate.protocol.ledger import Ledger
from curate.recipe import locate
from curate.recipe.recipe import Recipe, load_recipe
from curate.report import render
from curate.report.notebook import notebook_table
from curate.storage.entries import Manifest
from curate.storage.parquet_sink import stored_rows
from curate.storage.store import Store, as_resource_error, open_store


@dataclass(frozen=True)
class RunResult:
    """What a run wrote, and whether it kept the recipe's limits.

    Attributes
    ----------
    output : str
        Folder or address of the result.
    manifest : dict
        The content of ``manifest.json``; docs/data-format.md describes it.
    exit_code : int
        0, or 3 where a limit of the recipe is exceeded.
    complaints : tuple of str
        The limits that are exceeded.
    reused : bool
        Whether the folder contained this finished run already, so that nothing was done.

    Examples
    --------
    >>> totals = {"documents": 445, "dropped": 103, "taken": 162}
    >>> RunResult("out", {"totals": totals, "mixture": []}, 0, (), reused=False)
    RunResult('out': 445 documents, 103 dropped, 162 taken; exit code 0)
    """

    output: str
    manifest: dict[str, Any]  #: what ``manifest.json`` contains
    exit_code: int
    complaints: tuple[str, ...]
    reused: bool

    def __repr__(self) -> str:
        totals = self.manifest["totals"]
        counts = ", ".join(f"{totals[name]} {name}" for name in ("documents", "dropped", "taken"))
        return f"RunResult({self.output!r}: {counts}; exit code {self.exit_code})"

    def _repr_html_(self) -> str:
        """Return the mixture as a table, as a notebook shows it."""
        return notebook_table(repr(self), self.manifest["mixture"])


def run(
    recipe: str | Path | Recipe,
    *,
    output: str | Path,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    engine: str = "auto",
    workers: int | None = None,
    address: str | None = None,
    wait: float | None = None,
    resume: bool = False,
    fresh: bool = False,
    keep_work: bool = False,
    force: bool = False,
    settings: Sequence[str] = (),
    without: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunResult:
    """Run a recipe into a folder; an interrupted run continues where it stopped.

    Parameters
    ----------
    recipe : str, Path or Recipe
        Name, path or value of the recipe.
    output : str or Path
        Folder or address of the result.
    inputs : mapping of str to str or sequence of str, optional
        Paths, patterns or fsspec addresses per source; sources not named are then left out.
        Default: those of the recipe.
    engine : {'auto', 'ray', 'in-process'}, default 'auto'
        Where the work is done; auto is in-process where Ray would cost more than it gives. Neither
        it nor ``workers`` changes a byte of the product.
    workers : int, optional
        CPUs to use on Ray, which it asks for; default: all.
    address : str, optional
        Address of a Ray cluster; default: RAY_ADDRESS, else a Ray of its own on this machine, even
        if another one runs here (``local`` means that whatever RAY_ADDRESS is).
    wait : float, optional
        Seconds for which a Ray cluster may have no CPU; default: no limit.
    resume : bool, default False
        Continue although the recipe, a profile or the inputs changed, with what is still valid: of
        an unfinished run, or of a finished one whose work was kept.
    fresh : bool, default False
        Start over. A finished product stays until the new one replaces it.
    keep_work : bool, default False
        Keep intermediate files after publishing, so that ``resume`` judges again by changed rules
        without reading the inputs again. It stays in force in this folder until a ``fresh`` run.
    force : bool, default False
        Run although the estimate exceeds the disk or the memory of this machine.
    settings : sequence of str, default ()
        Keys of the recipe to replace, as ``KEY=VALUE``; ignored for a Recipe.
    without : sequence of str, default ()
        Groups of the mixture to leave out; ignored for a Recipe.
    progress : Progress, optional
        Receives the progress of each step; default: :class:`Silent`.

    Returns
    -------
    RunResult
        Where the result is, its manifest, and the limits that are exceeded.

    Raises
    ------
    RecipeError
        If the recipe cannot be run as written.
    RefusedError
        If the folder is locked or contains another run.
    ToleranceError
        If dedup removed more than the recipe allows and ``limits.on_dedup_loss`` is stop.
    ResourceError
        If a disk, memory or the cluster failed, or would not suffice; the run can be continued.

    Examples
    --------
    >>> import tempfile
    >>> from curate.recipe.recipe import Recipe
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three"}')
    ...     source = {"format": "jsonl", "path": [str(file)], "text": "text"}
    ...     recipe = Recipe.model_validate({"name": "tiny", "sources": {"web": source}})
    ...     result = run(recipe, output=f"{folder}/out", engine="in-process")
    >>> result.manifest["totals"]["rows"], result.exit_code
    (1, 0)
    """
    if resume and fresh:
        raise RecipeError("resume goes on with the work here, fresh starts over: give one of them")
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(
            str(recipe), inputs=dict(inputs or {}), settings=settings, without=without
        )
    store = open_store(str(output))
    with _storage_errors(str(output)):
        keep_work = keep_work or (not fresh and keeps_work(store))
    plan = planning.build(recipe, judging_apart=keep_work)
    first_records.check(plan)
    cost = estimate(plan)
    choice = engines.choose(engine, cost["core_seconds"], workers, address)
    with _storage_errors(str(output)):
        if not force and (fresh or store.size("manifest.json") is None):
            capacity.check(cost, store.address, choice.tasks_here)
    listener = progress or Silent()
    run_id = RunId(plan.fingerprint, plan.inputs, plan.parts)
    with _storage_errors(str(output)):
        examine(store, run_id, resume=resume, fresh=fresh)  # a folder that is refused gets no lock
    with _storage_errors(str(output)), only_writer(store) as check_lease:
        entry = begin(store, run_id, resume=resume, fresh=fresh, keep_work=keep_work)
        if entry.manifest is not None:
            return _result(str(output), store, entry.manifest, recipe, reused=True)
        if resume and entry.epoch == 1:
            listener.note("there is nothing to resume here: the run begins")
        if entry.differences:
            listener.note(f"since the work here: {entry.differences}")
        listener.note(f"engine: {choice.reason}")
        if own := locate.own_profiles(plan.profiles.by_name, recipe.folder):
            listener.note(f"profiles of your own: {_named(own)}")
        if not address and (line := compiling.notice(plan.stages)):
            listener.note(line)
        started = time.perf_counter()
        needed = cost["memory_bytes_per_worker"]
        machine = engines.start(choice, workers, address, wait, needed)
        try:
            driver = Driver(plan, store, machine, listener)
            driver.timings.append(_wall("start", choice.name, started))

            def finish(state: RunState) -> Manifest:
                _check_dedup_loss(recipe, state.ledger, str(output))
                state.timings.append(_wall("all", "all", started))
                check_lease()
                written = _recipe_as_run(plan)
                return publish(
                    plan, store, state, entry.epoch, render, written, keep_work=keep_work
                )

            here = choice.name == "in-process"
            with compiling.helpers(recipe, plan.stages) if here else nullcontext():
                manifest = driver.drive(finish)
        finally:
            machine.close()
    return _result(str(output), store, manifest, recipe, reused=False)


def _named(files: Mapping[str, Path], most: int = 8) -> str:
    """Return the files in one line; of many the first, and how many more."""
    shown = [str(file) for file in files.values()][:most]
    return ", ".join(shown) + (f" and {len(files) - most} more" if len(files) > most else "")


def _wall(segment: str, label: str, started: float) -> dict[str, Any]:
    return {"segment": segment, "label": label, "wall": round(time.perf_counter() - started, 4)}


@contextmanager
def _storage_errors(output: str) -> Iterator[None]:
    """Convert errors of a full or failing disk: what is committed stays, the run can continue."""
    try:
        yield
    except OSError as error:
        raise as_resource_error(error, output) from error


def _recipe_as_run(plan: Plan) -> dict[str, bytes]:
    """Return the recipe and the profiles, resolved, by the paths under which they are published."""
    import tomli_w

    recipe = planning.redacted_recipe(plan.recipe).model_dump(mode="json", exclude_none=True)
    tables = {"recipe.toml": recipe} | {
        f"filters/{Path(name).stem}.toml": _without_addresses(
            profile.model_dump(mode="json", exclude_none=True, exclude={"name"})
        )
        for name, profile in sorted(plan.profiles.by_name.items())
    }
    return {path: tomli_w.dumps(table).encode() for path, table in tables.items()}


def _without_addresses(profile: dict[str, Any]) -> dict[str, Any]:
    """Return a profile as it may be stored; what is compared with texts stays as it is."""
    compared = ("lists", "url", "trim", "rewrite")
    return {k: v if k in compared else planning.redacted(v) for k, v in profile.items()}


def _result(
    output: str, store: Store, manifest: Manifest, recipe: Recipe, *, reused: bool
) -> RunResult:
    complaints = (
        *_complaints(manifest, recipe),
        *_emptiness(manifest, recipe),
        *_missing_dates(store, manifest, recipe),
    )
    return RunResult(output, manifest.to_json(), 3 if complaints else 0, complaints, reused)


def _complaints(manifest: Manifest, recipe: Recipe) -> Iterator[str]:
    limits, totals = recipe.limits, manifest.totals
    allowed = max(limits.quarantined_share * totals.records, limits.quarantined_records)
    if totals.quarantined > allowed:
        yield (
            f"{totals.quarantined} of {totals.records} records could not be read; tolerated are"
            f" {int(allowed)} (limits.quarantined_share = {limits.quarantined_share:g},"
            f" limits.quarantined_records = {limits.quarantined_records});"
            " see quarantine/"
        )
    for complaint in _dedup_loss_complaints(recipe, manifest.ledger):
        yield f"{complaint}; see clusters.parquet"


def _emptiness(manifest: Manifest, recipe: Recipe) -> Iterator[str]:
    """Yield why there is no product: nothing was read, nothing was kept, or nothing fits."""
    totals, files = manifest.totals, len(manifest.inputs)
    all_damage_allowed = 0 < totals.quarantined == totals.records and (
        recipe.limits.quarantined_share == 1
    )
    if totals.rows or all_damage_allowed:
        return
    if not totals.documents:
        yield (
            f"no document was read: {files} input files hold {totals.records} records,"
            f" {totals.skipped} skipped and {totals.quarantined} quarantined; the product is empty"
        )
    elif not totals.curated:
        yield f"all {totals.documents} documents were dropped; the product is empty: report.html"
    else:
        yield (
            f"none of {totals.curated} documents was taken; the product is empty: the budget is"
            " below the smallest document, or no document belongs to a group"
        )


def _missing_dates(store: Store, manifest: Manifest, recipe: Recipe) -> Iterator[str]:
    """Yield a complaint where the newest or oldest was to be kept and no document has a date.

    Where only some have none, the number is logged: an order puts them last.
    """
    keep = next((k for s in recipe.stages if (k := s.options.get("keep")) in DATED), None)
    if keep is None or not manifest.totals.documents:
        return
    rows = dated = 0
    for entry in manifest.files:
        if entry.dataset in ("mixture", "rejected"):
            for group in stored_rows(store, [entry], ["date"]):
                nulls = group.column("date").null_count
                rows, dated = rows + len(group), dated + len(group) - nulls
    if not dated:
        yield f"keep = '{keep}', but none of {rows} documents has a date: ids decided instead"
    elif dated < rows:
        LOGGER.warning(
            "%d of %d documents have no date; keep = '%s' puts them last", rows - dated, rows, keep
        )


def _check_dedup_loss(recipe: Recipe, ledger: Ledger, output: str) -> None:
    complaints = _dedup_loss_complaints(recipe, ledger)
    if complaints and recipe.limits.on_dedup_loss == "stop":
        raise ToleranceError(
            "; ".join(complaints),
            where=output,
            hint="nothing was published and the work is kept: to publish it, run the same command"
            " with --set limits.on_dedup_loss=warn, or with a higher limit",
        )


def _dedup_loss_complaints(recipe: Recipe, ledger: Ledger) -> list[str]:
    """Return the sources and languages that lost more to dedup than the recipe tolerates."""
    limit, complaints = recipe.limits.max_dedup_loss, []
    dedups = [ledger.stage(spec.label) for spec in recipe.stages if spec.use.endswith("_dedup")]
    for at, kind in enumerate(("source", "language")):
        before: Counter[str] = Counter()
        removed: Counter[str] = Counter()
        for cell, amount in dedups[0].input.items() if dedups else ():
            before[cell[at]] += amount.documents
        for dropped_cell, amount in (item for dedup in dedups for item in dedup.dropped.items()):
            removed[dropped_cell[at]] += amount.documents
        complaints += [
            f"dedup removed {removed[name] / count:.1%} of {kind} '{name}', {limit:.1%} is"
            " tolerated (limits.max_dedup_loss)"
            for name, count in before.items()
            if removed[name] / count > limit
        ]
    return complaints
