"""Run a recipe into a folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.engine.base import Engine
from curate.engine.driver import Driver, Progress
from curate.engine.folder import begin, only_writer
from curate.engine.publish import publish
from curate.errors import RecipeError, ToleranceError, nearest
from curate.plan import build as planning
from curate.plan.model import Plan
from curate.protocol.ledger import Ledger
from curate.recipe.recipe import Recipe, load_recipe
from curate.storage.entries import Manifest
from curate.storage.store import as_resource_error, open_store


@dataclass(frozen=True)
class RunResult:
    """What a run left: where, the manifest, and the exit code that its limits call for."""

    output: str
    manifest: dict[str, Any]  #: what ``manifest.json`` contains
    exit_code: int
    complaints: tuple[str, ...]  #: why the exit code is 3
    reused: bool  #: the folder held this very run already; nothing was done


def run(
    recipe: str | Path | Recipe,
    *,
    output: str | Path,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    engine: str = "ray",
    workers: int | None = None,
    address: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    keep_work: bool = False,
    settings: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunResult:
    """Run a recipe into a folder. Run again after any kind of death: it goes on where it was.

    ``inputs`` maps source names to paths, globs or fsspec addresses; sources not named are left out.
    ``engine`` is "ray" or "in-process"; neither it nor ``workers`` changes a byte of the product.
    Raises CurateError; see curate.errors for what each means.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(str(recipe), inputs=dict(inputs or {}), settings=settings)
    plan = planning.build(recipe)
    store = open_store(str(output))
    listener = progress or Silent()
    with only_writer(store), _storage_errors(str(output)):
        epoch, manifest = begin(store, plan.fingerprint, plan.inputs, resume=resume, fresh=fresh)
        if manifest is not None:
            return _result(str(output), manifest, recipe, reused=True)
        _keep_what_is_run(plan, store)
        started = time.perf_counter()
        machine = _engine(engine, workers, address)
        try:
            start_up = time.perf_counter() - started
            outcome = Driver(plan, store, machine, listener).drive()
        finally:
            machine.close()
        _stop_if_too_much_is_lost(recipe, outcome.ledger, str(output))
        outcome.timings.insert(0, {"segment": "start", "label": engine, "wall": round(start_up, 4)})
        outcome.timings.append(
            {"segment": "all", "label": "all", "wall": round(time.perf_counter() - started, 4)}
        )
        manifest = publish(plan, store, outcome, epoch, _reports, keep_work=keep_work)
    return _result(str(output), manifest, recipe, reused=False)


@contextmanager
def _storage_errors(output: str) -> Iterator[None]:
    """A full or failing disk is no bug: what was committed stays, and the run can go on."""
    try:
        yield
    except OSError as error:
        raise as_resource_error(error, output) from error


class Silent:
    """A progress listener that says nothing."""

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, documents: int) -> None: ...
    def finish(self) -> None: ...


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    if name == "in-process":
        from curate.engine.in_process import InProcess

        return InProcess()
    if name == "ray":
        from curate.engine.ray_tasks import RayTasks

        if address and address.startswith("ray://"):
            raise RecipeError(
                "ray:// drives a cluster from outside, and a lost connection would end the run",
                hint="ray job submit -- curate run RECIPE --address auto --output DIR",
            )
        return RayTasks(workers=workers, address=address)
    raise RecipeError(f"no engine '{name}'", hint=nearest(name, ["ray", "in-process"]))


def _keep_what_is_run(plan: Plan, store: Any) -> None:
    """Write the recipe and the profiles as they are run, resolved, beside the product."""
    import tomli_w

    said = planning.shown_recipe(plan.recipe).model_dump(mode="json", exclude_none=True)
    store.replace("recipe.toml", tomli_w.dumps(said).encode())
    for name, profile in sorted(plan.profiles.by_name.items()):
        body = profile.model_dump(mode="json", exclude_none=True, exclude={"name"})
        safe = Path(name).stem
        store.replace(f"filters/{safe}.toml", tomli_w.dumps(body).encode())


def _reports(manifest: Manifest, timings: list[dict[str, Any]]) -> dict[str, bytes]:
    from curate.report import render

    return render(manifest, timings)


def _result(output: str, manifest: Manifest, recipe: Recipe, *, reused: bool) -> RunResult:
    complaints = tuple(_complaints(manifest, recipe))
    return RunResult(output, manifest.to_json(), 3 if complaints else 0, complaints, reused)


def _complaints(manifest: Manifest, recipe: Recipe) -> list[str]:
    limits, totals = recipe.limits, manifest.totals
    said = []
    allowed = max(limits.quarantined_share * totals.records, limits.quarantined_records)
    if totals.quarantined > allowed:
        said.append(
            f"{totals.quarantined} of {totals.records} records could not be read,"
            f" {allowed:g} are tolerated (limits.quarantined_share, limits.quarantined_records);"
            " see quarantine/"
        )
    for complaint in _too_much_lost(recipe, manifest.ledger):
        said.append(f"{complaint}; see clusters.parquet")
    return said


def _stop_if_too_much_is_lost(recipe: Recipe, ledger: Ledger, output: str) -> None:
    said = _too_much_lost(recipe, ledger)
    if said and recipe.limits.on_dedup_loss == "stop":
        raise ToleranceError(
            "; ".join(said),
            where=output,
            hint="nothing was published and the work is kept: to publish it, run the same command"
            " with --set limits.on_dedup_loss=warn, or with a higher limit",
        )


def _too_much_lost(recipe: Recipe, ledger: Ledger) -> list[str]:
    """Say which sources and languages lost more to dedup than the recipe tolerates."""
    limit = recipe.limits.max_dedup_loss
    dedups = [spec.label for spec in recipe.stages if spec.use.endswith("_dedup")]
    return [
        f"dedup removed {share:.1%} of {kind} '{name}', {limit:.1%} is tolerated"
        " (limits.max_dedup_loss)"
        for kind, names in _lost_to_dedup(ledger, dedups).items()
        for name, share in names.items()
        if share > limit
    ]


def _lost_to_dedup(ledger: Ledger, dedups: list[str]) -> dict[str, dict[str, float]]:
    """Give the share of documents that dedup stages removed, per source and per language."""
    entered: dict[str, Counter[str]] = {"source": Counter(), "language": Counter()}
    dropped: dict[str, Counter[str]] = {"source": Counter(), "language": Counter()}
    for name in dedups[:1]:
        for (source, lang), amount in ledger.stage(name).input.items():
            entered["source"][source] += amount.documents
            entered["language"][lang] += amount.documents
    for name in dedups:
        for (source, lang, _), amount in ledger.stage(name).dropped.items():
            dropped["source"][source] += amount.documents
            dropped["language"][lang] += amount.documents
    return {
        kind: {name: dropped[kind][name] / count for name, count in names.items()}
        for kind, names in entered.items()
    }
