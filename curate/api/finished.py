"""What can be asked of a finished run: its report anew, and the fate of a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from curate.errors import CurateError, RecipeError
from curate.inspection.explain import fates, in_stores, replay
from curate.inspection.verify import manifest_of
from curate.plan import build as planning
from curate.plan.model import Plan
from curate.recipe import locate
from curate.recipe.recipe import Recipe, parse_recipe
from curate.storage.store import Store, open_store


def rebuild_report(output: str) -> dict[str, bytes]:
    """Build a finished run's report anew, write it, and give its files."""
    from curate.report import render

    store = open_store(output)
    manifest = manifest_of(store)
    try:
        timings = [json.loads(line) for line in store.read("timings.jsonl").splitlines()]
    except FileNotFoundError:
        timings = []
    files = render(manifest, timings)
    for name, body in files.items():
        store.replace(name, body)
    return files


def explain(output: str, document: str) -> list[dict[str, Any]]:
    """Tell the fate of a document by id, URL or ``<source>/<file>#<offset>``; see engine.explain.

    Each fate has ``replay`` (what every stage did) where the input can still be read, else
    ``no_replay`` says why. A duplicate has its ``witness``'s own fate beside it, and a curated
    document that was not taken has the ``groups`` of the mixture's table that were full.
    """
    store = open_store(output)
    found = fates(store, document)
    if not found:
        raise RecipeError(
            f"no document or damaged record '{document}' in this run",
            where=output,
            hint="give an id (column `id` of mixture/ and rejected/), a url, or SOURCE/FILE#OFFSET of"
            " quarantine/; skipped records are only counted",
        )
    recipe = parse_recipe(store.read("recipe.toml").decode(), f"{output}/recipe.toml")

    def of_the_run(name: str) -> str:
        """Rules as they were when the document was judged, not as they are today."""
        try:
            return store.read(f"filters/{Path(name).stem}.toml").decode()
        except FileNotFoundError:
            return locate.profile_text(name)

    for fate in found:
        if fate["fate"] == "quarantined":
            continue
        if fate.get("duplicate_of"):
            fate["witness"] = [
                {key: one[key] for key in ("fate", "dropped_by", "url", "where") if key in one}
                for one in _witnesses(store, fate)
            ]
        if fate["fate"] == "over_budget":
            fate["groups"] = _rows_of_group(manifest_of(store).mixture, recipe, fate)
        try:
            fate["replay"] = list(
                replay(
                    _plan_of(recipe, fate["source"], of_the_run),
                    fate["id"],
                    fate.get("dropped_by"),
                    fate.get("cuts", ()),
                )
            )
        except CurateError as error:
            fate["no_replay"] = error.what
    return found


def _witnesses(store: Store, fate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Find a duplicate's witness: in the run, else in the stores that it was compared with."""
    # Ids are unique within a run only: the witness of an id may have the same one in a store.
    own = [] if fate["duplicate_of"] == fate["id"] else fates(store, fate["duplicate_of"])
    if own:
        return own
    try:
        return in_stores(store, fate["duplicate_of"])
    except CurateError as error:
        return [{"fate": "unknown", "where": error.what}]


def _plan_of(recipe: Recipe, source: str, read_profile: Callable[[str], str]) -> Plan:
    """Plan one source alone: the inputs of the others need not be there to replay a document."""
    if source not in recipe.sources:
        raise RecipeError(f"the recipe has no source '{source}'")
    one = {source: recipe.sources[source]}
    alone = recipe.model_copy(update={"sources": one, "mixture": None})
    return planning.build(alone, read_profile=read_profile, stores=False)


def _rows_of_group(
    mixture: list[dict[str, Any]], recipe: Recipe, fate: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Give the mixture's rows (one per phase) of the group that a document belongs to."""
    group = recipe.seeded_mixture.group_of(fate["source"], fate.get("lang"), fate.get("origin"))
    return [row for row in mixture if row["group"] == group]
