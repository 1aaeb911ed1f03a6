"""How often the 95 % intervals of a dry run hold what the whole run then keeps.

``python -m tests.benchmarks.dry_run`` runs shipped recipes in full on their inputs, tries each with
samples of several sizes, and prints for every stage that samples (a stage that looks at documents
alone) in how many of them the interval held the true share. ``--input SOURCE=PATH`` with one recipe
takes other files.
"""

import argparse
import tempfile
from collections.abc import Mapping
from typing import Any

from curate import api
from curate.inspection.dry_run import dry_run_all
from curate.plan import build as planning
from curate.protocol.stage import MapStage
from curate.recipe.recipe import load_recipe

RECIPES = ("demo", "sherkala", "allam", "tedllm", "suzume")
SAMPLES = (40, 60, 90, 130, 180, 240)


def true_shares(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of the documents that reach each stage and pass it."""
    shares = {}
    for stage, counted in manifest["ledger"]["stages"].items():
        came = sum(row[2] for row in counted["input"])
        dropped = sum(row[3] for row in counted["dropped"])
        if came:
            shares[stage] = 1 - dropped / came
    return shares


def main() -> None:
    """Print the coverage by recipe and stage, and of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--samples", nargs="+", type=int, default=list(SAMPLES))
    parser.add_argument("--input", action="append", default=[], metavar="SOURCE=PATH")
    options = parser.parse_args()
    inputs: dict[str, list[str]] = {}
    for item in options.input:
        source, _, path = item.partition("=")
        inputs.setdefault(source, []).append(path)
    held = tried = 0
    print(f"{'recipe':<10}{'stage':<14}{'true':>8}  intervals that hold it, of {options.samples}")
    for name in options.recipes:
        recipe = load_recipe(name, inputs=inputs)
        with tempfile.TemporaryDirectory() as folder:
            run = api.run(recipe, output=f"{folder}/out", engine="in-process")
        truth = true_shares(run.manifest)
        plan = planning.build(recipe)
        samples: dict[str, list[bool]] = {
            stage.name: [] for stage in plan.stages if isinstance(stage, MapStage)
        }
        for size in options.samples:
            for one in dry_run_all(plan, sample=size, scan=64 << 20):
                if one.stage in samples and one.stage in truth and truth[one.stage] < 1:
                    samples[one.stage].append(one.kept.low <= truth[one.stage] <= one.kept.high)
        for stage, holds in samples.items():
            if holds:
                print(f"{name:<10}{stage:<14}{truth[stage]:>8.1%}  {sum(holds)} of {len(holds)}")
                held, tried = held + sum(holds), tried + len(holds)
    print(f"all: {held} of {tried}")


if __name__ == "__main__":
    main()
