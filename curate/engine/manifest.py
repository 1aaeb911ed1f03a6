"""The manifest of a run: what it was made of, and what its ledger and files add up to."""

from __future__ import annotations

import platform
from typing import Any, cast

from curate import schema
from curate._version import __version__
from curate.engine.product import counted_with
from curate.engine.run_state import RunState
from curate.errors import without_secrets
from curate.plan.build import redacted
from curate.plan.fingerprint import package_versions
from curate.plan.model import Plan
from curate.protocol.ledger import Ledger
from curate.protocol.stage import Barrier, Stage
from curate.storage.dedup_store import append
from curate.storage.entries import ClusterExample, FileEntry, Manifest, StoreUse, Totals
from curate.storage.store import open_store


def manifest_of_run(
    plan: Plan,
    state: RunState,
    files: list[FileEntry],
    clusters: list[ClusterExample],
    stores: list[StoreUse],
) -> Manifest:
    """Build the manifest of a run from its plan, its state and its published files."""
    counts = state.ledger.files.values()
    return Manifest(
        contract=schema.CONTRACT_VERSION,
        curate=__version__,
        recipe=cast("dict[str, Any]", redacted(plan.recipe.model_dump(mode="json"))),
        profiles=plan.profiles.digest,
        plan=plan.fingerprint,
        stages=plan.stage_names,
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            "packages": package_versions(),
        },
        models={s.name: s.model_digest for s in plan.stages if s.model_digest is not None},
        facts={
            stage.name: facts for stage in plan.stages if (facts := _facts(stage, state.ledger))
        },
        counted_with=counted_with(plan),
        inputs=plan.inputs,
        files=sorted(files, key=lambda entry: entry.path),
        totals=Totals(
            records=sum(file.records for file in counts),
            skipped=sum(file.skipped.total() for file in counts),
            quarantined=sum(file.quarantined.total() for file in counts),
            documents=sum(file.documents for file in counts),
            dropped=sum(file.dropped.total() for file in counts),
            curated=sum(file.curated for file in counts),
            taken=sum(file.taken for file in counts),
            rows=sum(entry.rows for entry in files if entry.path.startswith("mixture/")),
        ),
        mixture=state.mixture,
        sidecars=state.sidecars,
        ledger=state.ledger,
        samples=state.samples,
        clusters=clusters,
        stores=stores,
        repairs=dict(sorted(state.repairs.items())),
    )


def _facts(stage: Stage, ledger: Ledger) -> dict[str, Any]:
    counts = ledger.stages.get(stage.name)
    return {**(stage.manifest_facts or {}), **(stage.facts_of(counts.tally) if counts else {})}


def append_to_stores(plan: Plan, state: RunState) -> list[StoreUse]:
    """Make the generations of a run; return the use of a dedup store by each stage that has one.

    Called before the run is published: if it is killed in between, the same command finds the
    generations and publishes.
    """
    uses = []
    for barrier in plan.barriers:
        view = barrier.known
        if view is not None:
            uses.append(
                StoreUse(
                    stage=barrier.name,
                    address=without_secrets(view.address),
                    compared_with=[number for number, _ in view.read],
                    removed=[list(pair) for pair in view.removed],
                    # Resolved: what reads it later may be started in another folder.
                    added_to=without_secrets(open_store(barrier.store).address)
                    if barrier.store
                    else None,
                    generation=_append(plan, state, barrier) if barrier.store else None,
                )
            )
    return uses


def _append(plan: Plan, state: RunState, barrier: Barrier) -> int:
    address = barrier.store or ""
    compared = barrier.known.read if barrier.known.address == open_store(address).address else ()
    return append(
        address,
        run=plan.run_key,
        recipe=plan.recipe.name,
        inputs=plan.content_key,
        compared=[number for number, _ in compared],
        parameters=barrier.stored_parameters,
        entries=state.stored.get(barrier.name, []),
    )
