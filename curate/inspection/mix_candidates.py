"""Candidate mixtures of a finished run's documents: what it kept is counted once for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from curate.errors import RecipeError
from curate.inspection.finished_rows import FinishedRun
from curate.mixture import histogram
from curate.mixture.candidates import CANDIDATES, candidates, natural, one_phase
from curate.plan import build as planning
from curate.recipe import locate
from curate.recipe.recipe import Recipe
from curate.storage.store import open_store

#: What the candidates are drawn around.
Around = Literal["ratio", "natural"]


def recipe_over(run: FinishedRun, mixture: dict[str, Any] | None) -> dict[str, Any]:
    """Return the table of a recipe that mixes what a run kept, by its own mixture or another."""
    # The rows keep their sources, which groups may name.
    sources: dict[str, Any] = {
        name: {"format": "jsonl", "path": []}
        for name in run.recipe.sources
        if name not in _run_sources(run.recipe)
    }
    name = "finished_run"
    while name in sources:
        name += "_"
    sources[name] = {"format": "run", "path": run.store.address}
    if mixture is None:
        mixture = run.recipe.seeded_mixture.model_dump(mode="json", exclude_unset=True)
    return {
        "name": run.recipe.name,
        "seed": run.recipe.seed,
        "sources": sources,
        "mixture": mixture,
    }


def _run_sources(recipe: Recipe) -> list[str]:
    return [name for name, spec in recipe.sources.items() if spec.format == "run"]


def draw(
    recipe: Recipe, count: int, *, seed: int, budget: float | None, around: Around
) -> tuple[list[dict[str, Any]], pa.Table]:
    """Draw candidates of a recipe that mixes a finished run: their recipes, and `CANDIDATES`.

    Raise RecipeError where the recipe does more than that.
    """
    plan = planning.build(recipe)
    readers = [recipe.sources[name] for name in plan.sources]
    if [spec.format for spec in readers] != ["run"] or len(plan.stages) != 1:
        raise RecipeError(
            "candidates are drawn of one finished run, which is counted once for all",
            where=recipe.name,
            hint="name its folder, or a recipe of one source of format 'run' without stages",
        )
    ((name,), (address,)) = plan.sources, readers[0].path or ()
    address = locate.data_path(address)
    run = FinishedRun(open_store(address))
    mix = plan.mix
    counted, held_out = [], []
    for part in run.documents((*mix.reads, "dropped_by")):
        kept = pa.array(np.asarray(run.is_kept(part.table.column("dropped_by"))))
        sketch = mix.sketch(part.table.filter(kept))
        counted.append(histogram.count_bins(sketch))
        held_out.append(histogram.count_held_out(sketch))
    added = histogram.by_leaf(histogram.add_up(counted))
    available = {leaf: runs.available for leaf, runs in added.items()}
    out = histogram.held_out_by_leaf(histogram.add_held_out(held_out))
    table, centre = one_phase(mix.mixture, budget)
    if around == "natural":
        centre = natural(mix.mixture, available)
    written = recipe.model_dump(mode="json", exclude_unset=True)
    # The recipes of the candidates may lie anywhere.
    path = address if "://" in address else str(Path(address).absolute())
    written["sources"][name]["path"] = path
    drawn = candidates(table, centre, available, out, count, seed)
    recipes = [
        {**written, "name": f"candidate-{number:02}", "mixture": one.mixture}
        for number, one in enumerate(drawn, start=1)
    ]
    return recipes, pa.Table.from_pylist([row for one in drawn for row in one.rows], CANDIDATES)
