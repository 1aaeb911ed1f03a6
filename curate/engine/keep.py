"""What a run adds to its dedup stores, and what it was compared with, for the manifest."""

from __future__ import annotations

from typing import Any

from curate.engine.commit import read_commit
from curate.engine.driver import Outcome
from curate.plan.model import Plan
from curate.storage.dedup_store import append
from curate.storage.store import Store


def append_to_stores(plan: Plan, store: Store, outcome: Outcome) -> list[dict[str, Any]]:
    """Make the generations of a run, before it is published: if it is killed in between, the same
    command finds them made and publishes. Gives what stands in the manifest, per dedup stage.
    """
    told = []
    for segment in plan.segments:
        for barrier in segment.barriers:
            view = barrier.known
            if view is None:
                continue
            said = {
                "stage": barrier.name,
                "address": view.address,
                "compared_with": [number for number, _ in view.read],
                "removed": [list(pair) for pair in view.removed],
            }
            if barrier.store:
                said["added_to"] = barrier.store
                said["generation"] = _append(plan, store, outcome, barrier)
            told.append(said)
    return told


def _append(plan: Plan, store: Store, outcome: Outcome, barrier: Any) -> int:
    entries = [
        entry
        for name in outcome.stored.get(barrier.name, ())
        for entry in read_commit(store, name).notes.get("stored", [])
    ]
    compared = barrier.known.read if barrier.known.address == _address(barrier.store) else ()
    return append(
        barrier.store,
        run=plan.run_key,
        recipe=plan.recipe.name,
        inputs=plan.content_key,
        compared=[number for number, _ in compared],
        parameters=barrier.near_duplicates.stored_parameters,
        entries=entries,
    )


def _address(name: str) -> str:
    from curate.storage.store import open_store

    return open_store(name).address
